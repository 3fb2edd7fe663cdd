"""`glmdeploy plan`."""

from __future__ import annotations

import sys
from typing import Any

import click

from glmdeploy import pipeline, report
from glmdeploy.cli import talk
from glmdeploy.cli.options import deployment, document
from glmdeploy.diagnostics import ProfileError


@click.command(name="plan")
@deployment
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or for programs.",
)
def command(profile: str | None, form: str, **given: Any) -> None:
    """Show the layout, the memory and the verdict, and write nothing.

    PROFILE is a file, or the name of a shipped profile; options override its
    keys, and do without one.

    \b
    Examples:
      glmdeploy plan --framework sglang --gpus 10xH100
      glmdeploy plan --framework vllm --gpus 8xH200 --context 1M --format json
      glmdeploy plan glm-5.2-fp8-8xb200-vllm --set serving.port=8080
    """
    try:
        outcome = pipeline.judge(document(profile, given), for_targets=False)
    except ProfileError as error:
        if form == "json":
            sys.stdout.write(report.as_json(None, (), error.diagnostics))
            sys.exit(talk.REFUSED)
        talk.stop(error.diagnostics)
    if form == "json":
        sys.stdout.write(report.as_json(outcome.plan, outcome.processes, outcome.found))
    else:
        if outcome.plan is not None:
            sys.stdout.write(report.as_text(outcome.plan))
            sys.stdout.flush()
            sys.stderr.write("\n" if outcome.found else "")
        talk.say(outcome.found)
    sys.exit(talk.REFUSED if outcome.refused else talk.OK)
