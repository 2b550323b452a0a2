"""Foreign test vectors: they lie beside the project, never in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "data" / "vectors"


@pytest.fixture(scope="session")
def vectors() -> Callable[[str], Any]:
    """Read a file of foreign vectors, or skip with the reason."""

    def read(name: str) -> Any:
        if not (VECTORS / name).is_file():
            pytest.skip(f"the foreign vectors (../shared/data/vectors/{name}) are not here")
        return json.loads((VECTORS / name).read_text(encoding="utf-8"))

    return read
