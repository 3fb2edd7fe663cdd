"""`glmdeploy schema`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from glmdeploy import schemas
from glmdeploy.cli import talk
from glmdeploy.diagnostics import WriteError
from glmdeploy.tables import Listing, as_text


@click.command(name="schema")
@click.argument("what", type=click.Choice(list(schemas.SCHEMAS)), default="profile", metavar="[NAME]")
@click.option("--list", "listed", is_flag=True, help="Show the names, and what each describes.")
@click.option("-o", "--output", metavar="FILE", help="File to write, whole or not at all. Default: print.")
@click.option("--force", is_flag=True, help="Overwrite a file that differs.")
def command(what: str, *, listed: bool, output: str | None, force: bool) -> None:
    """Print the JSON Schema (2020-12) of profiles, or of what glmdeploy writes.

    NAME is profile (the default), workspace, lock, plan, lint, check,
    recommend, cost, bound, upgrade, diff, probe, compare, tasks, detect,
    weights, list, images, image-list or bundle. Editors with a YAML language
    server read the file that the first line of a profile names, in the
    profile's folder. A file that differs is not overwritten without --force
    (exit code 3), so the same command checks a committed schema.

    \b
    Examples:
      glmdeploy schema -o glmdeploy.schema.json
      glmdeploy schema plan | jq .properties
      glmdeploy schema --list
    """
    if listed and output:
        raise click.UsageError("--list prints: it takes no --output")
    if listed:
        items = ((name, describe.__doc__ or "") for name, describe in schemas.SCHEMAS.items())
        click.echo(as_text([Listing(tuple(items))]), nl=False)
        return
    if output is None or output == "-":
        sys.stdout.write(schemas.text(what))
        return
    try:
        schemas.save(what, Path(output), force=force)
    except WriteError as error:
        talk.stop(error.diagnostics, talk.CLOBBER if error.clobber else talk.REFUSED)
    click.echo(output)
