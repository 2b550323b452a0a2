"""The others, as a caller needs them: waiting for their cards, who offers what, and for which input."""

from __future__ import annotations

import asyncio
from typing import Final

from peer.net.meet.attempts import Outcome
from peer.runtime import Runtime
from peer.work.schema import validate
from protocol.directory import Directory
from protocol.errors import BadInput, NoBids, NoPeers

LOOK_S: Final = 0.02
FIRST_LOOK_S: Final = 0.12
"""By then this computer's own folder has been looked through twice."""

REFUSALS_TOLD: Final = 3
"""Places that are told of where somebody answered who is no use; the doctor tells all."""
_SPEAKING: Final = frozenset({Outcome.REFUSED, Outcome.UNPROVEN, Outcome.FORGED})


async def wait_for_cards(runtime: Runtime, *, least_s: float = FIRST_LOOK_S, most_s: float = 1.5) -> None:
    """Wait `least_s` for others to be found, and then for the cards of those who were; never longer than `most_s`."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    while (waited_s := loop.time() - began_s) < most_s:
        if waited_s >= least_s and not _still_silent(runtime):
            return
        await asyncio.sleep(LOOK_S)


def _still_silent(runtime: Runtime) -> bool:
    directory = runtime.node.directory
    shown = directory.here & directory.cards.keys()
    return any(found.peer_id not in shown for found in runtime.discovery.known)


def nobody(runtime: Runtime, skill: str, market: str) -> NoPeers | NoBids:
    """The error when nobody offers a skill: it says who is there instead."""
    directory = runtime.node.directory
    cards = [directory.cards[member] for member in directory.here if member in directory.cards]
    skills = sorted({offered.skill for card in cards for offered in card.body.skills})
    if not skills:
        return NoPeers(
            f"No peer in the market {market!r} offers anything.",
            why=who_was_found(runtime),
            do="Start one with: vendue run FILE. What was tried: vendue doctor",
        )
    return NoBids(f"Nobody here offers {skill!r}.", why=f"Offered are: {', '.join(skills)}.", do="See: vendue peers")


def who_was_found(runtime: Runtime) -> str:
    """How many others there are, and why there are not more, as far as whoever answered says so."""
    here, known = runtime.node.directory.here, runtime.discovery.known
    away = sum(found.peer_id not in here for found in known)
    noun = "peer was" if len(known) == 1 else "peers were"
    told = f"{len(known)} {noun} found" + (f", {away} not connected (yet)" if away else "")
    refusals = {one.address: one.phrase for one in runtime.discovery.attempts if one.outcome in _SPEAKING}
    if refusals:
        shown = list(refusals.items())[-REFUSALS_TOLD:]
        return "; ".join([told, *(f"{address.removeprefix('tcp://')}: {why}" for address, why in shown)]) + "."
    return f"{told}." if known else "Nobody was found on this host or by multicast DNS."


def check_input(directory: Directory, skill: str, raw: bytes) -> None:
    """Hold an input against the schema of whoever offers the skill; one that takes it is enough. Raises BadInput."""
    fault: BadInput | None = None
    for member in directory.offering(skill):
        for offered in directory.cards[member].body.skills:
            if offered.skill == skill:
                try:
                    validate(offered.input_schema, raw)
                except BadInput as error:
                    fault = error
                else:
                    return
    if fault is not None:
        raise fault
