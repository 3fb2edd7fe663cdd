"""`glmdeploy cost`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from glmdeploy import cost, money, pipeline
from glmdeploy.cli import talk
from glmdeploy.cli.options import deployment, document
from glmdeploy.cost import report
from glmdeploy.diagnostics import ProfileError, has_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glmdeploy.cost import Cost
    from glmdeploy.diagnostics import Diagnostic


@click.command(name="cost")
@deployment
@click.option("--price", metavar="USD", help="USD a GPU and hour. Default: the catalogue's range, with its date.")
@click.option("--price-total", metavar="USD", help="USD an hour for all GPUs.")
@click.option("--storage", metavar="USD", help="USD a GB and month, for one copy of the checkpoint.")
@click.option("--utilisation", metavar="SHARE", default="1", help="Share of the upper bound in use: 0.5 or 50%.")
@click.option(
    "--tokens-per-prompt", type=click.IntRange(1, 10**9), metavar="N", help="Output tokens that one prompt comes to."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="For people, for programs, or for a ticket.",
)
def command(profile: str | None, form: str, **given: Any) -> None:
    """Show what a plan costs, and where hosted seats cost more.

    PROFILE is a file, or the name of a shipped profile; options override its
    keys, and do without one. A month has 730 hours.

    \b
    Examples:
      glmdeploy cost --framework sglang --gpus 10xH100 --price-total 40
      glmdeploy cost glm-5.2-fp8-8xh200-vllm --price 3.20 --storage 0.10
    """
    if given["price"] is not None and given["price_total"] is not None:
        raise click.UsageError("give --price or --price-total, not both")
    result: Cost | None = None
    found: Sequence[Diagnostic] = ()
    try:
        rates = _rates(given)
        source = document(profile, given)
        outcome = pipeline.judge(source, for_targets=False)
        found = outcome.found
        if outcome.plan is not None and not outcome.refused:
            result, problems = cost.of(outcome.plan, rates)
            found = (*found, *source.place(problems))
    except ProfileError as error:
        found = error.diagnostics
    if form == "json":
        sys.stdout.write(report.as_json(result, found))
    else:
        if result is not None:
            sys.stdout.write((report.as_text if form == "text" else report.as_markdown)(report.blocks(result)))
            sys.stdout.flush()
            sys.stderr.write("\n" if found else "")
        talk.say(found)
    sys.exit(talk.REFUSED if has_errors(found) else talk.OK)


def _rates(given: dict[str, Any]) -> cost.Rates:
    """What the options say about money; ProfileError with GLM701 or GLM703 for what is none."""
    amounts = {option: given[option] for option in ("price", "price_total", "storage")}
    gpu_hour, total, storage = (
        None if text is None else money.parse(text, f"--{option.replace('_', '-')}") for option, text in amounts.items()
    )
    share = money.parse_share(given["utilisation"], "--utilisation")
    return cost.Rates(gpu_hour, total, storage, share, given["tokens_per_prompt"] or 0)
