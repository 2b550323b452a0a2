"""A journal file is the life of one feed: when it may lack what was said, a new feed begins."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from peer.home import PeerHome
from peer.journal import Journal
from peer.launch import _take_seat
from protocol.errors import BadConfig
from protocol.feed import Feed
from protocol.statements import AnyStatement
from tests.market import charter_with, sealer_of, task_for

MARKET = bytes(32)
CHARTER = charter_with()
SOMEBODY = sealer_of("ada").peer


def opened(folder: Path) -> Journal:
    """The journal of a home, as a start of the peer finds it."""
    return Journal(folder / "journal.db", market=MARKET)


def speak(journal: Journal, *, times: int = 1) -> None:
    """Say something new in the journal's feed."""
    feed = Feed(market=CHARTER.id, author=sealer_of("ada").peer, feed_id=journal.feed)
    feed.seq = journal.seq
    for _ in range(times):
        said: AnyStatement = feed.say(task_for(CHARTER), about=None, contract=None, now_ms=0)
        journal.record([], [said], durable=False)


def test_a_journal_goes_on_in_its_feed(tmp_path: Path) -> None:
    """A clean end and a new beginning are one life."""
    journal = opened(tmp_path)
    feed = journal.feed
    speak(journal, times=3)
    journal.close()
    again = opened(tmp_path)
    assert (again.feed, again.seq) == (feed, 3)


def test_an_older_journal_put_back_twice_never_goes_on_in_its_feed(tmp_path: Path) -> None:
    """The second time the last word was in another feed, and the old one has still said more than the file knows."""
    journal = opened(tmp_path)
    speak(journal)
    journal.close()
    shutil.copy(tmp_path / "journal.db", tmp_path / "backup.db")
    journal = opened(tmp_path)
    spoken_in = {journal.feed}
    speak(journal, times=3)
    journal.close()
    for _ in range(2):
        shutil.copy(tmp_path / "backup.db", tmp_path / "journal.db")
        journal = opened(tmp_path)
        assert journal.feed not in spoken_in
        spoken_in.add(journal.feed)
        speak(journal)
        journal.close()


def test_a_governor_whose_journal_is_gone_does_not_take_its_seat_again(tmp_path: Path) -> None:
    """It has spoken in the seat's feed: to begin that anew would be a fork, and it could vote twice."""
    home, seat = PeerHome(tmp_path), b"the seat"
    journal = opened(tmp_path)
    _take_seat(journal, home, SOMEBODY, [seat])
    speak(journal)
    journal.close()
    (tmp_path / "journal.db").unlink()
    with pytest.raises(BadConfig, match="Bring back the journal"):
        _take_seat(opened(tmp_path), home, SOMEBODY, [seat])


def test_a_governor_that_said_nothing_yet_takes_its_seat(tmp_path: Path) -> None:
    """A first start that came to nothing takes nothing away."""
    home, seat = PeerHome(tmp_path), b"the seat"
    for _ in range(2):
        journal = opened(tmp_path)
        _take_seat(journal, home, SOMEBODY, [seat])
        assert journal.feed == seat
        journal.close()
        (tmp_path / "journal.db").unlink()
