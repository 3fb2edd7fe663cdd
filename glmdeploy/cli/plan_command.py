"""`glmdeploy plan`."""

from __future__ import annotations

import sys
from typing import Any

import click

from glmdeploy import pipeline, report
from glmdeploy.cli import talk
from glmdeploy.cli.options import deployment, document
from glmdeploy.diagnostics import ProfileError, has_errors


@click.command(name="plan")
@deployment
@click.option(
    "--format",
    "form",
    type=click.Choice(list(report.FORMS)),
    default="text",
    show_default=True,
    help="For a terminal, programs, a pull request, or a README.",
)
@click.option("--explain", is_flag=True, help="Show the sums line by line, and where each setting comes from.")
def command(profile: str | None, form: str, explain: bool, **given: Any) -> None:
    """Show the layout, the memory and the verdict, and write nothing.

    PROFILE is a file, or the name of a shipped profile; options override its
    keys, and do without one. JSON holds the sums always, a picture never.

    \b
    Examples:
      glmdeploy plan --framework sglang --gpus 10xH100
      glmdeploy plan --framework sglang --gpus 10xH100 --explain
      glmdeploy plan --framework vllm --gpus 8xH200 --context 1M --format json
      glmdeploy plan glm-5.2-fp8-8xb200-vllm --set serving.port=8080
      glmdeploy plan prod.yaml --format markdown | gh pr comment --body-file -
      glmdeploy plan prod.yaml --format svg > plan.svg
    """
    try:
        source = document(profile, given)
        outcome = pipeline.judge(source, for_targets=False)
        view = report.look(outcome.plan, outcome.processes, outcome.found, source)
    except ProfileError as error:
        view = report.look(None, (), error.diagnostics)
    blocks = report.BLOCKS if talk.writes(report.BLOCKS) else report.PLAIN
    text = report.FORMS[form](view, report.Style(talk.colour(sys.stdout), blocks, explain))
    talk.put(text, "xmlcharrefreplace" if form in {"markdown", "svg"} else "backslashreplace")
    if form == "text":
        sys.stdout.flush()
        sys.stderr.write("\n" if text and view.found else "")
        talk.say(view.found)
    sys.exit(talk.REFUSED if has_errors(view.found) else talk.OK)
