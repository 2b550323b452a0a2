"""Every kind of peer by name, and how one of it joins a world."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final, NamedTuple

from protocol.bidder import Quote
from protocol.errors import BadConfig
from protocol.policy import Policy
from simulations.population import bidders, governors, managers, outsiders
from simulations.testimony import NO_RULES
from simulations.world.process import Process
from simulations.world.work import Work, done_after, price_of
from simulations.world.world import World

PROMISED_MS: Final = 1
WORKED_MS: Final = 30_000


class Kind(NamedTuple):
    """What the peers of one kind do in a market."""

    process: type[Process] = Process
    manages: bool = False
    bids: bool = False
    governs: bool = False
    honest: bool = True
    """It keeps what the protocol promises, whatever its agent does. Nobody honest is ever convicted."""
    work: Work | None = None
    """What its agent does, in place of what it is asked to do."""
    quote: Quote | None = None
    policy: Policy = NO_RULES

    @property
    def lies(self) -> bool:
        return not self.honest


KINDS: Final[Mapping[str, Kind]] = {
    "manager": Kind(manages=True),
    "honest": Kind(bids=True),
    "slow": Kind(bidders.SlowPeer, bids=True),
    "overpromising": Kind(bids=True, work=done_after(WORKED_MS), quote=price_of(1, PROMISED_MS)),
    "copying-bidder": Kind(bidders.CopyingBidder, bids=True),
    "silent-winner": Kind(bidders.SilentWinner, bids=True, honest=False),
    "governor": Kind(governs=True),
    "double-voting-governor": Kind(governors.DoubleVotingGovernor, governs=True, honest=False),
    "forking-governor": Kind(governors.ForkingGovernor, governs=True, honest=False),
    "vetoing-governor": Kind(governors.VetoingGovernor, governs=True, honest=False, policy=governors.VETO_ALL),
    "late-governor": Kind(governors.LateGovernor, governs=True, honest=False),
    "forking-manager": Kind(managers.ForkingManager, manages=True, honest=False),
    "two-faced-manager": Kind(managers.TwoFacedManager, manages=True, honest=False),
    "withholding-manager": Kind(managers.WithholdingManager, manages=True, honest=False),
    "omitting-manager": Kind(managers.OmittingManager, manages=True, honest=False),
    "favouring-manager": Kind(managers.FavouringManager, manages=True, honest=False),
    "forger": Kind(outsiders.Forger, honest=False),
    "replayer": Kind(outsiders.Replayer, honest=False),
    "flooder": Kind(outsiders.Flooder, honest=False),
}


def make(
    world: World,
    kind: str,
    name: str,
    *,
    skills: Mapping[str, int | Quote] | None = None,
    work: Work | None = None,
    capacity: int = 8,
    policy: Policy | None = None,
    skew_us: int = 0,
) -> Process:
    """Let a peer of a kind join a world. What a kind is known for goes before what is given.

    Bidders offer `skills` (by default `shout` at 5); governors need a seat of this name in the world. Raises BadConfig
    for a kind that there is not.
    """
    is_of = KINDS.get(kind)
    if is_of is None:
        near = get_close_matches(kind, list(KINDS), n=1)
        raise BadConfig(
            f"There is no kind of peer called {kind!r}.",
            do=f"Did you mean {near[0]!r}?" if near else f"Take one of {', '.join(KINDS)}.",
        )
    offered = dict(skills if skills is not None else {"shout": 5}) if is_of.bids else {}
    if is_of.quote is not None:
        offered = dict.fromkeys(offered, is_of.quote)
    rules = is_of.policy if is_of.policy is not NO_RULES else policy or NO_RULES
    return world.join(
        name, skills=offered, work=is_of.work or work or done_after(20), capacity=capacity,
        policy=rules if is_of.governs else None, honest=is_of.honest, skew_us=skew_us, kind=is_of.process,
    )  # fmt: skip
