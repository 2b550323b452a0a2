"""Answering a hello: who we are, who else is here, and a charter newer than the asker's.

Nothing is said to anybody without a certificate that holds for the very key of the connection, but to whom the charter
has put out: that charter, so that its computer's peers part as well. Whoever asks is a place to knock from then on, and
no more: which of its hosts can be reached from here only a knock can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

from peer.net.meet.introductions import (
    NEIGHBOURS_MAX,
    SOFTWARE_MAX,
    Hello,
    Introduction,
    Neighbour,
    Newer,
    Refused,
    fault_of_introduction,
    pack,
    sign_here,
)
from protocol.bundle import evidence_of
from protocol.certificate import REVOKED, read_certificate
from protocol.codec import Malformed
from protocol.keys import Sealer
from protocol.membership import Membership


class Reception:
    """The handler of `Hello` in a peer's lobby."""

    def __init__(
        self,
        *,
        market_tag: bytes,
        me: Callable[[], Introduction],
        membership: Membership,
        sealer: Sealer,
        neighbours: Callable[[], Iterable[Neighbour]],
        on_caller: Callable[[Introduction], None],
        wall_clock: Callable[[], int],
        software: str,
    ) -> None:
        """`on_caller` is told who asked, and where it says that it is; `wall_clock` gives ms, `software` is ours."""
        self._wall_clock, self._software = wall_clock, software[:SOFTWARE_MAX]
        self._tag, self._me, self._membership, self._sealer = market_tag, me, membership, sealer
        self._neighbours, self._on_caller = neighbours, on_caller

    def answer(self, hello: Hello, key: bytes) -> list[bytes]:
        """Answer the holder of a transport key."""
        why = self._fault(hello, key)
        if why is not None:
            return [pack(Refused(why, self._wall_clock())), *(self._newer(hello) if why == REVOKED else [])]
        self._on_caller(hello.me)
        others = (one for one in self._neighbours() if one.peer_id != hello.me.peer_id)
        charter = self._membership.charter
        here = sign_here(
            self._me(), hello, key, self._sealer, wall_ms=self._wall_clock(), charter_version=charter.body.version,
            software=self._software,
        )  # fmt: skip
        return [
            pack(here),
            *self._newer(hello),
            *(pack(one) for one in islice(others, NEIGHBOURS_MAX)),
        ]

    def _newer(self, hello: Hello) -> list[bytes]:
        """The newest charter, if the asker does not know it."""
        charter = self._membership.charter
        newer = charter.body.version > hello.charter_version
        return [pack(Newer(evidence_of(charter, self._sealer)))] if newer else []

    def _fault(self, hello: Hello, key: bytes) -> str | None:
        if hello.market_tag != self._tag:
            return "this is another market"
        if (fault := fault_of_introduction(hello.me)) is not None:
            return fault
        if hello.me.peer_id == self._me().peer_id:
            return "two peers have one key"
        try:
            claim = read_certificate(hello.me.certificate).certificate
        except Malformed as error:
            return str(error)
        if claim.transport_key != key or claim.member != hello.me.peer_id:
            return "certificate is for other keys"
        member = self._membership.admit(hello.me.certificate, proven=True)
        if not isinstance(member, str):
            return None
        if hello.charter_version > self._membership.charter.body.version:
            self._on_caller(hello.me)  # it may be right: its own lobby has the charter that says so
        return member
