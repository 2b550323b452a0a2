"""`vendue audit`: evidence out of the journals of this computer, and the verdict on evidence from anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import click

from peer.audit.evidence import AuditReport, as_plain, cut, read_evidence, verify, write_evidence
from peer.audit.findings import BASIS, Grounds
from peer.audit.records import Records
from peer.cli.invocation import READING, Invocation, asked, console
from peer.telemetry import printable
from protocol.contract import Contract
from protocol.errors import BadEvidence, UsageError
from protocol.keys import Digest, short_peer
from protocol.statements import AnyStatement

FAILED: Final = BadEvidence.exit_code


@click.group()
def audit() -> None:
    """Export evidence, and verify it offline."""


@audit.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Export every task that is known here.")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE", help="Where to write it.")
@asked(*READING)
def export(invocation: Invocation, ids: tuple[str, ...], every: bool, out: Path) -> None:
    """Write all evidence of tasks to a file that stands alone.

    The tasks that others rest on are exported with them. Whoever has the file needs nothing else to verify it.
    """
    if every == bool(ids):
        raise UsageError("Nothing is named to export." if not every else "Either name tasks or say --all.",
                         do="vendue audit export ID --out FILE, or --all")  # fmt: skip
    records = invocation.records(sealed=True)
    for damage in records.damaged:
        invocation.aside(str(damage))
    chosen = records.newest_first() if every else with_bases([records.find(one) for one in ids], records)
    statements = {statement.id: statement for contract in chosen for statement in contract.held.values()}
    write_evidence(out, invocation.market.charter.read_bytes(), cut(statements.values()))
    document = {
        "file": str(out), "market": records.charter.id.hex(), "statements": len(statements),
        "contracts": [contract.id.hex() for contract in chosen],
    }  # fmt: skip
    tasks = f"{len(chosen)} {'task' if len(chosen) == 1 else 'tasks'}"
    invocation.answer(
        document, lambda: click.echo(f"{out} holds {len(statements)} statements of {tasks}. To verify it:\n"
                                     f"  vendue audit verify {out} --charter {records.charter.id.hex()}"),
    )  # fmt: skip


def with_bases(contracts: Iterable[Contract], records: Records) -> list[Contract]:
    """Contracts, and behind them those whose settlements they name as their basis, however far that goes."""
    chosen: dict[Digest, Contract] = {}
    ahead = list(contracts)
    while ahead:
        contract = ahead.pop()
        if chosen.setdefault(contract.id, contract) is contract:
            ahead += [found for found in _bases(contract, records) if found.id not in chosen]
    return list(chosen.values())


def _bases(contract: Contract, records: Records) -> list[Contract]:
    try:
        document = json.loads(contract.announcement.body.input)
        named = [bytes.fromhex(one) for one in document[BASIS].values()]
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return []
    held: list[AnyStatement | None] = [records.archive.statements.get(Digest(one)) for one in named]
    homes = [records.archive.home(settlement) for settlement in held if settlement is not None]
    return [records.archive.contracts[home] for home in homes if home is not None]


@audit.command("verify")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--charter", metavar="HEX", help="The id of the market, as you know it from elsewhere.")
@asked()
def verify_(invocation: Invocation, file: Path, charter: str | None) -> None:
    """Check every signature, chain, winner and price in FILE, offline. Leaves with 7 when anything does not hold."""
    report = verify(read_evidence(file), charter_id=None if charter is None else _digest(charter))
    invocation.answer(as_plain(report), lambda: _show(file, report, trusted=charter is not None))
    if not report.ok:
        raise click.exceptions.Exit(FAILED)


def _digest(text: str) -> bytes:
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise UsageError(f"{text[:80]!r} is no id of a charter.", why="It is 64 hexadecimal digits.")
    return digest


def _show(file: Path, report: AuditReport, *, trusted: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    page = console()
    contracts = f"{len(report.contracts)} {'task' if len(report.contracts) == 1 else 'tasks'}"
    shown = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    for heading in ("id", "skill", "state", "winner", "price", "statements", ""):
        shown.add_column(heading, justify="right" if heading in ("price", "statements") else "left", overflow="fold")
    for one in report.contracts:
        shown.add_row(
            one.id.hex()[:8], Text(printable(one.skill)), str(one.state),
            "-" if one.winner is None else short_peer(one.winner), "-" if one.price is None else str(one.price),
            str(one.statements), Text("holds", style="green") if one.ok else Text("does not hold", style="bold red"),
        )  # fmt: skip
    if report.contracts:
        page.print(shown)
    for finding in report.findings:
        of = "" if finding.contract is None else f" in {finding.contract.hex()[:8]}"
        style = "dim" if finding.grounds is Grounds.UNCOUNTED else "red"
        page.print(f"{finding.grounds}{of}: {finding.text}", style=style)
    if report.findings_left_out:
        page.print(f"and {report.findings_left_out} more findings", style="red")
    market = "an unknown market" if report.market is None else f"market {printable(report.market_name)}"
    verdict = "holds" if report.ok else "does not hold"
    page.print(
        f"{file} {verdict}: {report.statements} statements, {contracts}, {market}.",
        style="bold green" if report.ok else "bold red",
    )
    if report.market is not None and not trusted:
        page.print(
            f"It says of itself which market it is from: {report.market.hex()}. Compare that, or give --charter.",
            style="dim",
        )
