"""A real lobby with a real admission desk, and what strangers say there: knocks, redemptions, renewals, and answers."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any, Final, cast

import msgspec

from peer.members.admitting.admission import Admitter, Desk
from peer.members.admitting.register import Register
from peer.net.meet.knocks import (
    Admitted,
    Elsewhere,
    Knock,
    NotAdmitted,
    Redeem,
    Renew,
    Standing,
    Why,
    open_item,
    pack,
)
from peer.net.meet.lobby import Caller, Lobby
from peer.net.meet.lobbycall import _open_answer
from protocol.bundle import evidence_of
from protocol.certificate import Right
from protocol.invitation import (
    EPOCH_MS,
    AdmitterKey,
    Request,
    make_code,
    market_tag,
    parse_code,
    proof_of_redemption,
    sign_request,
)
from protocol.keys import Ed25519Sealer
from simulations.fuzz.market import GOVERNOR, FuzzMarket, certificate_of
from simulations.fuzz.mutations import spoil

JOINERS: Final = 24
"""Keys that come again and again: a register that is asked for a new member each time grows, as it should."""
_HOUR_MS: Final = 3_600_000


class _Router:
    """Takes answers, and keeps the last one."""

    last = b""

    def send_multipart(self, parts: tuple[bytes, bytes], flags: int) -> None:
        assert sum(map(len, parts)) < 2**20, "an answer of a lobby is bounded"
        self.last = parts[1]


class _Loop:
    """A loop whose clock stands a second later whenever it is asked: nobody is sent away for being too many."""

    now_s = 0.0

    def time(self) -> float:
        self.now_s += 1
        return self.now_s


class Reception:
    """The lobby of the market's admitter, and who comes to it."""

    def __init__(self, market: FuzzMarket, folder: Path) -> None:
        charter = market.world.charter
        self._market, self._now_ms = charter.id, EPOCH_MS
        sealer = cast(Ed25519Sealer, market.bombarded(GOVERNOR).sealer)
        self._admitter = Admitter(sealer, AdmitterKey(bytes(32)))
        evidence = [evidence_of(charter, market.authority)]
        desk = Desk(
            self._admitter, Register(folder / "register.db"), charters=lambda: evidence, newest=lambda: charter,
            wall_ms=lambda: self._now_ms,
        )  # fmt: skip
        self._router = _Router()
        self._lobby = Lobby(cast(Any, self._router))
        self._lobby._loop = cast(Any, _Loop())
        self._lobby.on(Knock, desk.knock)
        self._lobby.on(Redeem, desk.redeem)
        self._lobby.on(Renew, desk.renew)
        self._joiners = [Ed25519Sealer.from_seed(bytes([number]) * 32) for number in range(JOINERS)]
        self._certificate = certificate_of(market.world, GOVERNOR)
        code = make_code(
            self._admitter.codes, market=self._market, admitter=sealer.peer, serial=b"abc", rights=[Right.BID],
            uses=JOINERS // 2, until_ms=EPOCH_MS + _HOUR_MS,
        )  # fmt: skip
        self._invitation = parse_code(code)

    def question(self, chance: Random) -> bytes:
        """The asker's transport key, which its connection proves, and what it asks."""
        joiner = chance.choice(self._joiners)
        request = spoil(self._request(joiner, chance), chance, 0.4)
        prefix = self._admitter.sealer.peer[:3]
        asked = chance.choice((
            Knock(market_tag(self._market), prefix if chance.random() < 0.8 else bytes(3), chance.randbytes(32)),
            Redeem(request, "a computer"),
            Renew(request, spoil(self._certificate, chance, 0.5)),
        ))  # fmt: skip
        key = joiner.peer if chance.random() < 0.9 else chance.randbytes(32)
        return key + spoil(msgspec.msgpack.encode((chance.randint(1, 9), asked)), chance, 0.4)

    def _request(self, joiner: Ed25519Sealer, chance: Random) -> bytes:
        nonce, invitation, admitter = chance.randbytes(32), self._invitation, self._admitter.sealer.peer
        proof = proof_of_redemption(invitation.secret, self._market, admitter, joiner.peer, joiner.peer, nonce)
        shown = chance.random() < 0.7
        request = Request(
            market=self._market, admitter=admitter, member=joiner.peer, transport_key=joiner.peer, nonce=nonce,
            made_ms=self._now_ms, claims=invitation.claims if shown else None,
            proof=(proof if chance.random() < 0.5 else bytes(32)) if shown else None,
        )  # fmt: skip
        return sign_request(request, joiner)

    def ask(self, raw: bytes) -> str:
        """Hand a question in, as it came from the socket."""
        counts, self._router.last = self._lobby.counts, b""
        malformed, failed = counts.malformed, counts.failed
        self._lobby._answer(b"way back", Caller(raw[:32], "192.0.2.1"), raw[32:])
        assert counts.failed == failed, "a handler has failed: see the log above"
        if self._router.last:
            return self.read_answer(self._router.last)
        return "malformed" if counts.malformed > malformed else "no answer"

    def answer(self, chance: Random) -> bytes:
        """What a lobby answers that knows the key of this one and nothing else."""
        item = chance.choice((
            Standing((chance.randbytes(200),), chance.randbytes(32), 1, chance.randbytes(64)),
            Elsewhere(("tcp://10.0.0.1:5000",)), Admitted(self._certificate), NotAdmitted(Why.CLOCK),
        ))  # fmt: skip
        return spoil(msgspec.msgpack.encode((1, [spoil(pack(item), chance, 0.5)])), chance, 0.5)

    def read_answer(self, raw: bytes) -> str:
        """What a joiner makes of it."""
        opened = _open_answer(raw)
        item = open_item(opened[1]) if opened is not None else None
        if item is None:
            return "nothing said" if opened is not None else "refused"
        return str(item.why) if isinstance(item, NotAdmitted) else type(item).__name__.lower()
