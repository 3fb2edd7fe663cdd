"""What vLLM's options must obey together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from glmdeploy.rules.engine_checks.values import pp, tp
from glmdeploy.rules.engine_checks.vllm_names import QUANTIZATIONS

if TYPE_CHECKING:
    from glmdeploy.rules.engine_checks.values import Values

# What vLLM's CacheConfig takes beyond its parser (0.33.0 config/cache.py CacheDType).
_VLLM_KV = frozenset(
    {
        *("auto", "float16", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2", "fp8_inc", "fp8_ds_mla", "nvfp4_ds_mla"),
        *("turboquant_k8v4", "turboquant_4bit_nc", "turboquant_k3v4_nc", "turboquant_3bit_nc"),
        *("octave_k3v4", "octave_k3v3", "octave_k3v3_compact", "ultraquant_4bit"),
        *("int4_per_token_head", "int8_per_token_head", "fp8_per_token_head", "nvfp4", "nvfp4_4over6"),
    }
)
# What the configuration refuses below: the least that it takes.
_MINIMUMS = {
    **dict.fromkeys(("--tensor-parallel-size", "--pipeline-parallel-size", "--data-parallel-size", "--nnodes"), 1),
    **dict.fromkeys(("--prefill-context-parallel-size", "--decode-context-parallel-size"), 1),
    **dict.fromkeys(("--max-num-seqs", "--max-num-batched-tokens", "--max-num-active-seqs"), 1),
    **dict.fromkeys(("--max-num-scheduled-tokens", "--max-parallel-loading-workers", "--block-size"), 1),
    **dict.fromkeys(("--mamba-block-size", "--prefix-match-unit", "--replayssm-buffer-len"), 1),
    **dict.fromkeys(("--data-parallel-rpc-port", "--dp-sync-interval", "--elastic-ep-max-dp-size"), 1),
    **dict.fromkeys(("--offload-num-in-group", "--prefill-schedule-interval", "--stream-interval"), 1),
    **dict.fromkeys(("--safetensors-prefetch-block-size", "--safetensors-prefetch-num-threads", "--spec-tokens"), 1),
    **dict.fromkeys(("--node-rank", "--data-parallel-rank", "--data-parallel-size-local"), 0),
    **dict.fromkeys(("--dbo-decode-token-threshold", "--dbo-prefill-token-threshold"), 0),
    **dict.fromkeys(("--long-prefill-token-threshold", "--max-num-queued-reqs", "--max-num-queued-tokens"), 0),
    **dict.fromkeys(("--offload-group-size", "--offload-prefetch-step", "--prefix-cache-retention-interval"), 0),
    **dict.fromkeys(("--shutdown-timeout", "--sse-keep-alive-interval", "--ubatch-size", "--numa-bind-nodes"), 0),
}


def minimums(v: Values) -> str:
    """Numbers that the configuration refuses below a minimum."""
    return v.below(_MINIMUMS)


def rank_in_range(v: Values) -> str:
    """A rank's number is below the number of ranks."""
    rank, nodes = v.number("--node-rank", default=0), v.size("--nnodes")
    return f"rank {rank} of {nodes} ranks: they count from 0" if rank >= nodes > 1 else ""


def heads(v: Values) -> str:
    """The attention heads divide by the tensor parallel size."""
    return f"{v.model.heads} attention heads are not divisible by {tp(v)}" if v.model.heads % tp(v) else ""


def blocks(v: Values) -> str:
    """An FP8 expert's share is whole blocks; vLLM splits the shared expert by tensor parallelism in any case."""
    share, rest = divmod(v.model.expert_intermediate, tp(v))
    return (
        f"an FP8 expert's share of {share} columns is not a whole number of 128-wide blocks"
        if v.fp8 and (rest or share % 128)
        else ""
    )


def dcp_divides(v: Values) -> str:
    """Decode context parallelism uses the GPUs of a tensor-parallel group."""
    width, dcp = tp(v), v.size("--decode-context-parallel-size")
    return (
        f"tensor parallel size {width} is not a multiple of decode context parallel size {dcp}" if width % dcp else ""
    )


def speculative_pipeline(v: Values) -> str:
    """Speculative decoding with several stages."""
    refused = pp(v) > 1 and v.version < Version("0.30.0") and v.has("--speculative-config")
    return f"vLLM {v.version} refuses speculative decoding with {pp(v)} pipeline stages" if refused else ""


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


def load_balancers(v: Values) -> str:
    """One of vLLM's data-parallel load balancers."""
    modes = [f"--data-parallel-{kind}-lb" for kind in ("hybrid", "external", "multi-port-external")]
    given = [mode for mode in modes if v.has(mode)]
    return f"{' with '.join(given)}" if len(given) > 1 else ""


def tool_parser(v: Values) -> str:
    """Tool calls need the parser of the model's dialect."""
    lacks = v.has("--enable-auto-tool-choice") and not v.text("--tool-call-parser")
    return "--enable-auto-tool-choice needs --tool-call-parser" if lacks else ""


def kv_dtype(v: Values) -> str:
    """VLLM's parser takes any word here; its cache configuration does not."""
    dtype = v.text("--kv-cache-dtype")
    return f"KV cache dtype `{dtype}`" if dtype and dtype not in _VLLM_KV else ""


def ranges(v: Values) -> str:
    """Numbers that vLLM's parser takes and its configuration refuses."""
    if (text := v.text("--gpu-memory-utilization")) and not 0 < _float(text) <= 1:
        return f"--gpu-memory-utilization {text} is not above 0 and at most 1"
    level = v.text("--optimization-level")
    if level not in {"", "0", "1", "2", "3"}:
        return f"--optimization-level {level} is not 0, 1, 2 or 3"
    if (length := v.number("--max-model-len")) < 1 and length != -1:
        return f"--max-model-len {length} is neither a length nor -1"
    running = v.size("--max-num-seqs")
    chunk = v.number("--max-num-batched-tokens", default=running)
    return f"--max-num-batched-tokens {chunk} is below --max-num-seqs {running}" if 1 <= chunk < running else ""


def backends(v: Values) -> str:
    """Words for which vLLM's parser takes any; an executor may also be a class, and then its name holds a dot."""
    executor = v.text("--distributed-executor-backend")
    if executor not in {"", "None", "ray", "mp", "uni", "external_launcher"} and "." not in executor:
        return f"--distributed-executor-backend `{executor}`"
    replicas = v.text("--data-parallel-backend")
    if replicas not in {"", "mp", "ray"}:
        return f"--data-parallel-backend `{replicas}`"
    method = v.text("--quantization")
    return f"--quantization `{method}`" if method not in {"", "None", *QUANTIZATIONS} else ""


def offload(v: Values) -> str:
    """GiB of weights on the host."""
    text = v.text("--cpu-offload-gb")
    return f"--cpu-offload-gb {text} is below 0" if _float(text) < 0 else ""


def logprobs(v: Values) -> str:
    """-1 means all of the vocabulary."""
    number = v.number("--max-logprobs", default=0)
    return f"--max-logprobs {number} is below -1" if number < -1 else ""


def microbatches(v: Values) -> str:
    """Two batches at once need a kernel that sends tokens all to all; 0.33.0 lets AMD's do without."""
    if not (v.has("--enable-dbo") or v.number("--ubatch-size", default=0) > 1):
        return ""
    backend = v.text("--all2all-backend") or "allgather_reducescatter"
    known = backend in {"deepep_low_latency", "deepep_high_throughput", "nixl_ep"} or "VLLM_ALL2ALL_BACKEND" in v.env
    wrong = not known and v.version < Version("0.32.0")
    return f"vLLM {v.version} refuses microbatches with --all2all-backend {backend}" if wrong else ""


def data_parallel_rank(v: Values) -> str:
    """A replica's number is below the number of replicas."""
    rank, size = v.number("--data-parallel-rank", default=0), v.size("--data-parallel-size")
    return f"data parallel rank {rank} of {size}: they count from 0" if rank >= size > 1 else ""


def whole_prompts(v: Values) -> str:
    """Without chunks, a prompt is one batch."""
    if not v.off("--enable-chunked-prefill"):
        return ""
    chunk, length = v.number("--max-num-batched-tokens", default=0), v.text("--max-model-len")
    context = v.number("--max-model-len", default=0) if length else v.model.max_context
    return (
        f"--max-num-batched-tokens {chunk} is below the context of {context:,} tokens, without chunks"
        if 0 < chunk < context
        else ""
    )


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0  # GLM412 says so
