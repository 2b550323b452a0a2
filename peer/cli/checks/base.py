"""What a check gives, whatever it looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal, NamedTuple

from protocol.errors import BadConfig, NoPeers, VendueError

Grade = Literal["ok", "note", "bad"]
TO_MEND: Final = BadConfig.exit_code
UNREACHED: Final = NoPeers.exit_code


class Check(NamedTuple):
    """One thing that was looked at."""

    about: str
    grade: Grade
    says: str
    do: str = ""
    code: int = 0
    """How the doctor leaves for a bad one: TO_MEND unless it says UNREACHED; 0 for what is not bad."""


def bad(about: str, says: str, do: str) -> Check:
    """Something has to be mended."""
    return Check(about, "bad", says, do, TO_MEND)


def unreached(about: str, says: str, do: str) -> Check:
    """Somebody cannot be found or reached, for whatever reason."""
    return Check(about, "bad", says, do, UNREACHED)


def exit_code(checks: Iterable[Check]) -> int:
    """How the doctor leaves: what has to be mended comes before who is not reached, for it may be why."""
    return max((check.code or TO_MEND for check in checks if check.grade == "bad"), default=0)


def guarded(about: str, look: Callable[[], Check | Iterable[Check]]) -> Iterator[Check]:
    """What a check found; one that raises has found something, too."""
    try:
        found = look()
        yield from [found] if isinstance(found, Check) else found
    except VendueError as error:
        yield bad(about, f"{error.what} {error.why}".strip(), error.do)
    except OSError as error:
        yield bad(about, f"The system says: {error}.", "Check the place that it names.")
