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
    from glmdeploy.layout import Layout, Shards
    from glmdeploy.models import Checkpoint, Model
    from glmdeploy.plan import KVFormat

# CUDA context of one process: `Load weight begin. avail mem` of 78.43 and 78.48 GiB on H100-80GB with
# one rank (sglang logs of 2026-02-04 and 2026-08-27), of the driver's 79.65 GiB; older logs: 78.81 GiB.
DEVICE_CONTEXT = int(1.2 * GIB)
# Communicators: SGLang's own allowance for large groups, world / 8 GiB (0.5.23 arg_groups/memory_hook.py).
# Logs agree from below: 138.09 of 140.40 GiB left on H200 with 16 ranks, 78.77 of 79.65 on H100 with two.
COMMUNICATORS_PER_RANK = GIB // 8
COMMUNICATORS = 2 * GIB  # no log of a larger group than 16 was found, and buffers go by peers that are talked to
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
    size = min(world * COMMUNICATORS_PER_RANK, COMMUNICATORS)
    return Term("communicators", size, "sglang 0.5.23 memory_hook.py: world / 8 GiB up to 16 ranks, [est]")


def activation_bytes(model: Model, layout: Layout, chunk: int) -> int:
    """Peak working set of one prefill step of ``chunk`` tokens on one GPU: from the tensor shapes, [est].

    Five hidden-size buffers (residual, input, normed, attention and MoE output), the query in its three forms and the
    attention output for this GPU's heads, gate-up and down of the routed experts, their unreduced output, the
    compressed projections and the indexer's query. BF16. Attention sees its own share of the tokens, experts all of
    them; an all-to-all backend brings each expert only its own.
    """
    own = -(-chunk // (layout.attn_dp * layout.cp))
    heads = model.heads // layout.attention_tp
    attention = heads * (model.qk_nope + model.qk_rope + model.latent + model.kv_lora + model.v_head)
    small = model.q_lora + model.latent + model.index_heads * model.index_head
    width = model.expert_intermediate * layout.ep // (layout.tp * layout.dp)
    rows = (
        chunk * layout.dp * model.experts_per_token // layout.ep if layout.ep > 1 else chunk * model.experts_per_token
    )
    everyone = 2 * model.hidden * (chunk - own) if layout.attn_dp > 1 and not layout.a2a else 0
    return 2 * (own * (5 * model.hidden + attention + small) + rows * (3 * width + model.hidden) + everyone)


def logits_bytes(model: Model, rows: int) -> int:
    """Logits of ``rows`` sequences: BF16 and the FP32 copy that the sampler works on."""
    return rows * model.vocab * 6


def absorbed_copies(model: Model, layers: int, tp: int) -> int:
    """BF16 copies of the absorbed key and value up-projections of ``layers`` layers on one rank."""
    return layers * (model.heads // tp) * model.kv_lora * (model.qk_nope + model.v_head) * 2


def rope_cache(model: Model, element: int) -> int:
    """Rotary cache for every position of the model, ``element`` bytes a value, independent of the context."""
    return model.max_context * model.qk_rope * element


def kv_per_token(
    model: Model, kv: KVFormat, first: int, end: int, *, mtp: bool, dcp: int = 1, index_dcp: int | None = None
) -> int:
    """KV bytes of one token for layers ``first`` to ``end``, the MTP layer on the last stage when on.

    MLA keeps one latent row for all heads, so every tensor-parallel rank holds all of it, unless ``dcp`` GPUs share
    one request's rows; ``index_dcp`` is how many share the indexer's (default: as many).
    """
    layers = range(first, end)
    indexed = len(layers) if kv.all_layers_indexed else sum(i in model.full_indexer_layers for i in layers)
    draft = mtp and end == model.layers
    rows, keys = (len(layers) + draft) * kv.row, (indexed + draft) * kv.index
    return -(-rows // dcp) + -(-keys // (dcp if index_dcp is None else index_dcp))


class Weigher:
    """Weight bytes of any run of layers on one GPU, in constant time."""

    def __init__(self, model: Model, checkpoint: Checkpoint, shards: Shards) -> None:
        self.model = model
        self.checkpoint = checkpoint
        self.shards = shards
        self.embedding = model.embedding_bytes(shards.embedding)
        self.head = model.embedding_bytes(shards.head)
        self.mtp = model.mtp_bytes(checkpoint, shards)
        self._sums = tuple(
            accumulate((model.layer_bytes(checkpoint, i, shards) for i in range(model.layers)), initial=0)
        )

    def stage(self, first: int, end: int, *, mtp: bool, shared_embedding: bool) -> int:
        """Layers ``first`` to ``end``; embedding on the first stage, norm and head on the last.

        With MTP, the draft layer is on the last stage; it shares embedding and head there, or keeps an
        embedding of its own when ``shared_embedding`` is false.
        """
        size = self._sums[end] - self._sums[first]
        if first == 0:
            size += self.embedding
        if end == self.model.layers:
            size += self.head + self.model.norm_bytes()
            if mtp:
                size += self.mtp + (0 if shared_embedding else self.embedding)
        return size

    def parts(self, first: int, end: int, *, mtp: bool, shared_embedding: bool) -> dict[str, int]:
        """``stage`` by part, in the order of the model; parts of zero bytes are left out."""
        last = end == self.model.layers
        parts = {"token embedding": self.embedding if first == 0 else 0}
        for layer in range(first, end):
            for part, size in self.model.layer_parts(self.checkpoint, layer, self.shards).items():
                parts[part] = parts.get(part, 0) + size
        parts["scales"] = parts.pop("scales", 0)  # a sum over the layers: after all of their parts
        if last:
            parts["output head and last norm"] = self.head + self.model.norm_bytes()
        if last and mtp:
            parts["MTP layer, its scales included"] = self.mtp
            parts["embedding of the MTP layer"] = 0 if shared_embedding else self.embedding
        return {part: size for part, size in parts.items() if size}


@cache
def weigher(model: Model, checkpoint: Checkpoint, shards: Shards) -> Weigher:
    """The weigher of a model, checkpoint and sizes; made once a process."""
    return Weigher(model, checkpoint, shards)
