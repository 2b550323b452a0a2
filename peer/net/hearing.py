"""What we hear: the publishers that we call, each with the key it must have, and the frames that come in.

A publisher that cannot be reached is called again by libzmq; one that has refused us, or broke the rules of the wire,
is given up by libzmq and called again from here, after a pause.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import zmq

from peer.net.endpoints import fault_of_address
from peer.net.guard.conduct import Conduct
from peer.net.guard.waiting import Waiting, WaitingLimits
from peer.net.sockets import Sockets
from peer.net.watch import readable
from protocol.errors import UsageError

_NOBLOCK: Final = int(zmq.NOBLOCK)
_SRCFD: Final = int(zmq.SRCFD)
CHUNK: Final = 256
"""Frames that are metered at once: of each member in them all pass, or none."""
CHUNKS_MAX: Final = 8
"""So many of them at a time, so that a flood holds up no turn; the others wait in libzmq's queues."""


@dataclass(slots=True)
class HearingCounts:
    """What was not heard."""

    connections_refused: int = 0
    odd_frames: int = 0
    thrown_away: int = 0
    """Frames that had been let in, of members that turned out to send too much before it was their turn."""
    pushed_out: int = 0
    """... and of those that had the most waiting, when too much waited in all."""


class Hearing:
    """The subscriber of one transport."""

    def __init__(
        self,
        sockets: Sockets,
        conduct: Conduct,
        *,
        penalise: Callable[[bytes], None],
        sponsor_of: Callable[[bytes], bytes],
        waiting: WaitingLimits,
        connections_max: int,
        redial_ms: int,
    ) -> None:
        """`penalise` is told who sent too much, or what nobody sends by mistake."""
        self._sockets, self._socket = sockets, sockets.subscriber
        self._conduct, self._sources = conduct, conduct.sources
        self._penalise, self._clock = penalise, conduct.clock
        self._connections_max, self._redial_s = connections_max, redial_ms / 1000
        self._topics: set[bytes] = set()
        self._recv: Callable[[int, bool], zmq.Frame] = self._socket.recv  # type: ignore[assignment]
        self.look_soon: Callable[[], None] = lambda: None
        """Called when the socket has to be looked at again: whatever is done with it may take its signal."""
        self.call_back: Callable[[float], None] = lambda delay_s: None
        """Called to say in how many seconds there is more to receive, also if nothing more comes in."""
        self._waiting = Waiting[bytes](waiting, sponsor_of=sponsor_of, share=lambda: self._sources.share)
        """Frames that were metered and let through."""
        self._counts = HearingCounts()

    # Frames

    def subscribe(self, topic: bytes) -> None:
        """Hear frames that begin with `topic`; may be called twice."""
        if topic not in self._topics:
            self._topics.add(topic)
            self._sources.hears_everything |= not topic
            self._socket.setsockopt(zmq.SUBSCRIBE, topic)
            self.look_soon()

    def receive(self, most: int) -> list[bytes]:
        """Take at most `most` frames that have arrived, less what is more than its member may send."""
        self._read_ahead()
        frames, self._sources.last = self._waiting.take(most, self._clock())
        self.come_back()
        return frames

    @property
    def has_more(self) -> bool:
        """Tell whether there is something to receive now."""
        return readable(self._socket) or self._waiting.ready_s(self._clock()) == 0.0

    def come_back(self) -> None:
        """Have us called back when there is more to receive of what was read and not used yet."""
        ready_s = self._waiting.ready_s(self._clock())
        if ready_s is not None:
            self.call_back(ready_s)

    @property
    def counts(self) -> HearingCounts:
        """What was not heard, so far."""
        self._counts.pushed_out = self._waiting.pushed_out
        return self._counts

    def look(self) -> None:
        """Now and then: take note that nothing has come, or have it read."""
        if readable(self._socket):
            self.look_soon()
        else:
            self._sources.emptied(self._clock())

    def _read_ahead(self) -> None:
        """Meter frames as they come in, not as they are worked off: a reader held up by a flood would see none."""
        for _ in range(CHUNKS_MAX):
            frames, came_on, is_empty = self._drain()
            frames, loud = self._sources.sift(frames, came_on, self._clock())
            self._waiting.put(frames, self._sources.last)
            if is_empty:
                self._sources.emptied(self._clock())
            for peer in loud:
                self._penalise(peer)
            if is_empty:
                return
        self.look_soon()

    def _drain(self) -> tuple[list[bytes], list[int], bool]:
        """Take a bounded number of frames, the connections that they came on, and whether that was all."""
        frames: list[bytes] = []
        came_on: list[int] = []
        socket, recv = self._socket, self._recv
        with contextlib.suppress(zmq.Again):
            for _ in range(CHUNK):
                if not readable(socket):  # cheaper than the error
                    return frames, came_on, True
                message = recv(_NOBLOCK, False)
                if message.more:
                    self._skip(message)
                else:
                    frames.append(message.bytes)
                    came_on.append(message.get(_SRCFD))
        return frames, came_on, False

    def blame(self, index: int) -> None:
        """Blame the connection of frame `index` of those received last."""
        peer = self._sources.strike(index, self._clock())
        if peer is not None:
            self._penalise(peer)

    # Calls

    def connect(self, peer: bytes, publish: str, server_key: bytes) -> bool:
        """Hear `peer` there only, if it holds `server_key`; false if there are too many already."""
        source = self._sources.get(peer)
        if source is not None and (source.address, source.server_key) == (publish, server_key):
            return True
        if fault := fault_of_address(publish):
            raise UsageError("This address cannot be connected to.", why=fault, do="Check it where it came from.")
        self.disconnect(peer)
        if len(self._sources) >= self._connections_max:
            self._counts.connections_refused += 1
            return False
        is_called = any(other.server_key == server_key for other in self._sources.at(publish))
        now_s = self._clock()
        is_out = self._conduct.is_penalised(peer)  # then it is called when it is not any more
        self._sources.add(peer, publish, server_key, now_s if is_out else now_s + self._redial_s)
        if not is_out and not is_called:  # a second connection would bring every frame twice
            self._sockets.connect(self._socket, publish, server_key)
        self.look_soon()
        return True

    def disconnect(self, peer: bytes) -> None:
        """Hear `peer` no more; nothing happens if it was not connected."""
        source = self._sources.remove(peer)
        if source is not None:
            self._hang_up_at(source.address)

    def pause(self, peer: bytes) -> None:
        """Hear `peer` no more for as long as it is penalised, nor what waits of it."""
        self._counts.thrown_away += self._waiting.throw_away(peer)
        source = self._sources.call_later(peer, self._clock())
        if source is not None:
            self._hang_up_at(source.address)

    def call_again(self) -> None:
        """Call whom libzmq has given up, and whose pause is over."""
        now_s = self._clock()
        for source in self._sources.due(now_s, self._redial_s, is_out=self._conduct.is_penalised):
            self._forget(source.address)
            self._sockets.connect(self._socket, source.address, source.server_key)
            self.look_soon()

    def _hang_up_at(self, address: str) -> None:
        """Call nobody at an address any more; whoever else is said to be there is called anew."""
        self._forget(address)
        for other in self._sources.at(address):
            self._sources.call_later(other.peer, self._clock())
        self.look_soon()

    def _forget(self, address: str) -> None:
        with contextlib.suppress(zmq.ZMQError):  # libzmq forgets an endpoint that refused its handshake
            self._socket.disconnect(address)

    def _skip(self, message: zmq.Frame) -> None:
        """Throw away a message of several parts: no honest publisher sends one."""
        self._counts.odd_frames += 1
        peer = self._sources.on(int(message.get(_SRCFD)))
        while message.more:
            message = self._recv(_NOBLOCK, False)
        if peer:
            self._penalise(peer)
