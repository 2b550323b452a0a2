"""Who is known on this computer, and whom a person means by an id, the beginning of one, or a name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from peer import keystore
from peer.audit.records import homes_of
from peer.caller.market import Market
from peer.home import MarketHome
from peer.members.admitting.memberlist import Known, members_known
from peer.members.hostmember import wall_clock_ms
from peer.members.meant import who_is_meant, whole_id
from protocol.errors import VendueError
from protocol.keys import Ed25519Sealer, PeerId


class Acquaintances:
    """Who is known on this computer, and as whom: read once, before anybody is asked."""

    def __init__(self, market: MarketHome) -> None:
        self.members = {one.peer: one for one in _members(market)}
        self.homes = {peer: name for name, peer in _homes(market)}

    def find(self, said: str, market: Market) -> PeerId | None:
        """The one who is meant, among these and those who are seen now. Raises UsageError if it may be several."""
        return whole_id(said) or who_is_meant(said, self._called(said, market), self._all(market))

    def _called(self, name: str, market: Market) -> Iterator[bytes]:
        """Whoever is here under a name; if nobody is, whoever was."""
        directory = market.runtime.node.directory
        here = [peer for peer in directory.here if directory.name_of(peer) == name]
        yield from here or [peer for peer, home in self.homes.items() if home == name]
        if not here:
            yield from (peer for peer, one in self.members.items() if one.name == name)

    def _all(self, market: Market) -> set[bytes]:
        runtime = market.runtime
        named = (place.said for place in runtime.discovery.places)
        tried = (peer for attempt in runtime.discovery.attempts for peer in (attempt.said, attempt.who))
        membership = runtime.constitution.membership
        revoked = (out.member for out in membership.charter.body.revocations)
        sources: Iterable[Iterable[bytes | None]] = (
            membership.members, runtime.node.directory.cards, self.members, self.homes, named, tried, revoked,
        )  # fmt: skip
        return {peer for source in sources for peer in source if peer is not None} - {runtime.node.peer}


def _members(market: MarketHome) -> list[Known]:
    try:
        return members_known(market, wall_ms=wall_clock_ms())
    except VendueError:  # what is wrong with the records here is told by the checks of the homes
        return []


def _homes(market: MarketHome) -> Iterator[tuple[str, PeerId]]:
    for home in homes_of(market):
        try:
            yield home.path.name, Ed25519Sealer(keystore.load(home.key)).peer
        except VendueError:
            continue
