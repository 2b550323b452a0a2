"""A market with locks, for tests: an authority, charters in versions, admitters, and certificates of every sort."""

from __future__ import annotations

import hashlib

import msgspec

from protocol.certificate import Certificate, Right, issue
from protocol.keys import Digest, PeerId
from protocol.membership import Membership
from protocol.notices import Admission, Charter, Revocation
from protocol.statements import NO_MARKET, Statement
from tests.authors import Author, charter_of, sealer_of

NOW_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
AUTHORITY, ADMITTER = Author("authority"), sealer_of("admitter")
SEALER = sealer_of("somebody else")
AGENT = (Right.BID, Right.ANNOUNCE)


def charter(version: int = 1, *, revoked: tuple[str, ...] = (), **changes: object) -> Statement[Charter]:
    """A version of the charter; without more words an invited market with one admitter."""
    revocations = tuple(Revocation(member=peer(name), feed=bytes(8), last_seq=0) for name in revoked)
    fields = {"version": version, "admission": Admission.INVITE, "admitters": (ADMITTER.peer,)} | changes
    body = msgspec.structs.replace(charter_of(), revocations=revocations, **fields)
    if version == 1:
        return AUTHORITY.say(body, market=NO_MARKET, seq=1)
    return AUTHORITY.say(body, market=MARKET, seq=version, about=hashlib.sha256(b"%d" % version).digest())


MARKET = Digest(charter().id)


def peer(name: str) -> PeerId:
    """The key of this name."""
    return sealer_of(name).peer


def transport(name: str) -> bytes:
    """The transport key of this name; to these tests it is only bytes."""
    return hashlib.sha256(b"transport " + name.encode()).digest()


def claim(name: str = "ada", **changes: object) -> Certificate:
    """What an admitter says of a member for an hour from now on, with whatever is to be different."""
    fields: dict[str, object] = {
        "market": MARKET, "member": peer(name), "transport_key": transport(name), "rights": AGENT,
        "sponsor": peer(name), "issuer": ADMITTER.peer, "from_ms": NOW_MS, "until_ms": NOW_MS + HOUR_MS,
    } | changes  # fmt: skip
    return Certificate(**fields)  # type: ignore[arg-type]


def admitted(name: str = "ada", **changes: object) -> bytes:
    """A certificate by the admitter."""
    return issue(claim(name, **changes), ADMITTER)


def itself(name: str = "ada", **changes: object) -> bytes:
    """A certificate that a member has issued to itself."""
    return issue(claim(name, **({"issuer": peer(name)} | changes)), sealer_of(name))


def vouched(name: str = "child", by: str = "ada", *, above: bytes | None = None, **changes: object) -> bytes:
    """A certificate by a member for another peer of its computer."""
    said = claim(name, **({"issuer": peer(by), "sponsor": peer(by)} | changes))
    return issue(said, sealer_of(by), above or admitted(by), consent=sealer_of(name))


def membership(first: Statement[Charter] | None = None) -> Membership:
    """A membership that knows one charter and nobody."""
    return Membership(first or charter(), sealer=SEALER, wall_ms=NOW_MS)
