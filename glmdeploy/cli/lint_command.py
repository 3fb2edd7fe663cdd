"""`glmdeploy lint`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from glmdeploy import argv, pipeline
from glmdeploy.cli import fixing, talk
from glmdeploy.diagnostics import Level, ProfileError

if TYPE_CHECKING:
    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.forms.lint import LintForm


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
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or for programs.",
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
    fix: bool,
    diff: bool,
) -> None:
    """Run every rule over profiles, memory included.

    PATH is a profile, the name of a shipped one, or a folder: then every .yaml
    and .yml file below it with our apiVersion. Exit code 1 when any profile has
    an error.

    --bundle judges files instead: what an API server would refuse or should
    (names, selectors, volumes, resources, references, probes, fields), images
    that move, and Compose files. render runs the same checks before it writes.

    \b
    Examples:
      glmdeploy lint profiles/
      glmdeploy lint prod.yaml staging.yaml --format json
      glmdeploy lint profiles/ --fix
      glmdeploy lint --bundle deploy/glm
      glmdeploy lint --framework vllm --framework-version 0.33.0 --argv run.sh
    """
    if sum(map(bool, (paths, argv_file, bundle))) != 1 or bool(argv_file) != bool(framework):
        raise click.UsageError("give PATH..., or --bundle DIR, or --argv FILE with --framework")
    if framework_version and not argv_file:
        raise click.UsageError("--framework-version goes with --argv: a profile names its own")
    if (fix or diff) and (not paths or (diff and form != "text")):
        raise click.UsageError("--fix and --diff go with PATH..., and --diff with --format text")
    noun = "command line" if argv_file else "file" if bundle else "profile"
    if bundle:
        names, found = pipeline.lint_bundle(bundle)
    elif argv_file and framework:
        names, found = [argv_file], _argv(framework, framework_version, argv_file)
    else:
        names, found = pipeline.find_profiles(paths)
        found += fixing.fix(names, write=not diff) if fix or diff else []
        found += [d for name in names for d in pipeline.lint(name)]
    errors, warnings = (sum(d.level is level for d in found) for level in (Level.ERROR, Level.WARNING))
    if form == "json":
        sys.stdout.write(_json(names, found, files=bool(bundle)))
    else:
        talk.say(found)
        sys.stderr.flush()
        click.echo(f"{_count(len(names), noun)}: {_count(errors, 'error')}, {_count(warnings, 'warning')}", err=diff)
    sys.exit(talk.REFUSED if errors else talk.OK)


def _argv(framework: str, version: str | None, file: str) -> list[Diagnostic]:
    try:
        return argv.lint(framework, version, file)
    except ProfileError as error:
        return list(error.diagnostics)


def _json(names: list[str], found: list[Diagnostic], *, files: bool) -> str:
    said = [d.as_json() for d in found]
    data: LintForm = (
        {"format": "glmdeploy-lint/v1", "files": names, "diagnostics": said}
        if files
        else {"format": "glmdeploy-lint/v1", "profiles": names, "diagnostics": said}
    )
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
