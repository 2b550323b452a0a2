"""What is seen on the terminal: the market at work, and then the report of how it went.

It only shows what the desk, the contracts and the audit say, and refuses to draw conclusions of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from msgspec import json
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from peer.audit.timeline import render, timeline
from peer.audit.why import why
from peer.returns.agents import REFUND, ROSTER, SKILLS
from peer.returns.desk import Case, Desk
from peer.returns.play import Outcome, Scene
from peer.returns.records import Kind
from peer.returns.rules import VETO
from protocol.contract import Contract
from protocol.keys import short_peer
from protocol.states import State

RECENT_SHOWN: Final = 5
PERSON_SHOWN: Final = 6
"""Requests that the report lists for a person; the evidence has all."""
FINDINGS_SHOWN: Final = 5
REFRESHES_PER_SECOND: Final = 12
BAR: Final = 10
"""Marks of the busiest agent's bar: all tables fit eighty columns."""
STYLES: Final = {State.FINAL: "green", State.SETTLED: "green", State.VETOED: "yellow"}


def money(cents: int) -> str:
    """Cents as an amount for people: 1,234.50."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100:,}.{abs(cents) % 100:02}"


class View:
    """The terminal, before, during and after the market's work."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def watch(self, scene: Scene) -> Iterator[None]:
        """Show a scene while the market works: live on a terminal, else nothing."""
        if not self._console.is_terminal:
            yield
            return
        live = Live(
            console=self._console, get_renderable=lambda: _scene(scene), transient=True,
            refresh_per_second=REFRESHES_PER_SECOND,
        )  # fmt: skip
        with live:
            yield

    def report(self, outcome: Outcome) -> None:
        """Tell how it went: the requests, the agents, one case, one contract, one veto, the evidence."""
        for part in _report(outcome):
            self._console.print(Padding(part, (0, 0, 1, 0)))


# While it runs


def _scene(scene: Scene) -> RenderableType:
    desk = scene.desk
    parts: list[RenderableType] = [_title(scene), Text()]
    if desk is None:
        parts.append(Text(f"  {len(scene.here)} of {len(ROSTER) + 1} peers have found each other ...", style="dim"))
        return Group(*parts)
    parts += [_agents(desk, scene), Text(), _progress(desk, scene), Text()]
    parts += [_case_line(case) for case in list(desk.recent)[-RECENT_SHOWN:]]
    return Group(*parts)


def _title(scene: Scene) -> Text:
    title = Text("a market with no middle", style="bold")
    return title.append(f"   {len(scene.pids) + 1} processes, {scene.elapsed_s():.1f} s", style="dim")


def _agents(desk: Desk, scene: Scene | None = None) -> Table:
    table = _table()
    table.add_column("  agent")
    table.add_column("offers")
    table.add_column("contracts", justify="right")
    table.add_column("earned", justify="right")
    table.add_column("")
    most = max(desk.won.values(), default=1)
    fallen = {word.name for word in scene.falls} if scene is not None else set()
    for name, offers in ROSTER.items():
        bar = Text("▪" * round(BAR * desk.won[name] / most), style="cyan")
        if name in fallen:
            bar.append(" started again", style="yellow")
        table.add_row(f"  {name}", ", ".join(offers), str(desk.won[name]), str(desk.earned[name]), bar)
    return table


def _table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")


def _progress(desk: Desk, scene: Scene) -> Table:
    table = Table.grid(padding=(0, 2))
    bar = ProgressBar(total=max(len(desk.cases), 1), completed=desk.decided, width=16)
    counts = f"{desk.decided} of {len(desk.cases)} requests, {desk.settled} contracts, {desk.vetoed} vetoed"
    table.add_row(Text(" "), bar, Text(counts))
    return table


def _case_line(case: Case) -> Text:
    line = Text(f"  {case.number:<3}  {case.request.kind.value:<8}  {case.request.order_id:<10}  ")
    return line.append_text(_decided(case))


def _decided(case: Case) -> Text:
    """What became of a request, in a few words."""
    if case.handled is None:
        return Text("is on its way", style="dim")
    decision = case.handled.decision
    if decision.refused == VETO:
        return Text("vetoed by the governor, goes to a person", style="yellow")
    if decision.refused is not None:
        return Text(f"refused ({decision.refused}), goes to a person", style="dim")
    verb = "pays back" if decision.amount_cents >= 0 else "charges"
    return Text(f"granted, {verb} {money(abs(decision.amount_cents))}", style="green")


# Afterwards


def _report(outcome: Outcome) -> Iterator[RenderableType]:
    yield _headline(outcome)
    yield _requests(outcome)
    yield _agents(outcome.desk, outcome.scene)
    if (case := _example(outcome)) is not None:
        yield _one_case(case, outcome)
        yield _one_contract(case.tasks[REFUND].contract, outcome)
    if (vetoed := _vetoed(outcome)) is not None:
        yield _one_veto(vetoed, outcome)
    yield _for_a_person(outcome)
    yield _evidence(outcome)


def _heading(text: str, more: str = "") -> Text:
    return Text(text, style="bold").append(f"   {more}" if more else "", style="dim")


def _headline(outcome: Outcome) -> Text:
    ended = sum(outcome.states[state] for state in (State.SETTLED, State.FINAL))
    return (
        Text("A market with no middle", style="bold")
        .append(f" decided {len(outcome.handled)} requests in {outcome.all_done_s:.1f} s.\n")
        .append(
            f"{outcome.processes} processes found each other: a desk that asks, {len(ROSTER)} agents that compete, and "
            f"a governor that may say no. {ended} auctions were held, won and settled; {outcome.desk.vetoed} tasks "
            f"were vetoed. There is no server: all they share is what each of them has signed.",
            style="dim",
        )
    )


def _requests(outcome: Outcome) -> Table:
    table = _table()
    table.add_column("  requests")
    for heading in ("granted", "refused", "vetoed", "paid back", "charged"):
        table.add_column(heading, justify="right")
    for kind in Kind:
        decisions = [one.decision for one in outcome.handled if one.request.kind is kind]
        granted = [decision.amount_cents for decision in decisions if decision.refused is None]
        vetoed = sum(decision.refused == VETO for decision in decisions)
        table.add_row(
            f"  {kind.value}", str(len(granted)), str(len(decisions) - len(granted) - vetoed), str(vetoed),
            money(sum(cents for cents in granted if cents > 0)), money(-sum(cents for cents in granted if cents < 0)),
        )  # fmt: skip
    return table


def _example(outcome: Outcome) -> Case | None:
    """The request that passed through the most hands."""
    return max((case for case in outcome.cases if REFUND in case.done), key=lambda case: len(case.done), default=None)


def _one_case(case: Case, outcome: Outcome) -> RenderableType:
    heading = _heading("One request", f"{case.request.kind.value} of order {case.request.order_id}: a contract a step")
    table = _table()
    for name in (" step", "bids", "due", "state", "settled", "basis"):
        table.add_column(name, justify="right" if name == "due" else "left")
    steps = [skill for skill in SKILLS if skill in case.done]
    for number, skill in enumerate(steps, start=1):
        contract, done = case.tasks[skill].contract, case.done[skill]
        state = contract.reading.state
        grounds = [str(steps.index(name) + 1) for name in _grounds(contract) if name in steps]
        table.add_row(
            f" {number} {skill}", _bids(contract, outcome.names), str(done.price),
            Text(state, style=STYLES.get(state, "")), done.settlement_id.hex()[:8], " ".join(grounds) or "–",
        )  # fmt: skip
    return Group(heading, table)


def _bids(contract: Contract, names: dict[bytes, str]) -> Text:
    """Who bid what, the winner in bold."""
    award = contract.reading.award
    winner = award.body.winner if award is not None else None
    said = sorted((names.get(bid.author, short_peer(bid.author)), bid) for bid in contract.bids)
    parts = [Text(f"{name} {bid.body.price}", style="bold" if bid.author == winner else "dim") for name, bid in said]
    return Text(", ").join(parts)


def _grounds(contract: Contract) -> list[str]:
    """The steps that a task names as its basis."""
    basis = json.decode(contract.announcement.body.input).get("basis", {})
    return list(basis)


def _one_contract(contract: Contract, outcome: Outcome) -> RenderableType:
    heading = _heading("One contract", f"the refund, {contract.id.hex()[:16]}: who said what, each line signed")
    return Group(heading, Padding(render(timeline(contract, outcome.names)), (0, 0, 0, 2)))


def _vetoed(outcome: Outcome) -> Contract | None:
    found = (case.tasks[REFUND].contract for case in outcome.cases if REFUND in case.tasks)
    return next((contract for contract in found if contract.reading.state is State.VETOED), None)


def _one_veto(contract: Contract, outcome: Outcome) -> RenderableType:
    heading = _heading("One veto", f"why {contract.id.hex()[:16]} was stopped")
    return Group(heading, *(Padding(Text(sentence), (0, 0, 0, 2)) for sentence in why(contract, outcome.names)))


def _for_a_person(outcome: Outcome) -> RenderableType:
    cases = [case for case in outcome.cases if case.for_a_person]
    shown = cases[:PERSON_SHOWN]
    heading = _heading("For a person", f"{len(cases)} requests that the market leaves to somebody")
    lines = [_case_line(case).append(f"  {case.trouble}" if case.trouble else "") for case in shown]
    rest = [Text(f"  and {len(cases) - len(shown)} more", style="dim")] if len(cases) > len(shown) else []
    return Group(heading, *lines, *rest)


def _evidence(outcome: Outcome) -> RenderableType:
    audit = outcome.audit
    heading = _heading("The evidence", "checked offline, with nothing but the file and the charter's id")
    said = (
        f"{audit.statements:,} signed statements in {len(audit.contracts):,} contracts: signatures, chains, winners, "
        "prices, permits and what each contract rests on "
    )
    verdict = Text("hold.", style="bold green") if audit.ok else Text("do not hold:", style="bold red")
    lines = [Text(said).append_text(verdict)]
    lines += [Text(f"{finding.grounds}: {finding.text}", style="red") for finding in audit.findings[:FINDINGS_SHOWN]]
    if outcome.evidence is not None:
        lines.append(Text(f"Check it again: vendue audit verify {outcome.evidence}", style="dim"))
    if outcome.home is not None:
        lines.append(Text(f"Look around: VENDUE_HOME={outcome.home} vendue auctions", style="dim"))
    return Group(heading, *(Padding(line, (0, 0, 0, 2)) for line in lines))
