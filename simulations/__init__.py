"""What if: a virtual clock, one seed, a hostile network, and the production `Node` of `protocol` run inside it.

Nothing in this package holds a rule of the market: it drives the same `Node` through the same `turn` that a real peer
runs, so what is proved here is what runs there. It opens no socket and reads no real clock; only `rehearsal`, which
plays a scenario with real processes, may know `peer`.
"""
