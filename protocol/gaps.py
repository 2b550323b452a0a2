"""How far every author's feed is held, and what is missing in it: what a governor asks for. It votes on nothing."""

from __future__ import annotations

from protocol import limits
from protocol.actions import Action, FetchFeed
from protocol.keys import PeerId
from protocol.statements import AnyStatement


class FeedWatch:
    """How far one author's feed is held, and since when something is missing in it."""

    __slots__ = ("ahead", "ask_ms", "held", "pause_ms")

    def __init__(self) -> None:
        self.held = 0
        self.ahead: set[int] = set()
        self.ask_ms: int | None = None
        """When to ask for what is missing; None: nothing is."""
        self.pause_ms = limits.FETCH_AGAIN_MS

    def note(self, seq: int, now_ms: int) -> None:
        """A statement of the feed came in."""
        if seq == self.held + 1:
            self.held = seq
            while self.ahead and self.held + 1 in self.ahead:
                self.held += 1
                self.ahead.discard(self.held)
            self.ask_ms = now_ms + limits.GAP_MS if self.ahead else None
            self.pause_ms = limits.FETCH_AGAIN_MS
        elif seq > self.held and len(self.ahead) < limits.FEED_WINDOW:
            self.ahead.add(seq)
            if self.ask_ms is None:
                self.ask_ms = now_ms + limits.GAP_MS

    def misses(self, seq: int) -> bool:
        """Tell whether a statement lies in what is asked for: between what is held and what came ahead of it."""
        return bool(self.ahead) and self.held < seq < max(self.ahead) and seq not in self.ahead

    def gap(self, now_ms: int) -> tuple[int, int] | None:
        """The first range that is missing for long enough to be called a gap, both ends included."""
        if self.ask_ms is None or now_ms < self.ask_ms:
            return None
        self.ask_ms = now_ms + self.pause_ms
        self.pause_ms = min(self.pause_ms * limits.REPEAT_FACTOR, limits.REPEAT_LAST_MS)
        return self.held + 1, min(self.ahead) - 1


class Gaps:
    """The feeds of a market, as far as they were heard."""

    def __init__(self) -> None:
        self.feeds: dict[tuple[bytes, bytes], FeedWatch] = {}
        self._of_author: dict[bytes, list[bytes]] = {}
        """The feeds of each author, but for expected ones, in the order in which they were first heard."""
        self._open: set[tuple[bytes, bytes]] = set()

    def expect(self, author: bytes, feed: bytes) -> None:
        """Nothing of this feed was heard yet, and all of it matters: it is asked for whenever its author is there."""
        self.feeds.setdefault((author, feed), FeedWatch())
        if feed in self._of_author.get(author, ()):
            self._of_author[author].remove(feed)  # heard of before it had a seat

    def note(self, statement: AnyStatement, now_ms: int) -> None:
        """Every statement heard counts in its feed, whatever it says."""
        key = (statement.author, statement.feed)
        watch = self.feeds.get(key)
        if watch is None:
            if len(self.feeds) >= limits.FEEDS_MAX:
                return
            watch = self._watch(*key)
        watch.note(statement.seq, now_ms)
        if watch.ask_ms is not None:
            self._open.add(key)
        elif self._open:
            self._open.discard(key)

    def _watch(self, author: bytes, feed: bytes) -> FeedWatch:
        """Begin with a feed; of an author with too many the first is let go."""
        feeds = self._of_author.setdefault(author, [])
        if len(feeds) >= limits.FEEDS_PER_AUTHOR_MAX:
            first = (author, feeds.pop(0))
            self._open.discard(first)
            del self.feeds[first]
        feeds.append(feed)
        watch = self.feeds[(author, feed)] = FeedWatch()
        return watch

    def misses(self, statement: AnyStatement) -> bool:
        """Tell whether a statement fills a gap."""
        watch = self.feeds.get((statement.author, statement.feed))
        return watch is not None and watch.misses(statement.seq)

    def tail(self, author: bytes, feed: bytes) -> Action:
        """Ask for whatever comes behind the last statement held: a lost end leaves no gap."""
        watch = self.feeds.get((author, feed))
        held = watch.held if watch is not None else 0
        return FetchFeed(author=PeerId(author), feed=feed, first=held + 1, last=held + limits.FEED_WINDOW)

    def seen(self, author: bytes) -> list[Action]:
        """An author is there again: it may have said something meanwhile."""
        return [self.tail(*key) for key in self.feeds if key[0] == author]

    def deadline_ms(self) -> int | None:
        return min([self.feeds[key].ask_ms or 0 for key in self._open]) if self._open else None

    def tick(self, now_ms: int) -> list[Action]:
        """Ask the authors for what is missing in their feeds, ever more rarely."""
        actions: list[Action] = []
        for author, feed in sorted(self._open):
            gap = self.feeds[(author, feed)].gap(now_ms)
            if gap is not None:
                actions.append(FetchFeed(author=PeerId(author), feed=feed, first=gap[0], last=gap[1]))
        return actions
