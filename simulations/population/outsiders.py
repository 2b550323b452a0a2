"""Those who have no part in a contract, and meddle: they forge, they repeat what others said, they flood."""

from __future__ import annotations

from collections import deque

from protocol.bundle import seal
from protocol.codec import encode
from protocol.keys import PeerId, Sealer, Signature
from protocol.statements import AnyStatement, Award, Bid, Cancel, CancelReason, Refusal, Settlement
from protocol.topics import TOPIC_LENGTH, governance_topic, peer_topic, skill_topic
from simulations.population.liar import Busybody

REMEMBERED = 256
"""Frames that a meddler remembers."""
FLOOD = 25
"""Statements of one wave."""


class _Mask:
    """Another's name over one's own signature."""

    def __init__(self, sealer: Sealer, name: PeerId) -> None:
        self._sealer = sealer
        self.peer = name

    def sign(self, message: bytes) -> Signature:
        return self._sealer.sign(message)

    def verify(self, author: bytes, message: bytes, signature: bytes) -> bool:
        return self._sealer.verify(author, message, signature)


class _Meddler(Busybody):
    """Remembers what it overhears."""

    _heard: deque[bytes]

    def begin(self) -> None:
        if not hasattr(self, "_heard"):
            self._heard = deque(maxlen=REMEMBERED)
        super().begin()

    def overhears(self, frame: bytes) -> None:
        self._heard.append(frame)


class Forger(_Meddler):
    """Says in another's name what would harm it: cancels its tasks, refuses in its place, settles what is not done."""

    def act(self) -> None:
        chance = self.world.chance(f"forger/{self.name}/{self.lies}")
        if not self._heard:
            return
        frame = chance.choice(self._heard)
        for statement in self.read(frame)[:1]:
            self.lies += 1
            forged = self._forge(statement)
            topic = frame[:TOPIC_LENGTH]
            mask = _Mask(self.sealer, PeerId(statement.author))
            sealed = seal([forged], mask)
            broken = frame[TOPIC_LENGTH:-40] + bytes([frame[-40] ^ 1]) + frame[-39:]
            for body in (sealed, seal([forged], self.sealer), broken):
                self.world.publish(self, topic + body)

    def _forge(self, like: AnyStatement) -> AnyStatement:
        """Another statement in the place of one that its author has said."""
        match like.body:
            case Bid():
                body: Cancel | Refusal | Settlement = Refusal(reason="busy")
            case Award():
                body = Settlement()
            case _:
                body = Cancel(reason=CancelReason.WITHDRAWN, answer=None)
        return encode(
            body, market=self.node.market, author=like.author, feed=like.feed, seq=like.seq, prev=like.prev,
            made_ms=like.made_ms, about=like.about or like.id,
        )  # fmt: skip


class Replayer(_Meddler):
    """Says again, to everybody whom it concerned and to others, what it has heard others say."""

    def act(self) -> None:
        chance = self.world.chance(f"replayer/{self.name}/{self.lies}")
        for _ in range(min(3, len(self._heard))):
            self.lies += 1
            frame = chance.choice(self._heard)
            readers = list(self.world.processes.values())
            topic = chance.choice((frame[:TOPIC_LENGTH], peer_topic(chance.choice(readers).peer)))
            self.world.publish(self, topic + frame[TOPIC_LENGTH:])


class Flooder(Busybody):
    """Announces more than anybody could do, bids on nothing that there is, and sends what is no frame at all."""

    TIMES = 8

    def act(self) -> None:
        chance = self.world.chance(f"flooder/{self.name}/{self.lies}")
        feed, skills = (
            chance.randbytes(8),
            sorted({skill for one in self.world.processes.values() for skill in one.quotes}),
        )
        if not skills:
            return
        said: list[AnyStatement] = []
        for number in range(FLOOD):
            self.lies += 1
            task = self.world.task(
                skill=skills[0], idempotency_key=chance.randbytes(8), deadline_ms=2_000, bid_window_ms=1_000
            )
            about = None if number % 2 else chance.randbytes(32)
            body = task if about is None else Bid(price=1, duration_ms=1)
            said.append(
                encode(
                    body, market=self.node.market, author=self.peer, feed=feed, seq=number + 1, prev=None, made_ms=0,
                    about=about,
                )
            )  # fmt: skip
        topic = skill_topic(skills[0])
        self.world.publish(self, topic + seal(said, self.sealer))
        self.world.publish(self, governance_topic(self.node.market) + chance.randbytes(200))
