"""The host's CPU, where KTransformers runs the routed experts that are not on the GPUs."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from glmdeploy import hostram
from glmdeploy.diagnostics import Diagnostic, Level
from glmdeploy.frameworks import ktransformers
from glmdeploy.units import gib, tokens
from glmdeploy.verdict import MIN_CONTEXT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.plan import Plan
    from glmdeploy.process import Process
    from glmdeploy.spec import Spec

_ARGS = ("extra_args",)
_METHOD = "--kt-method"
_WEIGHTS = "--kt-weight-path"


def decode_bound(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """RAM bounds the decode speed

    Each token reads its active experts from RAM, but for those on the GPUs: no CPU is faster than its memory. The bound
    is `cluster.memory_bandwidth` over those bytes, for one request, with tokens that choose experts evenly; attention,
    the GPUs' share and hand-overs come on top. Requests that run together share an expert's bytes only where they choose
    the same. Without the key there is no figure.
    """
    bound = ktransformers.decode_bound(plan)
    if bound and plan.launchable and (rate := bound.tokens_per_second):
        yield Diagnostic(
            "GLM220",
            f"decode is bound by RAM: at most {rate:.1f} tokens/s for one request",
            Level.NOTE,
            at=("cluster", "memory_bandwidth"),
            notes=(
                f"{bound.bandwidth / 1e9:g} GB/s / ({bound.sum})",
                "a bound, not a forecast; tokens that choose experts evenly",
            ),
        )


def too_many_experts(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """More experts were asked for on the GPUs than fit

    `layout.gpu_experts` counts routed experts of each of the 75 layers, as `--kt-num-gpu-experts` does. Beside them a
    GPU holds everything else of the model, the KV cache of the context, and one layer's experts for long prompts. Left
    out, as many as fit are kept.
    """
    spec, asked = plan.spec, plan.spec.request.gpu_experts
    at = ("layout", "gpu_experts")
    if asked is not None and spec.framework.id != "ktransformers":
        yield Diagnostic("GLM221", f"{spec.framework.name} keeps every expert on the GPUs", at=at, hint="leave it out")
    most = ktransformers.over_asked(plan)
    if asked is None or most is None:
        return
    layers = spec.model.layers - spec.model.dense_layers
    expert = spec.model.expert_bytes(spec.checkpoint.experts, plan.layout.tp)
    context = spec.request.context or MIN_CONTEXT
    taken = f"{asked} x {layers} layers x {expert:,} bytes = {gib(asked * layers * expert)} on each GPU"
    yield Diagnostic(
        "GLM221",
        f"{asked} experts of each layer do not fit on the GPUs: {plan.layout.label} has room for {most}",
        at=at,
        notes=(f"{taken}, and {gib(most * layers * expert)} are left beside a context of {tokens(context)}",),
        hint=f"set `layout.gpu_experts` to {most} or less, or leave it out",
    )


def pools(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The NUMA nodes do not divide an expert

    Each thread pool, one a NUMA node, holds an equal share of every expert's width of 2,048. kt-kernel throws when the
    nodes do not divide it (operators/moe-tp.hpp), and with FP8 when a share is not a multiple of the 128 that share a
    scale (operators/amx/fp8_tp_staging.hpp). So 3 or 6 nodes, as sub-NUMA clustering makes on recent Xeons, fail.
    """
    spec = plan.spec
    count, width = hostram.pools(spec.cluster), spec.model.expert_intermediate
    if spec.framework.id != "ktransformers" or (width % count == 0 and _whole_blocks(spec, width // count)):
        return
    legal = [n for n in (1, 2, 4, 8, 16) if n < count]
    yield Diagnostic(
        "GLM430",
        f"an expert's width {width:,} / {count} NUMA nodes is not a whole number of `{spec.checkpoint.id}` blocks",
        at=("cluster", "numa_nodes"),
        notes=("source: kt-kernel operators/moe-tp.hpp and operators/amx/fp8_tp_staging.hpp throw",),
        hint=f"switch sub-NUMA clustering in the firmware so that there are {' or '.join(map(str, legal[-2:]))}",
    )


def _whole_blocks(spec: Spec, share: int) -> bool:
    return spec.checkpoint.experts != "fp8_block" or share % 128 == 0


def threads(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The cores do not divide over the NUMA nodes

    kt-kernel gives the first pools one thread more (experts_base.py), while each pool has the same share of the work,
    and pins a pool's threads to the cores of its node. With fewer cores than nodes a pool would have none.
    """
    cluster = plan.spec.cluster
    cores, count = hostram.threads(cluster), hostram.pools(cluster)
    if plan.spec.framework.id != "ktransformers" or cores % count == 0:
        return
    at = ("cluster", "cpu_cores" if cluster.cpu_cores else "numa_nodes")
    if cores < count:
        yield Diagnostic("GLM431", f"{cores} cores for {count} NUMA nodes leave a pool without a thread", at=at)
        return
    few = cores // count
    yield Diagnostic(
        "GLM431",
        f"{cores} cores do not divide over {count} NUMA nodes: pools get {few + 1} and {few} threads, and equal work",
        Level.WARNING,
        at=at,
        hint=f"give the physical cores of all nodes (`lscpu`), or {few * count} for equal pools",
    )


def method(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """This CPU or checkpoint does not go with that `--kt-method`

    In `extra_args`, it names the format in which the CPU reads experts. FP8 and BF16 read the checkpoint itself; the others
    read weights converted or downloaded for them (`--kt-weight-path`). AMXINT4 and AMXINT8 want AMX. The catalogue's
    table is from kt-kernel's README and from what the wheel's builds for AVX2, AVX-512 and AMX hold.
    """
    spec = plan.spec
    chosen = _option(spec.extra_args, _METHOD)
    if spec.framework.id != "ktransformers" or chosen is None:
        return
    source = f"source: {spec.framework.facts['cpu_methods'].source}"
    statuses = spec.framework.cpu_methods.get(chosen)
    if statuses is None:
        known = ", ".join(spec.framework.cpu_methods)
        yield Diagnostic("GLM432", f"`{_METHOD} {chosen}` is not in the wheel", at=_ARGS, hint=f"it holds {known}")
        return
    isa = spec.cluster.cpu_isa or ktransformers.ASSUMED_ISA
    word, __, why = statuses[isa].partition(": ")
    if word in {"no", "unconfirmed"}:
        level = Level.ERROR if word == "no" else Level.WARNING
        hint = f"leave `{_METHOD}` out" if spec.cluster.cpu_isa else "set `cluster.cpu_isa`"
        yield Diagnostic("GLM432", f"`{_METHOD} {chosen}` on {isa}: {why}", level, at=_ARGS, notes=(source,), hint=hint)
    own = ktransformers.METHODS.get(spec.checkpoint.id)
    if chosen != own and _option(spec.extra_args, _WEIGHTS) is None:
        message = f"`{_METHOD} {chosen}` cannot read the experts of `{spec.checkpoint.id}`, which are for {own}"
        yield Diagnostic("GLM432", message, at=_ARGS, hint=f"name weights for it with `{_WEIGHTS}`")


def _option(words: tuple[str, ...], name: str) -> str | None:
    """The value of the last mention of an option, in either spelling."""
    found = None
    for word, after in pairwise((*words, "")):
        if word == name:
            found = after
        elif word.startswith(f"{name}="):
            found = word.partition("=")[2]
    return found


def slow_kernels(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The CPU has only stand-ins for the documented kernels

    kt-kernel's README asks for AVX-512 with BF16 (and VBMI for FP8). Its AVX2 build has kernels for both formats all the
    same (AVX2-Tutorial.md), and no figure for GLM-5.2 is published for them.
    """
    spec = plan.spec
    own = ktransformers.METHODS.get(spec.checkpoint.id, "")
    status = spec.framework.cpu_methods.get(own, {}).get(spec.cluster.cpu_isa, "")
    if status.startswith("slow"):
        yield Diagnostic(
            "GLM433",
            f"`{spec.checkpoint.id}` experts on {spec.cluster.cpu_isa}: {status.partition(': ')[2]}",
            Level.WARNING,
            at=("cluster", "cpu_isa"),
            notes=(f"source: {spec.framework.facts['cpu_methods'].source}",),
            hint="measure a long prompt before you commit to it",
        )
