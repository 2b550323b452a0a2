"""What is at an address, for people who ask why a hello was not answered: nobody, somebody silent, or another market.

Every socket of libzmq begins to speak when it is called, before any lock: so a few bytes tell a peer from another
program, and silence tells a process that is stopped or hangs. Nothing is sent.
"""

from __future__ import annotations

import asyncio
import errno
from enum import StrEnum
from typing import Final

from peer.net.endpoints import split_address

WAIT_S: Final = 1.5
"""A live process answers in milliseconds, a loaded one in some hundred; a network far away in half a second."""
_SIGNATURE_BYTES: Final = 10
_UNREACHABLE: Final = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN)


class There(StrEnum):
    """What somebody who calls an address finds there."""

    PEER = "a ZeroMQ socket is there"
    REFUSED = "connection refused"
    TIMED_OUT = "timed out"
    UNREACHABLE = "no route to it"
    SILENT = "it lets connect and says nothing"
    FOREIGN = "something else than a peer is there"
    FAILED = "cannot be called"


async def probe(where: str, *, wait_s: float = WAIT_S) -> There:
    """Call an address, and listen for the first bytes; takes `wait_s` at most for each."""
    split = split_address(where)
    if split is None:
        return There.FAILED
    try:
        async with asyncio.timeout(wait_s):
            reader, writer = await asyncio.open_connection(*split)
    except TimeoutError:
        return There.TIMED_OUT
    except ConnectionRefusedError:
        return There.REFUSED
    except OSError as error:
        return There.UNREACHABLE if error.errno in _UNREACHABLE else There.FAILED
    try:
        async with asyncio.timeout(wait_s):
            return _of(await reader.readexactly(_SIGNATURE_BYTES))
    except TimeoutError:
        return There.SILENT
    except (asyncio.IncompleteReadError, OSError):
        return There.FOREIGN
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)  # until then the descriptor stays


def _of(greeting: bytes) -> There:
    """ZMTP 3 begins with ff, eight bytes of anything, and 7f (RFC 23)."""
    return There.PEER if greeting[0] == 0xFF and greeting[9] == 0x7F else There.FOREIGN
