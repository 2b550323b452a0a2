"""`vendue init`: a market of one's own, with its authority, its first governor, and this computer as a member."""

from __future__ import annotations

from pathlib import Path

import click

from peer.cli.invocation import Invocation, asked
from peer.config import load
from peer.home import market_home
from peer.members.entering.founding import LOCAL, Founded, found_market
from peer.net.endpoints import on_loopback
from peer.net.interfaces import interfaces, port_range, resolve
from protocol.errors import UsageError
from protocol.keys import print_peer
from protocol.notices import Admission


@click.command()
@click.argument("name")
@click.option(
    "--admission", type=click.Choice([str(mode) for mode in Admission]), default="invite", show_default=True,
    help="Who may be a member: whoever has a code (invite), is admitted by hand (list), or comes (open).",
)  # fmt: skip
@click.option("--no-governor", is_flag=True, help="Make a market that nobody governs.")
@click.option(
    "--authority", type=click.Path(path_type=Path), metavar="DIRECTORY",
    help="Where the key that signs charters is kept: a stick, for example.",
)  # fmt: skip
@asked("home", "interface", "ports")
def init(invocation: Invocation, name: str, admission: str, no_governor: bool, authority: Path | None) -> None:
    """Make a market called NAME on this computer.

    Its first governor lives here, and lets others in while it runs. For other computers to reach it, name a network
    interface: --interface eth0. The key of the market's authority signs each version of the charter, so it is needed to
    revoke members, and best kept apart.
    """
    if name == LOCAL:
        raise UsageError(f"The market {LOCAL!r} founds itself.", do="Take another name.")
    settings = load(invocation.flags | {"market": name}).settings
    interface = settings.interface if "interface" in invocation.flags else None
    hosts = resolve(settings.interface)
    port_range(settings.ports)
    founded = found_market(
        market_home(name, settings.home), admission=Admission(admission), governed=not no_governor,
        authority_directory=authority, interface=interface,
        ports=settings.ports if "ports" in invocation.flags else "",
    )  # fmt: skip
    charter = founded.charter
    document = {
        "market": name, "id": charter.id.hex(), "home": str(founded.home.path), "admission": admission,
        "authority": str(founded.authority), "admitter": print_peer(charter.body.admitters[0]),
        "governed": not no_governor, "hosts": list(hosts),
    }  # fmt: skip
    invocation.answer(document, lambda: _show(founded, hosts, apart=authority is not None))


def _show(founded: Founded, hosts: tuple[str, ...], *, apart: bool) -> None:
    """Say what is there now, and what one does next."""
    name, charter = founded.home.path.name, founded.charter
    click.echo(f"The market {click.style(name, bold=True)} is made: {charter.id.hex()[:20]}, in {founded.home.path}")
    if not apart:
        click.echo(f"  Keep its authority's key apart, on a stick or in a safe: {founded.authority}")
    if all(map(on_loopback, hosts)):
        click.echo(f"  Only this computer can reach it. For others, set the interface in {founded.home.settings}")
        others = [f"{each.name} ({each.hosts[0]})" for each in interfaces() if not on_loopback(each.hosts[0])]
        click.echo(f"  to one of: {', '.join(others) or 'none here yet'}")
    click.echo("Next:")
    governor = [f"vendue govern --market {name}"] if charter.body.governors else []
    match charter.body.admission:
        case Admission.LIST:
            let_in = [f"vendue member admit REQUEST --market {name}    what `vendue join --request` printed elsewhere"]
        case _:
            let_in = [f"vendue invite --market {name}    a code to let a computer in"]
    for line in [*governor, *let_in, f"vendue run FILE --market {name}"]:
        click.echo(f"  {line}")
