"""The tables of discovery, without a socket: where to knock and when, and who was met where."""

from __future__ import annotations

from peer.net.endpoints import Endpoints
from peer.net.meet.addressbook import GONE_MS, GRACE_MS, AddressBook, Found, Gone
from peer.net.meet.places import PlaceLimits, Places, Way

A, B = bytes([1]) * 32, bytes([2]) * 32
HERE = ("tcp://127.0.0.1:1",)


def nobody(peer_id: bytes) -> bool:
    """Nobody is met."""
    return False


def found(peer_id: bytes = A, port: int = 1, path: Way = Way.MDNS, host: str = "127.0.0.1") -> Found:
    """A member that has said where it is."""
    return Found(peer_id, Endpoints(("127.0.0.1", "127.0.0.2"), port, port + 1, port + 2), host, path)


def test_place_is_knocked_at_ever_less_often_and_at_last_given_up() -> None:
    """Nobody opens at a stranger's place: the pauses grow to a bound, and an hour later it is struck out."""
    places = Places(PlaceLimits(attempts_max=8))
    place = places.hint(HERE, Way.MDNS, A, 0)
    assert place is not None
    now_ms, pauses = 0, []
    while places.due(now_ms, nobody):
        places.in_vain(place, "no answer", now_ms)
        pauses.append(place.due_ms - now_ms)
        now_ms = place.due_ms
    assert pauses == [250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000]
    assert list(places) == []


def test_seed_is_tried_for_ever_and_asked_again_when_it_has_answered() -> None:
    """It may be started much later, and it may know others later."""
    places = Places(PlaceLimits(attempts_max=2, absent_max=2))
    place = places.hint(("seed:1",), Way.SEED, None, 0)
    assert place is not None
    for _ in range(10):
        places.in_vain(place, "no answer", 0)
    places.opened(place, A, 0)
    assert places.due(30_000, lambda peer_id: True) == [place], "a seed never rests"


def test_nobody_knocks_for_a_member_that_is_met() -> None:
    """A forged record of a member that is here does nothing at all; it is tried when that member is lost."""
    places = Places()
    place = places.hint(HERE, Way.MDNS, A, 0)
    assert places.due(0, lambda peer_id: peer_id == A) == []
    assert places.next_due_ms(lambda peer_id: peer_id == A) is None
    assert places.due(0, nobody) == [place]


def test_lost_member_is_looked_for_at_once_where_it_was() -> None:
    """The pause of a place that answered is long, until its peer is lost."""
    places = Places()
    place = places.hint(HERE, Way.MDNS, A, 0)
    assert place is not None
    places.opened(place, A, 0)
    assert places.due(1000, nobody) == []
    places.wake(A, 1000)
    assert places.due(1250, nobody) == [place]


def test_member_that_says_it_is_elsewhere_is_knocked_at_there_though_it_was_met() -> None:
    """It may have been started anew before its old connection was seen to end."""
    places = Places()
    places.expect(HERE, A, 0)
    assert [place.said for place in places.due(0, lambda peer_id: True)] == [A]


def test_member_that_comes_back_again_and_again_is_knocked_at_each_time() -> None:
    """Commands in a row are one peer at ever new ports: nobody has knocked in vain yet where it was before."""
    places = Places()
    for port in range(1, 20):
        addresses = (f"tcp://127.0.0.1:{port}",)
        places.expect(addresses, A, 0)
        (place,) = places.due(0, nobody)
        assert place.addresses == addresses, "its latest word displaces its earlier ones"
        place.knocking = True
        places.opened(place, A, 0)


def test_a_members_own_word_finds_room_whatever_others_say_of_it() -> None:
    """Lies about where a member is are forgotten when it says so itself, but for the seeds of our own settings."""
    places = Places()
    places.hint(("seed:1",), Way.SEED, A, 0)
    for port in range(1, 10):
        places.hint((f"tcp://127.0.0.2:{port}",), Way.EXCHANGE, A, 0)
    places.hint(("tcp://127.0.0.3:1",), Way.EXCHANGE, B, 0)
    places.expect(HERE, A, 0)
    assert {place.addresses for place in places} == {("seed:1",), ("tcp://127.0.0.3:1",), HERE}


def test_no_lie_about_a_member_takes_a_seed_away() -> None:
    """A seed that does not answer just now is still a seed, whoever names other places of the same member."""
    places = Places()
    seed = places.hint(("seed:1",), Way.SEED, None, 0)
    assert seed is not None
    places.opened(seed, A, 0)
    places.in_vain(seed, "no answer", 0)
    for port in range(1, 20):
        places.hint((f"tcp://127.0.0.2:{port}",), Way.EXCHANGE, A, 0)
    assert seed in list(places)
    assert sum(place.said == A for place in places) == 1 + PlaceLimits().per_peer_max


def test_one_way_fills_only_its_own_share_and_one_peer_only_its_few_places() -> None:
    """A flood of records leaves room for seeds, and lies about one peer leave room for the others."""
    places = Places(PlaceLimits(places_max=4, per_peer_max=2))
    for number in range(10):
        places.hint((f"tcp://127.0.0.1:{number + 1}",), Way.MDNS, bytes([number]) * 32, 0)
    assert len(list(places)) == 4
    assert places.hint(("a:1",), Way.SEED, None, 0) is not None
    for number in range(10):
        places.hint((f"tcp://127.0.0.2:{number + 1}",), Way.EXCHANGE, B, 0)
    assert sum(place.said == B for place in places) == 2
    assert places.dropped >= 14


def test_newcomer_takes_the_room_of_what_failed_most() -> None:
    """A full table is no wall: places where nobody opened give way, those of members last."""
    places = Places(PlaceLimits(places_max=2))
    first, second = (places.hint((f"tcp://127.0.0.1:{port}",), Way.MDNS, None, 0) for port in (1, 2))
    assert first is not None
    assert second is not None
    places.opened(first, A, 0)
    places.in_vain(first, "no answer", 0)
    places.in_vain(first, "no answer", 0)
    places.in_vain(second, "no answer", 0)
    assert places.hint(("tcp://127.0.0.1:3",), Way.MDNS, None, 0) is not None
    assert first in list(places)
    assert second not in list(places)


def test_goodbye_takes_a_place_back_but_not_one_where_a_member_answered() -> None:
    """Anybody can forge a goodbye."""
    places = Places()
    place = places.hint(HERE, Way.MDNS, A, 0)
    assert place is not None
    places.opened(place, A, 0)
    places.withdraw(HERE, Way.MDNS)
    assert list(places) == [place]
    places.hint(("tcp://127.0.0.1:2",), Way.MDNS, A, 0)
    places.withdraw(("tcp://127.0.0.1:2",), Way.MDNS)
    assert list(places) == [place]


def test_latest_word_of_a_peer_counts_and_the_same_word_changes_nothing() -> None:
    """Each word is the peer's own, so a restarted peer is found at its new ports."""
    book = AddressBook()
    assert book.meet(found(), 0) == found()
    assert book.meet(found(), 0) is None
    assert book.meet(found(port=10), 0) == found(port=10)
    assert book.current(0) == [found(port=10)]


def test_host_in_use_stays_while_its_peer_is_here() -> None:
    """A multi-homed peer that answers on another host is no reason to connect anew."""
    book = AddressBook()
    book.meet(found(), 0)
    book.arrive(A, 0)
    assert book.meet(found(host="127.0.0.2"), 0) is None
    book.leave(A)
    assert book.meet(found(host="127.0.0.2"), 0) == found(host="127.0.0.2")


def test_file_comes_first_and_its_end_ends_what_it_said() -> None:
    """This computer's own folder is believed, also about an end."""
    book = AddressBook()
    book.meet(found(), 0)
    assert book.meet(found(port=10, path=Way.FOLDER), 0) == found(port=10, path=Way.FOLDER)
    assert book.close_file(A) == found()
    book.meet(found(path=Way.FOLDER), 0)
    assert book.close_file(A) == Gone(A), "the same endpoints are gone, whoever had named them"
    assert book.close_file(A) is None


def test_peer_that_left_is_not_met_and_in_a_while_struck_out() -> None:
    """Its address is tried for a minute; one that never came is looked for after a moment."""
    book = AddressBook()
    book.meet(found(), 0)
    assert book.is_met(A, GRACE_MS - 1)
    assert not book.is_met(A, GRACE_MS)
    book.arrive(A, 1000)
    assert book.is_met(A, 10 * GONE_MS)
    book.leave(A)
    assert not book.is_met(A, 1000)
    assert book.overdue(GONE_MS - GRACE_MS) == []
    assert book.overdue(1001 + GONE_MS) == [Gone(A)]
    assert book.current(0) == []


def test_strangers_to_the_book_are_nobody() -> None:
    """Marking a peer that is not in the book is harmless."""
    book = AddressBook()
    book.arrive(A, 0)
    book.leave(A)
    assert book.forget(A) is None
    assert not book.is_met(A, 0)
