"""One call of agent code: input in, output out, both checked. It refuses to know in which thread or process it is."""

from __future__ import annotations

import asyncio
import inspect

from peer.work.context import Context, OutputTooLarge
from peer.work.skill import Skill


def run_here(skill: Skill, raw_input: bytes, context: Context, output_max: int) -> bytes:
    """Run the function in this thread, an async one in a loop of its own. Raises whatever it raises."""
    value = skill.function(**_arguments(skill, raw_input, context))
    if inspect.iscoroutine(value):
        value = asyncio.run(value)
    return _output(skill, value, output_max)


async def run_in_loop(skill: Skill, raw_input: bytes, context: Context, output_max: int) -> bytes:
    """Await the function in the running loop. Raises whatever it raises."""
    value = await skill.function(**_arguments(skill, raw_input, context))
    return _output(skill, value, output_max)


def _arguments(skill: Skill, raw_input: bytes, context: Context) -> dict[str, object]:
    return {**skill.decode_input(raw_input), **dict.fromkeys(skill.shape.context_names, context)}


def _output(skill: Skill, value: object, output_max: int) -> bytes:
    output = skill.encode_output(value)
    if len(output) > output_max:
        raise OutputTooLarge(
            f"The output has {len(output)} bytes, and the limit is {output_max}.",
            do="Return less, or hand over large data as an artifact.",
        )
    return output
