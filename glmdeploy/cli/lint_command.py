"""`glmdeploy lint`."""

from __future__ import annotations

import sys
from dataclasses import replace

import click

from glmdeploy import workspace
from glmdeploy.cli import fixing, reports, talk
from glmdeploy.diagnostics import Level
from glmdeploy.lint import FORMATS, run
from glmdeploy.lint.choice import Choice
from glmdeploy.lint.search import find
from glmdeploy.lint.uses import mendable


# `command` is long by its options and its help, which click reads from signature and docstring.
@click.command(name="lint")
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@click.option("--bundle", metavar="DIR", help="Judge a bundle's YAML, edited or not, or any folder of manifests.")
@click.option("--argv", "argv_file", metavar="FILE", help="Judge a raw command line: shell text or a JSON list.")
@click.option("--framework", metavar="NAME", help="With --argv: whose command line it is.")
@click.option(
    "--framework-version",
    metavar="VERSION",
    help="With --argv: for which release. Default: the one that `render` takes.",
)
@click.option(
    "--format", "form", type=click.Choice(list(FORMATS)), default="text", show_default=True, help="What to print."
)
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="FMT=FILE",
    callback=reports.outputs(FORMATS),
    help="Also write a report in a format, such as sarif=lint.sarif; - prints; repeatable.",
)
@click.option(
    "--severity",
    type=click.Choice([level.value for level in Level]),
    default=Level.NOTE.value,
    show_default=True,
    help="The least level that is said and counted.",
)
@click.option(
    "--select",
    multiple=True,
    metavar="CODES",
    callback=reports.codes,
    help="Say these codes alone, such as GLM2,GLM305. Errors that keep rules from running (GLM0, GLM1) stay.",
)
@click.option(
    "--ignore",
    multiple=True,
    metavar="CODES",
    callback=reports.codes,
    help="Leave out warnings and notes with these codes. Errors stay.",
)
@click.option("--fix", is_flag=True, help="Make the safe fixes first, comments and order kept; then judge.")
@click.option("--diff", is_flag=True, help="Print what --fix would change as a unified diff, and write nothing.")
def command(
    paths: tuple[str, ...],
    *,
    bundle: str | None,
    argv_file: str | None,
    framework: str | None,
    framework_version: str | None,
    form: str,
    outputs: tuple[tuple[str, str], ...],
    severity: str,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fix: bool,
    diff: bool,
) -> None:
    """Run every rule over profiles, memory included, and check bundles.

    PATH is a profile, the name of a shipped one, a workspace, or a folder: then
    every profile below it (a .yaml or .yml file with our apiVersion), every
    workspace and every bundle (a folder with .glmdeploy.json), hidden folders
    left out. Without PATH, the nearest workspace, or else this folder. Exit
    code 1 when there is an error.

    A workspace's profiles are judged in each environment that is deployed.

    Of a bundle's files it says what an API server would refuse or should
    (names, selectors, volumes, resources, references, probes, fields), images
    that move, and Compose files. render runs the same checks before it writes.
    --bundle takes any folder of manifests.

    In a YAML file, `# glmdeploy: ignore[GLM204] and why` silences warnings and
    notes of its line; alone on a line, of the line below; before the first
    key, of the whole file. Errors are never silenced.

    \b
    Examples:
      glmdeploy lint
      glmdeploy lint profiles/
      glmdeploy lint prod.yaml staging.yaml --format json
      glmdeploy lint . --format github --output sarif=lint.sarif
      glmdeploy lint . --severity warning --ignore GLM4,GLM503
      glmdeploy lint profiles/ --fix
      glmdeploy lint --bundle deploy/glm
      glmdeploy lint --framework vllm --framework-version 0.33.0 --argv run.sh
    """
    if not (paths or bundle or argv_file or framework):
        near = workspace.find(workspace.FILE)
        if fix and not near:
            raise click.UsageError("--fix outside a workspace goes with PATH...: it changes files")
        paths = (near or ".",)
    if sum(map(bool, (paths, argv_file, bundle))) != 1 or bool(argv_file) != bool(framework):
        raise click.UsageError("give PATH..., or --bundle DIR, or --argv FILE with --framework")
    if framework_version and not argv_file:
        raise click.UsageError("--framework-version goes with --argv: a profile names its own")
    if (fix or diff) and (not paths or (diff and form != "text")):
        raise click.UsageError("--fix and --diff go with PATH..., and --diff with --format text")
    if bundle:
        report = run.bundle(bundle)
    elif argv_file and framework:
        report = run.command_line(framework, framework_version, argv_file)
    else:
        left = fixing.fix(mendable(find(paths)), write=not diff) if fix or diff else []
        report = run.trees(paths)
        report = replace(report, found=(*left, *report.found))
    report = Choice(select, ignore, Level(severity)).narrow(report)
    reports.show(report, form, talk_only=diff)
    reports.write(lambda name: FORMATS[name](report), outputs)
    sys.exit(talk.REFUSED if report.count(Level.ERROR) else talk.OK)
