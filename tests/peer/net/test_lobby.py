"""The lobby between real sockets on loopback: who asks is known by its key, and everything is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import msgspec
import pytest
import zmq
from msgspec import Meta, Struct

from peer.net.endpoints import address
from peer.net.guard.rates import Rate
from peer.net.locks.keys import Entry, TransportKeys, make_keys, public_of
from peer.net.meet.lobby import Lobby, LobbyLimits
from peer.net.meet.lobbycall import CallLimits, LobbyCall, knocking
from peer.net.transport import Transport
from tests.waiting import until

LOBBY_SECRET = bytes(range(1, 33))


class Question(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="question"):
    """A kind of request that nobody but this test knows."""

    text: Annotated[str, Meta(max_length=2_000)]


class Unheard(Struct, frozen=True, array_like=True, tag="unheard"):
    """A kind that nobody answers."""


class NoWarden:
    """Nobody is a member."""

    def judge(self, key: bytes) -> tuple[Entry, bytes]:
        return Entry.UNKNOWN, b""

    def may_hear(self, peer: bytes, topic: bytes) -> bool:
        return False

    def sponsor_of(self, peer: bytes) -> bytes:
        return peer


class Hall:
    """A lobby that repeats what it is asked, and somebody who asks."""

    def __init__(self, limits: LobbyLimits | None) -> None:
        self.transport = Transport(keys=make_keys(), lobby_secret=LOBBY_SECRET, warden=NoWarden())
        loop = asyncio.get_running_loop()
        self.transport.listen(loop, lambda: None)
        self.lobby = Lobby(self.transport.lobby, limits=limits)
        self.lobby.on(Question, self.answer)
        self.lobby.listen(loop)
        self.address = address(self.transport.endpoints.hosts[0], self.transport.endpoints.lobby)
        self.asked: list[tuple[Question, bytes]] = []
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.keys = make_keys()

    def answer(self, question: Question, key: bytes) -> list[bytes]:
        self.asked.append((question, key))
        if question.text == "fail":
            raise RuntimeError("a handler that fails")
        return [question.text.encode(), b"and more"]

    def caller(self, *, lobby_public: bytes | None = None, timeout_ms: int = 5_000) -> LobbyCall:
        """Somebody without a running peer."""
        public = lobby_public or public_of(LOBBY_SECRET)
        return LobbyCall(knocking(self.context, self.keys, public), limits=CallLimits(timeout_ms=timeout_ms))

    def close(self) -> None:
        self.lobby.close()
        self.transport.close()
        self.context.destroy()


@asynccontextmanager
async def hall(limits: LobbyLimits | None = None) -> AsyncIterator[Hall]:
    """Open a hall that is closed when the block is left."""
    opened = Hall(limits)
    try:
        yield opened
    finally:
        opened.close()


async def test_request_comes_with_the_key_that_its_connection_proved() -> None:
    """The handler sees what was asked and the asker's own transport key, and its items come back."""
    async with hall() as here:
        assert await here.caller()(here.address, Question("who")) == [b"who", b"and more"]
        assert here.asked == [(Question("who"), here.keys.public)]


async def test_many_calls_at_once_are_each_answered() -> None:
    """Each has its own answer, more of them than may be under way at once."""
    async with hall() as here:
        call = here.caller()
        texts = [str(number) for number in range(60)]
        answers = await asyncio.gather(*(call(here.address, Question(text)) for text in texts))
        assert answers == [[text.encode(), b"and more"] for text in texts]


async def test_lobby_of_another_market_answers_nobody() -> None:
    """Without the lobby's key there is no conversation at all."""
    async with hall() as here:
        stranger = here.caller(lobby_public=make_keys().public, timeout_ms=300)
        assert await stranger(here.address, Question("who")) is None
        assert here.asked == []


async def test_nobody_there_and_no_address_are_no_answer() -> None:
    """A call ends in time, whatever is at the other end."""
    async with hall() as here:
        call = here.caller(timeout_ms=200)
        assert await call("tcp://127.0.0.1:1", Question("who")) is None
        assert await call("tcp://example.org:1", Question("who")) is None


async def test_handler_that_fails_and_kind_that_nobody_answers_are_no_answer() -> None:
    """The next request is answered all the same."""
    async with hall() as here:
        call = here.caller(timeout_ms=300)
        assert await call(here.address, Question("fail")) is None
        assert await call(here.address, Unheard()) is None
        assert await call(here.address, Question("x" * 3_000)) is None
        assert await call(here.address, Question("who")) is not None
        assert (here.lobby.counts.failed, here.lobby.counts.malformed) == (1, 2)


async def test_rubbish_is_dropped_and_the_lobby_goes_on() -> None:
    """No request, nested, truncated, of many parts: nothing is said, and nobody is blamed."""
    async with hall() as here:
        request = msgspec.msgpack.encode((1, Question("who")))
        socket = here.caller()._open(here.address)
        try:
            for parts in ([b""], [b"\x91" * 1000], [request[:-1]], [request, request], [b""] * 500, [b"\xc1"]):
                socket.send_multipart(parts)
            assert await here.caller()(here.address, Question("who")) is not None
            await until(lambda: here.lobby.counts.malformed >= 6)
        finally:
            socket.close(linger=0)
        assert len(here.asked) == 1


async def test_strangers_are_answered_at_a_bounded_rate_and_members_have_their_own() -> None:
    """Whoever floods the lobby gets no answer for it, and takes nothing from those whose key is known."""
    limits = LobbyLimits(strangers=Rate(0.001, 3), members=Rate(0.001, 3))
    async with hall(limits) as here:
        call = here.caller(timeout_ms=300)
        answers = [await call(here.address, Question("who")) for _ in range(5)]
        assert [answer is not None for answer in answers] == [True, True, True, False, False]
        assert here.lobby.counts.too_many == 2
        here.lobby._is_member = lambda key: key == here.keys.public
        assert await call(here.address, Question("who")) is not None


async def test_one_member_that_floods_takes_nothing_from_another() -> None:
    """Each has its own share of what members may ask."""
    async with hall(LobbyLimits(member=Rate(0.001, 2))) as here:
        here.lobby._is_member = lambda key: True
        call = here.caller(timeout_ms=300)
        assert [await call(here.address, Question("who")) is not None for _ in range(3)] == [True, True, False]
        here.keys = make_keys()
        assert await here.caller()(here.address, Question("who")) is not None


async def test_answer_is_cut_to_what_a_message_holds() -> None:
    """A handler that says too much says what fits."""
    async with hall(LobbyLimits(answer_bytes_max=1_000)) as here:
        here.lobby.on(Question, lambda question, key: [b"x" * 400] * 10)
        assert await here.caller()(here.address, Question("who")) == [b"x" * 400] * 2


async def test_call_of_a_closed_loop_leaves_no_socket_behind() -> None:
    """A call that is given up closes its socket."""
    async with hall() as here:
        call = here.caller(timeout_ms=60_000)
        waiting = asyncio.ensure_future(call("tcp://127.0.0.1:1", Question("who")))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert all(socket.closed for socket in here.context._sockets)


def test_secret_of_the_keys_is_in_no_representation() -> None:
    """Whoever logs a pair of keys shows the public one."""
    keys = TransportKeys(b"p" * 32, b"s" * 32)
    assert (b"s" * 32).hex() not in repr(keys)
