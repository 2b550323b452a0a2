"""What a turn leaves to the shell: work to begin and end, callers to tell, questions to ask, forks to show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from protocol.actions import Action, Check, Convict, Execute, Extend, Fetch, FetchFeed, Impossible, Report, Stop
from protocol.events import Checked

if TYPE_CHECKING:
    from simulations.world.process import Process


def carry_out(process: Process, actions: Sequence[Action]) -> None:
    """Do these things, in this order."""
    for action in actions:
        match action:
            case Report(contract=contract, reading=reading):
                process.reports[contract] = reading
                process.world.on_report(process, contract, reading)
            case Execute():
                process.workers.start(action)
            case Stop(award=award):
                process.workers.stop(award)
            case Extend(award=award, lease_until_ms=until_ms):
                process.workers.extend(award, until_ms)
            case Check():
                _check(process, action)
            case Fetch() | FetchFeed():
                process.world.questions.ask(process, action)
            case Impossible():
                process.impossible.append(action)
            case Convict():
                _convict(process, action)


def _check(process: Process, asked: Check) -> None:
    """Its user looks at a result, and may say something."""
    passed = process.checks(asked.result)
    if passed is not None:
        process.loop.events.append(Checked(contract=asked.contract, result=asked.result.id, passed=passed))


def _convict(process: Process, convict: Convict) -> None:
    process.convictions.append(convict)
    for hook in process.world.hooks.convicted:
        hook(process, convict, process.world.now_us)
