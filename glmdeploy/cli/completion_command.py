"""`glmdeploy completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from glmdeploy.cli import main


@click.command(name="completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print a completion script for a shell.

    \b
    Example:
      glmdeploy completion bash > /etc/bash_completion.d/glmdeploy
    """
    kind = get_completion_class(shell)
    if kind is None:  # the choice above names only shells that click knows
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(main, {}, "glmdeploy", "_GLMDEPLOY_COMPLETE").source())
