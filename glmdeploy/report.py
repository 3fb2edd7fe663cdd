"""A plan as JSON for programs and as text for people."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

from glmdeploy.partition import describe
from glmdeploy.units import GIB, gb, gib, plural, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.plan import Plan, Process, StageBudget

LEADER = "<leader-address>"
API_KEY = "<GLMDEPLOY_API_KEY>"
_SHOWN = 6  # rejected layouts in the text form


def as_json(plan: Plan | None, processes: Sequence[Process], found: Sequence[Diagnostic]) -> str:
    """One JSON object, whatever became of the profile; what is unknown is `{}`, `[]` or empty, never null."""
    data: dict[str, Any] = {
        "format": "glmdeploy-plan/v1",
        "name": plan.spec.name if plan else "",
        "verdict": plan.verdict.value if plan else "refused",
        "model": _model(plan) if plan else {},
        "framework": _framework(plan) if plan else {},
        "layout": _layout(plan) if plan else {},
        "settings": _settings(plan) if plan and plan.memory.stages else {},
        "memory": _memory(plan) if plan and plan.memory.stages else {},
        "mtp": _mtp(plan) if plan else {},
        "rejected": [{"layout": r.layout, "code": r.code, "reason": r.reason} for r in plan.rejected] if plan else [],
        "processes": [_process(p) for p in processes],
        "diagnostics": [d.as_json() for d in found],
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _model(plan: Plan) -> dict[str, Any]:
    model, checkpoint = plan.spec.model, plan.spec.checkpoint
    return {
        "name": model.name,
        "parameters": model.parameters,
        "checkpoint": checkpoint.id,
        "repo": checkpoint.repo,
        "checkpoint_bytes": checkpoint.total_bytes,
    }


def _framework(plan: Plan) -> dict[str, Any]:
    return {"name": plan.spec.framework.id, "version": str(plan.spec.version)}


def _layout(plan: Plan) -> dict[str, Any]:
    layout = plan.layout
    return {
        "nodes": layout.nodes,
        "gpus_per_node": layout.gpus_per_rank,
        "hosts": plan.hosts,
        "tp": layout.tp,
        "pp": layout.pp,
        "dp": layout.dp,
        "ep": layout.ep,
        "attn_dp": layout.attn_dp,
        "cp": layout.cp,
        "dcp": layout.dcp,
        "replicas": layout.replicas,
        "pp_partition": list(layout.partition),
    }


def _settings(plan: Plan) -> dict[str, Any]:
    settings = plan.settings
    return {
        "context": settings.context,
        "memory_fraction": round(settings.memory_fraction, 4),
        "prefill_chunk": settings.prefill_chunk,
        "max_running": settings.max_running,
        "kv_cache_dtype": settings.kv.label,
        "gave_way": list(settings.comfort),
        "startup_seconds": plan.startup_seconds,
    }


def _memory(plan: Plan) -> dict[str, Any]:
    fullest = plan.memory.fullest
    return {
        "capacity_gib": _gib(fullest.capacity),
        **_stage(fullest),
        "kv_bytes_per_token": fullest.kv_per_token,
        "kv_tokens": plan.memory.kv_tokens,
        "max_context": plan.memory.max_context,
        "stages": [
            {
                "layers": [s.first_layer, s.end_layer - 1],
                **_stage(s),
                "kv_bytes_per_token": s.kv_per_token,
                "terms": [_term(t) for t in s.terms],
            }
            for s in plan.memory.stages
        ],
    }


def _stage(stage: StageBudget) -> dict[str, float]:
    return {
        "budget_gib": _gib(stage.budget),
        "weights_gib": _gib(stage.weights),
        "kv_cache_gib": _gib(stage.kv_cache),
        "activations_gib": _gib(stage.activations),
        "overhead_gib": _gib(stage.overhead),
        "headroom_gib": _gib(stage.headroom),
    }


def _term(term: Any) -> dict[str, Any]:
    return {"name": term.name, "bytes": term.size, "source": term.source}


def _mtp(plan: Plan) -> dict[str, Any]:
    mtp = plan.settings.mtp
    return {"enabled": mtp.enabled, "draft_tokens": mtp.draft_tokens, "reason": mtp.reason}


def _process(process: Process) -> dict[str, Any]:
    return {
        "role": process.role,
        "node_rank": process.rank,
        "host": process.placement.host,
        "argv": process.words(leader=LEADER, api_key=API_KEY),
        "env": dict(process.env),
        "gpus": len(process.placement.gpu_ids),
        "gpu_ids": list(process.placement.gpu_ids),
    }


def _gib(size: int) -> float:
    return round(size / GIB, 4)


def as_text(plan: Plan) -> str:
    """The plan for a terminal of 80 columns, without colour."""
    lines = [_wrapped(line, 10) for line in _head(plan)]
    rejected = [_wrapped(line, 25) for line in _not_chosen(plan)]
    return "\n".join([*lines, "", *_table(plan), *rejected]) + "\n"


def _wrapped(line: str, indent: int) -> str:
    """The line broken at 80 columns; it goes on under its own text."""
    return (
        textwrap.fill(line, 80, subsequent_indent=" " * indent, drop_whitespace=True, replace_whitespace=False)
        if line
        else ""
    )


def _head(plan: Plan) -> Iterator[str]:
    spec, layout, settings = plan.spec, plan.layout, plan.settings
    checkpoint = spec.checkpoint
    yield f"{spec.model.name} {spec.model.parameters / 10**9:.0f} B, checkpoint {checkpoint.id} ({gb(checkpoint.total_bytes)} = {gib(checkpoint.total_bytes)})"
    yield f"{spec.framework.name} {spec.version} on {spec.cluster.gpus} x {spec.cluster.gpu.name}"
    yield ""
    gave = f": {', '.join(settings.comfort)}" if settings.comfort and plan.launchable else ""
    yield f"verdict   {plan.verdict.value}{gave}"
    if plan.refusal:
        yield f"layout    none: {plan.refusal.reason}"
        return
    ranks = f"{plural(layout.nodes, 'rank')} of {plural(layout.gpus_per_rank, 'GPU')} on {plural(plan.hosts, 'host')}"
    yield f"layout    {layout.label}: {ranks}"
    if layout.pp > 1:
        yield f"stages    {describe(layout.partition)} layers"
    if not plan.launchable:
        yield f"context   at most {tokens(plan.memory.max_context)} with this layout: nothing is rendered"
        return
    yield from _running(plan)


def _running(plan: Plan) -> Iterator[str]:
    spec, settings = plan.spec, plan.settings
    most = plan.memory.max_context
    yield f"context   {tokens(settings.context)}; at most {most:,} with this layout, whatever gives way"
    yield f"KV cache  {settings.kv.label}, {tokens(plan.memory.kv_tokens)} in the pool"
    yield f"MTP       {'on' if settings.mtp.enabled else 'off'}: {settings.mtp.reason}"
    fraction = f"memory fraction {settings.memory_fraction:.3g}"
    requests = plural(settings.max_running, "running request")
    yield f"settings  {fraction}, prefill chunk {settings.prefill_chunk:,}, {requests}"
    bandwidth = f"{spec.storage_bandwidth / 10**9:g} GB/s"
    yield f"start-up  {plan.load_seconds} s to load at {bandwidth}; up to {plan.startup_seconds} s with cold compilation"


def _table(plan: Plan) -> Iterator[str]:
    if not plan.memory.stages:
        return
    yield "GiB per GPU     weights       KV  activations  overhead  headroom  capacity"
    fullest = plan.memory.fullest
    for number, stage in enumerate(plan.memory.stages):
        name = f"stage {number}, {stage.first_layer}-{stage.end_layer - 1}" if plan.layout.pp > 1 else "every GPU"
        figures = (
            stage.weights,
            stage.kv_cache,
            stage.activations,
            stage.overhead,
            stage.headroom,
            stage.capacity,
        )
        widths = (9, 9, 13, 10, 10, 10)
        mark = " *" if stage is fullest and plan.layout.pp > 1 else ""
        yield (f"{name:<14}" + "".join(f"{f / GIB:>{w}.2f}" for f, w in zip(figures, widths, strict=True)) + mark)
    if plan.layout.pp > 1:
        yield "* the fullest stage: it limits the others"


def _not_chosen(plan: Plan) -> Iterator[str]:
    if not plan.rejected:
        return
    yield ""
    yield "not chosen"
    for rejected in plan.rejected[:_SHOWN]:
        yield f"  {rejected.layout:<14} {rejected.code}  {rejected.reason}"
    if len(plan.rejected) > _SHOWN:
        yield f"  and {len(plan.rejected) - _SHOWN} more (--format json)"
