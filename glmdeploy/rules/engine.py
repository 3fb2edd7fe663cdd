"""Engines: what their options must obey together. argparse accepts each word; the server then stops.

The rules stand in `engine_table`.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import Version

from glmdeploy.commandline import arguments
from glmdeploy.diagnostics import Diagnostic
from glmdeploy.rules.arguments import parse
from glmdeploy.rules.engine_checks.values import UnknownValueError, Values
from glmdeploy.rules.engine_table import ENGINE_RULES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from glmdeploy.commandline import CommandLine, Given
    from glmdeploy.diagnostics import KeyPath, Span
    from glmdeploy.flags import Framework
    from glmdeploy.plan import Plan
    from glmdeploy.process import Process
    from glmdeploy.rules.engine_table import EngineRule


@dataclass(frozen=True)
class Broken:
    """A rule that a command line breaks, why, and the last option that it read (None: only what is absent)."""

    rule: EngineRule
    why: str
    given: Given | None


# sglang-kt is a fork: the rules of SGLang hold there too.
_FAMILY = {"ktransformers": "sglang"}


def judge(
    framework: Framework, version: Version, line: CommandLine, env: Mapping[str, str] | None = None
) -> Iterator[Broken]:
    """Each rule that a command line breaks together with its environment variables.

    A rule that would read what only the running shell knows says nothing.
    """
    family = _FAMILY.get(framework.id, framework.id)
    for rule in ENGINE_RULES:
        newer = rule.since and (framework.id != family or version < Version(rule.since))
        if rule.framework == family and not newer:
            values = Values(framework, version, line, env or {})
            with contextlib.suppress(UnknownValueError):
                if why := rule.check(values):
                    yield Broken(rule, why, max(values.given, key=lambda g: g.index, default=None))


def _said(plan: Plan, processes: tuple[Process, ...], code: str) -> Iterator[Diagnostic]:
    spec = plan.spec
    if not spec.extra_args or not processes:  # the plan's own layout obeys by construction
        return
    words = arguments(processes[0].words(leader="x", api_key="x"), spec.framework.launch)
    first = len(words) - len(spec.extra_args)
    for broken in judge(spec.framework, spec.version, parse(spec.framework, spec.version, words), dict(spec.env)):
        if broken.rule.code == code:
            index = broken.given.index - first if broken.given else -1
            yield diagnostic(spec.framework, broken, at=("extra_args", index) if index >= 0 else ("extra_args",))


def diagnostic(framework: Framework, broken: Broken, *, at: KeyPath = (), span: Span | None = None) -> Diagnostic:
    """A broken rule as a diagnostic."""
    notes = (f"checked in {broken.rule.source}",)
    message = f"{framework.name} refuses this: {broken.why}"
    return Diagnostic(broken.rule.code, message, at=at, notes=notes, hint=broken.rule.hint, span=span)


def nodes_divide(plan: Plan, processes: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The ranks do not divide the GPUs

    All ranks have the same number of GPUs, and a rank's number is below the number of ranks.
    """
    yield from _said(plan, processes, "GLM320")


def stages_and_ranks(plan: Plan, processes: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """Neither of stages and ranks is a multiple of the other

    SGLang gives each rank the whole part of stages / ranks, so that the last stage is never started. Nothing checks it.
    """
    yield from _said(plan, processes, "GLM321")


def attention_width(plan: Plan, processes: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The attention heads do not divide

    With SGLang that is tensor parallel size / attention-DP / attention-CP, so that sizes like 24 or 56 are legal with
    DP attention; with vLLM it is the tensor parallel size itself.
    """
    yield from _said(plan, processes, "GLM322")


def expert_widths(plan: Plan, processes: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The experts or their columns do not divide

    256 experts (and redundant ones) by the expert parallel size, 2,048 columns by what is left of tensor parallelism,
    in whole blocks of 128 for FP8; expert parallelism and MoE data parallelism divide the tensor parallel size, and the
    dense layers' own size is 1 or that size.
    """
    yield from _said(plan, processes, "GLM323")


def prefill_page(plan: Plan, processes: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The prefill chunk is not a multiple of the KV page

    SGLang's sparse attention forces pages of 64 tokens.
    """
    yield from _said(plan, processes, "GLM324")


def context_parallel(plan: Plan, processes: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """Context parallel options that exclude each other

    Prefill context parallel stays on one machine and needs a strategy; decode context parallel excludes it and the
    hierarchical cache, and divides the tensor parallel size.
    """
    yield from _said(plan, processes, "GLM325")


def speculative_pipeline(plan: Plan, processes: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """Speculative decoding with pipeline stages

    SGLang refuses it outside disaggregated prefill, vLLM before 0.30.
    """
    yield from _said(plan, processes, "GLM326")


def replicas(plan: Plan, processes: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """Replicas that span ranks, or go with attention data parallelism

    SGLang refuses both. `--dp-size` above 1 without `--enable-dp-attention` means replicas.
    """
    yield from _said(plan, processes, "GLM327")


def serving_options(plan: Plan, processes: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """Serving options that exclude or need each other

    No colon in a served name, one tokenizer worker with an API key, certificate and key together, a speculative
    draft's steps with its branches, the hierarchical cache with the radix cache, balanced experts with expert
    parallelism, LoRA with an adapter or its sizes (SGLang); automatic tool choice with a tool parser (vLLM).
    """
    yield from _said(plan, processes, "GLM328")


def context_length(plan: Plan, processes: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The context length is above the model's

    1,048,576 tokens, prompt and output together.
    """
    yield from _said(plan, processes, "GLM329")


def vllm_modes(plan: Plan, processes: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """Modes of vLLM that exclude each other

    Several ranks run with the mp backend, not with ray; a headless rank has no API server and no load balancer; a
    speculative configuration names a method or a model and a number of tokens, a KV connector has a role.
    """
    yield from _said(plan, processes, "GLM330")


def engine_values(plan: Plan, processes: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """A value that the parser takes and the engine does not

    Both check the minimums of their numbers only when they build their configuration, and vLLM the KV cache's data type
    and fractions; SGLang takes a tensor parallel, pipeline or data parallel size of 0, and starts no rank.
    """
    yield from _said(plan, processes, "GLM331")
