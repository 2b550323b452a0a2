"""`scripts/mutants`: every planted bug against the suite, each in a process of its own, and who killed it."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from protocol.errors import VendueError
from simulations.mutants.catalogue import MUTANTS, mutant_of

LIMIT_S: Final = 60.0
"""What a mutant may live."""


def trial_of(name: str, *, limit_s: float = LIMIT_S, seeds: int | None = None) -> dict[str, Any]:
    """The verdict on one mutant, or on the production code as it is (an empty name), with the seconds that it took."""
    words = [sys.executable, "-m", "simulations.mutants.trial", name, *([str(seeds)] if seeds is not None else [])]
    began = time.perf_counter()
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        return {"name": name, "killed_by": None, "what": f"it lived {limit_s:g} s", "seconds": limit_s}
    seconds = round(time.perf_counter() - began, 2)
    if done.returncode or not done.stdout:
        raise VendueError(f"The trial of {name or 'the production code'} failed.", why=done.stderr.strip()[-500:])
    return {**json.loads(done.stdout), "seconds": seconds}


def trials_of(names: Sequence[str], *, jobs: int, limit_s: float) -> Iterator[dict[str, Any]]:
    """All verdicts, in the order of the names."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(lambda name: trial_of(name, limit_s=limit_s), names)


def main(words: Sequence[str] | None = None) -> int:
    """Run the suite against mutants; 0 when all are dead."""
    parser = argparse.ArgumentParser(prog="scripts/mutants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutants to try (default: all)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--list", action="store_true", help="print the names and what is wrong, and try nothing")
    parser.add_argument("--jobs", type=int, default=1, help="trials at once (default: 1)")
    parser.add_argument("--limit", type=float, default=LIMIT_S, metavar="S", help="seconds a mutant may live")
    asked = parser.parse_args(words)
    try:
        names = [mutant_of(name).name for name in asked.names] or list(MUTANTS)
        if asked.list:
            print("\n".join(f"{name:34} {MUTANTS[name].bug}" for name in names))
            return 0
        return _report(trials_of(names, jobs=max(1, asked.jobs), limit_s=asked.limit), as_json=asked.json)
    except VendueError as error:
        print(f"mutants: {error}", file=sys.stderr)
        return error.exit_code


def _report(trials: Iterator[dict[str, Any]], *, as_json: bool) -> int:
    verdicts = []
    for verdict in trials:
        verdicts.append(verdict)
        if not as_json:
            seed, what = verdict.get("seed"), verdict["what"]
            where = what.partition(":")[0] if seed is None else f"seed {seed}, {verdict['steps']} steps"
            killer = f"{verdict['killed_by']}, {where}"
            told = killer if verdict["killed_by"] else "SURVIVED"
            print(f"{verdict['name']:34} {verdict['seconds']:6.2f} s  {told}", flush=True)
    killed = sum(verdict["killed_by"] is not None for verdict in verdicts)
    slowest = max((verdict["seconds"] for verdict in verdicts), default=0.0)
    if as_json:
        print(
            json.dumps({"total": len(verdicts), "killed": killed, "slowest_s": slowest, "mutants": verdicts}, indent=2)
        )
    else:
        print(f"{killed} of {len(verdicts)} mutants are dead; the slowest lived {slowest:.1f} s")
    return 0 if killed == len(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
