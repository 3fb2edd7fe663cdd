"""`glmdeploy check`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from glmdeploy import gitops, pipeline
from glmdeploy.cli import reports, talk
from glmdeploy.cli.options import deployment, document, workspace_of
from glmdeploy.diagnostics import ProfileError, WriteError
from glmdeploy.gitops import check, text
from glmdeploy.gitops.formats import FORMATS
from glmdeploy.workspace import Deployment

if TYPE_CHECKING:
    from glmdeploy.gitops.check import Report
    from glmdeploy.workspace import Workspace


@click.command(name="check")
@deployment
@click.option("-o", "--folder", metavar="DIR", help="Folder of the bundle, with a PROFILE. Default: ./NAME.")
@click.option("--fix", is_flag=True, help="Rewrite what differs, files edited by hand too.")
@click.option(
    "--format", "form", type=click.Choice(list(FORMATS)), default="text", show_default=True, help="What to print."
)
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="FMT=FILE",
    callback=reports.outputs(FORMATS),
    help="Also write a report in a format, such as markdown=comment.md; - prints; repeatable.",
)
@click.option(
    "--against",
    metavar="REV",
    help="Also compare each bundle, in terms of the plan, with the one that is committed in a revision of git.",
)
def command(
    profile: str | None,
    folder: str | None,
    *,
    fix: bool,
    form: str,
    outputs: tuple[tuple[str, str], ...],
    against: str | None,
    **given: Any,
) -> None:
    """Compare committed bundles with what their profiles render to now.

    Without a PROFILE, every bundle that `glmdeploy.yaml` lists. Nothing is
    written; stdout has a patch for `git apply` at the top of the repository,
    the lock file included. stderr says of each file what happened: out of date,
    edited by hand, missing, left over, or not ours (that is in no patch); and
    what changed since `glmdeploy.lock` was written. Exit code 3 when anything differs, 1 when a profile is refused. --fix removes what is
    left over, and leaves files that are not ours.

    --format github annotates a pull request, markdown is its comment. With
    --against they, JSON and stderr say what becomes of each bundle of a
    revision; that changes no exit code.

    \b
    Examples:
      glmdeploy check
      glmdeploy check | git apply
      glmdeploy check --fix
      glmdeploy check prod.yaml -o deploy/glm
      glmdeploy check --against origin/main
      glmdeploy check --format github --output markdown=comment.md
    """
    if against is not None and not against.strip():
        raise click.BadParameter("an empty revision", param_hint="--against")
    report = _report(profile, folder, given, fix=fix, rev=against or "")
    reports.write(lambda name: FORMATS[name](report), outputs)
    _say(report, form)
    sys.exit(talk.REFUSED if report.errors else talk.CLOBBER if report.differs else talk.OK)


def _report(profile: str | None, folder: str | None, given: dict[str, Any], *, fix: bool, rev: str) -> Report:
    """What is found, after it was mended with ``fix``; what cannot be read is a report as well."""
    space: Workspace | None = None
    try:
        if profile or given.get("gpus"):
            report = check.one(_one(profile, folder, given), rev)
        else:
            if folder:
                raise click.UsageError("-o goes with a PROFILE: a workspace says where its bundles go")
            space = workspace_of(given)
            report = check.workspace(space, gitops.attempt(space), rev)
        if fix and report.differs and not report.errors:
            check.fix(report, space)
            report = _again(report, space, rev)
    except ProfileError as error:
        return check.Report(stopped=error.diagnostics)
    except WriteError as error:
        talk.stop(error.diagnostics, talk.CLOBBER if error.clobber else talk.REFUSED)
    return report


def _one(profile: str | None, output: str | None, given: dict[str, Any]) -> gitops.Rendered:
    outcome = pipeline.judge(document(profile, given))
    bundle = pipeline.render(outcome)
    name = outcome.profile.name if outcome.profile else ""
    folder = output or name
    return gitops.Rendered(Deployment(profile or "", folder, "", ()), Path(folder), outcome, bundle)


def _again(report: Report, space: Workspace | None, rev: str) -> Report:
    rendered = tuple(c.rendered for c in report.checked)
    return check.workspace(space, rendered, rev) if space else check.one(rendered[0], rev)


def _say(report: Report, form: str) -> None:
    """What stops the check on stderr in every format; else text is a patch on stdout, and the rest beside it."""
    if form != "text":
        talk.put(FORMATS[form](report), "xmlcharrefreplace" if form == "markdown" else "backslashreplace")
        sys.stdout.flush()
    if report.errors:
        talk.say(report.errors)
        return
    if form == "text":
        talk.put(report.patch, "backslashreplace")
        sys.stdout.flush()
        talk.say(report.found)
        click.echo(text.where(report) + text.revision(report) + text.summary(report), nl=False, err=True)
