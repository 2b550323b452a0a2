"""The standing permits that a manager may use, and how often it has: each use has a number and is spent once."""

from __future__ import annotations

from msgspec.structs import replace

from protocol.charter import has_seat, standing_covers
from protocol.contract import Contract
from protocol.holdings import Holdings
from protocol.keys import PeerId
from protocol.statements import Award, StandingUse


class Allowance:
    """What governors allow this manager in advance."""

    def __init__(self, manager: PeerId, holdings: Holdings) -> None:
        self._manager = manager
        self._holdings = holdings
        self._uses: dict[bytes, int] = {}
        """Standing permit → how often we have used it."""

    def used(self, use: StandingUse) -> None:
        """Take back in, after a restart, what an award of ours has used."""
        self._uses[use.permit] = max(self._uses.get(use.permit, 0), use.number)

    def spend(self, contract: Contract, award: Award) -> Award:
        """Take the next use of a standing permit that covers an award which needs a permit."""
        if not contract.gate.permit or contract.charter.permits_needed > 1:
            return award
        task, me = contract.announcement.body, self._manager
        for permit in self._holdings.standing.values():
            standing, number = permit.body.standing, self._uses.get(permit.id, 0) + 1
            seated = has_seat(contract.charter, permit) and permit.author not in (me, award.winner)
            if standing and seated and standing_covers(standing, me, task, award.price, number):
                self._uses[permit.id] = number
                used = replace(award, standing=StandingUse(permit=permit.id, number=number))
                self._holdings.cite_standing(contract, used)
                return used
        return award
