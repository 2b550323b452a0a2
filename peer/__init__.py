"""What is real: peers as processes, on sockets, with journals and workers. No rule of the market lives here.

    from peer import Agent, Market, worker

Names are loaded when they are first asked for, so that a command that needs none of them starts at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from peer.agent import Agent, Offer, Wanted
    from peer.caller.blocking import BlockingMarket
    from peer.caller.market import Market
    from peer.caller.outcome import Done
    from peer.caller.task import Task
    from peer.work.context import Context, Stopped
    from peer.work.skill import Mode, worker
    from protocol.errors import TaskFailed

_HOME = {
    "Agent": "peer.agent",
    "BlockingMarket": "peer.caller.blocking",
    "Context": "peer.work.context",
    "Done": "peer.caller.outcome",
    "Market": "peer.caller.market",
    "Mode": "peer.work.skill",
    "Offer": "peer.agent",
    "Stopped": "peer.work.context",
    "Task": "peer.caller.task",
    "TaskFailed": "protocol.errors",
    "Wanted": "peer.agent",
    "worker": "peer.work.skill",
}

__all__ = [
    "Agent",
    "BlockingMarket",
    "Context",
    "Done",
    "Market",
    "Mode",
    "Offer",
    "Stopped",
    "Task",
    "TaskFailed",
    "Wanted",
    "worker",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
