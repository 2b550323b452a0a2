"""The list of commands, and how each of them ends: with an exit code, and an error that says what to do.

Nothing but click is loaded for `--help`: a command's module is imported when the command is.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final, NamedTuple, NoReturn

import click

from peer.cli.ending import tell_error


class Listed(NamedTuple):
    """A command as `vendue --help` shows it, and where it is."""

    place: str
    about: str


SECTIONS: Final[dict[str, dict[str, Listed]]] = {
    "Take part": {
        "demo": Listed("peer.returns.demo:demo", "Show a whole small market on this computer, in seconds."),
        "run": Listed("peer.cli.run:run", "Run the agents of a Python file."),
        "announce": Listed("peer.cli.announce:announce", "Have one task done, and show its result."),
    },
    "Let in": {
        "init": Listed("peer.cli.init:init", "Make a market of your own on this computer."),
        "invite": Listed("peer.cli.invite:invite", "Print a code that lets another computer in."),
        "join": Listed("peer.cli.join:join", "Make this computer a member of a market, with a code."),
        "member": Listed("peer.cli.member:member", "List, revoke, renew and admit members."),
        "charter": Listed("peer.cli.charter:charter", "Show a market's charter, and change it."),
    },
    "Look": {
        "peers": Listed("peer.cli.peers:peers", "Show who is here, and what they offer."),
        "auctions": Listed("peer.cli.auctions:auctions", "Show what happened to tasks, and why."),
    },
    "Govern": {
        "govern": Listed("peer.cli.govern:govern", "Run the governor of a market."),
        "policy": Listed("peer.cli.policy:policy", "Check a governor's rules, and what they say of a task."),
        "audit": Listed("peer.cli.audit:audit", "Export evidence, and verify it offline."),
    },
    "Keep running": {
        "up": Listed("peer.cli.up:up", "Run the peers that a file names, and start again those that fail."),
        "deploy": Listed("peer.cli.deploy:deploy", "Print a systemd unit, or a Procfile, for the peers of a file."),
        "status": Listed("peer.cli.health:status", "Show how the peers of this computer do."),
        "health": Listed("peer.cli.health:health", "Answer by exit code whether a peer lives, or is ready."),
    },
    "What if": {
        "sim": Listed("simulations.cli.sim:sim", "Simulate markets of any size, and whatever can go wrong in them."),
    },
    "This computer": {
        "doctor": Listed("peer.cli.doctor:doctor", "Say what works here, why peers do not meet, and what to do."),
        "key": Listed("peer.cli.key:key", "Show the public half of a peer's key."),
        "config": Listed("peer.cli.settings:config", "Show the settings in force, and where each comes from."),
        "completion": Listed("peer.cli.completion:completion", "Print a script that completes commands in a shell."),
        "version": Listed("peer.cli.version:version", "Show the version."),
    },
}
LISTED: Final = {name: listed for section in SECTIONS.values() for name, listed in section.items()}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(LISTED)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        listed = LISTED.get(cmd_name)
        if listed is None:
            return None
        module, _, name = listed.place.partition(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command), f"{listed.place} is no command"
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command when there is none of the name."""
        if args and args[0] not in LISTED and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], LISTED, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]}?" if near else ""
            ctx.fail(f"There is no command {args[0][:80]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, listed.about) for name, listed in commands.items()], col_max=16)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run a command and leave. Errors are told here, once, in whatever way the command was asked to speak."""
        arguments = list(sys.argv[1:] if args is None else args)
        try:
            ended = super().main(arguments, prog_name, complete_var, standalone_mode=False, **extra)
            code = ended if isinstance(ended, int) else 0
        except BaseException as error:
            code = tell_error(error, as_json="--json" in arguments, debug="--debug" in arguments)
        sys.exit(code)


def _version(ctx: click.Context, _parameter: click.Parameter, chosen: bool) -> None:
    if chosen:
        from peer.cli.version import version

        ctx.invoke(version)
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def vendue() -> None:
    """A marketplace for agents with no middle: announce tasks, bid, work, settle; a governor audits and vetoes.

    Begin with two terminals: `vendue run FILE` in one, `vendue announce SKILL JSON --budget N` in the other. For a
    second computer: `vendue init NAME` and `vendue invite` here, `vendue join CODE` there.
    """
