"""Memory: whether the hardware holds the deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy import hostram, verdict
from glmdeploy.diagnostics import Diagnostic, Level
from glmdeploy.frameworks.ktransformers import over_asked
from glmdeploy.frameworks.transformers import longest_prompt
from glmdeploy.plan import Verdict
from glmdeploy.rules import advice
from glmdeploy.units import gib, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.plan import Plan
    from glmdeploy.process import Process

_GPUS = ("cluster", "gpus")


def below_floor(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The hardware is below the published floor

    The checkpoint's weights exceed the GPUs' data-sheet memory: one byte a parameter for FP8 (753 GB), two for BF16
    (1,506 GB), the checkpoint's own bytes for the others. The published minima are 10 x H100-80GB for FP8 and
    20 x H100-80GB for BF16. For KTransformers the floor is 24 GB on every GPU and the host's RAM: its documents ask for
    the checkpoint's size, and kt-kernel holds every routed expert there, those on the GPUs too, cut over the NUMA
    nodes and not copied, one more layer while it loads, and work buffers.
    Nothing can be rendered; the hint names what would fit, found by planning it.
    """
    why = verdict.below_floor(plan.spec)
    if why:
        short = plan.spec.cluster.gpu.memory_gb < verdict.KTRANSFORMERS_GPU_GB
        in_ram = plan.spec.framework.weights_in == "host" and not short
        hint = (
            advice.nearest(plan.spec) if not in_ram else f"a host with {gib(hostram.floor(plan.spec))} of RAM or more"
        )
        yield Diagnostic(
            "GLM201",
            f"below the published floor: {why}",
            at=("cluster", "host_memory") if in_ram else _GPUS,
            notes=verdict.floor_notes(plan.spec),
            hint=f"use {hint}" if hint else "",
        )


def floor_only(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The weights may fit, but no useful context does

    No layout leaves room for one request of 32,768 tokens, the smallest useful context. `--accept floor-only` (or
    `accept: [floor-only]`) renders the least bad layout with a warning, unless not even one token fits.
    """
    if plan.verdict is not Verdict.FLOOR_ONLY or (plan.possible and plan.spec.accept_floor_only) or over_asked(plan):
        return
    largest = plan.memory.max_context
    held = (
        f"the best layout, {plan.layout.label}, holds {tokens(largest)}"
        if largest
        else f"the best layout, {plan.layout.label}, leaves no memory for a KV cache"
    )
    hint = advice.nearest(plan.spec)
    yield Diagnostic(
        "GLM202",
        f"too little memory for a useful context: {held}, and the least is {tokens(verdict.MIN_CONTEXT)}",
        at=_GPUS,
        notes=(_sum(plan),),
        hint=f"use {hint}" if hint else "",
    )


def context_not_held(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The context that was asked for is not held

    A context that the profile gives is a requirement: one request of that many tokens, prompt plus output, must
    fit in the KV cache. The message names the largest context that fits; the hint, what would hold the one asked.
    Only `context: auto` is reduced.
    """
    asked = plan.spec.request.context
    if asked is None or plan.meets_context or plan.verdict not in {Verdict.TIGHT, Verdict.FITS} or over_asked(plan):
        return
    hint = advice.same_hardware(plan.spec)
    yield Diagnostic(
        "GLM203",
        f"a context of {tokens(asked)} is not held: the largest that fits with {plan.layout.label} is {tokens(plan.memory.max_context)}",
        at=("serving", "context"),
        notes=(_sum(plan),),
        hint=f"it is held by {hint}" if hint else "",
    )


def tight(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """It serves, but something had to give way

    The memory fraction was raised above the framework's default (at most 0.95 for SGLang, 0.96 for vLLM), the
    prefill chunk made smaller, multi-token prediction switched off, or an automatic context reduced below its
    default. Watch the first days for out-of-memory restarts. The hint names the nearest hardware that fits with
    the framework's defaults.
    """
    if plan.verdict is not Verdict.TIGHT or not plan.launchable:
        return
    hint = advice.comfortable(plan.spec)
    yield Diagnostic(
        "GLM204",
        f"tight: {', '.join(plan.settings.comfort)}",
        Level.WARNING,
        at=_GPUS,
        notes=(_sum(plan),),
        hint=f"{hint} would be comfortable" if hint else "",
    )


def host_memory_unknown(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """KTransformers needs to know the host's RAM

    It keeps the experts in RAM: 704 GiB for FP8, 1,403 GiB for BF16 ("at least as much RAM as model size",
    kvcache-ai/ktransformers, Native-Precision tutorial). Give `cluster.host_memory` or `--host-memory`.
    """
    if plan.spec.framework.weights_in == "host" and not plan.spec.cluster.host_memory:
        yield Diagnostic(
            "GLM205",
            f"the host's RAM is not given, and KTransformers keeps the experts there: at least {gib(hostram.floor(plan.spec))}",
            at=("cluster",),
            notes=hostram.notes(plan.spec),
            hint="pass `--host-memory 1TiB`, or set `cluster.host_memory`",
        )


def accepted_floor_only(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """A plan below the useful minimum was accepted

    `accept: [floor-only]` took the refusal back. The server starts, and holds less than 32,768 tokens.
    """
    if plan.verdict is Verdict.FLOOR_ONLY and plan.possible and plan.spec.accept_floor_only and plan.meets_context:
        yield Diagnostic(
            "GLM206",
            f"accepted below the useful minimum: one request holds {tokens(plan.memory.max_context)}",
            Level.WARNING,
            at=("accept",),
            notes=(_sum(plan),),
            hint=f"{advice.nearest(plan.spec)} holds more",
        )


def single_pass_prefill(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """Transformers prefills a prompt in one pass

    The indexer's scores of one prompt are prompt x prompt x 32 heads in FP32 (32 GiB for 16,384 tokens), and no
    option splits them. The context counts prompt and output; keep prompts below the figure, or use SGLang or vLLM.
    """
    if plan.spec.framework.id == "transformers" and plan.launchable:
        yield Diagnostic(
            "GLM207",
            f"`transformers serve` prefills in one pass: prompts above about {tokens(longest_prompt(plan))} run out of memory",
            Level.WARNING,
            at=("framework", "name"),
            hint="keep prompts shorter, or use SGLang or vLLM",
        )


def price_of_context(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The context was bought with pipeline stages

    A layout with fewer stages holds less than what was asked for. Each stage adds the latency of a hand-over to every
    token, and with SGLang stages rule out multi-token prediction. The message says what the smaller layout holds.
    """
    if plan.spec.request.context is None or not plan.launchable:
        return
    shorter = [r for r in plan.rejected if r.code == "GLM203" and r.pp < plan.layout.pp]
    if shorter:
        best = min(shorter, key=lambda r: r.pp)
        mtp = "" if plan.settings.mtp.enabled else " and no multi-token prediction"
        yield Diagnostic(
            "GLM208",
            f"the context costs latency: {plan.layout.pp} pipeline stages{mtp}; {best.layout} {best.reason.partition(', and')[0]} only",
            Level.NOTE,
            at=("serving", "context"),
            hint=advice.fewer_stages(plan.spec, plan.layout.pp),
        )


def _sum(plan: Plan) -> str:
    """The arithmetic of the fullest GPU in one line."""
    if not plan.memory.stages:
        return "no layout to budget"
    stage = plan.memory.fullest
    parts = f"weights {gib(stage.weights)} + overhead {gib(stage.overhead)} + activations {gib(stage.activations)}"
    return f"fullest GPU: {parts} + KV cache {gib(stage.kv_cache)} of {gib(stage.capacity)}"
