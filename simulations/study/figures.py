"""How fast a run was on this machine: read from real clocks, printed for people, and never part of a result."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass, field

from simulations.study.simulation import Result
from simulations.world.world import World


@dataclass
class Stopwatch:
    """Watches one run (`run.Watching`), from the making of its world to its end."""

    begun: float = field(default_factory=time.perf_counter)
    begun_cpu: float = field(default_factory=time.process_time)
    slices: int = 0
    """Seconds in which tasks came."""
    _started: tuple[float, int] = (0.0, 0)
    _lived: tuple[float, int] = (0.0, 0)

    def __call__(self, part: str, world: World) -> None:
        now = (time.perf_counter(), world.now_us)
        if part == "start":
            self._started = now
        elif part == "tasks":
            self.slices += 1
            self._lived = now

    def figures(self, result: Result) -> dict[str, float]:
        """What is printed behind a run; how many times real time it was, from the first meeting to the last task."""
        took_s = time.perf_counter() - self.begun
        real_s, world_us = (then - first for then, first in zip(self._lived, self._started, strict=True))
        return {
            "seconds": round(took_s, 3),
            "cpu_seconds": round(time.process_time() - self.begun_cpu, 3),
            "deliveries_per_s": round(result.deliveries / took_s),
            "times_real_time": round(world_us / 1e6 / real_s, 1) if real_s else 0.0,
            "peak_mib": round(peak_mib(), 1),
        }


def peak_mib() -> float:
    """The most memory that this process has had."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (1024 * 1024 if sys.platform == "darwin" else 1024)
