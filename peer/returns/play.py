"""One demo from its first process to its last: a market on this computer decides all requests of a shop.

It says how it went as an `Outcome`, and refuses to know how that is shown. Whatever happens, no process is left behind.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from msgspec import json

from peer import interrupt, telemetry
from peer.audit.archive import read_statements
from peer.audit.evidence import AuditReport, cut, read_evidence, verify, write_evidence
from peer.caller.market import Market
from peer.home import market_home
from peer.journal import Row, read_journal
from peer.returns.agents import ROSTER
from peer.returns.crew import LIVES, Crew, Word, hire, tail_of
from peer.returns.desk import Case, Desk
from peer.returns.generate import write_shop
from peer.returns.shop import Handled, Shop, outcome_rows, read_requests
from peer.returns.stage import DESK, Stage, set_stage
from protocol.bundle import evidence_of
from protocol.errors import NoPeers, TaskFailed
from protocol.keys import Sealer
from protocol.states import State

GATHER_S: Final = 15.0
"""How long the desk waits until all of the market is there; on a busy machine it takes two seconds."""
RATIFY_S: Final = 5.0
"""How long it waits at the end for the governor's last votes."""
ORDERS_MIN: Final = 60
"""A made-up shop has orders that nobody asks about, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What was asked for on the command line."""

    orders: Path | None
    """The directory of a shop; None: one is made up."""
    seed: int
    requests: int
    refund_limit_cents: int
    home: Path | None
    keep: bool
    evidence: Path | None
    slowness: int
    began_s: float
    """When the command began, by the monotonic clock."""


@dataclass(slots=True, kw_only=True)
class Scene:
    """What there is to see while the market is at work."""

    wishes: Wishes
    stage: Stage
    desk: Desk | None = None
    here: set[str] = field(default_factory=set)
    """The peers whose cards the desk holds."""
    pids: dict[str, int] = field(default_factory=dict)
    falls: list[Word] = field(default_factory=list)
    """Processes that ended before their time; each was started again."""
    first_settled_s: float | None = None

    def elapsed_s(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - self.wishes.began_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a demo went."""

    scene: Scene
    desk: Desk
    handled: list[Handled]
    names: dict[bytes, str]
    states: Counter[State]
    audit: AuditReport
    evidence: Path | None
    """Where the evidence was left, if it was."""
    home: Path | None
    """Where everything was left, if it was."""
    processes: int
    first_settled_s: float | None
    all_done_s: float

    @property
    def cases(self) -> list[Case]:
        return self.desk.cases

    def refused(self) -> dict[str, int]:
        """How many requests were refused for what reason, the veto among them."""
        reasons = Counter(one.decision.refused for one in self.handled if one.decision.refused is not None)
        return dict(sorted(reasons.items()))


Watch = Callable[[Scene], AbstractContextManager[object]]
"""Shows a scene for as long as its context lasts."""


def play(wishes: Wishes, watch: Watch | None = None) -> Outcome:
    """Run the whole demo. Raises what the shop's files, the market and the evidence raise; SystemExit on SIGTERM."""
    stage = set_stage(wishes.home, wishes.refund_limit_cents, slowness=wishes.slowness)
    kept = wishes.keep or wishes.home is not None
    try:
        crew = hire(stage.plays(), stage.logs, remove=None if kept else stage.home)
    except BaseException:
        if not kept:
            shutil.rmtree(stage.home, ignore_errors=True)
        raise
    try:
        with (stage.logs / f"{DESK}.log").open("a", encoding="utf-8") as log:
            telemetry.configure("info", "json", log)
            interrupt.give_back()  # to asyncio
            return asyncio.run(_perform(Scene(wishes=wishes, stage=stage), crew, watch or nullcontext, kept=kept))
    except asyncio.CancelledError:
        raise SystemExit(128 + signal.SIGTERM) from None
    finally:
        crew.dismiss()


async def _perform(scene: Scene, crew: Crew, watch: Watch, *, kept: bool) -> Outcome:
    loop, me = asyncio.get_running_loop(), asyncio.current_task()
    assert me is not None
    loop.add_signal_handler(signal.SIGTERM, me.cancel)
    stage, wishes = scene.stage, scene.wishes
    directory = wishes.orders or stage.home / "shop"
    if wishes.orders is None:
        write_shop(directory, wishes.seed, orders=max(ORDERS_MIN, wishes.requests), requests=wishes.requests)
    shop, requests = Shop.load(directory), read_requests(directory)
    with watch(scene):
        async with _minded(scene, crew), Market(stage.settings, DESK) as market:
            await _everybody(market, scene)
            desk = scene.desk = Desk(market, shop, key=_key(directory, wishes), slowness=wishes.slowness)
            desk.on_settled = lambda: _note_first(scene)
            handled = await desk.handle_all(requests)
            await _ratified(desk)
            names = {**market.names(), market.runtime.node.peer: DESK}
            sealer = market.runtime.turn.sealer
        all_done_s = scene.elapsed_s()
    file = wishes.evidence or stage.home / "evidence.vendue"
    _export(stage, sealer, file)
    return Outcome(
        scene=scene, desk=desk, handled=handled, names=names,
        states=Counter(contract.reading.state for contract in desk.contracts.values()),
        audit=verify(read_evidence(file), charter_id=stage.charter.id),
        evidence=file if kept or wishes.evidence else None, home=stage.home if kept else None,
        processes=len(scene.pids) + 1, first_settled_s=scene.first_settled_s, all_done_s=all_done_s,
    )  # fmt: skip


def _key(directory: Path, wishes: Wishes) -> str:
    """Tell this shop and limit from others, so that a second run in one home takes up the contracts of the first."""
    digest = hashlib.sha256(str(wishes.refund_limit_cents).encode())
    for name in ("orders", "users", "products", "cases"):
        digest.update((directory / f"{name}.json").read_bytes())
    return digest.hexdigest()[:12]


def _note_first(scene: Scene) -> None:
    if scene.first_settled_s is None:
        scene.first_settled_s = scene.elapsed_s()


@asynccontextmanager
async def _minded(scene: Scene, crew: Crew) -> AsyncIterator[None]:
    """Listen to the crew; a process that cannot be kept alive ends the demo."""
    loop, me = asyncio.get_running_loop(), asyncio.current_task()
    assert me is not None
    given_up: list[Word] = []

    def listen() -> None:
        for word in crew.news():
            if word.code is None:
                scene.pids[word.name] = word.pid
                continue
            scene.falls.append(word)
            if word.life >= LIVES:
                given_up.append(word)
                me.cancel()

    loop.add_reader(crew.words, listen)
    try:
        yield
    except asyncio.CancelledError:
        if not given_up:
            raise
        me.uncancel()
        raise _fell_over(given_up[0].name, scene.stage) from None
    finally:
        loop.remove_reader(crew.words)


def _fell_over(name: str, stage: Stage) -> TaskFailed:
    tail = tail_of(stage.logs / f"{name}.log")
    return TaskFailed(
        f"The process {name} ended {LIVES} times.",
        why=f"Its log ends with:\n{tail}" if tail else "Its log is empty.",
        do="Run it again with --keep, and see the folder logs.",
    )


async def _everybody(market: Market, scene: Scene) -> None:
    """Wait until the cards of all agents and of the governor are here. Raises NoPeers, saying who is missing."""
    expected = {*ROSTER, "governor"}
    until_s = time.monotonic() + GATHER_S
    while not expected <= scene.here:
        scene.here = {card.body.name for card in market.peers()}
        if time.monotonic() > until_s:
            missing = sorted(expected - scene.here)
            raise NoPeers(
                f"{len(missing)} of the market's processes were not found: {', '.join(missing)}.",
                why=tail_of(scene.stage.logs / f"{missing[0]}.log") or f"{missing[0]} says nothing about it.",
                do="See: vendue doctor",
            )
        await asyncio.sleep(0.02)


async def _ratified(desk: Desk) -> None:
    """Wait until the governor has voted on all that was settled, but not for ever: a late vote is no fault."""
    until_s = time.monotonic() + RATIFY_S
    while time.monotonic() < until_s:
        if not any(contract.reading.state is State.SETTLED for contract in desk.contracts.values()):
            return
        await asyncio.sleep(0.02)


def _export(stage: Stage, sealer: Sealer, file: Path) -> None:
    """Write down everything that the desk said and heard, out of its journal."""
    rows: list[Row] = []
    desk = market_home(stage.settings.market, stage.home).peer(DESK)
    read_journal(desk.journal, rows.append)
    statements = {one.id: one for one in read_statements(rows, market=stage.charter.id, sealer=sealer)}
    write_evidence(file, evidence_of(stage.charter, sealer), cut(statements.values(), sealer))


def rows_json(handled: list[Handled]) -> bytes:
    """The outcome rows as a JSON file, one request a line."""
    return b"[\n" + b",\n".join(json.encode(row) for row in outcome_rows(handled)) + b"\n]\n"
