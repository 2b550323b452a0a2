"""When which question was answered last: who repeats itself is answered again, but not too often (law 5)."""

from __future__ import annotations

from protocol import limits
from protocol.keys import Digest


class AnswerTimes:
    """Question → when it was answered last."""

    def __init__(self) -> None:
        self._answered_ms: dict[Digest, int] = {}

    def lately(self, question: Digest, now_ms: int) -> bool:
        return now_ms < self._answered_ms.get(question, 0) + limits.ANSWER_AGAIN_MS

    def note(self, question: Digest, now_ms: int) -> None:
        """It is answered now."""
        if len(self._answered_ms) >= limits.REMEMBERED_ANSWERS:
            self._answered_ms.pop(next(iter(self._answered_ms)))
        self._answered_ms[question] = now_ms
