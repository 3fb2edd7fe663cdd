"""KTransformers: attention and some experts on the GPUs, the rest of the experts in the host's RAM.

The server is sglang-kt, a fork of SGLang; one process on one host.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from glmdeploy import hostram, verdict
from glmdeploy.frameworks.command import API_KEY, HOST, PORT, Command, environment, model_word, offline, role, secrets
from glmdeploy.frameworks.common import BF16_ROW, FP8_DS_MLA_ROW, INDEX_ROW, Adapter
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
from glmdeploy.models import BF16
from glmdeploy.plan import KVFormat, Refusal, StageNeed, Term
from glmdeploy.process import CPUNeeds, Health, Process
from glmdeploy.units import MIB

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from glmdeploy.layout import Layout, Placement
    from glmdeploy.plan import MemoryBudget, Mtp, Plan, Settings
    from glmdeploy.process import Word
    from glmdeploy.spec import Spec

_WRAPPER = "sglang-kt 0.7.2 layers/moe/kt_ep_wrapper.py"
_RUNNING = 8  # --max-running-requests in the tutorial
_PREFILL_THRESHOLD = 1024  # above it, a layer's experts are copied to the GPUs for prefill
METHODS = {"fp8": "FP8", "bf16": "BF16"}  # --kt-method by checkpoint: the native format, no conversion
ASSUMED_ISA = "avx512"  # what the README asks for with FP8 and BF16 experts
# cluster.cpu_isa in the words of /proc/cpuinfo (Linux arch/x86/include/asm/cpufeatures.h)
_AVX512 = ("avx512f", "avx512bw", "avx512_bf16", "avx512vbmi")
CPU_FLAGS = {"amx": (*_AVX512, "amx_tile", "amx_int8", "amx_bf16"), "avx512": _AVX512, "avx2": ("avx2", "fma")}


class KTransformers(Adapter):
    """sglang-kt's memory: SGLang's division, with routed experts mostly off the GPU."""

    one_process = True

    def stage_counts(self, spec: Spec, tp: int) -> Iterable[int]:
        """One: sglang-kt runs as one process on one host."""
        del spec, tp
        return (1,)

    def refuse(self, spec: Spec, layout: Layout) -> Refusal | None:
        """One host, no pipeline stages."""
        if refusal := self.takes((), spec, layout):
            return refusal
        if layout.pp > 1:
            return Refusal("GLM318", f"sglang-kt runs GLM-5.2 without pipeline stages ({layout.pp} were asked for)")
        if layout.replicas > 1 and 2 * layout.world <= spec.cluster.gpus_per_node:
            return Refusal("GLM308", "two replicas on one host would share its RAM and cores: give each a host")
        if layout.world > spec.cluster.gpus_per_node:
            return Refusal(
                "GLM308",
                f"sglang-kt runs on one host, and {layout.world} GPUs are on hosts of {spec.cluster.gpus_per_node}",
            )
        return super().refuse(spec, layout)

    def kv(self, spec: Spec) -> KVFormat:
        """FP8 for the FP8 checkpoint as in the tutorial; indexer rows on every layer (NSATokenToKVPool)."""
        wanted = spec.request.kv_cache_dtype
        if wanted == "fp8" or (wanted == "auto" and spec.checkpoint.id == "fp8"):
            return KVFormat(
                "fp8_e4m3",
                "fp8",
                FP8_DS_MLA_ROW,
                INDEX_ROW,
                all_layers_indexed=True,
                source="sglang-kt 0.7.2 NSATokenToKVPool",
            )
        return KVFormat(
            "bfloat16",
            "bf16",
            BF16_ROW,
            INDEX_ROW,
            all_layers_indexed=True,
            source="sglang-kt 0.7.2 NSATokenToKVPool",
        )

    def default_chunk(self, spec: Spec, layout: Layout) -> int:
        """As SGLang for cards below 60 GiB."""
        del spec, layout
        return hostram.CHUNK

    def default_running(self, spec: Spec, layout: Layout, mtp: Mtp) -> int:
        """As in the tutorial."""
        del spec, layout, mtp
        return _RUNNING

    def default_fraction(self, spec: Spec, layout: Layout, settings: Settings) -> float:
        """SGLang's heuristic for a server with this chunk: (memory - reserve) / memory, MiB.

        The reserve grows by the prefill buffer: sglang-kt allocates it beside the static fraction.
        """
        total = spec.cluster.gpu.memory_mib
        reserve = 512 + 1.5 * settings.prefill_chunk + layout.tp / 8 * 1024 + settings.max_running * 2
        return round((total - reserve - prefill_buffer(spec, layout).size / MIB) / total, 3)

    def needs(self, spec: Spec, layout: Layout, settings: Settings) -> tuple[StageNeed, ...]:
        """Everything but routed experts, a buffer for one layer's experts, and the experts that fit."""
        model, checkpoint = spec.model, spec.checkpoint
        moe_layers = model.layers - model.dense_layers
        per_expert = moe_layers * model.expert_bytes(checkpoint.experts, layout.tp)
        weights = weigher(model, checkpoint, Shards.tensor(layout.tp)).stage(
            0, model.layers, mtp=False, shared_embedding=True
        )
        outside = (
            Term("CUDA graphs", settings.max_running * 2 * MIB, "sglang memory_hook.py, [est]"),
            prefill_buffer(spec, layout),
        )
        resident = (
            Term(
                "input of the CPU's experts",
                settings.prefill_chunk * model.hidden * BF16,
                f"{_WRAPPER} SharedStagingBuffer, on rank 0",
            ),
            Term(
                "BF16 copies of the absorbed MLA projections",
                absorbed_copies(model, model.layers, layout.tp),
                "sglang w_kc, w_vc",
            ),
            Term("rotary cache, FP32", rope_cache(model, 4), "sglang: 1,048,576 positions"),
        )
        activations = (
            Term(
                "prefill working set",
                activation_bytes(model, layout, settings.prefill_chunk),
                "tensor shapes, [est]",
            ),
            Term("indexer logits", INDEXER_LOGITS, "as SGLang"),
        )
        rows = kv_per_token(model, settings.kv, 0, model.layers, mtp=False)
        bare = weights - model.experts * per_expert
        need = StageNeed(0, model.layers, bare, before_loading(layout.tp), resident, outside, activations, rows)
        asked = spec.request.gpu_experts
        kept = self.experts_that_fit(spec, need, settings, per_expert) if asked is None else asked
        return (replace(need, weights=bare + kept * per_expert),)

    def experts_that_fit(self, spec: Spec, need: StageNeed, settings: Settings, per_expert: int) -> int:
        """Routed experts a layer that fill what the context leaves of the static fraction."""
        static = int(settings.memory_fraction * (spec.cluster.gpu.memory_bytes - need.before_bytes))
        room = static - need.weights - need.resident_bytes - (settings.context + 64) * need.kv_per_token
        return max(0, min(spec.model.experts, room // per_expert))

    def budget(self, spec: Spec, needs: Sequence[StageNeed], settings: Settings) -> MemoryBudget:
        """A fraction of what is free before loading, as SGLang."""
        return self.static_budget(spec, needs, settings)


def gpu_experts(plan: Plan) -> int:
    """Routed experts of each layer that the plan keeps on the GPUs."""
    model, tp = plan.spec.model, plan.layout.tp
    per_expert = (model.layers - model.dense_layers) * model.expert_bytes(plan.spec.checkpoint.experts, tp)
    bare = (
        weigher(model, plan.spec.checkpoint, Shards.tensor(tp)).stage(0, model.layers, mtp=False, shared_embedding=True)
        - model.experts * per_expert
    )
    return (plan.memory.stages[0].weights - bare) // per_expert


def prefill_buffer(spec: Spec, layout: Layout) -> Term:
    """One layer's experts on the GPUs, each rank its share: allocated at the first long prompt, not at start."""
    size = spec.model.experts * spec.model.expert_bytes(spec.checkpoint.experts, layout.tp)
    source = f"{_WRAPPER} SharedFullContext: intermediate_size_per_partition, at a prefill of {_PREFILL_THRESHOLD}"
    return Term("prefill buffer, a layer's experts", size, source)


def over_asked(plan: Plan) -> int | None:
    """Experts of each layer that would fit where the profile asks for more; None when it does not."""
    spec = plan.spec
    asked = spec.request.gpu_experts
    if spec.framework.id != "ktransformers" or not asked or plan.refusal or plan.launchable:
        return None
    engine = KTransformers()
    context = spec.request.context or verdict.MIN_CONTEXT
    rungs = [replace(rung, context=context) for rung in engine.ladder(spec, plan.layout)]

    def fits(kept: int) -> bool:
        pinned = replace(spec, request=replace(spec.request, gpu_experts=kept))
        return any(
            verdict.holds(engine.budget(spec, engine.needs(pinned, plan.layout, rung), rung), context) for rung in rungs
        )

    if fits(asked):
        return None
    return next((kept for kept in range(asked - 1, -1, -1) if fits(kept)), None)


@dataclass(frozen=True)
class DecodeBound:
    """What one token of one request reads from RAM, bytes, and how often a second the RAM gives that.

    Tokens are taken to choose experts evenly, so that those on the GPUs are hit in their share; experts that are chosen
    more often, and moved to the GPUs, raise the bound.
    """

    bytes_per_token: int
    bandwidth: int
    sum: str

    @property
    def tokens_per_second(self) -> float | None:
        """The most tokens a second of one request; None when the bandwidth is not given, or RAM is not read."""
        return self.bandwidth / self.bytes_per_token if self.bandwidth and self.bytes_per_token else None


def decode_bound(plan: Plan) -> DecodeBound | None:
    """How RAM bounds decode; None for other frameworks, and without a budget."""
    spec, model = plan.spec, plan.spec.model
    if spec.framework.id != "ktransformers" or not plan.memory.stages:
        return None
    expert, kept = model.expert_bytes(spec.checkpoint.experts, 1), gpu_experts(plan)
    layers, active = model.layers - model.dense_layers, model.experts_per_token
    size = layers * active * expert * (model.experts - kept) // model.experts
    words = (
        f"{layers} layers x {active} experts x {model.experts - kept}/{model.experts} in RAM x {expert / 1e6:.1f} MB "
        f"= {size / 1e9:.2f} GB a token"
    )
    return DecodeBound(size, spec.cluster.memory_bandwidth, words)


def launch(plan: Plan) -> tuple[Process, ...]:
    """One process on one host."""
    return tuple(_process(plan, place) for place in plan.ranks)


def _process(plan: Plan, place: Placement) -> Process:
    spec = plan.spec
    # both from the tutorial's launch line
    own = {
        **offline(spec),
        "PYTORCH_ALLOC_CONF": "expandable_segments:True",
        "SGLANG_ENABLE_JIT_DEEPGEMM": "0",
    }
    if spec.cluster.cpu_isa == "avx2":  # an older AVX-512 CPU must not load kernels that want BF16 and VBMI
        own["KT_KERNEL_CPU_VARIANT"] = "avx2"
    return Process(
        role=role(plan, place.rank),
        rank=place.rank,
        placement=place,
        argv=_argv(plan),
        env=environment(spec, own),
        secrets=secrets(spec, "GLMDEPLOY_API_KEY"),
        port=spec.port,
        health=Health(path="/health", timeout=30),
        host_memory=hostram.floor(spec),
        cpu=_cpu(spec),
    )


def _cpu(spec: Spec) -> CPUNeeds:
    """The instructions that the chosen kernels are built for; cores and nodes where the profile gives them."""
    cluster = spec.cluster
    return CPUNeeds(CPU_FLAGS[cluster.cpu_isa or ASSUMED_ISA], cluster.cpu_cores, cluster.numa_nodes)


def _argv(plan: Plan) -> tuple[Word, ...]:
    spec, settings, cluster = plan.spec, plan.settings, plan.spec.cluster
    command = Command(spec, ["python3", "-m", "sglang.launch_server"])
    command.add("model", model_word(spec)).add("weight_path", model_word(spec))
    command.add("cpu_threads", hostram.threads(cluster)).add("pools", hostram.pools(cluster))
    command.add("gpu_experts", gpu_experts(plan)).add("method", METHODS[spec.checkpoint.id])
    command.add("prefill_threshold", _PREFILL_THRESHOLD).add("dynamic_experts").add("expert_placement", "uniform")
    command.add("tensor_parallel", plan.layout.tp).add("trust_remote_code")
    command.add("context", settings.context).add("memory_fraction", f"{settings.memory_fraction:g}")
    command.add("prefill_chunk", settings.prefill_chunk).add("max_running", settings.max_running)
    command.add("kv_cache_dtype", settings.kv.dtype).add("attention_backend", "nsa")
    command.add_if(spec.checkpoint.id == "fp8", "fp8_gemm", "cutlass").add("disable_shared_experts_fusion")
    command.add("tool_parser", "glm47").add("reasoning_parser", "glm45").add("served_name", spec.served_names[0])
    command.add("watchdog", plan.startup_seconds).add("metrics").add_if(spec.api_key_secret, "api_key", API_KEY)
    return command.add("host", HOST).add("port", PORT).finish()
