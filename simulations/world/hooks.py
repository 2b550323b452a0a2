"""What the checkers of a world are told, and the node that tells them what it hears."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from protocol.actions import Action
from protocol.events import Event, Heard
from protocol.node import Node
from simulations.checkers.base import Checker, hooks

if TYPE_CHECKING:
    from simulations.world.process import Process


class Hooks:
    """What the checkers of a world want to be told: one list for each hook, empty where none overrides it."""

    def __init__(self, checkers: Sequence[Checker]) -> None:
        self.heard = hooks(checkers, "heard")
        self.said = hooks(checkers, "said")
        self.published = hooks(checkers, "published")
        self.began = hooks(checkers, "began")
        self.ended = hooks(checkers, "ended")
        self.convicted = hooks(checkers, "convicted")
        self.turned = hooks(checkers, "turned")
        self.at_rest = hooks(checkers, "at_rest")


class WatchedNode(Node):
    """A node whose every statement the checkers hear; worlds without such checkers take the plain one."""

    process: Process

    def step(self, event: Event, now_ms: int) -> list[Action]:
        if type(event) is Heard:
            for hook in self.process.world.hooks.heard:
                hook(self.process, event.statement, self.process.world.now_us)
        return super().step(event, now_ms)
