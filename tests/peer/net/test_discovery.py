"""Peers find each other by the folder, by seeds and by mDNS on loopback; hints are bounded and the first is kept."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from peer.bench.unlocked import OpenTransport
from peer.net.addressbook import AddressBook, Found, Gone, Way
from peer.net.discovery import Discovery, DiscoveryLimits
from peer.net.fetch import Fetch, FetchLimits
from peer.net.mdns import SERVICE, Mdns, MdnsLimits
from peer.net.rendezvous import Entry, Rendezvous
from peer.net.seeds import SeedLimits
from peer.net.transport import Addresses
from protocol.errors import BadConfig
from protocol.keys import Ed25519Sealer

# Tests of several processes share one loopback, and must not find each other's peers.
TAG, OTHER_TAG = (b"mkt%d" % market + os.getpid().to_bytes(4, "big") for market in (1, 2))
QUICK = DiscoveryLimits(
    mdns=MdnsLimits(delay_ms=0), seeds=SeedLimits(pause_first_ms=20, pause_max_ms=200, attempts_max=2)
)


async def until(condition: Callable[[], object], *, seconds: float = 10.0) -> None:
    """Poll `condition`, for a bounded time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other threads and on disk
            await asyncio.sleep(0.005)


def peer_id(number: int) -> bytes:
    """An admissible key."""
    return Ed25519Sealer.from_seed(bytes([number]) * 32).peer


class Member:
    """One peer as far as it is to be found."""

    def __init__(
        self,
        number: int,
        *,
        runtime: Path | None = None,
        mdns: bool = False,
        seeds: Sequence[str] = (),
        tag: bytes = TAG,
        limits: DiscoveryLimits = QUICK,
    ) -> None:
        self.id = peer_id(number)
        self.transport = OpenTransport()
        self.fetch = Fetch(self.transport, limits=FetchLimits(timeout_ms=300))
        self.fetch.listen(asyncio.get_running_loop())
        self.addresses = self.transport.addresses
        self.found: list[Found] = []
        self.gone: list[bytes] = []
        self.discovery = Discovery(
            me=self.id,
            market_tag=tag,
            addresses=self.addresses,
            fetch=self.fetch,
            runtime_home=runtime,
            mdns=mdns,
            seeds=seeds,
            limits=limits,
        )
        self.discovery.start(self.found.append, self.gone.append)
        self._closed = False

    @property
    def seed(self) -> str:
        return self.addresses.fetch.removeprefix("tcp://")

    def knows(self, *others: Member) -> bool:
        return {(found.peer_id, found.addresses) for found in self.found} == {
            (other.id, other.addresses) for other in others
        }

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await self.discovery.close()
            self.fetch.close()
            self.transport.close()


Opener = Callable[..., Member]


@asynccontextmanager
async def members() -> AsyncIterator[Opener]:
    """Open members that are closed when the block is left."""
    async with AsyncExitStack() as stack:

        def open_one(number: int, **options: object) -> Member:
            member = Member(number, **options)  # type: ignore[arg-type]
            stack.push_async_callback(member.close)
            return member

        yield open_one


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """A runtime home as a user has one."""
    home = tmp_path / "run"
    home.mkdir(mode=0o700)
    return home


def write_entry(runtime: Path, number: int, *, pid: int | None = None, boot: str | None = None) -> Path:
    """Put another peer's file into the folder, by default as of this process."""
    path = runtime / TAG.hex() / f"{peer_id(number).hex()}.json"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    entry = Entry("tcp://127.0.0.1:1", "tcp://127.0.0.1:2", pid or os.getpid(), boot or _boot_id())
    path.write_bytes(msgspec.json.encode(entry))
    return path


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def dead_pid() -> int:
    """The number of a process that has just ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


async def test_early_and_late_peers_meet_in_the_folder(runtime: Path) -> None:
    """Whoever comes finds who is there, and is found."""
    async with members() as opened:
        early = opened(1, runtime=runtime)
        await until(lambda: list(runtime.iterdir()))
        late = opened(2, runtime=runtime)
        await until(lambda: early.knows(late) and late.knows(early))
        assert [found.path for found in early.found] == [Way.FOLDER]


async def test_twenty_peers_that_start_together_find_all_others(runtime: Path) -> None:
    """Changes within one tick of the file system's clock are not overlooked."""
    async with members() as opened:
        all_of_them = [opened(number, runtime=runtime) for number in range(1, 21)]
        for member in all_of_them:
            await until(lambda member=member: member.knows(*(other for other in all_of_them if other is not member)))


async def test_two_changes_at_one_time_are_both_seen(runtime: Path) -> None:
    """A file system's clock may stand still between two changes, so a recent time of change proves nothing."""
    limits = replace(QUICK, folder=replace(QUICK.folder, alive_pause_ms=60_000))
    async with members() as opened:
        member = opened(1, runtime=runtime, limits=limits)
        instant_ns = time.time_ns() + 3600 * 10**9
        for number in (7, 8):
            write_entry(runtime, number)
            os.utime(runtime / TAG.hex(), ns=(instant_ns, instant_ns))
            await until(lambda number=number: peer_id(number) in {found.peer_id for found in member.found})


async def test_peer_that_leaves_takes_its_file_along(runtime: Path) -> None:
    """A goodbye on the folder is the file's absence."""
    async with members() as opened:
        stays, leaves = opened(1, runtime=runtime), opened(2, runtime=runtime)
        await until(lambda: stays.knows(leaves))
        await leaves.close()
        await until(lambda: stays.gone == [leaves.id])
        assert [path.name for path in (runtime / TAG.hex()).iterdir()] == [f"{stays.id.hex()}.json"]
        assert stays.discovery.known == []


async def test_peer_that_comes_back_is_found_at_its_new_address(runtime: Path) -> None:
    """A restarted peer's file displaces the old address, for nobody else can write there."""
    async with members() as opened:
        stays, first = opened(1, runtime=runtime), opened(2, runtime=runtime)
        await until(lambda: stays.knows(first))
        second = opened(2, runtime=runtime)
        await until(lambda: stays.found[-1].addresses == second.addresses)
        await first.close()
        assert (runtime / TAG.hex() / f"{second.id.hex()}.json").exists()


async def test_stale_files_are_removed_and_never_found(runtime: Path) -> None:
    """A dead process and another boot leave files that mean nothing."""
    stale = [write_entry(runtime, 7, pid=dead_pid()), write_entry(runtime, 8, boot="another boot")]
    async with members() as opened:
        first, second = opened(1, runtime=runtime), opened(2, runtime=runtime)
        await until(lambda: first.knows(second) and second.knows(first))
        assert not any(path.exists() for path in stale)


async def test_killed_process_is_gone_though_its_file_was_left(runtime: Path) -> None:
    """Nothing in the folder changes when a process is killed, so it is asked now and then whether it lives."""
    limits = replace(QUICK, folder=replace(QUICK.folder, alive_pause_ms=50))
    async with members() as opened:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=subprocess.PIPE)
        path = write_entry(runtime, 7, pid=process.pid)
        member = opened(1, runtime=runtime, limits=limits)
        await until(lambda: member.found)
        process.kill()
        await process.wait()
        await until(lambda: member.gone == [peer_id(7)])
        assert not path.exists()


async def test_rubbish_in_the_folder_is_passed_over(runtime: Path) -> None:
    """Too long, no JSON, nested, a pipe, a link, a directory, wrong names and wrong addresses."""
    folder = runtime / TAG.hex()
    folder.mkdir(mode=0o700)
    good = write_entry(runtime, 30)
    names = (f"{peer_id(number).hex()}.json" for number in range(40, 60))
    (folder / next(names)).write_bytes(b"x" * 100_000)
    (folder / next(names)).write_bytes(b"not JSON")
    (folder / next(names)).write_bytes(b"[" * 1_000)
    (folder / next(names)).write_bytes(good.read_bytes().replace(b"127.0.0.1", b"a.example"))
    (folder / next(names)).symlink_to(good)
    (folder / next(names)).mkdir()
    os.mkfifo(folder / next(names))
    (folder / f"{bytes(32).hex()}.json").write_bytes(good.read_bytes())
    (folder / "notes.txt").write_bytes(b"")
    async with members() as opened:
        member = opened(1, runtime=runtime)
        await until(lambda: member.found)
        assert [found.peer_id for found in member.found] == [peer_id(30)]
        assert member.discovery.ignored >= 7


async def test_own_file_is_private_and_comes_back_when_it_is_cleared_away(runtime: Path) -> None:
    """A cleaner of temporary files does not make a peer invisible."""
    async with members() as opened:
        member = opened(1, runtime=runtime)
        own = runtime / TAG.hex() / f"{member.id.hex()}.json"
        assert stat.S_IMODE(own.stat().st_mode) == 0o600
        own.unlink()
        await until(own.exists)
        own.unlink()
        own.parent.rmdir()
        await until(own.exists)


async def test_folder_open_to_others_is_refused(runtime: Path) -> None:
    """Somebody else's files would be believed."""
    (runtime / TAG.hex()).mkdir(mode=0o700)
    (runtime / TAG.hex()).chmod(0o777)
    place = Rendezvous(
        runtime / TAG.hex(),
        peer_id(1),
        Addresses("tcp://127.0.0.1:1", "tcp://127.0.0.1:2"),
        on_found=lambda peer_id, addresses: None,
        on_gone=lambda peer_id: None,
    )
    with pytest.raises(BadConfig, match="chmod 700"):
        place.start(asyncio.get_running_loop())


async def test_one_seed_makes_a_market_whole() -> None:
    """Peers that know only the seed, and the seed that knows nobody, all find each other."""
    async with members() as opened:
        seed = opened(1)
        others = [opened(number, seeds=[seed.seed]) for number in range(2, 7)]
        everybody = [seed, *others]
        for member in everybody:
            await until(lambda member=member: member.knows(*(other for other in everybody if other is not member)))
        assert {found.path for found in seed.found} == {Way.SEED}


async def test_seed_that_answers_later_is_found() -> None:
    """A seed is asked until it answers, and a name is as good as an address."""
    async with members() as opened:
        seed = opened(1)
        seed.fetch.close()
        port = seed.seed.rpartition(":")[2]
        early = opened(2, seeds=[f"localhost:{port}"])
        await until(lambda: early.fetch.counts.timed_out)
        seed.fetch.listen(asyncio.get_running_loop())
        await until(lambda: early.knows(seed) and seed.knows(early))


async def test_bad_seed_tells_what_a_seed_is() -> None:
    """The message names the seed and its form."""
    transport = OpenTransport()
    try:
        for seed in ("", "example.org", ":1", "host:0", "host:65536", "host:٣"):
            with pytest.raises(BadConfig, match="host:port"):
                Discovery(
                    me=peer_id(1),
                    market_tag=TAG,
                    addresses=transport.addresses,
                    fetch=Fetch(transport),
                    seeds=[seed],
                )
    finally:
        transport.close()


async def test_own_seed_and_lost_names_hurt_nobody() -> None:
    """A list of seeds that names the peer itself, or a name that nobody knows, is a usual thing."""
    async with members() as opened:
        seed = opened(1)
        alone = opened(2, seeds=["no-such-host.invalid:1", seed.seed, "127.0.0.1:1"])
        await until(lambda: alone.knows(seed))


async def test_mdns_finds_peers_on_the_interface_and_says_goodbye() -> None:
    """Both announce, both find; the one that leaves is gone at once, for its goodbye was sent."""
    async with members() as opened:
        first = opened(1, mdns=True)
        second = opened(2, mdns=True)
        await until(lambda: first.knows(second) and second.knows(first))
        assert [found.path for found in first.found] == [Way.MDNS]
        await second.close()
        await until(lambda: first.gone == [second.id])
        assert first.discovery.mdns_failure is None


async def test_mdns_is_announced_and_asked_again() -> None:
    """The repeats that heal a partition do no harm to what is known."""
    limits = replace(QUICK, mdns=MdnsLimits(delay_ms=0, announce_ms=100, query_ms=150))
    async with members() as opened:
        first, second = opened(1, mdns=True, limits=limits), opened(2, mdns=True, limits=limits)
        await until(lambda: first.knows(second) and second.knows(first))
        third = opened(3, mdns=True, limits=limits)
        await until(lambda: first.knows(second, third) and third.knows(first, second))
        assert (first.gone, second.gone, first.discovery.mdns_failure) == ([], [], None)


async def test_rubbish_records_are_ignored() -> None:
    """Anybody on the network can announce anything."""
    from zeroconf import ServiceInfo
    from zeroconf.asyncio import AsyncZeroconf

    good = {"v": "1", "m": TAG.hex(), "p": peer_id(9).hex(), "f": "99"}
    rubbish: list[dict[str, str]] = [
        {},
        good | {"p": "zz"},
        good | {"p": bytes(32).hex()},
        good | {"f": "99999"},
        good | {"f": "1/../2"},
        good | {"x": "y" * 250, "z": "y" * 250},
        good | {"v": "2"},
    ]
    infos = [
        ServiceInfo(SERVICE, f"r{number}.{SERVICE}", 80, properties=text, server="r.local.", addresses=[b"\x7f\0\0\1"])
        for number, text in enumerate(rubbish)
    ]
    infos.append(
        ServiceInfo(SERVICE, f"far.{SERVICE}", 80, properties=good, server="far.local.", addresses=[b"\xc0\0\2\1"])
    )
    rogue = AsyncZeroconf(interfaces=["127.0.0.1"])
    try:
        for info in infos:
            await (await rogue.async_register_service(info, cooperating_responders=True))
        async with members() as opened:
            first, second = opened(1, mdns=True), opened(2, mdns=True)
            await until(lambda: first.found and first.discovery.ignored >= 6)
            assert first.knows(second)
    finally:
        await rogue.async_close()


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # zeroconf leaves a socket open when it cannot join
async def test_mdns_that_cannot_work_says_why() -> None:
    """The other paths go on, and `vendue doctor` can tell."""
    nowhere = Addresses("tcp://192.0.2.1:1", "tcp://192.0.2.1:2")
    mdns = Mdns(
        TAG,
        peer_id(1),
        nowhere,
        on_found=lambda peer_id, addresses: None,
        on_gone=lambda peer_id, addresses: None,
        limits=MdnsLimits(delay_ms=0),
    )
    mdns.start(asyncio.get_running_loop())
    await until(lambda: mdns.failure)
    await mdns.close()


async def test_two_markets_do_not_mix(runtime: Path) -> None:
    """On every path only peers of the same market are found."""
    async with members() as opened:
        seed = opened(1, runtime=runtime, mdns=True)
        friend = opened(2, runtime=runtime, mdns=True, seeds=[seed.seed])
        stranger = opened(3, runtime=runtime, mdns=True, seeds=[seed.seed], tag=OTHER_TAG)
        countryman = opened(4, mdns=True, tag=OTHER_TAG)
        await until(lambda: stranger.knows(countryman) and countryman.knows(stranger))
        await until(lambda: friend.knows(seed) and seed.knows(friend))


def found(number: int, port: int, path: str = Way.MDNS) -> Found:
    """A hint."""
    return Found(peer_id(number), Addresses(f"tcp://127.0.0.1:{port}", f"tcp://127.0.0.1:{port + 1}"), path)


def test_first_hint_is_kept_until_its_address_is_dead() -> None:
    """A spoofer that comes second is not believed, and one that came first is left when it does not answer."""
    book = AddressBook()
    assert book.hear(found(1, 100)) == found(1, 100)
    assert book.hear(found(1, 200)) is None
    assert book.hear(found(1, 200, Way.SEED)) is None
    assert book.current() == [found(1, 100)]
    assert book.mark_dead(peer_id(1)) == found(1, 200)
    assert book.mark_dead(peer_id(1)) is None, "the same address by another way is tried, but is no news"
    assert book.hear(found(1, 300)) is None


def test_new_address_of_a_dead_peer_is_used_at_once() -> None:
    """A peer that came back elsewhere need not wait for a second death."""
    book = AddressBook()
    book.hear(found(1, 100))
    assert book.mark_dead(peer_id(1)) is None
    assert book.current() == []
    assert book.hear(found(1, 200)) == found(1, 200)


def test_revived_address_is_kept() -> None:
    """After a pause the old address holds again."""
    book = AddressBook()
    book.hear(found(1, 100))
    book.mark_dead(peer_id(1))
    book.mark_live(peer_id(1))
    assert book.hear(found(1, 200)) is None
    assert book.current() == [found(1, 100)]


def test_folder_displaces_and_its_end_ends_the_address() -> None:
    """What this computer's own folder says is believed, also about an end."""
    book = AddressBook()
    book.hear(found(1, 100))
    assert book.hear(found(1, 200, Way.FOLDER)) == found(1, 200, Way.FOLDER)
    book.hear(found(1, 200))
    assert book.forget(found(1, 200, Way.FOLDER)) == found(1, 100)
    assert book.forget(found(1, 100)) == Gone(peer_id(1))
    assert book.forget(found(1, 100)) is None


def test_goodbye_of_one_way_leaves_the_others() -> None:
    """A peer is gone when no way knows it any more."""
    book = AddressBook()
    book.hear(found(1, 100))
    book.hear(found(1, 100, Way.SEED))
    assert book.forget(found(1, 100)) is None
    assert book.forget(found(1, 100, Way.SEED)) == Gone(peer_id(1))


def test_hints_are_bounded_per_peer_and_peers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inventing addresses or peers fills nobody's memory; a dead address makes room for a new one."""
    monkeypatch.setattr(AddressBook, "PEERS_MAX", 2)
    book = AddressBook()
    for port in range(100, 120, 2):
        book.hear(found(1, port))
    assert book.dropped == 10 - AddressBook.HINTS_MAX
    book.mark_dead(peer_id(1))
    assert book.hear(found(1, 300)) is None
    for _ in range(AddressBook.HINTS_MAX - 2):
        book.mark_dead(peer_id(1))
    assert book.mark_dead(peer_id(1)) == found(1, 300)
    assert book.hear(found(2, 100)) == found(2, 100)
    assert book.hear(found(3, 100)) is None


def test_nobody_can_be_marked() -> None:
    """Marking a peer that is not in the book is harmless."""
    book = AddressBook()
    assert book.mark_dead(peer_id(1)) is None
    book.mark_live(peer_id(1))
    assert book.current() == []
