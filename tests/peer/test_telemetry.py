"""Diagnostics: named on every line, safe to show, and never more than a line can hold."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from peer.telemetry import (
    OVERFLOW,
    Counters,
    configure,
    for_contract,
    logger,
    plain,
    printable,
    take_in_libraries,
    traceback_text,
)
from protocol.keys import short_peer

PEER = bytes(range(32))
CONTRACT = bytes(range(100, 132))


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Gone(io.StringIO):
    """A stream whose reader has left."""

    said = 0

    def write(self, _text: str) -> int:
        self.said += 1
        raise BrokenPipeError(32, "Broken pipe")

    def flush(self) -> None:
        raise BrokenPipeError(32, "Broken pipe")


@pytest.fixture(autouse=True)
def _unconfigured() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.fixture
def stream() -> io.StringIO:
    """Where JSON lines go in this test."""
    stream = io.StringIO()
    configure("debug", "json", stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """The JSON lines that were written."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_every_json_line_names_peer_and_contract(stream: io.StringIO) -> None:
    """A program may filter by both, also on lines that are about neither."""
    log = logger(peer=PEER, role="manager")
    for_contract(log, CONTRACT).info("awarded", price=5)
    log.warning("slow")
    logger().debug("starting")
    first, second, third = lines(stream)
    assert (first["peer"], first["contract"]) == (short_peer(PEER), CONTRACT.hex()[:16])
    assert (first["role"], first["price"], first["level"], first["event"]) == ("manager", 5, "info", "awarded")
    assert (second["peer"], second["contract"]) == (short_peer(PEER), None)
    assert (third["peer"], third["contract"]) == (None, None)


def test_terminal_gets_lines_for_people_and_a_file_gets_json() -> None:
    """The format follows the reader unless it is chosen."""
    for target, fmt, is_json in [
        (Terminal(), "auto", False),
        (io.StringIO(), "auto", True),
        (Terminal(), "json", True),
        (io.StringIO(), "pretty", False),
    ]:
        configure("info", fmt, target)  # type: ignore[arg-type]
        for_contract(logger(peer=PEER), CONTRACT).info("awarded")
        assert target.getvalue().startswith("{") is is_json
        assert short_peer(PEER) in target.getvalue()
        assert CONTRACT.hex()[:16] in target.getvalue()


def test_lines_below_the_level_are_not_written() -> None:
    """The level is a lower bound."""
    stream = io.StringIO()
    configure("warning", "json", stream)
    logger().info("chatter")
    logger().error("grave")
    assert [line["event"] for line in lines(stream)] == ["grave"]


def test_nothing_goes_to_standard_output() -> None:
    """Standard output is the answer's place, even when nobody has configured anything."""
    script = "from peer.telemetry import logger; logger(peer=bytes(32)).info('hello')"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == ""
    assert json.loads(ran.stderr)["event"] == "hello"


def test_import_does_not_pay_for_structlog() -> None:
    """A command that writes no line starts without the library."""
    script = "import sys, peer.telemetry; print('structlog' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.strip() == "False"


def test_fields_named_like_secrets_are_dropped(stream: io.StringIO) -> None:
    """Whoever logs a key by mistake shows nothing; public keys and idempotency keys may be seen."""
    logger().info(
        "x", private="1", join_secret="2", key="3", transport_key=b"4", key_material="5", pem="6", password="7",
        public_key="8", idempotency_key="9", monkey="10",
    )  # fmt: skip
    assert set(lines(stream)[0]) == {
        "event", "level", "timestamp", "peer", "contract", "public_key", "idempotency_key", "monkey"
    }  # fmt: skip


@pytest.mark.parametrize("fmt", ["json", "pretty"])
def test_private_key_is_never_written_however_it_comes(fmt: Any) -> None:
    """As text, as an object, in an error, in a traceback and its local variables: the key stays unseen."""
    stream = Terminal()
    configure("debug", fmt, stream)
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    log = logger(peer=PEER)
    log.info(pem, text=f"see {pem}", holder=private, listed=[pem], error=ValueError(pem))
    try:
        raise ValueError(pem)
    except ValueError:
        log.exception("failed")
    assert "failed" in stream.getvalue()
    assert "Traceback" in stream.getvalue()
    assert pem.splitlines()[1] not in stream.getvalue()
    assert private.private_bytes_raw().hex() not in stream.getvalue()


@pytest.mark.parametrize("fmt", ["json", "pretty"])
def test_hostile_text_cannot_forge_a_line_or_move_the_cursor(fmt: Any) -> None:
    """Line ends, escape codes and marks that turn the writing direction are written out."""
    stream = io.StringIO()
    configure("debug", fmt, stream)
    hostile = 'ok\n{"event": "forged"}\x1b[2J\u202e\x9b\ud800\r'
    logger(peer=PEER).info(hostile, reason=hostile)
    written = stream.getvalue()
    assert written.count("\n") == 1
    assert written.rstrip("\n").isprintable()


def test_traceback_cannot_forge_a_line() -> None:
    """What an error says may have many lines, each of which stays inside the traceback, the last ones kept."""
    shown = traceback_text("Traceback\n" * 5_000 + 'ValueError: x\n{"event": "forged"}\x1b[2J')
    assert all(line.startswith("    ") for line in shown.split("\n"))
    assert shown.endswith('{"event": "forged"}\\x1b[2J')
    assert len(shown) < 20_000


def test_deep_and_huge_values_are_named_not_written(stream: io.StringIO) -> None:
    """A value whose repr would end the process, or fill the disk, costs a few characters."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    logger().info("x", deep=deep, error=ValueError(deep), text="a" * 10**6, raw=b"\0" * 10**6, number=2**70_000)
    assert len(stream.getvalue()) < 1_000
    line = lines(stream)[0]
    assert (line["deep"], line["error"]) == ("<list of 1>", "ValueError")
    assert line["number"] == "<int of 70001 bits>"
    assert line["raw"].endswith("… (1000000 bytes)")


def test_plain_values_stay_what_they_are() -> None:
    """Numbers, truth and short text are shown as they are, ids as hexadecimal digits."""

    class Colour(StrEnum):
        RED = "red"

    given_and_shown: list[tuple[object, object]] = [
        (None, None), (True, True), (5, 5), (0.5, 0.5), (float("inf"), "inf"), ("a b", "a b"), (b"\x01\xff", "01ff"),
        (Colour.RED, "red"), (Path("/a/b"), "/a/b"), (OSError(2, "gone"), "FileNotFoundError: [Errno 2] gone"),
        (object(), "<object>"), ({1: 2}, "<dict of 1>"),
    ]  # fmt: skip
    assert [plain(value) for value, _ in given_and_shown] == [shown for _, shown in given_and_shown]


@given(st.text())
def test_printable_is_printable_and_bounded(text: str) -> None:
    """No text at all gets a control character through, or more than its share of characters."""
    shown = printable(text, 20)
    assert shown.isprintable()
    assert len(shown) <= 20 * 10 + 30


def test_reader_that_left_stops_no_peer() -> None:
    """A terminal that was closed is no reason to end."""
    configure("debug", "json", gone := Gone())
    logger(peer=PEER).info("still here")
    logger(peer=PEER).info("still here")
    assert gone.said == 2


def test_counters_count_and_stay_bounded() -> None:
    """Names beyond the bound share one place, and a snapshot does not move with the counters."""
    counters = Counters(names_max=2)
    for name in ("accept", "ignore", "accept", "reject", "reject"):
        counters.count(name)
    before = counters.snapshot()
    counters.count("accept", by=5)
    assert before == {"accept": 2, "ignore": 1, OVERFLOW: 2}
    assert counters.snapshot()["accept"] == 7


@pytest.fixture
def _own_logging() -> Iterator[None]:
    """Give the root logger back as it was."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(False)


@pytest.mark.usefixtures("_own_logging")
def test_what_libraries_log_is_a_line_like_any_other(stream: io.StringIO) -> None:
    """Named, structured, from the level on that was asked for, and looked through as ours are."""
    take_in_libraries("warning")
    library = logging.getLogger("some.library")
    library.info("chatter")
    library.warning("a %s\nbecame %d", "thing", 3)
    library.warning("one argument too few: %s %s", 1)
    try:
        raise ValueError("-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----")
    except ValueError:
        library.exception("it failed")
    first, second = lines(stream)
    assert (first["event"], first["source"], first["level"]) == ("a thing\\nbecame 3", "some.library", "warning")
    assert {"peer", "contract"} <= first.keys()
    assert "ValueError" in second["exception"]
    assert "MC4CAQAw" not in stream.getvalue()
