"""The admission desk: who is let in, who is not, and that no use of a code is lost or counted twice."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from peer.members.admitting.admission import DeskLimits, direct
from peer.members.admitting.register import Entry, Register
from peer.members.hostmember import VALID_MS
from peer.net.meet.knocks import ADDRESSES_MAX, Admitted, Elsewhere, Knock, NotAdmitted, Standing, Why, open_item
from protocol.certificate import fault_of, read_certificate
from protocol.errors import BadConfig, JournalDamaged
from protocol.invitation import market_tag, standing_to_sign
from protocol.limits import CLOCK_SLACK_MS
from protocol.notices import Admission
from tests.peer.members.desks import AGENT, HOUR_MS, Bench, bench, computer, read


@pytest.fixture
def desk(tmp_path: Path) -> Bench:
    """A desk of a market by invitation."""
    return bench(tmp_path)


def test_the_admitter_proves_itself_to_this_asker_and_its_nonce(desk: Bench) -> None:
    """Nothing was shown to it yet; what it signs is of no use to anybody else."""
    invitation, nonce, asker = desk.invite(), os.urandom(32), os.urandom(32)
    standing = desk.knock(invitation, nonce, asker)
    assert isinstance(standing, Standing)
    sealer = desk.admitter.sealer
    assert sealer.verify(
        standing.admitter, standing_to_sign(desk.market, nonce, asker, standing.wall_ms), standing.signature
    )
    assert desk.knock(invitation._replace(admitter_prefix=b"not"), nonce, asker) == NotAdmitted(Why.NOT_HERE)
    assert desk.knock(invitation._replace(market_prefix=bytes(10)), nonce, asker) == NotAdmitted(Why.NOT_HERE)


def test_a_code_lets_its_joiner_in_with_the_rights_it_carries(desk: Bench) -> None:
    """The certificate is for the joiner's keys, from now on, and holds."""
    host = computer()
    admitted = desk.redeem(desk.invite(role="agent"), host)
    assert isinstance(admitted, Admitted)
    certified = read_certificate(admitted.certificate)
    claim = certified.certificate
    assert (claim.member, claim.transport_key, claim.sponsor) == (host.peer, host.transport_key, host.peer)
    assert (claim.rights, claim.from_ms, claim.until_ms) == (AGENT, desk.now_ms, desk.now_ms + VALID_MS)
    body = desk.amend()
    assert fault_of(certified, body, desk.market, host.sealer, desk.now_ms) is None


@pytest.mark.spec("M-10.23")
def test_who_asks_again_gets_the_same_and_costs_no_use(desk: Bench) -> None:
    """Also after the code has expired: its answer may have been lost just before."""
    invitation, host = desk.invite(), computer()
    first = desk.redeem(invitation, host)
    assert desk.redeem(invitation, host) == first
    desk.now_ms += 2 * HOUR_MS
    assert desk.redeem(invitation, host) == first
    assert len([entry for entry in desk.register.entries() if entry.member == host.peer]) == 1


@pytest.mark.spec("M-10.23")
def test_a_code_is_good_for_so_many_and_no_more(desk: Bench) -> None:
    """A restart of the desk changes nothing: uses are on the disk."""
    invitation = desk.invite(uses=2)
    assert isinstance(desk.redeem(invitation, computer()), Admitted)
    desk = Bench(desk.home)
    last = computer()
    admitted = desk.redeem(invitation, last)
    assert isinstance(admitted, Admitted)
    assert desk.redeem(invitation, computer()) == NotAdmitted(Why.USED_UP)
    assert desk.redeem(invitation, last) == admitted


@pytest.mark.spec("M-10.23")
def test_a_use_is_on_the_disk_before_it_is_answered(desk: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """If it cannot be written, nobody is let in."""
    monkeypatch.setattr(desk.register, "path", desk.home.path / "gone" / "register.db")
    assert desk.redeem(desk.invite(), computer()) == NotAdmitted(Why.BUSY)


def test_an_expired_code_lets_nobody_in(desk: Bench) -> None:
    """By the admitter's clock, which its maker went by."""
    invitation = desk.invite(until_ms=desk.now_ms + HOUR_MS)
    desk.now_ms += HOUR_MS + 60_000
    assert desk.redeem(invitation, computer()) == NotAdmitted(Why.EXPIRED)


def test_whatever_is_changed_in_a_code_it_is_wrong(desk: Bench) -> None:
    """More rights, more uses, a later end, another serial: the secret does not fit any more."""
    invitation = desk.invite()
    for forged in (
        invitation._replace(rights=AGENT[:1]),
        invitation._replace(uses=9),
        invitation._replace(until_minutes=invitation.until_minutes + 60),
        invitation._replace(serial=b"abc"),
        invitation._replace(secret=bytes(9)),
    ):
        assert desk.redeem(forged, computer()) == NotAdmitted(Why.WRONG_CODE)
    assert isinstance(desk.redeem(invitation, computer()), Admitted)


@pytest.mark.spec("M-10.22", "M-10.23")
def test_a_request_is_of_use_to_its_maker_alone(desk: Bench) -> None:
    """Another connection, admitter, market or key, or another time, and it is nothing."""
    invitation, host = desk.invite(), computer()
    assert desk.redeem(invitation, host, asker=os.urandom(32)) == NotAdmitted(Why.NOT_HERE)
    assert desk.redeem(invitation, host, admitter=computer().peer) == NotAdmitted(Why.NOT_HERE)
    assert desk.redeem(invitation, host, market=bytes(32)) == NotAdmitted(Why.NOT_HERE)
    assert desk.redeem(invitation, host, nonce=bytes(32)) == NotAdmitted(Why.WRONG_CODE)
    assert desk.redeem(invitation, host, proof=None) == NotAdmitted(Why.WRONG_CODE)
    late = desk.now_ms - CLOCK_SLACK_MS - 1
    assert desk.redeem(invitation, host, made_ms=late) == NotAdmitted(Why.CLOCK)


def test_a_flood_of_wrong_codes_keeps_nobody_out(tmp_path: Path) -> None:
    """The wrong ones are soon answered no more; a right one always is."""
    desk = bench(tmp_path, limits=DeskLimits(wrong_per_minute_max=3))
    right = desk.invite()
    wrong = right._replace(secret=bytes(9))
    answers = [desk.redeem(wrong, computer()) for _ in range(5)]
    assert answers == [NotAdmitted(Why.WRONG_CODE)] * 3 + [None] * 2
    assert isinstance(desk.redeem(right, computer()), Admitted)
    desk.now_ms += 60_000
    assert desk.redeem(wrong, computer()) == NotAdmitted(Why.WRONG_CODE)


def test_where_members_are_admitted_by_hand_no_code_is_taken(tmp_path: Path) -> None:
    """Not even one that was made before."""
    desk = bench(tmp_path)
    invitation = desk.invite()
    desk.amend(admission=Admission.LIST)
    assert desk.redeem(invitation, computer()) == NotAdmitted(Why.BY_HAND)


@pytest.mark.spec("M-10.23")
def test_a_revoked_member_comes_in_by_no_code_and_no_renewal(desk: Bench) -> None:
    """Neither by the one it came by, nor by another."""
    invitation, host = desk.invite(), computer()
    admitted = desk.redeem(invitation, host)
    assert isinstance(admitted, Admitted)
    desk.revoke(host.peer)
    assert desk.redeem(invitation, host) == NotAdmitted(Why.REVOKED)
    assert desk.redeem(desk.invite(), host) == NotAdmitted(Why.REVOKED)
    assert desk.renew(host, admitted.certificate) == NotAdmitted(Why.REVOKED)


def test_an_admitter_that_the_charter_names_no_more_admits_nobody(desk: Bench) -> None:
    """What it signed would not hold."""
    invitation = desk.invite()
    desk.amend(admitters=(computer().peer,))
    assert desk.redeem(invitation, computer()) == NotAdmitted(Why.NOT_HERE)


def test_a_member_gets_its_rights_again(desk: Bench) -> None:
    """Shortly before the end of its certificate, or within the grace after it; asked twice, it is one."""
    host = computer()
    admitted = desk.redeem(desk.invite(role="observer"), host)
    assert isinstance(admitted, Admitted)
    desk.now_ms += VALID_MS + HOUR_MS
    renewed = desk.renew(host, admitted.certificate)
    assert isinstance(renewed, Admitted)
    claim = read(renewed.certificate)
    assert (claim.rights, claim.until_ms) == (read(admitted.certificate).rights, desk.now_ms + VALID_MS)
    assert desk.renew(host, admitted.certificate) == renewed
    assert [entry.certificate for entry in desk.register.entries() if entry.member == host.peer] == [
        renewed.certificate
    ]


def test_what_does_not_hold_is_not_renewed(desk: Bench) -> None:
    """Too long expired, another's, or no certificate."""
    host, other = computer(), computer()
    admitted = desk.redeem(desk.invite(), host)
    assert isinstance(admitted, Admitted)
    assert desk.renew(other, admitted.certificate) == NotAdmitted(Why.CERTIFICATE)
    assert desk.renew(host, b"") == NotAdmitted(Why.CERTIFICATE)
    desk.now_ms += VALID_MS + desk.limits.renewal_grace_ms + 1
    assert desk.renew(host, admitted.certificate) == NotAdmitted(Why.CERTIFICATE)


def test_another_member_says_where_the_admitter_is(desk: Bench) -> None:
    """If it knows; what it says is a place to knock."""
    knock = Knock(market_tag(desk.market), b"abc", bytes(32))
    known = [f"tcp://192.0.2.{number}:4000" for number in range(ADDRESSES_MAX + 2)]
    told = open_item(direct(knock, desk.market, {b"abc": known}.__getitem__))
    assert told == Elsewhere(tuple(known[:ADDRESSES_MAX]))
    assert open_item(direct(knock, desk.market, lambda prefix: ())) == NotAdmitted(Why.NOT_HERE)
    assert open_item(direct(knock, bytes(32), lambda prefix: known)) == NotAdmitted(Why.NOT_HERE)


def test_no_secret_is_in_a_representation(desk: Bench) -> None:
    """Neither a desk's, nor an admitter's, nor a joiner's."""
    host, invitation = computer(), desk.invite()
    secrets = [invitation.secret, host.transport.private_bytes_raw()]
    for thing in (desk.desk, desk.admitter, host, invitation, desk.redeem(invitation, host)):
        shown = repr(thing)
        assert not any(secret.hex() in shown or repr(secret) in shown for secret in secrets)


def test_the_register_counts_uses_of_two_processes_as_one(tmp_path: Path) -> None:
    """Whoever comes second finds what the first has written."""
    ours, theirs = Register(tmp_path / "register.db"), Register(tmp_path / "register.db")
    assert ours.admit(Entry(b"code", b"ada", b"for ada", "", 1), uses=1) == b"for ada"
    assert theirs.admit(Entry(b"code", b"bob", b"for bob", "", 2), uses=1) is None
    assert theirs.admit(Entry(b"code", b"ada", b"another", "", 3), uses=1) == b"for ada"


def test_the_register_can_be_read_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looks at the members of a market on a disk that is read-only sees them; who lets one in is told."""
    register = Register(tmp_path / "register.db")
    register.path.touch()
    assert register.entries() == []
    entry = Entry(b"code", b"ada", b"for ada", "", 1)
    register.keep(entry)
    register.revoked(b"bob", "sold", 2)

    def read_only(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "chmod", read_only)
    assert (register.entries(), register.reasons()) == ([entry], {b"bob": "sold"})
    with pytest.raises(BadConfig, match=r"cannot be written: .*Read-only"):
        register.keep(entry)


def test_a_damaged_register_is_told_with_what_helps(tmp_path: Path) -> None:
    """Nothing is counted anew in its place: a code that is used up would be good again."""
    register = Register(tmp_path / "register.db")
    register.path.write_bytes(b"no database" * 100)
    for look in (register.entries, register.reasons, lambda: register.newest(b"ada")):
        with pytest.raises(JournalDamaged, match="is damaged") as told:
            look()
        assert "move it away when every code has expired" in told.value.do
