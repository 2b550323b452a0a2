"""What a check gives, whatever it looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

from protocol.errors import VendueError

Grade = Literal["ok", "note", "bad"]


class Check(NamedTuple):
    """One thing that was looked at."""

    about: str
    grade: Grade
    says: str
    do: str = ""


def guarded(about: str, look: Callable[[], Check | Iterable[Check]]) -> Iterator[Check]:
    """What a check found; one that raises has found something, too."""
    try:
        found = look()
        yield from [found] if isinstance(found, Check) else found
    except VendueError as error:
        yield Check(about, "bad", f"{error.what} {error.why}".strip(), error.do)
    except OSError as error:
        yield Check(about, "bad", f"The system says: {error}.", "Check the place that it names.")
