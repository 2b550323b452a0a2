"""The small world, searched to its end: no promise is broken, and a planted bug is found on a path that is short."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from protocol import limits, tender
from protocol.actions import Action
from protocol.contractor import Contractor
from protocol.errors import UsageError
from protocol.feed import Feed
from protocol.keys import Digest
from protocol.manager import Manager
from protocol.statements import AnyStatement, EffectClass
from protocol.turn import Turn
from simulations.explorer.actor import BORN_MS, Actor
from simulations.explorer.command import explore
from simulations.explorer.ice import Ice
from simulations.explorer.likeness import Shape
from simulations.explorer.locals import Locals
from simulations.explorer.search import Explored, Search
from simulations.explorer.setting import Setting
from simulations.explorer.telling import tell
from simulations.explorer.worlds import WORLDS, world_named


def searched(name: str, *, faults_max: int) -> tuple[Search, Explored]:
    """A search of one of the worlds."""
    search = Search(WORLDS[name].setting)
    return search, search.run(faults_max)


def found(name: str, *, faults_max: int, moves_max: int, promise: str) -> str:
    """The transcript of a broken promise that a search finds within so many moves."""
    search, explored = searched(name, faults_max=faults_max)
    assert explored.broken is not None, "the planted bug lives"
    assert promise in explored.broken.what
    assert len(explored.broken.path) <= moves_max
    return tell(search.table, explored.broken)


@pytest.mark.parametrize("name", ["bidder-pure", "bidder-reversible", "bidders-pure"])
def test_the_small_world_keeps_every_promise(name: str) -> None:
    """Without faults, in every order: every future ends well."""
    _, explored = searched(name, faults_max=0)
    assert explored.broken is None
    assert explored.total >= 10
    assert explored.futures <= explored.total


def test_the_same_world_is_searched_in_the_same_way() -> None:
    """Two searches count the same."""
    assert searched("bidder-reversible", faults_max=0)[1] == searched("bidder-reversible", faults_max=0)[1]


def test_a_fault_leads_further() -> None:
    """What needs no fault is counted first, and one fault leads to more."""
    setting = Setting(bidders=0, governors=0, effect=EffectClass.PURE)
    calm, faulty = Search(setting).run(0), Search(setting).run(1)
    assert faulty.broken is None
    assert faulty.states[0] == calm.states[0]
    assert len(faulty.states) == 2
    assert faulty.states[1] > 0


def test_a_manager_without_patience_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease without grace: the manager gives up while its contractor may still work."""
    monkeypatch.setattr(tender, "grace_ms", lambda lease_ms: 0)
    told = found("bidder-reversible", faults_max=1, moves_max=6, promise="PatientWithWork")
    assert "manager rings: 2000 ms are over" in told
    assert told.splitlines()[-1].startswith("Broken: PatientWithWork at manager")


def test_a_start_without_a_permit_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A contractor that takes every award for permitted accepts an irreversible task at once."""
    confirm = Contractor._confirm

    def careless(self: Contractor, job: Any, reading: Any, now_ms: int) -> list[Action]:
        return confirm(self, job, replace(reading, permitted=True), now_ms)

    monkeypatch.setattr(Contractor, "_confirm", careless)
    found("governed-irreversible", faults_max=0, moves_max=12, promise="PermittedFirst")


def test_a_manager_that_never_answers_again_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """No promise is broken yet, but the future in which the settlement was lost does not end."""
    monkeypatch.setattr(Manager, "asked", lambda self, contract, question: [])
    told = found("bidder-reversible", faults_max=0, moves_max=8, promise="nothing more goes wrong, and still bidder 1")
    assert "manager says to bidder 1: Settlement t1/1 Result" in told


def test_a_feed_that_forgets_its_last_word_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the one crash it says two things with one seq."""
    remember = Feed.remember

    def forgetful(self: Feed, statement: AnyStatement, contract: Digest) -> None:
        remember(self, statement, contract)
        self.seq = max(0, self.seq - 1)

    monkeypatch.setattr(Feed, "remember", forgetful)
    told = found("bidder-pure", faults_max=1, moves_max=3, promise="NoFork")
    assert "dies" in told


def test_publishing_before_the_record_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What left is not on the disk."""

    def hasty(self: Turn, now_ms: int) -> list[Action]:
        for action in self._actions:
            if hasattr(action, "topic") and hasattr(action, "lazy"):
                self._outbox.put(action, now_ms)
        for frame in self._outbox.empty(now_ms):
            self._wire.publish(frame)
        return self.record(now_ms)

    monkeypatch.setattr(Turn, "finish", hasty)
    with pytest.raises(AssertionError, match="OwnRecordedFirst"):
        searched("bidder-pure", faults_max=0)


def test_a_frozen_peer_is_the_same_when_thawed() -> None:
    """Its shape and its times are the same, and what the copy hears the original does not."""
    setting, ice = Setting(bidders=1, governors=1, effect=EffectClass.PURE), Ice()
    actor = Actor(setting, setting.roles[0])
    actor.begin()
    frozen = ice.freeze(actor)
    copy = ice.thaw(frozen)
    assert _shape(copy) == _shape(actor)
    copy.announce()
    assert copy.node.manager.tenders
    assert not actor.node.manager.tenders
    assert _shape(copy) != _shape(actor)
    assert _shape(ice.thaw(frozen)) == _shape(actor)


def _shape(actor: Actor) -> tuple[bytes, list[int]]:
    shape = Shape(actor.now_ms)
    shape.read(actor)
    return shape.digest(), shape.times


def test_a_later_state_is_the_same_with_nearer_timers() -> None:
    """Time that passes moves timers, never beyond the first, and nothing else."""
    setting = Setting(bidders=0, governors=0, effect=EffectClass.PURE)
    table = Locals(setting, beside=Locals(setting))
    actor = Actor(setting, setting.roles[0])
    actor.begin()
    actor.announce()
    now = table.add(actor)
    later = table.later(now, 200)
    assert table.all[later].due_in_ms == (table.all[now].due_in_ms or 0) - 200
    assert table.all[later].shape == table.all[now].shape
    assert table.thaw(later).now_ms == BORN_MS + 200
    assert table.all[table.later(now, 10**6)].due_in_ms == 0


def test_who_has_answered_lately_answers_again_later() -> None:
    """A peer is another one once a question may be answered again."""
    setting = Setting(bidders=0, governors=0, effect=EffectClass.PURE)
    table = Locals(setting)
    actor = Actor(setting, setting.roles[0])
    actor.begin()
    actor.announce()
    before = table.add(actor)
    (question,) = actor.node.manager.tenders
    actor.node._answered.note(question, actor.now_ms)
    now = table.add(actor)
    assert now != before
    assert table.later(now, limits.ANSWER_AGAIN_MS // 2) == now, "not yet"
    assert table.later(now, limits.ANSWER_AGAIN_MS) == before


def test_when_it_was_answered_makes_no_difference_where_there_is_no_answer() -> None:
    """A question about a statement that is not held is never answered, so it is no matter how often."""
    setting = Setting(bidders=0, governors=0, effect=EffectClass.PURE)
    table = Locals(setting)
    actor = Actor(setting, setting.roles[0])
    actor.begin()
    before = table.add(actor)
    actor.node._answered.note(Digest(bytes(32)), actor.now_ms)
    assert table.add(actor) == before


def test_the_command_prints_what_was_searched() -> None:
    """For people, and for programs."""
    runner = CliRunner()
    told = runner.invoke(explore, ["bidder-reversible", "--bound", "0"])
    assert told.exit_code == 0
    assert "no promise is broken" in told.output
    (document,) = json.loads(runner.invoke(explore, ["bidder-reversible", "--bound", "0", "--json"]).output)
    assert document["states"] == sum(document["states_by_faults"]) > 0
    assert document["broken"] is None


def test_an_unknown_world_is_named_with_the_nearest() -> None:
    """A slip of the keyboard is an error that says what to do."""
    with pytest.raises(UsageError, match="Did you mean governed-pure"):
        world_named("governd-pure")
    with pytest.raises(UsageError, match="Take one of"):
        world_named("zzz")
