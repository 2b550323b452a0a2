"""The worlds that are explored, by name, and within how many faults a search of each ends in minutes."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Final, NamedTuple

from protocol.errors import UsageError
from protocol.statements import EffectClass
from simulations.explorer.setting import Setting

FAULTS_MOST: Final = 20


class Small(NamedTuple):
    """One small world."""

    bidders: int
    governors: int
    effect: EffectClass
    faults_max: int

    @property
    def setting(self) -> Setting:
        return Setting(bidders=self.bidders, governors=self.governors, effect=self.effect)

    @property
    def about(self) -> str:
        """The world in words."""
        governors = ("no governor", "one governor")[self.governors]
        return f"one {self.effect} task, {('no', 'one bidder', 'two bidders')[self.bidders]}, {governors}"


WORLDS: Final = {
    "bidder-pure": Small(1, 0, EffectClass.PURE, 2),
    "bidder-reversible": Small(1, 0, EffectClass.REVERSIBLE, 2),
    "bidders-pure": Small(2, 0, EffectClass.PURE, 1),
    "bidders-reversible": Small(2, 0, EffectClass.REVERSIBLE, 1),
    "governed-pure": Small(1, 1, EffectClass.PURE, 1),
    "governed-reversible": Small(1, 1, EffectClass.REVERSIBLE, 1),
    "governed-irreversible": Small(1, 1, EffectClass.IRREVERSIBLE, 1),
    "all-pure": Small(2, 1, EffectClass.PURE, 0),
    "all-reversible": Small(2, 1, EffectClass.REVERSIBLE, 0),
    "all-irreversible": Small(2, 1, EffectClass.IRREVERSIBLE, 0),
}


def world_named(name: str) -> Small:
    """Look a world up. Raises UsageError with the nearest name."""
    if name not in WORLDS:
        near = get_close_matches(name, WORLDS, 1)
        do = f"Did you mean {near[0]}?" if near else f"Take one of {', '.join(WORLDS)}."
        raise UsageError(f"No small world is called {name}.", do=do)
    return WORLDS[name]
