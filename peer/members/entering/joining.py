"""Becoming a member: from a code to a market's home on this computer.

    find the admitter → it proves itself → prove to have the code → write the home, whole

Before the lobby has proved to be the admitter of this very market, nothing is shown but a nonce. The member's key is on
the disk before the code is used, and is found there after a kill: the same member comes again, and costs no second use.
It refuses to know how places are found (`peer.net.meet.searching`), and how all this looks to people.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from peer.home import NAME_PATTERN, MarketHome, market_home
from peer.members.charters import market_id, open_charter, read_charter
from peer.members.entering.clocks import CLOCKS_APART_MAX_MS, difference
from peer.members.entering.draft import Draft
from peer.members.entering.nobody import nobody
from peer.members.entering.refusals import refusal
from peer.members.hostmember import HostMember
from peer.net.meet.asking import Ask
from peer.net.meet.knocks import Admitted, Elsewhere, Knock, NotAdmitted, Redeem, Standing, open_item
from peer.net.meet.searching import Lobbies
from peer.wholefile import write_whole
from protocol.certificate import fault_of, read_certificate
from protocol.charter import fault_of_version
from protocol.codec import Malformed
from protocol.errors import BadEvidence, ClockWrong, NoPeers, UsageError, VendueError
from protocol.invitation import (
    Invitation,
    Request,
    market_tag,
    proof_of_redemption,
    sign_request,
    standing_to_sign,
)
from protocol.keys import Digest
from protocol.notices import Charter
from protocol.statements import NO_MARKET, Statement

KNOCKS_MAX: Final = 8
"""Places that are knocked at at once: each has a socket."""
KNOCK_AGAIN_S: Final = 1.0
"""When a place is tried again where nobody opened: the admitter may be starting."""
REDEEM_TRIES: Final = 3
"""How often a request is sent when no answer comes: the same member costs no second use."""
Clock = Callable[[], int]


class Found(NamedTuple):
    """The admitter of the market that a code is for: it has proved itself."""

    address: str
    market: Digest
    charters: tuple[bytes, ...]
    newest: Statement[Charter]
    admitter: bytes


# Finding the admitter


async def find_admitter(
    invitation: Invitation, ask: Ask, lobbies: Lobbies, host: HostMember, *, wait_s: float, wall_ms: Clock
) -> Found:
    """Knock at one place after the other until the admitter has proved itself.

    Raises ClockWrong when it is the admitter and its clock is not ours; BadEvidence when somebody answered who is not,
    and NoPeers when nobody did, in the whole time.
    """
    found: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
    told = list[VendueError]()

    async def knock_on() -> None:
        while not found.done():
            where = await lobbies.next()
            try:
                came = await _knock(invitation, ask, where, host, wall_ms)
            except VendueError as error:
                told.append(error)
                if isinstance(error, ClockWrong) and not found.done():
                    found.set_exception(error)
                continue
            match came:
                case Elsewhere(addresses=addresses):
                    for each in addresses:
                        lobbies.add(each)
                case None:
                    asyncio.get_running_loop().call_later(KNOCK_AGAIN_S, lobbies.again, where)
                case Found() if not found.done():
                    found.set_result(came)

    knocking = [asyncio.ensure_future(knock_on()) for _ in range(KNOCKS_MAX)]
    try:
        async with asyncio.timeout(wait_s):
            return await found
    except TimeoutError:
        raise told[-1] if told else await nobody(lobbies) from None
    finally:
        for task in knocking:
            task.cancel()
        await asyncio.gather(*knocking, return_exceptions=True)


async def _knock(
    invitation: Invitation, ask: Ask, where: str, host: HostMember, wall_ms: Clock
) -> Found | Elsewhere | None:
    """Ask who is there; None if nobody is, or nobody who knows."""
    nonce = os.urandom(32)
    knock = Knock(market_tag(invitation.market_prefix), invitation.admitter_prefix, nonce)
    match open_item(await ask(where, knock)):
        case Standing() as standing:
            return _believe(standing, invitation, nonce, where, host, wall_ms())
        case Elsewhere() as elsewhere:
            return elsewhere
    return None


def _believe(
    standing: Standing, invitation: Invitation, nonce: bytes, where: str, host: HostMember, wall_ms: int
) -> Found:
    """Check that it is the admitter of this market that answers, now and to us, in the order of what it costs."""
    first = open_charter(standing.charters[0], NO_MARKET)
    if isinstance(first, str) or first.body.version != 1 or not first.id.startswith(invitation.market_prefix):
        raise _impostor("what it shows is not the charter of that market")
    newest = newest_of(standing.charters, first)
    if newest is None:
        raise _impostor("the newer charter that it shows does not hold")
    admitter = standing.admitter
    if admitter not in newest.body.admitters or not admitter.startswith(invitation.admitter_prefix):
        raise _impostor("the charter names another admitter")
    signed = standing_to_sign(first.id, nonce, host.transport_key, standing.wall_ms)
    if not host.sealer.verify(admitter, signed, standing.signature):
        raise _impostor("its signature does not hold")
    apart_ms = wall_ms - standing.wall_ms
    if abs(apart_ms) >= CLOCKS_APART_MAX_MS:
        raise ClockWrong(
            difference(apart_ms, "the admitter's"),
            why="Certificates hold from one time to another, so the clocks of members have to agree.",
            do="Set the clock, by NTP for example (timedatectl set-ntp true), here or there; the code is not used up.",
        )
    return Found(where, first.id, standing.charters, newest, admitter)


def newest_of(charters: Sequence[bytes], first: Statement[Charter]) -> Statement[Charter] | None:
    """The newest version among those shown, if it is one of the first by the same authority."""
    if len(charters) == 1:
        return first
    newest = open_charter(charters[-1], first.id)
    return None if isinstance(newest, str) or fault_of_version(newest, first) is not None else newest


def _impostor(reason: str) -> BadEvidence:
    return BadEvidence(
        "Whoever answered is not the admitter that the code names.",
        why=f"Of those who answered, {reason}. Nothing of the code was shown to it.",
        do="Look for whoever else answers there, or name the admitter's lobby: --seed HOST:PORT.",
    )


# Being let in


async def redeem(
    invitation: Invitation, found: Found, ask: Ask, host: HostMember, draft: Draft, *, label: str, wall_ms: Clock
) -> bytes:
    """Show the admitter that we have the code, and get a certificate that holds. Raises BadCode, and others, if not.

    From here to an answer the draft is kept: a use may have been counted for the key in it.
    """
    nonce = os.urandom(32)
    request = Request(
        market=found.market, admitter=found.admitter, member=host.peer, transport_key=host.transport_key, nonce=nonce,
        made_ms=wall_ms(), claims=invitation.claims,
        proof=proof_of_redemption(
            invitation.secret, found.market, found.admitter, host.peer, host.transport_key, nonce
        ),
    )  # fmt: skip
    signed = sign_request(request, host.sealer)
    draft.kept = True
    for _ in range(REDEEM_TRIES):
        match open_item(await ask(found.address, Redeem(signed, label))):
            case Admitted(certificate=certificate):
                check_certificate(certificate, found.newest, found.market, host, wall_ms())
                return certificate
            case NotAdmitted(why=why):
                draft.kept = False
                raise refusal(why)
    raise NoPeers(
        "The admitter does not answer any more.",
        why="Whether it has let this computer in is not known.",
        do="Run the same command again: it goes on from here, and costs no second use of the code.",
    )


def check_certificate(raw: bytes, newest: Statement[Charter], market: bytes, host: HostMember, wall_ms: int) -> None:
    """Check that a certificate is ours and holds. Raises BadEvidence."""
    fault: str | None
    try:
        certified = read_certificate(raw)
    except Malformed as error:
        fault = str(error)
    else:
        fault = fault_of(certified, newest.body, market, host.sealer, wall_ms)
        claim = certified.certificate
        if (claim.member, claim.transport_key) != (host.peer, host.transport_key):
            fault = "it is for another key"
    if fault is not None:
        raise BadEvidence(
            "The certificate does not hold.", why=f"The rule that it breaks: {fault}.", do="Ask the admitter again."
        )


# Moving in


def home_for(charter: Statement[Charter], name: str | None, home: str | Path | None) -> MarketHome:
    """Where a market that is joined will live: under its own name, or `name`. Raises UsageError when that is taken."""
    chosen = name or charter.body.name
    if not re.search(NAME_PATTERN, chosen):
        raise UsageError(
            "The market's name is none that a market can have here.", do="Give it one: vendue join CODE --name NAME"
        )
    target = market_home(chosen, home)
    if target.path.exists() and any(target.path.iterdir()):
        raise UsageError(
            f"There is another market {chosen!r} on this computer.",
            why="Two markets may have one name, but not in one place.",
            do="Give this one another name here: vendue join CODE --name NAME",
        )
    return target


def move_in(draft: Draft, target: MarketHome, charters: Sequence[bytes], certificate: bytes, settings: str) -> None:
    """Write all that a member's home has into the draft, which becomes the target."""
    home = draft.home
    write_whole(home.charter, charters[0], mode=0o644)
    if len(charters) > 1:
        newest = open_charter(charters[1], market_id(read_charter(home.charter)))
        assert not isinstance(newest, str), "it was opened before"
        write_whole(home.charter_version(newest.body.version), charters[1], mode=0o644)
    write_whole(home.certificate, certificate)
    write_whole(home.settings, settings.encode(), mode=0o644)
    draft.target = target


def draft_mark(invitation: Invitation) -> str:
    """What a join's draft is called: the same for the same code, and nothing of its secret."""
    return f"{hashlib.sha256(invitation.claims).hexdigest()[:16]}-join"
