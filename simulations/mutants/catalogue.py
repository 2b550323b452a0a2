"""The planted bugs. Each is a slip that somebody could make in one minute."""

from __future__ import annotations

from typing import Final

from protocol.errors import UsageError
from simulations.mutants.base import Edit, Mutant


def _one(name: str, bug: str, module: str, was: str, becomes: str) -> Mutant:
    return Mutant(name, bug, (Edit(f"protocol.{module}", was, becomes),))


_AUCTION: Final = (
    _one(
        "tie-broken-by-arrival",
        "Of equal bids the one that came first wins.",
        "auction",
        "min(leaders, key=lambda bid: tie_break(announcement_id, bid.author)) if len(leaders) > 1 else leaders[0]",
        "leaders[0]",
    ),
    _one(
        "second-price-is-the-highest",
        "The winner pays the highest rival price.",
        "auction",
        "others = [bid.body.price for bid in candidates if bid.author != winner.author]",
        "others = sorted([bid.body.price for bid in candidates if bid.author != winner.author])[-1:]",
    ),
    _one(
        "second-price-alone-pays-its-bid",
        "A winner without rivals pays its own price, and not the budget.",
        "auction",
        "min(others, default=announcement.budget)",
        "min(others, default=winner.body.price)",
    ),
    _one(
        "winner-wins-twice",
        "A former winner may win the task again.",
        "auction",
        " and bid.author not in former_winners",
        "",
    ),
    _one(
        "price-above-the-budget",
        "Bids above the budget are candidates.",
        "auction",
        "if bid.body.price <= announcement.budget and",
        "if",
    ),
    _one(
        "award-omits-a-bid",
        "The last bid that came in is not considered.",
        "tender",
        "considered = contract.bids[: limits.CONSIDERED_MAX]",
        "considered = contract.bids[: len(contract.bids) - 1 or 1]",
    ),
    _one(
        "early-close-ignores-a-member",
        "The bidding ends as soon as anybody has answered.",
        "manager",
        "return 0 < len(offering) <= len(tender.answered) and offering <= tender.answered.keys()",
        "return any(member in tender.answered for member in offering)",
    ),
    _one(
        "standing-use-forgotten",
        "After a restart a manager does not know which uses of a standing permit it spent.",
        "manager",
        "self._allowance.used(step.body.standing)",
        "pass",
    ),
    _one(
        "standing-use-not-counted",
        "Every award uses a standing permit for the first time.",
        "allowance",
        "self._uses[permit.id] = number",
        "pass",
    ),
)
_CHAIN: Final = (
    _one(
        "dedupe-forgotten",
        "What is held already is taken in again.",
        "contract",
        "if statement.id in self.held or len(self.held)",
        "if len(self.held)",
    ),
    _one(
        "foreign-step-accepted",
        "Anybody's steps are part of the chain, and anybody calls a task orphaned.",
        "contract",
        "        if step.author != self.manager:\n            return\n        if step.feed",
        "        if step.feed",
    )._replace(
        edits=(
            Edit(
                "protocol.contract",
                "        if step.author != self.manager:\n            return\n        if step.feed",
                "        if step.feed",
            ),
            Edit(
                "protocol.welcome",
                "return author == contract.manager and (own_feed or isinstance(body, Cancel))",
                "return own_feed or isinstance(body, Cancel)",
            ),
        )
    ),
    _one(
        "settlement-of-anything",
        "A settlement may cite any answer of the contractor's.",
        "chain",
        "return _judge_answer(here, step.about, held, Result)\n\n\ndef _judge_cancel",
        "return _judge_answer(here, step.about, held, Result, Acceptance, Progress)\n\n\ndef _judge_cancel",
    ),
    _one(
        "anybodys-answer-counts",
        "Whoever answers an award makes its phase.",
        "contract",
        "if answer.author == award.body.winner:\n                body",
        "if True:\n                body",
    )._replace(
        edits=(
            Edit(
                "protocol.contract",
                "if answer.author == award.body.winner:\n                body",
                "if True:\n                body",
            ),
            Edit("protocol.welcome", "isinstance(award.body, Award) and award.body.winner == author", "True"),
        )
    ),
    _one(
        "state-moves-back",
        "A veto takes a permit of the same governor away again.",
        "contract",
        "        return len(governors) >= needed\n\n    def _standing",
        "        governors -= {vote.author for vote in self.votes if isinstance(vote.body, Veto)}\n"
        "        return len(governors) >= needed\n\n    def _standing",
    ),
    _one(
        "votes-counted-not-governors",
        "A quorum counts votes, and not who said them.",
        "contract",
        "            vote.author\n            for vote in self.votes\n            if vote.about == about",
        "            vote.id\n            for vote in self.votes\n            if vote.about == about",
    ),
    _one(
        "vote-without-a-seat",
        "Everybody's votes count.",
        "contract",
        "if has_seat(self.charter, statement) and statement.author != self.manager:",
        "if statement.author != self.manager:",
    )._replace(
        edits=(
            Edit(
                "protocol.contract",
                "if has_seat(self.charter, statement) and statement.author != self.manager:",
                "if statement.author != self.manager:",
            ),
            Edit("protocol.welcome", "return has_seat(contract.charter, statement)", "return True"),
        )
    ),
    _one(
        "fork-not-noticed",
        "Of two statements with one seq the second is taken in without a word.",
        "holdings",
        "return other if other.id != statement.id else None",
        "return None",
    ),
    _one(
        "seal-not-verified",
        "A bundle's signature is not looked at.",
        "bundle",
        "if not sealer.verify(bundle.author, message_to_sign(bundle.market, bundle.root), bundle.signature):",
        "if not bundle.signature:",
    ),
)
_WORK: Final = (
    _one(
        "epoch-ignored",
        "A contractor goes on with an award that is recalled.",
        "job",
        "return award in reading.steps and (reading.award is None or reading.award.id != award.id)",
        "return False",
    ),
    _one(
        "accepts-beyond-capacity",
        "One more piece of work is accepted than there are places.",
        "contractor",
        "return len(self._at_work) < self.capacity",
        "return len(self._at_work) <= self.capacity",
    ),
    _one("go-skipped", "Work with effects begins with its acceptance.", "contractor", "if not gate.go:", "if True:"),
    _one(
        "permit-not-awaited",
        "An award that needs permits is accepted without them.",
        "contractor",
        "if gate.permit and not reading.permitted:",
        "if False:",
    ),
    _one(
        "lease-never-ends",
        "A contractor does not stop when its lease is over.",
        "contractor",
        "if job.lease_until is not None and now_ms >= job.lease_until:",
        "if False:",
    ),
    _one(
        "lease-without-grace",
        "A manager waits no longer than the lease.",
        "tender",
        "return 500 + lease_ms // 10",
        "return 0",
    ),
    _one(
        "work-forgotten-by-a-restart",
        "A contractor does not say that its work ended with its process.",
        "contractor",
        "elif job.accepted:\n            failure",
        "elif False:\n            failure",
    ),
    _one(
        "result-said-once",
        "A contractor does not say its answer again.",
        "contractor",
        "        job.repeat_at = now_ms + job.pause_ms\n        job.lease_until = job.progress_at = None",
        "        job.repeat_at = None\n        job.lease_until = job.progress_at = None",
    ),
    _one(
        "veto-does-not-stop",
        "A contractor works on under a veto.",
        "contractor",
        "stopped_by_veto = reading.epoch_vetoed or reading.task_vetoed",
        "stopped_by_veto = False",
    ),
    _one(
        "irreversible-tried-again",
        "What may be done already is awarded again when its lease has run out.",
        "tender",
        " or (irreversible and reading.go and not own_end)",
        "",
    ),
    _one(
        "refused-result-settled",
        "A result is settled whatever its user says of it.",
        "tender",
        "passed = tender.checked.get(result.id) if tender.check else True",
        "passed = True",
    ),
    _one(
        "child-above-its-parents-price",
        "Children may cost more than their parent pays.",
        "admissible",
        "if bound + task.budget > award.body.price:",
        "if False:",
    ),
    _one(
        "children-left-behind",
        "Sub-contracts go on when their award is over.",
        "contractor",
        "children = self.on_released(job.award.id, now_ms)",
        "children: list[Action] = []",
    ),
)
_VOTES: Final = (
    _one(
        "veto-forgotten-after-restart",
        "A governor's own veto is not in its mind after a restart.",
        "replay",
        "        node.holdings.learn(contract, statement)\n",
        "        if type(statement.body).__name__ != 'Veto':\n            node.holdings.learn(contract, statement)\n",
    ),
    _one(
        "veto-not-obeyed",
        "A manager goes on under a veto of the task.",
        "tender",
        "if reading.task_vetoed:",
        "if False:",
    ),
    _one(
        "votes-on-its-own",
        "A governor votes on contracts that it has won.",
        "governor",
        "if award is None or reading.fault is not None or self._feed.author in (contract.manager, award.body.winner):",
        "if award is None or reading.fault is not None:",
    ),
    _one(
        "permits-the-last-award-again",
        "A governor permits what it has voted on before.",
        "governor",
        "if about in spoken or any(_is_veto_of(vote, award.id) for vote in own):",
        "if about in spoken:",
    ),
    _one(
        "votes-without-the-bids",
        "A governor votes on an award without all bids that it lists.",
        "governor",
        "if _missing_bids(contract, award):\n",
        "if False:\n",
    ),
)
_MEMORY: Final = (
    _one(
        "publish-before-commit", "What a turn says leaves before it is recorded.", "turn",
        "        if said or wished or self._must_record(now_ms):\n",
        "        for frame in self._outbox.empty(now_ms):\n            self._wire.publish(frame)\n"
        "        if said or wished or self._must_record(now_ms):\n",
    ),
    _one(
        "seq-reused-after-restart", "A restarted peer says its last number again.", "feed",
        "self.seq = max(self.seq, statement.seq)", "self.seq = max(self.seq, statement.seq - 1)",
    ),
    _one(
        "prev-forgotten-after-restart", "A restarted peer does not know what it said last in a contract.", "feed",
        "self._last[known or contract] = statement.id", "self._last.setdefault(known or contract, statement.id)",
    ),
    _one("heard-not-recorded", "What was heard is not in the journal.", "turn", "kept = True", "kept = False"),
    _one(
        "answer-not-said-again", "Whoever repeats its question is not answered.", "node",
        "if question is None or self._answered.lately(known, now_ms):", "if True:",
    ),
    Mutant(
        "gap-never-fetched",
        "A governor does not ask for what is missing in a feed.",
        (
            Edit("protocol.gaps", "if self.ask_ms is None or now_ms < self.ask_ms:", "if True:"),
            Edit("protocol.gaps", "return [self.tail(*key) for key in self.feeds if key[0] == author]", "return []"),
            Edit(
                "protocol.vigil",
                "return [self._gaps.tail(contract.manager, contract.announcement.feed), shown]",
                "return [shown]",
            ),
            Edit("protocol.vigil", "[self._gaps.tail(seat.governor, seat.feed) for seat in silent]", "[]"),
        ),
    ),
    _one(
        "missing-never-fetched", "Nobody asks for what a chain names and is not held.", "incomplete",
        "actions.append(Fetch(PeerId(contract.manager), missing))", "pass",
    ),
    _one(
        "never-rarer", "Repeats do not grow rarer.", "limits", "REPEAT_FACTOR: Final = 2", "REPEAT_FACTOR: Final = 1",
    ),
    _one(
        "two-bids", "A bidder that is asked again bids again.", "bidder",
        "if said is not None and not isinstance(said.body, Refusal):", "if False:",
    ),
)  # fmt: skip
MUTANTS: Final[dict[str, Mutant]] = {
    mutant.name: mutant for group in (_AUCTION, _CHAIN, _WORK, _VOTES, _MEMORY) for mutant in group
}


def mutant_of(name: str) -> Mutant:
    """The mutant of a name. Raises UsageError with the nearest names."""
    import difflib

    if name not in MUTANTS:
        near = ", ".join(difflib.get_close_matches(name, MUTANTS, n=3)) or "run scripts/mutants --list"
        raise UsageError(f"There is no mutant {name}.", do=f"Did you mean: {near}?")
    return MUTANTS[name]
