"""What would work instead: found by planning it, never by a table."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from glmdeploy import catalog, verdict
from glmdeploy.frameworks import ENGINES
from glmdeploy.plan import Verdict
from glmdeploy.planner import make_plan
from glmdeploy.units import GIB
from glmdeploy.weights import Weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glmdeploy.hardware import GPU
    from glmdeploy.models import Checkpoint
    from glmdeploy.plan import Plan
    from glmdeploy.spec import Spec

_MEMORY_STEP = 256 * GIB  # RAM is bought in such steps
_SMALL_CARD_GB = 48  # at most this: a card for KTransformers rather than for a GPU-only framework
_OK = (Verdict.FITS, Verdict.TIGHT)


@lru_cache(maxsize=64)
def nearest(spec: Spec) -> str:
    """Configurations that hold what was asked for, for a hint; empty when none is known."""
    free = _relaxed(spec)
    found = [
        *_first(_more(free), _OK),
        *_first(_whole_hosts(free), _OK),
        *_first(_checkpoints(free), _OK),
        *_others(free, _OK),
    ]
    return _join([*dict.fromkeys(found), *_small_cards(spec)])


@lru_cache(maxsize=64)
def comfortable(spec: Spec) -> str:
    """The nearest configurations that fit at the framework's defaults."""
    free = _relaxed(spec)
    return _join([*_others(free, (Verdict.FITS,))[:1], *_first(_whole_hosts(free), (Verdict.FITS,))])


@lru_cache(maxsize=64)
def fewer_stages(spec: Spec, stages: int) -> str:
    """What an FP8 KV cache or decode context parallel would do for the number of stages; empty when nothing."""
    engine = ENGINES[spec.framework.id]
    found = []
    if spec.request.kv_cache_dtype in {"auto", "bf16"}:
        fp8 = make_plan(replace(spec, request=replace(spec.request, kv_cache_dtype="fp8")), engine)
        found += [f"`--kv-cache-dtype fp8` holds it with {fp8.layout.label}"] if _fewer(fp8, stages) else []
    for tp in (8, 4, 16):
        shared = make_plan(replace(spec, request=replace(spec.request, tp=tp, pp=1, dcp=tp)), engine)
        if _fewer(shared, stages):
            return "; ".join([*found, f"`--dcp {tp} --tp {tp}` holds it on one stage, and no public run has that"])
    return "; ".join(found)


def _fewer(plan: Plan, stages: int) -> bool:
    return plan.launchable and plan.layout.pp < stages


@lru_cache(maxsize=64)
def same_hardware(spec: Spec) -> str:
    """A layout or checkpoint that holds the asked context on these very GPUs."""
    free = _relaxed(spec)
    plan = make_plan(free, ENGINES[free.framework.id])
    layouts = [f"layout {plan.layout.label}"] if plan.launchable and plan.verdict in _OK else []
    dtypes = []
    if not layouts and spec.request.kv_cache_dtype in {"auto", "bf16"}:
        fp8 = replace(spec, request=replace(spec.request, kv_cache_dtype="fp8"))
        dtypes = ["`--kv-cache-dtype fp8`"] if make_plan(fp8, ENGINES[spec.framework.id]).launchable else []
    return _join([*layouts, *dtypes, *_first(_more(free), _OK)])


def _relaxed(spec: Spec) -> Spec:
    """The same without sizes that the user fixed: advice may change the layout."""
    return replace(
        spec,
        request=replace(spec.request, tp=None, pp=None, ep=None, dp=None, attn_dp=None, cp=None, dcp=None),
        accept_floor_only=False,
    )


def _with(spec: Spec, gpus: int, gpu: GPU | None = None, checkpoint: Checkpoint | None = None) -> Spec:
    kind = gpu or spec.cluster.gpu
    per_node = spec.cluster.gpus_per_node if gpu is None else gpu.gpus_per_node
    cluster = replace(spec.cluster, gpu=kind, gpus=gpus, gpus_per_node=per_node)
    chosen = checkpoint or spec.checkpoint
    weights = Weights(hub=chosen.repo) if checkpoint else spec.weights
    version = spec.framework.default_for(kind.compute) if gpu else spec.version
    return replace(spec, cluster=cluster, checkpoint=chosen, weights=weights, version=version)


def usable(spec: Spec) -> bool:
    """Whether the framework runs this checkpoint on this GPU at all, confirmed."""
    compute, checkpoint = spec.cluster.gpu.compute, spec.checkpoint
    kernels = spec.framework.kernels.get(compute, "no")
    return (
        kernels == "yes"
        and spec.framework.id in checkpoint.frameworks
        and (not checkpoint.compute or compute in checkpoint.compute)
    )


def _more(spec: Spec) -> Iterator[Spec]:
    """More GPUs of the same kind: one by one at first, then in whole hosts."""
    have, per_node = spec.cluster.gpus, spec.cluster.gpus_per_node
    for gpus in sorted({*range(have + 1, have + 9), *_hosts_above(have, per_node)}):
        yield _with(spec, gpus)


def _hosts_above(have: int, per_node: int) -> list[int]:
    """The next four numbers of GPUs that are whole hosts."""
    first = (have // per_node + 1) * per_node
    return [first + per_node * n for n in range(4)]


def _whole_hosts(spec: Spec) -> Iterator[Spec]:
    for gpus in _hosts_above(spec.cluster.gpus, spec.cluster.gpus_per_node):
        yield _with(spec, gpus)


def _checkpoints(spec: Spec) -> Iterator[Spec]:
    for checkpoint in spec.model.checkpoints:
        if checkpoint.total_bytes < spec.checkpoint.total_bytes:
            yield _with(spec, spec.cluster.gpus, checkpoint=checkpoint)


def _others(spec: Spec, verdicts: tuple[Verdict, ...]) -> list[str]:
    """One host of a larger GPU of the same maker, smallest first; two at most."""
    mine = spec.cluster.gpu
    larger = [
        g
        for g in catalog.load().gpus.values()
        if g.vendor == mine.vendor and g.memory_gb > mine.memory_gb and (not g.unverified or g.vendor == "amd")
    ]
    found: list[str] = []
    for gpu in sorted(larger, key=lambda g: (g.rack_scale, g.memory_gb)):
        found += _first([_with(spec, gpu.gpus_per_node, gpu)], verdicts)
    return found[:2]


def _first(candidates: Iterable[Spec], verdicts: tuple[Verdict, ...]) -> list[str]:
    for candidate in candidates:
        if usable(candidate) and not verdict.below_floor(candidate):
            plan = make_plan(candidate, ENGINES[candidate.framework.id])
            whole = plan.layout.gpus == candidate.cluster.gpus
            if whole and plan.launchable and plan.verdict in verdicts:
                return [f"{candidate.cluster.label} with `{candidate.checkpoint.id}` ({plan.layout.label})"]
    return []


def _small_cards(spec: Spec) -> list[str]:
    """KTransformers on the same cards, where a host with enough RAM for the checkpoint would hold it."""
    gpu = spec.cluster.gpu
    if spec.framework.id == "ktransformers" or gpu.memory_gb > _SMALL_CARD_GB or gpu.vendor != "nvidia":
        return []
    framework = catalog.load().frameworks["ktransformers"]
    if framework.id not in spec.checkpoint.frameworks:
        return []
    memory = -(-spec.checkpoint.total_bytes // _MEMORY_STEP) * _MEMORY_STEP
    gpus = min(spec.cluster.gpus, spec.cluster.gpus_per_node)
    cluster = replace(spec.cluster, gpus=gpus, host_memory=memory)
    there = replace(
        spec, framework=framework, version=framework.default, cluster=cluster, weights=Weights(path="/models")
    )
    plan = make_plan(there, ENGINES[framework.id])
    if not plan.launchable or plan.verdict not in _OK:
        return []
    caveat = "" if framework.kernels[gpu.compute] == "yes" else " (kernels not confirmed)"
    return [f"`--framework ktransformers --gpus {gpus}x{gpu.short} --host-memory {memory // GIB}GiB`{caveat}"]


def _join(items: list[str]) -> str:
    if len(items) < 2:  # noqa: PLR2004
        return "".join(items)
    return f"{', '.join(items[:-1])} or {items[-1]}"
