"""One mutant on trial, in a process of its own: plant it, and play one small world after another until one breaks.

    python -m simulations.mutants.trial NAME [SEEDS] [FIRST]      # without a NAME (""): the production code as it is

It prints one line of JSON. Whoever started it watches the clock.
"""

from __future__ import annotations

import json
import sys
from typing import Final, NamedTuple

from simulations.mutants.catalogue import mutant_of

SEEDS: Final = 2_000
"""Worlds that one trial plays, if nobody stops it before."""


class Verdict(NamedTuple):
    """What became of one mutant."""

    name: str
    killed_by: str | None
    """The promise that it broke, or the exception of the production code itself; None: it survived."""
    what: str
    seed: int | None
    worlds: int
    """How many were played."""
    steps: int
    """Statements handed to nodes in all of them."""


def try_mutant(name: str, *, seeds: int = SEEDS, first: int = 0) -> Verdict:
    """Plant a mutant (or none, with an empty name) in this process and play worlds until a promise breaks."""
    if name:
        mutant_of(name).plant()
    # Only now may the production modules be imported.
    from simulations.checkers.base import Broken
    from simulations.mutants.pieces import PIECES
    from simulations.mutants.swarm import Swarm

    for at, piece in enumerate(PIECES):
        try:
            piece()
        except Broken as broken:
            return Verdict(name, broken.checker, f"{piece.__name__}: {broken}", None, at + 1, 0)
        except Exception as error:
            what = f"{piece.__name__}: {type(error).__name__}: {error}"
            return Verdict(name, type(error).__name__, what[:300], None, at + 1, 0)
    steps = 0
    for seed in range(first, first + seeds):
        swarm = None
        try:
            swarm = Swarm(seed)
            swarm.play()
        except Broken as broken:
            return Verdict(name, broken.checker, str(broken), seed, seed - first + 1, steps + swarm_steps(swarm))
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            return Verdict(name, type(error).__name__, what[:300], seed, seed - first + 1, steps + swarm_steps(swarm))
        steps += swarm_steps(swarm)
    return Verdict(name, None, "", None, seeds, steps)


def swarm_steps(swarm: object) -> int:
    """The deliveries of a swarm's world, which may have died while it was made."""
    world = getattr(swarm, "world", None)
    return world.deliveries if world is not None else 0


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[2:]]
    verdict = try_mutant(sys.argv[1], **dict(zip(("seeds", "first"), numbers, strict=False)))
    print(json.dumps(verdict._asdict()))
