"""Statement replayed: somebody has recorded every frame of the market, as it was before the locks, and says it again.

In the same market, to peers that have been restarted since, in another market, and as a statement of another kind. What
was said is said: nothing is done, paid, announced or bid a second time.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from peer.agent import Agent
from peer.launch import launch
from peer.runtime import Runtime
from protocol.bundle import BUNDLE_TAG
from protocol.codec import statement_id
from protocol.states import State
from tests.threats.rogue import Rogue, heard
from tests.threats.stage import Stage
from tests.waiting import until


class Counted(Agent):
    """Shouts, and counts how often it did."""

    def __init__(self) -> None:
        super().__init__("shouter", capacity=64)
        self.done: list[str] = []

        @self.worker("shout", price=5)
        def shout(text: str) -> str:
            self.done.append(text)
            return text.upper()


async def say_all_again(rogue: Rogue, frames: list[bytes], stage: Stage) -> None:
    """Say every recorded frame three times, each on the topic that it was said on."""
    for frame in 3 * frames:
        rogue.publisher.push(frame)
    rogue.tell(last := rogue.card())
    for runtime in (stage.caller.runtime, stage.worker):
        await heard(runtime, last)


async def all_settled(worker: Runtime) -> None:
    """Wait until the worker has heard how its contracts ended."""
    contracts = worker.node.holdings.contracts
    await until(lambda: all(each.reading.state is State.SETTLED for each in contracts.values()))


async def test_in_the_same_market_nothing_happens_twice(tmp_path: Path) -> None:
    """Three auctions are recorded, and said again: no work, no contract, no change of any reading."""
    agent = Counted()
    async with Stage(tmp_path) as stage:
        await stage.begin(agent)
        frames = stage.overhear(stage.worker, stage.caller.runtime)
        await stage.settle(3)
        await all_settled(stage.worker)
        before = {key: each.reading for key, each in stage.worker.node.holdings.contracts.items()}
        with Rogue(stage) as rogue:
            await rogue.meet(stage.worker, stage.caller.runtime)
            await say_all_again(rogue, list(frames), stage)
            assert stage.worker.turn.verdicts["ignore (nobody): seen before"] > 0
            assert {key: each.reading for key, each in stage.worker.node.holdings.contracts.items()} == before
            assert sorted(agent.done) == ["hello 0", "hello 1", "hello 2"]
            await stage.settle(3, text="new")


async def test_after_a_restart_nothing_happens_twice(tmp_path: Path) -> None:
    """The worker is started again on its home: its journal knows what it has done."""
    first, second = Counted(), Counted()
    async with Stage(tmp_path) as stage:
        async with launch(stage.settings, name="worker", agent=first) as worker:
            stage.worker = worker
            stage.caller = await stage.call()
            frames = stage.overhear(worker, stage.caller.runtime)
            await stage.settle(3)
            await all_settled(worker)
        stage.worker = await stage.run("worker", second)
        with Rogue(stage) as rogue:
            await rogue.meet(stage.worker, stage.caller.runtime)
            await say_all_again(rogue, list(frames), stage)
            assert (len(first.done), second.done) == (3, [])
            await stage.settle(3, text="new")
            assert sorted(second.done) == ["new 0", "new 1", "new 2"]


async def test_in_another_market_nothing_is_even_opened(tmp_path: Path) -> None:
    """The same computer is in two markets, with the same keys; what was said in one is nothing in the other."""
    async with Stage(tmp_path / "one") as one:
        await one.begin()
        frames = one.overhear(one.worker, one.caller.runtime)
        await one.settle(3)
        async with Stage(tmp_path / "two") as two:
            await two.begin()
            with Rogue(two) as rogue:
                await rogue.meet(two.worker, two.caller.runtime)
                before = two.worker.turn.verdicts["accept"]
                await say_all_again(rogue, [two.governance + frame[9:] for frame in frames], two)
                assert two.worker.turn.verdicts["ignore (nobody): another market"] >= len(frames)
                assert two.worker.turn.verdicts["accept"] - before == 1  # the rogue's card
                assert not set(one.worker.node.holdings.contracts) & set(two.worker.node.holdings.contracts)


async def test_as_another_kind_nothing_is_verified(stage: Stage) -> None:
    """Of each recorded statement the kind is overwritten, and the signature kept: it was given for the old kind."""
    frames = stage.overhear(stage.worker, stage.caller.runtime)
    await stage.settle(3)
    with Rogue(stage) as rogue:
        await rogue.meet(stage.worker)
        forged = [other for frame in frames if (other := as_another_kind(frame[9:])) is not None]
        assert forged
        for bundle in forged:
            rogue.publish(stage.governance, bundle)
        await until(lambda: stage.worker.turn.verdicts["reject (connection): bad signature"] >= len(forged))
        seen = stage.worker.node.holdings.seen
        real = {payload for frame in frames for payload in payloads_of(frame[9:])}
        lies = {payload for bundle in forged for payload in payloads_of(bundle)} - real
        assert lies
        assert not [lie for lie in lies if statement_id(lie) in seen]


KINDS = {b"confirm/1": b"failure/1", b"propose/1": b"confirm/1", b"inform/1": b"cancel/1"}


def payloads_of(bundle: bytes) -> list[bytes]:
    """The statements in a bundle."""
    return list(msgspec.msgpack.decode(bundle)[4])


def as_another_kind(bundle: bytes) -> bytes | None:
    """The bundle with other kinds of the same length in its statements; None if it has none of those."""
    tag, market, author, signature, payloads = msgspec.msgpack.decode(bundle)
    assert tag == BUNDLE_TAG
    changed = list(payloads)
    for old, new in KINDS.items():
        changed = [payload.replace(old, new, 1) for payload in changed]
    if changed == payloads:
        return None
    return msgspec.msgpack.encode((tag, market, author, signature, changed))
