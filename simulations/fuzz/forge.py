"""What is thrown at a turn: made from what was really said, each with something wrong in it, or nothing but its author.

Half of all is sealed anew, by its author, by another member, or by a stranger, so that what lies behind the signature
is reached too. Input number n of a seed is always the same bytes, whatever was thrown before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Final

import msgpack

from protocol import merkle
from protocol.bundle import BUNDLE_TAG, EVIDENCE_TAG, message_to_sign
from protocol.codec import statement_id
from protocol.keys import Ed25519Sealer, Sealer
from protocol.kinds import TAG_OF
from protocol.outbox import EXHIBITS_TAG
from protocol.statements import Announcement
from protocol.topics import TOPIC_LENGTH
from simulations.fuzz import drawn
from simulations.fuzz.mutations import LONG, MANY, bytes_of, mutate_bytes, mutate_tree, tree_of

_ENVELOPE: Final = 9
_AUTHOR, _FEED, _SEQ, _PREV, _ABOUT = 2, 3, 4, 5, 7
_ANNOUNCEMENT: Final = TAG_OF[Announcement]
_STRANGER: Final = Ed25519Sealer.from_seed(b"somebody from outside".ljust(32, b"\0"))
_HUGE: Final = 0.001
"""How often a frame is as large, or holds as many statements, as it may, or more: each costs some milliseconds."""


class Forge:
    """Makes frames, topics and all, out of the corpus of a market."""

    def __init__(
        self, seed: int, corpus: Sequence[bytes], sealers: Mapping[bytes, Sealer], announcers: Sequence[Sealer]
    ) -> None:
        """`announcers` are those members under whose keys tasks are announced: a governor has room for so many each,
        and whoever is to have real tasks done must not be among them.
        """
        self._seed, self._corpus, self._sealers, self._announcers = seed, corpus, sealers, announcers
        self._members = list(sealers.values())
        self._trees = [frame[TOPIC_LENGTH:] for frame in corpus]
        statements = [tree_of(bytes_of(payload)) for payload in self._payloads()]
        self._feeds = sorted({(item[_AUTHOR], item[_FEED]) for item in statements})
        self._market = statements[-1][1]
        self._ids = sorted({statement_id(bytes_of(payload)) for payload in self._payloads()})

    def _payloads(self) -> list[Any]:
        bundles = [tree_of(raw) for raw in self._trees]
        return [list(payload) for tree in bundles if tree[0] == BUNDLE_TAG for payload in tree[4]]

    def chance(self, number: int) -> Random:
        """All the chance of one input."""
        return Random(self._seed << 40 | number)

    def frame(self, chance: Random) -> bytes:
        """A frame with its topic in front."""
        topic = chance.choice(self._corpus)[:TOPIC_LENGTH]
        draw = chance.random()
        if draw < 0.25:
            return topic + mutate_bytes(chance.choice(self._trees), chance)
        if draw < 0.40:
            return topic + bytes_of(mutate_tree(self._tree(chance), chance, lambda: self._tree(chance)))
        if draw < 0.60:
            return topic + self._exhibits(chance)
        return topic + self._bundle(chance)

    def _tree(self, chance: Random) -> Any:
        return tree_of(chance.choice(self._trees))

    def digest(self, chance: Random) -> bytes:
        """Some 32 bytes: an id of the market, a key, or nothing known."""
        draw = chance.random()
        if draw < 0.6:
            return chance.choice(self._ids)
        return chance.choice(self._members).peer if draw < 0.8 else chance.randbytes(32)

    def _statement(self, chance: Random) -> list[Any]:
        """The nine fields of one: a mutated one of the corpus, or one drawn from the types."""
        if chance.random() < 0.7:
            tree = self._tree(chance)
            while tree[0] != BUNDLE_TAG:
                tree = self._tree(chance)
            fields = list(chance.choice(tree[4]))
            for _ in range(chance.randrange(3)):
                changed = mutate_tree(fields, chance, lambda: self._tree(chance))
                fields = changed if isinstance(changed, list) else fields
            return fields
        tag, body = drawn.statement(chance, lambda: self.digest(chance))
        author, feed = chance.choice(self._feeds)
        prev, about = (self.digest(chance) if chance.random() < 0.7 else None for _ in range(2))
        return [tag, self._market, author, feed, chance.randrange(1, 500), prev, chance.getrandbits(40), about, body]

    def _signer(self, fields: list[Any], chance: Random) -> Sealer:
        """Its author, if it has one that we have the key of; or another member, or a stranger, in its own name."""
        author = fields[_AUTHOR] if len(fields) == _ENVELOPE and type(fields[_AUTHOR]) is bytes else b""
        draw = chance.random()
        signer = self._sealers.get(author)
        if signer is None or draw < 0.3:
            signer = chance.choice(self._members) if draw < 0.2 else _STRANGER
            if len(fields) == _ENVELOPE and chance.random() < 0.8:
                fields[_AUTHOR] = signer.peer
        if fields[:1] == [_ANNOUNCEMENT] and len(fields) == _ENVELOPE:
            signer = chance.choice(self._announcers)
            fields[_AUTHOR] = signer.peer
        if len(fields) == _ENVELOPE and chance.random() < 0.5:
            fields[_SEQ] = chance.randrange(1, 2**40)
            if chance.random() < 0.3:
                fields[_FEED] = chance.randbytes(8)
        return signer

    def _bundle(self, chance: Random) -> bytes:
        """A bundle whose signature holds."""
        fields = self._statement(chance)
        signer = self._signer(fields, chance)
        payloads = [bytes_of(fields)]
        draw = chance.random()
        if draw < _HUGE:
            payloads = payloads * chance.choice((511, 512, 513, MANY))
        elif draw < 2 * _HUGE:
            payloads = [payloads[0] + bytes(LONG)] * 4
        elif draw < 0.2:
            payloads += [bytes_of(self._statement(chance)) for _ in range(chance.randint(1, 6))]
        root = merkle.root([statement_id(payload) for payload in payloads])
        signature = signer.sign(message_to_sign(self._market, root))
        frame: bytes = msgpack.packb((BUNDLE_TAG, self._market, signer.peer, signature, payloads))
        return frame

    def evidence(self, chance: Random) -> bytes:
        """A piece of evidence: alone under its signature, or under a path, or with something wrong in it."""
        fields = self._statement(chance)
        signer = self._signer(fields, chance)
        payload = bytes_of(fields)
        path = [chance.randbytes(32) for _ in range(chance.choice((0, 0, 1, 3, 9, 11)))]
        size = chance.choice((1 << len(path), 1 << len(path), 1, 512, 2**31))
        index = chance.randrange(size)
        root = merkle.root_from_inclusion(statement_id(payload), index, size, path) or bytes(32)
        signature = signer.sign(message_to_sign(self._market, root))
        tree: list[Any] = [EVIDENCE_TAG, self._market, signer.peer, signature, payload, index, size, path]
        if chance.random() < 0.3:
            return bytes_of(mutate_tree(tree, chance, lambda: self._tree(chance)))
        return bytes_of(tree)

    def _exhibits(self, chance: Random) -> bytes:
        pieces = [self.evidence(chance) for _ in range(64 if chance.random() < _HUGE else chance.randint(1, 3))]
        return bytes_of([EXHIBITS_TAG, pieces])
