"""`vendue govern`: the governor of a market, which holds everything, recomputes every award, and votes by its rules."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from peer.audit.timeline import call
from peer.cli.invocation import JOINING, Invocation, asked, console
from peer.cli.loop import run_to_end, until_asked_to_stop
from peer.home import market_home
from peer.launch import GOVERNOR, launch
from peer.members.entering.seating import certify_seat
from peer.policyfile import load_policy
from peer.runtime import Runtime
from peer.settings import Settings
from peer.telemetry import printable
from protocol.errors import HomeBusy
from protocol.keys import Digest, print_peer, short_peer
from protocol.node import Node
from protocol.policy import Policy
from protocol.statements import AnyStatement, Award, Permit, Settlement, Veto

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

STATUS_S = 0.5


@click.command()
@click.option("--policy", "policy_file", type=click.Path(path_type=Path), metavar="FILE", help="The rules, in TOML.")
@asked(*JOINING)
def govern(invocation: Invocation, policy_file: Path | None) -> None:
    """Run the governor of the market until Ctrl-C, and tell each of its votes.

    Without --policy it permits whatever recomputes. Rules that cannot be read stop it before it begins.
    """
    policy = load_policy(policy_file)
    code = run_to_end(_preside(invocation, invocation.settings, policy))
    raise click.exceptions.Exit(code)


async def _preside(invocation: Invocation, settings: Settings, policy: Policy) -> int:
    votes: list[Votes] = []

    def said(statement: AnyStatement) -> None:
        for listener in votes:
            listener.said(statement)

    market = market_home(settings.market, settings.home)
    if market.charter.exists():
        await certify_seat(market, settings)
    try:
        async with launch(settings, name=GOVERNOR, policy=policy, on_said=said) as runtime:
            listener = Votes(invocation, runtime.node)
            votes.append(listener)
            _introduce(invocation, settings, policy, runtime)
            code = await _until_the_end(invocation, runtime, listener)
            invocation.aside("\nGoodbye." if code else "Goodbye.")
    except HomeBusy as busy:
        raise HomeBusy(
            f"The market {settings.market!r} has its governor running here already.",
            why=busy.what,
            do="Stop that one first: two under one key would convict each other.",
        ) from busy
    invocation.line({"event": "goodbye", **listener.counts}, listener.summary())
    return code


def _introduce(invocation: Invocation, settings: Settings, policy: Policy, runtime: Runtime) -> None:
    version, peer = policy.version.hex(), runtime.node.peer
    document = {
        "event": "ready", "market": settings.market, "market_id": runtime.node.market.hex(), "peer": print_peer(peer),
        "policy": version, "rules": [rule.id for rule in policy.rules],
    }  # fmt: skip
    rules = f"{len(policy.rules)} {'rule' if len(policy.rules) == 1 else 'rules'}"
    invocation.line(
        document,
        f"{click.style(GOVERNOR, bold=True)} {click.style(short_peer(peer), dim=True)} governs the market "
        f"{settings.market} by {rules}, policy {version[:8]}.\n" + click.style("Ctrl-C to leave.", dim=True),
    )


async def _until_the_end(invocation: Invocation, runtime: Runtime, votes: Votes) -> int:
    """Wait for the end; on a terminal with a line below the votes that says how much is open."""
    page = console()
    if invocation.as_json or not page.is_terminal:
        return await until_asked_to_stop(runtime.stopped)
    from rich.live import Live

    with Live(votes.status(), console=page, auto_refresh=False, transient=True) as live:
        votes.page = page
        ticking = asyncio.get_running_loop().create_task(_refresh(live, votes))
        try:
            return await until_asked_to_stop(runtime.stopped)
        finally:
            ticking.cancel()


async def _refresh(live: Any, votes: Votes) -> None:
    while True:
        live.update(votes.status(), refresh=True)
        await asyncio.sleep(STATUS_S)


class Votes:
    """Listens to what a governor says, and tells its votes."""

    def __init__(self, invocation: Invocation, node: Node) -> None:
        self.counts = Counter(permits=0, vetoes=0)
        self.page: Console | None = None
        """The terminal, while a status line is on it."""
        self._invocation, self._node = invocation, node

    def said(self, statement: AnyStatement) -> None:
        """Take note of a statement of the governor."""
        body = statement.body
        if not isinstance(body, Permit | Veto):
            return
        word = "permit" if isinstance(body, Permit) else "veto"
        self.counts["permits" if word == "permit" else "vetoes"] += 1
        contract = self._node.holdings.contract_about(statement.about)
        if contract is None or statement.about is None:
            return
        voted = contract.held.get(Digest(statement.about))
        stage = "award" if voted is not None and isinstance(voted.body, Award) else "announcement"
        stage = "settlement" if voted is not None and isinstance(voted.body, Settlement) else stage
        names = {member: card.body.name for member, card in self._node.directory.cards.items()}
        manager, skill = call(contract.manager, names), printable(contract.announcement.body.skill)
        award = contract.reading.award
        document = {
            "event": word, "stage": stage, "contract": contract.id.hex(), "skill": skill, "manager": manager,
            "winner": None if award is None else call(award.body.winner, names),
            "price": None if award is None else award.body.price, "rule": body.rule, "reason": body.reason,
            "scope": str(body.scope) if isinstance(body, Veto) else None, "vote": statement.id.hex(),
        }  # fmt: skip
        price = f" at {award.body.price} by {call(award.body.winner, names)}" if award is not None else ""
        text = (
            f"{time.strftime('%H:%M:%S')}  {click.style(f'{word:<6}', fg='green' if word == 'permit' else 'red')}  "
            f"{stage} of {skill} for {manager}{price}: {printable(body.reason)} (rule {printable(body.rule)})"
            + click.style(f"  {contract.id.hex()[:8]}", dim=True)
        )
        if self.page is not None:
            self.page.out(text, highlight=False)
        else:
            self._invocation.line(document, text)

    def summary(self) -> str:
        """How often this governor voted while it ran."""
        permits, vetoes = self.counts["permits"], self.counts["vetoes"]
        return f"{permits} {'permit' if permits == 1 else 'permits'}, {vetoes} {'veto' if vetoes == 1 else 'vetoes'}."

    def status(self) -> Text:
        """One line: the votes so far, and what is open."""
        from rich.text import Text

        contracts = self._node.holdings.contracts.values()
        open_ = sum(contract.reading.end is None and contract.reading.fault is None for contract in contracts)
        referred = len(self._node.governor.referred) if self._node.governor is not None else 0
        waiting = f", {referred} wait for a person" if referred else ""
        return Text(f"{self.summary()[:-1]}; {open_} open{waiting}", style="dim")
