"""SGLang: what it refuses, how it divides a GPU, and the processes that it runs as."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from glmdeploy.frameworks.common import (
    API_KEY,
    BF16_ROW,
    BLACKWELL,
    FP8_DS_MLA_ROW,
    FP8_ROW,
    INDEX_ROW,
    LEADER_PORT,
    PORT,
    RANK,
    Adapter,
    Command,
    environment,
    model_word,
    offline,
    role,
    secrets,
    thinking_kwargs,
)
from glmdeploy.memory import (
    INDEXER_LOGITS,
    absorbed_copies,
    activation_bytes,
    before_loading,
    kv_per_token,
    rope_cache,
    weigher,
    whole_shared_experts,
)
from glmdeploy.plan import Health, Hole, KVFormat, Mtp, Process, Refusal, Slot, StageNeed, Term
from glmdeploy.units import GIB, MIB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glmdeploy.layout import Layout, Placement
    from glmdeploy.plan import MemoryBudget, Plan, Settings, Word
    from glmdeploy.spec import Spec

_PP_FIXED = Version("0.5.14")  # the top-k hand-off between stages: sgl-project/sglang#28532, #28785
_ELIDED = Version("0.5.18")  # `_should_elide_dsa_index_k` is in this wheel and not in 0.5.17
_TRITON_DSA = Version(
    "0.5.20"
)  # first release whose parser takes `triton`; the cell's ROCm image is newer than its tag
_STEPS = {"low-latency": 5, "balanced": 1, "high-throughput": 1}  # cookbook cells: 5-1-6 and 1-1-2
_NVFP4_BALANCED = 2  # 2-1-3
_MTP_RUNNING = 48  # "enabling spec caps max-running-requests near 48 unless set": cookbook comments
_MEMORY_HOOK = "sglang 0.5.23 arg_groups/memory_hook.py"
_MLA_WIDTHS = "sglang 0.5.23 mem_cache/kv_cache_configurator.py calculate_mla_kv_cache_dim"


class SGLang(Adapter):
    """SGLang's legality and memory."""

    def refuse(self, spec: Spec, layout: Layout) -> Refusal | None:
        """Pipeline stages need the version that hands the top-k over."""
        if layout.pp > 1 and spec.version < _PP_FIXED:
            return Refusal(
                "GLM304",
                f"pipeline stages of GLM-5.2 need SGLang {_PP_FIXED} or newer: {spec.version} hands no top-k between stages",
            )
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
        wanted = spec.request.mtp
        if layout.pp > 1:
            reason = (
                f"SGLang refuses speculative decoding with {layout.pp} pipeline stages outside disaggregated prefill"
            )
            return Mtp(enabled=False, draft_tokens=0, reason=reason, refused=True)
        if wanted is False:
            return Mtp(enabled=False, draft_tokens=0, reason="switched off by the profile")
        if wanted is None and spec.request.strategy == "high-throughput":
            return Mtp(enabled=False, draft_tokens=0, reason="the cookbook's high-throughput cells run without it")
        if wanted is None and spec.cluster.gpu.vendor == "amd" and spec.checkpoint.id != "mxfp4":
            return Mtp(
                enabled=False,
                draft_tokens=0,
                reason="the cookbook's AMD cells run this checkpoint without it",
            )
        steps = (
            _NVFP4_BALANCED
            if (spec.checkpoint.id, spec.request.strategy) == ("nvfp4", "balanced")
            else _STEPS[spec.request.strategy]
        )
        return Mtp(
            enabled=True,
            draft_tokens=steps + 1,
            reason=f"EAGLE with the model's MTP layer, {steps} steps",
            steps=steps,
        )

    def default_chunk(self, spec: Spec) -> int:
        """`--chunked-prefill-size` by GPU memory, MiB (memory_hook.py)."""
        mib = spec.cluster.gpu.memory_mib
        if mib < 20 * 1024:
            return 2048
        if mib < 60 * 1024:
            return 4096
        return 8192 if mib < 160 * 1024 else 16384

    def default_running(self, spec: Spec, layout: Layout, mtp: Mtp) -> int:
        """The largest decode batch that graphs are captured for, by GPU memory (memory_hook.py)."""
        if mtp.enabled:
            return _MTP_RUNNING
        mib = spec.cluster.gpu.memory_mib
        if mib < 60 * 1024:
            return 32 if layout.tp < 4 else 160  # noqa: PLR2004
        if mib < 160 * 1024:
            return 256 if layout.tp < 4 else 512  # noqa: PLR2004
        return 512

    def default_fraction(self, spec: Spec, layout: Layout, settings: Settings) -> float:
        """The engine's own heuristic: (memory - reserve) / memory, MiB (memory_hook.py)."""
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
        """Bytes of CUDA graphs: 2 MiB a decode sequence, 1.5 GiB for prefill; none of those with stages."""
        prefill = int(1.5 * GIB) if layout.pp == 1 else 0
        return settings.max_running * 2 * MIB + prefill

    def needs(self, spec: Spec, layout: Layout, settings: Settings) -> tuple[StageNeed, ...]:
        """Weights, copies made after loading, rotary cache; context, communicators and graphs beside them."""
        model = spec.model
        weights = weigher(model, spec.checkpoint, layout.tp)
        activations = (
            Term(
                "prefill working set",
                activation_bytes(model, layout.tp, settings.prefill_chunk),
                "tensor shapes, [est]",
            ),
            Term(
                "indexer logits",
                INDEXER_LOGITS,
                "sglang 0.5.23 layers/attention/mqa_logits_utils.py: sliced to what is free",
            ),
        )
        outside = (Term("CUDA graphs", self.graphs(layout, settings), f"{_MEMORY_HOOK} reserve_for_graph_mb, [est]"),)
        before = before_loading(layout.world)
        found = []
        for first, end in layout.stages:
            mtp = settings.mtp.enabled and end == model.layers
            copies = absorbed_copies(model, end - first + mtp, layout.tp)
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
            size += whole_shared_experts(spec, layout, first, end, mtp=mtp)
            rows = kv_per_token(model, settings.kv, first, end, mtp=mtp)
            found.append(StageNeed(first, end, size, before, resident, outside, activations, rows))
        return tuple(found)

    def budget(self, spec: Spec, needs: Sequence[StageNeed], settings: Settings) -> MemoryBudget:
        """A fraction of what is free before loading."""
        return self.static_budget(spec, needs, settings)


def launch(plan: Plan) -> tuple[Process, ...]:
    """One process a rank; rank 0 answers HTTP, the others a constant 200 once loaded."""
    return tuple(_process(plan, place) for place in plan.placement)


def _process(plan: Plan, place: Placement) -> Process:
    spec, layout = plan.spec, plan.layout
    own = offline(spec)
    if layout.pp > 1:
        own["SGLANG_PP_LAYER_PARTITION"] = ",".join(map(str, layout.partition))
    # rank 0's /health generates a token: it takes 1 to 20 s (http_server.py:721-790)
    health = Health(path="/health", timeout=30 if place.rank == 0 else 5)
    return Process(
        role=role(plan, place.rank),
        rank=place.rank,
        placement=place,
        argv=_argv(plan),
        env=environment(spec, own),
        secrets=secrets(spec, "GLMDEPLOY_API_KEY"),
        port=spec.port + place.slot,
        health=health,
        meeting_port=LEADER_PORT if layout.nodes > 1 else 0,
    )


def _argv(plan: Plan) -> tuple[Word, ...]:
    spec, layout, settings = plan.spec, plan.layout, plan.settings
    command = Command(spec, ["python3", "-m", "sglang.launch_server"])
    command.add("model", model_word(spec)).add_if(spec.weights.revision, "revision", spec.weights.revision)
    command.add("tensor_parallel", layout.tp)
    if layout.pp > 1:  # the option is newer than the floor
        command.add("pipeline_parallel", layout.pp)
    command.add_if(layout.ep > 1, "expert_parallel", layout.ep)
    if layout.nodes > 1:
        command.add("nodes", layout.nodes).add("node_rank", RANK).add("leader", Hole(Slot.LEADER, f":{LEADER_PORT}"))
    command.add("context", settings.context).add("memory_fraction", f"{settings.memory_fraction:g}")
    command.add("prefill_chunk", settings.prefill_chunk)
    command.add_if(spec.request.concurrency or settings.comfort, "max_running", settings.max_running)
    command.add("kv_cache_dtype", settings.kv.dtype)
    _checkpoint(command)
    if settings.mtp.enabled:
        command.add("speculative_algorithm", "EAGLE").add("speculative_steps", settings.mtp.steps)
        command.add("speculative_topk", 1).add("speculative_draft_tokens", settings.mtp.draft_tokens)
    command.add("tool_parser", "glm47").add("reasoning_parser", "glm45")
    if spec.framework.has("chat_template_kwargs", spec.version):
        command.add_if(thinking_kwargs(spec), "chat_template_kwargs", thinking_kwargs(spec))
    command.add("served_name", spec.served_names[0])
    command.add("dist_timeout", plan.startup_seconds).add("watchdog", plan.startup_seconds)
    command.add("metrics").add_if(spec.api_key_secret, "api_key", API_KEY)
    return command.add("host", "0.0.0.0").add("port", PORT).finish()  # noqa: S104  a server in a container


def _checkpoint(command: Command) -> None:
    """What a checkpoint or GPU generation needs besides its name, as in the cookbook's cells."""
    spec = command.spec
    if spec.checkpoint.id == "nvfp4":
        command.add("quantization", "modelopt_fp4")
    if spec.checkpoint.id == "w4afp8":
        command.add("quantization", "w4afp8").add("disable_shared_experts_fusion")
    if spec.cluster.gpu.vendor == "amd":
        backend = "triton" if spec.checkpoint.id == "mxfp4" and spec.version >= _TRITON_DSA else "tilelang"
        command.add_if(spec.checkpoint.id == "mxfp4", "trust_remote_code")
        command.add("prefill_backend", backend).add("decode_backend", backend)
