"""All checkers at their posts: what a world, a state machine or a reader of journals calls.

watch = Watch(ALL)                                      # or some of the promises
watch.roster.join(process)                              # whoever joins, once
for hook in watch.heard: hook(process, statement, now_us)   # ... and so for each moment, see `base`
for hook in watch.at_rest: hook(everybody, now_us)
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from typing import Any

from protocol.keys import Digest
from simulations.checkers.base import Checker, Roster, hooks
from simulations.testimony import Recorded, touched_by


class Watch:
    """Checkers, and for each moment the hooks that care for it, so that a moment nobody watches costs nothing."""

    def __init__(self, promises: Iterable[Callable[[Roster], Checker]]) -> None:
        self.roster = Roster()
        self.checkers = [promise(self.roster) for promise in promises]
        self.heard = self._hooks("heard")
        self.said = self._hooks("said")
        self.published = self._hooks("published")
        self.began = self._hooks("began")
        self.ended = self._hooks("ended")
        self.convicted = self._hooks("convicted")
        self.turned = self._hooks("turned")
        self.at_rest = self._hooks("at_rest")

    def _hooks(self, name: str) -> list[Callable[..., Any]]:
        return hooks(self.checkers, name)

    def read(self, journals: Sequence[Recorded]) -> None:
        """Check the journals of real processes, row by row: each row after those that said what it heard.

        Nothing is known of when it was: all happens at once. That everything is at rest is for the caller to know, who
        then calls the hooks of `at_rest`.
        """
        for journal in journals:
            self.roster.join(journal)
        authors, said = {journal.peer for journal in journals}, set[Digest]()
        while waiting := [journal for journal in journals if journal.peek() is not None]:
            ready = [journal for journal in waiting if not _waits(journal, authors, said)]
            # Where nobody is ready somebody has heard what no journal has: the promises will say what that means.
            for journal in ready or waiting[:1]:
                said |= self._read_row(journal)

    def _read_row(self, journal: Recorded) -> set[Digest]:
        told = journal.peek()
        assert told is not None, "who is read has a row left"
        journal.step()
        for statement in told.heard:
            _call(self.heard, journal, statement, 0)
        for statement in told.said:
            _call(self.said, journal, statement, 0)
        _call(self.turned, journal, touched_by(journal.node, (*told.heard, *told.said)), 0)
        return {statement.id for statement in told.said}


def _waits(journal: Recorded, authors: Container[bytes], said: Container[Digest]) -> bool:
    told = journal.peek()
    return told is not None and any(one.author in authors and one.id not in said for one in told.heard)


def _call(listening: Sequence[Callable[..., Any]], *args: object) -> None:
    for hook in listening:
        hook(*args)
