"""vLLM: what it refuses, how it divides a GPU, and the processes that it runs as."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.version import Version

from glmdeploy import verdict
from glmdeploy.frameworks.common import (
    BF16_ROW,
    BLACKWELL,
    FP8_DS_MLA_ROW,
    FP8_ROW,
    INDEX_ROW,
    KV_PAGE,
    NVFP4_ROW,
    Adapter,
    fuses_shared_experts_whole,
    utilised_budget,
)
from glmdeploy.layout import Shards
from glmdeploy.memory import (
    GRAPHS_DEFAULT,
    GRAPHS_SMALL,
    INDEXER_LOGITS,
    absorbed_copies,
    activation_bytes,
    communicators,
    kv_per_token,
    logits_bytes,
    rope_cache,
    weigher,
)
from glmdeploy.plan import KVFormat, Mtp, Refusal, StageNeed, Term
from glmdeploy.units import MIB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glmdeploy.layout import Layout
    from glmdeploy.plan import MemoryBudget, Settings
    from glmdeploy.spec import Spec

DEFAULT_UTILISATION = 0.92  # vllm 0.23.0 and 0.33.0 --gpu-memory-utilization
BATCHED_TOKENS = 8192  # --max-num-batched-tokens of a server on Hopper and later
MAX_SEQS = 1024  # --max-num-seqs of a server on GPUs of 70 GiB and more
MTP_TOKENS = 5  # vllm-project/recipes@8959cf6 models/zai-org/GLM-5.2.yaml
_MTP_PIPELINE = Version("0.30.0")  # draft pipeline size fixed at 1 from here on
_DCP_BLACKWELL, _DCP_HOPPER = Version("0.25.0"), Version("0.30.0")
_NVFP4_KV = Version("0.33.0")
_SMALL_WORKSPACE = Version("0.33.0")  # attention_config.sparse_mla_prefill_workspace_factor
_ALLOCATOR = 80 * MIB  # caching allocator rounding, simulated at TP8 FP8: fused_qkv_a sits in 16 MiB blocks
_PADDED = "vllm 0.33.0 reserves the same in its workspace: batched x 64 x 1088 x 2 bytes"
_LAYOUTS = "vllm 0.33.0 model_executor/layers/attention/mla_attention.py get_kv_cache_spec"


class VLLM(Adapter):
    """vLLM's legality and memory."""

    fraction_cap = verdict.VLLM_FRACTION_CAP
    context_steps: Sequence[int] = (256 * 1024,)  # above it, 0.33 and later take a smaller workspace factor

    def starts(self, spec: Spec) -> frozenset[int]:
        """Layers with an indexer of their own: vLLM hands no top-k to the next stage, and does not check."""
        return spec.model.full_indexer_layers

    dimensions = ("dp", "dcp")

    def shapes(self, spec: Spec, tp: int, pp: int) -> Sequence[Layout]:
        """Experts whole on one GPU each where the recipe's strategy says so; else cut by tensor parallelism.

        The recipe's cells are `single_node_tp` and `single_node_tep`, with and without MTP: low latency is the first
        with it, balanced the second with it, high throughput the second without. Its NVFP4 guide is always the second.
        """
        asked = super().shapes(spec, tp, pp)[0]
        group = tp * asked.dp
        whole = spec.checkpoint.id == "nvfp4" or spec.request.strategy != "low-latency" or asked.dp > 1
        if spec.request.ep is None and whole and group > 1 and spec.checkpoint.id != "w4afp8":
            return (replace(asked, ep=group),)
        return (asked,)

    def shards(self, spec: Spec, layout: Layout) -> Shards:
        """Attention, dense layers and shared experts by tensor parallelism; experts over data-parallel ranks as well."""
        group = layout.tp * layout.dp
        shared = 1 if fuses_shared_experts_whole(spec, layout) else layout.tp
        return replace(Shards.tensor(layout.tp), shared=shared, experts=group // layout.ep, ep=layout.ep)

    def refuse(self, spec: Spec, layout: Layout) -> Refusal | None:
        """Decode context parallel needs kernels that return what it sums."""
        if layout.dcp > 1 and (why := _no_dcp(spec)):
            return Refusal("GLM333", why)
        return super().refuse(spec, layout)

    def kv(self, spec: Spec) -> KVFormat:
        """FP8 everywhere but on H20. On Hopper `fp8` means scaled rows, `fp8_e4m3` another backend with plain rows."""
        gpu, wanted = spec.cluster.gpu, spec.request.kv_cache_dtype
        if wanted == "nvfp4":
            return KVFormat("nvfp4_ds_mla", "nvfp4", NVFP4_ROW, INDEX_ROW, all_layers_indexed=False, source=_LAYOUTS)
        if wanted == "bf16" or (wanted == "auto" and gpu.id.startswith("h20-")):
            return KVFormat("bfloat16", "bf16", BF16_ROW, INDEX_ROW, all_layers_indexed=False, source=_LAYOUTS)
        if gpu.compute in {"sm90", "sm120"}:
            return KVFormat("fp8", "fp8", FP8_DS_MLA_ROW, INDEX_ROW, all_layers_indexed=False, source=_LAYOUTS)
        return KVFormat("fp8_e4m3", "fp8", FP8_ROW, INDEX_ROW, all_layers_indexed=False, source=_LAYOUTS)

    def mtp(self, spec: Spec, layout: Layout) -> Mtp:
        """The model's own draft layer; with stages refused before 0.30 and doubtful from there on."""
        wanted = spec.request.mtp
        if wanted is False:
            return Mtp(enabled=False, draft_tokens=0, reason="switched off by the profile")
        if wanted is None and spec.request.strategy == "high-throughput":
            return Mtp(enabled=False, draft_tokens=0, reason="drafts cost throughput when the GPUs are busy")
        if wanted is None and layout.dcp > 1:
            return Mtp(
                enabled=False, draft_tokens=0, reason="no public run has it together with decode context parallel"
            )
        if layout.pp > 1 and spec.version < _MTP_PIPELINE:
            reason = (
                f"vLLM {spec.version} refuses it with pipeline stages; {_MTP_PIPELINE} is the first that accepts it"
            )
            return Mtp(enabled=False, draft_tokens=0, reason=reason, refused=True)
        if layout.pp > 1 and wanted is None:
            reason = f"with {layout.pp} pipeline stages vLLM has open correctness reports (vllm#49355, #44697)"
            return Mtp(enabled=False, draft_tokens=0, reason=reason)
        reason = f"the model's MTP layer, {MTP_TOKENS} tokens a step"
        return Mtp(enabled=True, draft_tokens=MTP_TOKENS, reason=reason, steps=MTP_TOKENS, doubtful=layout.pp > 1)

    def default_chunk(self, spec: Spec, layout: Layout) -> int:
        """`--max-num-batched-tokens` of a server; it is never below `--max-num-seqs`."""
        del layout
        return max(BATCHED_TOKENS, -(-(spec.request.concurrency or 0) // KV_PAGE) * KV_PAGE)

    def default_running(self, spec: Spec, layout: Layout, mtp: Mtp) -> int:
        """`--max-num-seqs` of a server."""
        del spec, layout, mtp
        return MAX_SEQS

    def default_fraction(self, spec: Spec, layout: Layout, settings: Settings) -> float:
        """`--gpu-memory-utilization`."""
        del spec, layout, settings
        return DEFAULT_UTILISATION

    def needs(self, spec: Spec, layout: Layout, settings: Settings) -> tuple[StageNeed, ...]:
        """Weights, copies and workspaces made at load; communicators, graphs and the profiled peak beside them."""
        model, chunk = spec.model, settings.prefill_chunk
        weights = weigher(model, spec.checkpoint, self.shards(spec, layout))
        graphs = GRAPHS_SMALL if settings.max_running <= verdict.TIGHT_RUNNING else GRAPHS_DEFAULT
        outside: tuple[Term, ...] = (Term("CUDA graphs", graphs, "vLLM's own `1~3 GiB`; profiled from 0.21 on, [est]"),)
        if layout.world > 1:
            outside = (communicators(layout.world), *outside)
        found = []
        for first, end in layout.stages:
            last = end == model.layers
            mtp = settings.mtp.enabled and last
            activations = [
                Term("prefill working set", activation_bytes(model, layout, chunk), "tensor shapes, [est]"),
                Term(
                    "indexer logits",
                    INDEXER_LOGITS,
                    "VLLM_SPARSE_INDEXER_MAX_LOGITS_MB, reserved in the profile run",
                ),
            ]
            if spec.cluster.gpu.compute == "sm90" and spec.version < _SMALL_WORKSPACE:
                activations.append(Term("attention padded to 64 heads", padded_attention(spec, chunk), _PADDED))
            if last:
                activations.append(
                    Term(
                        "sampler logits",
                        logits_bytes(model, settings.max_running),
                        "vocabulary x sequences, BF16 and FP32",
                    )
                )
            size = weights.stage(first, end, mtp=mtp, shared_embedding=layout.pp == 1)
            rows = kv_per_token(model, settings.kv, first, end, mtp=mtp, dcp=layout.dcp)
            resident = self.resident(spec, layout, settings, end - first + mtp)
            found.append(StageNeed(first, end, size, (), resident, outside, tuple(activations), rows))
        return tuple(found)

    def resident(self, spec: Spec, layout: Layout, settings: Settings, layers: int) -> tuple[Term, ...]:
        """What model loading leaves besides parameters; counted in vLLM's `Model loading took`."""
        model, chunk = spec.model, settings.prefill_chunk
        # BF16 and NVFP4 attention: views of the loaded weight, nothing extra
        copies = absorbed_copies(model, layers, layout.tp) if spec.checkpoint.linear == "fp8_block" else 0
        return (
            Term(
                "BF16 copies of the absorbed MLA projections",
                copies,
                "vllm 0.28.0-0.33.0 W_UK_T, W_UV; FP8 checkpoints only",
            ),
            Term(
                "rotary cache, BF16",
                rope_cache(model, 2),
                "vllm 0.28.0-0.33.0: 1,048,576 positions, one a process",
            ),
            Term("top-k buffer", chunk * model.index_topk * 4, "vllm 0.28.0-0.33.0 topk_indices_buffer"),
            Term(
                "sparse-attention workspace",
                self.workspace(spec, layout, settings),
                "vllm flashmla_sparse.py and indexer.py: grows with the context",
            ),
            Term("allocator rounding", _ALLOCATOR, "simulated caching allocator at TP8 FP8"),
        )

    @staticmethod
    def workspace(spec: Spec, layout: Layout, settings: Settings) -> int:
        """One shared buffer: FlashMLA's gathered context (Hopper) or the indexer's gathered keys, the larger.

        Both are multiples of the context that the server is asked for, not of what a request uses.
        """
        context, chunk, heads = settings.context, settings.prefill_chunk, spec.model.heads // layout.tp
        new = spec.version >= _SMALL_WORKSPACE
        factor = 5 if not new or context <= 256 * 1024 else 2
        indexer = (8 * factor if new else 40) * context * INDEX_ROW
        if spec.cluster.gpu.compute != "sm90":
            return indexer
        padded = -(-heads // 64) * 64
        if settings.kv.row == BF16_ROW:
            return max(indexer, chunk * padded * 576 * 2)
        query = chunk * 2 * (heads * 576 + padded * 1088 + heads * 512) if new else chunk * heads * 576 * 2
        return max(indexer, factor * context * BF16_ROW + query)

    def budget(self, spec: Spec, needs: Sequence[StageNeed], settings: Settings) -> MemoryBudget:
        """A fraction of the whole GPU."""
        return utilised_budget(spec, needs, settings)


def _no_dcp(spec: Spec) -> str:
    """Why decode context parallel cannot be: which sparse backends have it since when (v1/attention/backends/mla)."""
    gpu = spec.cluster.gpu
    if gpu.vendor != "nvidia":
        return "vLLM's sparse attention on AMD GPUs has no decode context parallel"
    first = _DCP_BLACKWELL if gpu.compute in BLACKWELL else _DCP_HOPPER
    if spec.version < first:
        return f"vLLM {spec.version} has no decode context parallel for sparse attention on {gpu.name}; {first} is the first"
    if gpu.compute not in BLACKWELL and spec.request.kv_cache_dtype == "bf16":
        return "decode context parallel on Hopper needs an FP8 KV cache (vllm 0.31.0 flashmla_sparse.py:748)"
    return ""


def padded_attention(spec: Spec, chunk: int) -> int:
    """Query and output of FlashMLA's sparse prefill, which pads the heads to 64 on every rank.

    From 0.33 on they are part of the workspace; before, of the activations.
    """
    return chunk * 64 * (spec.model.latent + spec.model.kv_lora) * 2


def kv_refusal(spec: Spec) -> str:
    """Why the KV cache type that was asked for cannot be, or an empty string."""
    if spec.request.kv_cache_dtype == "nvfp4":
        if spec.version < _NVFP4_KV:
            return f"vLLM {spec.version} has no nvfp4 KV cache for sparse MLA; {_NVFP4_KV} is the first"
        if spec.cluster.gpu.compute not in BLACKWELL:
            return f"the nvfp4 KV cache needs B200, B300, GB200 or GB300, and this is {spec.cluster.gpu.name}"
    return ""
