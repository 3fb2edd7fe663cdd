"""`glmdeploy upgrade`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from glmdeploy import pipeline, resources
from glmdeploy.cli import talk
from glmdeploy.cli.options import environment_option, workspace_option
from glmdeploy.diagnostics import ProfileError, WriteError
from glmdeploy.upgrade import edit, report, upgrade
from glmdeploy.uses import deployed_in

if TYPE_CHECKING:
    from glmdeploy.upgrade import Upgrade


@click.command(name="upgrade")
@click.argument("profile", metavar="PROFILE")
@click.option("--to", required=True, metavar="VERSION", help="Release of the profile's framework, newer or older.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or for programs.",
)
@click.option("--write", is_flag=True, help="Change the profile's file, where the version takes it.")
@environment_option
@workspace_option
def command(profile: str, *, to: str, form: str, write: bool, environment: str | None, workspace: str | None) -> None:
    """Show what another version of the framework changes, and why.

    PROFILE is a file, or the name of a shipped profile. Plan, image, options
    and environment are compared; words of extra_args that the version renamed
    get their new names. --write puts version and words into the file, whose
    comments, order and quotes stay. Exit code 1 when the version does not take
    the profile; nothing is written then. In a workspace, the first environment
    that it lists for the profile is compared, and --write judges all of them,
    and the profiles that extend this one; --environment takes one alone.

    \b
    Examples:
      glmdeploy upgrade prod.yaml --to 0.5.23
      glmdeploy upgrade prod.yaml --to 0.5.23 --write
      glmdeploy upgrade glm-5.2-fp8-8xh200-vllm --to 0.33.0 --format json
    """
    if write and not Path(profile).is_file() and (profile == "-" or profile in resources.shipped_profiles()):
        raise click.UsageError("--write takes the name of a file")
    result: Upgrade | None = None
    written = False
    try:
        shown = environment or (deployed_in(profile, workspace) if Path(profile).is_file() else "")
        document = pipeline.open_profile(profile, environment=shown, workspace=workspace)
        result = upgrade(document, to)
        if shown and not environment:
            click.echo(f"compared in environment `{shown}`: --environment takes another", err=True)
        if write and not result.after.refused:
            written = edit.write(result, environment=environment or "", workspace=workspace)
    except (ProfileError, WriteError) as error:
        if form == "json":
            found = (*(result.after.found if result else ()), *error.diagnostics)
            sys.stdout.write(report.as_json(result, found))
            sys.exit(talk.REFUSED)
        talk.stop(error.diagnostics)
    found = result.after.found
    if form == "json":
        sys.stdout.write(report.as_json(result, found, written=written))
    else:
        sys.stdout.write(report.as_text(result) + (f"\nwrote {profile}\n" if written else ""))
        sys.stdout.flush()
        sys.stderr.write("\n" if found else "")
        talk.say(found)
    sys.exit(talk.REFUSED if result.after.refused else talk.OK)
