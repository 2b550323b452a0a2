"""`vendue demo`: a small market on this computer, from the first process to the verified evidence, in seconds.

This file is the command alone, and light to import; what it does is in `play`, and what it shows in `view`.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from peer.returns.play import Outcome

SEED: Final = 1
REQUESTS: Final = 40
REQUESTS_MAX: Final = 5_000
LIMIT_CENTS: Final = 50_000
LIMIT_CENTS_MAX: Final = 2**53
"""No policy names a larger amount: every JSON reader keeps it exact."""
SLOWNESS_SEEN: Final = 20
"""On a terminal the agents take so many times as long as they could, so that there is something to see."""


@click.command()
@click.option(
    "--orders", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
    help="A shop: orders.json, users.json, products.json, cases.json. Without it, one is made up.",
)  # fmt: skip
@click.option("--refund-limit", type=click.IntRange(0), default=LIMIT_CENTS, show_default=True,
              metavar="CENTS", help="A payout above it is vetoed.")  # fmt: skip
@click.option("--seed", type=int, default=SEED, show_default=True, help="Of the made-up shop.")
@click.option("--requests", type=click.IntRange(25, REQUESTS_MAX), default=REQUESTS, show_default=True,
              help="Of the made-up shop.")  # fmt: skip
@click.option("--shop-out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write what became of each request, as JSON.")  # fmt: skip
@click.option("--evidence", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Leave the evidence there, for vendue audit verify.")  # fmt: skip
@click.option("--keep", is_flag=True, help="Keep the market's home, and say where it is.")
@click.option("--home", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Use and keep this home; a second run there goes on where the first stopped.")  # fmt: skip
@click.option("--slowness", type=click.IntRange(1, 1_000), metavar="N",
              help=f"Slow the agents down, to watch them.  [default: 1, on a terminal {SLOWNESS_SEEN}]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output, and nothing else.")
@click.option("--debug", is_flag=True, expose_value=False, help="Show where in the code an error arose.")
@click.pass_context
def demo(
    context: click.Context,
    orders: Path | None,
    refund_limit: int,
    seed: int,
    requests: int,
    shop_out: Path | None,
    evidence: Path | None,
    keep: bool,
    home: Path | None,
    slowness: int | None,
    as_json: bool,
) -> None:
    """Run a returns desk as a market: agents bid for its tasks, a governor vetoes, everything is signed and audited."""
    began_s = _began_s()
    made_up = [name for name in ("seed", "requests") if _is_given(context, name)]
    if orders is not None and made_up:
        raise click.UsageError(f"--{made_up[0]} is for a made-up shop, and --orders names a real one.")
    if refund_limit > LIMIT_CENTS_MAX:
        raise click.UsageError(f"--refund-limit is at most {LIMIT_CENTS_MAX} cents.")
    for file in (shop_out, evidence):
        if file is not None and not file.absolute().parent.is_dir():
            raise click.UsageError(f"{file} cannot be written: there is no directory {file.parent}.")
    from peer.returns.play import Wishes, play, rows_json

    watched = not as_json and sys.stdout.isatty()
    wishes = Wishes(
        orders=orders, seed=seed, requests=requests, refund_limit_cents=refund_limit, home=home, keep=keep,
        evidence=evidence, slowness=slowness or (SLOWNESS_SEEN if watched else 1), began_s=began_s,
    )  # fmt: skip
    if as_json:
        outcome = play(wishes)
    else:
        from rich.console import Console

        from peer.returns.view import View

        view = View(Console())
        outcome = play(wishes, view.watch)
        view.report(outcome)
    if shop_out is not None:
        _write(shop_out, rows_json(outcome.handled))
    if as_json:
        _print_json(summary(outcome))
    if not outcome.audit.ok:
        from protocol.errors import BadEvidence

        context.exit(BadEvidence.exit_code)  # the answer says already what does not hold


def summary(outcome: Outcome) -> dict[str, Any]:
    """The outcome in numbers, as JSON can say it."""
    from protocol.states import State

    amounts = [one.decision.amount_cents for one in outcome.handled if one.decision.refused is None]
    return {
        "requests": len(outcome.handled),
        "granted": len(amounts),
        "refused": outcome.refused(),
        "for_a_person": sum(case.for_a_person for case in outcome.cases),
        "troubles": [f"request {case.number}: {case.trouble}" for case in outcome.cases if case.trouble][:20],
        "paid_back_cents": sum(cents for cents in amounts if cents > 0),
        "charged_cents": -sum(cents for cents in amounts if cents < 0),
        "settled": sum(outcome.states[state] for state in (State.SETTLED, State.FINAL)),
        "final": outcome.states[State.FINAL],
        "vetoed": outcome.states[State.VETOED],
        "audit": "ok" if outcome.audit.ok else "failed",
        "findings": [f"{finding.grounds}: {finding.text}" for finding in outcome.audit.findings[:20]],
        "statements": outcome.audit.statements,
        "market": None if outcome.audit.market is None else outcome.audit.market.hex(),
        "agents": {name: {"won": won, "earned": outcome.desk.earned[name]} for name, won in outcome.desk.won.items()},
        "processes": outcome.processes,
        "restarts": len(outcome.scene.falls),
        "first_settled_s": None if outcome.first_settled_s is None else round(outcome.first_settled_s, 3),
        "all_done_s": round(outcome.all_done_s, 3),
        "evidence": None if outcome.evidence is None else str(outcome.evidence),
        "home": None if outcome.home is None else str(outcome.home),
    }


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def _began_s() -> float:
    """When this process began, by the monotonic clock; where the system does not say, now."""
    now_s = time.monotonic()
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return now_s
    return now_s - max(age_s, 0.0)


def _write(path: Path, content: bytes) -> None:
    from protocol.errors import UsageError

    try:
        path.write_bytes(content)
    except OSError as error:
        raise UsageError(f"{path} cannot be written.", why=f"The system says: {error.strerror}.") from None


def _print_json(value: dict[str, Any]) -> None:
    import json

    click.echo(json.dumps(value))


if __name__ == "__main__":
    demo()
