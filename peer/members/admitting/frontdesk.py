"""Who answers a knock in a peer's lobby: the admitter that lives here, or a member that may know where it is.

A governor's key is used by the governor's peer alone; for an admitter that is the computer's own member every peer here
answers, for it has no peer of its own. Which key admits is asked of the charter each time: it may be amended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from peer.home import MarketHome
from peer.members.admitting.admission import Desk, direct
from peer.members.admitting.admitters import admitter_in
from peer.members.admitting.handover import charters_of
from peer.members.admitting.register import Register
from peer.net.endpoints import address
from peer.net.meet.discovery import Discovery
from peer.net.meet.knocks import Admitted, Item, Knock, NotAdmitted, Redeem, Renew, Why, open_item, pack
from peer.net.meet.lobby import Lobby
from peer.telemetry import logger
from protocol.certificate import read_certificate
from protocol.invitation import role_of
from protocol.keys import short_peer
from protocol.membership import Membership


class FrontDesk:
    """Hands what is asked in a lobby to the desk of an admitter here, or sends the asker on."""

    def __init__(self, market: MarketHome, key: Path, membership: Membership, discovery: Discovery) -> None:
        """`key` is where the key is that this peer may admit with, if the charter names it."""
        self._market, self._key, self._membership, self._discovery = market, key, membership, discovery
        self._desk: Desk | None = None

    def serve(self, lobby: Lobby) -> None:
        """Answer in this lobby from now on."""
        lobby.on(Knock, self._knock)
        lobby.on(Redeem, lambda redeem, asker: self._at_the_desk(lambda desk: desk.redeem(redeem, asker)))
        lobby.on(Renew, lambda renew, asker: self._at_the_desk(lambda desk: desk.renew(renew, asker)))

    def _knock(self, knock: Knock, asker: bytes) -> list[bytes]:
        desk = self._open_desk()
        if desk is not None and desk.admitter.startswith(knock.admitter_prefix):
            return desk.knock(knock, asker)
        return direct(knock, self._membership.market, self._where)

    def _at_the_desk(self, ask: Callable[[Desk], list[bytes]]) -> list[bytes]:
        desk = self._open_desk()
        answer = ask(desk) if desk is not None else [pack(NotAdmitted(Why.NOT_HERE))]
        _note(open_item(answer))
        return answer

    def _open_desk(self) -> Desk | None:
        """The desk of the admitter here, or None while the charter names none."""
        charter = self._membership.charter.body
        if self._desk is None and (admitter := admitter_in(self._key, charter)) is not None:
            self._desk = Desk(
                admitter, Register(self._market.register), charters=lambda: charters_of(self._market),
                newest=lambda: self._membership.charter,
            )  # fmt: skip
        if self._desk is not None and self._desk.admitter not in charter.admitters:
            return None
        return self._desk

    def _where(self, prefix: bytes) -> Sequence[str]:
        """The lobbies of the admitter whose key begins so, or of peers that it vouches for."""
        for found in self._discovery.known:
            member = self._membership.member(found.peer_id)
            if member is not None and (member.peer.startswith(prefix) or member.sponsor.startswith(prefix)):
                return [address(host, found.endpoints.lobby) for host in found.endpoints.hosts]
        return ()


def _note(answer: Item | None) -> None:
    """Let people see who came, as far as a stranger cannot make it say so without end."""
    match answer:
        case Admitted(certificate=certificate):
            claim = read_certificate(certificate).certificate
            logger().info("a member has its certificate", member=short_peer(claim.member), role=role_of(claim.rights))
        case NotAdmitted(why=Why.BUSY):
            logger().error("nobody is let in: the register cannot be used", do="vendue doctor says why")
        case NotAdmitted(why=Why.WRONG_CODE | Why.EXPIRED | Why.USED_UP | Why.REVOKED as why):
            logger().info("somebody was not let in", why=str(why))
