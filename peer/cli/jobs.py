"""One line for each job of a peer: read off what the peer itself says, and told when the job has ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import click

from peer.audit.timeline import call
from peer.cli.invocation import Invocation
from peer.telemetry import printable
from protocol.keys import Digest
from protocol.node import Node
from protocol.statements import Acceptance, AnyStatement, Award, Decline, Failure, Result

COLOURS: Final = {"done": "green", "failed": "red", "declined": "yellow"}
BEGUN_MAX: Final = 4_096
"""Jobs whose beginning is remembered: more than a peer's capacity."""


class Jobs:
    """Listens to what a peer says, and tells of each job how it ended."""

    def __init__(self, invocation: Invocation, node: Node, clock_s: Callable[[], float]) -> None:
        self.done = self.failed = 0
        self._invocation, self._node, self._clock_s = invocation, node, clock_s
        self._begun_s: dict[bytes, float] = {}

    def said(self, statement: AnyStatement) -> None:
        """Take note of a statement of this peer."""
        award = statement.about
        if award is None:
            return
        match statement.body:
            case Acceptance():
                while len(self._begun_s) >= BEGUN_MAX:
                    self._begun_s.pop(next(iter(self._begun_s)))
                self._begun_s[award] = self._clock_s()
            case Result(usage_ms=usage_ms):
                self._tell("done", award, usage_ms, "")
            case Failure(reason=reason):
                self._tell("failed", award, self._since_ms(award), reason)
            case Decline(reason=reason):
                self._tell("declined", award, 0, reason)

    def summary(self) -> str:
        """What this peer has done while it ran."""
        failed = f", and failed at {self.failed}" if self.failed else ""
        return f"{self.done} {'job' if self.done == 1 else 'jobs'} done{failed}."

    def _since_ms(self, award: bytes) -> int:
        begun_s = self._begun_s.get(award)
        return 0 if begun_s is None else round(1000 * (self._clock_s() - begun_s))

    def _tell(self, event: str, award_id: bytes, spent_ms: int, reason: str) -> None:
        self._begun_s.pop(award_id, None)
        self.done += event == "done"
        self.failed += event == "failed"
        contract = self._node.holdings.contract_about(award_id)
        award = contract.held.get(Digest(award_id)) if contract is not None else None
        if contract is None or award is None or not isinstance(award.body, Award):
            return
        names = {member: card.body.name for member, card in self._node.directory.cards.items()}
        manager, skill = call(contract.manager, names), printable(contract.announcement.body.skill)
        document = {
            "event": event, "contract": contract.id.hex(), "skill": skill, "manager": manager,
            "price": award.body.price, "epoch": award.body.epoch, "spent_ms": spent_ms, "reason": reason,
        }  # fmt: skip
        text = (
            f"{time.strftime('%H:%M:%S')}  {click.style(f'{event:<8}', fg=COLOURS[event])}  {skill} for {manager} "
            f"at {award.body.price}, {spent_ms} ms"
            + (f": {printable(reason)}" if reason else "")
            + click.style(f"  {contract.id.hex()[:8]}", dim=True)
        )
        self._invocation.line(document, text)
