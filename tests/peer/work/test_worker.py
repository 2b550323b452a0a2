"""Workers: whatever agent code does, the peer goes on, hears the end exactly once, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from peer.work.context import Context, Done, Failed, Lease, Stopped, clean, failure_of
from peer.work.skill import Mode, Skill, skills_of
from peer.work.threads import Threads
from peer.work.workers import Workers
from protocol.statements import FailureClass
from tests.waiting import until

FAR_MS = 10**15
AGENTS = Path(__file__).with_name("rogue_agents.py")
EVERYWHERE = pytest.mark.parametrize("mode", list(Mode))
CONTAINED = pytest.mark.parametrize("mode", [Mode.THREAD, Mode.PROCESS])


def _load() -> dict[str, Skill]:
    spec = importlib.util.spec_from_file_location("rogue_agents", AGENTS)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["rogue_agents"] = module
    spec.loader.exec_module(module)
    return {skill.name: skill for skill in skills_of(module)}


SKILLS = _load()


def rogue(name: str, mode: Mode, **changes: Any) -> Skill:
    """Give a skill of the rogue agents, to be run in `mode`."""
    return replace(SKILLS[f"{name}-coroutine" if mode is Mode.COROUTINE else name], mode=mode, **changes)


def _effects(note: Path) -> int:
    """How many effects the agent has had that asks its fence before each."""
    return len(note.read_bytes())


def gone(pid: int) -> bool:
    """Tell whether a process has ended; one that only waits to be reaped by init has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


class Bench:
    """One peer's workers, and what they told."""

    def __init__(self, threads: int = 4) -> None:
        self.told: list[tuple[bytes, Done | Failed]] = []
        self.progress: list[tuple[bytes, int, str]] = []
        self.told_on: set[int] = set()
        self.now_ms = 0
        self.workers = Workers(
            asyncio.get_running_loop(), on_done=self._done, on_progress=self._progress, threads=threads
        )

    def start(self, skill: Skill, award: bytes = b"a", *, lease_until_ms: int = FAR_MS, **given: Any) -> None:
        """Begin an award with the given arguments."""
        self.workers.start(
            award,
            skill,
            msgspec.json.encode(given),
            token=bytes(32),
            epoch=3,
            lease_until_ms=lease_until_ms,
            clock=lambda: self.now_ms,
        )

    async def end(self, award: bytes = b"a") -> Done | Failed:
        """Wait for an award's end."""
        await until(lambda: award in dict(self.told))
        return dict(self.told)[award]

    async def run(self, skill: Skill, **given: Any) -> Done | Failed:
        """Begin, and wait for the end."""
        self.start(skill, **given)
        return await self.end()

    def _done(self, award: bytes, outcome: Done | Failed) -> None:
        self.told_on.add(threading.get_ident())
        self.told.append((award, outcome))

    def _progress(self, award: bytes, permille: int, note: str) -> None:
        self.told_on.add(threading.get_ident())
        self.progress.append((award, permille, note))


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Give workers that are closed at the end, whose every award has then been told exactly once."""
    made = Bench()
    yield made
    await made.workers.close()
    awards = [award for award, _ in made.told]
    assert len(awards) == len(set(awards))
    assert made.told_on <= {threading.get_ident()}


@pytest.fixture
def note(tmp_path: Path) -> Path:
    """Give the file by which agent code says that it has begun."""
    return tmp_path / "note"


def failed(outcome: Done | Failed, failure_class: FailureClass) -> str:
    """Give the reason of a failure of this class."""
    assert isinstance(outcome, Failed)
    assert outcome.failure_class is failure_class
    assert len(outcome.reason) <= 1000
    return outcome.reason


@EVERYWHERE
async def test_work_gets_input_and_context_and_gives_output(bench: Bench, mode: Mode) -> None:
    """The same function sees the same token, epoch and award wherever it runs; its prints disturb nobody."""
    outcome = await bench.run(rogue("echo", mode), text="hi")
    assert isinstance(outcome, Done)
    assert outcome.output == b'"hi 32 3 a"'
    assert bench.progress == [(b"a", 250, "a quarter")]


@EVERYWHERE
async def test_an_exception_is_retryable_and_names_itself(bench: Bench, mode: Mode) -> None:
    """What an agent raises may be this peer's trouble alone."""
    outcome = await bench.run(rogue("raise", mode), kind="value")
    assert failed(outcome, FailureClass.RETRYABLE) == "ValueError: as told"


@EVERYWHERE
@pytest.mark.parametrize("kind", ["exit", "interrupt", "cancel"])
async def test_no_exception_of_an_agent_ends_the_peer(bench: Bench, mode: Mode, kind: str) -> None:
    """SystemExit, KeyboardInterrupt and CancelledError out of agent code are failures like any other."""
    outcome = await bench.run(rogue("raise", mode), kind=kind)
    assert "as told" in failed(outcome, FailureClass.RETRYABLE)


@EVERYWHERE
async def test_task_failed_is_fatal_and_not_tried_again(bench: Bench, mode: Mode) -> None:
    """An agent that says that the task cannot be done is believed."""
    outcome = await bench.run(rogue("raise", mode, retries=3), kind="task")
    assert failed(outcome, FailureClass.FATAL) == "as told"


@EVERYWHERE
async def test_a_wrong_output_is_fatal_and_tells_the_path(bench: Bench, mode: Mode) -> None:
    """A value that breaks the return annotation never leaves the peer."""
    reason = failed(await bench.run(rogue("wrong", mode)), FailureClass.FATAL)
    assert "$[...]: expected int, got str" in reason


@EVERYWHERE
async def test_a_wrong_input_is_fatal_and_tells_the_path(bench: Bench, mode: Mode) -> None:
    """The function is not called with what its annotations do not allow."""
    reason = failed(await bench.run(rogue("large", mode), size="much"), FailureClass.FATAL)
    assert "$.size: expected int, got str" in reason


@EVERYWHERE
async def test_an_enormous_output_is_fatal_and_tells_size_and_limit(bench: Bench, mode: Mode) -> None:
    """An output that fits into no statement is refused where it is made."""
    reason = failed(await bench.run(rogue("large", mode), size=5_000_000), FailureClass.FATAL)
    assert "5000002 bytes" in reason
    assert "16384" in reason


@EVERYWHERE
async def test_an_output_of_just_the_limit_passes(bench: Bench, mode: Mode) -> None:
    """The bound is the last size that is allowed."""
    outcome = await bench.run(rogue("large", mode), size=16_382)
    assert isinstance(outcome, Done)
    assert len(outcome.output) == 16_384


@EVERYWHERE
async def test_retries_rerun_until_it_succeeds(bench: Bench, mode: Mode, note: Path) -> None:
    """Two reruns are enough for what succeeds at the third try."""
    outcome = await bench.run(rogue("third-time", mode, retries=2), note=str(note))
    assert isinstance(outcome, Done)
    assert outcome.output == b"3"


async def test_retries_are_counted(bench: Bench, note: Path) -> None:
    """One rerun is not enough, and the last error is told."""
    outcome = await bench.run(rogue("third-time", Mode.THREAD, retries=1), note=str(note))
    assert failed(outcome, FailureClass.RETRYABLE) == "ConnectionError: try 2"


async def test_no_rerun_begins_after_the_lease(bench: Bench, note: Path) -> None:
    """A retry needs a lease that runs."""
    bench.start(rogue("third-time", Mode.COROUTINE, retries=2), lease_until_ms=0, note=str(note))
    reason = failed(await bench.end(), FailureClass.STOPPED)
    assert "lease has ended" in reason
    assert note.read_text(encoding="ascii") == "1"


@EVERYWHERE
async def test_a_hang_ends_at_the_time_limit(bench: Bench, mode: Mode, note: Path) -> None:
    """Code that never returns costs its time limit and no more; another peer may do better."""
    outcome = await bench.run(rogue("hang", mode, time_limit_ms=700, retries=3), note=str(note))
    assert "time limit of 0.7 s" in failed(outcome, FailureClass.RETRYABLE)
    note.with_name("note.free").touch()


@EVERYWHERE
async def test_stop_ends_code_that_hangs(bench: Bench, mode: Mode, note: Path) -> None:
    """The end of the epoch ends the work, whatever it does; its process is dead when that is told."""
    bench.start(rogue("hang", mode), note=str(note))
    await until(lambda: note.exists() and note.read_text(encoding="ascii"))
    bench.workers.stop(b"a")
    bench.workers.stop(b"a")
    assert bench.told == []
    assert "epoch is over" in failed(await bench.end(), FailureClass.STOPPED)
    if mode is Mode.PROCESS:
        assert gone(int(note.read_text(encoding="ascii")))
    note.with_name("note.free").touch()


@EVERYWHERE
async def test_the_fence_trips_when_the_lease_ends(bench: Bench, mode: Mode, note: Path) -> None:
    """Code that asks the fence stops by itself when time has passed the lease, and not before."""
    bench.start(rogue("fenced", mode), lease_until_ms=1000, note=str(note))
    await until(note.exists)
    bench.workers.extend(b"a", 2000)
    bench.now_ms = 1500
    asked = _effects(note)
    await until(lambda: _effects(note) > asked + 5)
    assert bench.told == []
    bench.now_ms = 2000
    assert "lease has ended" in failed(await bench.end(), FailureClass.STOPPED)


@EVERYWHERE
async def test_the_fence_trips_when_the_epoch_is_over(bench: Bench, mode: Mode, note: Path) -> None:
    """No effect follows a stop."""
    bench.start(rogue("fenced", mode), note=str(note))
    await until(note.exists)
    bench.workers.stop(b"a")
    assert "epoch is over" in failed(await bench.end(), FailureClass.STOPPED)


async def test_a_hung_thread_is_replaced(note: Path) -> None:
    """With one thread, the next award still runs after the first has hung."""
    bench = Bench(threads=1)
    outcome = await bench.run(rogue("hang", Mode.THREAD, time_limit_ms=50), note=str(note))
    assert "was replaced (1 of at most 32)" in failed(outcome, FailureClass.RETRYABLE)
    bench.start(rogue("echo", Mode.THREAD), b"b", text="next")
    assert isinstance(await bench.end(b"b"), Done)
    note.with_name("note.free").touch()
    await bench.workers.close()


async def test_a_coroutine_that_swallows_its_cancellation_is_left(bench: Bench, note: Path) -> None:
    """Its end is told without it, once, and what it returns later counts no more."""
    bench.start(SKILLS["resist-coroutine"], note=str(note))
    await until(note.exists)
    bench.workers.stop(b"a")
    failed(await bench.end(), FailureClass.STOPPED)
    note.with_name("note.free").touch()
    await until(note.with_name("note.late").exists)
    await asyncio.sleep(0)  # its end is told, if at all, by what waits for it
    assert len(bench.told) == 1


async def test_an_award_runs_once_at_a_time(bench: Bench, note: Path) -> None:
    """A second start of an award at work is an error of the caller."""
    bench.start(rogue("hang", Mode.COROUTINE), note=str(note))
    with pytest.raises(ValueError, match="at work already"):
        bench.start(rogue("hang", Mode.COROUTINE), note=str(note))


async def test_close_tells_every_end(note: Path) -> None:
    """Nothing stays at work, and each award is told as stopped."""
    bench = Bench()
    for number, mode in enumerate(Mode):
        bench.start(rogue("fenced", mode), bytes([number]), note=f"{note}{number}")
    await until(lambda: all(Path(f"{note}{number}").exists() for number in range(3)))
    await bench.workers.close()
    assert sorted(award for award, _ in bench.told) == [b"\0", b"\1", b"\2"]
    for _, outcome in bench.told:
        failed(outcome, FailureClass.STOPPED)


async def test_two_hundred_coroutines_run_side_by_side(bench: Bench) -> None:
    """Each gets its own input and award."""
    for number in range(200):
        bench.start(rogue("echo", Mode.COROUTINE), str(number).encode(), text=str(number))
    await until(lambda: len(bench.told) == 200)
    for award, outcome in bench.told:
        assert isinstance(outcome, Done)
        assert outcome.output.decode() == f'"{award.decode()} 32 3 {award.decode()}"'


async def test_an_exit_without_a_word_is_told_with_its_code(bench: Bench) -> None:
    """os._exit leaves no result, and no riddle."""
    outcome = await bench.run(rogue("vanish", Mode.PROCESS), code=7)
    assert "exit code 7" in failed(outcome, FailureClass.RETRYABLE)


@pytest.mark.parametrize("hang_on", [False, True])
async def test_no_grandchild_is_left(bench: Bench, note: Path, hang_on: bool) -> None:
    """Programs and forks that ignore SIGTERM die with the child, whether it returned or was stopped."""
    bench.start(rogue("breed", Mode.PROCESS), note=str(note), hang_on=hang_on)
    await until(note.exists)
    if hang_on:
        bench.workers.stop(b"a")
    outcome = await bench.end()
    assert isinstance(outcome, Failed if hang_on else Done)
    pids = [int(pid) for pid in note.read_text(encoding="ascii").split()]
    await until(lambda: all(gone(pid) for pid in pids))
    assert not Path(f"/proc/{pids[2]}").exists()


async def test_a_memory_hog_fails_alone(bench: Bench) -> None:
    """The limit is the process's, and what is within it is given."""
    bounded = rogue("hog", Mode.PROCESS, memory_limit_bytes=256 * 1024 * 1024)
    outcome = await bench.run(bounded, megabytes=4096)
    assert failed(outcome, FailureClass.RETRYABLE).startswith("MemoryError")
    bench.start(bounded, b"b", megabytes=64)
    assert isinstance(await bench.end(b"b"), Done)


async def test_a_process_is_ended_at_its_cpu_limit(bench: Bench) -> None:
    """Seconds of work are counted apart from seconds that pass."""
    outcome = await bench.run(rogue("spin", Mode.PROCESS, cpu_limit_s=1))
    assert "CPU limit of 1 s" in failed(outcome, FailureClass.RETRYABLE)


async def test_a_skill_that_its_file_lacks_is_fatal(bench: Bench) -> None:
    """The child says what it looked for."""
    outcome = await bench.run(replace(SKILLS["echo"], mode=Mode.PROCESS, name="renamed"), text="")
    assert "rogue_agents.py declares no skill 'renamed'" in failed(outcome, FailureClass.FATAL)


async def test_a_killed_peer_leaves_no_child(note: Path) -> None:
    """The child notices that its peer is gone, and goes with all its group."""
    code = (
        "import asyncio, sys\n"
        "from tests.peer.work.test_worker import Bench, rogue, Mode\n"
        "async def main():\n"
        "    Bench().start(rogue('breed', Mode.PROCESS), note=sys.argv[1], hang_on=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    root = AGENTS.parent.parent.parent
    victim = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(note), cwd=root)
    try:
        await until(note.exists)
    finally:
        victim.kill()
        await victim.wait()
    pids = [int(pid) for pid in note.read_text(encoding="ascii").split()]
    await until(lambda: all(gone(pid) for pid in pids))


def _context(reports: list[tuple[int, str]]) -> tuple[Context, Lease]:
    lease = Lease(10, lambda: 5)
    return (
        Context(
            award=b"",
            idempotency_token=bytes(32),
            epoch=0,
            end_reason=lease.end_reason,
            report=lambda permille, text: reports.append((permille, text)),
        ),
        lease,
    )


def test_progress_is_bounded_in_value_rate_and_length() -> None:
    """An agent that reports in a tight loop is heard a few times, within 0 and 1000 permille."""
    reports: list[tuple[int, str]] = []
    context, _ = _context(reports)
    context.progress(7.0, "x" * 1000)
    for _ in range(10_000):
        context.progress(-1.0)
    assert reports[0] == (1000, "x" * 200)
    assert len(reports) < 1000
    with pytest.raises(ValueError, match="0 to 1"):
        context.progress(float("nan"))


def test_the_fence_says_why() -> None:
    """A lease that ended and an epoch that is over are told apart."""
    context, lease = _context([])
    context.fence()
    lease.until_ms = 5
    with pytest.raises(Stopped, match="lease has ended"):
        context.fence()
    lease.over = True
    with pytest.raises(Stopped, match="epoch is over"):
        context.fence()


def test_reasons_are_cut_and_fit_for_the_wire() -> None:
    """Texts out of agent code have at most 1,000 characters and no lone surrogate, and need not even be printable."""

    class Unprintable(Exception):
        def __str__(self) -> str:
            raise SystemExit

    assert clean("\ud800" + "x" * 5000) == "?" + "x" * 999
    assert failure_of(Unprintable()).reason == "Unprintable: (the error cannot be printed)"


def test_the_number_of_abandoned_threads_is_bounded() -> None:
    """Past the bound a hung thread is not replaced, which is said; freed threads serve again."""
    pool, free, ran = Threads(1, abandoned_max=1), threading.Event(), threading.Event()
    for said in ("was replaced", "Restart the peer"):
        begun = threading.Event()

        def hang(begun: threading.Event = begun) -> None:
            begun.set()
            free.wait(30)

        job = pool.submit(hang)
        assert begun.wait(30)
        assert said in pool.abandon(job)
    waiting = pool.submit(ran.set)
    assert not ran.is_set()
    free.set()
    assert ran.wait(30)
    assert pool.abandon(waiting) == ""
    pool.close()


async def test_a_line_about_failed_code_names_the_contract(bench: Bench) -> None:
    """Whoever reads the diagnostics of many peers finds the contract that a traceback belongs to."""
    with capture_logs() as lines:
        bench.workers.start(
            b"a", rogue("raise", Mode.THREAD), b'{"kind":"value"}',
            token=bytes(32), epoch=1, lease_until_ms=FAR_MS, clock=lambda: 0, contract=b"\xab" * 32,
        )  # fmt: skip
        await bench.end()
    assert [line["contract"] for line in lines] == ["ab" * 8]
