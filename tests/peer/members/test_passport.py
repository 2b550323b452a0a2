"""Where a peer's certificate comes from: its own file, itself as an admitter, its computer's member, or itself."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from peer import keystore
from peer.home import MarketHome, PeerHome
from peer.members.charters import keep_charter, newest_charter, write_charter
from peer.members.entering.founding import found_market
from peer.members.hostmember import HostMember, certify, wall_clock_ms
from peer.members.passport import Passports
from protocol.certificate import Certificate, Right, read_certificate
from protocol.errors import BadConfig
from protocol.keys import Ed25519Sealer
from protocol.membership import Membership
from protocol.notices import Admission, Revocation

KEY = b"a transport key of 32 bytes.... "


def market(tmp_path: Path, admission: Admission = Admission.INVITE) -> MarketHome:
    """A market that was founded on this computer."""
    home = MarketHome(tmp_path / "markets" / "fruit")
    found_market(home, admission=admission)
    return home


def passports(home: MarketHome, peer: PeerHome, key: bytes = KEY) -> Passports:
    """What makes this peer's certificates."""
    sealer = Ed25519Sealer(keystore.load_or_create(peer.make().key))
    return Passports(home, peer, Membership(newest_charter(home), sealer=sealer, wall_ms=wall_clock_ms()), sealer, key)


def issued(passes: Passports) -> Certificate:
    """The certificate, which holds: `issue` gives no other."""
    return read_certificate(passes.issue(wall_clock_ms())).certificate


def test_computer_vouches_for_its_peers_within_what_it_has_itself(tmp_path: Path) -> None:
    """Offline and anew at each start; whoever answers for the peer is the computer's member."""
    home = market(tmp_path)
    claim = issued(passports(home, home.peer("worker")))
    host = HostMember.load(home.member)
    assert claim.issuer == claim.sponsor == host.peer
    assert claim.rights == (Right.BID, Right.ANNOUNCE, Right.OBSERVE)


def test_rights_to_govern_and_admit_are_never_handed_on(tmp_path: Path) -> None:
    """A computer that may admit does not make admitters of its peers."""
    home = market(tmp_path)
    host = HostMember.load(home.member)
    admitter = Ed25519Sealer(keystore.load(home.governor.key))
    home.certificate.write_bytes(
        certify(
            admitter, market=newest_charter(home).id, member=host.peer, transport_key=host.transport_key,
            rights=tuple(Right), wall_ms=wall_clock_ms(),
        )
    )  # fmt: skip
    assert {Right.GOVERN, Right.ADMIT}.isdisjoint(issued(passports(home, home.peer("worker"))).rights)


def test_admitter_issues_its_own(tmp_path: Path) -> None:
    """The first governor is its market's admitter."""
    home = market(tmp_path)
    claim = issued(passports(home, home.governor))
    assert claim.issuer == claim.member == claim.sponsor
    assert set(claim.rights) == set(Right)


def test_own_certificate_comes_first_and_one_for_other_keys_is_passed_over(tmp_path: Path) -> None:
    """An admitter may have given this peer alone what its computer has not; it counts only for its own keys."""
    home = market(tmp_path)
    peer = home.peer("worker").make()
    sealer = Ed25519Sealer(keystore.load_or_create(peer.key))
    admitter = Ed25519Sealer(keystore.load(home.governor.key))
    peer.certificate.write_bytes(
        certify(
            admitter, market=newest_charter(home).id, member=sealer.peer, transport_key=KEY, rights=(Right.OBSERVE,),
            wall_ms=wall_clock_ms(),
        )
    )  # fmt: skip
    assert issued(passports(home, peer)).issuer == admitter.peer
    assert issued(passports(home, peer, b"k" * 32)).sponsor == HostMember.load(home.member).peer


def test_in_an_open_market_everybody_is_a_member(tmp_path: Path) -> None:
    """A computer without a member's key issues for itself what everybody may have."""
    home = market(tmp_path, Admission.OPEN)
    home.member.unlink()
    home.certificate.unlink()
    claim = issued(passports(home, home.peer("worker")))
    assert claim.issuer == claim.member
    assert claim.rights == (Right.BID, Right.ANNOUNCE, Right.OBSERVE)


def test_computer_that_is_no_member_is_told_how_to_become_one(tmp_path: Path) -> None:
    """The message says what stands against it, and what to do."""
    home = market(tmp_path)
    home.certificate.unlink()
    with pytest.raises(BadConfig, match="no member of the market 'fruit'") as raised:
        issued(passports(home, home.peer("worker")))
    assert "vendue join CODE" in raised.value.do
    home.certificate.write_bytes(b"rubbish")
    with pytest.raises(BadConfig) as raised:
        issued(passports(home, home.peer("worker")))
    assert "this computer's membership" in raised.value.why


def test_revoked_computer_is_told_so(tmp_path: Path) -> None:
    """Its certificate is whole, and does not hold any more under the newest charter."""
    home = market(tmp_path)
    first, host = newest_charter(home), HostMember.load(home.member)
    authority = Ed25519Sealer(keystore.load(home.authority))
    revocation = Revocation(member=host.peer, feed=bytes(8), last_seq=0)
    body = msgspec.structs.replace(first.body, version=2, revocations=(revocation,))
    keep_charter(home, write_charter(body, authority, first), authority)
    with pytest.raises(BadConfig) as raised:
        issued(passports(home, home.peer("worker")))
    assert "revoked" in raised.value.why
