"""What a node asks of its shell, in the order in which it is to be done. Every promise goes through `Say`."""

from __future__ import annotations

from msgspec import Struct

from protocol.keys import Digest, PeerId
from protocol.notices import Charter
from protocol.statements import Announcement, AnyStatement, Award, Statement
from protocol.states import Reading


class NoVote(Struct, frozen=True):
    """What the person at the governor's desk decided may not be said; nothing was said."""

    about: Digest | None
    fault: str


class Say(Struct, frozen=True, gc=False):
    """Record a statement of ours, unless that was done before, and then publish it on a topic."""

    topic: bytes
    statement: AnyStatement
    durable: bool = False
    """It is about a task with effects: it must survive a loss of power."""
    lazy: bool = False
    """It may wait a little for company on its topic (`limits.LAZY_MS`)."""
    unless: bytes | None = None
    """A topic that the same peer hears: a statement that leaves there in this turn need not leave here too."""


class Show(Struct, frozen=True, gc=False):
    """Publish somebody else's statement as evidence."""

    topic: bytes
    statement: AnyStatement


class Keep(Struct, frozen=True, gc=False):
    """What was heard matters after a restart: record the frame that just came in, or evidence of an earlier one."""

    statement: AnyStatement | None = None
    """What came in earlier and matters only now; None: the frame just heard."""


class Amended(Struct, frozen=True):
    """The charter has a version that was not known here: keep its file, and let the door know."""

    charter: Statement[Charter]


class Wish(Struct, frozen=True):
    """Our user wants to look at the result of this task: record it, for it is in no statement."""

    contract: Digest


class Execute(Struct, frozen=True, kw_only=True):
    """Start the agent's work on an award."""

    award: Statement[Award]
    task: Announcement
    lease_until_ms: int
    token: Digest
    """H(manager, idempotency key): the same for every attempt at this task."""


class Extend(Struct, frozen=True):
    """The lease of running work now ends later."""

    award: Digest
    lease_until_ms: int


class Stop(Struct, frozen=True):
    """Stop the work on an award: its epoch is over, or its lease."""

    award: Digest


class Check(Struct, frozen=True):
    """Show a result to our user; `events.Checked` is the answer."""

    contract: Digest
    result: AnyStatement


class Report(Struct, frozen=True):
    """A task of ours has moved."""

    contract: Digest
    reading: Reading


class Impossible(Struct, frozen=True):
    """A task that our user wants may not be announced; nothing was said."""

    idempotency_key: bytes
    fault: str


class Fetch(Struct, frozen=True):
    """Ask a holder for statements by id."""

    holder: PeerId
    ids: tuple[Digest, ...]


class FetchFeed(Struct, frozen=True, kw_only=True):
    """Ask an author for a range of its feed, both ends included."""

    author: PeerId
    feed: bytes
    first: int
    last: int


class Convict(Struct, frozen=True, kw_only=True):
    """Two statements that cannot both be honest: the evidence of both is a proof."""

    first: AnyStatement
    second: AnyStatement
    reason: str


Action = (
    Impossible
    | NoVote
    | Say
    | Show
    | Keep
    | Wish
    | Amended
    | Execute
    | Extend
    | Stop
    | Check
    | Report
    | Fetch
    | FetchFeed
    | Convict
)
KEEP = Keep()
