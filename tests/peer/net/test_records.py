"""What a record of multicast DNS says, how it is read, and how many are kept."""

from __future__ import annotations

from functools import partial

import pytest
from zeroconf import ServiceInfo

from peer.net.meet.records import SERVICE, Mark, Record, Records, read_record, text_of
from protocol.invitation import market_tag, place_mark
from tests.peer.net.meeting import peer_id

MARKET = bytes(range(32))
TAG = market_tag(MARKET)
MARK: Mark = partial(place_mark, MARKET)
SAID = Record(peer_id(1), ("127.0.0.1", "fe80::1%lo"), 4003)


def heard(text: dict[str, str | bytes], *hosts: str, port: int = 4003) -> ServiceInfo:
    """A record as it comes from the network."""
    return ServiceInfo(SERVICE, f"x.{SERVICE}", port, properties=text, parsed_addresses=[*(hosts or ["127.0.0.1"])])


def test_what_is_announced_is_read_again() -> None:
    """A zone is our own word for an interface: it is neither marked nor said."""
    info = heard(text_of(SAID, TAG, MARK), "127.0.0.1", "fe80::1")
    assert read_record(info, TAG, MARK) == SAID._replace(hosts=("127.0.0.1", "fe80::1"))


def test_an_address_without_its_mark_is_passed_over() -> None:
    """Anybody can add an address to a record that he has heard: it names no place."""
    info = heard(text_of(SAID, TAG, MARK), "127.0.0.1", "127.0.0.2")
    assert read_record(info, TAG, MARK) == SAID._replace(hosts=("127.0.0.1",))


@pytest.mark.parametrize("changed", [{"v": "1"}, {"m": "00" * 8}])
def test_a_record_of_another_market_is_no_rubbish(changed: dict[str, str | bytes]) -> None:
    """Networks are shared, and versions as well: such a record is honest, and not for us."""
    assert read_record(heard(text_of(SAID, TAG, MARK) | changed), TAG, MARK) is None


@pytest.mark.parametrize(
    ("changed", "port", "why"),
    [
        ({"p": "zz"}, 4003, "it names no peer or no port"),
        ({"p": bytes(32).hex()}, 4003, "it names no peer or no port"),
        ({}, 0, "it names no peer or no port"),
        ({"a": "00" * 6}, 4003, "none of its hosts has a mark"),
        ({}, 4004, "none of its hosts has a mark"),
        ({"x": "y" * 250, "z": "y" * 250}, 4003, "its text is too long"),
    ],
)
def test_rubbish_is_told_why(changed: dict[str, str | bytes], port: int, why: str) -> None:
    """A mark is of one peer at one host and port, so it can be carried nowhere else."""
    assert read_record(heard(text_of(SAID, TAG, MARK) | changed, port=port), TAG, MARK) == why


def test_names_are_bounded_in_all_and_per_host() -> None:
    """One host that announces hundreds of names leaves room for the others; what is forgotten makes room."""
    records = Records(names_max=6, names_per_host_max=3)
    crowd = [records.put(f"r{number}", Record(peer_id(2), ("127.0.0.2",), number + 1)) for number in range(10)]
    others = [records.put(f"o{number}", Record(peer_id(3), (f"127.0.1.{number}",), 1)) for number in range(4)]
    assert (crowd.count(True), others) == (3, [True, True, True, False])
    assert records.pop("r0") == Record(peer_id(2), ("127.0.0.2",), 1)
    assert records.put("r9", Record(peer_id(2), ("127.0.0.2",), 10))
