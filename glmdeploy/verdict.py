"""Every threshold that turns numbers into a verdict, with its reason. Nowhere else.

below-floor  the checkpoint is larger than the GPUs' data-sheet memory (KTransformers: the host's RAM)
floor-only   no layout leaves room for one request of MIN_CONTEXT tokens
tight        it serves with a raised memory fraction, a smaller prefill chunk, or a smaller context
refused      no layout is legal: hardware, checkpoint, or the sizes that were asked for
fits         the context at the framework's default fraction, with FITS_HEADROOM to spare
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from glmdeploy import hostram
from glmdeploy.plan import Verdict
from glmdeploy.units import GIB, gb, gib

if TYPE_CHECKING:
    from glmdeploy.plan import MemoryBudget
    from glmdeploy.spec import Spec

# The smallest useful context: an agent's system prompt, tools and one file come to about 20,000 tokens,
# and thinking needs room for its answer.
MIN_CONTEXT: Final = 32_768
# What `context: auto` means: prompt plus output; the vLLM recipe's H200 guide uses the same figure.
DEFAULT_CONTEXT: Final = 131_072
# An automatic context is a multiple of this, so that small changes of the catalogue do not move it.
CONTEXT_STEP: Final = 1_024
# Memory that stays free in a plan that fits: allocator fragmentation and the sparse-decode workspace that
# no profile run sees (an 8 GiB tensor was reported for very long batches, vllm#44545; users who lost 2 to
# 3 GiB to it lowered the fraction).
FITS_HEADROOM: Final = 2 * GIB
# A tight plan keeps at least this much: the one public vLLM log with every figure (0.28, 8 x H200, native
# context) shows 0.7 GiB less KV cache than this model gives.
TIGHT_HEADROOM: Final = 1 * GIB
# Highest memory fractions that a plan may set. SGLang's own documents stop at 0.95; vLLM counts
# activations inside its utilisation, so one point more leaves the same.
SGLANG_FRACTION_CAP: Final = 0.95
VLLM_FRACTION_CAP: Final = 0.96
# Smaller prefill chunks to try, tokens: below 2,048 the expert matrix products no longer fill a GPU.
PREFILL_CHUNKS: Final = (4096, 2048)
# Requests that run at a time in a tight plan: graphs and sampler buffers are sized by it. The recipes use
# 32 where memory is short (vLLM guide for B200 at 1M, MI300X).
TIGHT_RUNNING: Final = 32
# A tensor-parallel group may span this many hosts: the published cells stop at two. One NVLink domain
# (GB200, GB300 racks) has no such limit.
MAX_TENSOR_HOSTS: Final = 2
# VRAM that KTransformers' documents ask of every GPU (Native-Precision tutorial), data-sheet GB.
KTRANSFORMERS_GPU_GB: Final = 24


def below_floor(spec: Spec) -> str:
    """Why the hardware is below the published floor, or an empty string."""
    checkpoint, cluster = spec.checkpoint, spec.cluster
    if spec.framework.weights_in == "host":
        return _below_host_floor(spec)
    replicas = spec.request.replicas or 1
    have, need = cluster.gpus * cluster.gpu.memory_gb, checkpoint.floor_gb * replicas
    if have >= need:
        return ""
    times = f"of {replicas} replicas " if replicas > 1 else ""
    return f"{cluster.gpus} x {cluster.gpu.memory_gb} GB = {have:,} GB on the data sheet, and the `{checkpoint.id}` weights {times}are {need:,} GB"


def floor_notes(spec: Spec) -> tuple[str, ...]:
    """The driver's figure and the checkpoint's real bytes, to print beside the floor."""
    cluster, checkpoint = spec.cluster, spec.checkpoint
    if spec.framework.weights_in == "host":
        return hostram.notes(spec) if cluster.gpu.memory_gb >= KTRANSFORMERS_GPU_GB else ()
    total = cluster.gpus * cluster.gpu.memory_bytes
    driver = (
        f"the driver reports {cluster.gpus} x {gib(cluster.gpu.memory_bytes)} = {gib(total)}; "
        f"the checkpoint is {gib(checkpoint.total_bytes)} ({gb(checkpoint.total_bytes)})"
    )
    return driver, "the floor compares data-sheet GB with the weights alone, before KV cache and activations"


def _below_host_floor(spec: Spec) -> str:
    cluster, checkpoint = spec.cluster, spec.checkpoint
    if cluster.gpu.memory_gb < KTRANSFORMERS_GPU_GB:
        return f"{cluster.gpu.name} has {cluster.gpu.memory_gb} GB, and KTransformers asks for {KTRANSFORMERS_GPU_GB} GB a GPU"
    if cluster.host_memory and cluster.host_memory < hostram.floor(spec):
        return f"the host has {gib(cluster.host_memory)} of RAM, and KTransformers needs {gib(hostram.floor(spec))} for `{checkpoint.id}`"
    return ""


def comfortable(budget: MemoryBudget, context: int) -> bool:
    """Whether ``context`` tokens fit with the headroom of a plan that fits."""
    return budget.kv_tokens >= context and budget.margin(context) >= FITS_HEADROOM


def holds(budget: MemoryBudget, context: int) -> bool:
    """Whether ``context`` tokens fit at all."""
    return budget.kv_tokens >= context and budget.margin(context) >= TIGHT_HEADROOM


def judge(largest: int, comfort: tuple[str, ...], *, floor: str) -> Verdict:
    """The verdict for a layout that holds ``largest`` tokens and had to give ``comfort`` way."""
    if floor:
        return Verdict.BELOW_FLOOR
    if largest < MIN_CONTEXT:
        return Verdict.FLOOR_ONLY
    return Verdict.TIGHT if comfort else Verdict.FITS
