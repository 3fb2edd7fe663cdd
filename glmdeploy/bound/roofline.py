"""The least time a step can take: bytes at memory bandwidth against operations at the tensor cores' rate.

Everything that costs time in reality and cannot be computed from sizes is left out (kernels, networks, hand-overs,
scheduling, anything read twice), so what follows is a bound on speed from above. Two means stand in it and are named
in the report: how many tokens a draft step brings (published), and that routing spreads tokens evenly over experts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from glmdeploy.layout import Layout, Shards
from glmdeploy.models import BF16

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.hardware import GPU
    from glmdeploy.models import Checkpoint, Model

_TERA = 10**12


@dataclass(frozen=True)
class Subject:
    """What runs where: ``row`` and ``index`` are KV bytes of a token and layer, ``drafts`` tokens drafted a step."""

    model: Model
    checkpoint: Checkpoint
    gpu: GPU
    layout: Layout
    shards: Shards
    row: int
    index: int
    drafts: int
    acceptance: float
    chunk: int
    pipelined: bool = True  # whether pipeline stages work at the same time

    @property
    def bandwidth(self) -> float:
        """Memory bandwidth of one GPU, bytes a second."""
        return self.gpu.bandwidth_tb_s * _TERA

    @property
    def stages(self) -> tuple[tuple[int, int], ...]:
        """First and end layer of every pipeline stage."""
        return self.layout.stages or ((0, self.model.layers),)


@dataclass(frozen=True)
class Step:
    """One pass through the layers: ``tokens`` new ones in all, of ``requests`` requests with ``context`` cached tokens."""

    requests: float
    tokens: float
    context: int


def touched(model: Model, tokens: float) -> float:
    """Experts of a layer that ``tokens`` tokens use: the mean when each picks its own, evenly."""
    return float(model.experts * (1 - (1 - model.experts_per_token / model.experts) ** tokens))


def rate(gpu: GPU, fmt: str) -> float:
    """Operations a second of one GPU for weights in ``fmt``, at its fastest type that can take them; 0 when unknown."""
    steps = {
        "bf16": (gpu.bf16_tflops,),
        "fp8_block": (gpu.fp8_tflops, gpu.bf16_tflops),
        "int4_group": (gpu.fp8_tflops, gpu.bf16_tflops),
        "nvfp4": (gpu.fp4_tflops, gpu.fp8_tflops, gpu.bf16_tflops),
        "mxfp4": (gpu.fp4_tflops, gpu.fp8_tflops, gpu.bf16_tflops),
    }[fmt]
    return next((r for r in steps if r), 0.0) * _TERA


def stage_seconds(s: Subject, first: int, end: int, step: Step, *, head: bool = True) -> float:
    """The least time of layers ``first`` to ``end`` on one GPU; ``head`` when every token needs logits."""
    return max(_read(s, first, end, step, head=head) / s.bandwidth, _compute(s, first, end, step, head=head))


def _read(s: Subject, first: int, end: int, step: Step, *, head: bool) -> float:
    """Bytes that one GPU reads: weights once a step, experts as far as they are used, the cache of every request."""
    model, shards = s.model, s.shards
    size = float(_fixed_bytes(model, s.checkpoint, first, end, shards))
    experts = (end - max(first, min(end, model.dense_layers))) * touched(model, step.tokens) / shards.ep
    size += experts * model.expert_bytes(s.checkpoint.experts, shards.experts)
    if head and end == model.layers:
        size += model.embedding_bytes(shards.head)
    indexed = sum(i in model.full_indexer_layers for i in range(first, end))
    return size + _local(s, step.requests) * _cache_read(s, end - first, indexed, step.context)


def _cache_read(s: Subject, layers: int, indexed: int, context: int) -> float:
    """Cache bytes of one request: the selected latent rows of each layer, and every key of each indexer."""
    return (layers * min(context, s.model.index_topk) * s.row + indexed * context * s.index) / s.layout.dcp


def _local(s: Subject, requests: float) -> float:
    """Requests whose cache one GPU reads: tensor-parallel ranks all read it, attention groups share them out."""
    return requests / (s.layout.attn_dp * s.layout.dp)


@cache
def _fixed_bytes(model: Model, checkpoint: Checkpoint, first: int, end: int, shards: Shards) -> int:
    """Bytes of layers that every step reads on one GPU: all but the routed experts."""
    size = sum(model.layer_bytes(checkpoint, layer, shards) for layer in range(first, end))
    sparse = end - max(first, min(end, model.dense_layers))
    return size - sparse * model.held_experts(shards) * model.expert_bytes(checkpoint.experts, shards.experts)


@cache
def _fixed_parameters(model: Model, checkpoint: Checkpoint, first: int, end: int) -> float:
    """Parameters of the same layers over all ranks, each counted once."""
    return _fixed_bytes(model, replace(checkpoint, linear="bf16", experts="bf16"), first, end, Shards.tensor(1)) / BF16


def _compute(s: Subject, first: int, end: int, step: Step, *, head: bool) -> float:
    """Seconds of multiplications on one GPU; what a GPU's data sheet leaves out takes none."""
    return sum(2 * terms / r for terms, r in _operations(s, first, end, step, head=head) if r)


def _operations(s: Subject, first: int, end: int, step: Step, *, head: bool) -> Iterator[tuple[float, float]]:
    """Multiply-adds and the rate at which they run."""
    model, tp, tokens = s.model, s.layout.tp * s.layout.dp, step.tokens
    # counted over all ranks and divided: what the engines repeat on each rank is not counted against them
    fixed = _fixed_parameters(model, s.checkpoint, first, end) / tp
    routed = (end - max(first, min(end, model.dense_layers))) * model.experts_per_token
    yield tokens * fixed, rate(s.gpu, s.checkpoint.linear)
    yield tokens * routed * model.expert_bytes("bf16", 1) / BF16 / tp, rate(s.gpu, s.checkpoint.experts)
    if head and end == model.layers:
        yield tokens * model.vocab * model.hidden / tp, rate(s.gpu, "bf16")
    pair = model.heads * (model.qk_nope + model.qk_rope + model.v_head)
    indexed = sum(i in model.full_indexer_layers for i in range(first, end))
    attention = (end - first) * min(step.context, model.index_topk) * pair
    keys = indexed * step.context * model.index_heads * model.index_head
    yield tokens * (attention + keys) / tp, rate(s.gpu, "fp8_block")


def draft_seconds(s: Subject, requests: float, context: int) -> float:
    """The least time of the drafts of one step: each reads the MTP layer and the head; its indexer is read once."""
    if not s.drafts:
        return 0.0
    model, shards, checkpoint = s.model, s.shards, s.checkpoint
    expert = model.expert_bytes(checkpoint.mtp_experts, shards.experts)
    fixed = (
        model.mtp_bytes(checkpoint, shards) - model.held_experts(shards) * expert + model.embedding_bytes(shards.head)
    )
    each = fixed + touched(model, requests) / shards.ep * expert + _local(s, requests) * _cache_read(s, 1, 0, context)
    keys = _local(s, requests) * _cache_read(s, 0, 1, context)
    return (s.drafts * each + keys) / s.bandwidth


def decode_rate(s: Subject, requests: float, context: int) -> float:
    """The most output tokens a second of ``requests`` requests that run at a time, all replicas together.

    With several pipeline stages the requests are split over as many groups as serve them best: one request passes
    the stages one after another, many keep all of them busy. One request runs on one replica.
    """
    mine = requests / min(s.layout.replicas, max(1.0, requests))
    groups = range(1, max(1, min(len(s.stages), int(mine))) + 1)
    return max(requests * s.acceptance / _round(s, mine, context, n) for n in groups)


def _round(s: Subject, requests: float, context: int, groups: int) -> float:
    """Seconds in which every request makes one step."""
    each = requests / groups
    step = Step(each, each * (s.drafts + 1), context)
    times = [stage_seconds(s, first, end, step) for first, end in s.stages]
    times[-1] += draft_seconds(s, each, context)
    return max(sum(times), groups * max(times))


def prefill_rate(s: Subject, prompt: int) -> float:
    """The most prompt tokens a second, in chunks that keep all stages busy; the mean token has seen half the prompt."""
    tokens = s.chunk * s.layout.dp
    step = Step(1, tokens, prompt // 2)
    times = [stage_seconds(s, first, end, step, head=False) for first, end in s.stages]
    return s.layout.replicas * tokens / (max(times) if s.pipelined else sum(times))


def operations_per_token(s: Subject, context: int) -> float:
    """Floating-point operations of one token with ``context`` tokens before it, head included, over all GPUs."""
    whole = replace(s, layout=Layout(1, partition=(s.model.layers,)), shards=Shards.tensor(1))
    return sum(2 * terms for terms, _ in _operations(whole, 0, s.model.layers, Step(1, 1, context), head=True))
