"""A malicious member: it has a real certificate and does what it wants with its sockets.

It meets a peer as everybody does, by a hello in the lobby and by answering one; from then on that peer hears its
publisher, and it hears that peer's. What it says, to whom and how often, is up to the test.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self

import msgspec
import zmq

from peer.members.hostmember import wall_clock_ms
from peer.net.endpoints import Endpoints
from peer.net.meet.introductions import Hello, introduce, pack, sign_here
from peer.runtime import Runtime
from protocol.certificate import read_certificate
from protocol.invitation import lobby_secret, market_tag
from protocol.notices import Card, Offered
from protocol.outbox import exhibit_frames
from protocol.statements import AnyStatement
from protocol.topics import governance_topic, peer_topic
from tests.threats.attacker import Attacker, Line, Voice
from tests.threats.stage import Papers, Stage, Target, target
from tests.waiting import until

_HELLOS = msgspec.msgpack.Decoder(tuple[int, Hello])


class Rogue(Attacker):
    """A member in bad hands."""

    def __init__(self, stage: Stage, papers: Papers | None = None) -> None:
        """Without `papers`, the admitter has just let in a new member."""
        self.papers = papers or stage.papers()
        super().__init__(self.papers.keys)
        self.voice = Voice(self.papers.sealer, stage.market)
        self.market = stage.market
        self._secret = lobby_secret(stage.market)
        self.publisher, publish = self.open(zmq.XPUB)
        _, fetch = self.open(zmq.ROUTER)
        self._lobby, lobby = self.open(zmq.ROUTER, secret=self._secret)
        endpoints = Endpoints(("127.0.0.1",), publish, fetch, lobby)
        self.me = introduce(self.papers.peer, endpoints, self.papers.certificate)
        self.also: Sequence[bytes] = ()
        """Further items of every answer in our lobby."""
        self.said_hello: list[Hello] = []
        """Who knocked at our lobby."""
        self.ears: dict[bytes, Line] = {}
        self._serving: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        self._serving = asyncio.get_running_loop().create_task(self._serve())
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        if self._serving is not None:
            self._serving.cancel()
        super().__exit__(*error)

    async def _serve(self) -> None:
        """Answer whoever says hello in our lobby."""
        while True:
            for sender, raw in self._lobby.drain():
                with suppress(msgspec.DecodeError):
                    number, hello = _HELLOS.decode(raw)
                    self.said_hello.append(hello)
                    self._lobby.push(sender, pack((number, self.answer(hello))))
            await asyncio.sleep(0.005)

    def answer(self, hello: Hello) -> list[bytes]:
        """What our lobby answers."""
        key = read_certificate(hello.me.certificate).certificate.transport_key
        here = sign_here(
            self.me, hello, key, self.papers.sealer, wall_ms=wall_clock_ms(), charter_version=1, software="rogue"
        )
        return [pack(here), *self.also]

    # Meeting

    def hello(self, to: Target, *, version: int = 1) -> Line:
        """Knock at a peer's lobby; the answer can be read from the line."""
        line = self.dial(zmq.DEALER, to.lobby, to.lobby_key)
        line.push(pack((1, Hello(market_tag(self.market), os.urandom(16), version, self.me))))
        return line

    async def meet(self, *runtimes: Runtime) -> None:
        """Have peers hear our publisher, and be here for them."""
        for runtime in runtimes:
            to = target(runtime)
            line = self.hello(to)
            await until(line.drain, why="our hello was not answered")
            ear = self.ears[to.peer] = self.dial(zmq.SUB, to.publish, to.key)
            ear.socket.subscribe(peer_topic(self.papers.peer))
            await until(lambda runtime=runtime: self.papers.peer in runtime.node.directory.here, why="never let in")
        topics: list[bytes] = []
        expected = len(runtimes)

        def all_listen() -> bool:
            topics.extend(message[0] for message in self.publisher.drain())
            return topics.count(b"\1" + governance_topic(self.market)) >= expected

        await until(all_listen, why="nobody listens to us")

    def leave(self) -> None:
        """Hang up on everybody whom we hear."""
        for ear in self.ears.values():
            ear.socket.close()
        self.ears.clear()

    # Speaking

    def publish(self, topic: bytes, frame: bytes) -> None:
        """Send a frame to all who hear this topic from us."""
        assert self.publisher.push(topic + frame)

    def tell(self, *statements: AnyStatement, topic: bytes | None = None) -> None:
        """Say statements of our own, by default to everybody."""
        self.publish(topic or governance_topic(self.market), self.voice.sealed(*statements))

    def exhibit(self, *evidence: bytes) -> None:
        """Show evidence to everybody: statements of whomever."""
        for frame in exhibit_frames(list(evidence)):
            self.publish(governance_topic(self.market), frame)

    def card(self, name: str = "mallory", *skills: Offered) -> AnyStatement:
        """A card of ours."""
        return self.voice.say(
            Card(name=name, skills=skills, capacity=len(skills), addresses=(), transport_key=None, certificate=None)
        )


async def heard(runtime: Runtime, statement: AnyStatement) -> None:
    """Wait until a peer has taken a statement in: the proof that what was sent before it has arrived as well."""
    await until(lambda: statement.id in runtime.node.holdings.seen, why="it was not heard")
