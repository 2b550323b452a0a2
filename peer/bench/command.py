"""`scripts/bench`: runs the contest and prints its figures beside what this machine can do in the same run."""

from __future__ import annotations

import json
import platform
import statistics

import click
import msgspec

from peer.bench import contest, machine
from peer.bench.bidder import UNLOCKED
from peer.bench.contest import VENDUE, ZENOH, ZENOH_BARE, Figures

REACH_OF_VERIFIES = {False: 0.12, True: 0.08}
REACH_OF_ZENOH = {False: 0.30, True: 0.25}
SLOWER_THAN_ZENOH_MAX = 6.0
REACH_OF_UNLOCKED = 0.75


@click.command()
@click.option("--auctions", default=1800, show_default=True, help="Auctions of each run with many in flight.")
@click.option("--rounds", default=1, show_default=True, help="How often everything is run; medians are shown.")
@click.option("--against", type=click.Choice([ZENOH, UNLOCKED]), help="Run this rival on the same job, in turn.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def bench(auctions: int, rounds: int, against: str | None, as_json: bool) -> None:
    """Measure auctions: 10 bidders in their own processes, 1 and 64 in flight, without and with a governor."""
    runs: list[Figures] = []
    verifies: list[float] = []
    for _ in range(rounds):
        for in_flight, governed in ((1, False), (1, True), (64, False), (64, True)):
            count = auctions if in_flight > 1 else max(200, auctions // 10)
            runs.append(contest.run(in_flight=in_flight, governed=governed, auctions=count))
            verifies.append(machine.verifies_per_second())
            if against == UNLOCKED:
                runs.append(contest.run(in_flight=in_flight, governed=governed, auctions=count, locked=False))
            elif against and not governed:
                runs += _rivals(in_flight, count)
    report = summary(runs, statistics.median(verifies))
    click.echo(json.dumps(report) if as_json else _show(report))


def _rivals(in_flight: int, auctions: int) -> list[Figures]:
    """Zenoh in a program of the same shape as ours, and what it can do at most."""
    try:
        from peer.bench import zenoh_loop, zenoh_program
    except ImportError as error:
        raise click.ClickException(f"{error}. Install the rival: .venv/bin/pip install 'vendue[bench]'") from None
    auctions *= 3 if in_flight > 1 else 1
    return [rival.run(in_flight=in_flight, auctions=auctions) for rival in (zenoh_program, zenoh_loop)]


def summary(runs: list[Figures], verifies: float) -> dict[str, object]:
    """The medians of all runs by kind, and the ratios that are promised."""
    kinds: dict[tuple[str, int, bool], list[Figures]] = {}
    for figures in runs:
        kinds.setdefault((figures.engine, figures.in_flight, figures.governed), []).append(figures)
    rows = [_median(same) for same in kinds.values()]
    report: dict[str, object] = {
        "machine": {
            "python": platform.python_version(),
            "verifies_per_second": round(verifies),
            "signs_per_second": round(machine.signs_per_second()),
        },
        "runs": [msgspec.to_builtins(row) for row in rows],
        "ratios": _ratios({(row.engine, row.in_flight, row.governed): row for row in rows}, verifies)
        + _price_of_locks(kinds),
    }
    return report


def _median(same: list[Figures]) -> Figures:
    merged = {
        name: statistics.median(values) if None not in values and not isinstance(values[0], str | bool) else values[0]
        for name in Figures.__struct_fields__
        for values in [[getattr(figures, name) for figures in same]]
    }
    return Figures(**merged)


def _ratios(rows: dict[tuple[str, int, bool], Figures], verifies: float) -> list[dict[str, object]]:
    ratios: list[dict[str, object]] = []

    def add(what: str, value: float, *, least: float | None = None, most: float | None = None) -> None:
        holds: bool | None = None
        aim = None
        if least is not None:
            holds, aim = value >= least, f"≥ {least}"
        elif most is not None:
            holds, aim = value <= most, f"≤ {most}"
        ratios.append({"what": what, "value": round(value, 3), "aim": aim, "holds": holds})

    for governed in (False, True):
        ours = rows.get((VENDUE, 64, governed))
        theirs, theirs_bare = (rows.get((engine, 64, False)) for engine in (ZENOH, ZENOH_BARE))
        name = "with governor" if governed else "without governor"
        if ours:
            add(f"settled/s over verifies/s, {name}", ours.per_second / verifies, least=REACH_OF_VERIFIES[governed])
            if theirs:
                ratio = ours.per_second / theirs.per_second
                add(f"settled/s over zenoh's, {name}", ratio, least=REACH_OF_ZENOH[governed])
            if theirs_bare:
                add(f"settled/s over those of bare zenoh, {name}", ours.per_second / theirs_bare.per_second)
    one, rival = rows.get((VENDUE, 1, False)), rows.get((ZENOH, 1, False))
    if one and rival:
        add("p50 over zenoh's, 1 in flight", one.p50_ms / rival.p50_ms, most=SLOWER_THAN_ZENOH_MAX)
    return ratios


def _price_of_locks(kinds: dict[tuple[str, int, bool], list[Figures]]) -> list[dict[str, object]]:
    """What is left of the auctions when sockets are locked: the median over pairs that ran one after the other."""
    ratios: list[dict[str, object]] = []
    for governed in (False, True):
        pairs = zip(kinds.get((VENDUE, 64, governed), []), kinds.get((UNLOCKED, 64, governed), []), strict=False)
        shares = [locked.per_second / unlocked.per_second for locked, unlocked in pairs]
        if shares:
            share = statistics.median(shares)
            what = f"settled/s over that without CURVE, {'with' if governed else 'without'} governor"
            aim, holds = f"≥ {REACH_OF_UNLOCKED}", share >= REACH_OF_UNLOCKED
            ratios.append({"what": what, "value": round(share, 3), "aim": aim, "holds": holds})
    return ratios


def _show(report: dict[str, object]) -> str:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=130)
    runs, ratios, limits = report["runs"], report["ratios"], report["machine"]
    assert isinstance(runs, list)
    assert isinstance(ratios, list)
    assert isinstance(limits, dict)
    table = Table(title="10 bidders, one manager, each a process", box=None, padding=(0, 1))
    columns = (
        ("engine", "engine"), ("in flight", "in_flight"), ("governor", "governed"), ("settled/s", "per_second"),
        ("final/s", "final_per_second"), ("backlog", "backlog"), ("p50 ms", "p50_ms"), ("p99 ms", "p99_ms"),
        ("CPU ms", "cpu_ms_per_auction"), ("stmts", "statements_per_auction"), ("manager MiB", "peak_mib_manager"),
        ("bidder MiB", "peak_mib_bidder"), ("governor MiB", "peak_mib_governor"),
    )  # fmt: skip
    for title, _ in columns:
        table.add_column(title, justify="right")
    for run in runs:
        table.add_row(*[_cell(run[key]) for _, key in columns])
    aims = Table(title="\nRatios of this run", box=None, padding=(0, 1))
    for title in ("what", "value", "aim", "holds"):
        aims.add_column(title)
    for ratio in ratios:
        aims.add_row(*[_cell(ratio[key]) for key in ("what", "value", "aim", "holds")])
    with console.capture() as capture:
        console.print(table)
        console.print(aims)
        console.print(
            f"\nThis machine, one core: {limits['verifies_per_second']} Ed25519 verifies/s, "
            f"{limits['signs_per_second']} signs/s; Python {limits['python']}."
        )
    return capture.get()


def _cell(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.0f}" if value >= 100 else f"{value:.2f}"
        case _:
            return str(value)


if __name__ == "__main__":
    bench()
