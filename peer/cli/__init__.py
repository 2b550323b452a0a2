"""The command line: what people type, and what they read. Each command is loaded when it is called, and not before.

It refuses to know a rule of the market, and how anything is done: it asks, waits, and tells.
"""

from __future__ import annotations


def main() -> None:
    """Run `vendue` with the arguments of this process, and leave with its exit code."""
    from peer import interrupt

    interrupt.note()
    from peer.cli.group import vendue

    vendue.main(prog_name="vendue")
