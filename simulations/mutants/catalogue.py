"""The catalogue of planted bugs, by name."""

from __future__ import annotations

import difflib
from typing import Final

from protocol.errors import UsageError
from simulations.mutants.base import Mutant
from simulations.mutants.bugs.auction import AUCTION
from simulations.mutants.bugs.chain import CHAIN
from simulations.mutants.bugs.memory import MEMORY
from simulations.mutants.bugs.votes import VOTES
from simulations.mutants.bugs.work import WORK

MUTANTS: Final[dict[str, Mutant]] = {
    mutant.name: mutant for group in (AUCTION, CHAIN, WORK, VOTES, MEMORY) for mutant in group
}


def mutant_of(name: str) -> Mutant:
    """The mutant of a name. Raises UsageError with the nearest names."""
    if name not in MUTANTS:
        near = ", ".join(difflib.get_close_matches(name, MUTANTS, n=3)) or "run scripts/mutants --list"
        raise UsageError(f"There is no mutant {name}.", do=f"Did you mean: {near}?")
    return MUTANTS[name]
