"""The files of `protocol/vectors`: which there are, and their exact bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.vectors import awards, certificates, folds, frames, ids, invitations, trees

FOLDER: Final = Path(__file__).resolve().parents[2] / "protocol" / "vectors"
FILES: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "ids.json": ids.document,
    "keys.json": ids.keys,
    "trees.json": trees.document,
    "bundles.json": frames.bundles,
    "evidence.json": frames.evidence,
    "awards.json": awards.document,
    "folds.json": folds.document,
    "certificates.json": certificates.document,
    "invitations.json": invitations.document,
}


def render(name: str) -> bytes:
    """The bytes that a file should have: the same in every run."""
    return (json.dumps(FILES[name](), ensure_ascii=False, indent=1) + "\n").encode()


def write() -> list[str]:
    """Write every file that is not what it should be; the names of those."""
    FOLDER.mkdir(exist_ok=True)
    stale = [name for name in FILES if not (FOLDER / name).is_file() or (FOLDER / name).read_bytes() != render(name)]
    for name in stale:
        (FOLDER / name).write_bytes(render(name))
    return stale
