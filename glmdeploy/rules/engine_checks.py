"""What an engine's options must obey together: each function says what is wrong, or nothing.

Where the engine checks the same, and when, stands beside the function's name in `engine`.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from packaging.version import Version

from glmdeploy import catalog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmdeploy.commandline import CommandLine, Given
    from glmdeploy.flags import Framework

# Suffixes of whole numbers: SGLang's k is decimal and its Ki binary (0.5.23 srt/utils/common.py human_readable_int),
# vLLM's k is decimal and its K binary (0.33.0 utils/argparse_utils.py human_readable_int).
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4}
_NUMBER = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)(?:([kKmMgGtT])(i?))?")
# What vLLM's CacheConfig takes beyond its parser (0.33.0 config/cache.py CacheDType).
_VLLM_KV = frozenset(
    {
        *("auto", "float16", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2", "fp8_inc", "fp8_ds_mla", "nvfp4_ds_mla"),
        *("turboquant_k8v4", "turboquant_4bit_nc", "turboquant_k3v4_nc", "turboquant_3bit_nc"),
        *("octave_k3v4", "octave_k3v3", "octave_k3v3_compact", "ultraquant_4bit"),
        *("int4_per_token_head", "int8_per_token_head", "fp8_per_token_head", "nvfp4", "nvfp4_4over6"),
    }
)
_PAGE = 64
_CP_TP = 8


class UnknownValueError(Exception):
    """A value that only the running shell knows."""


class Values:
    """The options of one command line by their full names, with defaults; ``given`` are those that were read."""

    def __init__(self, framework: Framework, version: Version, line: CommandLine, env: Mapping[str, str]) -> None:
        self.framework = framework
        self.version = version
        self.line = line
        self.env = env
        self.model = catalog.load().model
        self.given: list[Given] = []

    def _last(self, *names: str) -> Given | None:
        """The mention that counts; UnknownValueError when it could be any."""
        last = max(filter(None, map(self.line.last, names)), key=lambda g: g.index, default=None)
        if self.line.unknown if last is None else not last.known:
            raise UnknownValueError
        self.given += [last] if last else []
        return last

    def text(self, *names: str) -> str:
        """The value that counts, or an empty string."""
        last = self._last(*names)
        return last.value if last else ""

    def number(self, *names: str, default: int = 1) -> int:
        """The value as a whole number; the default when it is absent or not one."""
        match = _NUMBER.fullmatch(self.text(*names).replace("_", ""))
        if not match:
            return default
        digits, suffix, binary = match.groups(default="")
        kilo = 1024 if binary or (suffix.isupper() and self.framework.id == "vllm") else 1000
        return int(float(digits) * kilo ** _POWERS.get(suffix.lower(), 0))

    def size(self, *names: str) -> int:
        """The value as a size to divide by: at least 1, since `sizes` speaks of the others."""
        return max(1, self.number(*names))

    def has(self, *names: str) -> bool:
        """Whether any of the options is there and on."""
        last = self._last(*names)
        return last is not None and not last.off

    def says(self, variable: str) -> bool:
        """Whether an environment variable says yes."""
        return self.env.get(variable, "").lower() in {"1", "true", "yes", "y", "on"}

    @property
    def model_name(self) -> str:
        """The model as it is named."""
        return self.text("--model-path", "--model") or (self.line.positional[0][1] if self.line.positional else "")

    @property
    def fp8(self) -> bool:
        """Whether the model's name says that its experts are in FP8 blocks."""
        return "fp8" in self.model_name.lower()


def _tp(v: Values) -> int:
    return v.size("--tp-size", "--tensor-parallel-size")


def _pp(v: Values) -> int:
    return v.size("--pp-size", "--pipeline-parallel-size")


def _attention_dp(v: Values) -> int:
    inside = v.size("--attn-dp-size")
    return inside if inside > 1 or not v.has("--enable-dp-attention") else v.size("--dp-size", "--data-parallel-size")


def _attention_cp(v: Values) -> int:
    return v.size("--attn-cp-size", "--attention-context-parallel-size")


def nodes_divide(v: Values) -> str:
    """The ranks share the GPUs evenly."""
    world, nodes = _tp(v) * _pp(v), v.size("--nnodes")
    if v.framework.id == "vllm":
        world *= v.size("--data-parallel-size") * v.size("--prefill-context-parallel-size")
    return f"{nodes} ranks do not divide {world} GPUs" if world % nodes else ""


def rank_in_range(v: Values) -> str:
    """A rank's number is below the number of ranks."""
    rank, nodes = v.number("--node-rank", default=0), v.size("--nnodes")
    return f"rank {rank} of {nodes} ranks: they count from 0" if rank >= nodes > 1 else ""


def stages_and_ranks(v: Values) -> str:
    """A rank has whole stages, or a stage whole ranks."""
    pp, nodes = _pp(v), v.size("--nnodes")
    return (
        f"{pp} stages on {nodes} ranks: one must be a multiple of the other, or the last stage never starts"
        if pp % nodes and nodes % pp
        else ""
    )


def heads(v: Values) -> str:
    """The attention heads divide by the width of attention's tensor parallelism."""
    width = _tp(v)
    if v.framework.id != "vllm":
        shared = _attention_dp(v) * _attention_cp(v)
        if width % shared:
            return f"tensor parallel size {width} is not a multiple of attention-DP x attention-CP = {shared}"
        width //= shared
    return f"{v.model.heads} attention heads are not divisible by {width}" if v.model.heads % width else ""


def experts(v: Values) -> str:
    """Experts, expert parallelism and an expert's columns divide (SGLang)."""
    tp, ep, spare = (
        _tp(v),
        v.size("--ep-size", "--expert-parallel-size"),
        v.number("--ep-num-redundant-experts", default=0),
    )
    moe_dp = v.size("--moe-dp-size")
    if v.text("--moe-a2a-backend") not in {"", "none"}:
        ep = tp
    if (v.model.experts + spare) % ep:
        return f"{v.model.experts} + {spare} experts are not divisible by expert parallel size {ep}"
    if moe_dp > 1 and _pp(v) > 1:
        return f"MoE-DP {moe_dp} with {_pp(v)} pipeline stages"
    if tp > v.model.experts:
        return f"tensor parallel size {tp} is above the {v.model.experts} experts"
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


def dense(v: Values) -> str:
    """The dense layers have their own width or the whole one."""
    dense, tp = v.number("--moe-dense-tp-size", default=0), _tp(v)
    return (
        f"--moe-dense-tp-size {dense} is neither 1 nor the tensor parallel size {tp}" if dense not in {0, 1, tp} else ""
    )


def vllm_blocks(v: Values) -> str:
    """An FP8 expert's share is whole blocks; vLLM splits the shared expert by tensor parallelism in any case."""
    share, rest = divmod(v.model.expert_intermediate, _tp(v))
    return (
        f"an FP8 expert's share of {share} columns is not a whole number of 128-wide blocks"
        if v.fp8 and (rest or share % 128)
        else ""
    )


def page(v: Values) -> str:
    """Sparse attention forces KV pages of 64 tokens, and a prefill chunk is whole pages."""
    chunk = v.number("--chunked-prefill-size", default=_PAGE)
    return f"--chunked-prefill-size {chunk} is not a multiple of the KV page of {_PAGE}" if chunk % _PAGE else ""


def context_parallel(v: Values) -> str:
    """Prefill and decode context parallelism (SGLang)."""
    tp, cp, dcp = _tp(v), _attention_cp(v), v.size("--dcp-size", "--decode-context-parallel-size")
    prefill = v.has("--enable-prefill-cp", "--enable-dsa-prefill-context-parallel")
    if tp % dcp:
        return f"tensor parallel size {tp} is not a multiple of decode context parallel size {dcp}"
    if dcp > 1 and (prefill or v.has("--enable-hierarchical-cache")):
        return "decode context parallel excludes prefill context parallel and the hierarchical cache"
    if prefill and tp > _CP_TP:
        return f"prefill context parallel stays on one machine: tensor parallel size {tp} is above {_CP_TP}"
    if v.has("--enable-prefill-cp") and not v.text("--cp-strategy"):
        return "--enable-prefill-cp needs --cp-strategy, interleave or zigzag"
    return "--attn-cp-size needs prefill context parallel" if cp > 1 and not prefill else ""


def vllm_dcp(v: Values) -> str:
    """Decode context parallelism uses the GPUs of a tensor-parallel group."""
    tp, dcp = _tp(v), v.size("--decode-context-parallel-size")
    return f"tensor parallel size {tp} is not a multiple of decode context parallel size {dcp}" if tp % dcp else ""


def speculative_pipeline(v: Values) -> str:
    """Speculative decoding with several stages."""
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


def replicas(v: Values) -> str:
    """Replicas stay on one rank and exclude attention data parallelism."""
    inside = v.has("--enable-dp-attention")
    replicas = 1 if inside else v.size("--dp-size", "--data-parallel-size")
    if replicas > 1 and v.size("--nnodes") > 1:
        return f"{replicas} replicas on several ranks"
    return (
        f"{replicas} replicas together with attention data parallelism"
        if replicas > 1 and v.size("--attn-dp-size") > 1
        else ""
    )


def served_name(v: Values) -> str:
    """SGLang splits a served name at a colon."""
    name = v.text("--served-model-name")
    return f"a colon in the served name `{name}`" if ":" in name else ""


def keys_and_workers(v: Values) -> str:
    """The key is checked by one tokenizer worker."""
    workers = v.size("--tokenizer-worker-num")
    return f"--api-key with {workers} tokenizer workers" if workers > 1 and v.has("--api-key") else ""


def tls(v: Values) -> str:
    """A certificate and its key come together."""
    pair = [v.has("--ssl-certfile"), v.has("--ssl-keyfile")]
    return "--ssl-certfile and --ssl-keyfile come together" if any(pair) and not all(pair) else ""


def context(v: Values) -> str:
    """The context is at most the model's, or a variable says that this is meant."""
    if v.says("VLLM_ALLOW_LONG_MAX_MODEL_LEN") or v.says("SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN"):
        return ""
    length = v.number("--max-model-len", "--context-length", default=0)
    return (
        f"a context of {length:,} tokens is above the model's {v.model.max_context:,}"
        if length > v.model.max_context
        else ""
    )


def ray(v: Values) -> str:
    """Several ranks run without ray."""
    return (
        "--nnodes with the ray backend"
        if v.size("--nnodes") > 1 and v.text("--distributed-executor-backend") == "ray"
        else ""
    )


def headless(v: Values) -> str:
    """A headless rank serves nothing."""
    if not v.has("--headless"):
        return ""
    if v.number("--api-server-count", default=0) > 0:
        return "--headless with --api-server-count"
    return "--headless with --data-parallel-hybrid-lb" if v.has("--data-parallel-hybrid-lb") else ""


def speculative_json(v: Values) -> str:
    """A speculative configuration says which drafter."""
    text = v.text("--speculative-config")
    if not text.startswith("{"):
        return ""
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        return ""  # GLM412 says so
    return "" if {"method", "model"} & set(config) else "--speculative-config names neither a method nor a model"


def load_balancers(v: Values) -> str:
    """One of vLLM's data-parallel load balancers."""
    modes = [f"--data-parallel-{kind}-lb" for kind in ("hybrid", "external", "multi-port-external")]
    given = [mode for mode in modes if v.has(mode)]
    return f"{' with '.join(given)}" if len(given) > 1 else ""


def tool_parser(v: Values) -> str:
    """Tool calls need the parser of the model's dialect."""
    lacks = v.has("--enable-auto-tool-choice") and not v.text("--tool-call-parser")
    return "--enable-auto-tool-choice needs --tool-call-parser" if lacks else ""


def vllm_kv_dtype(v: Values) -> str:
    """VLLM's parser takes any word here; its cache configuration does not."""
    dtype = v.text("--kv-cache-dtype")
    return f"KV cache dtype `{dtype}`" if dtype and dtype not in _VLLM_KV else ""


def vllm_ranges(v: Values) -> str:
    """Numbers that vLLM's parser takes and its configuration refuses."""
    if (text := v.text("--gpu-memory-utilization")) and not 0 < _float(text) <= 1:
        return f"--gpu-memory-utilization {text} is not above 0 and at most 1"
    level = v.text("--optimization-level")
    if level not in {"", "0", "1", "2", "3"}:
        return f"--optimization-level {level} is not 0, 1, 2 or 3"
    running = v.number("--max-num-seqs", default=1)
    if running < 1:
        return "--max-num-seqs is below 1"
    chunk = v.number("--max-num-batched-tokens", default=running)
    return f"--max-num-batched-tokens {chunk} is below --max-num-seqs {running}" if chunk < running else ""


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0  # GLM412 says so


_SIZES = (
    *("--tp-size", "--pp-size", "--ep-size", "--dp-size", "--attn-dp-size", "--attn-cp-size", "--moe-dp-size"),
    *("--tensor-parallel-size", "--pipeline-parallel-size", "--data-parallel-size", "--prefill-context-parallel-size"),
    *("--dcp-size", "--decode-context-parallel-size", "--nnodes"),
)


def sizes(v: Values) -> str:
    """Every parallel size is at least 1."""
    return next((f"{name} is below 1" for name in _SIZES if v.number(name) < 1), "")
