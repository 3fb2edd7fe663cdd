"""What the frameworks share: legality by divisibility, settings to try, and how memory is divided."""

# Over 300 lines: what every engine shares stands in one base class.

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING

from glmdeploy import verdict
from glmdeploy.layout import Layout, Shards
from glmdeploy.memory import absorbed_copies, weigher
from glmdeploy.plan import MemoryBudget, Mtp, Refusal, Settings, StageBudget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from glmdeploy.flags import Recipe
    from glmdeploy.plan import KVFormat, StageNeed
    from glmdeploy.spec import Spec

KV_PAGE = 64  # tokens; SGLang forces it on CUDA (0.5.23 model_overrides/deepseek_v2.py:156-175)
BF16_ROW = 576 * 2
FP8_ROW = 576
FP8_DS_MLA_ROW = 656  # 512 FP8 values, 4 FP32 scales, 64 BF16 rotary values
NVFP4_ROW = 352
INDEX_ROW = 132  # 128 FP8 values and one FP32 scale, whatever the KV cache's type
BLACKWELL = ("sm100", "sm103")


# What to use instead of a dimension that a framework lacks.
NOT_THERE = {
    "dp": "SGLang's is `attn_dp`, whole deployments are `replicas`",
    "attn_dp": "vLLM's is `dp`",
    "cp": "prefill context parallel is planned for SGLang only",
    "dcp": "decode context parallel is planned for SGLang and vLLM only",
}


class Adapter(ABC):
    """An `Engine` with what most frameworks share. Subclasses say what differs."""

    one_process = False
    dimensions: Sequence[str] = ()
    default_context = verdict.DEFAULT_CONTEXT
    context_steps: Sequence[int] = ()
    fraction_cap = verdict.SGLANG_FRACTION_CAP

    # --- legality -------------------------------------------------------------------------------

    def tensor_sizes(self, spec: Spec) -> Sequence[int]:
        """Powers of two up to the heads, and the divisors of the GPU count: what people try."""
        gpus = spec.cluster.gpus
        sizes = {2**i for i in range(7) if 2**i <= gpus}
        return sorted(sizes | {n for n in range(1, min(gpus, spec.model.heads) + 1) if gpus % n == 0})

    def stage_counts(self, spec: Spec, tp: int) -> Iterable[int]:
        """Every number of stages that the GPUs and layers allow."""
        return range(1, min(spec.cluster.gpus // tp, spec.model.layers) + 1)

    def shapes(self, spec: Spec, tp: int, pp: int) -> Sequence[Layout]:
        """One: what the request names, and experts that are cut by tensor parallelism."""
        request = spec.request
        return (
            Layout(
                tp,
                pp,
                request.ep or 1,
                dp=request.dp or 1,
                attn_dp=request.attn_dp or 1,
                cp=request.cp or 1,
                dcp=request.dcp or 1,
            ),
        )

    def shards(self, spec: Spec, layout: Layout) -> Shards:
        """Plain tensor parallelism."""
        del spec
        return Shards.tensor(layout.tp)

    def takes(self, dimensions: Sequence[str], spec: Spec, layout: Layout) -> Refusal | None:
        """Refuse any dimension beside tensor, pipeline and expert parallel that is not among ``dimensions``."""
        for name in ("dp", "attn_dp", "cp", "dcp"):
            if getattr(layout, name) > 1 and name not in dimensions:
                return Refusal("GLM318", f"{spec.framework.name} has no `{name}`: {NOT_THERE[name]}")
        return None

    def refuse(self, spec: Spec, layout: Layout) -> Refusal | None:
        """Hardware and checkpoint, divisibility of heads and experts, what the framework's version cannot do."""
        if refusal := not_here(spec) or self.takes(self.dimensions, spec, layout):
            return refusal
        model = spec.model
        if layout.tp % (layout.attn_dp * layout.cp) or layout.tp % layout.dcp:
            parts = " x ".join(str(n) for n in (layout.attn_dp, layout.cp, layout.dcp) if n > 1)
            return Refusal("GLM332", f"tensor parallel size {layout.tp} is not a multiple of {parts}")
        if model.heads % layout.attention_tp:
            legal = ", ".join(
                str(n) for n in range(1, model.heads + 1) if model.heads % n == 0 and n <= spec.checkpoint.max_tp
            )
            return Refusal(
                "GLM301",
                f"{model.heads} attention heads are not divisible by tensor parallel size {layout.attention_tp}; legal: {legal}",
            )
        if layout.pp > model.layers:
            return Refusal("GLM305", f"{layout.pp} pipeline stages, and there are {model.layers} layers")
        return self.refuse_experts(spec, layout)

    def refuse_experts(self, spec: Spec, layout: Layout) -> Refusal | None:
        """Whole experts to every group, and whole quantisation blocks to every GPU."""
        model, checkpoint, shards = spec.model, spec.checkpoint, self.shards(spec, layout)
        group = layout.tp * layout.dp
        if layout.ep not in {1, group}:
            return Refusal(
                "GLM306", f"expert parallel size {layout.ep} is neither 1 nor {group}, the GPUs that share the experts"
            )
        for ways in (shards.experts, shards.shared):
            if ways > checkpoint.max_tp or model.expert_intermediate % ways:
                return Refusal(
                    "GLM302",
                    f"an expert's width {model.expert_intermediate} / {ways} is not a whole number of `{checkpoint.id}` blocks; "
                    f"tensor parallel size is at most {checkpoint.max_tp}",
                )
        return None

    def starts(self, spec: Spec) -> frozenset[int]:
        """Any layer may start a stage."""
        return frozenset(range(spec.model.layers))

    def mtp(self, spec: Spec, layout: Layout) -> Mtp:
        """Off unless a framework says otherwise."""
        del layout
        reason = f"{spec.framework.name} has no multi-token prediction for this model"
        return Mtp(enabled=False, draft_tokens=0, reason=reason, refused=True)

    # --- settings -------------------------------------------------------------------------------

    @abstractmethod
    def default_chunk(self, spec: Spec, layout: Layout) -> int:
        """Tokens of one prefill step when nobody says otherwise."""

    @abstractmethod
    def default_running(self, spec: Spec, layout: Layout, mtp: Mtp) -> int:
        """Requests that run at a time when nobody says otherwise."""

    @abstractmethod
    def default_fraction(self, spec: Spec, layout: Layout, settings: Settings) -> float:
        """The memory fraction that the framework would choose by itself."""

    @staticmethod
    def shared(spec: Spec, layout: Layout) -> int | None:
        """One server's share of the requests that were asked for: replicas and data-parallel ranks count apart."""
        asked = spec.request.concurrency
        return -(-asked // (layout.replicas * layout.dp)) if asked else None

    def fewest_running(self, layout: Layout) -> int:
        """Requests that run at a time when memory is short."""
        del layout
        return verdict.TIGHT_RUNNING

    def smaller_chunks(self, layout: Layout) -> Sequence[int]:
        """Prefill chunks to try when memory is short, tokens, the largest first."""
        del layout
        return verdict.PREFILL_CHUNKS

    def ladder(self, spec: Spec, layout: Layout) -> Sequence[Settings]:
        """Defaults; then per prefill chunk the default and the highest fraction; MTP off last."""
        mtp = self.mtp(spec, layout)
        rungs = [*self.of_recipe(spec, layout, mtp), *self._climb(spec, layout, mtp)]
        if mtp.enabled and spec.request.mtp is None:
            off = Mtp(enabled=False, draft_tokens=0, reason="its layer takes memory that the context needs")
            last = self._climb(spec, layout, off)[-1]
            rungs.append(replace(last, comfort=(*last.comfort, "multi-token prediction off")))
        return rungs

    def of_recipe(self, spec: Spec, layout: Layout, mtp: Mtp) -> list[Settings]:
        """What the framework's recipe for this hardware, checkpoint and strategy sets, in its own layout."""
        request = spec.request
        recipe = recipe_for(spec)
        shape = (layout.tp, layout.pp, layout.attn_dp, layout.cp, layout.dcp)
        if recipe is None or shape != (recipe.gpus, 1, recipe.attn_dp, 1, 1):
            return []
        chunk = request.prefill_chunk or recipe.prefill_chunk or self.default_chunk(spec, layout)
        running = self.shared(spec, layout) or recipe.max_running or self.default_running(spec, layout, mtp)
        fraction = request.memory_fraction or recipe.memory_fraction
        return [Settings(self.default_context, fraction, chunk, running, self.kv(spec), mtp, recipe=recipe)]

    def _climb(self, spec: Spec, layout: Layout, mtp: Mtp) -> list[Settings]:
        request = spec.request
        chunk = request.prefill_chunk or self.default_chunk(spec, layout)
        asked = self.shared(spec, layout)
        running = asked or self.default_running(spec, layout, mtp)
        small = asked or min(running, self.fewest_running(layout))
        base = Settings(self.default_context, 0.0, chunk, running, self.kv(spec), mtp)
        rungs: list[Settings] = []
        for size in (
            [chunk]
            if request.prefill_chunk
            else [chunk, *(c for c in self.smaller_chunks(layout) if small <= c < chunk)]
        ):
            gave = (f"prefill chunk {size:,}",) if size < chunk else ()
            rung = replace(base, prefill_chunk=size, max_running=small if gave else running, comfort=gave)
            own = self.default_fraction(spec, layout, rung)
            given = request.memory_fraction or own
            raised = (f"memory fraction {given:g}",) if given > own else ()
            rungs.append(replace(rung, memory_fraction=given, comfort=gave + raised))
        # above its own reserve a framework has no margin for activations: only with the smallest chunk
        last = rungs[-1]
        if request.memory_fraction is None and last.memory_fraction < self.fraction_cap:
            comfort = (*last.comfort, "memory fraction raised")
            rungs.append(replace(last, memory_fraction=self.fraction_cap, max_running=small, comfort=comfort))
        return rungs

    # --- memory ---------------------------------------------------------------------------------

    @abstractmethod
    def kv(self, spec: Spec) -> KVFormat:
        """The KV cache's format for this GPU and request."""

    def stage_cost(self, spec: Spec, layout: Layout, settings: Settings) -> Callable[[int, int], int]:
        """Weights, absorbed copies and the KV rows of one request of the context."""
        model, kv = spec.model, settings.kv
        weights = weigher(model, spec.checkpoint, self.shards(spec, layout))
        rows = [
            kv.row + (kv.index if kv.all_layers_indexed or i in model.full_indexer_layers else 0)
            for i in range(model.layers)
        ]
        sums = tuple(accumulate(rows, initial=0))
        copy = absorbed_copies(model, 1, layout.attention_tp)

        def cost(first: int, end: int) -> int:
            size = weights.stage(first, end, mtp=settings.mtp.enabled, shared_embedding=False)
            return size + (end - first) * copy + settings.context * (sums[end] - sums[first]) // layout.dcp

        return cost

    def static_budget(self, spec: Spec, needs: Sequence[StageNeed], settings: Settings) -> MemoryBudget:
        """SGLang's division: a fraction of what is free before loading holds weights and KV cache.

        Every rank gets the least room of any rank (0.5.23 mem_cache/kv_cache_configurator.py:2990), and
        the token count is the least of any stage.
        """
        capacity, fraction = spec.cluster.gpu.memory_bytes, settings.memory_fraction
        pool = max(0, min(int(fraction * (capacity - n.before_bytes)) - n.weights - n.resident_bytes for n in needs))
        stages = tuple(_stage(n, capacity, pool) for n in needs)
        tokens = pool // max(n.kv_per_token for n in needs) // KV_PAGE * KV_PAGE
        return MemoryBudget(stages, tokens)


def _stage(need: StageNeed, capacity: int, kv_cache: int) -> StageBudget:
    return StageBudget(
        first_layer=need.first_layer,
        end_layer=need.end_layer,
        capacity=capacity,
        weights=need.weights,
        kv_cache=kv_cache,
        activations=need.activation_bytes,
        overhead=need.before_bytes + need.resident_bytes + need.outside_bytes,
        kv_per_token=need.kv_per_token,
        terms=(*need.before, *need.resident, *need.outside, *need.activations),
    )


def utilised_budget(spec: Spec, needs: Sequence[StageNeed], settings: Settings) -> MemoryBudget:
    """VLLM's division: a fraction of the whole GPU holds weights, activations, graphs and KV cache.

    Each stage keeps its own room; the number of blocks is the least of any stage (vllm 0.33.0
    v1/core/kv_cache_utils.py).
    """
    capacity = spec.cluster.gpu.memory_bytes
    budget = int(settings.memory_fraction * capacity)
    rooms = [max(0, budget - n.weights - n.resident_bytes - n.outside_bytes - n.activation_bytes) for n in needs]
    stages = tuple(_stage(n, capacity, room) for n, room in zip(needs, rooms, strict=True))
    tokens = min(room // n.kv_per_token for n, room in zip(needs, rooms, strict=True)) // KV_PAGE * KV_PAGE
    return MemoryBudget(stages, tokens, errors_hit_pool=True)


def not_here(spec: Spec) -> Refusal | None:
    """Why this framework, checkpoint and GPU do not go together, whatever the sizes."""
    checkpoint, gpu = spec.checkpoint, spec.cluster.gpu
    if why := no_kernels(spec):
        return Refusal("GLM309", why)
    if checkpoint.compute and gpu.compute not in checkpoint.compute:
        name = f"checkpoint `{checkpoint.id}` ({checkpoint.precision})"
        return Refusal("GLM310", f"{name} does not run on {gpu.name} ({gpu.compute})")
    if spec.framework.id not in checkpoint.frameworks:
        name = f"checkpoint `{checkpoint.id}` ({checkpoint.precision})"
        return Refusal("GLM311", f"{spec.framework.name} does not load {name}")
    return None


def fuses_shared_experts_whole(spec: Spec, layout: Layout) -> bool:
    """Whether every GPU holds the shared expert whole, among its routed experts.

    On AMD both engines fuse it into them under expert parallelism too, where they have the same format. Seen in their
    classes, built on the meta device 2026-11-24: sglang 0.5.23 models/glm4_moe.py and deepseek_v2.py:696, vllm 0.33.0
    with VLLM_ROCM_USE_AITER_FUSION_SHARED_EXPERTS=1, which the adapter sets.
    """
    return layout.ep > 1 and spec.cluster.gpu.vendor == "amd" and spec.checkpoint.linear == spec.checkpoint.experts


def recipe_for(spec: Spec) -> Recipe | None:
    """The framework's own recipe for the GPU, checkpoint and strategy."""
    return spec.framework.recipe(spec.cluster.gpu.id, spec.checkpoint.id, spec.request.strategy)


def no_kernels(spec: Spec) -> str:
    """Why the framework does not run on this GPU at all, or an empty string."""
    gpu = spec.cluster.gpu
    status = spec.framework.kernels.get(gpu.compute, "no: not in the catalogue")
    if not status.startswith("no"):
        return ""
    return f"{spec.framework.name} does not run GLM-5.2 on {gpu.name} ({gpu.compute}): {status.partition(': ')[2]}"
