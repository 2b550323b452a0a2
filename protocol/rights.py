"""Which right of a member each kind of statement needs: the other half of the table of kinds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from protocol.certificate import Right
from protocol.notices import Card, Checkpoint, Pause
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

RIGHT_OF: Final[Mapping[type[Body], Right | None]] = {
    **dict.fromkeys((Announcement, Award, Renewal, Recall, Settlement, Cancel), Right.ANNOUNCE),
    **dict.fromkeys((Bid, Refusal, Acceptance, Decline, Progress, Result, Failure), Right.BID),
    **dict.fromkeys((Permit, Veto, Checkpoint, Pause), Right.GOVERN),
    Card: None,
}
"""What a member needs for each kind; a card is for every member, and a charter for none: it is the authority's."""
