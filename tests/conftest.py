"""How much hypothesis tries: `dev` looks for something new each time, `ci` tries the same again; neither knows a clock.

`VENDUE_PROFILE` names the profile, `VENDUE_EXAMPLES` multiplies the number of examples.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = 60
_times = int(os.environ.get("VENDUE_EXAMPLES", "1"))
_slow_is_fine = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)

settings.register_profile(
    "dev", deadline=None, max_examples=EXAMPLES * _times, suppress_health_check=_slow_is_fine, print_blob=True
)
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, database=None)
settings.load_profile(os.environ.get("VENDUE_PROFILE", "ci" if os.environ.get("CI") else "dev"))
