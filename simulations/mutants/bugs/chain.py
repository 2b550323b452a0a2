"""Slips in what a contract takes in, and how it reads."""

from __future__ import annotations

from typing import Final

from simulations.mutants.base import Edit, one_edit

CHAIN: Final = (
    one_edit(
        "dedupe-forgotten",
        "What is held already is taken in again.",
        "contract",
        "if statement.id in self.held or len(self.held)",
        "if len(self.held)",
    ),
    one_edit(
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
                "return author == contract.manager and (own_feed or type(body) is Cancel)",
                "return own_feed or type(body) is Cancel",
            ),
        )
    ),
    one_edit(
        "settlement-of-anything",
        "A settlement may cite any answer of the contractor's.",
        "chain",
        "return _judge_answer(here, step.about, held, Result)\n\n\ndef _judge_cancel",
        "return _judge_answer(here, step.about, held, Result, Acceptance, Progress)\n\n\ndef _judge_cancel",
    ),
    one_edit(
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
            Edit("protocol.welcome", "type(award.body) is Award and award.body.winner == author", "True"),
        )
    ),
    one_edit(
        "state-moves-back",
        "A veto takes a permit of the same governor away again.",
        "contract",
        "        return len(governors) >= needed\n\n    def _standing",
        "        governors -= {vote.author for vote in self.votes if type(vote.body) is Veto}\n"
        "        return len(governors) >= needed\n\n    def _standing",
    ),
    one_edit(
        "votes-counted-not-governors",
        "A quorum counts votes, and not who said them.",
        "contract",
        "            vote.author\n            for vote in self.votes\n            if vote.about == about",
        "            vote.id\n            for vote in self.votes\n            if vote.about == about",
    ),
    one_edit(
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
    one_edit(
        "fork-not-noticed",
        "Of two statements with one seq the second is taken in without a word.",
        "holdings",
        "return other if other.id != statement.id else None",
        "return None",
    ),
    one_edit(
        "seal-not-verified",
        "A bundle's signature is not looked at.",
        "bundle",
        "if not sealer.verify(bundle.author, message_to_sign(bundle.market, bundle.root), bundle.signature):",
        "if not bundle.signature:",
    ),
)
