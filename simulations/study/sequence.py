"""One contract drawn as a message sequence, as SVG: a line for each party, a row for each statement, time going down.

The rows are as far apart as a reader needs, and not as the clock says: what passed is written beside them. A dot is a
peer that heard; where a statement has none, it was lost, and its author will have said it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final, NamedTuple

from protocol.actions import Execute
from protocol.keys import Digest
from protocol.statements import (
    Announcement,
    AnyStatement,
    Award,
    Bid,
    Cancel,
    Decline,
    Failure,
    Permit,
    Recall,
    Refusal,
    Veto,
)  # fmt: skip
from simulations.checkers.base import Checker, Roster
from simulations.population import KINDS, Kind
from simulations.study.cast import Cast
from simulations.testimony import Testimony

LANES_MAX: Final = 12
LANE: Final = 128
LEFT: Final = 96
TOP: Final = 104
ROW: Final = 34
GAP: Final = 26
GAP_US: Final = 1_000_000
"""A pause so long gets a mark of its own."""
MANAGER, BIDDER, GOVERNOR, BAD, INK, PALE = "#3566a8", "#3a8a5f", "#7a5195", "#b8403a", "#23272e", "#c9cdd4"
FONT: Final = "font-family='DejaVu Sans, Helvetica, Arial, sans-serif'"


class Saying(NamedTuple):
    """A statement, when its author recorded it."""

    at_us: int
    who: str
    statement: AnyStatement


class Labour(NamedTuple):
    """Work on an award that began, or ended."""

    at_us: int
    who: str
    award: Digest
    begins: bool


class Scribe(Checker):
    """Writes down who said what, who heard it when, and who worked; it finds nothing wrong."""

    def __init__(self, roster: Roster) -> None:
        super().__init__(roster)
        self.happened: list[Saying | Labour] = []
        self.heard_at: dict[Digest, dict[str, int]] = {}
        self.names: dict[bytes, str] = {}

    def said(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        self.names.setdefault(who.peer, who.name)
        self.happened.append(Saying(now_us, who.name, statement))

    def heard(self, who: Testimony, statement: AnyStatement, now_us: int) -> None:
        self.heard_at.setdefault(statement.id, {}).setdefault(who.name, now_us)

    def began(self, who: Testimony, execute: Execute, now_us: int) -> None:
        self.happened.append(Labour(now_us, who.name, execute.award.id, True))

    def ended(self, who: Testimony, award_id: Digest, now_us: int) -> None:
        self.happened.append(Labour(now_us, who.name, award_id, False))

    def about(self, contract: Digest) -> list[Saying | Labour]:
        """What belongs to one contract, in order."""
        ids, found = {contract}, list[Saying | Labour]()
        for one in self.happened:
            if isinstance(one, Labour):
                if one.award in ids:
                    found.append(one)
            elif one.statement.id in ids or one.statement.about in ids:
                ids.add(one.statement.id)
                found.append(one)
        return found


def draw_sequence(scribe: Scribe, contract: Digest, cast: Cast, title: str) -> str:
    """The SVG of one contract."""
    happened = scribe.about(contract)
    lanes, left_out = _lanes(happened, cast)
    place = {name: LEFT + LANE * number + LANE // 2 for number, name in enumerate(lanes)}
    drawing = _Drawing(scribe, place, cast)
    drawing.rows(happened)
    width, height = LEFT + LANE * len(lanes) + 24, drawing.y + 74
    note = f"; {left_out} more bid and did not win" if left_out else ""
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' "
            f"viewBox='0 0 {width} {height}' role='img' {FONT}>",
            f"<title>{escape(title)}</title>",
            "<rect width='100%' height='100%' fill='white'/>",
            _text(16, 28, title, 16, INK, weight="bold"),
            _text(16, 48, f"contract {contract.hex()[:16]}: each statement when it was said{note}", 11, "#5b616b"),
            *_heads(place, cast, drawing.y),
            *drawing.parts,
            *_legend(height - 26),
            "</svg>",
            "",
        ]
    )


def _lanes(happened: Sequence[Saying | Labour], cast: Cast) -> tuple[list[str], int]:
    """The parties from left to right: the manager, winners, other bidders, governors; and how many found no place."""
    names = list(dict.fromkeys(one.who for one in happened))
    winners = list(dict.fromkeys(one.who for one in happened if isinstance(one, Labour)))
    governors = [name for name in names if _role(cast, name) == GOVERNOR]
    manager = [names[0]] if names else []
    losers = [name for name in names if name not in (*manager, *winners, *governors)]
    room = max(0, LANES_MAX - len(manager) - len(winners) - len(governors))
    return [*manager, *winners, *losers[:room], *governors], len(losers[room:])


def _role(cast: Cast, name: str) -> str:
    kind = KINDS.get(cast.kind_of.get(name, ""), Kind())
    return GOVERNOR if kind.governs else BIDDER if kind.bids else MANAGER


class _Drawing:
    """The rows of one drawing, from the top down."""

    def __init__(self, scribe: Scribe, place: dict[str, int], cast: Cast) -> None:
        self.parts: list[str] = []
        self.y = TOP
        self._scribe, self._place, self._cast = scribe, place, cast
        self._governors = {x for name, x in place.items() if _role(cast, name) == GOVERNOR}
        """Where those are who only listen, for the most part: thin lines lead there."""
        self._working: dict[tuple[str, Digest], int] = {}
        self._began_us = self._last_us = 0

    def rows(self, happened: Sequence[Saying | Labour]) -> None:
        """Draw everything; work that never ended runs on to the end."""
        self._began_us = self._last_us = happened[0].at_us if happened else 0
        for one in happened:
            if one.who not in self._place:
                continue
            self._pause(one.at_us)
            if isinstance(one, Labour):
                self._labour(one)
            else:
                self.y += ROW
                self._saying(one)
        for (who, _), since in list(self._working.items()):
            self._bar(who, since, self.y + 12)

    def _pause(self, at_us: int) -> None:
        passed_us = at_us - self._last_us
        self._last_us = at_us
        if passed_us >= GAP_US:
            self.y += GAP
            right = max(self._place.values()) + LANE // 2
            self.parts.append(
                f"<line x1='{LEFT}' x2='{right}' y1='{self.y}' y2='{self.y}' stroke='{PALE}' stroke-dasharray='2 5'/>"
            )
            self.parts.append(_text(LEFT - 10, self.y + 4, f"{passed_us / 1e6:.1f} s pass", 10, "#5b616b", "end"))

    def _labour(self, one: Labour) -> None:
        key = (one.who, one.award)
        if one.begins:
            self._working[key] = self.y + 8
        elif (since := self._working.pop(key, None)) is not None:
            self.y += 10
            self._bar(one.who, since, self.y)

    def _bar(self, who: str, since: int, until: int) -> None:
        x = self._place[who] - 5
        self.parts.insert(
            0, f"<rect x='{x}' y='{since}' width='10' height='{max(6, until - since)}' fill='{BIDDER}' "
            f"fill-opacity='0.28' stroke='{BIDDER}'><title>{escape(who)} works</title></rect>",
        )  # fmt: skip

    def _saying(self, one: Saying) -> None:
        y, colour = self.y, _colour(one.statement, _role(self._cast, one.who))
        x = self._place[one.who]
        heard = self._scribe.heard_at.get(one.statement.id, {})
        ends = [self._place[name] for name in heard if name in self._place and name != one.who]
        since_ms = (one.at_us - self._began_us) / 1000
        self.parts.append(_text(LEFT - 10, y + 4, f"{since_ms:,.1f} ms", 10, "#5b616b", "end"))
        if ends:
            meant = [end for end in ends if end not in self._governors] or ends
            for some, stroke in ((ends, 0.6), (meant, 1.6)):
                low, high = min([x, *some]), max([x, *some])
                self.parts.append(
                    f"<line x1='{low}' x2='{high}' y1='{y}' y2='{y}' stroke='{colour}' stroke-width='{stroke}'/>"
                )
            self.parts += [_head(end, y, end > x, colour) for end in ends]
        else:
            end = x + (LANE // 2 - 12 if x == min(self._place.values()) else 12 - LANE // 2)
            self.parts.append(f"<line x1='{x}' x2='{end}' y1='{y}' y2='{y}' stroke='{colour}' stroke-dasharray='4 3'/>")
            self.parts.append(_text(end, y + 4, "×", 14, BAD, "middle"))
        self.parts.append(
            f"<circle cx='{x}' cy='{y}' r='3.4' fill='{colour}'><title>{_tip(one, heard)}</title></circle>"
        )
        self._label(one.statement, x, ends, y, colour)

    def _label(self, statement: AnyStatement, x: int, ends: Sequence[int], y: int, colour: str) -> None:
        """Above the line, beside its author, on the side to which most of it goes."""
        right = not ends or sum(1 if end > x else -1 for end in ends) >= 0
        words = words_of(statement, self._scribe.names)
        at, anchor = (x + 8, "start") if right else (x - 8, "end")
        self.parts.append(_text(at, y - 5, words, 11, colour, anchor, halo=True))


def _tip(one: Saying, heard: dict[str, int]) -> str:
    later = ", ".join(f"{name} after {(at_us - one.at_us) / 1000:.2f} ms" for name, at_us in heard.items())
    return escape(f"{type(one.statement.body).__name__} {one.statement.id.hex()[:12]}, heard by {later or 'nobody'}")


def words_of(statement: AnyStatement, names: dict[bytes, str]) -> str:
    """A statement in a few words."""
    match statement.body:
        case Announcement(skill=skill, budget=budget, effect=effect):
            return f"wants {skill} ({effect}), at most {budget}"
        case Bid(price=price):
            return f"bids {price}"
        case Refusal(reason=reason) | Decline(reason=reason) | Failure(reason=reason):
            return f"{type(statement.body).__name__.lower()}: {reason}"
        case Award(epoch=epoch, winner=winner, price=price, considered=considered):
            who = names.get(winner, "?")
            return f"awards epoch {epoch} to {who} at {price}, of {len(considered)}"
        case Recall(reason=reason) | Cancel(reason=reason):
            return f"{type(statement.body).__name__.lower()}: {reason}"
        case Permit(rule=rule) | Veto(rule=rule):
            return f"{type(statement.body).__name__.lower()}s ({rule})"
        case _:
            return WORDS.get(type(statement.body).__name__, type(statement.body).__name__.lower())


WORDS: Final = {
    "Acceptance": "starts", "Progress": "is at work", "Renewal": "go: the lease runs on", "Result": "delivers",
    "Settlement": "settles",
}  # fmt: skip


def _colour(statement: AnyStatement, role: str) -> str:
    return BAD if isinstance(statement.body, Refusal | Decline | Failure | Recall | Cancel | Veto) else role


def _heads(place: dict[str, int], cast: Cast, bottom: int) -> list[str]:
    parts = []
    for name, x in place.items():
        colour = _role(cast, name)
        parts.append(f"<line x1='{x}' x2='{x}' y1='{TOP - 18}' y2='{bottom + 22}' stroke='{PALE}'/>")
        parts.append(
            f"<rect x='{x - LANE // 2 + 8}' y='{TOP - 42}' width='{LANE - 16}' height='24' rx='4' fill='{colour}'/>"
        )
        parts.append(_text(x, TOP - 26, name[:18], 11, "white", "middle"))
    return parts


def _head(x: int, y: int, rightward: bool, colour: str) -> str:
    """The tip of an arrow that arrives at x."""
    back = x - 8 if rightward else x + 8
    return f"<path d='M{x} {y} L{back} {y - 4} L{back} {y + 4} Z' fill='{colour}'/>"


def _legend(y: int) -> list[str]:
    parts, x = [], LEFT
    entries = ((MANAGER, "manager"), (BIDDER, "bidder, contractor"), (GOVERNOR, "governor"), (BAD, "no, or over"))
    for colour, words in entries:
        parts.append(f"<rect x='{x}' y='{y - 9}' width='12' height='12' fill='{colour}'/>")
        parts.append(_text(x + 18, y + 1, words, 11, INK))
        x += 34 + 7 * len(words)
    parts.append(
        f"<rect x='{x}' y='{y - 9}' width='10' height='12' fill='{BIDDER}' fill-opacity='0.28' stroke='{BIDDER}'/>"
    )
    parts.append(_text(x + 18, y + 1, "at work", 11, INK))
    parts.append(_text(x + 84, y + 1, "× lost on its way", 11, BAD))
    return parts


def _text(
    x: int, y: int, words: str, size: int, colour: str, anchor: str = "start", *, weight: str = "", halo: bool = False
) -> str:
    bold = f" font-weight='{weight}'" if weight else ""
    round_it = " paint-order='stroke' stroke='white' stroke-width='3'" if halo else ""
    return (
        f"<text x='{x}' y='{y}' font-size='{size}' fill='{colour}' text-anchor='{anchor}'{bold}{round_it}>"
        f"{escape(words)}</text>"
    )
