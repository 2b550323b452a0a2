"""Other versions of Python on this machine, with what `protocol` needs: to run the same world on each.

The packages of another version go into a folder below .venv, once, by uv or by that version's own pip.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("3.11", "3.12", "3.13")
PACKAGES = ("cryptography", "msgpack", "msgspec")
OURS = f"{sys.version_info.major}.{sys.version_info.minor}"


class Missing(Exception):
    """This version cannot be run here; the text says why."""


def find(version: str) -> str:
    """The interpreter of a version: on PATH, or among pyenv's. Raises Missing."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    places = [shutil.which(f"python{version}"), *map(str, sorted(pyenv.glob(f"{version}.*/bin/python{version}")))]
    for python in places:
        if python is not None and _says(python, "import sys; print(*sys.version_info[:2], sep='.')") == version:
            return python
    raise Missing(f"there is no python{version} here")


def _says(python: str, code: str) -> str | None:
    try:
        ended = subprocess.run([python, "-c", code], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except OSError:
        return None
    return ended.stdout.strip() if ended.returncode == 0 else None


def packages_for(version: str, python: str) -> Path | None:
    """Where the packages of a version are; None: where ours are. Raises Missing if they cannot be installed."""
    if version == OURS:
        return None
    place = ROOT / ".venv" / f"python{version}"
    if not place.exists():
        place.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as made:
            _install(python, Path(made) / "packages")
            try:
                os.rename(Path(made) / "packages", place)
            except OSError:
                assert place.exists(), "somebody else was quicker"
    return place


def _install(python: str, into: Path) -> None:
    uv = shutil.which("uv")
    how = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    constraints = ["--constraint", str(ROOT / "constraints.txt")]
    command = [*how, "--quiet", "--target", str(into), *constraints, *PACKAGES]
    ended = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if ended.returncode != 0:
        why = (ended.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Missing(f"its packages cannot be installed: {why}")


def digests_on(version: str | None = None, *, hash_seed: str = "0") -> dict[str, str]:
    """What `tests.simulations.digests` prints in a process of its own, on this Python or another. Raises Missing."""
    python, packages = sys.executable, None
    if version is not None and version != OURS:
        python = find(version)
        packages = packages_for(version, python)
    path = os.pathsep.join(str(place) for place in (ROOT, packages) if place is not None)
    environ = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": hash_seed, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [python, "-m", "tests.simulations.digests"]
    ended = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if ended.returncode != 0:
        raise RuntimeError(f"python{version or ''} could not run the worlds:\n{ended.stderr}")
    found: dict[str, str] = json.loads(ended.stdout)
    return found
