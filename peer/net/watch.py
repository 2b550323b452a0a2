"""Telling an asyncio loop that a ZeroMQ socket may be read, without losing an edge.

The descriptor of a ZeroMQ socket is edge-triggered: it becomes readable when something changed, and any call on the
socket, a send as well, takes that signal away. So whoever stops reading early, or only sent, must look again by
itself; all of that is here. This file knows nothing of what the socket carries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import zmq

_EVENTS = int(zmq.EVENTS)
_POLLIN = int(zmq.POLLIN)


def readable(socket: zmq.Socket[bytes]) -> bool:
    """Tell whether a socket has something to read; cheaper than the error of a reading in vain."""
    return bool(socket.getsockopt(_EVENTS) & _POLLIN)  # type: ignore[operator]


class Watch:
    """Calls `ready` from the loop when `socket` has something to read, until it is paused or closed.

    After one call of `ready` there may be none until the reader has read to the end, or has called `look_soon`.
    """

    __slots__ = ("_call_due", "_descriptor", "_looking", "_loop", "_open", "_ready", "_socket")

    def __init__(self, loop: asyncio.AbstractEventLoop, socket: zmq.Socket[bytes], ready: Callable[[], None]) -> None:
        self._loop, self._socket, self._ready = loop, socket, ready
        self._descriptor = int(socket.getsockopt(zmq.FD))
        self._call_due: asyncio.Handle | None = None
        self._looking = False
        self._open = False
        self.resume()

    def pause(self) -> None:
        """Call `ready` no more; what arrives meanwhile waits in the socket. May be called twice."""
        if self._open:
            self._loop.remove_reader(self._descriptor)
            self._call_no_more()
            self._open = False

    def resume(self) -> None:
        """Call `ready` again, soon if something is already there."""
        if not self._open:
            self._open = True
            self._loop.add_reader(self._descriptor, self._look)
            self.look_soon()

    def look_soon(self) -> None:
        """Look at the socket once more in the loop's next round: due after a send and after a reading cut short."""
        if not self._looking:
            self._looking = True
            self._loop.call_soon(self._look_again)

    def call_in(self, delay_s: float) -> None:
        """Call `ready` then, and not when was said before: for what was read from the socket and not used yet."""
        self._call_no_more()
        self._call_due = self._loop.call_later(delay_s, self._call) if delay_s else self._loop.call_soon(self._call)

    def _call_no_more(self) -> None:
        if self._call_due is not None:
            self._call_due.cancel()
            self._call_due = None

    def _call(self) -> None:
        self._call_due = None
        if self._open:
            self._ready()

    def _look_again(self) -> None:
        self._looking = False
        self._look()

    def _look(self) -> None:
        if self._open and readable(self._socket):
            self._ready()
