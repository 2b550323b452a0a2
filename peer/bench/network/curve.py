"""What the locks cost: the contest with them and without, in pairs, one beside the other."""

from __future__ import annotations

import statistics

from peer.bench import contest
from peer.bench.network.figures import Figure

PAIRS = 9
AUCTIONS = 1_200


def cost(pairs: int = PAIRS, *, auctions: int = AUCTIONS) -> Figure:
    """The share of auctions a second that CURVE takes, as the median of pairs run in alternation."""
    shares, cpu_shares = list[float](), list[float]()
    for number in range(pairs):
        runs = {
            locked: contest.run(in_flight=64, governed=False, auctions=auctions, locked=locked)
            for locked in ((True, False) if number % 2 else (False, True))
        }
        shares.append(100 * (1 - runs[True].per_second / runs[False].per_second))
        cpu_shares.append(100 * (runs[True].cpu_ms_per_auction / runs[False].cpu_ms_per_auction - 1))
    return Figure(
        what="what CURVE costs of auctions/s", unit="%", most=25.0, value=statistics.median(shares),
        detail=f"median of {pairs} pairs, 64 in flight; CPU time of an auction {statistics.median(cpu_shares):+.0f} %",
    )  # fmt: skip
