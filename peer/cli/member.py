"""`vendue member`: who is a member, and letting members in by hand, out, and in for longer."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from peer.cli.invocation import JOINING, READING, Invocation, asked, console
from peer.cli.loop import run_to_end
from peer.home import MarketHome
from peer.members.admitting.admitters import admitter_here
from peer.members.admitting.block import read_block, read_text, write_block
from peer.members.admitting.handover import Handover, charters_of, pack_handover
from peer.members.admitting.memberlist import MEMBER, Known, call, find_member, members_known
from peer.members.admitting.register import BY_HAND, Entry, Register
from peer.members.amending import revoke as revoke_member
from peer.members.charters import market_id, newest_charter
from peer.members.hostmember import HostMember, certify, wall_clock_ms
from peer.telemetry import printable
from protocol.codec import Malformed
from protocol.errors import BadEvidence, UsageError
from protocol.invitation import ROLES, open_request
from protocol.keys import print_peer, short_peer
from protocol.statements import NO_MARKET

AUTHORITY = click.option(
    "--authority", type=click.Path(path_type=Path), metavar="DIRECTORY",
    help="Where the key is that signs charters, if not in the market's home.",
)  # fmt: skip


@click.group()
def member() -> None:
    """List the members of a market, admit them by hand, revoke and renew them."""


@member.command("list", short_help="Show who is, or was, a member.")
@asked(*READING)
def list_members(invocation: Invocation) -> None:
    """Show who is known on this computer to be a member, or to have been one.

    These are all that the admitter here has let in, and whoever has shown its card to a peer here.
    """
    market = joined(invocation.market)
    known, reasons = members_known(market, wall_ms=wall_clock_ms()), Register(market.register).reasons()
    document = {"market": invocation.settings.market, "members": [_document(one, known, reasons) for one in known]}

    def table() -> None:
        from rich.table import Table

        shown = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
        for heading in ("name", "peer", "role", "sponsor", "until", "state"):
            shown.add_column(heading, overflow="fold")
        for one in known:
            sponsor = "itself" if one.sponsor == one.peer else printable(call(one.sponsor, known))
            shown.add_row(
                printable(one.name), short_peer(one.peer), one.role, sponsor, _date(one.until_ms)[:10],
                ": ".join(part for part in (one.state, printable(reasons.get(one.peer, ""))) if part),
                style=None if one.state == MEMBER else "dim",
            )  # fmt: skip
        console().print(shown)

    invocation.answer(document, table)


@member.command(short_help="Put a member out, for good.")
@click.argument("who", metavar="PEER|NAME")
@click.option("--reason", default="", metavar="TEXT", help="Why, for whoever looks at the list later.")
@click.option("--force", is_flag=True, help="Also an admitter, with all that it let in, or this computer itself.")
@AUTHORITY
@asked(*READING)
def revoke(invocation: Invocation, who: str, reason: str, force: bool, authority: Path | None) -> None:
    """Put a member out, for good: a new version of the charter says so to everybody.

    With a computer's own member all peers that it vouches for are out. What was agreed before stands. This takes the
    authority's key.
    """
    market = joined(invocation.market)
    known = members_known(market, wall_ms=wall_clock_ms())
    out = find_member(known, who)
    if not force:
        _ask_twice(market, out)
    charter = revoke_member(market, out, authority)
    Register(market.register).revoked(out, reason, wall_clock_ms())
    vouched = [one.peer for one in known if one.sponsor == out and one.peer != out]
    document = {
        "revoked": print_peer(out), "version": charter.body.version, "vouched": [print_peer(one) for one in vouched],
        "reason": reason,
    }  # fmt: skip

    def show() -> None:
        with_it = f", and the {len(vouched)} it vouches for" if vouched else ""
        click.echo(f"{call(out, known)} is revoked{with_it}: charter version {charter.body.version}.")
        invocation.aside("The peers here hear of it within a second, and tell the others.")
        sponsor = next((one.sponsor for one in known if one.peer == out and one.sponsor != out), None)
        if sponsor is not None:
            invocation.warn(f"{call(sponsor, known)} may vouch for another: vendue member revoke {print_peer(sponsor)}")

    invocation.answer(document, show)


@member.command(short_help="Let a computer in by hand, without a code.")
@click.argument("request", metavar="FILE|-")
@click.option("--role", type=click.Choice(list(ROLES)), default="agent", show_default=True, help="What it may do.")
@click.option("--name", "label", default="", metavar="TEXT", help="What to call it in the list.")
@asked(*READING)
def admit(invocation: Invocation, request: str, role: str, label: str) -> None:
    """Let a computer in by hand, without a code: FILE is what `vendue join --request` printed there.

    What this prints goes back to that computer: `vendue join --admit FILE`.
    """
    market = invocation.market
    admitter, charter = admitter_here(market)
    try:
        asks = open_request(read_block("REQUEST", read_text(request)), market=NO_MARKET, sealer=admitter.sealer)
    except Malformed as error:
        raise BadEvidence("The request does not hold.", why=f"{error}.", do="Copy it again, all of it.") from None
    now_ms = wall_clock_ms()
    certificate = certify(
        admitter.sealer, market=market_id(charter), member=asks.member, transport_key=asks.transport_key,
        rights=ROLES[role], wall_ms=now_ms,
    )  # fmt: skip
    Register(market.register).keep(Entry(BY_HAND, asks.member, certificate, label, now_ms))
    block = write_block("CERTIFICATE", pack_handover(Handover(charters_of(market), certificate, ())))
    document = {"member": print_peer(asks.member), "role": role, "certificate": block}

    def show() -> None:
        click.echo(block)
        invocation.aside(f"{short_peer(asks.member)} is let in as {role}; there: vendue join --admit FILE")

    invocation.answer(document, show)


@member.command(short_help="Get a new certificate for this computer.")
@asked(*JOINING)
def renew(invocation: Invocation) -> None:
    """Get a new certificate for this computer, with the same rights, from the market's admitter.

    It may have expired a little while ago. Peers that run here take it up by themselves, before theirs expires.
    """
    from peer.members.entering.joincalls import renew_membership

    market = joined(invocation.market)
    until_ms = run_to_end(renew_membership(market, invocation.settings))
    document = {"market": invocation.settings.market, "until": _date(until_ms)}
    invocation.answer(document, lambda: click.echo(f"This computer is a member until {_date(until_ms)[:16]} UTC."))


def joined(market: MarketHome) -> MarketHome:
    """Give a market's home back if this computer has it. Raises UsageError."""
    if market.charter.exists():
        return market
    raise UsageError(
        f"There is no market {market.path.name!r} on this computer.",
        do=f"Make it with vendue init {market.path.name}, or join one with vendue join CODE.",
    )


def _ask_twice(market: MarketHome, out: bytes) -> None:
    """Refuse what cannot be meant without a second thought: a revocation is for good."""
    charter = newest_charter(market).body
    if out in charter.admitters:
        raise UsageError(
            "That member is an admitter.", why="Everybody that it has let in would be out too.",
            do="If that is meant, add --force. To take only its office: vendue charter amend --no-admitter PEER",
        )  # fmt: skip
    if market.member.exists() and HostMember.load(market.member).peer == out:
        raise UsageError(
            "That member is this computer.",
            why="Its peers would be out, for good.",
            do="If that is meant, add --force.",
        )


def _document(one: Known, known: list[Known], reasons: dict[bytes, str]) -> dict[str, Any]:
    return {
        "name": printable(one.name), "peer": print_peer(one.peer), "role": one.role,
        "sponsor": print_peer(one.sponsor), "sponsor_name": printable(call(one.sponsor, known)),
        "until": _date(one.until_ms), "state": one.state, "reason": reasons.get(one.peer),
        "admitted": None if one.admitted_ms is None else _date(one.admitted_ms),
    }  # fmt: skip


def _date(wall_ms: int) -> str:
    return datetime.fromtimestamp(wall_ms // 1000, UTC).isoformat()
