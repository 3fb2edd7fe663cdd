"""SGLang's processes and their command lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from glmdeploy.frameworks.command import (
    API_KEY,
    HOST,
    LEADER_PORT,
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
from glmdeploy.frameworks.sglang import dispatched
from glmdeploy.process import Health, Hole, Process, Slot

if TYPE_CHECKING:
    from glmdeploy.layout import Layout, Placement
    from glmdeploy.plan import Plan, Settings
    from glmdeploy.process import Word

_TRITON_DSA = Version(
    "0.5.20"
)  # first release whose parser takes `triton`; the cell's ROCm image is newer than its tag

_DISPATCH, _DISPATCHED = "SGLANG_DEEPEP_NUM_MAX_DISPATCH_TOKENS_PER_RANK", 128  # 0.5.23 environ.py:1253


def launch(plan: Plan) -> tuple[Process, ...]:
    """One process a rank of a replica; rank 0 answers HTTP, the others a constant 200 once loaded."""
    return tuple(_process(plan, place) for place in plan.ranks)


def _process(plan: Plan, place: Placement) -> Process:
    spec, layout = plan.spec, plan.layout
    own = {**offline(spec), **(plan.settings.recipe.env if plan.settings.recipe else {})}
    tokens = dispatched(layout, plan.settings.max_running, plan.settings.mtp)
    if layout.a2a and tokens > int(own.get(_DISPATCH, _DISPATCHED)):
        own[_DISPATCH] = str(tokens)
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
    _parallel(command, layout)
    if layout.nodes > 1:
        command.add("nodes", layout.nodes).add("node_rank", RANK).add("leader", Hole(Slot.LEADER, f":{LEADER_PORT}"))
    command.add("context", settings.context).add("memory_fraction", f"{settings.memory_fraction:g}")
    command.add("prefill_chunk", settings.prefill_chunk)
    _limits(command, layout, settings)
    command.add("kv_cache_dtype", settings.kv.dtype)
    _checkpoint(command)
    if settings.mtp.enabled:
        command.add("speculative_algorithm", "EAGLE").add("speculative_steps", settings.mtp.steps)
        command.add("speculative_topk", 1).add("speculative_draft_tokens", settings.mtp.draft_tokens)
    command.add("tool_parser", "glm47").add("reasoning_parser", "glm45")
    if spec.framework.has("chat_template_kwargs", spec.version):
        command.add_if(thinking_kwargs(plan), "chat_template_kwargs", thinking_kwargs(plan))
    command.add("served_name", spec.served_names[0])
    command.add("dist_timeout", plan.startup_seconds).add("watchdog", plan.startup_seconds)
    command.add("metrics").add_if(spec.api_key_secret, "api_key", API_KEY)
    return command.add("host", HOST).add("port", PORT).finish()


def _limits(command: Command, layout: Layout, settings: Settings) -> None:
    """How many requests and tokens at a time, where that is not the engine's own default."""
    spec, recipe = command.spec, settings.recipe
    says = spec.request.concurrency or settings.comfort or layout.attn_dp > 1 or (recipe and recipe.max_running)
    command.add_if(says, "max_running", settings.max_running)
    if recipe:
        old = "" if spec.framework.has("graph_batch", spec.version) else "_old"
        command.add_if(recipe.graph_batch, f"graph_batch{old}", recipe.graph_batch)
        command.add_if(recipe.prefill_tokens, "prefill_tokens", recipe.prefill_tokens)
        command.add_if(recipe.draft_attention and settings.mtp.enabled, "draft_attention", recipe.draft_attention)


def _parallel(command: Command, layout: Layout) -> None:
    """The dimensions beside tensor and pipeline parallelism, by the version's spelling."""
    if layout.attn_dp > 1 and command.spec.framework.has("attention_dp", command.spec.version):
        command.add("attention_dp", layout.attn_dp)
    elif layout.attn_dp > 1:
        command.add("attention_dp_size", layout.attn_dp).add("attention_dp_switch")
    command.add_if(layout.a2a, "all_to_all", layout.a2a)
    command.add_if(layout.ep > 1 and not layout.a2a, "expert_parallel", layout.ep)
    command.add_if(layout.spare, "redundant_experts", layout.spare)
    command.add_if(layout.dense_tp, "dense_tensor_parallel", layout.dense_tp)
    if layout.cp > 1:
        command.add("prefill_context_parallel").add("context_strategy", "interleave").add("context_parallel", layout.cp)
    command.add_if(layout.dcp > 1, "decode_context_parallel", layout.dcp)


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
