"""The demo's stage: a home of its own, the policy with the chosen limit, and what each process of the market runs.

It refuses to know the shop's requests and how anything is shown.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from peer import config, telemetry
from peer.agent import Agent
from peer.home import market_home, private_directory
from peer.launch import GOVERNOR, launch
from peer.members.entering.founding import open_market
from peer.policyfile import load_policy
from peer.returns.agents import ROSTER, agent_called
from peer.returns.crew import Play
from peer.returns.ledger import Ledger
from peer.settings import Settings
from protocol.notices import Charter
from protocol.policy import Policy
from protocol.statements import Statement

DESK: Final = "desk"
"""What the manager is called."""
LEASE_MS: Final = 5_000
"""Long enough for an agent that fell over to be back and say so before its award runs out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where one demo plays."""

    home: Path
    settings: Settings
    charter: Statement[Charter]
    slowness: int

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def policy(self) -> Path:
        return self.home / "policy.toml"

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.home / "ledger.jsonl")

    def plays(self) -> Mapping[str, Play]:
        """The market's processes but for the desk: the governor, and each agent of the roster."""
        governor = partial(_run, self, GOVERNOR, Agent(), load_policy(self.policy))
        agents = {name: agent_called(name, self.ledger, slowness=self.slowness) for name in ROSTER}
        return {GOVERNOR: governor, **{name: partial(_run, self, name, agents[name], None) for name in agents}}


def set_stage(home: Path | None, refund_limit_cents: int, *, slowness: int = 1) -> Stage:
    """Make a home, or take the one given, found its market, and write its governor's policy."""
    home = private_directory(home.absolute()) if home else Path(tempfile.mkdtemp(prefix="vendue-demo-"))
    # Only loopback and the home's own folder: a demo is not announced to the network that the computer is in.
    settings = config.load(
        {
            "home": str(home),
            "market": "local",
            "interface": "127.0.0.1",
            "seeds": (),
            "mdns": False,
            "lease_ms": LEASE_MS,
        }
    ).settings
    charter = open_market(market_home("local", home), "local")
    stage = Stage(home=home, settings=settings, charter=charter, slowness=slowness)
    private_directory(stage.logs)
    stage.policy.write_text(policy_text(refund_limit_cents), encoding="utf-8")
    return stage


def policy_text(refund_limit_cents: int) -> str:
    """The returns desk's policy: the example beside this file, with another limit."""
    example = Path(__file__).with_name("policy.toml").read_text(encoding="utf-8")
    return re.sub(r"(?m)^above = \d+$", f"above = {max(refund_limit_cents, 0)}", example)


def _run(stage: Stage, name: str, agent: Agent, policy: Policy | None, lifeline: int) -> None:
    """Be one peer of the market until the lifeline is cut."""
    telemetry.configure("info", "json")
    asyncio.run(_serve(stage, name, agent, policy, lifeline))


async def _serve(stage: Stage, name: str, agent: Agent, policy: Policy | None, lifeline: int) -> None:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(lifeline, over.set)
    async with launch(stage.settings, name=name, agent=agent, policy=policy) as runtime:
        runtime.stopped.add_done_callback(lambda _: over.set())
        await over.wait()
        if runtime.stopped.done():
            runtime.stopped.result()
