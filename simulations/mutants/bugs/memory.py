"""Slips in what is recorded, repeated and fetched."""

from __future__ import annotations

from typing import Final

from simulations.mutants.base import Edit, Mutant, one_edit

MEMORY: Final = (
    one_edit(
        "publish-before-commit", "What a turn says leaves before it is recorded.", "turn",
        "        if said or at_once or self._must_record(now_ms):\n",
        "        for frame in self._outbox.empty(now_ms):\n            self._wire.publish(frame)\n"
        "        if said or at_once or self._must_record(now_ms):\n",
    ),
    one_edit(
        "seq-reused-after-restart", "A restarted peer says its last number again.", "feed",
        "self.seq = max(self.seq, statement.seq)", "self.seq = max(self.seq, statement.seq - 1)",
    ),
    one_edit(
        "prev-forgotten-after-restart", "A restarted peer does not know what it said last in a contract.", "feed",
        "self._last[known or contract] = statement.id", "self._last.setdefault(known or contract, statement.id)",
    ),
    one_edit("heard-not-recorded", "What was heard is not in the journal.", "turn", "kept.add(position)", "pass"),
    one_edit(
        "answer-not-said-again", "Whoever repeats its question is not answered.", "node",
        "if question is None or self._answered.lately(known, now_ms):", "if True:",
    ),
    Mutant(
        "gap-never-fetched",
        "A governor does not ask for what is missing in a feed.",
        (
            Edit("protocol.gaps", "            if gap is not None:", "            if gap is not None and not author:"),
            Edit("protocol.gaps", "return [self.tail(*key) for key in self.feeds if key[0] == author]", "return []"),
            Edit(
                "protocol.vigil",
                "return [self._gaps.tail(contract.manager, contract.announcement.feed), shown]",
                "return [shown]",
            ),
            Edit("protocol.vigil", "[self._gaps.tail(seat.governor, seat.feed) for seat in silent]", "[]"),
        ),
    ),
    one_edit(
        "missing-never-fetched", "Nobody asks for what a chain names and is not held.", "incomplete",
        "actions.append(Fetch(PeerId(contract.manager), missing))", "pass",
    ),
    one_edit(
        "never-rarer", "Repeats do not grow rarer.", "limits", "REPEAT_FACTOR: Final = 2", "REPEAT_FACTOR: Final = 1",
    ),
    one_edit(
        "two-bids", "A bidder that is asked again bids again.", "bidder",
        "if said is not None and type(said.body) is not Refusal:", "if False:",
    ),
)  # fmt: skip
