"""A market of nodes with locks: every peer has a membership of its own, and the charter has versions."""

from __future__ import annotations

import hashlib

import msgspec

from protocol.actions import Amended
from protocol.bundle import evidence_of, open_evidence
from protocol.certificate import Certificate, Right, issue
from protocol.charter import next_version
from protocol.events import Heard
from protocol.keys import PeerId
from protocol.membership import Membership
from protocol.notices import Admission, Charter, Revocation
from protocol.outbox import exhibit_frames
from protocol.statements import AnyStatement, Statement
from protocol.topics import TOPIC_LENGTH
from tests.market import AUTHORITY, TestPeer, charter_with, sealer_of
from tests.protocol.overheard import Overheard

ADMITTER = sealer_of("admitter")
WALL_MS = 1_800_000_000_000
DAY_MS = 24 * 3_600_000
EVERYTHING = (Right.BID, Right.ANNOUNCE, Right.GOVERN, Right.OBSERVE)


def after(before: Statement[Charter], **changes: object) -> Statement[Charter]:
    """The next version, sealed by the authority."""
    body = msgspec.structs.replace(before.body, version=before.body.version + 1, **changes)
    return sealed(next_version(before, body, made_ms=0))


def sealed(charter: Statement[Charter]) -> Statement[Charter]:
    """A charter as others hold it: with evidence that the authority has said it."""
    market = charter.id if charter.body.version == 1 else charter.market
    (held,) = open_evidence(evidence_of(charter, AUTHORITY), market=market, sealer=AUTHORITY).statements
    return held  # type: ignore[return-value]


def revoking(before: Statement[Charter], peer: TestPeer, last_seq: int) -> Statement[Charter]:
    """The next version, in which a peer is out; what it has said up to this seq stands."""
    out = Revocation(member=peer.sealer.peer, feed=peer.node.feed.id, last_seq=last_seq)
    return after(before, revocations=(*before.body.revocations, out))


class Locked(Overheard):
    """Peers behind doors; the first charter names one admitter."""

    __test__ = False

    def __init__(self, *, seed: int = 0, admission: Admission = Admission.INVITE, **charter: object) -> None:
        super().__init__(charter_with(admitters=(ADMITTER.peer,), admission=admission, **charter), seed=seed)  # type: ignore[arg-type]
        self.certificates: dict[str, bytes] = {}
        self.memberships: dict[str, Membership] = {}
        self.amended: list[tuple[str, int]] = []
        """Who learnt of which version, in order."""
        self.door_of = self._door_of
        self.on_action = self._on_action

    def certify(self, *names: str, rights: tuple[Right, ...] = EVERYTHING, until_ms: int = WALL_MS + DAY_MS) -> None:
        """The admitter admits these, and everybody who has joined learns of it; to be done before they join."""
        for name in names:
            peer = PeerId(sealer_of(name).peer)
            self.certificates[name] = issue(
                Certificate(
                    market=self.charter.id, member=peer, transport_key=hashlib.sha256(peer).digest(), rights=rights,
                    sponsor=peer, issuer=ADMITTER.peer, from_ms=WALL_MS, until_ms=until_ms,
                ),
                ADMITTER,
            )  # fmt: skip
            for membership in self.memberships.values():
                membership.admit(self.certificates[name])

    def _door_of(self, peer: TestPeer) -> Membership.door:  # type: ignore[valid-type]
        membership = Membership(self.charter, sealer=AUTHORITY, wall_ms=WALL_MS)
        for certificate in self.certificates.values():
            membership.admit(certificate)
        self.memberships[peer.name] = membership
        return membership.door

    def _on_action(self, actor: TestPeer, action: object) -> None:
        if isinstance(action, Amended):
            self.amended.append((actor.name, action.charter.body.version))
            self.memberships[actor.name].learn_charter(action.charter)

    def tell(self, charter: Statement[Charter], *names: str) -> None:
        """Give these peers a charter, as if it were a new file on their computers."""
        for name in names:
            self.peers[name].run(events=[Heard(charter)])

    def smuggle(self, to: str, *statements: AnyStatement, author: TestPeer) -> None:
        """Bring a peer evidence of what somebody else has said."""
        pieces = [evidence_of(statement, author.sealer) for statement in statements]
        self.peers[to].run([bytes(TOPIC_LENGTH) + frame for frame in exhibit_frames(pieces)])

    def verdicts(self, name: str) -> dict[str, int]:
        """What a peer has decided about what it received."""
        return dict(self.peers[name].turn.verdicts)
