"""vLLM's processes and their command lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from glmdeploy.frameworks.command import (
    HOST,
    PORT,
    RANK,
    Command,
    environment,
    model_word,
    offline,
    role,
    secrets,
    thinking_kwargs,
)
from glmdeploy.process import Health, Hole, Process, Slot

if TYPE_CHECKING:
    from glmdeploy.layout import Placement
    from glmdeploy.plan import Plan
    from glmdeploy.process import Word

MASTER_PORT = 29501


def launch(plan: Plan) -> tuple[Process, ...]:
    """One process a rank of a replica; ranks above 0 are headless and have no HTTP server."""
    return tuple(_process(plan, place) for place in plan.ranks)


def _process(plan: Plan, place: Placement) -> Process:
    spec, layout = plan.spec, plan.layout
    own = {**offline(spec), "VLLM_ENGINE_READY_TIMEOUT_S": str(plan.startup_seconds)}
    if layout.pp > 1:
        own["VLLM_PP_LAYER_PARTITION"] = ",".join(map(str, layout.partition))
    if spec.cluster.gpu.vendor == "amd":
        own |= {"VLLM_ROCM_USE_AITER": "1", "VLLM_ROCM_USE_AITER_FUSION_SHARED_EXPERTS": "1"}
    if spec.checkpoint.id == "mxfp4":
        own |= {
            "VLLM_USE_V2_MODEL_RUNNER": "1",
            "VLLM_ROCM_USE_AITER_FP8BMM": "0",
            "VLLM_ROCM_USE_AITER_FP4BMM": "0",
        }
    return Process(
        role=role(plan, place.rank),
        rank=place.rank,
        placement=place,
        argv=_argv(plan, headless=place.rank > 0),
        env=environment(spec, own),
        secrets=secrets(spec, "VLLM_API_KEY"),
        port=spec.port,
        health=Health(path="/health", timeout=5) if place.rank == 0 else Health(leader_port=MASTER_PORT),
        meeting_port=MASTER_PORT if layout.nodes > 1 else 0,
    )


def _argv(plan: Plan, *, headless: bool) -> tuple[Word, ...]:
    spec, layout, settings = plan.spec, plan.layout, plan.settings
    command = Command(spec, ["vllm", "serve", model_word(spec)])
    command.add_if(spec.weights.revision, "revision", spec.weights.revision)
    command.add("tensor_parallel", layout.tp).add_if(layout.pp > 1, "pipeline_parallel", layout.pp)
    command.add_if(layout.dp > 1, "data_parallel", layout.dp)
    command.add_if(layout.ep > 1, "expert_parallel")
    command.add_if(layout.dcp > 1, "decode_context_parallel", layout.dcp)
    if layout.nodes > 1:
        command.add("nodes", layout.nodes).add("node_rank", RANK)
        command.add("leader", Hole(Slot.LEADER)).add("leader_port", MASTER_PORT)
    command.add("context", settings.context).add("memory_fraction", f"{settings.memory_fraction:g}")
    command.add("prefill_chunk", settings.prefill_chunk)
    command.add_if(spec.request.concurrency or settings.comfort, "max_running", settings.max_running)
    command.add("kv_cache_dtype", settings.kv.dtype)
    if spec.cluster.gpu.vendor == "amd":
        command.add_if(spec.checkpoint.id == "mxfp4", "trust_remote_code")
        command.add("linear_backend", "aiter").add("moe_backend", "aiter")
    if settings.mtp.enabled:
        draft = {"method": "mtp", "num_speculative_tokens": settings.mtp.draft_tokens}
        command.add("speculative", json.dumps(draft, separators=(",", ":")))
    command.add("tool_choice").add("tool_parser", "glm47").add("reasoning_parser", "glm45")
    command.add_if(thinking_kwargs(plan), "chat_template_kwargs", thinking_kwargs(plan))
    command.add("served_name", *spec.served_names)
    command.add_if(headless, "headless")
    return command.add("host", HOST).add("port", PORT).finish()
