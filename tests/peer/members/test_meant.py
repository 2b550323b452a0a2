"""Whoever is named is found, or nobody is guessed."""

from __future__ import annotations

import pytest

from peer.members.meant import who_is_meant, whole_id
from protocol.errors import UsageError
from protocol.keys import print_peer
from tests.standing import peer

ADA, BOB = peer("ada"), peer("bob")
BOTH = [ADA, BOB]


def test_a_whole_id_need_not_be_known() -> None:
    """Somebody may be put out who was never met here."""
    assert whole_id(print_peer(ADA)) == whole_id(print_peer(ADA).upper()) == ADA
    assert whole_id("ada") is None


def test_a_slip_in_an_id_is_no_name() -> None:
    """Nobody is called so: its check digits tell that an id was meant."""
    printed = print_peer(ADA)
    with pytest.raises(UsageError, match="is no peer id"):
        whole_id(("b" if printed[0] != "b" else "c") + printed[1:])


@pytest.mark.parametrize("said", ["ada", print_peer(ADA)[:9], print_peer(ADA)[:9].replace("-", "").upper()])
def test_a_name_or_a_beginning_is_enough(said: str) -> None:
    """As it is printed, or without the hyphens."""
    assert who_is_meant(said, [ADA] if said == "ada" else [], BOTH) == ADA


@pytest.mark.parametrize("said", ["eve", print_peer(ADA)[:3]])
def test_nobody_is_meant_by_an_unknown_name_or_too_few_letters(said: str) -> None:
    """Three letters begin many ids."""
    assert who_is_meant(said, [], BOTH) is None


def test_of_several_none_is_guessed() -> None:
    """Also where one is called as the id of another begins: what follows cannot be taken back."""
    with pytest.raises(UsageError, match="2 peers are called"):
        who_is_meant("ada", [ADA, BOB], BOTH)
    with pytest.raises(UsageError, match="2 peers are called"):
        who_is_meant(print_peer(BOB)[:6].replace("-", ""), [ADA], BOTH)
