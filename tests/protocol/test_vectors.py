"""The vectors beside SPEC.md hold for this implementation, and are what their script writes today."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import msgpack
import pytest

from protocol import merkle
from protocol.auction import decide
from protocol.bundle import Opened, open_bundle, open_evidence
from protocol.certificate import fault_of, read_certificate
from protocol.codec import Malformed, decode, statement_id
from protocol.contract import fold
from protocol.invitation import (
    AdmitterKey,
    lobby_secret,
    make_code,
    market_tag,
    open_request,
    parse_code,
    place_mark,
    proof_of_redemption,
    secret_of,
    standing_to_sign,
)
from protocol.keys import Digest, fault_of_key, parse_peer, print_peer, verify
from protocol.kinds import KINDS
from protocol.notices import Charter
from protocol.statements import Announcement, AnyStatement, AwardRule, Statement
from protocol.topics import governance_topic, peer_topic, skill_topic
from tests.authors import sealer_of, task
from tests.vectors.awards import bid_of
from tests.vectors.certificates import members_by
from tests.vectors.files import FILES, FOLDER, render
from tests.vectors.folds import reading_of
from tests.vectors.ids import plain

READER = sealer_of("somebody else")
Case = dict[str, Any]


def load(name: str) -> Case:
    """One file of vectors, as a reader in any language has it."""
    found: Case = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return found


def cases(name: str, part: str = "cases") -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A test for each case of a file; none when there is no file, which another test tells."""
    found = load(name)[part] if (FOLDER / name).is_file() else []
    return pytest.mark.parametrize("case", found, ids=lambda case: case.get("name", ""))


def unhex(texts: list[str]) -> list[bytes]:
    """Bytes out of hex, for a whole list."""
    return [bytes.fromhex(text) for text in texts]


@pytest.mark.parametrize("name", FILES)
def test_vectors_are_what_the_script_writes(name: str) -> None:
    """Each file is, byte by byte, what scripts/vectors writes: run it, and look at what has changed."""
    assert (FOLDER / name).is_file(), "run scripts/vectors"
    assert (FOLDER / name).read_bytes() == render(name), "run scripts/vectors"


def test_no_file_of_vectors_is_left_over() -> None:
    """Everything in the folder is written by the script."""
    assert {path.name for path in FOLDER.iterdir()} == set(FILES)


@pytest.mark.spec("M-2.1", "M-2.5", "M-2.6")
@cases("ids.json", "statements")
def test_statement_has_the_id_and_fields_given(case: Case) -> None:
    """The payload decodes, to the fields that stand beside it, and hashes to the id."""
    payload = bytes.fromhex(case["payload"])
    said = decode(payload)
    assert said.id.hex() == statement_id(payload).hex() == case["id"]
    assert plain(msgpack.unpackb(payload)) == case["fields"]


def test_there_is_a_statement_of_every_kind() -> None:
    """No kind is without a vector."""
    kinds = {case["fields"][0] for case in load("ids.json")["statements"]}
    assert kinds == set(KINDS)


@pytest.mark.spec("M-2.2", "M-2.3")
@cases("ids.json", "refused")
def test_payload_is_refused_for_the_reason_given(case: Case) -> None:
    """What is no statement is refused, and by name."""
    with pytest.raises(Malformed) as refused:
        decode(bytes.fromhex(case["payload"]))
    assert str(refused.value) == case["reason"]


@pytest.mark.spec("M-3.3", "M-8.2")
@cases("keys.json", "peers")
def test_peer_is_printed_and_addressed_as_given(case: Case) -> None:
    """The printed form, and back; the topic."""
    key = bytes.fromhex(case["key"])
    assert print_peer(key) == case["printed"]
    assert parse_peer(case["printed"]) == key
    assert peer_topic(key).hex() == case["topic"]


@pytest.mark.spec("M-8.2")
def test_topics_of_skills_and_markets_are_as_given() -> None:
    """Every topic is computed from its name alone."""
    keys = load("keys.json")
    assert [skill_topic(each["skill"]).hex() for each in keys["skills"]] == [each["topic"] for each in keys["skills"]]
    for each in keys["markets"]:
        assert governance_topic(bytes.fromhex(each["market"])).hex() == each["topic"]


@pytest.mark.spec("M-3.1")
@cases("keys.json", "refused")
def test_key_is_refused_for_the_reason_given(case: Case) -> None:
    """Small order and non-canonical encodings, by name; no signature verifies under them."""
    key = bytes.fromhex(case["key"])
    assert fault_of_key(key) == case["reason"]
    assert not verify(key, b"message", key + bytes(32))


@pytest.mark.spec("M-4.2", "M-4.10")
@cases("trees.json", "roots")
def test_tree_has_the_root_given(case: Case) -> None:
    """The root over the first so many leaves."""
    assert merkle.root(unhex(case["leaves"])).hex() == case["root"]


@pytest.mark.spec("M-4.10")
@cases("trees.json", "inclusion")
def test_inclusion_holds_as_given(case: Case) -> None:
    """Each path proves its leaf, or does not."""
    leaf, root = unhex([case["leaf"], case["root"]])
    assert merkle.verify_inclusion(leaf, case["index"], case["size"], unhex(case["path"]), root) is case["holds"]


@pytest.mark.spec("M-4.10")
@cases("trees.json", "consistency")
def test_consistency_holds_as_given(case: Case) -> None:
    """Each proof shows that the later tree extends the earlier, or does not."""
    old, new = unhex([case["old_root"], case["new_root"]])
    holds = merkle.verify_consistency(case["old_size"], case["new_size"], unhex(case["proof"]), old, new)
    assert holds is case["holds"]


def agree(opened: Opened, case: Case) -> None:
    """What came out of a frame is what the vector says."""
    assert [one.id.hex() for one in opened.statements] == case["statements"]
    assert [known.hex() for known in opened.repeated] == case["repeated"]
    assert [(r.verdict, r.blame, r.reason) for r in opened.rulings] == [
        (r["verdict"], r["blame"], r["reason"]) for r in case["rulings"]
    ]


@pytest.mark.spec("M-4.1", "M-4.2", "M-4.4", "M-4.5", "M-4.6", "M-4.7")
@cases("bundles.json")
def test_bundle_opens_as_given(case: Case) -> None:
    """Statements, questions and rulings, for bundles right and tampered."""
    market, seen = bytes.fromhex(load("bundles.json")["market"]), frozenset(map(Digest, unhex(case["seen"])))
    agree(open_bundle(bytes.fromhex(case["frame"]), market=market, sealer=READER, seen=seen), case)


@pytest.mark.spec("M-4.4", "M-4.6", "M-4.7", "M-4.8")
@cases("evidence.json")
def test_evidence_opens_as_given(case: Case) -> None:
    """The statement, or the ruling, for evidence right and tampered."""
    market, seen = bytes.fromhex(load("evidence.json")["market"]), frozenset(map(Digest, unhex(case["seen"])))
    agree(open_evidence(bytes.fromhex(case["evidence"]), market=market, sealer=READER, seen=seen), case)


@pytest.mark.spec("M-5.1", "M-5.2", "M-5.3", "M-5.4", "M-5.5")
@cases("awards.json")
def test_auction_is_won_as_given(case: Case) -> None:
    """Winner and price, whatever order the bids are in."""
    body = task(award_rule=AwardRule(case["award_rule"]), budget=case["budget"],
                weights=(case["price_weight"], case["duration_weight"]))  # fmt: skip
    bids = [bid_of(bytes.fromhex(bid["bidder"]), bid["price"], bid["duration_ms"]) for bid in case["bids"]]
    for order in (bids, bids[::-1]):
        outcome = decide(Digest(bytes.fromhex(case["announcement"])), body, order, unhex(case["former_winners"]))
        said = (outcome.bid.author.hex(), outcome.price) if outcome else (None, None)
        assert said == (case["winner"], case["price"])


def open_all(case: Case, evidence: dict[str, str]) -> tuple[AnyStatement, Charter, list[AnyStatement]]:
    """A case's statements out of their evidence: announcement, charter, and the rest."""

    def open_one(known: str) -> AnyStatement:
        raw, market = bytes.fromhex(evidence[known]), bytes.fromhex(case["charter"])
        (statement,) = open_evidence(raw, market=market, sealer=READER).statements
        assert statement.id.hex() == known
        return statement

    charter = open_one(case["charter"]).body
    assert isinstance(charter, Charter)
    return open_one(case["announcement"]), charter, [open_one(known) for known in case["statements"]]


@pytest.mark.spec("M-6.1", "M-6.4", "M-6.9", "M-6.11", "M-6.14", "M-7.6", "M-7.13")
@cases("folds.json")
def test_set_of_statements_reads_as_given(case: Case) -> None:
    """From evidence alone, in several orders and with repeats."""
    announcement, charter, statements = open_all(case, load("folds.json")["evidence"])
    assert isinstance(announcement.body, Announcement)
    for seed in range(3):
        order = statements + statements[: seed + 1]
        random.Random(seed).shuffle(order)
        assert reading_of(fold(announcement, order, charter)) == case["reading"]  # type: ignore[arg-type]


@pytest.mark.spec("M-10.1", "M-10.2", "M-10.3", "M-10.4", "M-10.5")
@cases("certificates.json")
def test_certificate_holds_or_not_as_given(case: Case) -> None:
    """The fault under this charter at this time, and what it says of whom."""
    vectors = load("certificates.json")
    certified = read_certificate(bytes.fromhex(case["certificate"]))
    charter = _charter(vectors, case["charter"])
    market = bytes.fromhex(vectors["market"])
    assert fault_of(certified, charter.body, market, READER, case["wall_ms"]) == case["fault"]
    claim = certified.certificate
    assert (claim.member.hex(), list(claim.rights), claim.sponsor.hex()) == (
        case["member"], case["rights"], case["sponsor"],
    )  # fmt: skip


def _charter(vectors: Case, name: str) -> Statement[Charter]:
    raw, market = bytes.fromhex(vectors["charters"][name]), bytes.fromhex(vectors["market"])
    (charter,) = open_evidence(raw, market=market, sealer=READER).statements
    return charter  # type: ignore[return-value]


@pytest.mark.spec("M-10.1")
@cases("certificates.json", "refused")
def test_certificate_is_refused_for_the_reason_given(case: Case) -> None:
    """What is no certificate is refused, and by name."""
    with pytest.raises(Malformed) as refused:
        read_certificate(bytes.fromhex(case["certificate"]))
    assert str(refused.value) == case["reason"]


@pytest.mark.spec("M-10.6", "M-10.12")
@cases("certificates.json", "sets")
def test_members_are_those_given(case: Case) -> None:
    """By a set of charters and certificates, in whatever order."""
    vectors = load("certificates.json")
    charters = [_charter(vectors, name) for name in case["charters"]]
    certificates = unhex(case["certificates"])
    for order in (1, -1):
        assert members_by(charters[::order], certificates[::order], case["wall_ms"]) == case["members"]


@pytest.mark.spec("M-10.19", "M-10.20")
@cases("invitations.json", "codes")
def test_code_says_and_hides_as_given(case: Case) -> None:
    """Out of the admitter's private key, and back out of the code."""
    vectors = load("invitations.json")
    key = AdmitterKey(bytes.fromhex(vectors["admitter_private_key"]))
    read = parse_code(case["code"])
    assert (read.claims.hex(), read.secret.hex(), list(read.rights)) == (case["claims"], case["secret"], case["rights"])
    assert secret_of(key, read) == read.secret
    assert make_code(
        key, market=bytes.fromhex(vectors["market"]), admitter=bytes.fromhex(vectors["admitter"]),
        serial=bytes.fromhex(case["serial"]), rights=read.rights, uses=case["uses"], until_ms=case["asked_until_ms"],
    ) == case["code"]  # fmt: skip


@pytest.mark.spec("M-10.20")
@cases("invitations.json", "refused")
def test_code_is_refused_for_the_reason_given(case: Case) -> None:
    """A slip of the keyboard says so."""
    with pytest.raises(ValueError) as refused:  # noqa: PT011
        parse_code(case["code"])
    assert str(refused.value) == case["reason"]


@pytest.mark.spec("M-10.21", "M-10.22")
def test_joiner_and_lobby_prove_as_given() -> None:
    """The lobby's key and tag, what it signs, and what the joiner shows."""
    vectors = load("invitations.json")
    market, admitter = bytes.fromhex(vectors["market"]), bytes.fromhex(vectors["admitter"])
    assert lobby_secret(market).hex() == vectors["lobby_private_key"]
    assert market_tag(market).hex() == vectors["market_tag"]
    for place in vectors["places"]:
        mark = place_mark(market, bytes.fromhex(place["peer"]), place["host"], place["port"])
        assert mark.hex() == place["mark"]
    said = vectors["conversation"]
    member, key, nonce = unhex([said["member"], said["transport_key"], said["nonce"]])
    standing = standing_to_sign(market, nonce, key, int(said["wall_ms"]))
    assert standing.hex() == said["standing"]
    assert verify(admitter, standing, bytes.fromhex(said["signature_of_standing"]))
    secret = parse_code(vectors["codes"][0]["code"]).secret
    request = open_request(bytes.fromhex(said["request"]), market=market, sealer=READER)
    assert request.proof == proof_of_redemption(secret, market, admitter, member, key, nonce)
    assert (request.member, request.claims) == (member, bytes.fromhex(vectors["codes"][0]["claims"]))
