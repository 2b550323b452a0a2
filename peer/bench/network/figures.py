"""What was measured, what it may be, and whether it is: for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec
from msgspec import Struct


class Figure(Struct, frozen=True, kw_only=True):
    """One figure with its bound; without a value it could not be measured, and `detail` says why."""

    what: str
    unit: str
    value: float | None = None
    most: float | None = None
    least: float | None = None
    detail: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether the value is within its bounds; None: it was not measured."""
        if self.value is None:
            return None
        return (self.most is None or self.value <= self.most) and (self.least is None or self.value >= self.least)

    @property
    def bound(self) -> str:
        return f"≤ {self.most:g}" if self.most is not None else f"≥ {self.least:g}"

    def document(self) -> dict[str, object]:
        """The figure for programs."""
        return {**msgspec.to_builtins(self), "holds": self.holds}


def as_json(figures: Sequence[Figure]) -> str:
    """All of them as one document."""
    return json.dumps({"figures": [figure.document() for figure in figures], "ok": hold(figures)})


def hold(figures: Sequence[Figure]) -> bool:
    """Whether no figure is out of its bounds."""
    return all(figure.holds is not False for figure in figures)


def row(figure: Figure) -> str:
    """One figure as a line."""
    said = {True: "pass", False: "FAIL", None: "not measured"}[figure.holds]
    value = "-" if figure.value is None else f"{figure.value:.3g}"
    return f"{figure.what:<58} {value:>8} {figure.unit:<3} {figure.bound:>8}  {said:<12} {figure.detail}".rstrip()
