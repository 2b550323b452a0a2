"""How a command ends: every error becomes an exit code, and a few lines that say what happened, why, and what to do."""

from __future__ import annotations

import json
from typing import Final

import click

from protocol.errors import VendueError

INTERRUPTED: Final = 130
OURS: Final = 1
"""An error that nobody foresaw."""
TEXT_MAX: Final = 2_000


def tell_error(error: BaseException, *, as_json: bool, debug: bool) -> int:
    """Tell an error: on standard error for people, or as the one document on standard output. Returns the exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else OURS
    if debug and not isinstance(error, click.ClickException | click.Abort):
        import traceback

        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    what, why, do, code = _parts(error)
    if as_json:
        told = {"kind": type(error).__name__, "what": what, "why": why, "do": do, "exit_code": code}
        click.echo(json.dumps({"error": told}))
        return code
    head = "interrupted" if code == INTERRUPTED else "error"
    click.echo(click.style(head, fg="red", bold=True) + f": {what}", err=True)
    for label, text in (("  why: ", why), ("  do:  ", do)):
        if text:
            click.echo(click.style(label, dim=True) + text, err=True)
    return code


def _parts(error: BaseException) -> tuple[str, str, str, int]:
    match error:
        case VendueError():
            # What strangers wrote is in here, so it is made printable; costly to import, hence only now.
            from peer.telemetry import printable

            what, why, do = (printable(part, TEXT_MAX) for part in (error.what, error.why, error.do))
            return what, why, do, error.exit_code
        case click.UsageError():
            command = error.ctx.command_path if error.ctx is not None else "vendue"
            return error.format_message(), "", f"See: {command} --help", error.exit_code
        case click.ClickException():
            return error.format_message(), "", "", error.exit_code
        case click.Abort() | KeyboardInterrupt():
            return "The command was stopped before its end.", "", "", INTERRUPTED
    return (
        f"{type(error).__name__}: {error}"[:TEXT_MAX],
        "This is a fault of vendue itself.",
        "Run it again with --debug, and report what it prints.",
        OURS,
    )
