"""`vendue join`: become a member of a market, by a code or by a person's hand."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import click

from peer.cli.invocation import Invocation, asked
from peer.cli.loop import run_to_end
from peer.config import Config, load
from peer.home import MarketHome, data_home, markets_here
from peer.members.admitting.block import read_block, read_text, write_block
from peer.members.admitting.handover import open_handover
from peer.members.charters import market_id, newest_charter, open_charter
from peer.members.entering.again import home_here, is_void, move_back_in
from peer.members.entering.draft import drafting
from peer.members.entering.founding import LOCAL
from peer.members.entering.joining import check_certificate, home_for, move_in, newest_of
from peer.members.entering.settingsfile import settings_text
from peer.members.hostmember import HostMember, wall_clock_ms
from peer.net.endpoints import on_loopback
from peer.net.interfaces import port_range, resolve
from peer.telemetry import configure
from protocol.certificate import OutOfTime, read_certificate
from protocol.errors import BadCode, BadEvidence, UsageError
from protocol.invitation import Invitation, Request, parse_code, role_of, sign_request
from protocol.keys import print_peer
from protocol.statements import NO_MARKET

REQUEST_MARK: Final = "request"
CODE_CHARACTERS_MAX: Final = 256
"""A code has 59; whoever pipes more in pipes something else."""


@click.command()
@click.argument("code", required=False, metavar="[CODE|-]")
@click.option(
    "--seed", "more_seeds", multiple=True, metavar="HOST:PORT", help="A member to ask, where multicast does not reach."
)
@click.option("--name", metavar="NAME", help="What to call the market here, if not by its own name.")
@click.option("--request", "by_hand", is_flag=True, help="Print a request, to be admitted by hand.")
@click.option("--admit", "admission", metavar="FILE|-", help="Take what `vendue member admit` printed for it.")
@asked("home", "interface", "ports", "mdns", "log_level", "log_format")
def join(
    invocation: Invocation, code: str | None, more_seeds: Sequence[str], name: str | None, by_hand: bool,
    admission: str | None,
) -> None:  # fmt: skip
    """Make this computer a member of a market, with the CODE that `vendue invite` printed; - reads it from a pipe.

    The market is looked for on this computer, by multicast, and at --seed. Nothing of the code is shown to anybody
    before it has proved to be the market's admitter.
    """
    if sum((code is not None, by_hand, admission is not None)) != 1:
        raise UsageError(
            "It takes one way to be let in.", do="Give a CODE (- reads it from a pipe), --request, or --admit FILE."
        )
    config = load({**invocation.flags, "market": LOCAL, **({"seeds": ",".join(more_seeds)} if more_seeds else {})})
    invocation.config = config
    configure(config.settings.log_level, config.settings.log_format)
    port_range(config.settings.ports)
    if by_hand:
        _request(invocation, config)
    elif admission is not None:
        _take(invocation, config, admission, name)
    else:
        assert code is not None
        _join(invocation, config, _read_code(code), name)


def _read_code(code: str) -> Invitation:
    """Read the code, which no message repeats."""
    text = sys.stdin.read(CODE_CHARACTERS_MAX + 1) if code == "-" else code
    try:
        return parse_code(text)
    except ValueError as error:
        raise BadCode("That is no code.", why=f"As it was given, {error}.", do="Copy it again.") from None


def _join(invocation: Invocation, config: Config, invitation: Invitation, name: str | None) -> None:
    from peer.members.entering.joincalls import join_by_code

    there = home_here(invitation.market_prefix, config.settings.home)
    if there is not None and not is_void(there, wall_clock_ms()):
        _tell(invocation, there, there.certificate.read_bytes(), already=True)
        return
    if wall_clock_ms() >= invitation.until_ms:
        invocation.warn("By this computer's clock the code has expired.")
    home, certificate = run_to_end(join_by_code(invitation, config, name=name, again=there))
    _tell(invocation, home, certificate, already=False)


def _request(invocation: Invocation, config: Config) -> None:
    """Print a request; the key that it is for waits for the answer."""
    with drafting(data_home(config.settings.home) / "markets", REQUEST_MARK, resume=True) as draft:
        draft.kept = True
        host = HostMember.load_or_create(draft.home.member)
    request = Request(
        market=NO_MARKET, admitter=None, member=host.peer, transport_key=host.transport_key, nonce=os.urandom(32),
        made_ms=wall_clock_ms(), claims=None, proof=None,
    )  # fmt: skip
    block = write_block("REQUEST", sign_request(request, host.sealer))

    def show() -> None:
        click.echo(block)
        invocation.aside("For the market's admitter: vendue member admit FILE. What that prints comes back here:")
        invocation.aside("vendue join --admit FILE")

    invocation.answer({"member": print_peer(host.peer), "request": block}, show)


def _take(invocation: Invocation, config: Config, file: str, name: str | None) -> None:
    """Become a member by what an admitter signed for our request."""
    handed = open_handover(read_block("CERTIFICATE", read_text(file)))
    first = open_charter(handed.charters[0], NO_MARKET)
    if isinstance(first, str):
        raise BadEvidence("The charter that was given does not hold.", why=f"The rule that it breaks: {first}.")
    newest = newest_of(handed.charters, first)
    if newest is None:
        raise BadEvidence("The newer charter that was given does not hold.", do="Copy all of it again.")
    there = home_here(first.id, config.settings.home)
    if there is not None and not is_void(there, wall_clock_ms()):
        _tell(invocation, there, there.certificate.read_bytes(), already=True)
        return
    with drafting(data_home(config.settings.home) / "markets", REQUEST_MARK, resume=True) as draft:
        draft.kept = draft.home.member.exists()
        if not draft.kept:
            raise UsageError("Nothing was requested on this computer.", do="Begin with: vendue join --request")
        host = HostMember.load(draft.home.member)
        check_certificate(handed.certificate, newest, first.id, host, wall_clock_ms())
        target = there or home_for(newest, name, config.settings.home)
        interface = config.settings.interface if "interface" in invocation.flags else None
        if interface is not None:
            resolve(interface)
        ports = config.settings.ports if "ports" in invocation.flags else ""
        settings = settings_text(interface=interface, ports=ports, seeds=config.settings.seeds)
        if there is not None:
            move_back_in(draft, there, handed.charters, handed.certificate)
        else:
            move_in(draft, target, handed.charters, handed.certificate, settings)
    _tell(invocation, target, handed.certificate, already=False)


def _tell(invocation: Invocation, home: MarketHome, certificate: bytes, *, already: bool) -> None:
    """Say what this computer is a member of now, and what one does next."""
    charter, claim = newest_charter(home), read_certificate(certificate).certificate
    name, role = home.path.name, role_of(claim.rights)
    until = datetime.fromtimestamp(claim.until_ms // 1000, UTC).isoformat()
    settings = load({**invocation.flags, "market": name}).settings
    hosts = resolve(settings.interface)
    document = {
        "market": name, "id": market_id(charter).hex(), "already": already, "home": str(home.path),
        "member": print_peer(claim.member), "role": role, "rights": [str(right) for right in claim.rights],
        "until": until, "hosts": list(hosts),
    }  # fmt: skip

    def show() -> None:
        word = "already a member" if already else "a member"
        click.echo(f"This computer is {word} of {click.style(name, bold=True)} as {role}, until {until[:10]}.")
        if claim.until_ms <= wall_clock_ms():
            invocation.warn(f"{OutOfTime.LATE}: vendue member renew --market {name}")
        where = ", ".join(hosts)
        if all(map(on_loopback, hosts)):
            click.echo(f"  Only peers on this computer can reach it ({where}). To change that: {home.settings}")
        else:
            click.echo(f"  Others reach it at {where}. To change that: {home.settings}")
        market = (
            f" --market {name}" if [each for each in markets_here(settings.home) if each != LOCAL] != [name] else ""
        )
        click.echo("Next:")
        for line in (f"vendue run FILE{market}", f"vendue peers{market}"):
            click.echo(f"  {line}")

    invocation.answer(document, show)
