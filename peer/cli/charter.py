"""`vendue charter`: the market's constitution, and saying its next version."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from peer.cli.invocation import READING, Invocation, asked
from peer.cli.member import AUTHORITY, joined
from peer.members.admitting.memberlist import call, find_member, members_known
from peer.members.amending import amend as amend_charter
from peer.members.amending import reseated
from peer.members.charters import market_id, newest_charter
from peer.members.hostmember import wall_clock_ms
from peer.telemetry import printable
from protocol.errors import UsageError
from protocol.keys import print_peer
from protocol.limits import RULES_MAX
from protocol.notices import Admission, Charter
from protocol.statements import Statement


@click.group()
def charter() -> None:
    """Show the charter of a market, and change it."""


@charter.command(short_help="Show the newest version known here.")
@asked(*READING)
def show(invocation: Invocation) -> None:
    """Show the newest version of the charter that this computer holds."""
    newest = newest_charter(joined(invocation.market))
    invocation.answer(_document(newest), lambda: _tell(newest))


@charter.command(short_help="Sign the next version of the charter.")
@click.option("--admission", type=click.Choice([str(mode) for mode in Admission]), help="Who may be a member.")
@click.option("--admitter", "more", multiple=True, metavar="PEER|NAME", help="Let this member sign certificates too.")
@click.option("--no-admitter", "less", multiple=True, metavar="PEER|NAME", help="... and this one no longer.")
@click.option("--seat", "seated", multiple=True, metavar="PEER", help="Let this peer govern too: `vendue key` there.")
@click.option("--no-seat", "unseated", multiple=True, metavar="PEER", help="... and this one no longer.")
@AUTHORITY
@asked(*READING)
def amend(
    invocation: Invocation, admission: str | None, more: Sequence[str], less: Sequence[str], seated: Sequence[str],
    unseated: Sequence[str], authority: Path | None,
) -> None:  # fmt: skip
    """Sign the next version of the charter, which takes the authority's key.

    It binds every peer that hears of it from then on; a contract lives to its end under the version that it was
    announced under. With another seat the quorum becomes a majority to permit, and as many to veto as can stop that.
    Whoever an admitter has let in stays in only as long as the charter names that admitter.
    """
    market = joined(invocation.market)
    if not (admission or more or less or seated or unseated):
        raise UsageError("Nothing is to be changed.", do="Say --admission, --admitter or --seat, for example.")
    known = members_known(market, wall_ms=wall_clock_ms())
    added, removed, up, down = ([find_member(known, who) for who in said] for said in (more, less, seated, unseated))

    def change(before: Charter) -> Charter:
        admitters = tuple(dict.fromkeys(one for one in (*before.admitters, *added) if one not in removed))
        if len(admitters) > RULES_MAX:
            raise UsageError(f"A charter names at most {RULES_MAX} admitters.")
        if not admitters and (admission or before.admission) != Admission.OPEN:
            raise UsageError("Nobody could let members in any more.", do="Name another with --admitter first.")
        chosen = before.admission if admission is None else Admission(admission)
        changed = msgspec.structs.replace(before, admission=chosen, admitters=admitters)
        return reseated(changed, up, down)

    before = newest_charter(market)
    after = amend_charter(market, change, authority)

    def told() -> None:
        if after.id == before.id:
            click.echo(f"The charter says so already, in version {after.body.version}.")
        else:
            click.echo(f"The charter is amended: version {after.body.version}.")
            invocation.aside("The peers here hear of it within a second, and tell the others.")
        for one in added:
            invocation.aside(f"{printable(call(one, known))} makes codes with vendue invite, while a peer runs there.")

    invocation.answer(_document(after), told)


def _document(newest: Statement[Charter]) -> dict[str, Any]:
    body = newest.body
    return {
        "market": body.name, "id": market_id(newest).hex(), "version": body.version, "admission": str(body.admission),
        "authority": print_peer(newest.author),
        "governors": [{"peer": print_peer(seat.governor), "feed": seat.feed.hex()} for seat in body.governors],
        "permits_needed": body.permits_needed, "vetoes_needed": body.vetoes_needed,
        "admitters": [print_peer(one) for one in body.admitters],
        "revocations": [
            {"member": print_peer(one.member), "feed": one.feed.hex(), "last_seq": one.last_seq}
            for one in body.revocations
        ],
    }  # fmt: skip


def _tell(newest: Statement[Charter]) -> None:
    body, lines = newest.body, list[tuple[str, str]]()
    lines.append(("market", f"{printable(body.name)}, {market_id(newest).hex()}"))
    lines.append(("version", str(body.version)))
    lines.append(("admission", str(body.admission)))
    lines.append(("authority", print_peer(newest.author)))
    for seat in body.governors:
        lines.append(("governor", print_peer(seat.governor)))
    if body.governors:
        lines.append(("quorum", f"{body.permits_needed} to permit, {body.vetoes_needed} to veto"))
    lines += [("admitter", print_peer(one)) for one in body.admitters]
    lines += [("revoked", print_peer(one.member)) for one in body.revocations]
    for name, text in lines:
        click.echo(click.style(f"{name:<10}", dim=True) + text)
