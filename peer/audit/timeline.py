"""Who said what when in a contract, one line a statement, in an order in which it can have happened.

Every line stands behind what it answers and cites. Wall clocks, which nobody compares, only order what could have
happened either way. What strangers wrote is made printable before it is shown. It refuses to judge: see `why`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from peer.audit.archive import cites
from peer.telemetry import printable
from protocol.contract import Contract
from protocol.keys import Digest, short_peer
from protocol.kinds import CHAIN_KINDS
from protocol.statements import (
    Acceptance,
    Announcement,
    AnyStatement,
    Award,
    Bid,
    Cancel,
    Decline,
    EffectClass,
    Failure,
    Permit,
    Progress,
    Recall,
    Refusal,
    Renewal,
    Result,
    Settlement,
    Veto,
)

if TYPE_CHECKING:
    from rich.table import Table

SHOWN_MAX = 80
"""Characters of a foreign text in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One statement, for people."""

    made_ms: int
    """By its author's wall clock."""
    since_s: float
    """Seconds behind the announcement, by two clocks that may differ."""
    who: str
    kind: str
    act: str
    """The FIPA act: the kind's tag on the wire."""
    text: str
    id: str
    cites: tuple[str, ...]
    """What it answers and rests on, by id."""
    counted: bool
    """It moved the contract or may move it; otherwise it is kept, and nothing more."""


def timeline(contract: Contract, names: Mapping[bytes, str]) -> list[Line]:
    """Every statement held of a contract; `names` are what peers call themselves."""
    began_ms = contract.announcement.made_ms
    goes = _goes(contract)
    counted = _counted(contract)
    return [
        Line(
            made_ms=statement.made_ms, since_s=(statement.made_ms - began_ms) / 1000, who=call(statement.author, names),
            kind=type(statement.body).__name__, act=statement.kind.partition("/")[0],
            text="go: " * (statement.id in goes) + say(statement, contract, names),
            id=statement.id.hex(), cites=tuple(cited.hex() for cited in cites(statement)),
            counted=statement.id in counted,
        )
        for statement in in_order(contract.held.values())
    ]  # fmt: skip


def in_order(statements: Iterable[AnyStatement]) -> list[AnyStatement]:
    """Sort each behind its predecessor and all that it cites; by wall clock where that leaves a choice."""
    held = {statement.id: statement for statement in statements}
    followers: dict[Digest, list[Digest]] = {}
    waits: dict[Digest, int] = {}
    for statement in held.values():
        named = {statement.prev, *cites(statement)} & held.keys()
        waits[statement.id] = len(named)
        for before in named:
            followers.setdefault(Digest(before or b""), []).append(statement.id)
    ready = [(held[known].made_ms, known) for known, open_ends in waits.items() if not open_ends]
    heapq.heapify(ready)
    ordered: list[AnyStatement] = []
    while ready:
        known = heapq.heappop(ready)[1]
        ordered.append(held[known])
        for follower in followers.get(known, ()):
            waits[follower] -= 1
            if not waits[follower]:
                heapq.heappush(ready, (held[follower].made_ms, follower))
    return ordered


def call(peer: bytes, names: Mapping[bytes, str]) -> str:
    """What to call a peer: by its own name if it has said one, else by the first letters of its id."""
    return printable(names[peer], 32) if names.get(peer) else short_peer(peer)


def say(statement: AnyStatement, contract: Contract, names: Mapping[bytes, str]) -> str:
    """What a statement says, in a few words."""
    match statement.body:
        case Announcement(skill=skill, budget=budget, effect=effect, award_rule=rule, deadline_ms=deadline_ms):
            return f"wants {_shown(skill)} for at most {budget} ({effect}, {rule}, within {_s(deadline_ms)})"
        case Bid(price=price, duration_ms=duration_ms):
            return f"bids {price} ({_s(duration_ms)})"
        case Award(epoch=epoch, winner=winner, price=price, considered=considered):
            return f"awards epoch {epoch} to {call(winner, names)} at {price}, of {_count(len(considered), 'bid')}"
        case Acceptance(permits=permits):
            return "starts" + (f", on {_count(len(permits), 'permit')}" if permits else "")
        case Progress(permille=permille, note=note):
            return f"is at {permille / 10:g} %{_because(note)}"
        case Renewal(lease_ms=lease_ms):
            return f"the lease runs on for {_s(lease_ms)}"
        case Result(output=output, output_digest=digest):
            return f"delivers {_shown(output) if digest is None else f'artifact {digest.hex()[:16]}'}"
        case Failure(failure_class=failure_class, reason=reason):
            return f"fails ({failure_class}){_because(reason)}"
        case Recall(reason=reason):
            return f"ends the epoch: {reason}"
        case Settlement():
            return "accepts the result"
        case Cancel(reason=reason):
            return f"cancels the task: {reason}"
        case Refusal(reason=reason):
            return f"makes no bid{_because(reason)}"
        case Decline(reason=reason):
            return f"cannot, after all{_because(reason)}"
        case Permit(rule=rule, reason=reason):
            return f"permits {_voted(statement, contract)} by rule {_shown(rule)}{_because(reason)}"
        case Veto(rule=rule, reason=reason, scope=scope):
            return f"vetoes the {scope} at {_voted(statement, contract)} by rule {_shown(rule)}{_because(reason)}"
    return f"says {statement.kind}"


def _voted(vote: AnyStatement, contract: Contract) -> str:
    """What a vote is about."""
    about = contract.held.get(Digest(vote.about)) if vote.about is not None else None
    if about is None:
        return "awards to come" if vote.about is None else "what is not held here"
    return f"the {type(about.body).__name__.lower()}"


def _because(text: str) -> str:
    return f": {printable(text, SHOWN_MAX)}" if text else ""


def _shown(text: str | bytes) -> str:
    return printable(text if isinstance(text, str) else text.decode(errors="replace"), SHOWN_MAX)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _s(duration_ms: int) -> str:
    return f"{duration_ms / 1000:.1f} s"


def _goes(contract: Contract) -> set[Digest]:
    """The first renewal of each epoch of a task with effects: with it the work may start."""
    goes: set[Digest] = set()
    waiting = False
    for step in contract.reading.steps:
        if isinstance(step.body, Renewal) and waiting:
            goes.add(step.id)
        waiting = isinstance(step.body, Award) or (waiting and not isinstance(step.body, Renewal))
    return goes if contract.announcement.body.effect is not EffectClass.PURE else set()


def _counted(contract: Contract) -> set[Digest]:
    """The statements that have a say: the chain's steps, votes from a seat, bids, and the winners' answers."""
    reading = contract.reading
    counted = {step.id for step in (*reading.steps, *contract.votes, *contract.bids)}
    if reading.end is not None:
        counted.add(reading.end.id)
    winners = {(step.id, step.body.winner) for step in reading.steps if isinstance(step.body, Award)}
    for statement in contract.held.values():
        body = type(statement.body)
        answers = body not in CHAIN_KINDS and (statement.about, statement.author) in winners
        if answers or body is Refusal:
            counted.add(statement.id)
    return counted


def as_plain(lines: Iterable[Line]) -> list[dict[str, object]]:
    """The lines as what JSON can say."""
    return [msgspec.to_builtins(line) for line in lines]


def render(lines: Iterable[Line]) -> Table:
    """The lines as a table for a terminal; what was not counted is dim."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading, justify in (("s", "right"), ("who", "left"), ("act", "left"), ("", "left"), ("id", "left")):
        table.add_column(heading, justify="right" if justify == "right" else "left", overflow="fold")
    for line in lines:
        cells = (f"{line.since_s:.3f}", line.who, line.act, line.text, line.id[:8])
        # As text: what strangers wrote is no markup.
        table.add_row(*map(Text, cells), style=None if line.counted else "dim")
    return table
