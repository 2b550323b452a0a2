"""What both rivals over eclipse-zenoh say: plain pub/sub, with nothing signed, verified, folded or recorded."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any, Final

import msgpack
import zenoh

TO_BIDDERS: Final = "vendue/bench/down"
TO_MANAGER: Final = "vendue/bench/up"
PATIENCE_S: Final = 30.0
_SIZES = {"announcement": 230, "bid": 130, "award": 560, "acceptance": 130, "result": 140, "settlement": 130}
"""Bytes of the statements that Vendue says in their place, so that both carry as much."""
_PADDING = bytes(max(_SIZES.values()))


class Wire:
    """One end of the wire: a session that hears one key and says on the other."""

    def __init__(self, role: str, endpoint: str, on_message: Callable[[bytes], object]) -> None:
        """`role` is `listen` (the manager) or `connect`; `on_message` is called in zenoh's own thread."""
        hear, say = (TO_MANAGER, TO_BIDDERS) if role == "listen" else (TO_BIDDERS, TO_MANAGER)
        self._session = _session(role, endpoint)
        self._subscriber = self._session.declare_subscriber(hear, lambda sample: on_message(sample.payload.to_bytes()))
        self._publisher = self._session.declare_publisher(say)

    def say(self, act: str, *fields: object) -> None:
        """Say one act."""
        self._publisher.put(msgpack.packb((act, *fields, _PADDING[: _SIZES[act] - 24])))

    def close(self) -> None:
        """End the session."""
        self._session.close()


def read(message: bytes) -> list[Any]:
    """The act and its fields; what fills it up is left out."""
    act: list[Any] = msgpack.unpackb(message)
    return act[:-1]


def free_endpoint() -> str:
    """A place on loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp/127.0.0.1:{probe.getsockname()[1]}"


def _session(role: str, endpoint: str) -> Any:
    settings = zenoh.Config()
    settings.insert_json5("mode", json.dumps("peer"))
    settings.insert_json5("scouting/multicast/enabled", "false")
    settings.insert_json5(f"{role}/endpoints", json.dumps([endpoint]))
    if role == "connect":
        settings.insert_json5("listen/endpoints", "[]")
    return zenoh.open(settings)
