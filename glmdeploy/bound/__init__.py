"""Upper bounds on the speed of a plan, and the published measurements beside them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from glmdeploy.bound import roofline
from glmdeploy.bound.roofline import Subject
from glmdeploy.catalog import load as load_catalog
from glmdeploy.catalog import measured
from glmdeploy.layout import Layout, Shards

if TYPE_CHECKING:
    from glmdeploy.catalog.measured import Run
    from glmdeploy.plan import Plan

CONTEXTS = (1_024, 8_192, 32_768, 131_072, 524_288)
# `transformers serve` answers one request at a time, and one GPU works at a time: its layers are spread over the GPUs
# without pipelining (transformers 5.23.0 device_map, read 2026-11-23).
_ONE_AT_A_TIME = frozenset({"transformers"})
_MEASURED_CHUNK = 32_768  # the largest prefill chunk of the published command lines: a larger one bounds higher


class Ram(Protocol):
    """How the host's RAM bounds the decoding of one request; the framework's own module knows it."""

    @property
    def sum(self) -> str:
        """The bytes of one token, as a sum in words."""

    @property
    def tokens_per_second(self) -> float | None:
        """The most tokens a second of one request; None without a bandwidth."""


@dataclass(frozen=True)
class Row:
    """Bounds at one context, tokens a second: one request alone, as many as ``requests``, and reading prompts."""

    context: int
    request: float
    requests: int
    together: float
    prefill: float


@dataclass(frozen=True)
class Comparison:
    """A published run with the bounds for it; 0 where the run does not say enough."""

    run: Run
    request: float
    output: float
    prefill: float


@dataclass(frozen=True)
class Bound:
    """The bounds of a plan. ``why_not`` says why there are none."""

    rows: tuple[Row, ...]
    drafts: int
    acceptance: float
    published: tuple[Comparison, ...]
    missing: tuple[str, ...]
    why_not: str = ""
    ram: Ram | None = None  # where the host's RAM, and nothing else, bounds one request

    @property
    def ram_rate(self) -> float:
        """The most tokens a second of one request that the host's RAM allows; 0 where it bounds nothing."""
        return (self.ram.tokens_per_second or 0.0) if self.ram else 0.0

    @property
    def last(self) -> Row:
        """The bounds at the plan's own context."""
        return self.rows[-1]


def of(plan: Plan, ram: Ram | None = None) -> Bound:
    """The bounds of a plan that can run; none for what cannot. Experts in a host's RAM are bounded by ``ram`` alone."""
    if ram and ram.tokens_per_second and plan.possible:
        return Bound((), 0, 1.0, (), (), ram=ram)
    if why := _why_not(plan):
        return Bound((), 0, 1.0, (), (), why)
    subject = subject_of(plan)
    contexts = sorted({*(c for c in CONTEXTS if c < plan.settings.context), plan.settings.context})
    gpu = subject.gpu
    missing = tuple(
        name for name, value in (("BF16", gpu.bf16_tflops), ("FP8", gpu.fp8_tflops or gpu.bf16_tflops)) if not value
    )
    return Bound(
        rows=tuple(_row(subject, plan, c) for c in contexts),
        drafts=subject.drafts,
        acceptance=subject.acceptance,
        published=tuple(compare(r) for r in published(plan)),
        missing=missing,
    )


def _why_not(plan: Plan) -> str:
    if not plan.possible or not plan.memory.stages:
        return "the plan cannot run"
    if plan.spec.framework.weights_in == "host":
        return (
            "the experts are read from the host's RAM; set `cluster.memory_bandwidth`, such as `400 GB/s`, for a bound"
        )
    return ""


def _row(subject: Subject, plan: Plan, context: int) -> Row:
    requests = held(plan, context)
    return Row(
        context=context,
        request=roofline.decode_rate(subject, 1, context) if requests else 0.0,
        requests=requests,
        together=roofline.decode_rate(subject, requests, context) if requests else 0.0,
        prefill=roofline.prefill_rate(subject, context),
    )


def held(plan: Plan, context: int) -> int:
    """Requests of ``context`` tokens that run at a time: what the caches hold, at most the plan's limit."""
    fit = plan.concurrent(context)
    return min(1, fit) if plan.spec.framework.id in _ONE_AT_A_TIME else fit


def subject_of(plan: Plan) -> Subject:
    """What the roofline needs to know of a plan."""
    mtp = plan.settings.mtp
    drafts = (mtp.steps or mtp.draft_tokens) if mtp.enabled else 0
    return Subject(
        model=plan.spec.model,
        checkpoint=plan.spec.checkpoint,
        gpu=plan.spec.cluster.gpu,
        layout=plan.layout,
        shards=plan.shards,
        row=plan.settings.kv.row,
        index=plan.settings.kv.index,
        drafts=drafts,
        acceptance=acceptance(drafts),
        chunk=plan.settings.prefill_chunk,
        pipelined=plan.spec.framework.id not in _ONE_AT_A_TIME,
    )


def acceptance(drafts: int) -> float:
    """Mean tokens that a step brings with ``drafts`` drafted tokens; all of them where nothing was published."""
    return float(measured.load().acceptance.get(drafts, drafts + 1)) if drafts else 1.0


def published(plan: Plan) -> tuple[Run, ...]:
    """The published runs on the plan's GPU, number of GPUs, checkpoint and framework."""
    spec = plan.spec
    mine = (spec.cluster.gpu.id, spec.cluster.gpus, spec.checkpoint.id, spec.framework.id)
    return tuple(r for r in measured.load().runs if (r.gpu, r.gpus, r.checkpoint, r.framework) == mine)


def compare(run: Run) -> Comparison:
    """A published run with the bounds for its own layout: its clients all at a time, at its shortest context."""
    subject = _run_subject(run)
    context = run.input or 1
    return Comparison(
        run=run,
        request=roofline.decode_rate(subject, 1, context),
        output=roofline.decode_rate(subject, run.clients, context) if run.output else 0.0,
        prefill=roofline.prefill_rate(subject, run.input) if run.input else 0.0,
    )


def _run_subject(run: Run) -> Subject:
    catalog = load_catalog()
    checkpoint = next(c for c in catalog.model.checkpoints if c.id == run.checkpoint)
    # the smallest rows that any engine keeps on that GPU: plain FP8 latents, FP8 index keys
    return Subject(
        model=catalog.model,
        checkpoint=checkpoint,
        gpu=catalog.gpus[run.gpu],
        layout=Layout(run.tp, attn_dp=run.attn_dp, partition=(catalog.model.layers,)),
        # the least that one GPU can hold, whatever the engine repeats
        shards=replace(Shards.tensor(run.tp), attention=run.tp // run.attn_dp),
        row=catalog.model.latent,
        index=catalog.model.index_head,
        drafts=run.drafts,
        acceptance=acceptance(run.drafts),
        chunk=_MEASURED_CHUNK,
    )
