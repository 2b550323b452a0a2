"""Peers meet by each path alone: folder, mDNS, seed, memory and exchange; nobody's word about others does any harm."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from zeroconf import Zeroconf

from peer.net.meet import mdns
from peer.net.meet.greeter import checked_seed
from peer.net.meet.mdns import Mdns, MdnsLimits
from peer.net.meet.places import Way
from peer.net.meet.records import SERVICE, Record
from protocol.errors import BadConfig
from tests.peer.net.meeting import OTHER, QUICK, WALL_MS, Member, certificate, everybody_meets, keys, members, peer_id
from tests.waiting import until


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """A runtime home as a user has one."""
    home = tmp_path / "run"
    home.mkdir(mode=0o700)
    return home


def marked(peer: bytes, host: str, port: int) -> bytes:
    """The mark of a place, where it does not matter."""
    return bytes(6)


def ways(member: Member) -> set[str]:
    """By which paths a member has found the others."""
    return {str(found.path) for found in member.discovery.known}


async def test_early_and_late_peers_meet_by_the_folder_alone(runtime: Path) -> None:
    """Whoever comes finds who is there, and is found, by what the files say."""
    async with members() as opened:
        early = opened(1, runtime=runtime)
        await until(lambda: list(runtime.iterdir()))
        late = opened(2, runtime=runtime)
        await everybody_meets(early, late)
        assert ways(early) == ways(late) == {Way.FOLDER}


async def test_peers_of_one_computer_tell_a_newcomer_of_those_elsewhere(runtime: Path) -> None:
    """The folder names this computer's peers only; what they know of others is asked for, by a hello."""
    async with members() as opened:
        early = opened(1, runtime=runtime)
        elsewhere = opened(2, seeds=(early.seed,))
        await everybody_meets(early, elsewhere)
        late = opened(3, runtime=runtime)
        await everybody_meets(early, elsewhere, late)


async def test_newcomer_of_the_folder_is_let_in_at_its_first_handshake(runtime: Path) -> None:
    """A key at the door that nobody knows is looked for in the folder at once: libzmq tries again in a second."""
    async with members() as opened:
        early = opened(
            1, runtime=runtime, limits=replace(QUICK, folder=replace(QUICK.folder, eager_ms=0, pause_ms=60_000))
        )
        late = opened(2, runtime=runtime)
        await everybody_meets(early, late)


async def test_twenty_peers_that_start_together_meet_all_others(runtime: Path) -> None:
    """Changes within one tick of the file system's clock are not overlooked."""
    async with members() as opened:
        await everybody_meets(*(opened(number, runtime=runtime) for number in range(1, 21)), seconds=30)


async def test_peer_that_leaves_takes_its_file_along(runtime: Path) -> None:
    """A goodbye on the folder is the file's absence."""
    async with members() as opened:
        stays, leaves = opened(1, runtime=runtime), opened(2, runtime=runtime)
        await everybody_meets(stays, leaves)
        await leaves.close()
        await until(lambda: stays.discovery.known == [] and not stays.here)
        (folder,) = runtime.iterdir()
        assert [path.name for path in folder.iterdir()] == [f"{stays.id.hex()}.json"]


async def test_peer_that_comes_back_is_met_at_its_new_address(runtime: Path) -> None:
    """A restarted peer's file displaces the old address, for nobody else can write there."""
    async with members() as opened:
        stays, first = opened(1, runtime=runtime), opened(2, runtime=runtime)
        await everybody_meets(stays, first)
        second = opened(2, runtime=runtime)
        await until(lambda: stays.knows(second))
        await first.close()
        await everybody_meets(stays, second)


async def test_file_without_a_certificate_that_holds_counts_for_nothing(runtime: Path) -> None:
    """The folder is believed about addresses and not about keys; what does not count now may later."""
    async with members() as opened:
        honest = opened(1, runtime=runtime)
        expired = opened(2, runtime=runtime, shown=certificate(2, until_ms=WALL_MS))
        await until(lambda: expired.knows(honest))
        assert honest.discovery.known == []
        honest.membership.pass_time(WALL_MS - 1)
        await until(lambda: honest.knows(expired))


async def test_one_seed_alone_makes_a_market_whole() -> None:
    """Peers that know only the seed, and the seed that knows nobody, all meet: by seed, hello and exchange."""
    async with members() as opened:
        seed = opened(1)
        others = [opened(number, seeds=[seed.seed]) for number in range(2, 7)]
        await everybody_meets(seed, *others)
        assert ways(seed) == {Way.HELLO}
        assert all(Way.SEED in ways(other) for other in others)


async def test_seed_that_starts_later_is_found() -> None:
    """A seed is asked until it answers, and a name is as good as an address."""
    async with members() as opened:
        seed = opened(1)
        seed.lobby.close()
        port = seed.seed.rpartition(":")[2]
        early = opened(2, seeds=[f"localhost:{port}"])
        await until(lambda: any(place.failures for place in early.discovery.places))
        seed.lobby.listen(asyncio.get_running_loop())
        await everybody_meets(seed, early)


async def test_own_seed_and_lost_names_hurt_nobody() -> None:
    """A list of seeds that names the peer itself, or a name that nobody knows, is a usual thing."""
    async with members() as opened:
        seed = opened(1)
        alone = opened(2, seeds=["no-such-host.invalid:1", seed.seed, "127.0.0.1:1"])
        await everybody_meets(seed, alone)
        outcomes = {place.outcome for place in alone.discovery.places}
        assert "a member answered" in outcomes


def test_bad_seed_tells_what_a_seed_is() -> None:
    """The message names the seed and its form."""
    for seed in ("", "example.org", ":1", "host:0", "host:65536", "host:٣"):
        with pytest.raises(BadConfig, match="host:port"):
            checked_seed(seed)


async def test_mdns_alone_makes_peers_meet_and_says_goodbye() -> None:
    """Both announce, both find; whoever leaves is gone."""
    async with members() as opened:
        first, second = opened(1, mdns=True), opened(2, mdns=True)
        await everybody_meets(first, second)
        assert Way.MDNS in ways(first) | ways(second)
        await second.close()
        await until(lambda: first.discovery.known == [])
        assert first.discovery.mdns_failure is None


async def test_mdns_is_announced_and_asked_again() -> None:
    """The repeats that heal a partition do no harm to what is known."""
    limits = replace(QUICK, mdns=MdnsLimits(delay_ms=0, announce_ms=100, query_ms=150))
    async with members() as opened:
        first, second = opened(1, mdns=True, limits=limits), opened(2, mdns=True, limits=limits)
        await everybody_meets(first, second)
        third = opened(3, mdns=True, limits=limits)
        await everybody_meets(first, second, third)
        assert first.discovery.mdns_failure is None


async def test_memory_alone_finds_a_peer_that_stayed(tmp_path: Path) -> None:
    """Whoever was met is knocked at the next time, without any other path."""
    known = tmp_path / "known.json"
    async with members() as opened:
        stays = opened(1)
        first = opened(2, seeds=[stays.seed], known=known)
        await everybody_meets(stays, first)
        await first.close()
        second = opened(2, known=known)
        await everybody_meets(stays, second)
        assert ways(second) == {Way.REMEMBERED}


async def test_peer_on_several_addresses_is_met_on_one_that_answers() -> None:
    """An address where nobody answers costs a moment, and no more."""
    async with members() as opened:
        seed = opened(1, hosts=("127.0.0.1", "127.0.0.2"))
        other = opened(2, seeds=[seed.seed])
        third = opened(3, seeds=[other.seed])
        await everybody_meets(seed, other, third)
        other.discovery._greeter.hint(peer_id(9), ("127.0.0.9", "127.0.0.1"), seed.endpoints.lobby, Way.MDNS)
        await until(
            lambda: any(place.said == seed.id and len(place.addresses) == 2 for place in other.discovery.places)
        )


async def test_ipv6_is_as_good_as_ipv4() -> None:
    """Addresses of both kinds, and of one alone."""
    async with members() as opened:
        both = opened(1, hosts=("127.0.0.1", "::1"))
        six = opened(2, hosts=("::1",), seeds=[f"[::1]:{both.endpoints.lobby}"])
        await everybody_meets(both, six)
        assert {found.host for found in six.discovery.known} == {"::1"}


async def test_lost_peer_is_met_again_when_it_is_back() -> None:
    """All its connections are cut, as if it had been away; both connect anew, and nobody is forgotten."""
    async with members() as opened:
        seed = opened(1)
        other = opened(2, seeds=[seed.seed])
        await everybody_meets(seed, other)
        seed.transport.penalise(other.id)
        await until(lambda: not seed.here)
        await everybody_meets(seed, other)


async def test_renewed_certificate_is_shown_to_everybody_who_is_met() -> None:
    """Whoever held the old one would cut its peer off when that has expired."""
    async with members() as opened:
        seed = opened(1)
        other = opened(2, seeds=[seed.seed])
        await everybody_meets(seed, other)
        renewed = certificate(2, from_ms=WALL_MS + 1, until_ms=WALL_MS + 7_200_000)
        other.discovery.renew(renewed)
        await until(lambda: seed.membership.member(other.id).certificate == renewed)  # type: ignore[union-attr]


async def test_two_markets_do_not_mix(runtime: Path) -> None:
    """On every path only peers of the same market are found."""
    async with members() as opened:
        seed = opened(1, runtime=runtime, mdns=True)
        friend = opened(2, runtime=runtime, mdns=True, seeds=[seed.seed])
        stranger = opened(3, runtime=runtime, mdns=True, seeds=[seed.seed], charter=OTHER)
        countryman = opened(4, mdns=True, charter=OTHER)
        await everybody_meets(stranger, countryman)
        await everybody_meets(friend, seed)


# What others may say


async def test_forged_record_for_a_member_that_is_here_does_nothing_at_all() -> None:
    """Nobody even knocks; when the member is lost, whoever answers at that place is not it."""
    async with members() as opened:
        first, victim = opened(1), opened(2)
        first.discovery._announced(Record(victim.id, ("127.0.0.1",), victim.endpoints.lobby))
        await everybody_meets(first, victim)
        rogue = opened(3)
        first.discovery._announced(Record(victim.id, ("127.0.0.1",), rogue.endpoints.lobby))
        second = opened(4, seeds=[first.seed])
        await until(lambda: second.id in first.here)
        assert rogue.lobby.counts.answered == 0
        assert first.discovery.find(victim.id).endpoints == victim.endpoints  # type: ignore[union-attr]
        first.discovery._announced_no_more(Record(victim.id, ("127.0.0.1",), victim.endpoints.lobby))
        assert first.discovery.find(victim.id) is not None, "a forged goodbye does nothing either"


async def test_answer_with_somebody_elses_certificate_is_not_believed() -> None:
    """A rogue that knows the lobby's key shows the certificate of a member: it cannot sign for it."""
    async with members() as opened:
        honest, rogue, victim = opened(1), opened(3), opened(2)
        rogue.discovery._me = victim.discovery.introduction()
        honest.discovery._announced(Record(victim.id, ("127.0.0.1",), rogue.endpoints.lobby))
        await until(lambda: any(place.failures for place in honest.discovery.places))
        assert {place.outcome for place in honest.discovery.places} == {"the answer's signature does not hold"}
        assert honest.discovery.known == []


async def test_hello_with_a_certificate_for_other_keys_is_refused() -> None:
    """A certificate is worth something only on the connection of the key that it names."""
    async with members() as opened:
        seed = opened(1)
        thief = opened(3, seeds=[seed.seed], shown=certificate(3, transport_key=keys(4).public))
        await until(lambda: any("other keys" in place.outcome for place in thief.discovery.places))
        assert seed.discovery.known == []
        assert seed.here == set()


async def test_expired_certificate_is_refused_and_the_reason_is_told() -> None:
    """Both the asker and the asked refuse; `vendue doctor` can say why."""
    async with members() as opened:
        seed = opened(1)
        late = opened(2, seeds=[seed.seed], shown=certificate(2, until_ms=WALL_MS))
        await until(lambda: any("expired" in place.outcome for place in late.discovery.places))
        early = opened(3, seeds=[late.seed])
        await until(lambda: any("expired" in place.outcome for place in early.discovery.places))
        assert seed.discovery.known == early.discovery.known == []


async def test_flood_of_records_does_not_hold_up_what_is_known() -> None:
    """Hundreds of places where nobody opens: the seed is met all the same, and the table stays small."""
    async with members() as opened:
        seed = opened(1)
        other = opened(2, seeds=[seed.seed])
        for port in range(1, 2_000):
            other.discovery._announced(Record(peer_id(3 + port % 200), ("127.0.0.1",), port))
        await everybody_meets(seed, other)
        assert len(list(other.discovery.places)) <= 1_024
        assert other.discovery.ignored > 0


async def test_rubbish_records_are_ignored() -> None:
    """Anybody on the network can announce anything."""
    from zeroconf import ServiceInfo
    from zeroconf.asyncio import AsyncZeroconf

    async with members() as opened:
        first = opened(1, mdns=True)
        good = {"v": "2", "m": first.discovery._mdns._tag.hex(), "p": peer_id(9).hex()}  # type: ignore[union-attr]
        rubbish: list[dict[str, str]] = [
            {}, good | {"p": "zz"}, good | {"p": bytes(32).hex()}, good | {"x": "y" * 250, "z": "y" * 250},
            good | {"v": "1"}, good | {"m": "0" * 16},
        ]  # fmt: skip
        infos = [
            ServiceInfo(
                SERVICE, f"r{number}.{SERVICE}", 80, properties=text, server="r.local.", addresses=[b"\x7f\0\0\1"]
            )
            for number, text in enumerate(rubbish)
        ]
        infos.append(
            ServiceInfo(SERVICE, f"far.{SERVICE}", 80, properties=good, server="far.local.", addresses=[b"\xc0\0\2\1"])
        )
        rogue = AsyncZeroconf(interfaces=["127.0.0.1"])
        try:
            for info in infos:
                await (await rogue.async_register_service(info, cooperating_responders=True))
            second = opened(2, mdns=True)
            await everybody_meets(first, second)
            await until(lambda: first.discovery.ignored >= 4)
        finally:
            await rogue.async_close()


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # zeroconf leaves a socket open when it cannot join
async def test_network_that_comes_later_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """No multicast at the start is told, and is no failure for ever; the other paths go on meanwhile."""
    limits = replace(QUICK, mdns=MdnsLimits(delay_ms=0, retry_ms=50))
    works = mdns.open_multicast
    monkeypatch.setattr(mdns, "open_multicast", _no_network)
    async with members() as opened:
        first = opened(1, mdns=True, limits=limits)
        second = opened(2, mdns=True, limits=limits)
        await until(lambda: first.discovery.mdns_failure and second.discovery.mdns_failure)
        monkeypatch.setattr(mdns, "open_multicast", works)
        await everybody_meets(first, second)
        await until(lambda: first.discovery.mdns_failure is None)


def _no_network(hosts: tuple[str, ...]) -> None:
    raise OSError(101, "Network is unreachable")


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_mdns_that_is_starting_ends_with_a_peer_that_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while zeroconf starts: what it gives up by that is not taken for the end of whoever closes it."""
    announced = Mdns(
        b"a tag  8", Record(peer_id(1), ("127.0.0.1",), 1), mark=marked, on_found=lambda record: None,
        on_gone=lambda record: None, limits=MdnsLimits(delay_ms=0),
    )  # fmt: skip
    starting, closed = asyncio.Event(), asyncio.Event()
    wait_for_start = Zeroconf.async_wait_for_start

    async def noticed(zeroconf: Zeroconf, **how: float) -> None:
        starting.set()
        await wait_for_start(zeroconf, **how)

    monkeypatch.setattr(Zeroconf, "async_wait_for_start", noticed)

    async def living() -> None:
        announced.start(asyncio.get_running_loop())
        try:
            await asyncio.Event().wait()
        finally:
            await announced.close()
            closed.set()

    life = asyncio.create_task(living())
    await starting.wait()
    life.cancel()
    await asyncio.wait({life})
    assert closed.is_set(), "whatever was to be closed after it was not"


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_mdns_on_an_address_that_is_not_here_says_why() -> None:
    """The other paths go on, and `vendue doctor` can tell."""
    announced = Mdns(
        b"a tag  8", Record(peer_id(1), ("192.0.2.1",), 1), mark=marked, on_found=lambda record: None,
        on_gone=lambda record: None, limits=MdnsLimits(delay_ms=0),
    )  # fmt: skip
    announced.start(asyncio.get_running_loop())
    await until(lambda: announced.failure)
    await announced.close()
