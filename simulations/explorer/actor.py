"""One peer of the small world, thawed for one input: the production `Turn` and `Node`, a disk, and an agent at work.

It does what `peer.runtime` does around a node, but that nothing happens by itself: an agent ends when it is told to,
and what would be asked of others is only noted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from protocol import limits
from protocol.actions import Action, Convict, Execute, Fetch, FetchFeed, Stop
from protocol.bundle import evidence_of, exhibit
from protocol.contract import Contract
from protocol.events import Announce, Event, Heard, Present, Seen, Worked
from protocol.feed import Feed
from protocol.job import Job
from protocol.keys import Digest, PeerId
from protocol.node import Node
from protocol.notices import Card, Offered
from protocol.outbox import exhibit_frames
from protocol.statements import (
    Announcement,
    AnyStatement,
    Award,
    Bid,
    Failure,
    FailureClass,
    Permit,
    Result,
    Settlement,
    Statement,
)
from protocol.states import State
from protocol.tender import Tender
from protocol.topics import TOPIC_LENGTH
from protocol.turn import Turn
from simulations.checkers.watch import Watch
from simulations.explorer.post import statements_in
from simulations.explorer.setting import SKILL, Role, Setting

BORN_MS: Final = 10**12
"""What every clock shows at first: far from every other number, so that a time is known by its size."""
CAPACITY: Final = 1
FRAMES_KEPT: Final = 65_536
"""Frames whose statements are remembered: more than a search of a small world ever has."""
DONE: Final = Result(output=b"1", output_digest=None, usage_ms=1)
FAILED: Final = Failure(failure_class=FailureClass.RETRYABLE, reason="no luck", done="")


@lru_cache(FRAMES_KEPT)
def _ids_in(frame: bytes) -> tuple[Digest, ...]:
    return tuple([statement.id for statement in statements_in(bytes(TOPIC_LENGTH) + frame)])


def _is_set(timer: tuple[int, int, Digest], known: Mapping[Digest, Tender] | Mapping[Digest, Job]) -> bool:
    waiting = known.get(timer[2])
    return waiting is not None and waiting.due_ms == timer[0]


def _is_open(contract: Contract | None) -> bool:
    """Tell whether a governor may still ask how a task has ended, or for votes on it."""
    reading = contract.reading if contract is not None else None
    if reading is None or reading.fault is not None:
        return False
    return reading.end is None or reading.orphaned or reading.state is State.SETTLED


class Price:
    """The plainest strategy: one price for everything."""

    def __init__(self, price: int) -> None:
        self._bid = Bid(price=price, duration_ms=10)

    def __call__(self, announcement: Statement[Announcement]) -> Bid:
        return self._bid


class Row:
    """What one turn recorded: frames heard, and statements said."""

    __slots__ = ("received", "said")

    def __init__(self, received: Sequence[bytes], said: Sequence[AnyStatement]) -> None:
        self.received, self.said = tuple(received), tuple(said)


class Actor:
    """A peer, alive or down: a `Testimony`, and the journal and the wire of its own turn."""

    honest = True
    capacity = CAPACITY
    make_node: Callable[..., Node] = Node
    """What a test puts a mutant into."""

    def __init__(self, setting: Setting, role: Role) -> None:
        self.setting, self.role = setting, role
        self.now_ms = BORN_MS
        self.alive = False
        self.mortal = True
        """A crash may still come."""
        self.rows: list[Row] = []
        self.at_work: dict[Digest, bool] = {}
        """The awards at work → whether the agent may still end by itself; else it hangs."""
        self.left: list[bytes] = []
        """Frames that left in this turn."""
        self.did: list[Action] = []
        """What the turn left for the shell."""
        self.watch: Watch | None = None
        self.touched: list[Contract] = []
        self.node: Node
        self.turn: Turn

    @property
    def name(self) -> str:
        return self.role.name

    @property
    def peer(self) -> PeerId:
        return self.role.peer

    def clock_ms(self, now_us: int) -> int:
        return self.now_ms

    def said(self) -> list[AnyStatement]:
        """Everything that its disk says it has said."""
        return [statement for row in self.rows for statement in row.said]

    def on_disk(self) -> object:
        """What a restart would find, as far as there may be one."""
        if self.alive and not self.mortal:
            return self.said()
        heard = {known for row in self.rows for frame in row.received for known in _ids_in(frame)}
        received = self.turn._received if self.alive else []
        return [self.said(), heard, {known for frame in received for known in _ids_in(frame)} - heard]

    def tidy(self) -> None:
        """Drop what makes no difference any more, so that there are fewer states.

        Timers at which nothing is done are dropped: those that were set anew meanwhile, and a governor's for a task
        whose end is beyond asking. So is when a question was answered that may be answered again, or has no answer; and
        what waits to be recorded because it was heard, where nobody will crash.
        """
        if not self.alive:
            return
        self._tidy_timers()
        answered = self.node._answered._answered_ms
        for known in [known for known, at_ms in answered.items() if not self._may_answer(known, at_ms)]:
            del answered[known]
        if not self.mortal:
            self.turn._received.clear()
            self.turn._received_due_ms = None

    def _tidy_timers(self) -> None:
        node = self.node
        for role, known in ((node.manager, node.manager.tenders), (node.contractor, node.contractor.jobs)):
            role._timers = sorted([timer for timer in role._timers if _is_set(timer, known)])
        if node.governor is not None:
            vigil = node.governor._vigil
            vigil._open = sorted([timer for timer in vigil._open if _is_open(node.holdings.contracts.get(timer[2]))])
        self.turn._node_due_ms = node.deadline_ms()

    def _may_answer(self, known: Digest, answered_ms: int) -> bool:
        """Tell whether a question that was answered lately is one that its answer may be said to again."""
        node = self.node
        contract = node.holdings.contract_about(known)
        question = contract.held.get(known) if contract is not None else None
        if contract is None or question is None or self.now_ms >= answered_ms + limits.ANSWER_AGAIN_MS:
            return False
        if contract.manager == self.peer:
            return not isinstance(question.body, Permit)
        if node.governor is not None:
            return isinstance(question.body, Announcement | Award | Result | Settlement)
        if isinstance(question.body, Award):
            return contract.id in node.contractor._of_contract
        return isinstance(question.body, Settlement) and bool(contract.charter.governors)

    # The turn's journal and wire

    def record(self, received: Sequence[bytes], said: Sequence[AnyStatement], *, durable: bool) -> None:
        self.rows.append(Row(received, said))
        for statement in said:
            self._tell("said", statement)

    def publish(self, frame: bytes) -> None:
        self._tell("published", frame)
        self.left.append(frame)

    # Inputs

    def begin(self) -> None:
        """Make the node, replay the disk, resume, say the card, and hear that all others are there."""
        role, setting = self.role, self.setting
        # A wall clock that stands still: the same statement is the same bytes whenever it is said.
        feed = Feed(market=setting.market, author=role.peer, feed_id=role.feed, wall_offset_ms=-2 * BORN_MS)
        quotes = {SKILL: Price(role.price)} if role.price is not None else {}
        self.node = self.make_node(setting.charter, feed, quotes=quotes, capacity=CAPACITY, policy=role.policy)
        self.node.holdings.on_learnt.append(self.touched.append)
        self.turn = Turn(self.node, self, self, role.sealer)
        for row in self.rows:
            for frame in row.received:
                self.turn.replay(frame, ())
            self.turn.replay(None, [statement.payload for statement in row.said])
        self.alive = True
        self._carry_out(self.turn.resume(self.now_ms))
        offered = tuple(Offered(skill=skill, input_schema=b"", output_schema=b"") for skill in quotes)
        card = Card(
            name=role.name, skills=offered, capacity=CAPACITY, addresses=(), transport_key=None, certificate=None
        )
        self.step(Present(card))
        for other in setting.roles:
            if other is not role:
                self.step(Seen(other.peer))

    def die(self) -> None:
        """Stop at once: what is not on the disk is lost."""
        for award in self.at_work:
            self._tell("ended", award)
        self.at_work.clear()
        self.alive = self.mortal = False
        del self.node, self.turn

    def hear(self, frame: bytes) -> None:
        # What the turn will find new is what the watch hears of, once.
        for event in self.turn._open(frame[9:]):
            if isinstance(event, Heard):
                self._tell("heard", event.statement)
        self._carry_out(self.turn.run([frame], [], self.now_ms))

    def step(self, *events: Event) -> None:
        self._carry_out(self.turn.run([], events, self.now_ms))

    def ring(self, in_ms: int) -> None:
        """Time passes, and what is due then is done."""
        self.now_ms += in_ms
        self.step()

    def announce(self) -> None:
        self.step(Announce(task=self.setting.task))

    def end_work(self, award: Digest, outcome: Result | Failure) -> None:
        self._end(award)
        self.step(Worked(award=award, outcome=outcome))

    def _carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Execute(award=award):
                    self.at_work[award.id] = True
                    self._tell("began", action)
                case Stop(award=award_id) if award_id in self.at_work:
                    self._end(award_id)
                case Convict():
                    self._tell("convicted", action)
        self.did += actions
        touched = list({contract.id: contract for contract in self.touched}.values())
        self.touched.clear()
        self._tell("turned", touched)

    def _end(self, award: Digest) -> None:
        del self.at_work[award]
        self._tell("ended", award)

    def _tell(self, moment: str, what: Any) -> None:
        if self.watch is not None:
            for hook in getattr(self.watch, moment):
                hook(self, what, self.now_ms * 1000)

    # Questions of others

    def answer(self, asked: Fetch | FetchFeed) -> list[bytes]:
        """Frames with evidence of what is held, or of a range of our own feed."""
        if isinstance(asked, Fetch):
            found = [self.node.holdings.find(known) for known in asked.ids]
            pieces = [evidence_of(statement, self.role.sealer) for statement in found if statement is not None]
        else:
            said = [each for each in self.said() if each.feed == asked.feed and asked.first <= each.seq <= asked.last]
            pieces = exhibit(said, self.role.sealer) if said else []
        return exhibit_frames(pieces)
