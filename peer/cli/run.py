"""`vendue run`: a peer that offers the agents of a file, until it is asked to stop."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

import click

from peer.agent import Agent
from peer.agentfile import fit_name, load_agents
from peer.cli.invocation import JOINING, Invocation, asked
from peer.cli.jobs import Jobs
from peer.cli.loop import run_to_end, until_asked_to_stop
from peer.launch import launch
from peer.runtime import Runtime
from peer.settings import Settings
from peer.telemetry import printable
from protocol.keys import print_peer, short_peer
from protocol.statements import AnyStatement


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", metavar="NAME", help="What the peer is called; the file's name if this is not said.")
@click.option("--exactly", is_flag=True, help="Fail if a peer of that name runs already, instead of taking the next.")
@asked(*JOINING, "capacity")
def run(invocation: Invocation, file: Path, name: str | None, exactly: bool) -> None:
    """Run the agents of a Python file until Ctrl-C.

    The same file can run on as many terminals as wanted: each takes the next free name, agents, agents-2, agents-3.
    """
    settings = invocation.settings
    agent = load_agents(file)
    if "capacity" in invocation.flags:
        agent.capacity = settings.capacity
    name = name or fit_name(agent.name or file.stem)
    agent.name = ""  # the card says the name of the home, which tells siblings apart
    # What agents print belongs to people, and JSON lines are for programs.
    with contextlib.redirect_stdout(sys.stderr) if invocation.as_json else contextlib.nullcontext():
        code = run_to_end(_serve(invocation, settings, agent, name, passing=not exactly))
    raise click.exceptions.Exit(code)


async def _serve(invocation: Invocation, settings: Settings, agent: Agent, name: str, *, passing: bool) -> int:
    jobs: list[Jobs] = []

    def said(statement: AnyStatement) -> None:
        for listener in jobs:
            listener.said(statement)

    async with launch(settings, name=name, agent=agent, passing=passing, on_said=said) as runtime:
        listener = Jobs(invocation, runtime.node, asyncio.get_running_loop().time)
        jobs.append(listener)
        _introduce(invocation, settings, agent, runtime)
        code = await until_asked_to_stop(runtime.stopped)
        invocation.aside("\nGoodbye." if code else "Goodbye.")
    invocation.line({"event": "goodbye", "done": listener.done, "failed": listener.failed}, listener.summary())
    return code


def _introduce(invocation: Invocation, settings: Settings, agent: Agent, runtime: Runtime) -> None:
    """Say who this peer is, and what it offers at which price."""
    assert runtime.node.card is not None, "a peer presents itself with its first turn"
    card = runtime.node.card.body
    skills = [
        {
            "skill": skill.name,
            "price": None if skill.name in agent.strategies else skill.price,
            "mode": str(skill.mode),
            "duration_ms": skill.duration_ms,
        }
        for skill in agent.skills
    ]
    peer = runtime.node.peer
    ready = {
        "event": "ready", "market": settings.market, "name": card.name, "peer": print_peer(peer),
        "capacity": card.capacity, "addresses": list(card.addresses), "skills": skills,
    }  # fmt: skip
    width = max(len(printable(skill.name)) for skill in agent.skills)
    offers = [
        f"  {printable(skill.name):<{width}}  "
        + ("at its own price" if skill.name in agent.strategies else f"at {skill.price}")
        + click.style(f"  as a {skill.mode}", dim=True)
        for skill in agent.skills
    ]
    head = (
        f"{click.style(printable(card.name), bold=True)} {click.style(short_peer(peer), dim=True)} is in the market "
        f"{settings.market} and offers, {card.capacity} at a time:"
    )
    invocation.line(ready, "\n".join([head, *offers, click.style("Ctrl-C to leave.", dim=True)]))
