"""Layouts: what the sizes of the parallel dimensions must obey.

Most of these codes also stand in `rejected` of a plan: there they say why a layout was passed over. As
diagnostics they appear when the profile insists on such a layout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Diagnostic, Level
from glmdeploy.frameworks.sglang_shapes import DEEPEP_SIZES
from glmdeploy.plan import place_layout
from glmdeploy.rules import advice
from glmdeploy.units import plural, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.diagnostics import KeyPath
    from glmdeploy.flags import Recipe
    from glmdeploy.plan import Plan
    from glmdeploy.process import Process


def _insisted(plan: Plan, code: str, at: KeyPath) -> Iterator[Diagnostic]:
    if plan.refusal and plan.refusal.code == code:
        request = plan.spec.request
        sizes = {name: getattr(request, name) for name in ("tp", "pp", "ep", "dp", "attn_dp", "cp", "dcp", "replicas")}
        given = [f"{name} {size}" for name, size in sizes.items() if size]
        nearest = "" if given else advice.nearest(plan.spec)
        hint = f"leave out {', '.join(given)}: the planner chooses" if given else f"use {nearest}" if nearest else ""
        yield Diagnostic(code, plan.refusal.reason, at=at, hint=hint)


def heads(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The attention heads are not divisible by the tensor parallel size

    GLM-5.2 has 64 heads, and each rank takes an equal share, so tensor parallel size is a power of two up to 64.
    SGLang fails while it builds the model (models/deepseek_v2.py), vLLM when it reads the configuration.
    """
    yield from _insisted(plan, "GLM301", ("layout", "tp"))


def blocks(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """Tensor parallelism would cut through a quantisation block

    FP8 weights share one scale per 128 x 128 block, and an expert is 2,048 wide: a rank's share must be a multiple
    of 128, so FP8 stops at tensor parallel size 16. Other formats have their own limit.
    """
    yield from _insisted(plan, "GLM302", ("layout", "tp"))


def pipeline_version(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """This framework version computes nonsense with pipeline stages

    57 of the 78 layers reuse the top-k of an earlier layer's indexer (IndexShare). SGLang hands it to the next
    stage from 0.5.14 on; before that a stage that starts on such a layer fails (sgl-project/sglang#28532).
    """
    yield from _insisted(plan, "GLM304", ("layout", "pp"))


def stage_starts(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """There are more pipeline stages than layers that may start one

    A vLLM stage must start on a layer with an indexer of its own: 0, 1, 2, 6, 10 ... 74. Anywhere else it reads a
    stale buffer, without any error. SGLang may start a stage on any of the 78 layers.
    """
    yield from _insisted(plan, "GLM305", ("layout", "pp"))


def expert_size(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The expert parallel size is neither 1 nor that of the whole group

    Those are the tensor parallel size, for vLLM times its data-parallel ranks. SGLang wants ep x moe-dp = tp when ep is
    above 1; vLLM's switch spreads the experts over the whole group.
    """
    yield from _insisted(plan, "GLM306", ("layout", "ep"))


def too_many_gpus(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The layout asks for more GPUs than there are

    Tensor parallel size times pipeline stages times vLLM's data-parallel ranks are the GPUs of one replica. SGLang's
    attention data parallel and context parallel stay inside the tensor parallel size and ask for none of their own.
    """
    yield from _insisted(plan, "GLM307", ("layout",))


def one_host(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """This framework runs as one process on one host

    Transformers and KTransformers do not span hosts here.
    """
    yield from _insisted(plan, "GLM308", ("cluster", "gpus"))


def unsupported_dimension(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The framework has no such parallel dimension

    `transformers serve` spreads whole layers over all GPUs of one process; sglang-kt has no pipeline stages.
    """
    yield from _insisted(plan, "GLM318", ("layout",))


def idle_gpus(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """Some of the GPUs stay idle

    No better layout uses them all: stages add latency and rule out multi-token prediction, and an odd count does not
    divide the heads. Run a second deployment on them, or give the exact number.
    """
    idle = plan.spec.cluster.gpus - plan.layout.gpus
    if plan.launchable and idle > 0:
        yield Diagnostic(
            "GLM316",
            f"{plural(idle, 'GPU')} of {plan.spec.cluster.gpus} {'stays' if idle == 1 else 'stay'} idle: {plan.layout.label} uses {plan.layout.gpus}",
            Level.WARNING,
            at=("cluster", "gpus"),
            hint=_more_replicas(plan)
            + f"`--gpus {plan.layout.gpus}x{plan.spec.cluster.gpu.short}` gives the same plan",
        )


def _more_replicas(plan: Plan) -> str:
    times = plan.spec.cluster.gpus // plan.layout.world
    return f"`--replicas {times}` uses {times * plan.layout.world} of them; " if times > plan.layout.replicas else ""


def wide_tensor_group(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """A tensor-parallel group spans hosts

    Each layer then waits twice for the network between hosts. The published cells do so over InfiniBand, with two
    hosts at most; over plain TCP it is far too slow, and the planner keeps groups inside a host where it can.
    """
    layout = plan.layout
    if not plan.launchable or layout.tp <= layout.gpus_per_rank:
        return
    placed = place_layout(plan.spec, layout)[: layout.tp // layout.gpus_per_rank]
    spanned = len({p.host for p in placed})
    if spanned > 1 and plan.spec.cluster.fabric == "tcp":
        yield Diagnostic(
            "GLM317",
            f"tensor-parallel groups of {layout.tp} span {spanned} hosts on a tcp fabric",
            Level.WARNING,
            at=("cluster", "fabric"),
            hint="use InfiniBand or RoCE, or `--pp` with groups inside a host",
        )


def attention_groups(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """Attention's own groups do not divide the tensor parallel size

    SGLang's attention data parallel and prefill context parallel, and both engines' decode context parallel, take whole
    parts of a tensor-parallel group. What is left of it for attention must divide the 64 heads, so that 24, 40, 48 and
    56 are legal with `attn_dp` equal to them, and 64 % tp alone decides nothing.
    """
    yield from _insisted(plan, "GLM332", ("layout",))


def context_parallel(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """This version, GPU or layout has no such context parallel

    Decode context parallel needs sparse-attention kernels that return what it sums: SGLang from 0.5.22 on Blackwell,
    vLLM from 0.25 on Blackwell and from 0.30 with an FP8 KV cache on Hopper. SGLang's prefill context parallel stays on
    one NVIDIA machine.
    """
    yield from _insisted(plan, "GLM333", ("layout",))


def unconfirmed_shape(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """No public run has this shape

    The engines' checks and the arithmetic allow it, and nobody has published a run: redundant experts that make 256
    divisible, or decode context parallel with GLM-5.2. Try it before you commit to it.
    """
    layout = plan.layout
    if not plan.launchable:
        return
    if layout.spare:
        message = f"{layout.label} needs {layout.spare} redundant experts, and no public run of GLM-5.2 has any"
        yield Diagnostic("GLM334", message, Level.WARNING, at=("layout",))
    if layout.a2a and layout.tp not in DEEPEP_SIZES:
        message = f"DeepEP has no dispatch configuration of its own for {layout.tp} ranks"
        hint = "give SGLang one with `--deepep-config`, or take one of " + ", ".join(map(str, DEEPEP_SIZES))
        yield Diagnostic("GLM334", message, Level.WARNING, at=("layout",), hint=hint)
    if layout.dcp > 1:
        message = f"no public run of GLM-5.2 has decode context parallel ({layout.dcp})"
        yield Diagnostic("GLM334", message, Level.WARNING, at=("layout", "dcp"))


def not_the_recipe(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The framework's own recipe for this hardware was not followed

    Its memory fraction leaves too little for the context, or the profile asks for another layout or settings. The
    settings are then those that the engine would choose itself, or what memory asks for.
    """
    spec, settings = plan.spec, plan.settings
    recipe = spec.framework.recipe(spec.cluster.gpu.id, spec.checkpoint.id, spec.request.strategy)
    if plan.launchable and recipe and settings.recipe is None and recipe.gpus == spec.cluster.gpus:
        status = "verified" if recipe.verified else "unverified"
        message = (
            f"the cookbook's {status} cell for this hardware is not what this plan does: {_difference(plan, recipe)}"
        )
        yield Diagnostic("GLM335", message, Level.NOTE, at=("serving", "strategy"))


def _difference(plan: Plan, recipe: Recipe) -> str:
    layout = plan.layout
    if (layout.tp, layout.pp, layout.attn_dp, layout.cp, layout.dcp) != (recipe.gpus, 1, recipe.attn_dp, 1, 1):
        wide = f" with attention-DP {recipe.attn_dp}" if recipe.attn_dp > 1 else ""
        return f"it runs TP{recipe.gpus}{wide}"
    return f"its memory fraction {recipe.memory_fraction:g} does not hold {tokens(plan.settings.context)}"


def rack_domain(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The ranks span trays of an NVLink rack

    Between the trays of a GB200 or GB300 rack NVLink needs IMEX: on Kubernetes a ComputeDomain of NVIDIA's DRA driver
    gives it to the pods, elsewhere the IMEX daemon runs on every tray. Without it the traffic takes the network.
    """
    gpu, hosts = plan.spec.cluster.gpu, len({p.host for p in plan.ranks})
    if plan.launchable and gpu.rack_scale and hosts > 1:
        message = f"{plan.layout.label} spans {hosts} trays of {gpu.name}: NVLink between them needs one IMEX domain"
        hint = "on Kubernetes, a ComputeDomain of NVIDIA's DRA driver; elsewhere the IMEX daemon on every tray"
        yield Diagnostic("GLM336", message, Level.NOTE, at=("cluster", "gpu"), hint=hint)


def less_preferred(_: Plan, __: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """A layout that would work, and another was preferred

    Stands only in `rejected` of a plan. The order of preference: holds the context; multi-token prediction where
    insisted on; tensor groups span few hosts; fewer pipeline stages; the shape of the strategy's recipes; fits before
    tight; fewer idle GPUs; more headroom.
    """
    yield from ()
