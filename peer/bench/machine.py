"""What this machine can do, measured in the same run as everything else: figures of different runs do not compare."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from protocol.keys import Ed25519Sealer, verify

SPAN_S = 0.4


def _rate(call: Callable[[], object]) -> float:
    """Calls per second of one core's CPU time."""
    count, began = 0, time.process_time()
    while True:
        for _ in range(50):
            call()
        count += 50
        spent = time.process_time() - began
        if spent >= SPAN_S:
            return count / spent


def verifies_per_second() -> float:
    """Ed25519 verifications of a bundle's signed bytes, per second of one core."""
    sealer, message = Ed25519Sealer.from_seed(bytes(32)), os.urandom(81)
    signature = sealer.sign(message)
    return _rate(lambda: verify(sealer.peer, message, signature))


def signs_per_second() -> float:
    """Ed25519 signatures per second of one core."""
    sealer, message = Ed25519Sealer.from_seed(bytes(32)), os.urandom(81)
    return _rate(lambda: sealer.sign(message))
