"""`glmdeploy set`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from glmdeploy import resources
from glmdeploy.cli import talk
from glmdeploy.cli.options import environment_option, workspace_option
from glmdeploy.diagnostics import ProfileError, WriteError
from glmdeploy.edit import assign, files
from glmdeploy.edit.diff import unified
from glmdeploy.units import plural

if TYPE_CHECKING:
    from glmdeploy.edit.judged import Edited


@click.command(name="set")
@click.argument("words", nargs=-1, required=True, metavar="PROFILE [KEY=VALUE...]")
@click.option("--unset", multiple=True, metavar="KEY", help="Take a key out; one that is not there is fine.")
@click.option("--dry-run", is_flag=True, help="Print the change as a unified diff, and write nothing.")
@click.option("--check", is_flag=True, help="As --dry-run, with exit code 3 if anything would change.")
@environment_option
@workspace_option
def command(
    words: tuple[str, ...],
    *,
    unset: tuple[str, ...],
    dry_run: bool,
    check: bool,
    environment: str | None,
    workspace: str | None,
) -> None:
    """Change keys of a profile's file, and nothing else in it.

    KEY is dotted, VALUE is YAML on one line. Comments, order, quotes, anchors,
    indentation and line ends stay; a new key goes where the schema has it.
    PROFILE may also come last.

    The result is judged first, in every environment that the workspace lists
    for the profile and for those that extend it, or in --environment alone. A
    change that brings an error is refused with exit code 1, and nothing is
    written; errors that were there before do not stand in the way, but the exit
    code is 1 while any is left.

    \b
    Examples:
      glmdeploy set prod.yaml serving.context=128K layout.tp=8
      glmdeploy set prod.yaml --unset serving.port --dry-run
      glmdeploy set prod.yaml 'targets=[script]' env.OMP_NUM_THREADS=8
    """
    path, settings = _split(words)
    if not settings and not unset:
        raise click.UsageError("give KEY=VALUE, or --unset KEY")
    try:
        file = files.read(path, environment=environment or "", workspace=workspace)
        result = assign.edit(file, settings, unset)
        if result.refusals:
            talk.say(result.refusals)
            click.echo(f"nothing was written: {plural(len(result.refusals), 'new error')}", err=True)
            sys.exit(talk.REFUSED)
        if not (dry_run or check) and result.changed:
            result.file.write(result.text)
    except (ProfileError, WriteError) as error:
        talk.stop(error.diagnostics)
    _finish(result, show=dry_run or check, check=check)


def _split(words: tuple[str, ...]) -> tuple[Path, list[str]]:
    """The profile's file, and the rest: it is the one word without `=`, or the one that is a file."""
    named = [w for w in words if "=" not in w] or [w for w in words if Path(w).is_file()]
    if len(named) != 1:
        raise click.UsageError("give one PROFILE, and KEY=VALUE")
    path = Path(named[0])
    shipped = resources.shipped_profiles()
    if not path.exists() and named[0] in shipped:
        raise click.UsageError(f"`{named[0]}` ships with the tool: copy its file, and change the copy")
    return path, [w for w in words if w != named[0]]


def _finish(result: Edited, *, show: bool, check: bool) -> None:
    if show:
        talk.put(unified(str(result.file.path), result.file.text, result.text), "backslashreplace")
        sys.stdout.flush()
    talk.say(result.news)
    if not show:
        click.echo(f"{'wrote' if result.changed else 'nothing to change in'} {result.file.path}", err=True)
    if check and result.changed:
        sys.exit(talk.CLOBBER)
    sys.exit(talk.REFUSED if result.refused else talk.OK)
