"""A task as its caller words it: what does not fit is named by the caller's own word for it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from peer.caller.wording import encode_input, milliseconds, word
from peer.settings import Settings
from protocol.errors import BadInput, UsageError
from protocol.limits import DURATION_MAX_MS, INLINE_MAX
from protocol.statements import Announcement, AwardRule, EffectClass

FIT: dict[str, Any] = {
    "budget": 10, "deadline_s": None, "effect": "pure", "award_rule": "lowest-price", "price_weight": 1,
    "duration_weight": 0, "attempts": 3, "idempotency_key": None, "traceparent": "",
}  # fmt: skip


def worded(**said: Any) -> Announcement:
    """A task that fits, but for what is said."""
    skill = said.pop("skill", "sum")
    return word(Settings(), bytes(32), skill, b"{}", **{**FIT, **said})


def test_what_is_not_said_has_its_default() -> None:
    """Only the budget must be said; the deadline, the windows and the lease come from the settings."""
    task = worded(effect=EffectClass.REVERSIBLE, award_rule=AwardRule.BEST_VALUE)
    assert (task.budget, task.deadline_ms, task.effect, task.award_rule) == (10, 60_000, "reversible", "best-value")
    assert len(task.idempotency_key) == 16
    assert worded().idempotency_key != worded().idempotency_key


@pytest.mark.parametrize(
    "said",
    [
        {"budget": -1}, {"budget": 2**60}, {"budget": 5.0}, {"budget": "5"}, {"budget": True}, {"budget": math.nan},
        {"deadline_s": -1}, {"deadline_s": 0}, {"deadline_s": math.inf}, {"deadline_s": math.nan},
        {"deadline_s": "5"}, {"deadline_s": 1e30}, {"deadline_s": True}, {"attempts": 0}, {"attempts": 10**6},
        {"effect": "bad"}, {"award_rule": "bad"}, {"price_weight": -3}, {"duration_weight": 1.5},
        {"idempotency_key": "abcd"}, {"idempotency_key": bytes(5_000)}, {"traceparent": "x" * 5_000},
        {"skill": 5}, {"skill": "x" * 5_000},
    ],
    ids=repr,
)  # fmt: skip
def test_what_does_not_fit_is_named(said: dict[str, Any]) -> None:
    """The error begins with the name of the argument, as the caller wrote it."""
    with pytest.raises(UsageError, match=f"This task cannot be announced: {next(iter(said))}: expected"):
        worded(**said)


@pytest.mark.parametrize(
    ("seconds", "counted"), [(0, 0), (0.0001, 1), (1.5, 1500), (DURATION_MAX_MS // 1000, DURATION_MAX_MS)]
)
def test_seconds_are_counted_in_milliseconds(seconds: float, counted: int) -> None:
    """Upwards, so that no time becomes none."""
    assert milliseconds("patience_s", seconds) == counted


@pytest.mark.parametrize("value", [object(), {"n": [object()]}, "\ud800"], ids=["object", "inside", "half a letter"])
def test_what_json_cannot_say_is_no_input(value: object) -> None:
    """It is refused before anything is announced."""
    with pytest.raises(BadInput):
        encode_input(value)


def test_an_input_has_room_for_what_an_announcement_carries() -> None:
    """Up to 16 KiB of JSON, and not a byte more."""
    assert encode_input("x" * (INLINE_MAX - 2))
    with pytest.raises(BadInput, match="16385 bytes"):
        encode_input("x" * (INLINE_MAX - 1))
    assert encode_input(None) == b"{}"
