"""`glmdeploy check`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from glmdeploy import gitops, pipeline
from glmdeploy.cli import talk
from glmdeploy.cli.options import deployment, document, workspace_of
from glmdeploy.diagnostics import ProfileError, WriteError
from glmdeploy.gitops import check
from glmdeploy.units import plural
from glmdeploy.workspace import Deployment

if TYPE_CHECKING:
    from glmdeploy.gitops.check import Report
    from glmdeploy.workspace import Workspace


@click.command(name="check")
@deployment
@click.option("-o", "--output", metavar="DIR", help="Folder of the bundle, with a PROFILE. Default: ./NAME.")
@click.option("--fix", is_flag=True, help="Rewrite what differs, files edited by hand too.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or for programs.",
)
def command(profile: str | None, output: str | None, fix: bool, form: str, **given: Any) -> None:
    """Compare committed bundles with what their profiles render to now.

    Without a PROFILE, every bundle that `glmdeploy.yaml` lists. Nothing is
    written; stdout has a unified diff that `git apply` takes, stderr says of
    each file what happened: out of date, edited by hand, missing, left over, or
    not ours; and what changed since `glmdeploy.lock` was written. Exit code 3
    when anything differs, 1 when a profile is refused. --fix removes what is
    left over, and leaves files that are not ours.

    \b
    Examples:
      glmdeploy check
      glmdeploy check | git apply
      glmdeploy check --fix
      glmdeploy check prod.yaml -o deploy/glm
    """
    space: Workspace | None = None
    try:
        if profile or given.get("gpus"):
            report = check.one(_one(profile, output, given))
        else:
            if output:
                raise click.UsageError("-o goes with a PROFILE: a workspace says where its bundles go")
            space = workspace_of(given)
            report = check.workspace(space, gitops.render(space))
        if fix and report.differs:
            check.fix(report, space)
            report = _again(report, space)
    except ProfileError as error:
        talk.stop(error.diagnostics)
    except WriteError as error:
        talk.stop(error.diagnostics, talk.CLOBBER if error.clobber else talk.REFUSED)
    _say(report, form)
    sys.exit(talk.CLOBBER if report.differs else talk.OK)


def _one(profile: str | None, output: str | None, given: dict[str, Any]) -> gitops.Rendered:
    outcome = pipeline.judge(document(profile, given))
    bundle = pipeline.render(outcome)
    name = outcome.profile.name if outcome.profile else ""
    folder = output or name
    return gitops.Rendered(Deployment(profile or "", folder, "", ()), Path(folder), outcome, bundle)


def _again(report: Report, space: Workspace | None) -> Report:
    rendered = tuple(c.rendered for c in report.checked)
    return check.workspace(space, rendered) if space else check.one(rendered[0])


def _say(report: Report, form: str) -> None:
    if form == "json":
        sys.stdout.write(report.as_json())
        return
    for checked in report.checked:
        talk.put(checked.diff, "backslashreplace")
    sys.stdout.flush()
    talk.say(report.found)
    bad = sum(bool(c.changes) for c in report.checked)
    differ = f"{bad} differs" if bad == 1 else f"{bad} differ"
    click.echo(f"{plural(len(report.checked), 'bundle')}: {differ if bad else 'as rendered'}", err=True)
