"""A pipe between a supervisor and its peers: its other end closes with the supervisor, however that ends.

So no peer outlives a supervisor that was killed. A thread waits for it, for a peer whose loop is held up would not
notice; a peer that does not leave when it is asked to is ended with all of its process group.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from contextlib import suppress
from typing import Final

VARIABLE: Final = "VENDUE_LIFELINE"
_SAID: Final = re.compile(r"([0-9]{1,6}):([0-9]{1,3})", re.ASCII)


def lifeline_variable(descriptor: int, stop_timeout_s: int) -> dict[str, str]:
    """What tells a process of its lifeline: the reading end that it inherits, and how long its goodbye may take."""
    return {VARIABLE: f"{descriptor}:{stop_timeout_s}"}


def hold_on() -> None:
    """End this process when whoever started it has ended, if that has put a lifeline here; further calls do nothing."""
    said = _SAID.fullmatch(os.environ.pop(VARIABLE, ""))  # what we start ourselves has no part in it
    if said is None:
        return
    descriptor, stop_timeout_s = int(said[1]), int(said[2])
    with suppress(OSError):
        os.set_inheritable(descriptor, False)
        waiting = threading.Thread(target=_wait, args=(descriptor, stop_timeout_s), name="lifeline", daemon=True)
        waiting.start()


def _wait(descriptor: int, stop_timeout_s: int) -> None:
    with suppress(OSError):
        while os.read(descriptor, 64):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(stop_timeout_s)
    if os.getpgid(0) == os.getpid():  # our own group, and nobody's shell
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
