"""Slips of those who vote, and of those who heed votes."""

from __future__ import annotations

from typing import Final

from simulations.mutants.base import one_edit

VOTES: Final = (
    one_edit(
        "veto-forgotten-after-restart",
        "A governor's own veto is not in its mind after a restart.",
        "replay",
        "        node.holdings.learn(contract, statement)\n",
        "        if type(statement.body).__name__ != 'Veto':\n            node.holdings.learn(contract, statement)\n",
    ),
    one_edit(
        "veto-not-obeyed",
        "A manager goes on under a veto of the task.",
        "tender",
        "if reading.task_vetoed:",
        "if False:",
    ),
    one_edit(
        "votes-on-its-own",
        "A governor votes on contracts that it has won.",
        "governor",
        "if award is None or reading.fault is not None or self._feed.author in (contract.manager, award.body.winner):",
        "if award is None or reading.fault is not None:",
    ),
    one_edit(
        "permits-the-last-award-again",
        "A governor permits what it has voted on before.",
        "governor",
        "if about in spoken or any(_is_veto_of(vote, award.id) for vote in own):",
        "if about in spoken:",
    ),
    one_edit(
        "votes-without-the-bids",
        "A governor votes on an award without all bids that it lists.",
        "governor",
        "if _missing_bids(contract, award):\n",
        "if False:\n",
    ),
)
