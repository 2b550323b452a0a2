"""What a peer looks after once a second: the charter, who is a member, where they are, and its own certificate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from peer.contacts import Contacts
from peer.members.constitution import Constitution
from peer.members.hostmember import wall_clock_ms
from peer.members.passport import Passports
from peer.net.meet.discovery import Discovery
from peer.telemetry import logger
from protocol.certificate import read_certificate
from protocol.errors import BadConfig
from protocol.membership import Member

PAUSE_S: Final = 1.0
"""A revoked member is out, and a charter written here is told, within this time."""
REMAKE_S: Final = 60.0
"""A certificate that is due is made anew; if that fails, it is tried again so often."""


class Upkeep:
    """Everything that time alone changes about a peer's standing."""

    def __init__(
        self, constitution: Constitution, contacts: Contacts, discovery: Discovery, passports: Passports | None = None
    ) -> None:
        """Without `passports` our own certificate is never made anew."""
        self.constitution = constitution
        self._contacts, self._discovery, self._passports = contacts, discovery, passports
        self._timer: asyncio.TimerHandle | None = None
        self._due_ms, self._again_s = 0, 0.0

    def start(self, on_newer: Callable[[bytes], None]) -> None:
        """Begin, in the running loop; `on_newer` is told of a charter that the node may not know, as evidence."""
        self.constitution.on_newer = on_newer
        self.constitution.on_out = self._out
        self._contacts.start(self.constitution.learn)
        self._note_due()
        self._tick()

    def close(self) -> None:
        """Look after nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(PAUSE_S, self._tick)
        wall_ms = wall_clock_ms()
        self.constitution.tick(wall_ms)
        self._discovery.tick()
        if wall_ms >= self._due_ms and loop.time() >= self._again_s:
            self._again_s = loop.time() + REMAKE_S
            self._remake(wall_ms)

    def _out(self, member: Member) -> None:
        """A member is out: it is cut off, unless it is this peer, which others cut off."""
        if member.peer == self._discovery.introduction().peer_id:
            logger().error("this peer is no member any more", do="vendue doctor says why, and what to do")
        else:
            self._contacts.expel(member)

    def _note_due(self) -> None:
        """A certificate is made anew when half of its time is over."""
        claim = read_certificate(self._discovery.introduction().certificate).certificate
        self._due_ms = (claim.from_ms + claim.until_ms) // 2

    def _remake(self, wall_ms: int) -> None:
        if self._passports is None:
            return
        try:
            certificate = self._passports.issue(wall_ms)
        except BadConfig as error:
            logger().warning("this peer's certificate cannot be made anew", why=str(error)[:200])
            return
        self.constitution.membership.admit(certificate)
        self._discovery.renew(certificate)
        self._note_due()
