"""When which question was answered last: who repeats itself is answered again, but not too often (law 5)."""

from __future__ import annotations

from protocol import limits
from protocol.keys import Digest
from protocol.recent import Recent


class AnswerTimes:
    """Question → when it was answered last."""

    def __init__(self) -> None:
        self._answered_ms = Recent[Digest, int](limits.REMEMBERED_ANSWERS)

    def lately(self, question: Digest, now_ms: int) -> bool:
        return now_ms < self._answered_ms.get(question, 0) + limits.ANSWER_AGAIN_MS

    def note(self, question: Digest, now_ms: int) -> None:
        """It is answered now."""
        self._answered_ms.keep(question, now_ms)
