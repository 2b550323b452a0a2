"""Telling a task's stages while it passes through them, by this computer's clock since the announcement."""

from __future__ import annotations

import time
from typing import Final

import click

from peer.audit.timeline import call
from peer.caller.market import Market
from peer.cli.invocation import Invocation
from peer.telemetry import printable
from protocol.contract import Contract
from protocol.statements import AnyStatement, Award, Cancel, EffectClass, Failure, Progress, Recall, Renewal
from protocol.states import Phase, Reading, State

COLOURS: Final = {
    "settled": "green", "final": "green", "delivered": "green", "failed": "red", "recalled": "yellow",
    "declined": "yellow", "cancelled": "red", "vetoed": "red", "void": "red",
}  # fmt: skip


class Stages:
    """Says each stage once, if it is to be told at all."""

    def __init__(self, invocation: Invocation, *, tell: bool) -> None:
        self._invocation, self._wanted = invocation, tell
        self._told_steps = 0
        self._told: tuple[object, ...] = ()

    def begin(self, contract: Contract, market: Market) -> None:
        """The task is announced."""
        self._contract, self._market = contract, market
        self._began_s = time.monotonic()

    def pass_through(self, reading: Reading) -> None:
        """The contract has a new reading: tell the steps of the manager that are new, then what the others said."""
        if not self._wanted:
            return
        for step in reading.steps[self._told_steps :]:
            self._step(step)
        self._told_steps = len(reading.steps)
        where: tuple[object, ...] = (reading.epoch, reading.phase, reading.permitted)
        if reading.state is State.AWARDED and where != self._told:
            self._phase(reading)
        elif reading.state in (State.FINAL, State.VETOED, State.VOID) and reading.state not in self._told:
            where = (reading.state,)
            self._tell(str(reading.state), reading.fault or _END[reading.state], reading.epoch)
        self._told = where

    def _step(self, step: AnyStatement) -> None:
        task = self._contract.announcement.body
        match step.body:
            case Award(epoch=epoch, winner=winner, price=price, considered=considered):
                bids = f"{len(considered)} {'bid' if len(considered) == 1 else 'bids'}"
                self._tell("awarded", f"to {self._name(winner)} at {price}, of {bids}", epoch, who=winner)
            case Recall(reason=reason, answer=answer):
                self._tell("recalled", f"{reason}{self._because(answer)}", None)
            case Renewal():
                effects = task.effect is not EffectClass.PURE
                go = effects and self._is_first_renewal(step)
                self._tell("renewed", "go" if go else f"the lease runs on{self._progress(step.about)}", None)
            case Cancel(reason=reason, answer=answer):
                self._tell("cancelled", f"{reason}{self._because(answer)}", None)
            case _ if step is self._contract.announcement:
                about = f"{printable(task.skill)} for at most {task.budget}, {task.effect}; task {step.id.hex()[:8]}"
                self._tell("announced", about, None)
            case _:
                self._tell("settled", "the result is accepted", None)

    def _phase(self, reading: Reading) -> None:
        assert reading.award is not None, "an awarded task has an award"
        winner = reading.award.body.winner
        match reading.phase:
            case Phase.OFFERED if reading.permitted:
                self._tell("permitted", "by the governors", reading.epoch)
            case Phase.ACCEPTED | Phase.WORKING | Phase.DELIVERED | Phase.DECLINED | Phase.FAILED:
                because = self._because(reading.answer.id) if reading.answer is not None else ""
                self._tell(str(reading.phase), f"{self._name(winner)}{because}", reading.epoch, who=winner)
            case _:
                return

    def _tell(self, stage: str, about: str, epoch: int | None, *, who: bytes | None = None) -> None:
        seconds = time.monotonic() - self._began_s
        document = {
            "stage": stage, "ms": round(seconds * 1000), "about": about, "epoch": epoch,
            "peer": None if who is None else self._name(who), "contract": self._contract.id.hex(),
        }  # fmt: skip
        text = f"{seconds:8.3f} s  {click.style(f'{stage:<10}', fg=COLOURS.get(stage))}  {about}"
        if self._invocation.as_json:
            self._invocation.line(document, None)
        else:
            click.echo(text, err=True)

    def _name(self, who: bytes) -> str:
        return call(who, self._market.names())

    def _because(self, answer: bytes | None) -> str:
        statement = next((held for known, held in self._contract.held.items() if known == answer), None)
        reason = statement.body.reason if statement is not None and isinstance(statement.body, Failure) else ""
        return f": {printable(reason)}" if reason else ""

    def _progress(self, renewed: bytes | None) -> str:
        """How far the contractor was when it asked for its lease."""
        said = next((held.body for known, held in self._contract.held.items() if known == renewed), None)
        if not isinstance(said, Progress) or not (said.permille or said.note):
            return ""
        return f": {said.permille / 10:g} % done" + (f", {printable(said.note)}" if said.note else "")

    def _is_first_renewal(self, step: AnyStatement) -> bool:
        steps = self._contract.reading.steps
        before = steps[: steps.index(step)]
        return not before or isinstance(before[-1].body, Award)


_END: Final = {
    State.FINAL: "a permit quorum ratified the settlement",
    State.VETOED: "a veto quorum stands against it",
    State.VOID: "the chain is broken",
}
