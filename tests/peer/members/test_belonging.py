"""Who belongs to the market, as running peers see it: the warden's word, the charter's files, and who is cut off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest

from peer import config, keystore
from peer.agent import Agent
from peer.caller.market import Market
from peer.home import MarketHome, market_home
from peer.launch import GOVERNOR, launch
from peer.members.charters import keep_charter, newest_charter, write_charter
from peer.members.constitution import Constitution
from peer.members.entering.founding import found_market
from peer.members.warden import EVERYTHING, MarketWarden
from peer.net.locks.keys import Entry
from peer.policyfile import load_policy
from peer.runtime import Runtime
from protocol.bundle import evidence_of
from protocol.certificate import Right
from protocol.keys import Ed25519Sealer
from protocol.membership import Member, Membership
from protocol.notices import Admission, Charter, Revocation
from protocol.statements import Statement
from protocol.topics import governance_topic, peer_topic, skill_topic
from tests.standing import MARKET, NOW_MS, SEALER, admitted, charter, membership, peer, transport
from tests.waiting import until

ADA, BOB = peer("ada"), peer("bob")


# The warden


def test_warden_lets_in_members_and_tells_strangers_from_those_who_are_out() -> None:
    """A stranger may come back later; one that is out need not."""
    members, looked = membership(), list[bool]()
    warden = MarketWarden(members, look=lambda: looked.append(True))
    assert warden.judge(transport("ada")) == (Entry.UNKNOWN, b"")
    members.admit(admitted("ada"))
    assert warden.judge(transport("ada")) == (Entry.MEMBER, ADA)
    members.learn_charter(charter(2, revoked=("ada",)))
    assert warden.judge(transport("ada")) == (Entry.OUT, b"")
    assert looked == [True], "the folder is looked at once for each key that nobody knows"


def test_warden_looks_once_more_before_it_sends_a_key_away() -> None:
    """A peer of this computer may have put its file there an instant ago."""
    members = membership()
    warden = MarketWarden(members, look=lambda: members.admit(admitted("ada")) and None)
    assert warden.judge(transport("ada")) == (Entry.MEMBER, ADA)


def test_member_hears_what_is_for_it_and_everything_only_by_right() -> None:
    """Its own topic, skills and governance; not another's, and no prefix of anything."""
    members = membership()
    members.admit(admitted("ada"))
    members.admit(admitted("bob", rights=(Right.OBSERVE,)))
    warden = MarketWarden(members)
    heard = (peer_topic(ADA), skill_topic("shout"), governance_topic(MARKET))
    assert all(warden.may_hear(ADA, topic) for topic in heard)
    assert not any(warden.may_hear(ADA, topic) for topic in (peer_topic(BOB), EVERYTHING, b"s", b"g", b"p", b"s" * 10))
    assert warden.may_hear(BOB, EVERYTHING)
    assert not warden.may_hear(peer("eve"), governance_topic(MARKET))
    assert warden.sponsor_of(ADA) == ADA


# The constitution


def market_of(tmp_path: Path) -> tuple[MarketHome, Statement[Charter], Ed25519Sealer]:
    """A market founded here, its first charter, and its authority."""
    home = MarketHome(tmp_path / "markets" / "fruit")
    found_market(home, admission=Admission.INVITE)
    return home, newest_charter(home), Ed25519Sealer(keystore.load(home.authority))


def next_charter(before: Statement[Charter], authority: Ed25519Sealer, *revoked: bytes) -> Statement[Charter]:
    """The next version, which revokes these."""
    revocations = tuple(Revocation(member=one, feed=bytes(8), last_seq=0) for one in revoked)
    body = msgspec.structs.replace(before.body, version=before.body.version + 1, revocations=revocations)
    return write_charter(body, authority, before)


def test_charter_file_that_somebody_writes_is_taken_at_the_next_look(tmp_path: Path) -> None:
    """`vendue member revoke` writes a file, and the peers of this computer see it."""
    home, first, authority = market_of(tmp_path)
    newer = list[bytes]()
    constitution = Constitution(home, Membership(first, sealer=SEALER))
    constitution.on_newer = newer.append
    constitution.tick(NOW_MS)
    assert newer == []
    second = next_charter(first, authority)
    keep_charter(home, second, authority)
    constitution.tick(NOW_MS)
    assert constitution.membership.charter.id == second.id
    assert len(newer) == 1


def test_charter_that_a_peer_shows_binds_and_is_kept(tmp_path: Path) -> None:
    """An older one, one of another authority and rubbish change nothing."""
    home, first, authority = market_of(tmp_path)
    constitution = Constitution(home, Membership(first, sealer=SEALER))
    third = next_charter(next_charter(first, authority), authority)
    constitution.learn(evidence_of(third, authority))
    assert newest_charter(home).id == third.id
    for shown in (
        evidence_of(next_charter(first, authority), authority),
        b"",
        b"\xc1",
        evidence_of(charter(9), SEALER),
    ):
        constitution.learn(shown)
    assert constitution.membership.charter.id == third.id


def test_who_is_out_by_a_charter_or_by_time_is_told(tmp_path: Path) -> None:
    """Revoked at once, expired when the clock says so."""
    out = list[Member]()
    constitution = Constitution(MarketHome(tmp_path), membership())
    constitution.on_out = out.append
    constitution.membership.admit(admitted("ada"))
    constitution.membership.admit(admitted("bob", until_ms=NOW_MS + 1_000))
    constitution.amend(charter(2, revoked=("ada",)))
    assert [member.peer for member in out] == [ADA]
    constitution.tick(NOW_MS + 1_000)
    assert [member.peer for member in out] == [ADA, BOB]


def test_broken_charter_file_is_passed_over(tmp_path: Path) -> None:
    """Somebody's slip in the directory stops nobody."""
    home, first, _ = market_of(tmp_path)
    home.charter_version(2).write_bytes(b"rubbish")
    constitution = Constitution(home, Membership(first, sealer=SEALER))
    constitution.tick(NOW_MS)
    assert constitution.membership.charter.id == first.id


# Running peers


@pytest.fixture
async def peers(tmp_path: Path) -> AsyncIterator[dict[str, Runtime]]:
    """An invited market on this computer: its governor, two agents that shout, and somebody who calls."""
    settings = config.load(
        {"market": "fruit", "home": str(tmp_path), "mdns": False, "log_level": "error", "interface": "127.0.0.1"}
    ).settings
    found_market(market_home("fruit", tmp_path), admission=Admission.INVITE)
    async with AsyncExitStack() as stack:
        found = {"governor": await stack.enter_async_context(launch(settings, name=GOVERNOR, policy=load_policy(None)))}
        for name in ("ada", "bob"):
            found[name] = await stack.enter_async_context(launch(settings, name=name, agent=shouter(name)))
        market = await stack.enter_async_context(Market(settings, "caller"))
        found["caller"] = market.runtime
        done = await market.call("shout", {"text": "hello"}, budget=10)
        assert done.value == "HELLO"
        yield found


def shouter(name: str) -> Agent:
    """An agent with one skill."""
    agent = Agent(name)

    async def shout(text: str) -> str:
        return text.upper()

    agent.worker("shout", price=3)(shout)
    return agent


async def test_revoked_member_with_a_live_session_is_cut_off_everywhere(
    peers: dict[str, Runtime], tmp_path: Path
) -> None:
    """A charter is written beside the others; each peer sees it, and nobody is connected with who is out."""
    home = market_home("fruit", tmp_path)
    out = peers["ada"].node.peer
    others = [runtime for name, runtime in peers.items() if name != "ada"]
    await until(lambda: all(out in runtime.node.directory.here for runtime in others))
    authority = Ed25519Sealer(keystore.load(home.authority))
    keep_charter(home, next_charter(newest_charter(home), authority, out), authority)
    await until(lambda: not any(out in runtime.node.directory.here for runtime in others))
    for runtime in others:
        assert runtime.discovery.find(out) is None
        assert runtime.constitution.membership.door(out, None) is not None
        assert runtime.node.holdings.charters.newest.body.version == 2
    await until(lambda: not peers["ada"].node.directory.here)


async def test_cards_carry_certificate_transport_key_and_the_lobbys_address(peers: dict[str, Runtime]) -> None:
    """What `vendue peers` shows is what others can take as a seed."""
    for runtime in peers.values():
        card = runtime.node.card
        assert card is not None
        assert card.body.certificate == runtime.discovery.introduction().certificate
        member = runtime.constitution.membership.member(runtime.node.peer)
        assert member is not None
        assert member.transport_key == card.body.transport_key
        assert card.body.addresses == (f"127.0.0.1:{runtime.transport.endpoints.lobby}",)
