"""Topics: where a statement is said. One letter and eight bytes, computed here and never taken from foreign data."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final

TOPIC_LENGTH: Final = 9


@lru_cache(maxsize=4096)
def skill_topic(skill: str) -> bytes:
    """What all bidders of a skill must hear."""
    return b"s" + hashlib.sha256(b"vendue.skill\0" + skill.encode()).digest()[:8]


@lru_cache(maxsize=4096)
def peer_topic(peer: bytes) -> bytes:
    """What is for one peer."""
    return b"p" + hashlib.sha256(b"vendue.peer\0" + peer).digest()[:8]


@lru_cache(maxsize=64)
def governance_topic(market: bytes) -> bytes:
    """Cards, charters, checkpoints and pauses."""
    return b"g" + market[:8]
