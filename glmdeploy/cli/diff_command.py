"""`glmdeploy diff`."""

from __future__ import annotations

import sys

import click

from glmdeploy.cli import talk
from glmdeploy.cli.options import environment_option, workspace_option
from glmdeploy.diagnostics import ProfileError
from glmdeploy.difference import compare, json_form, markdown, text
from glmdeploy.difference.revisions import split
from glmdeploy.difference.sides import open_side

FORMS = {"text": text.render, "markdown": markdown.render, "json": json_form.render}


@click.command(name="diff")
@click.argument("before", metavar="A")
@click.argument("after", required=False, metavar="[B]")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMS)),
    default="text",
    show_default=True,
    help="For a terminal, the comment of a pull request, or programs.",
)
@click.option("--text", "with_text", is_flag=True, help="Also show unified diffs of the files.")
@click.option("--exit-code", is_flag=True, help="End with exit code 3 when anything differs.")
@environment_option
@workspace_option
def command(
    before: str,
    after: str | None,
    *,
    form: str,
    with_text: bool,
    exit_code: bool,
    environment: str | None,
    workspace: str | None,
) -> None:
    """Compare two profiles, revisions or bundles in terms of the plan.

    A and B are profiles (files, or names of shipped ones) or folders of bundles;
    PATH@REV is a profile or a bundle as it stood in a revision of git, a profile
    with its workspace and what it extends as they stood there. Without
    B, A@REV is compared with what is on disk. Verdict, layout, memory, options,
    environment, diagnostics, Kubernetes objects and Compose services are
    compared, then files. Values that look like secrets are never shown. Of a
    bundle, only files that glmdeploy wrote are read. Exit code 0 whether
    anything differs or not, 1 when a side cannot be read.

    \b
    Examples:
      glmdeploy diff staging.yaml prod.yaml
      glmdeploy diff prod.yaml@main
      glmdeploy diff prod.yaml@main --environment staging
      glmdeploy diff prod.yaml@v1.2 prod.yaml@HEAD --text
      glmdeploy diff deploy/glm@origin/main deploy/glm --exit-code
      glmdeploy diff prod.yaml@main --format markdown > comment.md
    """
    try:
        path, rev = split(before)
        if after is None and not rev:
            raise click.UsageError("give A and B, or one of them as PATH@REV")
        names = (before, path if after is None else after)
        sides = [open_side(n, environment=environment or "", workspace_file=workspace) for n in names]
        difference = compare(*sides)
    except ProfileError as error:
        talk.stop(error.diagnostics)
    talk.put(FORMS[form](difference, text=with_text), "xmlcharrefreplace" if form == "markdown" else "backslashreplace")
    sys.exit(talk.CLOBBER if exit_code and difference.different else talk.OK)
