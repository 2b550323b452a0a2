"""Exhaustive search of the small world: a few production nodes, one task, and every order of what can happen to them.

    setting    who is there, and which task          actor      one peer: the production `Turn` and `Node`
    likeness   when two states of a peer are alike   ice        how a peer is kept between two inputs
    locals     each state of each peer, once         post       what is under way
    stage      scenes of all peers, and the moves    future     what becomes of a scene when nothing more goes wrong
    search     every scene within so many faults     telling    the moves that lead to a broken promise, in words

**What is free** and tried in every order at no cost: which link delivers its next frame, when an agent ends its work,
when a peer that is down comes back, and, while nothing is under way, which timer rings next, and whether those due
before it ring with it (a peer that slept). **What is a fault**: a frame lost, said twice or overtaken on its link; a
crash, at rest or between the record and the publishing of a turn (once on a path); a timer that rings while a frame is
under way or an agent at work; an agent that fails or hangs. A search takes every path of at most so many faults.

**What is not told apart**, because it makes no difference, which a test shows by giving both the same: states of a peer
that differ only in what no rule will look at again. That is when a question was answered that may be answered again or
has no answer, a timer at which nothing is done, a time that is over where only that counts, what was heard and not
recorded where nobody will crash any more, as after the last fault of a path.

**What is assumed.** No rule compares two clocks, so every peer's clock moves only when a timer of its own rings. States
of a peer that differ only in how far its timers are, in the order in which it learnt what it holds, or in what a
checker remembers count as one, and the first one found stands for all; so do a frame and the same statements said
again to the same peer while it is under way. A crash loses what was not recorded and nothing else. Nobody is told that
a peer is down; all are told when it is back. That two contractors never work at once follows from three promises, each
checked on its peer's own clock: no work without a go, none beyond a lease counted from what was renewed, and a manager
that waits for the lease and the grace, counted from its renewal, which is later.
"""
