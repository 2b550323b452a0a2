"""Asking a holder directly: what comes, what is bounded, and what rubbish does to both sides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import msgpack
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from peer.net.endpoints import address
from peer.net.fetch import Fetch, FetchLimits
from peer.net.guard.rates import Rate
from peer.net.guard.waiting import WaitingLimits
from peer.net.requests import (
    PAGE_ITEMS_MAX,
    FeedRange,
    Ids,
    Page,
    open_page,
    open_request,
    pack,
    pack_request,
)
from protocol.errors import UsageError
from protocol.limits import COUNTER_MAX, FETCH_IDS_MAX
from tests.peer.net.wires import open_transport
from tests.waiting import until

ID = bytes(range(32))
ASK = Ids([ID])
TAG = b"market 1"


class End:
    """One peer's fetching, and the answers that it got."""

    def __init__(self, limits: FetchLimits | None) -> None:
        self.transport = open_transport()
        self.fetch = Fetch(self.transport, limits=limits)
        self.fetch.listen(asyncio.get_running_loop())
        self.address = address(self.transport.endpoints.hosts[0], self.transport.endpoints.fetch)
        self.answers: list[list[bytes]] = []

    def ask(self, other: End, request: Ids | FeedRange = ASK) -> bool:
        return self.fetch.ask(other.address.encode(), other.address, request, self.answers.append)

    def close(self) -> None:
        self.fetch.close()
        self.transport.close()


Opener = Callable[..., End]


@asynccontextmanager
async def ends() -> AsyncIterator[Opener]:
    """Open ends that are closed when the block is left."""
    async with AsyncExitStack() as stack:

        def open_one(limits: FetchLimits | None = None) -> End:
            end = End(limits)
            stack.callback(end.close)
            return end

        yield open_one


async def test_statements_come_by_id_and_by_range() -> None:
    """The handler sees the request as it was asked, and its bytes come back as they are."""
    async with ends() as opened:
        asker, holder = opened(), opened()
        asked: list[object] = []

        def handler(request: Ids | FeedRange) -> list[bytes]:
            asked.append(request)
            return [b"one", b"two"]

        holder.fetch.serve(handler)
        feed = FeedRange(ID, b"feed 123", 3, 7)
        assert asker.ask(holder)
        assert asker.ask(holder, feed)
        await until(lambda: len(asker.answers) == 2)
        assert asker.answers == [[b"one", b"two"]] * 2
        assert asked == [ASK, feed]


async def test_answer_is_cut_into_pages_and_bounded() -> None:
    """Many pages arrive as one answer; what is over the bound, or too large for a page, is left out."""
    limits = FetchLimits(page_bytes_max=1000, answer_pages_max=4)
    async with ends() as opened:
        asker, holder = opened(limits), opened(limits)
        items = [bytes([number]) * 400 for number in range(20)]
        holder.fetch.serve(lambda request: [bytes(1001), *items])
        asker.ask(holder)
        await until(lambda: asker.answers)
        assert asker.answers == [items[:8]]


async def test_long_range_reaches_the_handler_with_a_bounded_length() -> None:
    """Nobody can make a holder read its whole journal at once."""
    async with ends() as opened:
        asker, holder = opened(), opened()
        asked: list[FeedRange | Ids] = []

        def handler(request: FeedRange | Ids) -> list[bytes]:
            asked.append(request)
            return []

        holder.fetch.serve(handler)
        asker.ask(holder, FeedRange(ID, b"feed 123", 5, COUNTER_MAX))
        await until(lambda: asker.answers)
        assert asked == [FeedRange(ID, b"feed 123", 5, 5 + PAGE_ITEMS_MAX - 1)]


async def test_silence_ends_with_an_empty_answer_and_a_late_one_is_dropped() -> None:
    """Each question is answered exactly once, whatever the holder does."""
    async with ends() as opened:
        asker = opened(FetchLimits(timeout_ms=100))
        with zmq.Context() as context, context.socket(zmq.ROUTER) as mute:
            port = mute.bind_to_random_port("tcp://127.0.0.1")
            asker.fetch.ask(b"mute", f"tcp://127.0.0.1:{port}", ASK, asker.answers.append)
            await until(lambda: asker.answers)
            assert asker.answers == [[]]
            identity, message = mute.recv_multipart()
            request_id, _ = open_request(message) or (0, None)
            mute.send_multipart([identity, pack(Page(request_id, [b"late"], False))])
            await until(lambda: asker.fetch.counts.late)
        assert asker.answers == [[]]
        assert asker.fetch.counts.timed_out == 1


async def test_nobody_at_the_address_is_silence() -> None:
    """A holder that has left costs its question's time and nothing else."""
    async with ends() as opened:
        asker, gone = opened(FetchLimits(timeout_ms=100)), opened()
        gone.close()
        assert asker.ask(gone)
        await until(lambda: asker.answers == [[]])


async def test_outstanding_questions_are_bounded_per_peer() -> None:
    """One holder that does not answer cannot gather all questions; another one can still be asked."""
    async with ends() as opened:
        asker = opened(FetchLimits(outstanding_per_peer_max=2))
        stuck, holder = opened(), opened()
        stuck.fetch.close()
        assert [asker.ask(stuck) for _ in range(3)] == [True, True, False]
        assert asker.ask(holder)
        await until(lambda: asker.answers == [[]])


async def test_lines_are_bounded_and_an_idle_one_makes_room() -> None:
    """There are so many sockets, not one per peer that was ever asked."""
    async with ends() as opened:
        asker = opened(FetchLimits(lines_max=1))
        first, second = opened(), opened()
        assert asker.ask(first)
        assert not asker.ask(second)
        await until(lambda: len(asker.answers) == 1)
        assert asker.ask(second)
        await until(lambda: len(asker.answers) == 2)


async def test_idle_line_is_closed_and_the_next_question_opens_it_again() -> None:
    """An unused line costs descriptors on both sides."""
    async with ends() as opened:
        asker, holder = opened(FetchLimits(idle_ms=1)), opened()
        for number in (1, 2, 3):
            assert asker.ask(holder)
            await until(lambda number=number: len(asker.answers) == number)
            await until(lambda: not asker.fetch._lines)


async def test_holder_that_moved_is_asked_at_its_new_address() -> None:
    """What was open at the old address ends, with what had come."""
    async with ends() as opened:
        asker, old, new = opened(), opened(), opened()
        old.fetch.close()
        new.fetch.serve(lambda request: [b"new"])
        asker.fetch.ask(b"key", old.address, ASK, asker.answers.append)
        asker.fetch.ask(b"key", new.address, ASK, asker.answers.append)
        await until(lambda: len(asker.answers) == 2)
        assert asker.answers == [[], [b"new"]]


async def test_answer_may_ask_again_and_again() -> None:
    """A question from within an answer is the usual way to go on."""
    async with ends() as opened:
        asker, holder = opened(), opened()
        holder.fetch.serve(lambda request: [b"x"])

        def go_on(items: list[bytes]) -> None:
            asker.answers.append(items)
            if len(asker.answers) < 100:
                assert asker.fetch.ask(b"key", holder.address, ASK, go_on)

        asker.fetch.ask(b"key", holder.address, ASK, go_on)
        await until(lambda: len(asker.answers) == 100)
        assert asker.answers == [[b"x"]] * 100


async def test_rubbish_is_counted_and_the_next_request_is_answered() -> None:
    """Whatever a stranger sends, the holder serves on."""
    async with ends() as opened:
        asker, holder = opened(), opened()
        with zmq.Context() as context, context.socket(zmq.DEALER) as rogue:
            rogue.linger = 0
            rogue.connect(holder.address)
            for message in RUBBISH_REQUESTS:
                rogue.send(message)
            rogue.send_multipart([b"many"] * 1000)
            await until(lambda: holder.fetch.counts.malformed == len(RUBBISH_REQUESTS))
            await until(lambda: holder.transport.refusals["odd_parts"] == 1)
        holder.fetch.serve(lambda request: [b"served"])
        asker.ask(holder)
        await until(lambda: asker.answers == [[b"served"]])


async def test_oversized_request_ends_its_connection_only() -> None:
    """The bound on a request holds before it is read."""
    async with ends() as opened:
        asker, holder = opened(), opened()
        with zmq.Context() as context, context.socket(zmq.DEALER) as rogue:
            rogue.linger = 0
            rogue.connect(holder.address)
            rogue.send(bytes(1024 * 1024))
            asker.ask(holder)
            await until(lambda: asker.answers == [[]])
        assert holder.fetch.counts.malformed == 0


async def test_rubbish_answers_are_counted_and_answer_nothing() -> None:
    """A lying holder can answer only what it was asked, and only in the right shape."""
    async with ends() as opened:
        asker = opened(FetchLimits(timeout_ms=300))
        with zmq.Context() as context, context.socket(zmq.ROUTER) as liar:
            port = liar.bind_to_random_port("tcp://127.0.0.1")
            asker.fetch.ask(b"liar", f"tcp://127.0.0.1:{port}", ASK, asker.answers.append)
            await until(lambda: liar.poll(0))
            identity, _ = liar.recv_multipart()
            for message in RUBBISH_PAGES:
                liar.send_multipart([identity, message])
            liar.send_multipart([identity, b"two", b"parts"])
            liar.send_multipart([identity, pack(Page(77, [b"unasked"], False))])
            await until(lambda: asker.fetch.counts.malformed == len(RUBBISH_PAGES) + 1)
            await until(lambda: asker.answers == [[]])
        assert asker.fetch.counts.late == 1


async def test_endless_pages_end() -> None:
    """A holder that always says "more" is cut at the same bound that it has itself."""
    limits = FetchLimits(answer_pages_max=3)
    async with ends() as opened:
        asker = opened(limits)
        with zmq.Context() as context, context.socket(zmq.ROUTER) as endless:
            port = endless.bind_to_random_port("tcp://127.0.0.1")
            asker.fetch.ask(b"endless", f"tcp://127.0.0.1:{port}", ASK, asker.answers.append)
            await until(lambda: endless.poll(0))
            identity, message = endless.recv_multipart()
            request_id, _ = open_request(message) or (0, None)
            for _ in range(10):
                endless.send_multipart([identity, pack(Page(request_id, [b"x"], True))])
            await until(lambda: asker.fetch.counts.late == 7)
        assert asker.answers == [[b"x"] * 3]


async def test_failing_handler_stops_nothing() -> None:
    """An error of ours reaches the loop's handler, and the next request is served."""
    async with ends() as opened:
        asker, holder = opened(FetchLimits(timeout_ms=200)), opened()
        seen: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: seen.append(context["exception"]))
        failure = RuntimeError("the journal is gone")

        def handler(request: object) -> list[bytes]:
            if not seen:
                raise failure
            return [b"served"]

        holder.fetch.serve(handler)
        assert asker.ask(holder)
        assert asker.ask(holder)
        await until(lambda: sorted(asker.answers) == [[], [b"served"]])
        assert seen == [failure]


async def test_address_that_is_none_is_an_error() -> None:
    """Nothing but a plain address is asked."""
    async with ends() as opened:
        with pytest.raises(UsageError, match="tcp://IP:port"):
            opened().fetch.ask(b"key", "ipc:///tmp/socket", ASK, lambda items: None)


@given(st.integers(1, COUNTER_MAX), st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=FETCH_IDS_MAX))
def test_request_survives_the_wire(request_id: int, ids: list[bytes]) -> None:
    """What is packed is what is opened."""
    assert open_request(pack_request(request_id, Ids(ids))) == (request_id, Ids(ids))


@given(st.binary(max_size=200))
def test_no_bytes_raise(message: bytes) -> None:
    """Strangers' bytes open or do not, and what opens can be said again; they never raise."""
    request, page = open_request(message), open_page(message)
    assert request is None or open_request(pack_request(*request)) == request
    assert page is None or open_page(pack(page)) == page


def test_foreign_implementation_reads_the_same_bytes() -> None:
    """The wire is plain MessagePack arrays."""
    assert msgpack.unpackb(pack_request(7, ASK)) == [7, ["ids", [ID]]]
    assert msgpack.unpackb(pack_request(7, FeedRange(ID, b"feed 123", 1, 2))) == [7, ["feed", ID, b"feed 123", 1, 2]]
    assert msgpack.unpackb(pack(Page(7, [b"a"], False))) == [7, [b"a"], False]


def test_rubbish_does_not_open() -> None:
    """Neither wrong shapes nor values out of bounds."""
    assert [open_request(message) for message in RUBBISH_REQUESTS] == [None] * len(RUBBISH_REQUESTS)
    assert [open_page(message) for message in RUBBISH_PAGES] == [None] * len(RUBBISH_PAGES)


def _packed(thing: object) -> bytes:
    return msgpack.packb(thing)


RUBBISH = [
    b"",
    b"\xc1",
    b"\x91" * 10_000,
    _packed(None),
    _packed({}),
    _packed([]),
    _packed("text"),
    msgpack.packb([1, msgpack.ExtType(5, b"x")]),
    msgpack.packb(msgpack.Timestamp(2**33, 0)),
]
RUBBISH_REQUESTS = [
    *RUBBISH,
    _packed([1, ["ids", []]]),
    _packed([1, ["ids", [ID[:31]]]]),
    _packed([1, ["ids", [ID] * (FETCH_IDS_MAX + 1)]]),
    _packed([1, ["ids", [ID.decode("latin-1")]]]),
    _packed([1, ["ids", [ID], "more"]]),
    _packed([1, ["ids", [ID]], "more"]),
    _packed([1, ["ids", [ID]]]) + b"\0",
    _packed([True, ["ids", [ID]]]),
    _packed([0, ["ids", [ID]]]),
    _packed([-1, ["ids", [ID]]]),
    _packed([2**63, ["ids", [ID]]]),
    _packed([1.0, ["ids", [ID]]]),
    _packed([1, ["everything"]]),
    _packed([1, ["feed", ID, b"feed 123", 2, 1]]),
    _packed([1, ["feed", ID, b"feed 123", 0, 1]]),
    _packed([1, ["feed", ID, b"feed", 1, 2]]),
    _packed([1, ["hello", b"tag", None]]),
    _packed([1, ["hello", TAG, [ID, "tcp://127.0.0.1:1"]]]),
]
RUBBISH_PAGES = [
    *RUBBISH,
    _packed([1, [["nested"]], False]),
    _packed([1, [b"x"] * (PAGE_ITEMS_MAX + 1), False]),
    _packed([1, [b"x"], 0]),
    _packed([1, ["text"], False]),
    _packed([1, [b"x"]]),
]


async def test_dearest_requests_of_one_asker_hold_up_nobody_elses() -> None:
    """Of fifty of the longest ranges, two are answered before another asker's only request."""
    slow = FetchLimits(waiting=WaitingLimits(pace=Rate(1e-6, PAGE_ITEMS_MAX), each=1))
    async with ends() as opened:
        holder, loud, calm = opened(slow), opened(FetchLimits(outstanding_per_peer_max=100)), opened()
        asked: list[object] = []

        def handler(request: Ids | FeedRange) -> list[bytes]:
            asked.append(request)
            return [b"it"]

        holder.fetch.serve(handler)
        longest = FeedRange(ID, b"feed 123", 1, COUNTER_MAX)
        for _ in range(50):
            assert loud.ask(holder, longest)
        await until(lambda: asked)
        calm.ask(holder)
        await until(lambda: calm.answers)
        assert calm.answers == [[b"it"]]
        assert len(asked) <= 3
        assert asked[-1] == ASK


async def test_what_waits_of_a_kept_out_asker_is_thrown_away() -> None:
    """It may have asked within its rate before: nobody works for it any more."""
    slow = FetchLimits(waiting=WaitingLimits(pace=Rate(100_000, 1), each=1))
    async with ends() as opened:
        holder, loud = opened(slow), opened(FetchLimits(outstanding_per_peer_max=100))
        asked: list[object] = []

        def handler(request: Ids | FeedRange) -> list[bytes]:
            asked.append(request)
            holder.transport.penalised = lambda peer: True  # type: ignore[method-assign]
            return []

        holder.fetch.serve(handler)
        for _ in range(20):
            loud.ask(holder, FeedRange(ID, b"feed 123", 1, COUNTER_MAX))
        await until(lambda: holder.fetch.counts.thrown_away == 19)
        assert len(asked) == 1
