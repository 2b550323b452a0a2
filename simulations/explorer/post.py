"""What is under way: frames to one peer each, and questions for statements; the same content once.

A frame is known by the statements in it, so that a statement that is said again is the same message again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgpack

from protocol.actions import Fetch, FetchFeed
from protocol.bundle import BUNDLE_TAG
from protocol.codec import decode
from protocol.statements import AnyStatement
from protocol.topics import TOPIC_LENGTH, peer_topic, skill_topic
from simulations.explorer.setting import SKILL, Role, Setting


class Ask(NamedTuple):
    """A question for statements."""

    asker: int
    question: Fetch | FetchFeed


class Message(NamedTuple):
    """Something under way to one peer."""

    to: int
    content: bytes | Ask
    sender: int


class Post:
    """All messages that ever were under way, by number."""

    def __init__(self, setting: Setting) -> None:
        self.messages: list[Message] = []
        self.to: list[int] = []
        """To whom each message is."""
        self.link: list[tuple[int, int]] = []
        """The link of each message: to whom, and from whom."""
        self._setting = setting
        self._numbers: dict[object, int] = {}
        self._topics = {role.number: _topics_of(role) for role in setting.roles}

    def to_all(self, sender: Role, frames: Iterable[bytes], questions: Iterable[Fetch | FetchFeed]) -> tuple[int, ...]:
        """The messages that a turn sends: one for every peer that hears the topic."""
        sent: dict[int, None] = {}
        for frame in frames:
            for role in self._setting.roles:
                if role is not sender and self._hears(role, frame[:TOPIC_LENGTH]):
                    sent[self.to_one(role.number, frame, sender.number)] = None
        for question in questions:
            holder = question.holder if isinstance(question, Fetch) else question.author
            for role in self._setting.roles:
                if role.peer == holder and role is not sender:
                    sent[self._number(role.number, repr(question), Ask(sender.number, question), sender.number)] = None
        return tuple(sent)

    def to_one(self, to: int, frame: bytes, sender: int) -> int:
        """The number of a frame to one peer."""
        return self._number(to, tuple(each.id for each in statements_in(frame)), frame, sender)

    def _number(self, to: int, key: object, content: bytes | Ask, sender: int) -> int:
        number = self._numbers.get((to, sender, key))
        if number is None:
            number = self._numbers[to, sender, key] = len(self.messages)
            self.messages.append(Message(to, content, sender))
            self.to.append(to)
            self.link.append((to, sender))
        return number

    def _hears(self, role: Role, topic: bytes) -> bool:
        return role.policy is not None or topic[:1] == b"g" or topic in self._topics[role.number]


def _topics_of(role: Role) -> set[bytes]:
    return {peer_topic(role.peer)} | ({skill_topic(SKILL)} if role.price is not None else set())


def statements_in(frame: bytes) -> list[AnyStatement]:
    """The statements of a frame with its topic: a bundle's, or those shown."""
    unpacked = msgpack.unpackb(frame[TOPIC_LENGTH:])
    payloads = unpacked[4] if unpacked[0] == BUNDLE_TAG else [msgpack.unpackb(piece)[4] for piece in unpacked[1]]
    return [decode(payload) for payload in payloads]
