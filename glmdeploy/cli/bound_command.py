"""`glmdeploy bound`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from glmdeploy import bound, pipeline
from glmdeploy.bound import report
from glmdeploy.cli import talk
from glmdeploy.cli.options import deployment, document
from glmdeploy.diagnostics import ProfileError, has_errors
from glmdeploy.frameworks.ktransformers import decode_bound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glmdeploy.bound import Bound
    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.plan import Plan


@click.command(name="bound")
@deployment
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="For people, for programs, or for a ticket.",
)
def command(profile: str | None, form: str, **given: Any) -> None:
    """Show upper bounds on speed, beside what was measured.

    A roofline: what memory bandwidth and tensor cores allow at most. PROFILE is
    a file, or the name of a shipped profile; options override its keys, and do
    without one.

    \b
    Examples:
      glmdeploy bound --framework sglang --gpus 8xH200
      glmdeploy bound glm-5.2-nvfp4-8xb200-vllm --format json
    """
    plan: Plan | None = None
    result: Bound | None = None
    found: Sequence[Diagnostic] = ()
    try:
        outcome = pipeline.judge(document(profile, given), for_targets=False)
        plan, found = outcome.plan, outcome.found
        if plan is not None and not outcome.refused:
            result = bound.of(plan, decode_bound(plan))
    except ProfileError as error:
        found = error.diagnostics
    if form == "json":
        sys.stdout.write(report.as_json(plan, result, found))
    else:
        if plan is not None and result is not None:
            sys.stdout.write((report.as_text if form == "text" else report.as_markdown)(report.blocks(plan, result)))
            sys.stdout.flush()
            sys.stderr.write("\n" if found else "")
        talk.say(found)
    sys.exit(talk.REFUSED if has_errors(found) else talk.OK)
