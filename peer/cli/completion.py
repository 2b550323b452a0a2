"""`vendue completion`: click's own scripts, which ask this program what may come next."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from peer.cli.invocation import Invocation, asked


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@asked()
def completion(invocation: Invocation, shell: str) -> None:
    """Print a script that completes vendue's commands in a shell.

    For bash: vendue completion bash > ~/.local/share/bash-completion/completions/vendue
    """
    found = get_completion_class(shell)
    assert found is not None, "click knows these three shells"
    script = found(click.get_current_context().find_root().command, {}, "vendue", "_VENDUE_COMPLETE").source()
    invocation.answer({"shell": shell, "script": script}, lambda: click.echo(script))
