"""A run told in words: who says what to whom, who begins and ends work, one line for each happening.

    story = Story.of(world)
    world.run_for(10_000)
    print(story.text())

    >  1002  desk says to all: Announcement t1
    >  1003  hazel says to desk: Bid t1 5

What happens is only noted; words are made of it when somebody asks for them, for most runs are never told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgpack

from protocol.actions import Action, Convict, Execute, Impossible, NoVote, Report, Stop
from protocol.bundle import BUNDLE_TAG
from protocol.codec import Malformed, decode
from protocol.keys import Digest, PeerId
from protocol.notices import Card
from protocol.statements import (
    Acceptance,
    Announcement,
    AnyStatement,
    Award,
    Bid,
    Cancel,
    Failure,
    Recall,
    Refusal,
    Veto,
)
from protocol.states import Reading
from protocol.topics import TOPIC_LENGTH, peer_topic

if TYPE_CHECKING:
    from simulations.world.process import Process
    from simulations.world.world import World

Happening = bytes | Action | str
"""A frame that left, what a node asked of its shell, or words."""


class Story:
    """What happened since it began; keys, tasks and statements get names when they are first told of."""

    def __init__(self, begun_ms: int = 0) -> None:
        self.begun_ms = begun_ms
        """Times are told from here."""
        self.repeats = True
        """Whether what is said again is told of again."""
        self.names: dict[bytes, str] = {}
        """The name that a contract or a statement has in this story."""
        self._peers: dict[bytes, str] = {}
        self._topics: dict[bytes, str] = {}
        self._said: set[bytes] = set()
        self._untold: list[tuple[int, str, Happening]] = []

    @classmethod
    def of(cls, world: World) -> Story:
        """The story of a world, from now on."""
        story = cls(world.now_us // 1000)
        for process in world.processes.values():
            story.meet(process.name, process.peer)
        hooks = world.hooks
        hooks.published.insert(0, lambda who, frame, now_us: story._met(who, now_us, frame))
        hooks.began.insert(0, lambda who, execute, now_us: story._met(who, now_us, execute))
        hooks.ended.insert(0, lambda who, award, now_us: story._met(who, now_us, Stop(award)))
        hooks.convicted.insert(0, lambda who, convict, now_us: story._met(who, now_us, convict))
        reported = world.on_report

        def report(who: Process, contract: Digest, reading: Reading) -> None:
            reported(who, contract, reading)
            story._met(who, world.now_us, Report(contract, reading))

        world.on_report = report
        return story

    def meet(self, name: str, peer: PeerId) -> None:
        """A peer has a name."""
        self._peers.setdefault(peer, name)
        self._topics.setdefault(peer_topic(peer), name)

    def _met(self, who: Process, now_us: int, what: Happening) -> None:
        if who.peer not in self._peers:
            self.meet(who.name, who.peer)
        self.note(now_us // 1000, who.name, what)

    def note(self, at_ms: int, who: str, what: Happening) -> None:
        """Something happens: `who` publishes a frame, or is asked to act by its node, or does what the words say."""
        self._untold.append((at_ms, who, what))

    def head(self, command: str) -> None:
        """What happens from now on follows from this."""
        self._untold.append((0, "", command))

    def tell(self) -> list[str]:
        """What has happened since it was last told, in lines."""
        untold, self._untold = self._untold, []
        lines: list[str] = []
        for at_ms, who, what in untold:
            if not who:
                lines += ["", f"> {what!s}"]
                continue
            lines += [f"{at_ms - self.begun_ms:>6}  {who} {words}" for words in self._told(what)]
        return lines

    def text(self) -> str:
        """The same as one text."""
        return "\n".join(self.tell())

    def name_of(self, known: bytes | None) -> str:
        """The name that a key, a contract or a statement has in this story."""
        return self._peers.get(known or b"") or self.names.get(known or b"", "?")

    # Words

    def _told(self, what: Happening) -> list[str]:
        match what:
            case str():
                return [what]
            case bytes():
                return self._frame(what)
            case _:
                words = self._action(what)
                return [words] if words else []

    def _frame(self, frame: bytes) -> list[str]:
        to = self._topics.get(frame[:TOPIC_LENGTH])
        target = f"to {to}" if to else "to all"
        try:
            said, shown = _read(frame[TOPIC_LENGTH:])
        except (Malformed, ValueError, TypeError, LookupError):
            return [f"sends {target} what is no frame"]
        telling = [words for statement in said for words in self._saying(statement, target)]
        return [*telling, *[f"shows {target}: {self.words(statement)}" for statement in shown]]

    def _saying(self, statement: AnyStatement, target: str) -> list[str]:
        if isinstance(statement.body, Card):
            return []
        again = statement.id in self._said
        self._said.add(statement.id)
        if again and not self.repeats:
            return []
        return [f"says {'again ' if again else ''}{target}: {self.words(statement)}"]

    def _action(self, action: Action) -> str | None:
        match action:
            case Report(contract=contract, reading=reading):
                phase = "" if reading.phase == "none" else f", {reading.phase}"
                why = f" ({reading.fault})" if reading.fault else ""
                return f"reports {self.name_of(contract)}: {reading.state}{phase}{why}"
            case Execute(award=award):
                return f"starts work on {self.name_of(award.about)}/{award.body.epoch}"
            case Stop(award=award_id):
                return f"stops work on {self.name_of(award_id)}"
            case Convict(first=first, reason=reason):
                return f"convicts {self.name_of(first.author)}: {reason}"
            case Impossible(fault=fault):
                return f"cannot announce: {fault}"
            case NoVote(fault=fault):
                return f"cannot vote: {fault}"
            case _:
                return None

    def words(self, statement: AnyStatement) -> str:
        """A statement in a few words; it gets a name, so that others can be about it."""
        body, about = statement.body, self.name_of(statement.about)
        kind = type(body).__name__
        if isinstance(body, Award):
            self.names[statement.id] = f"{about}/{body.epoch}"
            use = f", use {body.standing.number} of its permit" if body.standing else ""
            to = f" to {self.name_of(body.winner)} at {body.price}{use}"
            return f"Award {about}/{body.epoch}{to}, of {len(body.considered)} bids"
        if isinstance(body, Announcement) or statement.about is None:
            about = self.names.setdefault(statement.id, f"t{len(self.names) + 1}")
        else:
            self.names.setdefault(statement.id, f"{about} {kind}")
        return f"{kind} {about}{_detail(statement)}"


def _read(frame: bytes) -> tuple[list[AnyStatement], list[AnyStatement]]:
    """What a frame says, and what it shows; it may have been made by somebody who sends anything."""
    unpacked = msgpack.unpackb(frame)
    if unpacked[0] == BUNDLE_TAG:
        return [decode(payload) for payload in unpacked[4]], []
    return [], [decode(msgpack.unpackb(piece)[4]) for piece in unpacked[1]]


def _detail(statement: AnyStatement) -> str:
    match statement.body:
        case Bid(price=price):
            return f" {price}"
        case Refusal(reason=reason) | Recall(reason=reason) | Cancel(reason=reason):
            return f" ({reason})"
        case Failure(failure_class=failure_class, reason=reason):
            return f" ({failure_class}: {reason})"
        case Veto(scope=scope):
            return f" of the {scope}"
        case Acceptance(permits=permits) if permits:
            return f" citing {len(permits)} permit"
        case _:
            return ""
