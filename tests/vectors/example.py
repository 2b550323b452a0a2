"""The example that opens SPEC.md: one plain auction from fixed seeds, written out with its real ids and bytes."""

from __future__ import annotations

from textwrap import wrap

from protocol.bundle import DOMAIN, seal
from protocol.codec import PAYLOAD_TYPE
from protocol.contract import fold
from protocol.keys import print_peer
from protocol.statements import AnyStatement
from tests.authors import award_of
from tests.vectors.telling import SETTLE, Telling
from tests.walks import ACCEPT, RESULT


def auction() -> Telling:
    """A market without governors: ada bids 10, bo bids 12, ada does the work."""
    told = Telling()
    bids = told.bid(told.ada), told.bid(told.bo, 12)
    award = told.step(award_of(*bids))
    told.add(told.ada, ACCEPT, award)
    told.step(SETTLE, told.add(told.ada, RESULT, award))
    return told


def render() -> str:
    """The example as Markdown."""
    told = auction()
    bid, award = told.statements[0], told.statements[2]
    reading = fold(told.announcement, told.statements, told.charter.body)
    return "\n".join([
        "Three peers, and the authority whose charter makes the market:", "", *_peers(told), "",
        "What they say, in the order it was said; `prev` and `about` name statements by their numbers:", "",
        *_statements(told), "",
        f"Statement 2, ada's bid, is {len(bid.payload)} bytes of MessagePack:", "",
        "```text", *_hex(bid.payload), "```", "",
        f"The hashed bytes are `00` ‖ `DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE.decode()} {len(bid.payload)} `"
        " ‖ payload.", "Their SHA-256 is the id:", "", "```text", bid.id.hex(), "```", "",
        f"Ada signs `{DOMAIN[:-1].decode()}` ‖ `00` ‖ market ‖ id, and says it as a bundle of one:", "",
        "```text", *_hex(seal([bid], told.ada.sealer)), "```", "",
        f"Statement 4, the award, cites bid 2, and considered bids 2 and 3: winner ada, price {award.body.price}.",
        f"The set of statements 1 to 7 reads: `{reading.state}`, epoch {reading.epoch},"
        f" end `{reading.steps[-1].id.hex()[:16]}…`.",
    ])  # fmt: skip


def _peers(told: Telling) -> list[str]:
    rows = ["| peer | id |", "|---|---|"]
    names = {"manager": told.manager, "ada": told.ada, "bo": told.bo}
    return rows + [f"| {name} | `{print_peer(author.peer)}` |" for name, author in names.items()]


def _statements(told: Telling) -> list[str]:
    rows = ["| no | kind | by | seq | prev | about | id |", "|---|---|---|---|---|---|---|"]
    said: list[AnyStatement] = [told.charter, told.announcement, *told.statements]
    number = {one.id: str(at) for at, one in enumerate(said)}
    names = {told.manager.peer: "manager", told.ada.peer: "ada", told.bo.peer: "bo", told.charter.author: "authority"}
    for one in said:
        prev, about = (number[named] if named else "nil" for named in (one.prev, one.about))
        cells = number[one.id], f"`{one.kind}`", names[one.author], str(one.seq), prev, about, f"`{one.id.hex()}`"
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _hex(raw: bytes) -> list[str]:
    return wrap(raw.hex(), 112)
