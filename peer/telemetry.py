"""Diagnostics: lines for people on a terminal, JSON lines for programs, to standard error only; and a few counters.

What comes from strangers is cut short and made printable before it is shown, and nothing that looks like a secret is
shown at all. It refuses to know what happened in the market: the audit log is evidence, these lines are not.
"""

from __future__ import annotations

import logging
import math
import re
import sys
from collections.abc import Mapping, MutableMapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from protocol.keys import short_peer

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger, Processor

# structlog takes a tenth of a second to import, hence only where the first line is about to be written.

VALUE_CHARACTERS_MAX = 200
"""A value longer than this is cut: one line in a log tells that something came, not all of it."""
TRACEBACK_CHARACTERS_MAX = 8_000
"""A traceback is cut in the middle of its story beyond this; its end, which says the error, is kept."""
COUNTERS_MAX = 256
"""Names a counter map holds; the reasons for verdicts are fixed phrases, a few dozen."""
OVERFLOW = "other"
"""Where counts go whose name found no room."""
_SECRET_WORDS = frozenset(
    {"private", "secret", "secrets", "password", "passphrase", "credential", "credentials", "pem", "material"}
)
_SECRET_TEXT = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY.*?(-----END [A-Z ]*-----|\Z)", re.DOTALL)
"""A private key in PEM, which its lines alone would not betray."""
_WITHHELD = "<withheld>"
_BYTES_SHOWN = 16
_CONTRACT_DIGITS = 16

Fields = MutableMapping[str, Any]
Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "pretty", "json"]


def configure(level: Level = "info", fmt: Format = "auto", stream: TextIO | None = None) -> None:
    """Say from which level on lines are shown, and how; `auto` is pretty on a terminal and JSON lines elsewhere."""
    import structlog

    target = stream or sys.stderr
    pretty = fmt == "pretty" or (fmt == "auto" and target.isatty())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S.%f" if pretty else "iso", utc=not pretty),
            structlog.processors.format_exc_info,
            drop_secrets,
            bound_values,
            *(_pretty(target) if pretty else _json()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=_Unbreakable(target)),  # type: ignore[arg-type]
    )


def logger(peer: bytes | None = None, **context: object) -> FilteringBoundLogger:
    """Give a logger whose every line carries the short id of `peer` and the `context`."""
    import structlog

    if not structlog.is_configured():
        configure()  # structlog's own default writes to standard output, which is the answer's place
    log: FilteringBoundLogger = structlog.get_logger()
    return log.bind(**({"peer": short_peer(peer)} if peer is not None else {}), **context)


def take_in_libraries(level: Level = "info") -> None:
    """Have what libraries log with `logging` written as our own lines, for a process that is all ours.

    Left alone, asyncio and zeroconf write plain text between JSON lines, and tracebacks that nobody has looked through.
    """
    handler = _Foreign()
    logging.basicConfig(level=logging.getLevelName(level.upper()), handlers=[handler], force=True)
    logging.captureWarnings(True)


def for_contract(log: FilteringBoundLogger, contract_id: bytes) -> FilteringBoundLogger:
    """Give a logger whose every line carries also the first digits of the contract's id."""
    return log.bind(contract=contract_id.hex()[:_CONTRACT_DIGITS])


class Counters:
    """How often each thing happened: a map of fixed size, for verdicts and their reasons.

    One loop counts; a snapshot may be taken anywhere.
    """

    def __init__(self, names_max: int = COUNTERS_MAX) -> None:
        self._names_max = names_max
        self._counts: dict[str, int] = {}

    def count(self, name: str, by: int = 1) -> None:
        """Add `by` under `name`, or under `OVERFLOW` when the map is full of other names."""
        if name not in self._counts and len(self._counts) >= self._names_max:
            name = OVERFLOW
        self._counts[name] = self._counts.get(name, 0) + by

    def snapshot(self) -> Mapping[str, int]:
        """Give the counts of this moment, by name in alphabetical order."""
        return dict(sorted(self._counts.items()))


def drop_secrets(_logger: object, _method: str, fields: Fields) -> Fields:
    """Drop every field whose name has a word like private or secret, or is a key that is not said to be public."""
    for name in [name for name in fields if _is_secret(name)]:
        del fields[name]
    return fields


def bound_values(_logger: object, _method: str, fields: Fields) -> Fields:
    """Make every value short, printable and plain; containers and objects are named, never written out.

    A hostile value can be nested until its repr kills the process, or carry codes that rewrite the terminal.
    """
    for name, value in fields.items():
        fields[name] = traceback_text(value) if name == "exception" and isinstance(value, str) else plain(value)
    return fields


def plain(value: object) -> str | int | float | bool | None:
    """Give `value` in a form that is safe to show, whoever sent it."""
    match value:
        case None | bool():
            return value
        case Enum():
            return plain(value.value)
        case str():
            return printable(value)
        case int():
            return int(value) if value.bit_length() <= 64 else f"<int of {value.bit_length()} bits>"
        case float():
            return value if math.isfinite(value) else str(value)
        case bytes() | bytearray() | memoryview():
            return _hexadecimal(bytes(value[:_BYTES_SHOWN]), len(value))
        case Path():
            return printable(str(value))
        case BaseException():
            return _error(value)
        case list() | tuple() | set() | frozenset() | dict():
            return f"<{type(value).__name__} of {len(value)}>"
        case _:
            return f"<{type(value).__name__}>"


def printable(text: str, characters_max: int = VALUE_CHARACTERS_MAX) -> str:
    """Cut `text`, and write out control characters, line ends and marks that turn the writing direction."""
    text = _SECRET_TEXT.sub(_WITHHELD, text)
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:characters_max])
    return shown if len(text) <= characters_max else f"{shown}… ({len(text)} characters)"


def traceback_text(text: str) -> str:
    """Keep the lines of a traceback, each indented, so that no part of it can pass for a line of its own."""
    text = _SECRET_TEXT.sub(_WITHHELD, text)
    kept = text if len(text) <= TRACEBACK_CHARACTERS_MAX else f"…\n{text[-TRACEBACK_CHARACTERS_MAX:]}"
    return "\n".join("    " + printable(line) for line in kept.split("\n"))


def _hexadecimal(start: bytes, length: int) -> str:
    return start.hex() if length <= _BYTES_SHOWN else f"{start.hex()}… ({length} bytes)"


def _error(error: BaseException) -> str:
    """Name an error; its text only where that is made of plain values, since it would write out any other."""
    name = type(error).__name__
    return printable(f"{name}: {error}") if all(isinstance(part, str | int | None) for part in error.args) else name


def _is_secret(name: str) -> bool:
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    return bool(words & _SECRET_WORDS) or ("key" in words and not words & {"public", "id", "idempotency"})


def _pretty(target: TextIO) -> list[Processor]:
    import structlog

    # A traceback is text by now (`format_exc_info`). Never leave it to the renderer's own choice: with rich installed
    # that shows local variables, hence keys.
    colours, tracebacks = target.isatty(), structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=tracebacks)]


def _json() -> list[Processor]:
    import structlog

    return [_always_named, structlog.processors.JSONRenderer()]


def _always_named(_logger: object, _method: str, fields: Fields) -> Fields:
    """Put peer and contract on every line, so that a program may ask for both."""
    fields.setdefault("peer", None)
    fields.setdefault("contract", None)
    return fields


class _Foreign(logging.Handler):
    """Takes the records of `logging`, and writes each as one of our lines, with its logger as the source."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            log = logger(source=record.name)
            log.log(max(record.levelno, logging.DEBUG), record.getMessage(), exc_info=record.exc_info)
        except Exception:  # a message whose arguments do not fit it: a library's fault stops no peer
            return


class _Unbreakable:
    """A stream that may go away, as a terminal does: diagnostics never stop a peer."""

    def __init__(self, target: TextIO) -> None:
        self._target = target

    def write(self, text: str) -> int:
        try:
            return self._target.write(text)
        except (OSError, ValueError):
            return 0

    def flush(self) -> None:
        try:
            self._target.flush()
        except (OSError, ValueError):
            return
