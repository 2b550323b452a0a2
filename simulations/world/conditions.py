"""What befalls frames on a link: how long they travel, and how likely they are lost, come twice, or are passed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from protocol.errors import UsageError
from simulations.world.latency import AT_ONCE, Latency


class Burst(NamedTuple):
    """Loss in bursts (Gilbert and Elliott): how likely a frame makes the link bad, or good again, and is lost in it."""

    enter: float
    leave: float
    loss: float


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What befalls the frames on a link; each number is a probability for each frame."""

    latency: Latency = AT_ONCE
    loss: float = 0.0
    burst: Burst | None = None
    repeat: float = 0.0
    """A frame comes twice."""
    reorder: float = 0.0
    """A frame is held up for another travel time or two, and later ones pass it."""

    def __post_init__(self) -> None:
        for name in ("loss", "repeat", "reorder"):
            _check_probability(name, getattr(self, name))
        if self.burst is not None:
            for name, value in zip(Burst._fields, self.burst, strict=True):
                _check_probability(f"burst.{name}", value)

    @property
    def lossless(self) -> bool:
        """Every frame arrives once and in order."""
        return not (self.loss or self.burst or self.repeat or self.reorder)


def _check_probability(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise UsageError(f"{name} = {value} is no probability.", do="Take a number from 0 to 1.")
