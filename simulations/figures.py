"""How fast a run was on this machine: read from real clocks, printed for people, and never part of a result."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass, field

from simulations.simulation import Result
from simulations.world import World


@dataclass
class Stopwatch:
    """Watches one run (`simulation.Watching`), from its making to its end."""

    begun: float = field(default_factory=time.perf_counter)
    tasks_s: float = 0.0
    """Real seconds until no more tasks came."""
    slices: int = 0

    def __call__(self, part: str, world: World) -> None:
        if part == "tasks":
            self.tasks_s = time.perf_counter() - self.begun
            self.slices += 1

    def figures(self, result: Result) -> dict[str, float]:
        """What is printed behind a run."""
        took_s = time.perf_counter() - self.begun
        return {
            "seconds": round(took_s, 3),
            "deliveries_per_s": round(result.deliveries / took_s),
            "times_real_time": round(self.slices / self.tasks_s, 1) if self.tasks_s else 0.0,
            "peak_mib": round(peak_mib(), 1),
        }


def peak_mib() -> float:
    """The most memory that this process has had."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (1024 * 1024 if sys.platform == "darwin" else 1024)
