"""What a stranger can prove with bytes and a charter, and nothing else: the state, the winner and the price."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.auction import decide
from protocol.bundle import Seal, open_bundle, open_evidence, seal
from protocol.contract import fold
from protocol.statements import AnyStatement, Award
from tests.authors import MARKET
from tests.walks import Case, contracts, honest_contracts


def as_evidence(case: Case, chance: random.Random) -> list[bytes]:
    """Say a contract in bundles of random sizes, and cut every statement out of them."""
    evidence = []
    for author in case.authors:
        own = [s for s in (case.announcement, *case.statements) if (s.author, s.feed) == (author.peer, author.feed)]
        while own:
            size = chance.randint(1, len(own))
            turn, own = own[:size], own[size:]
            for statement in open_bundle(seal(turn, author.sealer), market=MARKET, sealer=author.sealer).statements:
                assert isinstance(statement.seal, Seal)
                evidence.append(statement.seal.evidence())
    chance.shuffle(evidence)
    return evidence


def opened(evidence: list[bytes], case: Case) -> dict[bytes, AnyStatement]:
    """Open each piece by itself, as somebody who was not there."""
    found = {}
    for piece in evidence:
        (statement,) = open_evidence(piece, market=MARKET, sealer=case.authors[-1].sealer).statements
        found[statement.id] = statement
    return found


@pytest.mark.spec("M-5.5", "M-4.8")
@given(honest_contracts(), st.randoms(use_true_random=False))
def test_winner_and_price_recompute_from_evidence_alone(case: Case, chance: random.Random) -> None:
    """From the bytes of announcement, bids and awards anybody finds the winner and the price that were awarded."""
    found = opened(as_evidence(case, chance), case)
    announcement = found[case.announcement.id]
    awards = sorted((s for s in found.values() if isinstance(s.body, Award)), key=lambda award: award.body.epoch)
    for number, award in enumerate(awards):
        former = [earlier.body.winner for earlier in awards[:number]]
        considered = [found[bid] for bid in award.body.considered]
        outcome = decide(announcement.id, announcement.body, considered, former)
        assert outcome is not None
        assert (outcome.bid.id, outcome.bid.author, outcome.price) == (
            award.body.bid, award.body.winner, award.body.price,
        )  # fmt: skip


@pytest.mark.spec("M-4.8", "M-6.1")
@given(contracts(), st.randoms(use_true_random=False))
def test_evidence_reads_as_the_statements_did(case: Case, chance: random.Random) -> None:
    """A contract carried as loose evidence, in any order, reads as it did where it was said."""
    found = opened(as_evidence(case, chance), case)
    told = fold(found[case.announcement.id], found.values(), case.charter)
    assert told == fold(case.announcement, [s for s in case.statements if s.id in found], case.charter)
