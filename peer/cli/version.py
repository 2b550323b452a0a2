"""`vendue version`: of this program and of what it speaks."""

from __future__ import annotations

import platform
from importlib import metadata

import click

from peer.cli.invocation import Invocation, asked
from protocol.bundle import BUNDLE_TAG


def installed(distribution: str) -> str:
    """The version of a distribution, or a word for its absence."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


@click.command()
@asked()
def version(invocation: Invocation) -> None:
    """Show the version."""
    document = {"vendue": installed("vendue"), "protocol": BUNDLE_TAG, "python": platform.python_version()}
    invocation.answer(document, lambda: click.echo(f"vendue {document['vendue']}, {BUNDLE_TAG}"))
