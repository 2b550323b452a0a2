"""The collector of cycles in a process that is one peer."""

from __future__ import annotations

import json
import subprocess
import sys

RING = """
class Ring:
    alive = 0
    def __init__(self):
        self.me = self
        Ring.alive += 1
    def __del__(self):
        Ring.alive -= 1
"""
"""Something that refers to itself, and how many of it there are."""

PROGRAM = """
import gc, json
from peer.garbage import YOUNG_MAX, collect_seldom

kept = [Ring() for _ in range(1000)]
collect_seldom()
most = 0
for _ in range(10 * YOUNG_MAX):
    Ring()
    most = max(most, Ring.alive)
print(json.dumps({"most": most, "limit": YOUNG_MAX, "kept": gc.get_freeze_count()}))
"""


def test_what_refers_to_itself_is_freed_though_seldom_looked_for() -> None:
    """However many cycles come about, no more of them lie about than the collector waits for."""
    done = subprocess.run([sys.executable, "-c", RING + PROGRAM], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert told["most"] <= told["limit"] + 2_000
    assert told["kept"] > 1_000


ONE_AFTER_THE_OTHER = """
import gc
from peer.garbage import collected_seldom

before = gc.get_threshold()
kept = Ring()
with collected_seldom():
    del kept
gc.collect()
print(Ring.alive, gc.get_threshold() == before)
"""


def test_a_process_that_is_one_peer_after_the_other_keeps_nothing_of_the_first() -> None:
    """What was left alone while a peer ran is looked at again afterwards, as often as before."""
    done = subprocess.run(
        [sys.executable, "-c", RING + ONE_AFTER_THE_OTHER], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["0", "True"]
