"""Who may say what: whatever else is said about a contract is not held, for strangers could fill it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from protocol import limits
from protocol.charter import has_seat
from protocol.contract import Contract
from protocol.feed import Feed
from protocol.holdings import Holdings
from protocol.keys import Digest
from protocol.kinds import CHAIN_KINDS
from protocol.statements import AnyStatement, Award, Bid, Cancel, Permit, Refusal, Statement, Veto

_VOTES: Final = frozenset({Permit, Veto})
_OFFERS: Final = frozenset({Bid, Refusal})
Hears = Callable[[Contract, AnyStatement], bool]


class Welcome:
    """What one node lets in."""

    def __init__(self, feed: Feed, holdings: Holdings, hears: Hears, *, audits: bool) -> None:
        """`hears` tells which bids and refusals count; a peer that `audits` holds every standing permit."""
        self._feed = feed
        self._holdings = holdings
        self._hears = hears
        self._audits = audits

    def to_contract(self, contract: Contract, statement: AnyStatement) -> bool:
        """Who may say what in a contract: what others say there is not held, for strangers could fill it."""
        body, author = statement.body, statement.author
        if type(body) in CHAIN_KINDS:
            own_feed = statement.feed == contract.announcement.feed
            return author == contract.manager and (own_feed or type(body) is Cancel)
        if type(body) in _VOTES:
            return has_seat(contract.charter, statement)
        if len(contract.held) >= limits.CONTRACT_STATEMENTS_MAX // 2:
            return False  # the rest is for the chain and the votes
        if type(body) in _OFFERS:
            return statement.about == contract.id and self._hears(contract, statement)
        award = contract.held.get(Digest(statement.about or b""))
        return award is None or (type(award.body) is Award and award.body.winner == author)

    def to_stand(self, permit: Statement[Permit]) -> bool:
        """Hold a standing permit that is for us to use, or to audit. Cited ones come in by their citation."""
        standing = permit.body.standing
        assert standing is not None, "only standing permits are about nothing"
        if not any(has_seat(charter.body, permit) for charter in self._holdings.charters.values()):
            return False
        wanted = self._audits or standing.manager == self._feed.author or self._holdings.is_wanted(permit.id)
        return wanted and self._holdings.stand(permit)
