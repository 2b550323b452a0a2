"""`vendue announce`: one task, from the announcement to its result, its price and its proof."""

from __future__ import annotations

import asyncio
import json
import math
import sys
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from peer.caller.market import Market
from peer.caller.outcome import Done, Proof
from peer.caller.task import Task
from peer.cli.invocation import JOINING, Invocation, asked
from peer.cli.loop import run_to_end
from peer.cli.stages import Stages
from peer.telemetry import printable
from protocol.errors import BadInput, UsageError
from protocol.limits import INLINE_MAX
from protocol.statements import AwardRule, EffectClass
from protocol.states import State

READ_MAX: Final = 4 * INLINE_MAX
"""Characters read of an input: JSON that people indent has many blanks, which do not travel."""


@click.command()
@click.argument("skill")
@click.argument("input", metavar="[JSON]", required=False)
@click.option(
    "--budget", type=click.IntRange(min=0), required=True, metavar="N", help="The most to pay, in minor units."
)
@click.option("--deadline", "deadline_s", type=float, metavar="SECONDS", help="When the task is given up.")
@click.option(
    "--patience", "patience_s", type=float, metavar="SECONDS",
    help="How long to wait for somebody who offers it, and then for a bid; 2 if this is not said.",
)  # fmt: skip
@click.option(
    "--effect", type=click.Choice([str(effect) for effect in EffectClass]), default="pure", show_default=True,
    help="What the work does to the world: decides what oversight it needs.",
)  # fmt: skip
@click.option(
    "--rule", type=click.Choice([str(rule) for rule in AwardRule]), default="lowest-price", show_default=True,
    help="Which bid wins.",
)  # fmt: skip
@click.option("--attempts", type=int, default=3, show_default=True, metavar="N", help="How many contractors may try.")
@click.option("--follow", is_flag=True, help="Tell each stage when it comes.")
@click.option("--save-proof", type=click.Path(path_type=Path), metavar="FILE", help="Write all evidence of the task.")
@click.option("--input-file", metavar="FILE", help="Read the JSON input from a file; - is standard input.")
@asked(*JOINING, "bid_window_ms", "lease_ms")
def announce(
    invocation: Invocation,
    skill: str,
    input: str | None,
    input_file: str | None,
    follow: bool,
    save_proof: Path | None,
    **task: Any,
) -> None:
    """Announce one task, wait for its result, and show it with its winner and its price.

    JSON is the task's input, an object with the skill's arguments: '{"text": "hello"}'.
    """
    task["input"] = _read_input(input, input_file)
    task["effect"], task["award_rule"] = EffectClass(task["effect"]), AwardRule(task.pop("rule"))
    stages = Stages(invocation, tell=follow)
    done = run_to_end(_have_done(invocation, skill, task, stages, save_proof))
    sound = done.proof.verify()
    document = {
        "value": done.value,
        "state": str(done.state), "winner": done.winner, "winner_name": printable(done.winner_name),
        "price": done.price, "epoch": done.epoch, "contract": done.contract_id.hex(),
        "settlement": done.settlement_id.hex(), "proof_ok": sound,
        "proof": None if save_proof is None else str(save_proof),
    }  # fmt: skip
    if invocation.as_json and follow:
        invocation.line({"result": document}, None)
    else:
        invocation.answer(document, lambda: _show(invocation, done, sound, save_proof))


async def _have_done(
    invocation: Invocation, skill: str, task: dict[str, Any], stages: Stages, save_proof: Path | None
) -> Done:
    settings = invocation.settings
    async with Market(settings, "caller") as market:
        announced = await market.announce(skill, **task)
        stages.begin(announced.contract, market)
        try:
            async for reading in announced.stages():
                stages.pass_through(reading)
            return await announced.result()
        except asyncio.CancelledError:
            await announced.give_up()
            state = announced.contract.reading.state
            became = "was withdrawn" if state is State.CANCELLED else f"is {state}"
            invocation.aside(f"The task {announced.id.hex()[:8]} {became}.")
            raise
        finally:
            if save_proof is not None:
                _proof(announced, market).save(save_proof)


def _proof(task: Task, market: Market) -> Proof:
    node = market.runtime.node
    return Proof(task.contract, node.holdings.charters, market.runtime.turn.sealer)


def _show(invocation: Invocation, done: Done, sound: bool, save_proof: Path | None) -> None:
    """The value on standard output, as JSON; all about it beside it, so that it can be piped on."""
    click.echo(json.dumps(done.value, indent=2, ensure_ascii=True))
    provisional = (
        ", provisional until a governor ratifies it" if done.proof.governed and done.state == "settled" else ""
    )
    proof = "the proof holds" if sound else "the proof does not hold"
    where = f", saved in {save_proof}" if save_proof else ""
    winner = printable(done.winner_name) or done.winner[:8]
    again = f", in epoch {done.epoch}" if done.epoch > 1 else ""
    task = f"task {done.contract_id.hex()[:8]}"
    invocation.aside(f"{done.state} by {winner} at {done.price}{again}{provisional}; {proof}{where}; {task}")


def _read_input(written: str | None, file: str | None) -> Any:
    if written is not None and file is not None:
        raise UsageError("The input is given twice.", do="Give either JSON or --input-file.")
    if file is not None:
        written = _read(file)
    if written is None:
        return None
    try:
        return json.loads(written, parse_constant=_no_number, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise BadInput(
            f"The input is no JSON: {error.msg} at line {error.lineno}, column {error.colno}.",
            why=f"It begins with {written[:60]!r}." if written else "It is empty.",
            do="""Write an object, and quote it for the shell: '{"text": "hello"}'.""",
        ) from None
    except RecursionError:
        raise BadInput("The input is nested too deeply.") from None
    except ValueError as error:  # a number that JSON can say and Python will not read
        raise BadInput(f"The input has a number that is none here: {str(error)[:100]}.") from None


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _finite(digits: str) -> float:
    if math.isinf(number := float(digits)):
        raise ValueError(f"{digits[:40]} is too large")
    return number


def _read(file: str) -> str:
    try:
        if file == "-":
            written = sys.stdin.read(READ_MAX + 1)
        else:
            with Path(file).open(encoding="utf-8") as stream:
                written = stream.read(READ_MAX + 1)
    except (OSError, ValueError) as error:
        raise UsageError(f"The input file {file} cannot be read.", why=f"{error}.") from None
    if len(written) > READ_MAX:
        raise BadInput(
            f"The input file {file} is longer than {READ_MAX} characters.",
            why=f"A task's input has at most {INLINE_MAX} bytes of JSON, blanks left out.",
        )
    return written
