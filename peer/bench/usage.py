"""What processes have used, as the system counts it: CPU seconds and peak memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    """CPU time in seconds, peak resident memory in bytes."""

    cpu_s: float
    peak_bytes: int


def usage_of(pid: int) -> Usage:
    """What one process has used so far (Linux's /proc)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = Path(f"/proc/{pid}/status").read_text()
    peak = next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)
    return Usage((int(fields[11]) + int(fields[12])) / _TICKS, peak)
