"""Verdicts on what others say, and exceptions for what we ourselves do wrong.

Bad input from a stranger is normal: it gets a `Verdict`, a counter and no exception that leaves the core. Exceptions
are for the people at this end; each says what happened, why, and what to do next, and carries the exit code that the
command line ends with.

    VendueError
    ├── UsageError        2   the call itself is wrong
    │   ├── BadInput          the task's input does not fit the skill's schema
    │   └── HomeBusy          another process runs on this home
    ├── NoPeers           3   nobody is there
    ├── NoBids            4   peers are there, none took the task
    ├── Vetoed            5   a governor said no
    ├── DeadlinePassed    6   the task's time was over
    ├── BadEvidence       7   a signature, a path or a chain does not hold
    │   ├── BadCode           an invitation code lets nobody in
    │   └── JournalDamaged    a stored row is not what was stored
    ├── BadConfig         8   a setting, a policy, a key file
    │   ├── ClockWrong        this computer's clock, or the other's
    │   └── KeyExposed        others can read a private key
    └── TaskFailed        9   the work was done, and failed
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, NamedTuple


class Verdict(StrEnum):
    """What a receiver decides about one statement; only `REJECT` blames anybody."""

    ACCEPT = "accept"
    """Well formed, signed, and of use here."""
    IGNORE = "ignore"
    """A duplicate, or not for us. No blame."""
    REJECT = "reject"
    """Proof of a fault: the connection's before the signature holds, the author's after it."""


class Blame(StrEnum):
    """Whose fault a rejection is."""

    NOBODY = "nobody"
    CONNECTION = "connection"
    """Bytes that nobody signed: only who handed them over can be blamed."""
    AUTHOR = "author"
    """Signed, hence said: the author is to blame wherever the bytes came from."""


class Ruling(NamedTuple):
    """What was decided about something received, and why."""

    verdict: Verdict
    blame: Blame
    reason: str
    """A short fixed phrase, fit for a counter's name: it never contains foreign data."""


class VendueError(Exception):
    """Any error that this project raises on purpose."""

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, why: str = "", do: str = "") -> None:
        """`what` happened, `why`, and what to `do` about it: each a short sentence."""
        super().__init__(" ".join(part for part in (what, why, do) if part))
        self.what, self.why, self.do = what, why, do


class UsageError(VendueError):
    """The call is wrong: unknown name, impossible value."""

    exit_code = 2


class BadInput(UsageError):
    """The task's input does not fit the skill's schema; the message has the path inside the JSON."""


class HomeBusy(UsageError):
    """Another process already runs on this home: two would say two things under one key."""


class NoPeers(VendueError):
    """No other peer was found; `vendue doctor` says which discovery paths were tried."""

    exit_code = 3


class NoBids(VendueError):
    """Peers are there, but none took the task."""

    exit_code = 4


class Vetoed(VendueError):
    """A veto quorum stopped the task or its result."""

    exit_code = 5


class DeadlinePassed(VendueError):
    """The task's deadline came before a result was accepted."""

    exit_code = 6


class BadEvidence(VendueError):
    """A signature, an inclusion path, a chain or a recomputation does not hold."""

    exit_code = 7


class BadCode(BadEvidence):
    """An invitation code is mistyped, expired, used up, or of another market; the message never repeats it."""


class JournalDamaged(BadEvidence):
    """A stored row is not what was stored; the file is kept as it is."""


class BadConfig(VendueError):
    """A setting, a policy file or a key file cannot be used."""

    exit_code = 8


class ClockWrong(BadConfig):
    """Two computers' clocks differ by more than certificates can bear."""


class KeyExposed(BadConfig):
    """A private key can be read by others; it is not used until its mode is 0600."""


class TaskFailed(VendueError):
    """Agents took the task and did not bring a result that was accepted."""

    exit_code = 9
