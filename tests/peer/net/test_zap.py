"""The ZAP responder as libzmq sees it: what it is asked, what it answers, and that nothing stops it (RFC 27)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import zmq

from peer.net.locks.keys import Entry, make_keys
from peer.net.locks.zap import ENDPOINT, Responder
from tests.peer.net.wires import Register, Wires

MEMBER, STRANGER, OUT, LOUD = (make_keys().public for _ in range(4))
ID, LOUD_ID = b"m" * 32, b"l" * 32


class Asker:
    """libzmq's side of the conversation."""

    def __init__(self, register: Register) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.responder = Responder(self.context, register, keeps_out=lambda peer: peer == LOUD_ID)
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.connect(ENDPOINT)

    def ask(self, *request: bytes, envelope: tuple[bytes, ...] = (b"",)) -> list[bytes] | None:
        """Ask, and return the answer without its envelope, if there is one."""
        self.socket.send_multipart([*envelope, *request])
        self.responder.answer()
        return self.socket.recv_multipart()[1:] if self.socket.poll(0) else None

    def status(self, domain: bytes, key: bytes) -> bytes:
        """The status that a CURVE client with this key gets."""
        answer = self.ask(b"1.0", b"1", domain, b"127.0.0.1", b"", b"CURVE", key)
        assert answer is not None
        return answer[2]


@pytest.fixture
def asker() -> Iterator[Asker]:
    """A responder that knows a member, one that was revoked, and one that was too loud."""
    register = Register()
    register.peers = {MEMBER: ID, LOUD: LOUD_ID}
    register.out = {OUT}
    asker = Asker(register)
    yield asker
    asker.context.destroy(linger=0)


def test_member_comes_in_under_its_id(asker: Asker) -> None:
    """200, the peer's id as the user id, and a number of its own for each connection."""
    request = (b"1.0", b"request 7", b"market", b"192.0.2.1", b"routing", b"CURVE", MEMBER)
    answers = [asker.ask(*request), asker.ask(*request)]
    for number, answer in enumerate(answers, start=1):
        metadata = b"\x0aConnection\0\0\0\x01%d" % number
        assert answer == [b"1.0", b"request 7", b"200", b"Welcome", ID.hex().encode(), metadata]


def test_each_key_gets_its_status(asker: Asker) -> None:
    """Not yet known and too loud are asked to come back; revoked keys are not."""
    assert asker.status(b"market", STRANGER) == b"300"
    assert asker.status(b"market", LOUD) == b"300"
    assert asker.status(b"market", OUT) == b"400"
    asker.responder.never.add(STRANGER)
    assert asker.status(b"market", STRANGER) == b"400"
    assert asker.responder.answers == {"market 300": 2, "market 400": 2}


def test_lobby_lets_every_key_in_under_itself(asker: Asker) -> None:
    """Whoever knows which market it is may knock; also who was revoked, to hear so."""
    for key in (MEMBER, STRANGER, OUT, LOUD):
        answer = asker.ask(b"1.0", b"1", b"lobby", b"127.0.0.1", b"", b"CURVE", key)
        assert answer is not None
        assert (answer[2], answer[4]) == (b"200", key.hex().encode())


@pytest.mark.parametrize(
    ("request_parts", "status"),
    [
        ([b"1.0", b"1", b"market", b"", b"", b"NULL"], b"400"),
        ([b"1.0", b"1", b"market", b"", b"", b"PLAIN", b"user", b"password"], b"400"),
        ([b"1.0", b"1", b"market", b"", b"", b"GSSAPI", b"principal"], b"400"),
        ([b"1.0", b"1", b"", b"", b"", b"CURVE", MEMBER], b"400"),
        ([b"1.0", b"1", b"Market", b"", b"", b"CURVE", MEMBER], b"400"),
        ([b"1.0", b"1", b"market", b"", b"", b"CURVE", MEMBER[:31]], b"400"),
        ([b"1.0", b"1", b"market", b"", b"", b"CURVE", MEMBER + b"x"], b"400"),
        ([b"1.0", b"1", b"market", b"", b"", b"CURVE", MEMBER, MEMBER], b"400"),
        ([b"1.0", b"1", b"market", b"", b"", b"CURVE"], b"400"),
        ([b"1.0", b"1", b"market", b"", b"", b"curve", MEMBER], b"400"),
        ([b"2.0", b"1", b"market", b"", b"", b"CURVE", MEMBER], b"500"),
        ([b"", b"1", b"market", b"", b"", b"CURVE", MEMBER], b"500"),
        ([b"1.0", b"1", b"market"], b"500"),
        ([b"1.0"], b"500"),
        ([b"1.0", b"x" * 256, b"market", b"", b"", b"CURVE", MEMBER], b"500"),
        ([b"\xff" * 100_000] * 7, b"500"),
        ([b""] * 1_000, b"500"),
    ],
)
def test_malformed_request_is_refused_and_the_next_one_answered(
    asker: Asker, request_parts: list[bytes], status: bytes
) -> None:
    """Whatever is asked, nobody comes in by it, and the reply has the eight parts of a reply."""
    answer = asker.ask(*request_parts)
    assert answer is not None
    assert (answer[0], answer[2]) == (b"1.0", status)
    assert answer[4:] == [b"", b""]
    assert asker.status(b"market", MEMBER) == b"200"


@pytest.mark.parametrize("envelope", [(), (b"no delimiter",)])
def test_request_without_an_envelope_has_no_reply(asker: Asker, envelope: tuple[bytes, ...]) -> None:
    """There is nobody to send it to; the next one is answered."""
    assert asker.ask(b"1.0", envelope=envelope) is None
    assert asker.responder.answers == {"no envelope": 1}
    assert asker.status(b"market", MEMBER) == b"200"


def test_failing_warden_lets_nobody_in_and_stops_nothing(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever decides may fail: that is 500, for this request alone."""

    def fail(self: Register, key: bytes) -> tuple[Entry, bytes]:
        raise RuntimeError("the warden is ill")

    with monkeypatch.context() as ill:
        ill.setattr(Register, "judge", fail)
        assert asker.status(b"market", MEMBER) == b"500"
        assert asker.status(b"lobby", MEMBER) == b"200"
    assert asker.status(b"market", MEMBER) == b"200"


def test_asker_that_left_stops_nothing(asker: Asker) -> None:
    """A reply that cannot be delivered is nobody's."""
    for _ in range(10):
        with asker.context.socket(zmq.DEALER) as gone:
            gone.connect(ENDPOINT)
            gone.send_multipart([b"", b"1.0", b"1", b"market", b"", b"", b"CURVE", MEMBER])
        asker.responder.answer()
    assert asker.status(b"market", MEMBER) == b"200"


def test_markets_side_by_side_in_one_process_do_not_mix(wires: Wires) -> None:
    """Each transport has a Context and a responder of its own: a member of one market is a stranger in the other."""
    other = Wires(first=101)
    try:
        here, there = wires.member(), other.member()
        mine, theirs = wires.member(), other.member()
        mine.hear(here)
        mine.hear(there)
        theirs.hear(there)
        theirs.hear(here)
        answers = [member.transport.responder.answers for member in (here, there)]

        def both() -> bool:
            other.until(lambda: True)
            for member in other.members:
                member.turn()
            return all(answer["market 300"] for answer in answers) and here.here() and there.here()

        wires.until(both)
        assert (here.here(), there.here()) == ({mine.peer}, {theirs.peer})
    finally:
        other.close()
