"""Why a joiner found no admitter: what there is at each place where it was looked for, and what to do."""

from __future__ import annotations

import asyncio
from typing import Final

from peer.net.meet.probe import There, probe
from peer.net.meet.searching import Lobbies
from protocol.errors import NoPeers

PLACES_TOLD: Final = 4
"""Places that are told of: with more of them the first few say enough."""
_ANOTHER: Final = "a peer is there, which is not of that market, or not in its lobby"


async def nobody(lobbies: Lobbies) -> NoPeers:
    """What to tell whoever waited in vain; calls once more at the places, for a second or two."""
    unknown = [f"{seed}: the name is not known" for seed in lobbies.unknown]
    if not lobbies.places:
        failed = f"Multicast does not work here: {lobbies.multicast_failure}. " if lobbies.multicast_failure else ""
        names = f"{'; '.join(unknown)}. " if unknown else ""
        return NoPeers(
            "No peer of that market was found.",
            why=f"{names}{failed}Multicast ends at a router, and some networks drop it.",
            do="Name a member's lobby: --seed HOST:PORT; or the network to look on: --interface NAME.",
        )
    places = lobbies.places[:PLACES_TOLD]
    there = await asyncio.gather(*map(probe, places))
    whys = [f"{where.removeprefix('tcp://')}: {_said(what)}" for where, what in zip(places, there, strict=True)]
    do = "Is its governor running (vendue govern), and does a firewall let it be reached? Then try again."
    if There.PEER in there:
        do = "Is the code of that market, and its governor running (vendue govern)? `vendue invite` names its lobby."
    return NoPeers("Nobody of that market answers as its admitter.", why="; ".join([*whys, *unknown]) + ".", do=do)


def _said(there: There) -> str:
    return _ANOTHER if there is There.PEER else there.value
