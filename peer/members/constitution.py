"""The market's constitution on this peer: the newest charter, who is a member under it, and its files, kept in step.

A newer charter comes from a file that somebody wrote into the market's home, from a peer that was met, or with the
node's own statements; it binds at the door at once, is written beside the others, and is told to the node as evidence.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Final

from peer.home import MarketHome
from peer.members.charters import keep_charter, newest_charter, open_charter, verifier
from peer.telemetry import logger
from protocol.bundle import evidence_of
from protocol.errors import BadConfig
from protocol.membership import Member, Membership
from protocol.notices import Charter
from protocol.statements import Statement

SETTLE_NS: Final = 2_000_000_000
"""Two changes within one tick of a file system's clock look like one: so long a directory is looked at again."""


class Constitution:
    """Keeps the membership, the files and the node at the newest charter."""

    def __init__(self, market: MarketHome, membership: Membership) -> None:
        self._market, self.membership = market, membership
        self._seen_ns = 0
        self.on_newer: Callable[[bytes], None] = lambda evidence: None
        """Is told of a charter that the node may not know, as evidence."""
        self.on_out: Callable[[Member], None] = lambda member: None
        """Is told of each member that is out from now on."""

    def learn(self, evidence: bytes) -> None:
        """Somebody shows a charter; it stands or falls by itself."""
        charter = open_charter(evidence, self.membership.market)
        if not isinstance(charter, str) and self._take(charter):
            self.on_newer(evidence)

    def amend(self, charter: Statement[Charter]) -> None:
        """The node has taken a charter in: its seal holds."""
        self._take(charter)

    def tick(self, wall_ms: int) -> None:
        """Set the clock of the door, and look for new files; once a second."""
        self._tell(self.membership.pass_time(wall_ms))
        with contextlib.suppress(OSError):
            changed_ns = self._market.path.stat().st_mtime_ns
            if changed_ns != self._seen_ns:
                self._seen_ns = changed_ns if wall_ms * 1_000_000 - changed_ns > SETTLE_NS else 0
                self._look()

    def _look(self) -> None:
        try:
            newest = newest_charter(self._market)
        except BadConfig as error:
            logger().warning("a charter in the market's home does not hold", why=str(error)[:200])
            return
        if newest.body.version > self.membership.charter.body.version and self._take(newest):
            self.on_newer(evidence_of(newest, verifier()))

    def _take(self, charter: Statement[Charter]) -> bool:
        """Let a newer charter bind, and keep its file; tell whether it was newer."""
        before = self.membership.charter
        out = self.membership.learn_charter(charter)
        if self.membership.charter is before:
            return False
        logger().info("the market has a newer charter", version=charter.body.version, out=len(out))
        if not self._market.charter_version(charter.body.version).exists():
            with contextlib.suppress(BadConfig):  # a full disk: others have it, and will show it again
                keep_charter(self._market, charter, verifier())
        self._tell(out)
        return True

    def _tell(self, out: Iterable[Member]) -> None:
        for member in out:
            self.on_out(member)
