"""How long a frame travels: integer microseconds, drawn from a table that is the same on every machine.

Measured networks are roughly lognormal with a heavy tail. The quantiles are computed once, in decimal arithmetic, which
rounds the same everywhere; a draw is then one lookup, and about one draw in two hundred falls into the tail.
"""

from __future__ import annotations

import random
from decimal import Context, Decimal
from functools import lru_cache
from statistics import NormalDist
from typing import Final

from protocol.errors import UsageError

_BITS: Final = 10
_TAIL_FROM: Final = 1_019
"""The last five of the table's 1024 places: what falls there comes later still."""
_CONTEXT: Final = Context(prec=28)


class Latency:
    """One distribution of travel times."""

    __slots__ = ("_table", "_tail_us", "longest_us")

    def __init__(self, table: tuple[int, ...], tail_us: int = 0) -> None:
        """`table` has 1 or 1024 quantiles; what falls into its last places comes up to `tail_us` later."""
        self._table = table
        self._tail_us = tail_us
        self.longest_us = table[-1] + tail_us
        """No draw is longer than this."""

    def draw(self, chance: random.Random) -> int:
        """One travel time, in microseconds."""
        if len(self._table) == 1:
            return self._table[0]
        place = chance.getrandbits(_BITS)
        if place >= _TAIL_FROM and self._tail_us:
            return self._table[place] + chance.randrange(self._tail_us)
        return self._table[place]

    @classmethod
    def constant(cls, us: int) -> Latency:
        """Every frame takes the same time."""
        if us < 0:
            raise UsageError(f"A frame cannot take {us} µs.", do="Take 0 or more.")
        return cls((us,))

    @classmethod
    def lognormal(cls, *, median_us: int, sigma: str, tail_us: int = 0) -> Latency:
        """Half take longer than the median; `sigma` is the spread of the logarithm, as a decimal like "0.5"."""
        if median_us <= 0 or tail_us < 0 or not 0 <= Decimal(sigma) <= 3:
            raise UsageError("This latency is none.", why="It needs a median above 0, a sigma from 0 to 3, and a tail.")
        return cls(_lognormal(median_us, sigma), tail_us)


@lru_cache(maxsize=64)
def _lognormal(median_us: int, sigma: str) -> tuple[int, ...]:
    size = 1 << _BITS
    normal = [f"{NormalDist().inv_cdf((2 * place + 1) / (2 * size)):.6f}" for place in range(size)]
    factors = [_CONTEXT.exp(_CONTEXT.multiply(Decimal(sigma), Decimal(z))) for z in normal]
    return tuple(int(_CONTEXT.multiply(factor, median_us).to_integral_value()) for factor in factors)


AT_ONCE: Final = Latency.constant(0)
LAN: Final = Latency.lognormal(median_us=250, sigma="0.35", tail_us=20_000)
"""One room: a quarter of a millisecond, and now and then what a busy machine adds."""
WAN: Final = Latency.lognormal(median_us=40_000, sigma="0.45", tail_us=400_000)
"""Between cities: 40 ms, and now and then a retransmission or two."""
