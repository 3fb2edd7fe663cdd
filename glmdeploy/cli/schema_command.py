"""`glmdeploy schema`."""

from __future__ import annotations

import click

from glmdeploy import pipeline


@click.command(name="schema")
@click.argument("what", type=click.Choice(["profile"]), default="profile")
def command(what: str) -> None:
    """Print the JSON Schema (2020-12) of profiles.

    \b
    Example:
      glmdeploy schema > glmdeploy.schema.json
    """
    del what
    click.echo(pipeline.profile_schema(), nl=False)
