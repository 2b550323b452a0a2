"""Slips of who works, and of whose work it is."""

from __future__ import annotations

from typing import Final

from simulations.mutants.base import one_edit

WORK: Final = (
    one_edit(
        "epoch-ignored",
        "A contractor goes on with an award that is recalled.",
        "job",
        "return award in reading.steps and (reading.award is None or reading.award.id != award.id)",
        "return False",
    ),
    one_edit(
        "accepts-beyond-capacity",
        "One more piece of work is accepted than there are places.",
        "contractor",
        "return len(self._at_work) < self.capacity",
        "return len(self._at_work) <= self.capacity",
    ),
    one_edit(
        "go-skipped", "Work with effects begins with its acceptance.", "contractor", "if not gate.go:", "if True:"
    ),
    one_edit(
        "permit-not-awaited",
        "An award that needs permits is accepted without them.",
        "contractor",
        "if gate.permit and not reading.permitted:",
        "if False:",
    ),
    one_edit(
        "lease-never-ends",
        "A contractor does not stop when its lease is over.",
        "contractor",
        "if job.lease_until is not None and now_ms >= job.lease_until:",
        "if False:",
    ),
    one_edit(
        "lease-without-grace",
        "A manager waits no longer than the lease.",
        "tender",
        "return 500 + lease_ms // 10",
        "return 0",
    ),
    one_edit(
        "work-forgotten-by-a-restart",
        "A contractor does not say that its work ended with its process.",
        "contractor",
        "elif job.accepted:\n            failure",
        "elif False:\n            failure",
    ),
    one_edit(
        "result-said-once",
        "A contractor does not say its answer again.",
        "contractor",
        "        job.repeat_at = now_ms + job.pause_ms\n        job.lease_until = job.progress_at = None",
        "        job.repeat_at = None\n        job.lease_until = job.progress_at = None",
    ),
    one_edit(
        "veto-does-not-stop",
        "A contractor works on under a veto.",
        "contractor",
        "stopped_by_veto = reading.epoch_vetoed or reading.task_vetoed",
        "stopped_by_veto = False",
    ),
    one_edit(
        "irreversible-tried-again",
        "What may be done already is awarded again when its lease has run out.",
        "tender",
        " or (irreversible and reading.go and not own_end)",
        "",
    ),
    one_edit(
        "refused-result-settled",
        "A result is settled whatever its user says of it.",
        "tender",
        "passed = tender.checked.get(result.id) if tender.check else True",
        "passed = True",
    ),
    one_edit(
        "child-above-its-parents-price",
        "Children may cost more than their parent pays.",
        "admissible",
        "if bound + task.budget > award.body.price:",
        "if False:",
    ),
    one_edit(
        "children-left-behind",
        "Sub-contracts go on when their award is over.",
        "contractor",
        "children = self.on_released(job.award.id, now_ms)",
        "children: list[Action] = []",
    ),
)
