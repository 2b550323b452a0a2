"""What if: a virtual clock, one seed, a hostile network, and the production `Node` of `protocol` run inside it.

Nothing in this package holds a rule of the market: it drives the same `Node` through the same `turn` that a real peer
runs, so what is proved here is what runs there. It opens no socket and reads no real clock; only `rehearsal`, which
plays a scenario with real processes, may know `peer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulations.study.simulation import Result, Simulation

__all__ = ["Result", "Simulation"]


def __getattr__(name: str) -> object:
    """What scripts use is imported when it is asked for: most modules here need none of it."""
    if name in __all__:
        from simulations.study import simulation

        return getattr(simulation, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
