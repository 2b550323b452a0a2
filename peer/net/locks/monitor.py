"""What libzmq tells about one socket's connections: made, accepted, lost, refused, with their descriptors."""

from __future__ import annotations

from typing import Final, NamedTuple

import zmq

CONNECTED: Final = int(zmq.EVENT_CONNECTED)
ACCEPTED: Final = int(zmq.EVENT_ACCEPTED)
DISCONNECTED: Final = int(zmq.EVENT_DISCONNECTED)
SUCCEEDED: Final = int(zmq.EVENT_HANDSHAKE_SUCCEEDED)
REFUSED: Final = int(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
"""The value is the status of the remote's ZAP: 300, 400, 500."""
FAILED: Final = int(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL)
_NOBLOCK: Final = int(zmq.NOBLOCK)
_HEAD_BYTES: Final = 6


class Event(NamedTuple):
    """One event; `value` is a descriptor, or what the kind says."""

    kind: int
    value: int
    endpoint: str


class Monitor:
    """The events of one socket, in the order in which they happened."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], watched: zmq.Socket[bytes], kinds: int) -> None:
        """Watch `watched` from now on; it has to be closed before this."""
        name = f"inproc://monitor-{id(watched):x}"
        watched.monitor(name, kinds)
        self.socket = context.socket(zmq.PAIR)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RCVHWM, 0)  # when a bounded queue is full, libzmq's I/O thread waits for us
        self.socket.connect(name)

    def take(self) -> list[Event]:
        """Take what has happened since the last call."""
        events: list[Event] = []
        try:
            while True:
                head, endpoint = self.socket.recv_multipart(_NOBLOCK)
                if len(head) == _HEAD_BYTES:
                    kind, value = int.from_bytes(head[:2], "little"), int.from_bytes(head[2:], "little")
                    events.append(Event(kind, value, endpoint.decode("ascii", "replace")))
        except zmq.ZMQError:
            return events
