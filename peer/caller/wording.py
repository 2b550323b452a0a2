"""A task as its caller words it: made into an announcement, or refused with the name of what does not fit."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from peer.settings import Settings
from protocol.errors import BadInput, UsageError
from protocol.limits import DURATION_MAX_MS, INLINE_MAX
from protocol.statements import Announcement, AwardRule, EffectClass

PATIENCE_S: Final = 2.0
"""How long a task waits for somebody who offers its skill, and then for a bid, if nothing else is said."""
_CALLED: Final = {"deadline_ms": "deadline_s", "bid_window_ms": "the setting bid_window_ms", "lease_ms": "lease_ms"}


def word(
    settings: Settings,
    charter: bytes,
    skill: str,
    input: bytes,
    *,
    budget: int,
    deadline_s: float | None,
    effect: EffectClass | str,
    award_rule: AwardRule | str,
    price_weight: int,
    duration_weight: int,
    attempts: int,
    idempotency_key: bytes | None,
    traceparent: str,
) -> Announcement:
    """Make the announcement. Raises UsageError: "budget: expected int, got float"."""
    deadline_ms = milliseconds("deadline_s", settings.default_deadline_s if deadline_s is None else deadline_s)
    if deadline_ms == 0:
        raise _unfit("deadline_s", "expected more than 0")
    if not isinstance(idempotency_key, bytes | None):
        raise _unfit("idempotency_key", f"expected bytes, got {type(idempotency_key).__name__}")
    try:
        body = Announcement(
            charter=charter, skill=skill, input=input, input_digest=None, requirements=(), budget=budget,
            award_rule=AwardRule(award_rule), price_weight=price_weight, duration_weight=duration_weight,
            effect=EffectClass(effect), bid_window_ms=settings.bid_window_ms, lease_ms=settings.lease_ms,
            deadline_ms=deadline_ms, attempts=attempts, idempotency_key=idempotency_key or os.urandom(16),
            traceparent=traceparent,
        )  # fmt: skip
        return msgspec.convert(msgspec.to_builtins(body, builtin_types=(bytes,)), Announcement)
    except msgspec.ValidationError as error:
        said, _, path = str(error).replace("Expected", "expected").partition(" - at ")
        place = re.fullmatch(r"`\$\[(\d+)\].*`", path)
        name = Announcement.__struct_fields__[int(place[1])] if place is not None else "the task"
        raise _unfit(_CALLED.get(name, name), said.replace("`", "")) from None
    except ValueError as error:  # an effect or a rule that there is not
        choices = AwardRule if "AwardRule" in str(error) else EffectClass
        name = "award_rule" if choices is AwardRule else "effect"
        raise _unfit(name, f"expected {', '.join(choices)}") from None


def milliseconds(name: str, seconds: object) -> int:
    """A time as the market counts it. Raises UsageError with `name` for what is none."""
    given = seconds if isinstance(seconds, int | float) and not isinstance(seconds, bool) else math.nan
    if not 0 <= given * 1000 <= DURATION_MAX_MS:
        raise _unfit(name, f"expected seconds, 0 to {DURATION_MAX_MS // 1000}, got {seconds!r}"[:200])
    return math.ceil(given * 1000)


def encode_input(value: Any) -> bytes:
    """A task's input as JSON, nothing as an empty object. Raises BadInput."""
    if isinstance(value, Mapping) or value is None:
        value = dict(value or {})
    try:
        raw = msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInput(f"The input is nothing that JSON can say: {error}.") from None
    if len(raw) > INLINE_MAX:
        raise BadInput(f"The input has {len(raw)} bytes, more than the {INLINE_MAX} that fit an announcement.")
    return raw


def _unfit(name: str, why: str) -> UsageError:
    return UsageError(f"This task cannot be announced: {name}: {why}.")
