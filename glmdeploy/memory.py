"""The arithmetic of memory: pure functions, every constant with its source. All sizes are bytes.

No constant is fitted to a measured total. What a framework does with these numbers is in frameworks/.
"""

from __future__ import annotations

from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING

from glmdeploy.plan import Term
from glmdeploy.units import GIB, MIB

if TYPE_CHECKING:
    from glmdeploy.layout import Layout
    from glmdeploy.models import Checkpoint, Model
    from glmdeploy.plan import KVFormat
    from glmdeploy.spec import Spec

# CUDA context of one process: `Load weight begin. avail mem` of 78.43 and 78.48 GiB on H100-80GB with
# one rank (sglang logs of 2026-02-04 and 2026-08-27), of the driver's 79.65 GiB; older logs: 78.81 GiB.
DEVICE_CONTEXT = int(1.2 * GIB)
# Communicators: SGLang's own allowance for large groups, world / 8 GiB (0.5.23 arg_groups/memory_hook.py).
# Logs agree from below: 138.09 of 140.40 GiB left on H200 with 16 ranks, 78.77 of 79.65 on H100 with two.
COMMUNICATORS_PER_RANK = GIB // 8
# `CUDA graphs can take additional 1~3 GiB memory per GPU` is what vLLM itself says; 0.96 and 0.31 GiB were
# seen for small batches. The top of the range at the default batch, the low end at 32 sequences.
GRAPHS_DEFAULT = 3 * GIB
GRAPHS_SMALL = 1 * GIB
# VLLM_SPARSE_INDEXER_MAX_LOGITS_MB defaults to 512 (vllm 0.31.0 and 0.33.0 envs.py); SGLang slices the
# same matrix to what is free (0.5.23 layers/attention/mqa_logits_utils.py).
INDEXER_LOGITS = 512 * MIB


def before_loading(world: int) -> tuple[Term, ...]:
    """What one GPU of ``world`` has lost before the weights load."""
    context = Term("CUDA context", DEVICE_CONTEXT, "SGLang logs on H100-80GB, [est]")
    if world == 1:
        return (context,)
    return context, communicators(world)


def communicators(world: int) -> Term:
    """NCCL and custom all-reduce buffers of a group of ``world`` GPUs."""
    return Term("communicators", world * COMMUNICATORS_PER_RANK, "sglang 0.5.23 memory_hook.py: world / 8 GiB, [est]")


def activation_bytes(model: Model, tp: int, chunk: int) -> int:
    """Peak working set of one prefill step of ``chunk`` tokens on one rank: from the tensor shapes, [est].

    Five hidden-size buffers (residual, input, normed, attention and MoE output), the query in its three
    forms and the attention output for ``heads / tp`` heads, gate-up and down of the routed experts, their
    unreduced output, the compressed projections and the indexer's query. BF16.
    """
    heads = model.heads // tp
    hidden = 5 * model.hidden
    attention = heads * (model.qk_nope + model.qk_rope + model.latent + model.kv_lora + model.v_head)
    routed = model.experts_per_token * (3 * model.expert_intermediate // tp + model.hidden)
    small = model.q_lora + model.latent + model.index_heads * model.index_head
    return chunk * 2 * (hidden + attention + routed + small)


def logits_bytes(model: Model, rows: int) -> int:
    """Logits of ``rows`` sequences: BF16 and the FP32 copy that the sampler works on."""
    return rows * model.vocab * 6


def absorbed_copies(model: Model, layers: int, tp: int) -> int:
    """BF16 copies of the absorbed key and value up-projections of ``layers`` layers on one rank."""
    return layers * (model.heads // tp) * model.kv_lora * (model.qk_nope + model.v_head) * 2


def rope_cache(model: Model, element: int) -> int:
    """Rotary cache for every position of the model, ``element`` bytes a value, independent of the context."""
    return model.max_context * model.qk_rope * element


def kv_per_token(model: Model, kv: KVFormat, first: int, end: int, *, mtp: bool) -> int:
    """KV bytes of one token for layers ``first`` to ``end``, the MTP layer on the last stage when on.

    MLA keeps one latent row for all heads, so every tensor-parallel rank holds all of it.
    """
    layers = range(first, end)
    indexed = len(layers) if kv.all_layers_indexed else sum(i in model.full_indexer_layers for i in layers)
    size = len(layers) * kv.row + indexed * kv.index
    return size + (kv.row + kv.index if mtp and end == model.layers else 0)


class Weigher:
    """Weight bytes of any run of layers on one tensor-parallel rank, in constant time."""

    def __init__(self, model: Model, checkpoint: Checkpoint, tp: int) -> None:
        self.model = model
        self.checkpoint = checkpoint
        self.tp = tp
        self.embedding = model.embedding_bytes(tp)
        self.mtp = model.mtp_bytes(checkpoint, tp)
        self._sums = tuple(accumulate((model.layer_bytes(checkpoint, i, tp) for i in range(model.layers)), initial=0))

    def stage(self, first: int, end: int, *, mtp: bool, shared_embedding: bool) -> int:
        """Layers ``first`` to ``end``; embedding on the first stage, norm and head on the last.

        With MTP, the draft layer is on the last stage; it shares embedding and head there, or keeps an
        embedding of its own when ``shared_embedding`` is false.
        """
        size = self._sums[end] - self._sums[first]
        if first == 0:
            size += self.embedding
        if end == self.model.layers:
            size += self.embedding + self.model.norm_bytes()
            if mtp:
                size += self.mtp + (0 if shared_embedding else self.embedding)
        return size


@cache
def weigher(model: Model, checkpoint: Checkpoint, tp: int) -> Weigher:
    """The weigher of a model, checkpoint and size; made once a process."""
    return Weigher(model, checkpoint, tp)


def whole_shared_experts(spec: Spec, layout: Layout, first: int, end: int, *, mtp: bool) -> int:
    """Bytes that fused shared experts take beyond their share of the tensor-parallel group.

    On AMD both engines fuse them into the routed experts under expert parallelism too, where they have the
    same format: every rank then holds them whole. Seen in their classes, built on the meta device 2026-11-24:
    sglang 0.5.23 models/glm4_moe.py and deepseek_v2.py:696, vllm 0.33.0 with
    VLLM_ROCM_USE_AITER_FUSION_SHARED_EXPERTS=1, which the adapter sets.
    """
    model, checkpoint = spec.model, spec.checkpoint
    if layout.ep == 1 or spec.cluster.gpu.vendor != "amd" or checkpoint.linear != checkpoint.experts:
        return 0
    layers = end - max(first, model.dense_layers) + mtp
    beyond = model.expert_bytes(checkpoint.experts, 1) - model.expert_bytes(checkpoint.experts, layout.tp)
    return layers * model.shared_experts * beyond
