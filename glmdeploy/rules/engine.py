"""Engines: what their options must obey together. argparse accepts each word; the server then stops.

Each rule cites where the engine checks it and when: `config` while it reads its arguments (the real engine
configuration confirms these), `build` while it builds the model, which no parser sees.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from packaging.version import Version

from glmdeploy import catalog
from glmdeploy.commandline import strip_launcher
from glmdeploy.diagnostics import Diagnostic
from glmdeploy.rules.arguments import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from glmdeploy.commandline import CommandLine
    from glmdeploy.flags import Framework
    from glmdeploy.plan import Plan, Process

_PAGE = 64
_CP_TP = 8


class Values:
    """The options of one command line by their full names, with defaults."""

    def __init__(self, framework: Framework, version: Version, line: CommandLine) -> None:
        self.framework = framework
        self.version = version
        self.line = line
        self.model = catalog.load().model

    def text(self, *names: str) -> str:
        """The value that counts, or an empty string."""
        found = [g for n in names if (g := self.line.last(n))]
        return max(found, key=lambda g: g.index).value if found else ""

    def number(self, *names: str, default: int = 1) -> int:
        """The value as a whole number; the default when it is absent or not one."""
        text = self.text(*names)
        return int(text) if text.isdigit() else default

    def has(self, *names: str) -> bool:
        """Whether any of the options is there and on."""
        return any((g := self.line.last(n)) is not None and not g.off for n in names)

    @property
    def model_name(self) -> str:
        """The model as it is named."""
        return self.text("--model-path", "--model") or (self.line.positional[0][1] if self.line.positional else "")

    @property
    def fp8(self) -> bool:
        """Whether the model's name says that its experts are in FP8 blocks."""
        return "fp8" in self.model_name.lower()


@dataclass(frozen=True)
class EngineRule:
    """One rule of one engine."""

    code: str
    framework: str
    check: Callable[[Values], str]
    source: str
    when: Literal["config", "build"]


def _tp(v: Values) -> int:
    return v.number("--tp-size", "--tensor-parallel-size")


def _pp(v: Values) -> int:
    return v.number("--pp-size", "--pipeline-parallel-size")


def _attention_dp(v: Values) -> int:
    inside = v.number("--attn-dp-size")
    return inside if inside > 1 or not v.has("--enable-dp-attention") else v.number("--dp-size", "--data-parallel-size")


def _attention_cp(v: Values) -> int:
    return v.number("--attn-cp-size", "--attention-context-parallel-size")


def _nodes_divide(v: Values) -> str:
    world, nodes = _tp(v) * _pp(v), v.number("--nnodes")
    if v.framework.id == "vllm":
        world *= v.number("--data-parallel-size") * v.number("--prefill-context-parallel-size")
    return f"{nodes} ranks do not divide {world} GPUs" if world % nodes else ""


def _rank_in_range(v: Values) -> str:
    rank, nodes = v.number("--node-rank", default=0), v.number("--nnodes")
    return f"rank {rank} of {nodes} ranks: they count from 0" if rank >= nodes > 1 else ""


def _stages_and_ranks(v: Values) -> str:
    pp, nodes = _pp(v), v.number("--nnodes")
    return (
        f"{pp} stages on {nodes} ranks: one must be a multiple of the other, or the last stage never starts"
        if pp % nodes and nodes % pp
        else ""
    )


def _heads(v: Values) -> str:
    width = _tp(v)
    if v.framework.id != "vllm":
        shared = _attention_dp(v) * _attention_cp(v)
        if width % shared:
            return f"tensor parallel size {width} is not a multiple of attention-DP x attention-CP = {shared}"
        width //= shared
    return f"{v.model.heads} attention heads are not divisible by {width}" if v.model.heads % width else ""


def _experts(v: Values) -> str:
    tp, ep, spare = (
        _tp(v),
        v.number("--ep-size", "--expert-parallel-size"),
        v.number("--ep-num-redundant-experts", default=0),
    )
    moe_dp = v.number("--moe-dp-size")
    if v.text("--moe-a2a-backend") not in {"", "none"}:
        ep = tp
    if (v.model.experts + spare) % ep:
        return f"{v.model.experts} + {spare} experts are not divisible by expert parallel size {ep}"
    if ep * moe_dp > tp or (ep > 1 and ep * moe_dp != tp):
        return f"expert parallel size {ep} x MoE-DP {moe_dp} is not the tensor parallel size {tp}"
    width, rest = divmod(tp, ep * moe_dp)
    if rest or v.model.expert_intermediate % width:
        return f"an expert's width {v.model.expert_intermediate} is not divisible by {tp} / ({ep} x {moe_dp})"
    share = v.model.expert_intermediate // width
    return (
        f"an FP8 expert's share of {share} columns is not a whole number of 128-wide blocks"
        if v.fp8 and share % 128
        else ""
    )


def _dense(v: Values) -> str:
    dense, tp = v.number("--moe-dense-tp-size", default=0), _tp(v)
    return (
        f"--moe-dense-tp-size {dense} is neither 1 nor the tensor parallel size {tp}" if dense not in {0, 1, tp} else ""
    )


def _vllm_blocks(v: Values) -> str:
    share, rest = divmod(v.model.expert_intermediate, _tp(v))
    return (
        f"an FP8 expert's share of {share} columns is not a whole number of 128-wide blocks"
        if v.fp8 and (rest or share % 128)
        else ""
    )


def _page(v: Values) -> str:
    chunk = v.number("--chunked-prefill-size", default=_PAGE)
    return f"--chunked-prefill-size {chunk} is not a multiple of the KV page of {_PAGE}" if chunk % _PAGE else ""


def _context_parallel(v: Values) -> str:
    tp, cp, dcp = _tp(v), _attention_cp(v), v.number("--dcp-size", "--decode-context-parallel-size")
    prefill = v.has("--enable-prefill-cp", "--enable-dsa-prefill-context-parallel")
    if tp % dcp:
        return f"tensor parallel size {tp} is not a multiple of decode context parallel size {dcp}"
    if dcp > 1 and (prefill or v.has("--enable-hierarchical-cache")):
        return "decode context parallel excludes prefill context parallel and the hierarchical cache"
    if prefill and tp > _CP_TP:
        return f"prefill context parallel stays on one machine: tensor parallel size {tp} is above {_CP_TP}"
    if v.has("--enable-prefill-cp") and not v.text("--cp-strategy"):
        return "--enable-prefill-cp needs --cp-strategy"
    return "--attn-cp-size needs prefill context parallel" if cp > 1 and not prefill else ""


def _vllm_dcp(v: Values) -> str:
    tp, dcp = _tp(v), v.number("--decode-context-parallel-size")
    return f"tensor parallel size {tp} is not a multiple of decode context parallel size {dcp}" if tp % dcp else ""


def _speculative_pipeline(v: Values) -> str:
    if _pp(v) == 1:
        return ""
    if v.framework.id == "vllm":
        old = v.version < Version("0.30.0") and v.has("--speculative-config")
        return f"vLLM {v.version} refuses speculative decoding with {_pp(v)} pipeline stages" if old else ""
    return (
        f"speculative decoding with {_pp(v)} pipeline stages"
        if v.has("--speculative-algorithm") and v.text("--disaggregation-mode") != "prefill"
        else ""
    )


def _replicas(v: Values) -> str:
    inside = v.has("--enable-dp-attention")
    replicas = 1 if inside else v.number("--dp-size", "--data-parallel-size")
    if replicas > 1 and v.number("--nnodes") > 1:
        return f"{replicas} replicas on several ranks"
    return (
        f"{replicas} replicas together with attention data parallelism"
        if replicas > 1 and v.number("--attn-dp-size") > 1
        else ""
    )


def _served_name(v: Values) -> str:
    name = v.text("--served-model-name")
    return f"a colon in the served name `{name}`" if ":" in name else ""


def _keys_and_workers(v: Values) -> str:
    workers = v.number("--tokenizer-worker-num")
    return f"--api-key with {workers} tokenizer workers" if workers > 1 and v.has("--api-key") else ""


def _tls(v: Values) -> str:
    pair = [v.has("--ssl-certfile"), v.has("--ssl-keyfile")]
    return "--ssl-certfile and --ssl-keyfile come together" if any(pair) and not all(pair) else ""


def _context(v: Values) -> str:
    length = v.number("--max-model-len", "--context-length", default=0)
    return (
        f"a context of {length:,} tokens is above the model's {v.model.max_context:,}"
        if length > v.model.max_context
        else ""
    )


def _ray(v: Values) -> str:
    return (
        "--nnodes with the ray backend"
        if v.number("--nnodes") > 1 and v.text("--distributed-executor-backend") == "ray"
        else ""
    )


def _headless(v: Values) -> str:
    if not v.has("--headless"):
        return ""
    if v.number("--api-server-count", default=0) > 0:
        return "--headless with --api-server-count"
    return "--headless with --data-parallel-hybrid-lb" if v.has("--data-parallel-hybrid-lb") else ""


def _speculative_json(v: Values) -> str:
    text = v.text("--speculative-config")
    if not text.startswith("{"):
        return ""
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        return ""  # GLM412 says so
    return "" if {"method", "model"} & set(config) else "--speculative-config names neither a method nor a model"


_S, _V = "sglang 0.5.23 ", "vllm 0.33.0 "
ENGINE_RULES: tuple[EngineRule, ...] = (
    EngineRule("GLM320", "sglang", _nodes_divide, _S + "arg_groups/validation_hook.py:179", "config"),
    EngineRule("GLM320", "vllm", _nodes_divide, _V + "config/parallel.py", "config"),
    EngineRule("GLM320", "sglang", _rank_in_range, _S + "arg_groups/validation_hook.py", "config"),
    EngineRule("GLM320", "vllm", _rank_in_range, _V + "config/parallel.py", "config"),
    EngineRule(
        "GLM321", "sglang", _stages_and_ranks, _S + "entrypoints/engine.py:2062-2075 (not guarded there)", "build"
    ),
    EngineRule(
        "GLM322",
        "sglang",
        _heads,
        _S + "arg_groups/parallel_hook.py:159-163, :326; models/deepseek_v2.py:2057",
        "build",
    ),
    EngineRule("GLM322", "vllm", _heads, _V + "config/model.py verify_with_parallel_config", "config"),
    EngineRule(
        "GLM323",
        "sglang",
        _experts,
        _S + "layers/moe/fused_moe_triton/layer.py:414-427; quantization/fp8.py:1575",
        "build",
    ),
    EngineRule("GLM323", "sglang", _dense, _S + "arg_groups/validation_hook.py:207", "config"),
    EngineRule(
        "GLM323", "vllm", _vllm_blocks, _V + "model_executor/layers/quantization validate_fp8_block_shape", "build"
    ),
    EngineRule("GLM324", "sglang", _page, _S + "arg_groups/validation_hook.py:244", "config"),
    EngineRule(
        "GLM325",
        "sglang",
        _context_parallel,
        _S + "models/deepseek_v2.py:135; distributed/parallel_state.py:2642",
        "config",
    ),
    EngineRule("GLM325", "vllm", _vllm_dcp, _V + "config/parallel.py", "config"),
    EngineRule("GLM326", "sglang", _speculative_pipeline, _S + "arg_groups/validation_hook.py:122-171", "config"),
    EngineRule(
        "GLM326",
        "vllm",
        _speculative_pipeline,
        "vllm 0.23.0 and 0.29.0: the draft class has no pipeline support",
        "config",
    ),
    EngineRule("GLM327", "sglang", _replicas, _S + "arg_groups/parallel_hook.py", "config"),
    EngineRule("GLM328", "sglang", _served_name, _S + "arg_groups/validation_hook.py:214", "config"),
    EngineRule("GLM328", "sglang", _keys_and_workers, _S + "entrypoints/http_server.py:259", "build"),
    EngineRule("GLM328", "sglang", _tls, _S + "arg_groups/serving_hook.py:47-70", "config"),
    EngineRule("GLM329", "sglang", _context, "the model's max_position_embeddings", "config"),
    EngineRule("GLM329", "vllm", _context, _V + "config/model.py max_model_len", "config"),
    EngineRule("GLM330", "vllm", _ray, _V + "config/parallel.py", "config"),
    EngineRule("GLM330", "vllm", _headless, _V + "entrypoints/cli/serve.py", "config"),
    EngineRule("GLM330", "vllm", _speculative_json, _V + "config/speculative.py", "config"),
)
# sglang-kt is a fork: the rules of SGLang hold there too.
_FAMILY = {"ktransformers": "sglang"}


def judge(framework: Framework, version: Version, words: Sequence[str]) -> Iterator[tuple[str, str, EngineRule]]:
    """Code, message and rule for each rule that the words after the launcher break."""
    values = Values(framework, version, parse(framework, version, words))
    family = _FAMILY.get(framework.id, framework.id)
    for rule in ENGINE_RULES:
        if rule.framework == family and (why := rule.check(values)):
            yield rule.code, why, rule


def _said(plan: Plan, processes: tuple[Process, ...], code: str) -> Iterator[Diagnostic]:
    if not plan.spec.extra_args or not processes:  # the plan's own layout obeys by construction
        return
    _, words = strip_launcher(processes[0].words(leader="x", api_key="x"))
    for found, why, rule in judge(plan.spec.framework, plan.spec.version, words):
        if found == code:
            yield Diagnostic(
                code,
                f"{plan.spec.framework.name} refuses this: {why}",
                at=("extra_args",),
                notes=(f"checked in {rule.source}",),
            )


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

    No colon in a served name, one tokenizer worker with an API key, certificate and key together.
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
