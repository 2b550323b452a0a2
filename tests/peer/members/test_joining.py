"""Joining, told as stories: who is believed, what is shown to whom, and what is left when it fails."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from peer.home import MarketHome
from peer.members.charters import newest_charter, read_charter
from peer.members.entering import again
from peer.members.entering.again import home_here, is_void, key_to_keep, move_back_in
from peer.members.entering.clocks import CLOCKS_APART_MAX_MS
from peer.members.entering.draft import drafting
from peer.members.entering.joining import (
    Found,
    draft_mark,
    find_admitter,
    home_for,
    move_in,
    redeem,
)
from peer.members.hostmember import HostMember
from peer.net.meet.knocks import Elsewhere, Knock, Redeem, Standing, open_item, pack
from peer.net.meet.searching import Lobbies
from protocol.certificate import Right, read_certificate
from protocol.errors import BadCode, BadEvidence, ClockWrong, NoPeers, UsageError, VendueError
from protocol.invitation import Invitation, standing_to_sign
from tests.peer.members.desks import AGENT, HOUR_MS, Bench, bench, computer

DOOR, OTHER = "tcp://192.0.2.1:4000", "tcp://192.0.2.2:4000"
Forge = Callable[[Standing], Standing]


class Wire:
    """Lobbies without sockets: one desk behind an address, and a memory of what was asked."""

    def __init__(self, desk: Bench, host: HostMember) -> None:
        self.desk, self.host = desk, host
        self.asked: list[Struct] = []
        self.forge: Forge = lambda standing: standing
        self.lost = 0
        """How many answers to a redemption are lost."""
        self.addresses = {DOOR}

    async def ask(self, where: str, request: Struct) -> list[bytes] | None:
        self.asked.append(request)
        if where not in self.addresses:
            return None
        match request:
            case Knock():
                answer = self.desk.desk.knock(request, self.host.transport_key)
                standing = open_item(answer)
                return [pack(self.forge(standing))] if isinstance(standing, Standing) else answer
            case Redeem():
                answer = self.desk.desk.redeem(request, self.host.transport_key)
                self.lost -= 1
                return None if self.lost >= 0 else answer
        return None


class Joiner:
    """One computer that joins: with a data home of its own."""

    def __init__(self, desk: Bench, folder: Path, invitation: Invitation) -> None:
        self.desk, self.folder, self.invitation = desk, folder, invitation
        self.clock_ms = desk.now_ms
        self.markets = folder / "markets"
        self.wire: Wire | None = None

    async def join(self, *, name: str | None = None, forge: Forge | None = None, lost: int = 0) -> MarketHome:
        """Join as the command does, but for the sockets."""
        lobbies = Lobbies()
        lobbies.add(DOOR)
        with drafting(self.markets, draft_mark(self.invitation), resume=True) as draft:
            there = home_here(self.invitation.market_prefix, self.folder)
            kept = key_to_keep(there) if there is not None else None
            host = kept or HostMember.load_or_create(draft.home.member)
            wire = self.wire = Wire(self.desk, host)
            wire.forge, wire.lost = forge or wire.forge, lost
            found = await self.find(wire, lobbies, host)
            target = there or home_for(found.newest, name, self.folder)
            certificate = await redeem(
                self.invitation, found, wire.ask, host, draft, label="b", wall_ms=lambda: self.clock_ms
            )
            if there is not None:
                move_back_in(draft, there, found.charters, certificate)
            else:
                move_in(draft, target, found.charters, certificate, "")
        return target

    async def find(self, wire: Wire, lobbies: Lobbies, host: HostMember) -> Found:
        """Look for the admitter for a moment."""
        return await find_admitter(self.invitation, wire.ask, lobbies, host, wait_s=0.1, wall_ms=lambda: self.clock_ms)

    @property
    def shown(self) -> list[type[Struct]]:
        """What kinds of request this computer has sent."""
        assert self.wire is not None
        return [type(request) for request in self.wire.asked]


@pytest.fixture
def desk(tmp_path: Path) -> Bench:
    """A market by invitation."""
    return bench(tmp_path / "there")


@pytest.fixture
def joiner(desk: Bench, tmp_path: Path) -> Joiner:
    """A computer with a code for it."""
    return Joiner(desk, tmp_path / "here", desk.invite())


async def test_a_code_becomes_a_home_that_is_whole(joiner: Joiner) -> None:
    """The charter is the code's market, the certificate is for the key beside it, and nothing else lies about."""
    home = await joiner.join()
    assert home.path.name == "fair"
    assert read_charter(home.charter).id == joiner.desk.market
    claim = read_certificate(home.certificate.read_bytes()).certificate
    assert (claim.member, claim.rights) == (HostMember.load(home.member).peer, AGENT)
    assert os.listdir(joiner.markets) == ["fair"]
    assert home_here(joiner.invitation.market_prefix, joiner.folder) == home
    assert not is_void(home, joiner.clock_ms)


def _lost_key(desk: Bench, home: MarketHome) -> None:
    home.member.unlink()


def _garbled_key(desk: Bench, home: MarketHome) -> None:
    home.member.write_bytes(b"no key")


def _lost_certificate(desk: Bench, home: MarketHome) -> None:
    home.certificate.unlink()


def _garbled_certificate(desk: Bench, home: MarketHome) -> None:
    home.certificate.write_bytes(b"no certificate")


def _revoked(desk: Bench, home: MarketHome) -> None:
    desk.revoke(HostMember.load(home.member).peer)
    home.charter_version(2).write_bytes(desk.charters()[1])


@pytest.mark.parametrize("spoil", [_lost_key, _garbled_key, _lost_certificate, _garbled_certificate, _revoked])
async def test_a_void_membership_is_made_anew_in_its_home(
    joiner: Joiner, spoil: Callable[[Bench, MarketHome], None]
) -> None:
    """Who is invited once more comes back to its peers' keys and journals, with its old key if that is of any use."""
    home = await joiner.join()
    before = HostMember.load(home.member).peer
    home.peer("poet").make().journal.write_bytes(b"what was promised")
    home.settings.write_text("# by hand\n")
    spoil(joiner.desk, home)
    assert is_void(home, joiner.clock_ms)
    joiner.invitation = joiner.desk.invite()
    assert await joiner.join() == home
    assert not is_void(home, joiner.clock_ms)
    kept = spoil in (_lost_certificate, _garbled_certificate)
    assert (HostMember.load(home.member).peer == before) is kept
    assert home.peer("poet").journal.read_bytes() == b"what was promised"
    assert home.settings.read_text() == "# by hand\n"
    assert os.listdir(joiner.markets) == ["fair"]


async def test_a_kill_while_a_membership_is_made_anew_costs_no_second_use(
    joiner: Joiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key was there and its certificate was not: the same command goes on with that key."""
    home = await joiner.join()
    _lost_key(joiner.desk, home)
    joiner.invitation = joiner.desk.invite()
    write, written = again.write_whole, list[Path]()

    def killed(path: Path, content: bytes, **how: object) -> None:
        if path == home.certificate:
            raise KeyboardInterrupt
        written.append(path)
        write(path, content)

    monkeypatch.setattr(again, "write_whole", killed)
    with pytest.raises(KeyboardInterrupt):
        await joiner.join()
    assert written == [home.member]
    assert is_void(home, joiner.clock_ms)
    monkeypatch.setattr(again, "write_whole", write)
    await joiner.join()
    assert not is_void(home, joiner.clock_ms)


async def test_another_market_that_is_damaged_is_no_obstacle(joiner: Joiner) -> None:
    """Its charter does not hold: that is its own trouble."""
    broken = MarketHome(joiner.markets / "broken").make()
    broken.charter.write_bytes(b"no charter")
    assert (await joiner.join()).path.name == "fair"


async def test_a_later_charter_comes_along(joiner: Joiner) -> None:
    """A joiner begins with the first version, which proves the market, and the newest, which binds."""
    joiner.desk.revoke(computer().peer)
    joiner.desk.revoke(computer().peer)
    home = await joiner.join()
    assert newest_charter(home).body.version == 3


def _other_admitter(standing: Standing) -> Standing:
    return msgspec.structs.replace(standing, admitter=computer().peer)


def _another_time(standing: Standing) -> Standing:
    return msgspec.structs.replace(standing, wall_ms=standing.wall_ms + 1)


def _no_charter(standing: Standing) -> Standing:
    return msgspec.structs.replace(standing, charters=(b"x",))


@pytest.mark.parametrize("forge", [_other_admitter, _another_time, _no_charter])
@pytest.mark.spec("M-10.21")
async def test_an_impostor_is_shown_a_nonce_and_nothing_of_the_code(joiner: Joiner, forge: Forge) -> None:
    """Another admitter, a signature for something else, a charter that is none: each is noticed before the secret."""
    with pytest.raises(BadEvidence, match="not the admitter that the code names"):
        await joiner.join(forge=forge)
    assert set(joiner.shown) == {Knock}
    assert os.listdir(joiner.markets) == []


async def test_another_market_is_not_taken_for_the_codes(joiner: Joiner, tmp_path: Path) -> None:
    """Its charter and its admitter are sound, and are not those that the code names."""
    other = bench(tmp_path / "elsewhere")

    def swap(standing: Standing) -> Standing:
        nonce = joiner.wire.asked[-1].nonce  # type: ignore[union-attr,attr-defined]
        sealer = other.admitter.sealer
        signed = standing_to_sign(other.market, nonce, joiner.wire.host.transport_key, standing.wall_ms)  # type: ignore[union-attr]
        return Standing(tuple(other.charters()), sealer.peer, standing.wall_ms, sealer.sign(signed))

    with pytest.raises(BadEvidence, match="not the charter of that market"):
        await joiner.join(forge=swap)
    assert set(joiner.shown) == {Knock}


@pytest.mark.parametrize("wrong_ms", [HOUR_MS, -HOUR_MS, CLOCKS_APART_MAX_MS])
async def test_a_wrong_clock_is_told_before_the_code_is_used(joiner: Joiner, wrong_ms: int) -> None:
    """Which way, by how much, and how to mend it; then the same code is still good."""
    joiner.clock_ms += wrong_ms
    with pytest.raises(ClockWrong, match=r"minutes (ahead of|behind) the admitter.s") as told:
        await joiner.join()
    assert "timedatectl" in told.value.do
    assert set(joiner.shown) == {Knock}
    joiner.clock_ms -= wrong_ms
    await joiner.join()


async def test_a_lost_answer_costs_no_second_use(joiner: Joiner) -> None:
    """The key waits in the draft: the same command goes on, as the same member."""
    with pytest.raises(NoPeers, match="does not answer any more") as told:
        await joiner.join(lost=99)
    assert "no second use" in told.value.do
    assert len(os.listdir(joiner.markets)) == 1
    home = await joiner.join(lost=1)
    members = [entry.member for entry in joiner.desk.register.entries() if entry.label == "b"]
    assert members == [HostMember.load(home.member).peer]
    assert os.listdir(joiner.markets) == ["fair"]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda joiner: setattr(joiner, "invitation", joiner.invitation._replace(secret=bytes(9))), "does not know"),
        (lambda joiner: setattr(joiner.desk, "now_ms", joiner.desk.now_ms + 2 * HOUR_MS), "expired"),
        (lambda joiner: joiner.desk.redeem(joiner.invitation, computer()), "used up"),
    ],
)
async def test_a_code_that_lets_nobody_in_says_why_and_leaves_nothing(
    joiner: Joiner, spoil: Callable[[Joiner], object], says: str
) -> None:
    """Wrong, expired, used up: exit code 7, a remedy, and no key that nobody will use."""
    spoil(joiner)
    joiner.clock_ms = joiner.desk.now_ms
    with pytest.raises(BadCode, match=says) as told:
        await joiner.join()
    assert told.value.exit_code == 7
    assert "vendue invite" in told.value.do
    assert os.listdir(joiner.markets) == []


async def test_a_name_that_is_taken_is_told_before_the_code_is_used(joiner: Joiner) -> None:
    """Another market of that name stays what it is; under another name both live here."""
    taken = joiner.markets / "fair"
    taken.mkdir(parents=True, mode=0o700)
    joiner.markets.chmod(0o700)
    (taken / "charter.vendue").touch()
    with pytest.raises(UsageError, match="another market 'fair'") as told:
        await joiner.join()
    assert "--name" in told.value.do
    assert Redeem not in joiner.shown
    assert (await joiner.join(name="fair-2")).charter.exists()


async def test_nobody_there_ends_with_3_and_says_what_to_try(joiner: Joiner) -> None:
    """Whether no place was known, or none of them opened."""
    host, lobbies = computer(), Lobbies()
    with pytest.raises(NoPeers, match="No peer of that market was found") as told:
        await joiner.find(Wire(joiner.desk, host), lobbies, host)
    assert "--seed HOST:PORT" in told.value.do
    lobbies.multicast_failure = "OSError: no such device"
    with pytest.raises(NoPeers, match="no such device"):
        await joiner.find(Wire(joiner.desk, host), lobbies, host)
    lobbies.add("tcp://127.0.0.1:9")
    lobbies.unknown.append("nobody.invalid:1")
    with pytest.raises(NoPeers, match=r"127\.0\.0\.1:9: connection refused; nobody\.invalid:1: the name is not known"):
        await joiner.find(Wire(joiner.desk, host), lobbies, host)


async def test_who_is_sent_elsewhere_knocks_there(joiner: Joiner) -> None:
    """A member that admits nobody is enough to find the admitter by."""
    host, lobbies = computer(), Lobbies()
    lobbies.add(OTHER)
    wire = Wire(joiner.desk, host)

    async def ask(where: str, request: Struct) -> list[bytes] | None:
        return [pack(Elsewhere((DOOR,)))] if where == OTHER else await wire.ask(where, request)

    found = await find_admitter(joiner.invitation, ask, lobbies, host, wait_s=5, wall_ms=lambda: joiner.clock_ms)
    assert (found.address, found.admitter) == (DOOR, joiner.desk.admitter.sealer.peer)


async def test_errors_never_repeat_the_code(joiner: Joiner) -> None:
    """Whatever goes wrong, what is told can be shown to anybody."""
    secret = joiner.invitation.secret
    joiner.desk.redeem(joiner.invitation, computer())
    told: VendueError | None = None
    try:
        await joiner.join()
    except VendueError as error:
        told = error
    assert told is not None
    assert secret.hex() not in repr(told.__dict__)
    assert repr(secret) not in repr(told.__dict__)


def test_an_observers_right_is_its_own(desk: Bench) -> None:
    """What a code carries is what a certificate gives, and no more."""
    assert desk.invite(role="observer").rights == (Right.OBSERVE,)
