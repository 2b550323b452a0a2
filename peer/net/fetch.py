"""Asking a holder for what is missing: a ROUTER answers, and one DEALER per asked peer asks.

Everything happens in callbacks of the peer's loop, in short portions. What an item of an answer says is none of this
file's business: it hands bytes over, and whoever asked verifies them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple, TypeAlias

import msgspec
import zmq

from peer.net.guard.rates import Rate
from peer.net.guard.waiting import Waiting, WaitingLimits
from peer.net.requests import (
    PAGE_ITEMS_MAX,
    FeedRange,
    Ids,
    Page,
    Request,
    open_page,
    open_request,
    pack,
    pack_request,
)
from peer.net.transport import Letter, Transport
from peer.net.watch import Watch

_NOBLOCK = int(zmq.NOBLOCK)

Handler: TypeAlias = Callable[[Ids | FeedRange], list[bytes]]
OnAnswer: TypeAlias = Callable[[list[bytes]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """Every number of asking and answering, and why it is that number."""

    page_bytes_max: int = 256 * 1024  # a fraction of a millisecond to write
    answer_pages_max: int = 8  # 2 MiB: whoever lacks more asks again
    requests_per_round_max: int = 32  # are read; then the loop turns to the market again
    answers_per_round_max: int = 2  # the dearest takes five milliseconds
    dearer: int = 4  # is a statement by its id than one of a range, which are all sealed at once
    waiting: WaitingLimits = field(
        # In statements of a range: a tenth of a core; at once, the longest range. Requests are 16 KiB at most.
        default=WaitingLimits(pace=Rate(10_000, PAGE_ITEMS_MAX), each=1, frames_max=1_024)
    )
    pages_per_round_max: int = 32  # the same for answers
    outstanding_per_peer_max: int = 8  # one holder is not the only one
    lines_max: int = 64  # sockets to asked peers: three descriptors each
    timeout_ms: int = 2_000  # a loaded holder answers in 100 ms; another one can be asked then
    idle_ms: int = 5_000  # an unused line is closed: the next question opens it in a millisecond


@dataclass(slots=True)
class FetchCounts:
    """What came and was dropped, or did not come at all."""

    malformed: int = 0
    undeliverable: int = 0
    late: int = 0
    timed_out: int = 0
    thrown_away: int = 0
    """Requests of members that turned out to ask too much before it was their turn."""


class _Asked(NamedTuple):
    """A request that waits for its turn."""

    letter: Letter
    request_id: int
    request: Request


@dataclass(slots=True)
class _Question:
    on_answer: OnAnswer
    timer: asyncio.TimerHandle
    items: list[bytes] = field(default_factory=list)
    pages: int = 0


@dataclass(slots=True)
class _Line:
    """One DEALER to one asked peer: what comes in on it can answer only what was asked on it."""

    address: str
    server_key: bytes
    socket: zmq.Socket[bytes]
    watch: Watch
    questions: dict[int, _Question] = field(default_factory=dict)
    idle: asyncio.TimerHandle | None = None


class Fetch:
    """Both sides of fetching, over the sockets of one transport; close it before the transport."""

    def __init__(self, transport: Transport, *, limits: FetchLimits | None = None) -> None:
        self._transport, self._limits = transport, limits or FetchLimits()
        self._router = transport.answering
        self.counts = FetchCounts()
        self._handler: Handler = lambda request: []
        self._waiting = Waiting[_Asked](
            self._limits.waiting, sponsor_of=transport.sponsor_of, price_of=lambda asked: self._price(asked.request)
        )
        self._lines: dict[bytes, _Line] = {}
        self._request_ids = count(1)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watch: Watch | None = None

    def serve(self, handler: Handler) -> None:
        """Answer requests for statements with what `handler` returns; a range comes with a bounded length."""
        self._handler = handler

    def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer from now on, and be ready to ask."""
        self._loop = loop
        self._watch = Watch(loop, self._router, self._answer_all)

    def ask(self, key: bytes, address: str, request: Request, on_answer: OnAnswer, *, server_key: bytes = b"") -> bool:
        """Ask the peer called `key` at its fetch address, if it holds `server_key`; false if too much is outstanding.

        `on_answer` is called exactly once: with what came, which is nothing at all when the time is over. Raises
        UsageError on an address that is none.
        """
        assert self._loop is not None, "listen first"
        line = self._line(key, address, server_key)
        if line is None or len(line.questions) >= self._limits.outstanding_per_peer_max:
            return False
        request_id = next(self._request_ids)
        try:
            line.socket.send(pack_request(request_id, request), _NOBLOCK)
        except zmq.Again:
            return False
        timer = self._loop.call_later(self._limits.timeout_ms / 1000, self._time_out, key, line, request_id)
        line.questions[request_id] = _Question(on_answer, timer)
        line.watch.look_soon()
        return True

    def close(self) -> None:
        """Stop asking and answering; open questions are never answered."""
        if self._watch is not None:
            self._watch.pause()
        while self._lines:
            _, line = self._lines.popitem()
            for question in _hang_up(line):
                question.timer.cancel()

    def _answer_all(self) -> None:
        """Answer what has come, a bounded portion of it, of every asker in turn; the rest waits for a later round."""
        assert self._watch is not None
        assert self._loop is not None
        try:
            self._read_ahead()
            for _ in range(self._limits.answers_per_round_max):
                for asked in self._waiting.take(1, self._loop.time())[0]:
                    self._answer(asked)
        finally:
            self._watch.look_soon()  # our sends may have taken the signal, and a failing handler must not
            if (ready_s := self._waiting.ready_s(self._loop.time())) is not None:
                self._watch.call_in(ready_s)

    def _read_ahead(self) -> None:
        with suppress(zmq.Again):
            for _ in range(self._limits.requests_per_round_max):
                if (letter := self._transport.asked()) is None:
                    continue
                if (opened := open_request(letter.body)) is None:
                    self.counts.malformed += 1
                else:
                    self._waiting.put([_Asked(letter, *opened)], [letter.user])

    def _answer(self, asked: _Asked) -> None:
        if self._transport.penalised(asked.letter.user):
            self.counts.thrown_away += 1 + self._waiting.throw_away(asked.letter.user)
            return
        try:
            for page in self._pages(asked.request_id, self._items(asked.request)):
                self._router.send_multipart((asked.letter.sender, pack(page)), _NOBLOCK)
        except zmq.ZMQError:  # the asker has left, or does not read
            self.counts.undeliverable += 1

    def _price(self, request: Request) -> int:
        """What an answer costs at most, in statements of a range."""
        if isinstance(request, Ids):
            return self._limits.dearer * len(request.ids)
        return min(request.last_seq - request.first_seq + 1, PAGE_ITEMS_MAX)

    def _items(self, request: Request) -> list[bytes]:
        if isinstance(request, FeedRange):
            last_seq = min(request.last_seq, request.first_seq + PAGE_ITEMS_MAX - 1)
            request = msgspec.structs.replace(request, last_seq=last_seq)
        return self._handler(request)

    def _pages(self, request_id: int, items: list[bytes]) -> Iterator[Page]:
        """Cut `items` into pages; what is too large for a page or comes after the last is left out."""
        limits = self._limits
        pages: list[list[bytes]] = [[]]
        size = 0
        for item in items:
            if len(item) > limits.page_bytes_max:
                continue
            if size + len(item) > limits.page_bytes_max or len(pages[-1]) == PAGE_ITEMS_MAX:
                if len(pages) == limits.answer_pages_max:
                    break
                pages.append([])
                size = 0
            pages[-1].append(item)
            size += len(item)
        for number, page in enumerate(pages, start=1):
            yield Page(request_id, page, number < len(pages))

    def _line(self, key: bytes, address: str, server_key: bytes) -> _Line | None:
        line = self._lines.get(key)
        if line is not None and (line.address, line.server_key) != (address, server_key):
            self._close_line(key, line)
            line = None
        if line is None:
            if len(self._lines) >= self._limits.lines_max and not self._close_an_idle_line():
                return None
            line = self._open_line(key, address, server_key)
        if line.idle is not None:
            line.idle.cancel()
            line.idle = None
        return line

    def _open_line(self, key: bytes, address: str, server_key: bytes) -> _Line:
        assert self._loop is not None
        socket = self._transport.asking(address, server_key)
        line = _Line(address, server_key, socket, Watch(self._loop, socket, lambda: self._read(key, line)))
        self._lines[key] = line
        return line

    def _close_an_idle_line(self) -> bool:
        for key, line in self._lines.items():
            if not line.questions:
                self._close_line(key, line)
                return True
        return False

    def _close_line(self, key: bytes, line: _Line) -> None:
        if self._lines.get(key) is line:
            del self._lines[key]
            for question in _hang_up(line):
                self._finish(question)

    def _read(self, key: bytes, line: _Line) -> None:
        try:
            for _ in range(self._limits.pages_per_round_max):
                self._take(key, line, line.socket.recv_multipart(_NOBLOCK))
                if line.socket.closed:  # whoever got the answer closed us
                    return
        except zmq.Again:
            return
        finally:
            line.watch.look_soon()

    def _take(self, key: bytes, line: _Line, parts: list[bytes]) -> None:
        page = open_page(parts[0]) if len(parts) == 1 else None
        if page is None:
            self.counts.malformed += 1
            return
        question = line.questions.get(page.request_id)
        if question is None:
            self.counts.late += 1
            return
        question.items += page.items
        question.pages += 1
        if not page.more or question.pages == self._limits.answer_pages_max:
            del line.questions[page.request_id]
            self._rest(key, line)
            self._finish(question)

    def _time_out(self, key: bytes, line: _Line, request_id: int) -> None:
        question = line.questions.pop(request_id)
        self.counts.timed_out += 1
        self._rest(key, line)
        self._finish(question)

    def _rest(self, key: bytes, line: _Line) -> None:
        """Close a line in a while, if it has nothing outstanding then."""
        if not line.questions and self._loop is not None:
            line.idle = self._loop.call_later(self._limits.idle_ms / 1000, self._close_line, key, line)

    def _finish(self, question: _Question) -> None:
        question.timer.cancel()
        question.on_answer(question.items)


def _hang_up(line: _Line) -> list[_Question]:
    """Close the socket of a line, and return what was still open on it."""
    line.watch.pause()
    line.socket.close()
    if line.idle is not None:
        line.idle.cancel()
    questions = list(line.questions.values())
    line.questions.clear()
    return questions
