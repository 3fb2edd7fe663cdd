"""Engines: what their options must obey together. argparse accepts each word; the server then stops.

Each rule cites where the engine checks it and when: `config` while it reads its arguments (the real engine
configuration confirms these), `build` while it builds the model, which no parser sees.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from glmdeploy.commandline import arguments
from glmdeploy.diagnostics import Diagnostic
from glmdeploy.rules import engine_checks as checks
from glmdeploy.rules.arguments import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from packaging.version import Version

    from glmdeploy.commandline import CommandLine, Given
    from glmdeploy.diagnostics import KeyPath, Span
    from glmdeploy.flags import Framework
    from glmdeploy.plan import Plan
    from glmdeploy.process import Process


@dataclass(frozen=True)
class EngineRule:
    """One rule of one engine."""

    code: str
    framework: str
    check: Callable[[checks.Values], str]
    source: str
    when: Literal["config", "build"]
    hint: str = ""


@dataclass(frozen=True)
class Broken:
    """A rule that a command line breaks, why, and the last option that it read (None: only what is absent)."""

    rule: EngineRule
    why: str
    given: Given | None


_S, _V = "sglang 0.5.23 ", "vllm 0.33.0 "
ENGINE_RULES: tuple[EngineRule, ...] = (
    EngineRule("GLM320", "sglang", checks.nodes_divide, _S + "arg_groups/validation_hook.py:179", "config"),
    EngineRule("GLM320", "vllm", checks.nodes_divide, _V + "config/parallel.py", "config"),
    EngineRule("GLM320", "sglang", checks.rank_in_range, _S + "arg_groups/validation_hook.py", "config"),
    EngineRule("GLM320", "vllm", checks.rank_in_range, _V + "config/parallel.py", "config"),
    EngineRule(
        "GLM321", "sglang", checks.stages_and_ranks, _S + "entrypoints/engine.py:2062-2075 (not guarded there)", "build"
    ),
    EngineRule(
        "GLM322",
        "sglang",
        checks.heads,
        _S + "arg_groups/parallel_hook.py:159-163, :326; models/deepseek_v2.py:2057",
        "build",
    ),
    EngineRule("GLM322", "vllm", checks.heads, _V + "config/model.py verify_with_parallel_config", "config"),
    EngineRule(
        "GLM323",
        "sglang",
        checks.experts,
        _S + "layers/moe/fused_moe_triton/layer.py:414-427; quantization/fp8.py:1575",
        "build",
    ),
    EngineRule("GLM323", "sglang", checks.dense, _S + "arg_groups/validation_hook.py:207", "config"),
    EngineRule(
        "GLM323",
        "vllm",
        checks.vllm_blocks,
        _V + "model_executor/layers/quantization validate_fp8_block_shape",
        "build",
    ),
    EngineRule("GLM324", "sglang", checks.page, _S + "arg_groups/validation_hook.py:244", "config"),
    EngineRule(
        "GLM325",
        "sglang",
        checks.context_parallel,
        _S + "models/deepseek_v2.py:135; distributed/parallel_state.py:2642",
        "config",
        "the default before 0.5.20 was `--cp-strategy interleave` with sparse attention",
    ),
    EngineRule("GLM325", "vllm", checks.vllm_dcp, _V + "config/parallel.py", "config"),
    EngineRule("GLM326", "sglang", checks.speculative_pipeline, _S + "arg_groups/validation_hook.py:122-171", "config"),
    EngineRule(
        "GLM326",
        "vllm",
        checks.speculative_pipeline,
        "vllm 0.23.0 and 0.29.0: the draft class has no pipeline support",
        "config",
    ),
    EngineRule("GLM327", "sglang", checks.replicas, _S + "arg_groups/parallel_hook.py", "config"),
    EngineRule("GLM328", "sglang", checks.served_name, _S + "arg_groups/validation_hook.py:214", "config"),
    EngineRule("GLM328", "sglang", checks.keys_and_workers, _S + "entrypoints/http_server.py:259", "build"),
    EngineRule("GLM328", "sglang", checks.tls, _S + "arg_groups/serving_hook.py:47-70", "config"),
    EngineRule("GLM329", "sglang", checks.context, "the model's max_position_embeddings", "config"),
    EngineRule("GLM329", "vllm", checks.context, _V + "config/model.py max_model_len", "config"),
    EngineRule("GLM330", "vllm", checks.ray, _V + "config/parallel.py", "config"),
    EngineRule("GLM330", "vllm", checks.headless, _V + "entrypoints/cli/serve.py", "config"),
    EngineRule("GLM330", "vllm", checks.load_balancers, _V + "config/parallel.py", "config"),
    EngineRule("GLM328", "vllm", checks.tool_parser, _V + "entrypoints/openai/cli_args.py", "config"),
    EngineRule("GLM331", "sglang", checks.sizes, _S + "arg_groups/parallel_hook.py: divides by them", "config"),
    EngineRule("GLM331", "vllm", checks.sizes, _V + "config/parallel.py", "config"),
    EngineRule("GLM331", "vllm", checks.vllm_kv_dtype, _V + "config/cache.py CacheDType", "config"),
    EngineRule("GLM331", "vllm", checks.vllm_ranges, _V + "config/cache.py, config/scheduler.py", "config"),
    EngineRule("GLM330", "vllm", checks.speculative_json, _V + "config/speculative.py", "config"),
)
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
        if rule.framework == family:
            values = checks.Values(framework, version, line, env or {})
            with contextlib.suppress(checks.UnknownValueError):
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
    in whole blocks of 128 for FP8; the dense layers' own size is 1 or the tensor parallel size.
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

    No colon in a served name, one tokenizer worker with an API key, certificate and key together (SGLang); automatic tool
    choice with a tool parser (vLLM).
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
    speculative configuration names a method or a model.
    """
    yield from _said(plan, processes, "GLM330")


def engine_values(plan: Plan, processes: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """A value that the parser takes and the engine's configuration does not

    vLLM checks the KV cache's data type, fractions and request limits only when it builds its configuration.
    """
    yield from _said(plan, processes, "GLM331")
