"""What waits to be worked off: in turn, each at its pace, in order, bounded, and thrown away when its sender is out."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from peer.net.guard.rates import Rate
from peer.net.guard.waiting import Waiting, WaitingLimits

LIMITS = WaitingLimits(pace=Rate(100, 10), each=4, frames_max=1_000, lines_max=8)
LOUD, CALM = b"loud", b"calm"


def waiting(limits: WaitingLimits = LIMITS) -> Waiting:
    """Everybody is a computer of its own, but for members whose names begin with a dash."""
    return Waiting(limits, sponsor_of=lambda peer: b"sponsor" if peer.startswith(b"-") else peer)


def said(number: int, first: int = 0) -> list[bytes]:
    """So many frames that can be told apart."""
    return [b"%d" % n for n in range(first, first + number)]


def put(into: Waiting, peer: bytes, number: int, first: int = 0) -> None:
    """Let frames of one member wait."""
    into.put(said(number, first), [peer] * number)


def test_what_fits_comes_at_once_and_is_whose_it_was() -> None:
    """A quiet market: everything that came in is taken."""
    lines = waiting()
    lines.put([b"1", b"2", b"3"], [CALM, LOUD, CALM])
    frames, whose = lines.take(100, 0.0)
    assert sorted(zip(whose, frames, strict=True)) == [(CALM, b"1"), (CALM, b"3"), (LOUD, b"2")]
    assert len(lines) == 0
    assert lines.ready_s(0.0) is None


def test_first_burst_of_a_flood_holds_up_another_members_frame_by_no_more_than_a_few() -> None:
    """A thousand frames are there before an honest one: it is taken with the next ones, behind ten at most."""
    lines = waiting()
    put(lines, LOUD, 900)
    put(lines, CALM, 1)
    _, whose = lines.take(256, 0.0)
    assert whose.index(CALM) <= LIMITS.pace.burst
    assert len(whose) == LIMITS.pace.burst + 1


def test_small_turn_goes_on_where_the_last_one_ended() -> None:
    """With room for few frames, nobody has two turns before everybody had one."""
    lines = waiting()
    names = [b"%d" % number for number in range(6)]
    for name in names:
        put(lines, name, 10)
    taken = [lines.take(4, 0.0)[1] for _ in range(6)]
    assert [set(whose) for whose in taken] == [{name} for name in names]


def test_burst_is_worked_off_at_once_and_the_rest_at_its_pace() -> None:
    """Ten at once, then a hundred a second: and whoever asks is told when to come again."""
    lines = waiting()
    put(lines, LOUD, 50)
    assert len(lines.take(256, 0.0)[0]) == 10
    assert lines.take(256, 0.0) == ([], [])
    ready_s = lines.ready_s(0.0)
    assert ready_s == LIMITS.each / LIMITS.pace.per_second, "some at a time"
    assert len(lines.take(256, ready_s)[0]) == LIMITS.each
    assert len(lines.take(256, 10.0)[0]) == 10, "a quiet time brings no more than a burst"
    assert lines.ready_s(10.0) == ready_s


def test_last_few_are_not_waited_for() -> None:
    """Two frames that are left wait for the time of two."""
    lines = waiting()
    put(lines, LOUD, 12)
    lines.take(256, 0.0)
    assert lines.ready_s(0.0) == 2 / LIMITS.pace.per_second
    assert lines.ready_s(1.0) == 0.0


def test_peers_of_one_computer_share_four_paces() -> None:
    """A crowd is no way round."""
    lines = waiting()
    for number in range(20):
        put(lines, b"-%d" % number, 10)
    put(lines, CALM, 1)
    assert len(lines.take(256, 0.0)[0]) == LIMITS.sponsor_share * LIMITS.pace.burst + 1
    assert len(lines.take(256, 0.1)[0]) == 0.1 * LIMITS.sponsor_share * LIMITS.pace.per_second


def test_who_hears_everything_works_off_more() -> None:
    """A governor hears of each member what that says to all others."""
    lines = Waiting(LIMITS, sponsor_of=lambda peer: peer, share=lambda: 4.0)
    put(lines, LOUD, 100)
    assert len(lines.take(256, 0.0)[0]) == 4 * LIMITS.pace.burst


def test_what_waits_of_one_can_be_thrown_away() -> None:
    """The others' stays; how much it was is told."""
    lines = waiting()
    put(lines, LOUD, 100)
    put(lines, CALM, 3)
    lines.take(4, 0.0)
    assert lines.throw_away(LOUD) == 96
    assert lines.throw_away(LOUD) == lines.throw_away(b"nobody") == 0
    assert lines.take(256, 1.0) == (said(3), [CALM] * 3)
    assert lines.ready_s(1.0) is None


def test_dear_one_is_taken_on_credit() -> None:
    """What costs more than a burst goes all the same, and the next waits until that is paid."""
    lines = Waiting(LIMITS, sponsor_of=lambda peer: peer, price_of=lambda frame: 30.0)
    put(lines, LOUD, 2)
    assert len(lines.take(1, 0.0)[0]) == 1
    assert lines.take(256, 0.0) == ([], [])
    ready_s = lines.ready_s(0.0)
    assert ready_s == (30 - LIMITS.pace.burst + 1) / LIMITS.pace.per_second
    assert len(lines.take(256, ready_s)[0]) == 1


def test_when_too_much_waits_the_longest_line_loses_its_end() -> None:
    """Whoever has a short one loses nothing."""
    lines = waiting()
    put(lines, CALM, 5)
    put(lines, LOUD, 700)
    put(lines, b"as loud", 700)
    assert len(lines) == LIMITS.frames_max
    assert lines.pushed_out == 405
    frames, whose = lines.take(2_000, 0.0)
    assert Counter(whose) == {CALM: 5, LOUD: 10, b"as loud": 10}
    assert [frame for frame, peer in zip(frames, whose, strict=True) if peer == LOUD] == said(10)


def test_those_who_come_and_go_are_forgotten() -> None:
    """As many lines are kept as there can be members, and those of a moment ago."""
    lines = waiting()
    for number in range(1_000):
        put(lines, b"%d" % number, 1)
        lines.take(256, float(number))
    assert lines.known <= LIMITS.lines_max + 1


def test_name_that_is_forgotten_gets_no_second_burst() -> None:
    """Only those that would have a full burst anyway make room."""
    lines = waiting()
    put(lines, LOUD, 10)
    lines.take(256, 0.0)
    for number in range(100):
        put(lines, b"%d" % number, 1)
        lines.take(256, 0.0)
    put(lines, LOUD, 10)
    assert lines.take(256, 0.0) == ([], [])


Arrivals = st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c", b"-d", b"-e"]), st.integers(1, 40)), max_size=20)


@given(Arrivals, st.lists(st.tuples(st.integers(0, 30), st.floats(0, 0.2)), max_size=20))
def test_all_of_everybody_comes_in_its_order(arrivals: Arrivals, takes: list[tuple[int, float]]) -> None:
    """However much is taken at a time, and when: nothing is lost, doubled, or out of its sender's order."""
    lines, put_in, taken, now_s = waiting(), Counter[bytes](), list[tuple[bytes, bytes]](), 0.0
    for step in range(max(len(arrivals), len(takes))):
        for peer, number in arrivals[step : step + 1]:
            put(lines, peer, number, put_in[peer])
            put_in[peer] += number
        for most, pause_s in takes[step : step + 1]:
            now_s += pause_s
            frames, whose = lines.take(most, now_s)
            assert len(frames) <= most
            taken += zip(whose, frames, strict=True)
    while (pause_s := lines.ready_s(now_s)) is not None:
        now_s += pause_s
        frames, whose = lines.take(7, now_s)
        assert frames, "whoever comes when it was told to gets something"
        taken += zip(whose, frames, strict=True)
    for peer, number in put_in.items():
        assert [frame for whose, frame in taken if whose == peer] == said(number)


@given(Arrivals, st.lists(st.floats(0, 0.2), max_size=30))
def test_nobody_is_worked_off_faster_than_its_pace(arrivals: Arrivals, pauses: list[float]) -> None:
    """In any time, a burst and the time's share."""
    lines, now_s, taken = waiting(), 0.0, Counter[bytes]()
    for peer, number in arrivals:
        put(lines, peer, number)
    for pause_s in pauses:
        now_s += pause_s
        taken.update(lines.take(256, now_s)[1])
        for number in taken.values():
            assert number <= LIMITS.pace.burst + LIMITS.pace.per_second * now_s + 1e-6
