"""What liars have in common: they hold back what their node says, or say something else beside it."""

from __future__ import annotations

from typing import Any

from protocol.bundle import open_bundle, seal
from protocol.codec import encode
from protocol.statements import AnyStatement, Body
from protocol.topics import TOPIC_LENGTH, peer_topic
from simulations.world.process import Process


class Liar(Process):
    """A peer whose node is the production one, and whose shell lies."""

    lies = 0
    """How often it has lied."""

    def publish(self, frame: bytes) -> None:
        """A frame of its node leaves, as far as the liar lets it; and what the liar has to say beside it."""
        topic, said = frame[:TOPIC_LENGTH], self.read(frame)
        leaving = [statement for statement in said if self.lets_leave(topic, statement)]
        if len(leaving) == len(said):
            super().publish(frame)
        elif leaving:
            super().publish(topic + seal(leaving, self.sealer))
        if self.online:
            for statement in said:
                self.adds(topic, statement)

    def lets_leave(self, topic: bytes, statement: AnyStatement) -> bool:
        """Whether a statement of its node leaves on a topic."""
        return True

    def adds(self, topic: bytes, statement: AnyStatement) -> None:
        """Say whatever is to be said beside a statement of its node."""

    def read(self, frame: bytes) -> list[AnyStatement]:
        """The statements in a frame; none, if it is no bundle of this market."""
        return open_bundle(frame[TOPIC_LENGTH:], market=self.node.market, sealer=self.sealer).statements

    # Lies

    def lie(self, body: Body, *, like: AnyStatement, **changes: Any) -> AnyStatement:
        """A statement of its own in the place of another: the same feed, seq, prev and about, but for the changes."""
        place: dict[str, Any] = {"feed": like.feed, "seq": like.seq, "prev": like.prev, "about": like.about} | changes
        self.lies += 1
        return encode(body, market=self.node.market, author=self.peer, made_ms=like.made_ms, **place)

    def say_past(self, topic: bytes, statement: AnyStatement) -> None:
        """Publish a statement that its node knows nothing of."""
        if self.online:
            self.world.publish(self, topic + seal([statement], self.sealer))

    def whisper(self, reader: Process, statement: AnyStatement) -> None:
        """Say something to one peer, and to nobody else."""
        if self.online:
            self.world.whisper(self, reader, peer_topic(reader.peer) + seal([statement], self.sealer))

    # Whom it knows

    def called(self, peer: bytes) -> list[Process]:
        """The processes that have a key."""
        return list(self.world.processes_of(peer))

    def governors(self) -> list[Process]:
        """Everybody who governs, but itself."""
        return [other for other in self.world.processes.values() if other.policy is not None and other is not self]


class Busybody(Liar):
    """A liar that hears everything, and acts from time to time, so many times in all."""

    EVERY_MS = 250
    TIMES = 40
    """Then it has had enough: a market comes to rest though it lies."""
    _acted = 0
    _wired = False

    def begin(self) -> None:
        super().begin()
        if not self._wired:
            self._wired = True
            self.world.network.join(self, ())
            self._later()

    def _later(self) -> None:
        if self._acted < self.TIMES:
            self._acted += 1
            self.world.at(self.world.now_us + self.EVERY_MS * 1000, self._act)

    def _act(self) -> None:
        if self.alive:
            self.act()
        self._later()

    def act(self) -> None:
        """Lie, once."""
        raise NotImplementedError

    def receive(self, link: Any, connection: int, frame: bytes) -> None:
        self.overhears(frame)
        super().receive(link, connection, frame)

    def overhears(self, frame: bytes) -> None:
        """A frame has come in, perhaps one that was for somebody else."""
