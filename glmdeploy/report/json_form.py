"""A view as one JSON object: what is unknown is `{}`, `[]` or empty, never null; bytes are integers.

Members are only ever added to `glmdeploy-plan/v1`. Members ending in `_gib` are rounded, `bytes` are exact.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, cast

from glmdeploy.units import GIB

if TYPE_CHECKING:
    from glmdeploy.forms import plan as plan_form
    from glmdeploy.plan import Plan, StageBudget
    from glmdeploy.process import Process
    from glmdeploy.report.arithmetic import Line, Section
    from glmdeploy.report.text import Style
    from glmdeploy.report.view import Stages, View

FORMAT: Final = "glmdeploy-plan/v1"
LEADER = "<leader-address>"
API_KEY = "<GLMDEPLOY_API_KEY>"


def render(view: View, style: Style | None = None) -> str:
    """The object, whatever became of the profile; everything is said always."""
    plan = view.plan
    planned = plan is not None and plan.memory.stages
    data: plan_form.PlanForm = {
        "format": FORMAT,
        "name": plan.spec.name if plan else "",
        "verdict": view.verdict,
        "sentence": view.sentence,
        "model": _model(plan) if plan else {},
        "framework": _framework(plan) if plan else {},
        "cluster": _cluster(plan) if plan else {},
        "layout": _layout(view, plan) if plan else {},
        "placement": _placement(plan) if plan else [],
        "settings": _settings(view, plan) if plan and planned else {},
        "origins": [{"setting": o.setting, "value": o.value, "by": o.by, "why": o.why} for o in view.origins],
        "memory": _memory(view, plan) if plan and planned else {},
        "mtp": _mtp(plan) if plan else {},
        "rejected": [{"layout": r.layout, "code": r.code, "reason": r.reason} for r in plan.rejected] if plan else [],
        "processes": [_process(p) for p in view.processes],
        "diagnostics": [d.as_json() for d in view.found],
    }
    return json.dumps(data, indent=2, ensure_ascii=style is not None and style.blocks.isascii()) + "\n"


def _model(plan: Plan) -> plan_form.ModelForm:
    model, checkpoint = plan.spec.model, plan.spec.checkpoint
    return {
        "name": model.name,
        "parameters": model.parameters,
        "checkpoint": checkpoint.id,
        "repo": checkpoint.repo,
        "checkpoint_bytes": checkpoint.total_bytes,
    }


def _framework(plan: Plan) -> plan_form.FrameworkForm:
    return {"name": plan.spec.framework.id, "version": str(plan.spec.version)}


def _cluster(plan: Plan) -> plan_form.ClusterForm:
    cluster = plan.spec.cluster
    return {
        "gpu": cluster.gpu.id,
        "gpus": cluster.gpus,
        "gpus_per_node": cluster.gpus_per_node,
        "gpu_memory_bytes": cluster.gpu.memory_bytes,
    }


def _layout(view: View, plan: Plan) -> plan_form.LayoutForm:
    layout = plan.layout
    data = {
        "nodes": layout.nodes,
        "gpus_per_node": layout.gpus_per_rank,
        "hosts": plan.hosts,
        **dict(view.dimensions),
        "pp_partition": list(layout.partition),
    }
    return cast("plan_form.LayoutForm", data)  # the dimensions are the layout's own; the schema's test knows a new one


def _placement(plan: Plan) -> list[plan_form.PlacementForm]:
    nodes = plan.layout.nodes
    return [
        {"replica": p.rank // nodes, "rank": p.rank % nodes, "host": p.host, "gpu_ids": list(p.gpu_ids)}
        for p in plan.placement
    ]


def _settings(view: View, plan: Plan) -> plan_form.SettingsForm:
    settings = plan.settings
    return {
        "context": settings.context,
        "memory_fraction": round(settings.memory_fraction, 4),
        "prefill_chunk": settings.prefill_chunk,
        "max_running": settings.max_running,
        "whole_contexts": view.whole_contexts,
        "kv_cache_dtype": settings.kv.label,
        "gave_way": list(settings.comfort),
        "startup_seconds": plan.startup_seconds,
    }


def _memory(view: View, plan: Plan) -> plan_form.MemoryForm:
    fullest = plan.memory.fullest
    return {
        "capacity_gib": _gib(fullest.capacity),
        **_stage(fullest),
        "bytes": _bytes(fullest),
        "kv_bytes_per_token": fullest.kv_per_token,
        "kv_tokens": plan.memory.kv_tokens,
        "pools": plan.layout.pools,
        "kv_tokens_in_all": plan.kv_tokens,
        "max_context": plan.memory.max_context,
        "stages": [
            {
                "layers": [s.first_layer, s.end_layer - 1],
                **_stage(s),
                "bytes": _bytes(s),
                "kv_bytes_per_token": s.kv_per_token,
                "terms": [{"name": t.name, "bytes": t.size, "source": t.source} for t in s.terms],
            }
            for s in plan.memory.stages
        ],
        "groups": [_group(stages) for stages in view.stages],
    }


def _stage(stage: StageBudget) -> plan_form.SizesForm:
    return {
        "budget_gib": _gib(stage.budget),
        "weights_gib": _gib(stage.weights),
        "kv_cache_gib": _gib(stage.kv_cache),
        "activations_gib": _gib(stage.activations),
        "overhead_gib": _gib(stage.overhead),
        "headroom_gib": _gib(stage.headroom),
    }


def _bytes(stage: StageBudget) -> plan_form.BytesForm:
    return {
        "capacity": stage.capacity,
        "budget": stage.budget,
        "weights": stage.weights,
        "kv_cache": stage.kv_cache,
        "activations": stage.activations,
        "overhead": stage.overhead,
        "headroom": stage.headroom,
    }


def _group(stages: Stages) -> plan_form.GroupForm:
    """Stages that are equal, by number, and the sums of one GPU of theirs."""
    return {
        "stages": list(stages.numbers),
        "fullest": stages.fullest,
        "arithmetic": [_section(s) for s in stages.sections],
    }


def _section(section: Section) -> plan_form.SectionForm:
    return {
        "title": section.title,
        "summed": section.summed,
        "lines": [_line(line) for line in section.lines],
        "total": _line(section.total),
    }


def _line(line: Line) -> plan_form.LineForm:
    return {"label": line.label, "value": line.value, "unit": line.unit, "source": line.source}


def _mtp(plan: Plan) -> plan_form.MtpForm:
    mtp = plan.settings.mtp
    return {"enabled": mtp.enabled, "draft_tokens": mtp.draft_tokens, "reason": mtp.reason}


def _process(process: Process) -> plan_form.ProcessForm:
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
