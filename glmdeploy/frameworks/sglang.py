"""SGLang: what it refuses, how it divides a GPU, and the processes that it runs as."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.version import Version

from glmdeploy.frameworks.common import (
    BF16_ROW,
    BLACKWELL,
    FP8_DS_MLA_ROW,
    FP8_ROW,
    INDEX_ROW,
    KV_PAGE,
    Adapter,
    fuses_shared_experts_whole,
    recipe_for,
)
from glmdeploy.frameworks.sglang_shapes import no_cp, no_dcp, wide
from glmdeploy.layout import Shards
from glmdeploy.memory import (
    INDEXER_LOGITS,
    absorbed_copies,
    activation_bytes,
    before_loading,
    kv_per_token,
    rope_cache,
    weigher,
)
from glmdeploy.models import FP8_BLOCK
from glmdeploy.plan import KVFormat, Mtp, Refusal, StageNeed, Term
from glmdeploy.units import GIB, MIB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glmdeploy.flags import Recipe
    from glmdeploy.layout import Layout
    from glmdeploy.plan import MemoryBudget, Settings
    from glmdeploy.spec import Spec

_PP_FIXED = Version("0.5.14")  # the top-k hand-off between stages: sgl-project/sglang#28532, #28785
_ELIDED = Version("0.5.18")  # `_should_elide_dsa_index_k` is in this wheel and not in 0.5.17
_STEPS = {"low-latency": 5, "balanced": 1, "high-throughput": 1}  # cookbook cells: 5-1-6 and 1-1-2
_NVFP4_BALANCED = 2  # 2-1-3
_MTP_RUNNING = 48  # "enabling spec caps max-running-requests near 48 unless set": cookbook comments
_WIDE_RUNNING = 256  # every FP8 cell with attention data parallel sets it
_WIDE_FRACTION = 0.85  # every FP8 cell with attention data parallel
_WIDE_CHUNK = 32768  # the balanced cells with attention data parallel
_SHARE = 1024  # tokens of one attention group: 8,192 over 8 in the H200 cell
_CHUNKS = ((20, 2048), (60, 4096), (160, 8192))  # GiB of GPU memory below which, and tokens
_MAX_GRAPH_BATCH = 512
_MEMORY_HOOK = "sglang 0.5.23 arg_groups/memory_hook.py"
_MLA_WIDTHS = "sglang 0.5.23 mem_cache/kv_cache_configurator.py calculate_mla_kv_cache_dim"


class SGLang(Adapter):
    """SGLang's legality and memory."""

    dimensions = ("attn_dp", "cp", "dcp")

    def shapes(self, spec: Spec, tp: int, pp: int) -> Sequence[Layout]:
        """What the request names; else attention data parallel where the strategy's recipes run it, then without."""
        request = spec.request
        asked = super().shapes(spec, tp, pp)[0]
        if request.attn_dp or request.cp or request.dcp or request.dp:
            return (self.completed(spec, asked),)
        recipe = recipe_for(spec)
        if recipe and recipe.ep == tp > 1 and pp == 1 and request.ep is None:
            asked = replace(asked, ep=tp)  # MXFP4, high throughput
        if not wide(spec, tp, pp):
            return (self.completed(spec, asked),)
        return self.completed(spec, replace(asked, attn_dp=tp)), self.completed(spec, asked)

    @staticmethod
    def completed(spec: Spec, shape: Layout) -> Layout:
        """The shape with what attention data parallel brings along in the recipes.

        FP8 experts go over DeepEP, which makes the expert parallel size the tensor parallel size (0.5.23
        arg_groups/overrides.py:1611); redundant experts and undivided dense layers make odd sizes legal.
        """
        if shape.attn_dp == 1 or spec.checkpoint.id != "fp8" or spec.cluster.gpu.vendor != "nvidia":
            return shape
        blocks = spec.model.dense_intermediate % (shape.tp * FP8_BLOCK)
        spare = -spec.model.experts % shape.tp
        return replace(shape, a2a="deepep", ep=shape.tp, spare=spare, dense_tp=1 if blocks else 0)

    def shards(self, spec: Spec, layout: Layout) -> Shards:
        """Attention by its own width, experts by expert parallelism, shared experts whole beside DeepEP.

        0.5.23 models/deepseek_v2.py, layers/vocab_parallel_embedding.py; equal to the bytes of the real classes.
        """
        return Shards(
            attention=layout.attention_tp,
            dense=layout.dense_tp or layout.tp,
            shared=1 if layout.a2a or fuses_shared_experts_whole(spec, layout) else layout.tp,
            experts=layout.tp // layout.ep,
            embedding=layout.attention_tp if layout.attn_dp > 1 else layout.tp,
            head=layout.tp,
            ep=layout.ep,
            spare=layout.spare,
        )

    def refuse(self, spec: Spec, layout: Layout) -> Refusal | None:
        """Pipeline stages need the version that hands the top-k over; context parallel its kernels."""
        if layout.pp > 1 and spec.version < _PP_FIXED:
            return Refusal(
                "GLM304",
                f"pipeline stages of GLM-5.2 need SGLang {_PP_FIXED} or newer: {spec.version} hands no top-k between stages",
            )
        chunk = spec.request.prefill_chunk or 0
        if chunk % (layout.attn_dp * KV_PAGE):
            return Refusal(
                "GLM332",
                f"a prefill chunk of {chunk:,} tokens over {layout.attn_dp} attention groups is not a whole number of KV pages of {KV_PAGE}",
            )
        if layout.cp > 1 and (why := no_cp(spec, layout)):
            return Refusal("GLM333", why)
        if layout.dcp > 1 and (why := no_dcp(spec, layout)):
            return Refusal("GLM333", why)
        return super().refuse(spec, layout)

    def kv(self, spec: Spec) -> KVFormat:
        """BF16 on Hopper, FP8 on Blackwell; FP8 rows are scaled on Hopper and plain elsewhere."""
        compute, wanted = spec.cluster.gpu.compute, spec.request.kv_cache_dtype
        indexed = spec.version < _ELIDED
        fp8 = wanted == "fp8" or (
            wanted == "auto" and (compute in BLACKWELL or compute == "sm120" or spec.checkpoint.id == "mxfp4")
        )
        if not fp8:
            return KVFormat("bfloat16", "bf16", BF16_ROW, INDEX_ROW, indexed, _MLA_WIDTHS)
        row = FP8_DS_MLA_ROW if compute in {"sm90", "sm120"} else FP8_ROW
        return KVFormat("fp8_e4m3", "fp8", row, INDEX_ROW, indexed, _MLA_WIDTHS)

    def mtp(self, spec: Spec, layout: Layout) -> Mtp:
        """EAGLE with the model's own draft layer, on one pipeline stage."""
        if layout.pp > 1:
            reason = (
                f"SGLang refuses speculative decoding with {layout.pp} pipeline stages outside disaggregated prefill"
            )
            return Mtp(enabled=False, draft_tokens=0, reason=reason, refused=True)
        recipe = recipe_for(spec)
        if reason := self.no_mtp(spec, layout, recipe):
            return Mtp(enabled=False, draft_tokens=0, reason=reason)
        own = _NVFP4_BALANCED if (spec.checkpoint.id, spec.request.strategy) == ("nvfp4", "balanced") else 0
        steps = (recipe.mtp_steps if recipe else 0) or own or _STEPS[spec.request.strategy]
        reason = f"EAGLE with the model's MTP layer, {steps} {'step' if steps == 1 else 'steps'}"
        return Mtp(enabled=True, draft_tokens=steps + 1, reason=reason, steps=steps)

    @staticmethod
    def no_mtp(spec: Spec, layout: Layout, recipe: Recipe | None) -> str:
        """Why it is off: the profile, else the recipe or what the recipes do for such hardware."""
        if spec.request.mtp is not None:
            return "" if spec.request.mtp else "switched off by the profile"
        if layout.dcp > 1:
            return "no public run has it together with decode context parallel"
        if recipe:
            return "" if recipe.mtp_steps else "the cookbook's cell for this hardware runs without it"
        if spec.request.strategy == "high-throughput":
            return "the cookbook's high-throughput cells run without it"
        amd = spec.cluster.gpu.vendor == "amd" and spec.checkpoint.id != "mxfp4"
        return "the cookbook's AMD cells run this checkpoint without it" if amd else ""

    def default_chunk(self, spec: Spec, layout: Layout) -> int:
        """`--chunked-prefill-size` by GPU memory, MiB (memory_hook.py); more where attention groups divide it.

        The cells with attention data parallel run 32,768 where prefill matters (balanced), and leave the default where
        decode does; each group gets an equal share, which stays a whole number of KV pages.
        """
        mib = spec.cluster.gpu.memory_mib
        chunk = next((size for limit, size in _CHUNKS if mib < limit * 1024), 16384)
        if layout.attn_dp == 1:
            return chunk
        chunk = _WIDE_CHUNK if spec.request.strategy == "balanced" else chunk
        unit = layout.attn_dp * KV_PAGE
        return -(-max(chunk, _SHARE * layout.attn_dp) // unit) * unit

    def smaller_chunks(self, layout: Layout) -> Sequence[int]:
        """As elsewhere; of a chunk that attention groups divide, shares of 512 and 256 tokens."""
        if layout.attn_dp == 1:
            return super().smaller_chunks(layout)
        return tuple(share * layout.attn_dp for share in (_SHARE // 2, _SHARE // 4))

    def default_running(self, spec: Spec, layout: Layout, mtp: Mtp) -> int:
        """The largest decode batch that graphs are captured for, by GPU memory (memory_hook.py)."""
        if layout.attn_dp > 1:
            return max(_WIDE_RUNNING, 8 * layout.attn_dp)
        if mtp.enabled:
            return _MTP_RUNNING
        mib = spec.cluster.gpu.memory_mib
        if mib < 60 * 1024:
            return 32 if layout.tp < 4 else 160  # noqa: PLR2004
        if mib < 160 * 1024:
            return 256 if layout.tp < 4 else 512  # noqa: PLR2004
        return 512

    def fewest_running(self, layout: Layout) -> int:
        """As elsewhere, and some for every attention group."""
        return max(super().fewest_running(layout), 4 * layout.attn_dp if layout.attn_dp > 1 else 0)

    def default_fraction(self, spec: Spec, layout: Layout, settings: Settings) -> float:
        """The engine's own heuristic: (memory - reserve) / memory, MiB (memory_hook.py).

        With attention data parallel it reserves for graphs that are never captured, and the cells set a fraction.
        """
        if layout.attn_dp > 1:
            return _WIDE_FRACTION
        total = spec.cluster.gpu.memory_mib
        reserve = (
            512
            + 1.5 * max(settings.prefill_chunk, 2048)
            + layout.world / 8 * 1024
            + self.graphs(layout, settings) / MIB
        )
        if total > 60 * 1024:
            reserve = max(reserve, 10 * 1024)
        return round((total - reserve) / total, 3)

    @staticmethod
    def graphs(layout: Layout, settings: Settings) -> int:
        """Bytes of CUDA graphs: 2 MiB a decode sequence, 1.5 GiB for prefill; none of those with stages.

        Attention data parallel pads each sequence by 3 MiB a group; a group captures no more than its own share of the
        running requests (0.5.23 model_executor: the request pool's size).
        """
        batch = (settings.recipe.graph_batch if settings.recipe else 0) or min(settings.max_running, _MAX_GRAPH_BATCH)
        batch = -(-batch // layout.attn_dp)
        prefill = int(1.5 * GIB) if layout.pp == 1 else 0
        padded = 3 * layout.attn_dp if layout.attn_dp > 1 else 0
        return batch * (2 + padded) * MIB + prefill

    @staticmethod
    def a2a_buffers(layout: Layout) -> int:
        """Bytes of DeepEP's buffers, with those that its prefill graphs touch (memory_hook.py)."""
        return 3 * GIB if layout.a2a == "deepep" else 0

    def needs(self, spec: Spec, layout: Layout, settings: Settings) -> tuple[StageNeed, ...]:
        """Weights, copies made after loading, rotary cache; context, communicators and graphs beside them."""
        model = spec.model
        weights = weigher(model, spec.checkpoint, self.shards(spec, layout))
        activations = (
            Term(
                "prefill working set",
                activation_bytes(model, layout, settings.prefill_chunk),
                "tensor shapes, [est]",
            ),
            Term(
                "indexer logits",
                INDEXER_LOGITS,
                "sglang 0.5.23 layers/attention/mqa_logits_utils.py: sliced to what is free",
            ),
        )
        outside = [Term("CUDA graphs", self.graphs(layout, settings), f"{_MEMORY_HOOK} reserve_for_graph_mb, [est]")]
        if layout.a2a:
            outside.append(
                Term("DeepEP buffers", self.a2a_buffers(layout), f"{_MEMORY_HOOK} reserve_for_deepep_a2a_mb, [est]")
            )
        before = before_loading(layout.world)
        found = []
        for first, end in layout.stages:
            mtp = settings.mtp.enabled and end == model.layers
            copies = absorbed_copies(model, end - first + mtp, layout.attention_tp)
            resident = (
                Term(
                    "BF16 copies of the absorbed MLA projections",
                    copies,
                    "sglang 0.5.23 w_kc, w_vc: contiguous copies",
                ),
                Term(
                    "rotary cache, FP32",
                    rope_cache(model, 4),
                    "sglang 0.5.23: 1,048,576 positions, one a process",
                ),
            )
            size = weights.stage(first, end, mtp=mtp, shared_embedding=True)
            rows = kv_per_token(model, settings.kv, first, end, mtp=mtp, dcp=layout.dcp, index_dcp=1)
            found.append(StageNeed(first, end, size, before, resident, tuple(outside), activations, rows))
        return tuple(found)

    def budget(self, spec: Spec, needs: Sequence[StageNeed], settings: Settings) -> MemoryBudget:
        """A fraction of what is free before loading."""
        return self.static_budget(spec, needs, settings)
