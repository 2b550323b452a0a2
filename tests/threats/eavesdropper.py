"""Somebody who sees every packet of this computer's loopback: a raw socket of Linux, which needs root."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
import threading
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager

_ETH_P_IP = 0x0800
_SO_RCVBUFFORCE = 33
_LOOK_S = 0.1


def fault_of_machine() -> str | None:
    """Say why nothing can be captured here, or None."""
    if sys.platform != "linux":
        return "packets are captured by a raw socket of Linux"
    return None if os.geteuid() == 0 else "capturing packets needs root"


class Capture:
    """All that has passed on loopback since it began."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []
        """From the IP header on."""

    def streams(self, ports: Collection[int]) -> list[bytes]:
        """What passed from or to these ports: of TCP one text per direction of a connection, of UDP each datagram.

        A text is joined in the order of sequence numbers, so that nothing hides in the seam of two packets.
        """
        pieces: dict[tuple[int, int], dict[int, bytes]] = defaultdict(dict)
        datagrams: list[bytes] = []
        for packet in self.packets:
            body = packet[(packet[0] & 15) * 4 :]
            if len(body) < 8 or not {*struct.unpack("!HH", body[:4])} & {*ports}:
                continue
            if packet[9] == socket.IPPROTO_TCP:
                way = struct.unpack("!HH", body[:4])
                pieces[way][int.from_bytes(body[4:8], "big")] = body[(body[12] >> 4) * 4 :]
            elif packet[9] == socket.IPPROTO_UDP:
                datagrams.append(body[8:])
        return datagrams + [b"".join(text for _, text in sorted(each.items())) for each in pieces.values()]


@contextmanager
def captured() -> Iterator[Capture]:
    """Capture what passes on loopback; it is whole behind the context."""
    capture = Capture()
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_IP)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 2**26)
        listening.bind(("lo", _ETH_P_IP))
        listening.settimeout(_LOOK_S)
        over = threading.Event()
        thread = threading.Thread(target=_record, args=(listening, capture.packets, over), name="capture")
        thread.start()
        try:
            yield capture
        finally:
            over.set()
            thread.join()


def _record(listening: socket.socket, packets: list[bytes], over: threading.Event) -> None:
    while True:
        with contextlib.suppress(TimeoutError):
            packets.append(listening.recv(2**17))
            continue
        if over.is_set():
            return
