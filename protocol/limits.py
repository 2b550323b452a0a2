"""Every bound of the protocol, in one place, a reason per line. Whatever a stranger controls is bounded here.

Sizes are in bytes, times in milliseconds, the rest are counts. Bounds that belong to sockets and files are the
shell's and live beside the sockets and files.
"""

from __future__ import annotations

from typing import Final

# What one statement may carry.
INLINE_MAX: Final = 16 * 1024  # a task's input or output in a statement; larger data travels as an artifact
PARTIAL_MAX: Final = 4 * 1024  # a partial result is a glimpse
NOTE_MAX: Final = 1_000  # characters of a reason or note: a person reads it in a terminal
NAME_MAX: Final = 64  # characters of a skill's, rule's or market's name: one line of a table
KEY_MAX: Final = 64  # bytes of an idempotency key: room for two digests, or a UUID and a prefix
CONSIDERED_MAX: Final = 256  # bids an award can list: 8 KiB of ids
PERMITS_MAX: Final = 32  # permits an acceptance cites, and seats a charter has: no quorum is larger
SKILLS_MAX: Final = 64  # skills on one card
SCHEMA_MAX: Final = 8 * 1024  # JSON Schema of one skill's input or output
ADDRESSES_MAX: Final = 8  # addresses on one card: a multi-homed host has a few
RULES_MAX: Final = 64  # oversight rules and admitters in a charter
REVOCATIONS_MAX: Final = 1_024  # revoked members in a charter version
CERTIFICATE_MAX: Final = 1_024  # bytes of a member's certificate, and of the one above it
CLOCK_SLACK_MS: Final = 5 * 60 * 1000  # clocks of two computers differ by less, or their people are to be told
MONEY_MAX: Final = 2**53  # minor units: every JSON reader keeps it exact
DURATION_MAX_MS: Final = 400 * 24 * 3600 * 1000  # a year and a month: longer work is several tasks
ATTEMPTS_MAX: Final = 100  # awards under one announcement: a peer wins at most once, so more bidders than that
COUNTER_MAX: Final = 2**62  # a seq no peer will ever reach, within 64 bits with room to add

# What one frame may carry.
STATEMENT_MAX: Final = 128 * 1024  # largest kind: a card or charter full to its own bounds
BUNDLE_MAX: Final = 1024 * 1024  # one frame: a few milliseconds of loopback
BUNDLE_SHARED_MAX: Final = 64 * 1024  # a larger bundle is not kept whole for one of its statements
BUNDLE_STATEMENTS_MAX: Final = 512  # statements under one signature: bounds the tree and the work before the verify
PATH_MAX: Final = 10  # hashes of an inclusion path: log2 of the above, and one
EVIDENCE_FRAME_MAX: Final = 64  # pieces of evidence in one frame: each costs a verify
TOGETHER_MAX: Final = 64  # frames whose statements are put in order: a turn under load has some twenty

# What a node remembers.
SEEN_MAX: Final = 65_536  # ids remembered for "seen before": some minutes of a busy market
WAITING_MAX: Final = 16_384  # statements that wait for an unknown one, over all authors
WAITING_PER_AUTHOR_MAX: Final = 2_048  # ... of one author: nobody fills the room alone
WAITING_MS: Final = 60_000  # what never came by then is not coming; its author will say it again
CONTRACT_STATEMENTS_MAX: Final = (
    8_192  # statements held in one contract: hours of progress and renewals at a short lease
)
OPEN_PER_MANAGER_MAX: Final = 4_096  # open contracts of one manager that a governor holds: more is a flood
BIDS_MAX: Final = 256  # bids held per contract: as many as an award can list
ENDED_KEPT: Final = 2_048  # ended contracts kept in memory for those who ask again; the journal has the rest
FEED_WINDOW: Final = 4_096  # seqs remembered per feed, to notice a fork
FEEDS_MAX: Final = 4_096  # feeds remembered: live members, and their former lives
FEEDS_PER_AUTHOR_MAX: Final = (
    64  # ... of one author that a governor watches for gaps: lives that may still be asked for
)
FORK_BYTES_MAX: Final = 64 * 1024 * 1024  # memory of what is remembered to notice a fork, over all feeds
STATEMENT_COST: Final = 1_400  # bytes that a statement takes beside its payload: its fields, its id, its seal
STANDING_MAX: Final = 1_024  # standing permits held: a handful a manager
CARDS_MAX: Final = 4_096  # cards known: members of one market
SPONSORED_MAX: Final = 256  # members of one sponsor: the peers of a large computer, and nobody fills a market alone
CERTIFICATES_KEPT: Final = 4_096  # certificates that do not hold now, but may under another charter or at another time
CHARTERS_KEPT: Final = 64  # versions of the charter in memory: contracts that name an older one are long over
REMEMBERED_ANSWERS: Final = 4_096  # our own bids and ends that others may still ask for
BACKLOG_MAX: Final = 100_000  # statements a governor may be behind with; more are counted and fetched again

# When a node speaks again.
REPEAT_FIRST_MS: Final = 250  # the first repeat: well above a round trip of a loaded machine
FIRST_VOTES_MS: Final = 1_000  # ... of who waits for votes alone: governors gather theirs, and may be behind
REPEAT_FACTOR: Final = 2  # pauses grow by this
REPEAT_LAST_MS: Final = 30_000  # the longest pause; after that only when the other is seen again, or so often
ANSWER_AGAIN_MS: Final = 100  # the same question of one asker is answered at most this often
LAZY_MS: Final = 50  # how long an award may wait for company on the skill's topic
UNRECORDED_MAX: Final = 64  # frames heard that wait for a turn to be recorded with: each may be 1 MiB
GAP_MS: Final = 200  # a governor waits this long before it calls a missing seq a gap: topics of one turn part ways
FETCH_AGAIN_MS: Final = 1_000  # the same missing id or range is asked for at most this often
FETCH_IDS_MAX: Final = 64  # ids asked for at once
