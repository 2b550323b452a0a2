"""Who is a member now: a function of the charters and certificates learnt and of the time, and a door."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import limits
from protocol.certificate import OutOfTime, Right, fault_of, issue, read_certificate
from protocol.kinds import KINDS
from protocol.membership import Member
from protocol.notices import Admission, Charter
from protocol.rights import RIGHT_OF
from protocol.statements import Bid, Statement
from tests.authors import Author, charter_of, sealer_of, task
from tests.standing import (
    AGENT,
    AUTHORITY,
    HOUR_MS,
    MARKET,
    NOW_MS,
    SEALER,
    admitted,
    charter,
    claim,
    itself,
    membership,
    peer,
    transport,
    vouched,
)


def test_a_certificate_that_holds_makes_a_member() -> None:
    """Known by its key and by its transport key, and again by the same certificate."""
    here = membership()
    ada = here.admit(admitted())
    assert ada == Member(peer("ada"), transport("ada"), AGENT, peer("ada"), NOW_MS + HOUR_MS, admitted())
    assert here.admit(admitted()) == here.member(peer("ada")) == here.by_transport_key(transport("ada")) == ada
    assert dict(here.members) == {peer("ada"): ada}
    assert here.member(peer("bo")) is here.by_transport_key(transport("bo")) is None


def test_a_certificate_that_does_not_hold_is_refused_in_a_phrase() -> None:
    """Unreadable, forged, or against a rule."""
    here = membership()
    assert here.admit(b"rubbish") == "bytes behind the end"
    assert here.admit(itself()) == "market is not open: an admitter lets members in"
    assert here.admit(admitted("authority")) == "the authority is no member"
    assert not here.members


@pytest.mark.spec("M-10.6")
def test_the_newest_certificate_of_a_member_counts() -> None:
    """With another transport key, and the older one is nobody's from then on."""
    here = membership()
    renewed = admitted(from_ms=NOW_MS + 1, transport_key=transport("new"))
    here.admit(admitted())
    here.admit(renewed)
    assert here.admit(admitted()) == here.member(peer("ada"))
    assert here.by_transport_key(transport("new")) == here.member(peer("ada"))
    assert here.by_transport_key(transport("ada")) is None


@pytest.mark.spec("M-10.7")
def test_a_transport_key_falls_to_who_proves_it() -> None:
    """Whoever has a neighbour's transport key certified for itself first does not keep it."""
    here = membership()
    assert isinstance(here.admit(admitted("squatter", transport_key=transport("ada"))), Member)
    assert here.admit(admitted()) == "transport key is another member's"
    assert isinstance(here.admit(admitted(), proven=True), Member)
    assert here.by_transport_key(transport("ada")) == here.member(peer("ada"))
    assert here.member(peer("squatter")) is None


@pytest.mark.spec("M-10.3")
def test_who_expires_is_out_when_the_clock_says_so() -> None:
    """Told once, at the door from that instant on, and in again with a new certificate."""
    here = membership()
    ada = here.admit(admitted())
    assert here.pass_time(NOW_MS + HOUR_MS - 1) == []
    assert here.pass_time(NOW_MS + HOUR_MS) == [ada]
    assert here.pass_time(NOW_MS + HOUR_MS + 1) == []
    assert here.door(peer("ada"), None) == "not a member"
    assert here.refused(transport("ada"))
    assert isinstance(here.admit(admitted(until_ms=NOW_MS + 2 * HOUR_MS)), Member)
    assert not here.refused(transport("ada"))


def test_who_comes_early_is_in_when_its_time_has_come() -> None:
    """Nobody needs to show the certificate a second time."""
    here = membership()
    early = admitted(from_ms=NOW_MS + HOUR_MS, until_ms=NOW_MS + 2 * HOUR_MS)
    assert here.admit(early) == OutOfTime.EARLY
    assert not here.refused(transport("ada"))
    here.pass_time(NOW_MS + HOUR_MS)
    assert here.member(peer("ada")) is not None


@pytest.mark.spec("M-10.3", "M-10.12")
def test_who_is_revoked_is_out_and_all_it_vouched_for() -> None:
    """With the charter that says so; an older one brings nobody back."""
    here = membership()
    members = {here.admit(raw) for raw in (admitted(), vouched(), admitted("bo"))}
    out = here.learn_charter(charter(3, revoked=("ada",)))
    assert {one.peer for one in out} == {peer("ada"), peer("child")}
    assert out[0] in members
    assert here.refused(transport("ada"))
    assert here.refused(transport("child"))
    assert here.door(peer("ada"), None) == "member is revoked"
    assert here.admit(admitted(until_ms=NOW_MS + 2 * HOUR_MS)) == "member is revoked"
    assert here.learn_charter(charter(2)) == []
    assert here.charter == charter(3, revoked=("ada",))
    here.learn_charter(charter(4))
    assert here.member(peer("ada")) is not None


@pytest.mark.spec("M-10.12")
def test_only_the_authority_changes_the_charter() -> None:
    """In this market, soundly, with a higher number."""
    first = charter()
    here = membership(first)
    newer = charter_of()
    for other in (
        Author("thief").say(charter(2).body, market=MARKET), charter(1),
        AUTHORITY.say(charter(2).body, seq=2), charter(2, permits_needed=1),
        AUTHORITY.say(newer, market=MARKET, seq=2),
    ):  # fmt: skip
        here.learn_charter(other)
        assert here.charter is first


def test_the_first_of_two_charters_with_one_number_stays() -> None:
    """They are a fork of the authority, which others convict."""
    here = membership()
    here.learn_charter(charter(2))
    here.learn_charter(charter(2, admission=Admission.LIST))
    assert here.charter == charter(2)


@pytest.mark.spec("M-10.8")
def test_every_kind_has_its_right() -> None:
    """A new kind is not let in by having been forgotten."""
    assert RIGHT_OF.keys() | {Charter} == {kind.body for kind in KINDS.values()}


@pytest.mark.spec("M-10.8")
@pytest.mark.parametrize("right", Right)
def test_a_member_says_what_it_has_the_right_to(right: Right) -> None:
    """And nothing else, but for a card."""
    here = membership()
    here.admit(admitted(rights=(right,)))
    ada = Author("ada")
    assert here.door(ada.peer, None) is None
    bid, announcement = ada.say(Bid(price=1, duration_ms=1)), ada.say(task())
    assert (here.door(ada.peer, bid) is None) == (right is Right.BID)
    assert (here.door(ada.peer, announcement) is None) == (right is Right.ANNOUNCE)
    assert here.door(ada.peer, ada.say(charter().body)) == "only the authority says charters"


@pytest.mark.spec("M-10.8")
def test_the_authority_says_charters_and_nothing_else() -> None:
    """It is no member, and needs no certificate."""
    here = membership()
    assert here.door(AUTHORITY.peer, None) is None
    assert here.door(AUTHORITY.peer, charter(2)) is None
    assert here.door(AUTHORITY.peer, AUTHORITY.say(task(), seq=9)) == "the authority says nothing but charters"


@pytest.mark.spec("M-10.8")
def test_a_stranger_stays_out() -> None:
    """Who has shown no certificate says nothing."""
    assert membership().door(peer("ada"), None) == "not a member"


@pytest.mark.spec("M-10.6")
def test_a_sponsor_answers_for_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who came first stays; there is room again for who renews."""
    monkeypatch.setattr(limits, "SPONSORED_MAX", 2)
    here = membership()
    here.admit(admitted())
    assert isinstance(here.admit(vouched()), Member)
    assert here.admit(vouched("other")) == "sponsor answers for too many"
    assert isinstance(here.admit(vouched(until_ms=NOW_MS + HOUR_MS - 1, from_ms=NOW_MS)), Member)
    assert isinstance(here.admit(admitted("bo")), Member)


@pytest.mark.spec("M-10.6")
def test_a_full_market_keeps_who_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody pushes a member out by coming, and what is kept of those outside is bounded."""
    monkeypatch.setattr(limits, "CARDS_MAX", 2)
    monkeypatch.setattr(limits, "CERTIFICATES_KEPT", 3)
    here = membership(charter(admission=Admission.OPEN))
    names = [f"peer {number}" for number in range(8)]
    said = [here.admit(itself(name, market=here.market)) for name in names]
    assert said[2:] == ["market is full"] * 6
    assert here.members.keys() == {peer(name) for name in names[:2]}


CERTIFICATES = (
    admitted(), admitted(from_ms=NOW_MS + 1, until_ms=NOW_MS + HOUR_MS, transport_key=transport("new")),
    admitted(from_ms=NOW_MS + HOUR_MS, until_ms=NOW_MS + 2 * HOUR_MS), itself(from_ms=NOW_MS + 2), vouched(),
    vouched(from_ms=NOW_MS + 1, rights=()), itself("child", until_ms=NOW_MS + 1), admitted("bo"), vouched("bo", "cy"),
    admitted("cy", until_ms=NOW_MS + 2 * HOUR_MS), issue(claim("cy", issuer=peer("bo")), sealer_of("bo")),
)  # fmt: skip
CHARTERS = (
    charter(2, revoked=("ada",)), charter(3, admission=Admission.OPEN), charter(4, admitters=(peer("bo"),)),
    charter(5, admission=Admission.OPEN, revoked=("bo",)), charter(6),
)  # fmt: skip
TIMES = (NOW_MS, NOW_MS + 1, NOW_MS + HOUR_MS, NOW_MS + HOUR_MS + 1, NOW_MS + 3 * HOUR_MS)


def oracle(learnt: list[object], wall_ms: int) -> dict[bytes, bytes]:
    """Who is a member, by the words of the rule: key → the newest certificate of it that holds."""
    newest = max([charter(), *(one for one in learnt if not isinstance(one, bytes | int))], key=_version)
    read = [read_certificate(one) for one in learnt if isinstance(one, bytes)]
    holding = [one for one in read if fault_of(one, newest.body, MARKET, SEALER, wall_ms) is None]
    ordered = sorted(holding, key=lambda one: (one.certificate.from_ms, one.certificate.until_ms, one.raw))
    return {one.certificate.member: one.raw for one in ordered}


def _version(charter: Statement[Charter]) -> int:
    return charter.body.version


@pytest.mark.spec("M-10.6", "M-10.12")
@given(st.lists(st.sampled_from((*CERTIFICATES, *CHARTERS, *TIMES)), min_size=20, max_size=40), st.sampled_from(TIMES))
def test_membership_is_a_function_of_what_was_learnt_and_the_time(learnt: list[object], wall_ms: int) -> None:
    """Charters, certificates and the passing of time in any order, the clock set back at will."""
    here = membership()
    for one in learnt:
        before = dict(here.members)
        match one:
            case bytes():
                here.admit(one)
            case int():
                out = here.pass_time(one)
                assert {member.peer for member in out} == before.keys() - here.members.keys()
            case _:
                out = here.learn_charter(one)
                assert {member.peer for member in out} == before.keys() - here.members.keys()
    here.pass_time(wall_ms)
    assert {member: found.certificate for member, found in here.members.items()} == oracle(learnt, wall_ms)
    for member in here.members.values():
        assert here.by_transport_key(member.transport_key) == member
        assert not here.refused(member.transport_key)
        assert here.door(member.peer, None) is None
