"""Where rubbish goes in: every reader of what strangers send, production code each, and what of it is thrown there.

A target gives bytes for a draw of chance, and takes bytes. Whatever they are, it may raise nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from peer.journal import Journal
from peer.net.requests import FeedRange, Ids, Page, open_page, open_request, pack, pack_request
from peer.shelf import Shelf
from peer.telemetry import configure
from protocol import invitation
from protocol.certificate import DOMAIN, Certificate, Right, issue
from protocol.codec import Malformed
from protocol.invitation import AdmitterKey, Invitation, Request, make_code, parse_code, sign_request
from protocol.keys import Ed25519Sealer, Sealer
from protocol.membership import Membership
from protocol.outbox import exhibit_frames
from protocol.topics import TOPIC_LENGTH
from simulations.fuzz.forge import Forge
from simulations.fuzz.lobby import Reception
from simulations.fuzz.market import GOVERNOR, WORKER, FuzzMarket
from simulations.fuzz.meeting import Meeting
from simulations.fuzz.mutations import Packed, bytes_of, mutate_bytes, mutate_tree, spoil, tree_of

ANSWER_BYTES_MAX: Final = 16 * 2**20
"""More than any answer to a question of a few bytes may hold in memory."""


class Target(NamedTuple):
    """One reader: how often it is the one, what is thrown, and where it goes."""

    name: str
    weight: int
    make: Callable[[Random], bytes]
    take: Callable[[bytes], str]
    """Returns what became of the bytes, in a fixed phrase, for the count of verdicts."""


def targets_of(market: FuzzMarket, forge: Forge, folder: Path) -> list[Target]:
    """All of them; `folder` is for the files that some need."""
    configure("error")  # what production code has to say about rubbish is as much as the rubbish
    papers, lobby, meeting = _Papers(market), Reception(market, folder), Meeting(market, folder / "meeting")
    worker, governor = (market.bombarded(name) for name in (WORKER, GOVERNOR))
    shelf = Shelf(worker.node, Journal(folder / "journal.db", market=market.world.charter.id), worker.sealer)
    return [
        Target("frame to a worker", 60, forge.frame, lambda raw: _hit(market, WORKER, raw)),
        Target("frame to a governor", 20, forge.frame, lambda raw: _hit(market, GOVERNOR, raw)),
        Target("page", 5, lambda chance: _page(forge, chance), lambda raw: _take_page(market, raw)),
        Target("request", 5, lambda chance: _request(forge, governor.peer, chance), lambda raw: _serve(shelf, raw)),
        Target("certificate", 5, papers.certificate, papers.admit),
        Target("invitation", 2, papers.code, papers.read_code),
        Target("lobby", 4, lobby.question, lobby.ask),
        Target("lobby's answer", 2, lobby.answer, lobby.read_answer),
        Target("hello", 2, meeting.hello, meeting.answer_hello),
        Target("answer to a hello", 2, meeting.item, meeting.read_item),
        Target("record of mDNS", 2, meeting.record, meeting.read_record),
        Target("file of who is where", 2, meeting.file, meeting.read_file),
        Target("join request", 3, papers.request, papers.open_request),
    ]


# Statements, and the questions for them


def _hit(market: FuzzMarket, name: str, raw: bytes) -> str:
    market.bombarded(name).hit(raw)
    return "taken"


def _page(forge: Forge, chance: Random) -> bytes:
    items = [forge.evidence(chance) for _ in range(chance.randrange(4))]
    return spoil(pack(Page(chance.randint(1, 9), items, more=False)), chance, 0.5)


def _take_page(market: FuzzMarket, raw: bytes) -> str:
    page = open_page(raw)
    if page is None:
        return "refused"
    for frame in exhibit_frames(page.items):
        market.bombarded(WORKER).hit(bytes(TOPIC_LENGTH) + frame)
    return "read"


def _request(forge: Forge, author: bytes, chance: Random) -> bytes:
    requests = (
        Ids([forge.digest(chance) for _ in range(chance.randint(1, 64))]),
        FeedRange(author, chance.randbytes(8), 1, chance.randint(1, 2**62)),
    )
    return spoil(pack_request(chance.randint(1, 9), chance.choice(requests)), chance, 0.7)


def _serve(shelf: Shelf, raw: bytes) -> str:
    opened = open_request(raw)
    if opened is None:
        return "refused"
    _, request = opened
    if sum(map(len, shelf.serve(request))) > ANSWER_BYTES_MAX:
        raise AssertionError("an answer has no bound")
    return "served"


# Who may come in


class _Papers:
    """Certificates, invitations and requests, and who reads them; the admitter is a member like any other."""

    def __init__(self, market: FuzzMarket) -> None:
        self._market = market.world.charter.id
        self._admitter = market.bombarded(GOVERNOR).sealer
        self._sealers: Sequence[Sealer] = [*market.sealers.values()]
        self._membership = Membership(market.world.charter, sealer=self._sealers[0], wall_ms=1_000)
        self._key = AdmitterKey(bytes(32))

    def certificate(self, chance: Random) -> bytes:
        """One that the admitter issues, or that a member vouches by; then with something wrong in it."""
        member, other = chance.choice(self._sealers), Ed25519Sealer.from_seed(chance.randbytes(32))
        own = issue(self._claim(chance, member, self._admitter), self._admitter)
        raw = own if chance.random() < 0.5 else issue(self._claim(chance, other, member), member, own, consent=other)
        draw = chance.random()
        if draw < 0.3:
            return raw
        if draw < 0.5:
            return mutate_bytes(raw, chance)
        tree = mutate_tree(tree_of(raw), chance, lambda: tree_of(raw))
        if isinstance(tree, list) and len(tree) > 3 and isinstance(tree[1], Packed):
            signer = self._admitter if tree[3] is None else member
            tree[2] = signer.sign(DOMAIN + bytes_of(list(tree[1])))
        return bytes_of(tree)

    def _claim(self, chance: Random, member: Sealer, issuer: Sealer) -> Certificate:
        rights = [right for right in Right if chance.random() < 0.5]
        return Certificate(
            market=self._market, member=member.peer, transport_key=chance.randbytes(32), rights=tuple(rights),
            sponsor=issuer.peer, issuer=issuer.peer, from_ms=chance.choice((0, 0, 10**9)),
            until_ms=chance.choice((500, 10**6, 10**6, 2**62)),
        )  # fmt: skip

    def admit(self, raw: bytes) -> str:
        found = self._membership.admit(raw)
        return found if isinstance(found, str) else "admitted"

    def code(self, chance: Random) -> bytes:
        """An invitation as a person types it."""
        text = make_code(
            self._key, market=self._market, admitter=self._sealers[0].peer, serial=chance.randbytes(3),
            rights=[Right.BID], uses=chance.randint(1, 255), until_ms=invitation.EPOCH_MS + chance.getrandbits(32),
        )  # fmt: skip
        draw = chance.random()
        if draw < 0.2:
            return text.encode()
        if draw < 0.7:
            return mutate_bytes(text.encode(), chance)
        raw = chance.randbytes(30)  # nonsense whose check characters fit
        return base64.b32encode(raw).lower() + invitation._check_characters(raw).encode()

    def read_code(self, raw: bytes) -> str:
        with suppress(ValueError):
            parse_code(raw.decode("utf-8", "replace"))
            return "read"
        return "refused"

    def request(self, chance: Random) -> bytes:
        member = chance.choice(self._sealers)
        claims = Invitation(self._market[:10], bytes(3), bytes(3), (Right.BID,), 1, 9, b"").claims
        known = Request(
            market=self._market, admitter=None, member=member.peer, transport_key=bytes(32),
            nonce=chance.randbytes(32), made_ms=chance.getrandbits(40), claims=claims, proof=chance.randbytes(32),
        )  # fmt: skip
        return spoil(sign_request(known, member), chance, 0.8)

    def open_request(self, raw: bytes) -> str:
        try:
            invitation.open_request(raw, market=self._market, sealer=self._sealers[0])
        except Malformed as error:
            return str(error)
        return "read"


def pick(targets: Sequence[Target], chance: Random) -> Target:
    """One of them, each as often as it weighs."""
    return chance.choices(targets, [target.weight for target in targets])[0]
