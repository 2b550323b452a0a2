"""A market made by name: whole or not at all, and everything in it fits together."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from peer import keystore
from peer.home import MarketHome
from peer.homelock import lock
from peer.members.admitting.register import Register
from peer.members.charters import keep_charter, load_authority, newest_charter, read_charter, write_charter
from peer.members.entering.founding import FOUNDER_RIGHTS, Founded, found_market
from peer.members.hostmember import HostMember, wall_clock_ms
from protocol.certificate import fault_of, read_certificate
from protocol.codec import encode
from protocol.errors import BadConfig, HomeBusy, UsageError
from protocol.keys import Ed25519Sealer
from protocol.notices import Admission

DIE_AT = """
import os, signal, sys
from pathlib import Path
import peer.members.entering.founding as founding, peer.members.entering.draft as draft
from peer.home import MarketHome
from protocol.notices import Admission
calls = 0
def die(call):
    def counted(*args, **kwargs):
        global calls
        calls += 1
        if calls == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **kwargs)
    return counted
for place, name in ((os, "fsync"), (os, "link"), (os, "replace"), (os, "rename")):
    setattr(place, name, die(getattr(place, name)))
founding.found_market(MarketHome(Path(sys.argv[1])), admission=Admission.INVITE)
print(calls)
"""


@pytest.fixture
def home(tmp_path: Path) -> MarketHome:
    """Where a market can be made."""
    return MarketHome(tmp_path / "markets" / "fair")


def make(home: MarketHome, **options: object) -> Founded:
    """Make a market by invitation, unless told otherwise."""
    return found_market(home, **({"admission": Admission.INVITE} | options))  # type: ignore[arg-type]


def test_a_new_market_names_its_governor_as_admitter_and_lets_this_computer_in(home: MarketHome) -> None:
    """The certificate of the founder's computer holds under the charter, which its directory proves."""
    founded = make(home)
    charter = read_charter(home.charter)
    assert charter.id == founded.charter.id
    governor = Ed25519Sealer(keystore.load(home.governor.key))
    assert charter.body.admitters == (governor.peer,) == tuple(seat.governor for seat in charter.body.governors)
    assert charter.author == Ed25519Sealer(keystore.load(home.authority)).peer
    host = HostMember.load(home.member)
    certified = read_certificate(home.certificate.read_bytes())
    assert fault_of(certified, charter.body, charter.id, governor, wall_clock_ms()) is None
    assert (certified.certificate.member, certified.certificate.rights) == (host.peer, FOUNDER_RIGHTS)
    assert [entry.member for entry in Register(home.register).entries()] == [host.peer]


def test_secrets_of_a_new_market_are_for_their_owner_alone(home: MarketHome) -> None:
    """Every key has mode 0600, in directories of mode 0700; nothing else lies about."""
    make(home)
    secrets = [home.authority, home.member, home.governor.key, home.governor.transport, home.register]
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}
    assert stat.S_IMODE(home.path.stat().st_mode) == stat.S_IMODE(home.governor.path.stat().st_mode) == 0o700
    assert os.listdir(home.path.parent) == ["fair"]


def test_a_market_that_is_there_is_refused_and_left_as_it_is(home: MarketHome) -> None:
    """To make it again would be to make another."""
    first = make(home).charter.id
    with pytest.raises(UsageError, match="already"):
        make(home)
    assert read_charter(home.charter).id == first


def test_authority_on_a_stick_is_not_in_the_market(home: MarketHome, tmp_path: Path) -> None:
    """The home only says where it was; without the stick the error says so, and with it elsewhere it can be named."""
    stick = tmp_path / "stick"
    founded = make(home, authority_directory=stick)
    assert founded.authority == stick / "fair-authority.pem"
    assert load_authority(home, founded.charter, None).peer == founded.charter.author
    stick.rename(tmp_path / "safe")
    with pytest.raises(BadConfig, match=r"stick/fair-authority\.pem is missing") as missing:
        load_authority(home, founded.charter, None)
    assert "--authority DIRECTORY" in missing.value.do
    assert load_authority(home, founded.charter, tmp_path / "safe").peer == founded.charter.author


def test_another_markets_authority_signs_nothing_here(home: MarketHome, tmp_path: Path) -> None:
    """A key that is not the charter's is refused before it has signed."""
    founded = make(home)
    keystore.create(tmp_path / "stick" / "authority.pem")
    with pytest.raises(BadConfig, match="is not the key of this market's authority"):
        load_authority(home, founded.charter, tmp_path / "stick")


def test_an_ungoverned_market_admits_by_the_computers_own_member(home: MarketHome) -> None:
    """There is no seat, and no quorum."""
    charter = make(home, governed=False).charter.body
    assert (charter.governors, charter.permits_needed) == ((), 0)
    assert charter.admitters == (HostMember.load(home.member).peer,)


def test_the_newest_version_is_the_highest_that_the_authority_signed(home: MarketHome) -> None:
    """Files of later versions stand beside the first, which stays the market's identity."""
    founded = make(home)
    authority = load_authority(home, founded.charter, None)
    before = founded.charter
    for version in (2, 3):
        body = msgspec.structs.replace(before.body, version=version, admission=Admission.OPEN)
        before = write_charter(body, authority, before)
        keep_charter(home, before, authority)
    newest = newest_charter(home)
    assert (newest.body.version, newest.market, newest.about) == (3, founded.charter.id, before.about)
    thief = Ed25519Sealer.from_seed(bytes(32))
    forged = encode(
        body, market=before.market, author=thief.peer, feed=before.feed, seq=3, prev=None, made_ms=0, about=before.about
    )
    home.charter_version(4).write_bytes(b"")
    with pytest.raises(BadConfig, match="does not hold"):
        newest_charter(home)
    keep_charter(home, forged, thief)
    home.charter_version(4).unlink()
    with pytest.raises(BadConfig, match="by this market's authority"):
        newest_charter(home)


def test_kill_at_any_moment_leaves_no_half_made_market(home: MarketHome) -> None:
    """After kill -9 there is a whole market or none, and then the same command makes it."""
    moment, ended = -1, -signal.SIGKILL
    while ended == -signal.SIGKILL:
        moment += 2
        died = subprocess.run(
            [sys.executable, "-c", DIE_AT, str(home.path), str(moment)], check=False, timeout=60, capture_output=True
        )
        ended = died.returncode
        if home.path.exists():
            assert read_charter(home.charter)
            break
    assert moment > 10
    assert ended == 0 or home.path.exists()


def test_what_a_killed_founding_left_is_wiped_by_the_next(home: MarketHome) -> None:
    """No key of an attempt that never was a market goes into one."""
    died = subprocess.run([sys.executable, "-c", DIE_AT, str(home.path), "9"], check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL
    (draft,) = home.path.parent.iterdir()
    old = (draft / "authority.pem").read_bytes()
    make(home)
    assert os.listdir(home.path.parent) == ["fair"]
    assert home.authority.read_bytes() != old


def test_two_at_once_make_one_market(home: MarketHome) -> None:
    """The second is told that the first is at it."""
    draft = home.path.parent / ".fair-init.draft"
    draft.mkdir(parents=True, mode=0o700)
    home.path.parent.chmod(0o700)
    with lock(draft), pytest.raises(HomeBusy, match="just now"):
        make(home)
    make(home)


def test_a_full_disk_leaves_nothing(home: MarketHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is the system's, with its remedy; no draft and no key stay behind."""

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadConfig, match="No space left on device"):
        make(home)
    assert os.listdir(home.path.parent) == []
