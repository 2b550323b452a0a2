"""The moves that lead to a broken promise, in words, with what every peer says and does on the way."""

from __future__ import annotations

from typing import Final

from simulations.checkers.base import Broken as BrokenPromise
from simulations.explorer.locals import Input, Locals
from simulations.explorer.post import Ask, statements_in
from simulations.explorer.search import Broken, Step
from simulations.explorer.stage import Move
from simulations.story import Story

_INPUTS: Final = {
    "hears": "hear",
    "hears too early": "hear",
    "hears and will again": "hear",
    "dies while it hears": "hear",
}
_SILENT: Final = ("loses", "dies", "sees")


def tell(table: Locals, broken: Broken) -> str:
    """One line for each thing that happens; the number before it is its move's."""
    story = Story()
    for role in table.setting.roles:
        story.meet(role.name, role.peer)
    for number, step in enumerate(broken.path, 1):
        _tell_step(table, story, number, step)
    return "\n".join([*story.tell(), "", f"Broken: {broken.what}"])


def _tell_step(table: Locals, story: Story, number: int, step: Step) -> None:
    move, name = step.move, table.setting.roles[step.move.who].name
    story.note(number, name, _words(table, story, move))
    if move.what in _SILENT:
        return
    try:
        frames, actions = table.replay(step.scene.locals[move.who], _input(move))
    except BrokenPromise:
        return  # it is the last step, and what is broken is told below
    if not move.what.startswith("dies"):
        for frame in frames:
            story.note(number, name, frame)
    for action in actions:
        story.note(number, name, action)


def _input(move: Move) -> Input:
    what = _INPUTS.get(move.what, "rings" if move.what == "dies while it rings" else move.what)
    return (what, move.which)


def _words(table: Locals, story: Story, move: Move) -> str:
    if move.what in _INPUTS or move.what == "loses":
        message = table.post.messages[move.which]
        sender = table.setting.roles[message.sender].name
        content = message.content
        if isinstance(content, Ask):
            return f"{move.what}: a question of {sender}"
        said = ", ".join(story.words(statement) for statement in statements_in(content))
        return f"{move.what}: {said} from {sender}"
    if move.what == "rings" or move.what == "dies while it rings":
        return f"{move.what}: {move.which} ms are over"
    return {"done": "has done its work", "fails": "fails at its work", "hangs": "hangs at its work"}.get(
        move.what, move.what
    )
