"""A journal that is not what was stored: the peer refuses to start on it, says where, and leaves the file alone."""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path

import msgpack
import pytest

from peer import config
from peer.home import market_home
from peer.journal import Journal
from peer.launch import launch
from protocol.errors import JournalDamaged
from tests.authors import MARKET


def test_a_file_that_is_no_database_any_more_is_a_damaged_journal(tmp_path: Path) -> None:
    """The first page overwritten: refused as damaged, with its path, and not a byte of it changes."""
    path = tmp_path / "journal.db"
    Journal(path, market=MARKET).close()
    content = b"X" * 16 + path.read_bytes()[16:]
    path.write_bytes(content)
    with pytest.raises(JournalDamaged, match="is damaged"):
        Journal(path, market=MARKET)
    assert path.read_bytes() == content


def test_a_changed_row_is_named(tmp_path: Path) -> None:
    """SQLite notices no changed payload: the row's own checksum does, and the error says which row."""
    path = tmp_path / "journal.db"
    journal = Journal(path, market=MARKET)
    journal.record([b"first", b"second"], [], durable=True)
    journal.close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE rows SET body = ? WHERE n = 2", (b"sEcond",))
    with pytest.raises(JournalDamaged, match="row 2"):
        list(Journal(path, market=MARKET).replay())


async def test_a_peer_that_cannot_read_its_own_words_says_whose_journal_it_is(tmp_path: Path) -> None:
    """A row that was stored well and holds no statement: no fault of the program's, but a file to move away."""
    settings = config.load({"home": str(tmp_path), "mdns": False}).settings
    async with launch(settings, name="ada"):
        pass
    path = market_home("local", settings.home).peer("ada").journal
    body = msgpack.packb([b"no statement"])
    with sqlite3.connect(path) as db:
        last = "(SELECT max(n) FROM rows WHERE feed IS NOT NULL)"
        db.execute(f"UPDATE rows SET body = ?, checksum = ? WHERE n = {last}", (body, zlib.crc32(body)))
    with pytest.raises(JournalDamaged, match=r"ada.journal\.db is damaged: what this peer said cannot be read"):
        async with launch(settings, name="ada"):
            pass
