"""Stories as text: commands to a market of real nodes, and below each what then happens, to be reviewed by reading.

A line that begins with `> ` is a command, one with `#` a remark; all others are what happened: when, who, what to whom.
`VENDUE_REWRITE=1` writes what happens into the files instead of comparing it.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable
from typing import Any

from protocol.events import Advanced, Vote, Withdraw
from protocol.keys import Digest
from protocol.notices import Card, Oversight
from protocol.policy import Policy, Rule, Ruled, Stage
from protocol.statements import (
    AwardRule,
    Cancel,
    CancelReason,
    EffectClass,
    Failure,
    FailureClass,
    Permit,
    Result,
    Settlement,
    Standing,
    Veto,
    VetoScope,
)
from protocol.topics import peer_topic
from simulations.story import Story
from tests.market import TestMarket, TestPeer, charter_with


class Played:
    """One market, played command by command."""

    def __init__(self) -> None:
        self.market = TestMarket()
        self.told = Story(self.market.now_ms)
        self._watch()

    def _watch(self) -> None:
        self.market.on_published = self._published
        self.market.on_action = self._acted

    def play(self, command: str) -> list[str]:
        """Carry out one command; the lines of what happened."""
        verb, *words = shlex.split(command)
        plain = [word for word in words if "=" not in word]
        options = dict(word.split("=", 1) for word in words if "=" in word)
        act: Callable[..., None] = getattr(self, f"do_{verb}")
        act(*plain, **options)
        return self.told.tell()

    # What is seen

    def _published(self, sender: TestPeer, frame: bytes) -> None:
        self.told.note(self.market.now_ms, sender.name, frame)

    def _acted(self, actor: TestPeer, action: object) -> None:
        self.told.note(self.market.now_ms, actor.name, action)  # type: ignore[arg-type]

    def _read(self, name: str, words: str) -> None:
        self.told.note(self.market.now_ms, name, words)

    # Commands

    def do_governors(self, *names: str, oversight: str = "", refer: str = "") -> None:
        """Begin with governors; `oversight=SKILL` asks permits of reversible tasks too, `refer=STAGE` a person."""
        rules = (Oversight(skill=oversight, price_min=0),) if oversight else ()
        self.market = TestMarket(charter_with(names, oversight=rules))
        self._watch()
        for name in names:
            rule = Rule(id="people", decision=Ruled.REFER, stages=(Stage(refer),)) if refer else None
            self._join(name, policy=Policy(version=Digest(bytes(32)), rules=(rule,) if rule else ()))

    def do_join(self, name: str, capacity: str = "8", **prices: str) -> None:
        self._join(name, capacity=int(capacity), **{skill: int(price) for skill, price in prices.items()})
        self._settle()

    def _join(self, name: str, **offer: Any) -> None:
        self.told.meet(name, self.market.join(name, **offer).sealer.peer)

    def _settle(self) -> None:
        """Let the cards travel before the story begins."""
        self.market.run(10)
        if not self.told.names:
            self.told.begun_ms = self.market.now_ms

    def do_announce(self, name: str, task: str, **changes: str) -> None:
        read: dict[str, Callable[[str], object]] = {
            "effect": EffectClass, "award_rule": AwardRule, "skill": str,
            "idempotency_key": str.encode, "check": lambda word: word == "yes", "parent": self._id_named,
        }  # fmt: skip
        fields = {key: read.get(key, int)(word) for key, word in changes.items()}
        fields.setdefault("idempotency_key", task.encode())
        self._announce(name, task, fields)

    def _announce(self, name: str, task: str, fields: dict[str, object]) -> None:
        contract = self.market.announce(name, **fields)  # type: ignore[arg-type]
        self.told.names.setdefault(contract, task)

    def _id_named(self, name: str) -> Digest:
        return next(Digest(known) for known, given in self.told.names.items() if given == name)

    def do_run(self, for_ms: str) -> None:
        self.market.run(int(for_ms))

    def do_work(self, name: str, outcome: str, ms: str = "10") -> None:
        """What a peer's agent does from now on: done, fail, fatal or never."""
        worker = self.market.peers[name]
        worker.work_ms = int(ms)
        done = Result(output=b"1", output_digest=None, usage_ms=1)
        failed = Failure(failure_class=FailureClass.RETRYABLE, reason="no luck", done="")
        fatal = Failure(failure_class=FailureClass.FATAL, reason="it cannot be done", done="")
        worker.work = lambda execute: {"done": done, "fail": failed, "fatal": fatal, "never": None}[outcome]

    def do_progress(self, name: str, award: str, permille: str) -> None:
        event = Advanced(award=self._id_named(award), permille=int(permille))
        self.market.peers[name].run(events=[event])

    def do_check(self, name: str, verdict: str) -> None:
        self.market.peers[name].check = lambda result: {"passes": True, "fails": False}.get(verdict)

    def do_withdraw(self, name: str, task: str) -> None:
        self.market.peers[name].run(events=[Withdraw(self._id_named(task))])

    def do_crash(self, name: str) -> None:
        self.market.peers[name].crash()

    def do_restart(self, name: str, *how: str) -> None:
        """Come back, with `emptyhanded` without the journal."""
        self.market.restart(name, lose_journal="emptyhanded" in how)

    def do_cut(self, *names: str) -> None:
        """Nothing passes between two peers, in either direction."""
        one, other = names
        self.market.cut |= {(one, other), (other, one)}

    def do_mute(self, one: str, other: str) -> None:
        """Nothing passes from one peer to another."""
        self.market.cut.add((one, other))

    def do_heal(self) -> None:
        self.market.cut.clear()

    def do_veto(self, name: str, about: str, scope: str = "task") -> None:
        veto = Veto(scope=VetoScope(scope), rule="hand", policy=bytes(32), reason="", grounds=(), reviewer=None)
        self.market.peers[name].run(events=[Vote(about=self._id_named(about), body=veto)])

    def do_permit(self, name: str, manager: str, uses: str, price_max: str = "100") -> None:
        """Give a standing permit."""
        standing = Standing(
            manager=self.market.peers[manager].sealer.peer, skill="shout", price_max=int(price_max), uses=int(uses)
        )
        self.do_vote(name, None, standing)

    def do_vote(self, name: str, about: str | None, standing: Standing | None = None) -> None:
        """Let a governor's person permit something."""
        permit = Permit(rule="hand", policy=bytes(32), reason="", grounds=(), reviewer=None, standing=standing)
        self.market.peers[name].run(events=[Vote(about=self._id_named(about) if about else None, body=permit)])

    def do_lie(self, name: str, what: str, task: str, to: str) -> None:
        """Say past the node: `fork` the last step, an `illegal` step behind it, or a veto too many."""
        liar = self.market.peers[name]
        topic, contract = (
            peer_topic(self.market.peers[to].sealer.peer),
            liar.node.holdings.contracts[self._id_named(task)],
        )
        tip, task_id = contract.reading.tip, contract.id
        cancel = Cancel(reason=CancelReason.WITHDRAWN, answer=None)
        match what:
            case "fork":
                liar.slander(topic, cancel, like=tip, about=task_id)
            case "illegal":
                liar.slander(topic, Settlement(), like=tip, seq=liar.node.feed.seq + 1, prev=tip.id)
            case "veto":
                veto = Veto(scope=VetoScope.TASK, rule="lie", policy=bytes(32), reason="", grounds=(), reviewer=None)
                liar.slander(topic, veto, like=tip, seq=liar.node.feed.seq + 1, feed=liar.node.feed.id, about=task_id)

    def do_where(self, task: str) -> None:
        """Where every peer that holds the contract thinks it stands."""
        contract_id = self._id_named(task)
        for name, each in self.market.peers.items():
            contract = each.node.holdings.contracts.get(contract_id)
            if contract is None:
                continue
            reading = contract.reading
            marks = [str(reading.state)]
            marks += [] if reading.phase == "none" else [f"{reading.phase} in epoch {reading.epoch}"]
            marks += ["orphaned"] if reading.orphaned else []
            marks += ["governance is compromised"] if reading.compromised else []
            marks += [f"because: {reading.fault}"] if reading.fault else []
            self._read(name, f"reads {task}: {', '.join(marks)}")

    def do_count(self, task: str) -> None:
        """Count the different statements that were said about a task."""
        kinds: Counter[str] = Counter()
        for each in self.market.peers.values():
            for statement in each.said():
                if not isinstance(statement.body, Card) and self.told.name_of(statement.id).startswith(task):
                    kinds[type(statement.body).__name__] += 1
        counted = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        self._read(f"{kinds.total()}", f"statements: {counted}")


def replay(text: str) -> str:
    """Play a transcript again; the text with what happened this time."""
    story, lines = Played(), list[str]()
    for line in text.splitlines():
        if line.startswith("> "):
            lines += ["", line, *story.play(line[2:])]
        elif line.startswith("#"):
            lines += [line] if lines and lines[-1].startswith("#") else ["", line]
    return "\n".join(lines).strip() + "\n"
