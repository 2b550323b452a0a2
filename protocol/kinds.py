"""The table of kinds: what each is about, who says it where, and what answers it.

It is data: SPEC.md's table is drawn from it, and the codec finds a kind's class in it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from protocol.notices import Card, Charter, Checkpoint, Pause
from protocol.statements import (
    Acceptance,
    Announcement,
    Award,
    Bid,
    Body,
    Cancel,
    Decline,
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


class Kind(NamedTuple):
    """A row of the table of kinds."""

    tag: str
    body: type[Body]
    about: str
    by: str
    topic: str
    answered_by: str


KINDS: Final[dict[str, Kind]] = {
    kind.tag: kind
    for kind in (
        Kind("cfp/1", Announcement, "nothing, or the parent award", "manager", "s", "Bid, Refusal"),
        Kind("propose/1", Bid, "announcement", "bidder", "p manager", "Award, Cancel"),
        Kind("refuse/1", Refusal, "announcement", "bidder", "p manager", "Award, Cancel"),
        Kind("accept-proposal/1", Award, "announcement", "manager", "p winner, s",
             "Acceptance, Decline, Result, Failure"),
        Kind("agree/1", Acceptance, "award", "contractor", "p manager", "Renewal (pure: none), Recall, Cancel"),
        Kind("refuse-award/1", Decline, "award", "contractor", "p manager", "Recall, Cancel"),
        Kind("inform-progress/1", Progress, "award", "contractor", "p manager", "Renewal, Recall, Cancel"),
        Kind("agree-progress/1", Renewal, "acceptance or progress", "manager", "p contractor",
             "Progress, Result, Failure"),
        Kind("inform/1", Result, "award", "contractor", "p manager", "Settlement, Recall, Cancel"),
        Kind("failure/1", Failure, "award", "contractor", "p manager", "Recall, Cancel"),
        Kind("cancel-award/1", Recall, "award", "manager", "p contractor", "nothing"),
        Kind("confirm/1", Settlement, "result", "manager", "p contractor", "its votes"),
        Kind("cancel/1", Cancel, "announcement", "manager", "s, p contractor", "nothing"),
        Kind("permit/1", Permit, "award or settlement, or nothing", "governor", "p manager, p contractor", "nothing"),
        Kind("veto/1", Veto, "announcement, award, settlement or standing permit", "governor",
             "p manager, p contractor", "Recall, Settlement, Cancel"),
        Kind("inform-card/1", Card, "nothing", "anyone", "g", "nothing"),
        Kind("inform-charter/1", Charter, "the version before", "authority", "g", "nothing"),
        Kind("inform-checkpoint/1", Checkpoint, "nothing", "governor", "g", "nothing"),
        Kind("inform-pause/1", Pause, "nothing", "governor", "g", "nothing"),
    )
}  # fmt: skip
"""Tag → row, in the order of a contract's life. The table in SPEC.md is drawn from this one."""

TAG_OF: Final[dict[type[Body], str]] = {kind.body: kind.tag for kind in KINDS.values()}
OUTSIDE_CONTRACTS: Final = frozenset({Card, Charter, Checkpoint, Pause})
"""Kinds that belong to no contract: their `prev` is nil, and only their `seq` can fork."""
CHAIN_KINDS: Final = frozenset({Award, Renewal, Recall, Settlement, Cancel})
"""Kinds that the manager's chain is made of, behind the announcement."""

_FIRST: Final[tuple[type[Body], ...]] = (Charter, Veto)
PLACE_OF: Final[dict[type[Body], int]] = {
    body: place for place, body in enumerate([*_FIRST, *[body for body in TAG_OF if body not in _FIRST]])
}
"""In which order to take in what is heard at once: a contract's life, but what it lives under and what may stop it is
known before it.
"""
