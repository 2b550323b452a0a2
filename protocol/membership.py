"""Who is a member now: the newest charter, and the certificates that hold under it at this time.

Membership is a function of the set of charters and certificates learnt and of the wall clock, whatever their order:
of each member the newest certificate that holds counts, and one that does not hold now is kept, bounded, for it may
under another charter or at another time. Only where there is no room does the order count: who came first stays.

It binds at the door, for new statements and connections (`door`, `by_transport_key`), and never in the fold: what was
said before stands. It refuses to know sockets, and what a statement means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from protocol import limits
from protocol.certificate import (
    REVOKED,
    Certified,
    OutOfTime,
    Right,
    fault_of_claim,
    fault_of_signatures,
    read_certificate,
)
from protocol.charter import fault_of_version, revoked_by
from protocol.codec import Malformed
from protocol.drawer import Drawer
from protocol.keys import Digest, PeerId, Sealer
from protocol.notices import Charter
from protocol.rights import RIGHT_OF
from protocol.statements import NO_MARKET, AnyStatement, Statement


class Member(NamedTuple):
    """A key whose certificate holds."""

    peer: PeerId
    transport_key: bytes
    rights: tuple[Right, ...]
    sponsor: PeerId
    until_ms: int
    certificate: bytes
    """The bytes to show to others."""


class Membership:
    """The newest charter, and the members under it."""

    def __init__(self, charter: Statement[Charter], *, sealer: Sealer, wall_ms: int = 0) -> None:
        """`charter` is any version whose seal holds: the first one known. `sealer` verifies."""
        self.market = charter.id if charter.market == NO_MARKET else Digest(charter.market)
        self._charter = charter
        self._sealer = sealer
        self._wall_ms = wall_ms
        self._members: dict[bytes, Member] = {}
        self._held: dict[bytes, Certified] = {}
        self._by_transport_key: dict[bytes, PeerId] = {}
        self._sponsored: Counter[bytes] = Counter()
        self._kept = Drawer()
        self._revoked = revoked_by(charter.body)
        self._changes_ms: int | None = None
        """When the clock alone changes something next."""

    @property
    def charter(self) -> Statement[Charter]:
        """The newest version known."""
        return self._charter

    @property
    def members(self) -> Mapping[bytes, Member]:
        """Everybody who is in now, by key."""
        return MappingProxyType(self._members)

    @property
    def authority(self) -> PeerId:
        """The key that signs charters, and that is no member."""
        return PeerId(self._charter.author)

    def member(self, peer: bytes) -> Member | None:
        return self._members.get(peer)

    def by_transport_key(self, key: bytes) -> Member | None:
        """Whose sockets prove this key (32 bytes)."""
        peer = self._by_transport_key.get(key)
        return self._members.get(peer) if peer is not None else None

    def refused(self, key: bytes) -> bool:
        """Tell whether a transport key was certified and is out: its certificate expired, or its member is revoked."""
        if key in self._by_transport_key:
            return False
        return any(self._fault(one) in (OutOfTime.LATE, REVOKED) for one in self._kept.of(key))

    def door(self, author: bytes, statement: AnyStatement | None) -> str | None:
        """Say, in a fixed phrase, why an author or then its statement may not come in now (`protocol.bundle.Door`)."""
        body = type(statement.body) if statement is not None else None
        if author == self._charter.author:
            return None if body in (None, Charter) else "the authority says nothing but charters"
        member = self._members.get(author)
        if member is None:
            return REVOKED if self.is_revoked(author) else "not a member"
        if body is None:
            return None
        if body is Charter:
            return "only the authority says charters"
        right = RIGHT_OF[body]
        return None if right is None or right in member.rights else f"member lacks the right to {right}"

    def is_revoked(self, peer: bytes) -> bool:
        """Tell whether the newest charter revokes a key."""
        return peer in self._revoked

    # Learning

    def admit(self, raw: bytes, *, proven: bool = False) -> Member | str:
        """Learn a certificate: its member as it is now, or a fixed phrase why it does not count.

        `proven`: who shows it has proved, by its connection, that the transport key is its own. A key that somebody
        else had certified for itself before falls to who proves it.
        """
        try:
            certified = read_certificate(raw)
        except Malformed as error:
            return str(error)
        held = self._held.get(certified.certificate.member)
        if held is not None and held.raw == raw:
            return self._members[certified.certificate.member]
        if certified.certificate.member == self._charter.author:
            return "the authority is no member"
        if raw not in self._kept and (fault := fault_of_signatures(certified, self._sealer)) is not None:
            return fault
        return self._take(certified, proven=proven)

    def _take(self, certified: Certified, *, proven: bool) -> Member | str:
        claim = certified.certificate
        held = self._held.get(claim.member)
        fault = self._fault(certified)
        if fault is None and held is not None and _age(held) > _age(certified):
            self._keep(certified)
            return self._members[claim.member]
        if fault is None:
            owner = self._by_transport_key.get(claim.transport_key, claim.member)
            if owner != claim.member and proven:
                self._drop(owner)
            elif owner != claim.member:
                fault = "transport key is another member's"
        if fault is None and held is None and len(self._members) >= limits.CARDS_MAX:
            fault = "market is full"
        if fault is None and not self._sponsor_has_room(claim.sponsor, held):
            fault = "sponsor answers for too many"
        if fault is not None:
            self._keep(certified)
            return fault
        if held is not None:
            self._drop(claim.member)
        return self._let_in(certified)

    def _sponsor_has_room(self, sponsor: bytes, held: Certified | None) -> bool:
        already = held is not None and held.certificate.sponsor == sponsor
        return already or self._sponsored[sponsor] < limits.SPONSORED_MAX

    def _let_in(self, certified: Certified) -> Member:
        claim = certified.certificate
        member = Member(
            PeerId(claim.member),
            claim.transport_key,
            claim.rights,
            PeerId(claim.sponsor),
            claim.until_ms,
            certified.raw,
        )
        self._sponsored[claim.sponsor] += 1
        self._kept.take_out(certified)
        self._held[claim.member] = certified
        self._members[claim.member] = member
        self._by_transport_key[claim.transport_key] = member.peer
        self._note_change(certified)
        return member

    def _drop(self, peer: bytes) -> None:
        """A certificate counts no longer; it is kept, for it may again."""
        certified = self._held.pop(peer)
        claim = certified.certificate
        del self._members[peer], self._by_transport_key[claim.transport_key]
        self._sponsored[claim.sponsor] -= 1
        if not self._sponsored[claim.sponsor]:
            del self._sponsored[claim.sponsor]
        self._keep(certified)

    def _keep(self, certified: Certified) -> None:
        self._kept.put(certified)
        self._note_change(certified)

    def _fault(self, certified: Certified) -> str | None:
        return fault_of_claim(certified, self._charter.body, self._revoked, self.market, self._wall_ms)

    def learn_charter(self, statement: Statement[Charter]) -> list[Member]:
        """Take a newer version whose seal holds; older ones change nothing. Returns who is out now.

        Of two with one number the first stays: they are a fork of the authority, and convict it.
        """
        newer = statement.body.version > self._charter.body.version
        if not newer or fault_of_version(statement, self._charter) is not None:
            return []
        self._charter, self._revoked = statement, revoked_by(statement.body)
        return self._look_again()

    def pass_time(self, wall_ms: int) -> list[Member]:
        """Set the clock of the door. Returns whose certificates are over now."""
        backwards, self._wall_ms = wall_ms < self._wall_ms, wall_ms
        if not backwards and (self._changes_ms is None or wall_ms < self._changes_ms):
            return []
        return self._look_again()

    def _look_again(self) -> list[Member]:
        """Judge every certificate anew: who was in stays in if any of its certificates holds."""
        before = dict(self._members)
        self._changes_ms = None
        for peer, certified in list(self._held.items()):
            self._note_change(certified)
            if self._fault(certified) is not None:
                self._drop(peer)
        for certified in sorted(self._kept, key=_age):
            self._take(certified, proven=False)
        return [member for peer, member in before.items() if peer not in self._members]

    def _note_change(self, certified: Certified) -> None:
        """Note when the clock alone makes a certificate hold, or no longer hold."""
        claim = certified.certificate
        for at_ms in (claim.from_ms - limits.CLOCK_SLACK_MS, claim.until_ms):
            if at_ms > self._wall_ms and (self._changes_ms is None or at_ms < self._changes_ms):
                self._changes_ms = at_ms


def _age(certified: Certified) -> tuple[int, int, bytes]:
    """The larger is the newer: by the beginning of its validity, then its end."""
    return certified.certificate.from_ms, certified.certificate.until_ms, certified.raw
