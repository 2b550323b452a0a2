"""Evidence files: what they show to somebody with nothing else at hand, and what no forger gets past them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from peer.audit import findings
from peer.audit.evidence import (
    AuditReport,
    EvidenceFile,
    Grounds,
    as_plain,
    cut,
    pack_evidence,
    parse_evidence,
    verify,
)
from peer.caller.outcome import Proof
from protocol.bundle import evidence_of, exhibit
from protocol.errors import BadEvidence
from protocol.statements import (
    NO_MARKET,
    Acceptance,
    Award,
    Bid,
    EffectClass,
    Recall,
    Settlement,
    Standing,
    StandingUse,
    VetoScope,
)
from protocol.states import State
from tests.authors import Author, award_of, charter_of, permit, task, veto
from tests.market import charter_with
from tests.peer.audit.stories import (
    RESULT,
    Script,
    declined_twice,
    exported,
    forked,
    held_by,
    honest_script,
    journal_of,
    small_market,
    told,
)
from tests.protocol.locked import after, sealed
from tests.protocol.overheard import Overheard, two
from tests.strategies import changed

HONEST, _, _ = honest_script()
PACKED = pack_evidence(HONEST.file().charter, HONEST.file().pieces)


def grounds(report: AuditReport) -> set[Grounds]:
    """What kinds of finding there are; a failed audit always has some."""
    found = {finding.grounds for finding in report.findings}
    assert report.ok == (not found - {Grounds.UNCOUNTED})
    return found


# What holds


@pytest.mark.parametrize("effect", list(EffectClass))
def test_export_of_a_real_contract_verifies(effect: EffectClass) -> None:
    """What the manager can show proves state, winner and price, whatever the effect class."""
    market = small_market()
    contract = told(market, effect=effect)
    report = verify(exported(market, contract), charter_id=market.charter.id)
    assert (report.ok, report.findings, report.market) == (True, (), market.charter.id)
    (result,) = report.contracts
    assert (result.id, result.skill, result.state, result.price) == (contract, "shout", State.FINAL, 10)
    assert result.winner == market.peers["ada"].sealer.peer
    assert result.ok
    held = held_by(market, "manager", contract)
    assert (result.statements, result.steps) == (len(held.held), len(held.reading.steps))


def test_vetoed_contract_is_no_fault_of_the_file() -> None:
    """An audit fails on lies and gaps; a veto is neither."""
    market = small_market()
    contract = told(market, budget=501)
    report = verify(exported(market, contract))
    assert report.ok
    assert [result.state for result in report.contracts] == [State.VETOED]


def test_declined_twice_is_told_with_its_last_winner() -> None:
    """Former winners do not win again, and every award recomputes."""
    script, announcement = declined_twice()
    report = verify(script.file())
    assert report.ok
    (result,) = report.contracts
    assert (result.id, result.epoch, result.winner, result.price) == (announcement.id, 3, script.cy.peer, 30)


def test_governors_journal_verifies_as_a_whole() -> None:
    """A governor holds everything: all its contracts in one file, whatever else it heard."""
    market = small_market()
    told(market)
    told(market, effect=EffectClass.IRREVERSIBLE)
    told(market, budget=600)
    file = EvidenceFile(exported(market).charter, tuple(cut(journal_of(market, "gov"))))
    report = verify(file)
    assert (report.ok, report.findings) == (True, ())
    assert sorted(result.state for result in report.contracts) == [State.FINAL, State.FINAL, State.VETOED]


def test_order_and_repeats_of_statements_do_not_matter() -> None:
    """A file is a set."""
    file = HONEST.file()
    shuffled = EvidenceFile(file.charter, tuple(reversed(file.pieces)) + file.pieces)
    assert verify(shuffled).contracts == verify(file).contracts
    assert verify(shuffled).ok


def test_later_version_of_the_charter_may_come_along() -> None:
    """A contract under version 2 is told by version 2, which is the authority's and about version 1."""
    gov = Author("gov")
    script = Script()
    second = script.say(script.authority, replace(charter_of(gov), version=2), script.charter)
    announcement = script.say(script.manager, replace(task(), charter=second.id))
    settlement = script.settle(script.award(announcement, script.bid(script.ada, announcement, 3)), script.ada)
    script.say(gov, permit(), settlement)
    report = verify(script.file(), charter_id=script.charter.id)
    assert report.ok
    assert report.contracts[0].state is State.FINAL


def test_proof_of_a_task_under_a_later_charter_stands_alone() -> None:
    """It brings the version that its contract names, and whatever lies between that and the first is not missed."""
    first = sealed(charter_with())
    third = after(after(first))
    market = two(Overheard(first))
    market.peers["m"].hear(third)
    task = market.announce("m")
    market.run(10_000)
    node, sealer = market.peers["m"].node, market.peers["m"].sealer
    proof = Proof(node.holdings.contracts[task], node.holdings.charters, sealer)
    assert proof.audit().findings == ()
    assert proof.verify()
    assert verify(EvidenceFile(proof.charter, tuple(proof.pieces)), charter_id=first.id).ok


# What does not hold


def test_charter_of_another_market_is_a_finding() -> None:
    """Who knows the market by its id is not shown another one."""
    assert grounds(verify(HONEST.file(), charter_id=bytes(32))) == {Grounds.CHARTER}


def test_statement_in_the_charters_place_is_a_finding() -> None:
    """Without a charter nothing can be told."""
    file = HONEST.file()
    report = verify(EvidenceFile(file.pieces[0], file.pieces))
    assert (report.ok, report.contracts) == (False, ())


def test_charter_with_an_unsound_quorum_is_a_finding() -> None:
    """A quorum that two opposite votes could both reach proves nothing."""
    script = Script()
    unsound = replace(charter_of(Author("gov")), vetoes_needed=0)
    charter = script.authority.say(unsound, market=NO_MARKET)
    assert grounds(verify(EvidenceFile(evidence_of(charter, script.authority.sealer), ()))) == {Grounds.CHARTER}


def test_version_two_alone_does_not_say_whose_market_it_is() -> None:
    """Anybody can sign a later version for any market: it needs the first, or to be known by its id."""
    script = Script()
    forger = Author("forger")
    second = forger.say(replace(charter_of(), version=2), about=script.charter, market=script.charter.id)
    file = EvidenceFile(evidence_of(second, forger.sealer), script.file().pieces)
    assert Grounds.CHARTER in grounds(verify(file))
    assert Grounds.CHARTER in grounds(verify(file, charter_id=script.charter.id))
    assert Grounds.CHARTER not in grounds(verify(file, charter_id=second.id))


def test_forged_version_two_gives_no_seats() -> None:
    """A version by another key than the first's is no version."""
    script, forger, gov = Script(), Author("forger"), Author("gov")
    second = script.say(forger, replace(charter_of(gov), version=2), script.charter)
    script.say(script.manager, replace(task(), charter=second.id))
    report = verify(script.file())
    assert grounds(report) == {Grounds.MISSING}
    assert report.contracts == ()


def test_fork_convicts_and_names_both_statements() -> None:
    """Two awards behind one announcement: the contract is void, and the finding is the conviction."""
    script, announcement, (first, second) = forked()
    report = verify(script.file())
    assert grounds(report) == {Grounds.FORK, Grounds.ILLEGAL}
    fork = next(finding for finding in report.findings if finding.grounds is Grounds.FORK)
    assert all(one.id.hex()[:16] in fork.text for one in (first, second))
    assert [(result.id, result.state, result.ok) for result in report.contracts] == [
        (announcement.id, State.VOID, False)
    ]


def test_one_seq_twice_convicts_across_contracts_and_voids_nothing() -> None:
    """A bidder that says two things under one number is convicted; the contract stands."""
    script, announcement, _ = honest_script()
    script.say(script.bo, Bid(price=7, duration_ms=1), script.announce(b'{"n":2}'), seq=1)
    report = verify(script.file())
    assert grounds(report) == {Grounds.FORK}
    assert {result.state for result in report.contracts} == {State.SETTLED, State.OPEN}
    assert announcement.id in {result.id for result in report.contracts}


def test_standing_permit_spent_twice_convicts() -> None:
    """Each numbered use is for one award."""
    gov = Author("gov")
    script = Script(gov)
    standing = Standing(manager=script.manager.peer, skill="sum", price_max=50, uses=2)
    given = script.say(gov, permit(standing))
    for number in (1, 2):
        announcement = script.announce(b'{"n":%d}' % number)
        bid = script.bid(script.ada, announcement, number)
        script.award(announcement, bid, standing=StandingUse(permit=given.id, number=1))
    assert grounds(verify(script.file())) == {Grounds.FORK}


@pytest.mark.parametrize("wrong", ["dearer bid", "price", "no bid of this task"])
def test_award_that_does_not_recompute_is_found(wrong: str) -> None:
    """The winner and the price follow from the listed bids, or the audit fails."""
    script = Script()
    announcement = script.announce()
    ada, bo = script.bid(script.ada, announcement, 10), script.bid(script.bo, announcement, 20)
    match wrong:
        case "dearer bid":
            script.award(announcement, bo, ada)
        case "price":
            second = script.say(script.manager, replace(announcement.body, award_rule="second-price"))
            bids = [script.bid(script.ada, second, 10), script.bid(script.bo, second, 20)]
            script.award(second, *bids, price=15)
        case _:
            foreign = script.bid(script.ada, script.announce(b'{"n":2}'), 1)
            script.award(announcement, ada, bo, foreign)
    assert grounds(verify(script.file())) == {Grounds.RECOMPUTE}


def test_illegal_step_is_found() -> None:
    """A second settlement behind the first breaks the chain."""
    script, _, settlement = honest_script()
    result = next(one for one in script.statements() if one.kind == "inform/1")
    script.say(script.manager, Settlement(), result, prev=settlement)
    assert grounds(verify(script.file())) == {Grounds.ILLEGAL}


def test_work_started_without_its_permits_is_found() -> None:
    """An irreversible task is started on a permit quorum only, and the file must show it."""
    gov = Author("gov")
    script = Script(gov)
    announcement = script.announce(effect=EffectClass.IRREVERSIBLE)
    award = script.award(announcement, script.bid(script.ada, announcement, 5))
    assert verify(script.file()).ok
    script.say(script.ada, Acceptance(permits=()), award)
    assert grounds(verify(script.file())) == {Grounds.PERMIT}
    script.say(gov, permit(), award)
    assert verify(script.file()).ok


def test_irreversible_task_without_governors_is_found() -> None:
    """Such a task may not even be announced."""
    script = Script()
    script.announce(effect=EffectClass.IRREVERSIBLE)
    assert grounds(verify(script.file())) == {Grounds.CHARTER}


@pytest.mark.parametrize("kind", [Bid, Award, Acceptance, "result", "announcement"])
def test_each_statement_left_out_is_missed(kind: object) -> None:
    """Whoever cuts out of the middle is noticed; but an Acceptance of a pure task proves nothing more."""
    script, announcement, _ = honest_script()
    out = {
        "result": next(one for one in script.statements() if one.kind == "inform/1"),
        "announcement": announcement,
    }.get(str(kind)) or next(one for one in script.statements() if isinstance(one.body, kind))  # type: ignore[arg-type]
    report = verify(script.file(out))
    assert grounds(report) == (set() if kind is Acceptance else {Grounds.MISSING})


def test_recall_left_out_between_two_epochs_is_missed() -> None:
    """The second award names a predecessor that is not here."""
    script, _ = declined_twice()
    first = next(one for one in script.statements() if isinstance(one.body, Recall))
    report = verify(script.file(first))
    assert Grounds.MISSING in grounds(report)
    assert report.contracts[0].state is State.AWARDED


def test_votes_of_strangers_are_told_and_change_nothing() -> None:
    """A vote from no seat is shown as not counted; it cannot spoil an honest contract."""
    script, announcement, settlement = honest_script()
    stranger = Author("stranger")
    script.say(stranger, veto(VetoScope.TASK), announcement)
    script.say(stranger, permit(), settlement)
    report = verify(script.file())
    assert (report.ok, grounds(report), report.contracts[0].state) == (True, {Grounds.UNCOUNTED}, State.SETTLED)


@given(st.data())
def test_no_changed_byte_goes_unnoticed(data: st.DataObject) -> None:
    """A file with one byte changed, lost or added is refused, or fails, or says the very same."""
    forged = data.draw(changed(PACKED))
    try:
        report = verify(parse_evidence(forged), charter_id=HONEST.charter.id)
    except BadEvidence:
        return
    if report.ok:
        assert report.contracts == verify(HONEST.file()).contracts


@given(st.lists(st.binary(max_size=200), max_size=5), st.binary(max_size=200))
def test_verify_raises_on_nothing(pieces: list[bytes], charter: bytes) -> None:
    """Any bytes in a well-formed file are findings."""
    assert not verify(EvidenceFile(charter, ())).ok
    assert verify(EvidenceFile(HONEST.file().charter, tuple(pieces))).ok == (not pieces)


def test_damaged_statement_is_named_by_its_number() -> None:
    """The rest of the file is still told."""
    file = HONEST.file()
    broken = bytearray(file.pieces[2])
    broken[-3] ^= 1
    report = verify(EvidenceFile(file.charter, (*file.pieces, bytes(broken))))
    (finding,) = report.findings
    assert (finding.grounds, finding.piece) == (Grounds.DAMAGED, len(file.pieces) + 1)
    assert report.contracts[0].state is State.SETTLED


def test_findings_are_bounded_and_still_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile file does not fill the terminal."""
    monkeypatch.setattr(findings, "FINDINGS_MAX", 3)
    report = verify(EvidenceFile(HONEST.file().charter, (b"x",) * 10))
    assert (len(report.findings), report.findings_left_out, report.ok) == (3, 7, False)


def test_report_is_plain_json() -> None:
    """The command's --json is this, and has ids in hexadecimal digits."""
    script, announcement, _ = forked()
    plain = json.loads(json.dumps(as_plain(verify(script.file()))))
    assert plain["ok"] is False
    assert plain["market"] == script.charter.id.hex()
    assert plain["contracts"][0]["id"] == announcement.id.hex()
    assert {finding["grounds"] for finding in plain["findings"]} == {"fork", "illegal"}


def test_file_does_not_depend_on_the_seal_it_came_with() -> None:
    """Cut from bundles or sealed alone, the statements are the same, and so is what they show."""
    script, _, _ = honest_script()
    bundled: list[bytes] = []
    for author in (script.manager, script.ada, script.bo):
        bundled += exhibit([one for who, one in script.said if who is author], author.sealer)
    alone = script.file()
    assert sum(map(len, bundled)) > sum(map(len, alone.pieces))
    assert verify(EvidenceFile(alone.charter, tuple(bundled))).contracts == verify(alone).contracts


def test_result_by_somebody_else_settles_nothing() -> None:
    """A settlement that cites a stranger's result breaks the chain."""
    script = Script()
    announcement = script.announce()
    award = script.award(announcement, script.bid(script.ada, announcement, 5))
    foreign = script.say(script.bo, RESULT, award)
    script.say(script.manager, Settlement(), foreign, prev=award)
    assert grounds(verify(script.file())) == {Grounds.ILLEGAL}


def test_award_that_lists_a_bid_twice_still_recomputes() -> None:
    """A repeat in the list makes no second bidder."""
    script = Script()
    announcement = script.announce()
    bid = script.bid(script.ada, announcement, 5)
    body = award_of(bid)
    script.say(script.manager, replace(body, considered=(bid.id, bid.id)), announcement, prev=announcement)
    assert verify(script.file()).ok
