"""How long something lasts, and how long until it comes: integer microseconds, the same on every machine.

The quantiles are computed once, in decimal arithmetic; a draw is one lookup. The longest draw is bounded: 7.6 means of
the exponential, some 320 medians of the heavy-tailed one.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Context, Decimal
from typing import Final

_BITS: Final = 10
_PLACES: Final = 1 << _BITS
_CONTEXT: Final = Context(prec=28)
_SHAPE: Final = Decimal("1.2")
"""Of the Pareto distribution: sessions of real peers have a tail like that, with a mean and without a variance."""
_HOUR_US: Final = 3_600_000_000


def _table(quantile: Callable[[Decimal], Decimal]) -> tuple[int, ...]:
    """The quantiles of a distribution in millionths, for the share that is left above each."""
    left = [_CONTEXT.divide(Decimal(2 * (_PLACES - place) - 1), Decimal(2 * _PLACES)) for place in range(_PLACES)]
    return tuple(int(_CONTEXT.multiply(quantile(share), Decimal(1_000_000))) for share in left)


def _pareto(share: Decimal) -> Decimal:
    """In medians: (2 · share) to the power of -1 / shape."""
    exponent = _CONTEXT.divide(_CONTEXT.ln(_CONTEXT.multiply(Decimal(2), share)), _SHAPE)
    return _CONTEXT.exp(-exponent)


_EXPONENTIAL: Final = _table(lambda share: -_CONTEXT.ln(share))
_HEAVY: Final = _table(_pareto)


def about_us(mean_ms: int, chance: random.Random) -> int:
    """A span without memory, with this mean."""
    return _EXPONENTIAL[chance.getrandbits(_BITS)] * mean_ms // 1000


def heavy_us(median_ms: int, chance: random.Random) -> int:
    """A heavy-tailed span: half are shorter than the median, and a few are longer by far."""
    return _HEAVY[chance.getrandbits(_BITS)] * median_ms // 1000


def pause_us(rate_per_hour: int, chance: random.Random) -> int:
    """How long until the next of so many in an hour."""
    return _EXPONENTIAL[chance.getrandbits(_BITS)] * (_HOUR_US // rate_per_hour) // 1_000_000
