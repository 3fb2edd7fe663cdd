"""`glmdeploy recommend`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from glmdeploy import money, pipeline
from glmdeploy.cli import talk
from glmdeploy.cli.options import document
from glmdeploy.diagnostics import ProfileError, has_errors
from glmdeploy.recommend import recommend, report
from glmdeploy.recommend.wish import Wish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.recommend import Recommendation

_ANY = "8xH200"  # stands in for hardware that nobody has yet, while the other options are judged


@click.command(name="recommend")
@click.option("--gpus", metavar="NxGPU", help="Hardware in hand, such as 10xH100. Default: any that can be rented.")
@click.option("--context", metavar="TOKENS", help="Prompt plus output of one request: 131072, 128K or 1M.")
@click.option("--concurrency", metavar="N", help="Requests of that context at a time (32,768 tokens without one).")
@click.option("--checkpoint", metavar="ID", help="fp8, bf16, nvfp4, mxfp4 or w4afp8. Default: FP8 first.")
@click.option("--host-memory", metavar="SIZE", help="RAM of one host, such as 1TiB, for experts outside the GPUs.")
@click.option("--structured-output", is_flag=True, help="Answers follow a grammar or a JSON schema.")
@click.option("--fleet", type=click.Choice(["sglang", "vllm"]), help="What serves other models here already.")
@click.option("--evaluate", is_flag=True, help="To try or validate the model on one host, not to serve it.")
@click.option("--price", metavar="USD", help="USD a GPU and hour. Default: the catalogue's, with its date.")
@click.option("--price-total", metavar="USD", help="USD an hour for all GPUs in hand.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="For people, for programs, or for a ticket.",
)
def command(form: str, **given: Any) -> None:
    """Choose framework, checkpoint and layout for what you need.

    Every line is a plan that was made and judged, 32 at most. It ends
    with the command that renders the choice.

    \b
    Examples:
      glmdeploy recommend --gpus 10xH100
      glmdeploy recommend --context 1M --concurrency 4 --fleet vllm
      glmdeploy recommend --gpus 8xRTX4090 --host-memory 1TiB --evaluate
    """
    if given["price"] is not None and given["price_total"] is not None:
        raise click.UsageError("give --price or --price-total, not both")
    if given["price_total"] is not None and not given["gpus"]:
        raise click.UsageError("--price-total goes with --gpus; --price is for one GPU")
    result: Recommendation | None = None
    found: Sequence[Diagnostic] = ()
    try:
        wish, found = _wish(given)
        if wish:
            result = recommend(wish)
            found = result.found
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


def _wish(given: dict[str, Any]) -> tuple[Wish | None, Sequence[Diagnostic]]:
    """The wish with every name looked up, or what is wrong with the options: the same checks as everywhere."""
    options = {k: given[k] for k in ("context", "concurrency", "checkpoint", "host_memory")}
    outcome = pipeline.judge(
        document(None, {"framework": "sglang", "gpus": given["gpus"] or _ANY, **options}), for_targets=False
    )
    if outcome.plan is None:
        return None, outcome.found
    spec = outcome.plan.spec
    return Wish(
        gpu=spec.cluster.gpu if given["gpus"] else None,
        gpus=spec.cluster.gpus if given["gpus"] else 0,
        context=spec.request.context,
        concurrency=spec.request.concurrency,
        checkpoint=spec.checkpoint.id if given["checkpoint"] else "",
        host_memory=given["host_memory"] or "",
        structured=given["structured_output"],
        fleet=given["fleet"] or "",
        evaluate=given["evaluate"],
        price=None if given["price"] is None else money.parse(given["price"], "--price"),
        price_total=None if given["price_total"] is None else money.parse(given["price_total"], "--price-total"),
    ), ()
