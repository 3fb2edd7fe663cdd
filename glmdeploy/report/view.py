"""What a report says, before anybody decides how it looks: plain values in the order in which they are read.

Every renderer (text, JSON, Markdown, SVG) reads a `View` and nothing else; sizes are bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import groupby
from typing import TYPE_CHECKING

from glmdeploy.report.arithmetic import arithmetic
from glmdeploy.report.origins import Key, Origin, keys, origins
from glmdeploy.report.sentence import sentence
from glmdeploy.units import plural, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.layout import Layout, Placement
    from glmdeploy.plan import Plan, Rejected, StageBudget
    from glmdeploy.process import Process
    from glmdeploy.report.arithmetic import Section
    from glmdeploy.source import Source

# The parts of a GPU, in the order of every bar, table and legend.
PARTS = ("weights", "KV", "activations", "overhead", "headroom")


@dataclass(frozen=True)
class Stages:
    """Pipeline stages with the same bytes in every part, and the arithmetic of one GPU of them."""

    numbers: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]  # first and last layer of each
    budget: StageBudget
    fullest: bool
    only: bool
    sections: tuple[Section, ...]

    @property
    def name(self) -> str:
        """``stage 0``, ``stages 1-3, 5``, or ``every GPU`` where there is one stage only."""
        if self.only:
            return "every GPU"
        return f"stage{'s' if len(self.numbers) > 1 else ''} {_spans(self.numbers)}"

    @property
    def layers(self) -> str:
        """``layers 0-17``, or ``15 layers each``."""
        first, last = self.spans[0]
        if len(self.spans) > 1:
            return f"{plural(last - first + 1, 'layer')} each"
        return f"layers {first}-{last}" if last > first else f"layer {first}"

    @property
    def sizes(self) -> tuple[int, ...]:
        """Bytes of each of PARTS; headroom is negative where the budget exceeds the GPU."""
        b = self.budget
        return b.weights, b.kv_cache, b.activations, b.overhead, b.headroom


@dataclass(frozen=True)
class Host:
    """Neighbouring hosts whose ranks are on the same GPUs."""

    first: int
    last: int
    ranks: str
    gpus: str
    stages: str

    @property
    def name(self) -> str:
        """``host 0`` or ``hosts 0-3``."""
        return f"host {self.first}" if self.first == self.last else f"hosts {self.first}-{self.last}"

    @property
    def text(self) -> str:
        """``ranks 0-3 on GPUs 0-7, stages 0-3``."""
        return f"{self.ranks} on GPUs {self.gpus}" + (f", {self.stages}" if self.stages else "")


@dataclass(frozen=True)
class NotChosen:
    """Layouts that were passed over for one reason."""

    layouts: tuple[str, ...]
    code: str
    reason: str

    @property
    def name(self) -> str:
        """The first layout that the reason keeps out."""
        return self.layouts[0]

    @property
    def text(self) -> str:
        """The reason, and how many more layouts it keeps out."""
        more = len(self.layouts) - 1
        return self.reason + (f" (and {plural(more, 'layout')} more)" if more else "")


@dataclass(frozen=True)
class View:
    """One report. Without a plan (the profile was not understood), only the sentence and the diagnostics."""

    plan: Plan | None
    verdict: str
    sentence: str
    dimensions: tuple[tuple[str, int | str], ...] = ()
    hosts: tuple[Host, ...] = ()
    stages: tuple[Stages, ...] = ()
    whole_contexts: int = 0  # requests of the planned context that the pool holds at the same time
    origins: tuple[Origin, ...] = ()
    keys: tuple[Key, ...] = ()  # of a document of several layers
    not_chosen: tuple[NotChosen, ...] = ()
    processes: tuple[Process, ...] = ()
    found: tuple[Diagnostic, ...] = ()

    @property
    def fullest(self) -> Stages | None:
        """The stages that limit the others."""
        return next((s for s in self.stages if s.fullest), None)


def look(
    plan: Plan | None, processes: Sequence[Process], found: Sequence[Diagnostic], source: Source | None = None
) -> View:
    """The view of what became of a profile; ``source`` tells where its settings were asked for."""
    if plan is None:
        return View(None, "refused", sentence(None, found), found=tuple(found))
    return View(
        plan=plan,
        verdict=plan.verdict.value,
        sentence=sentence(plan, found),
        dimensions=dimensions(plan.layout),
        hosts=tuple(_hosts(plan)),
        stages=tuple(_stages(plan)),
        whole_contexts=plan.concurrent(plan.settings.context) if plan.launchable else 0,
        origins=origins(plan, source),
        keys=keys(source),
        not_chosen=_not_chosen(plan.rejected),
        processes=tuple(processes),
        found=tuple(found),
    )


def dimensions(layout: Layout) -> tuple[tuple[str, int | str], ...]:
    """Every size and choice of the layout by its name, whatever dimensions layouts have."""
    values = ((f.name, getattr(layout, f.name)) for f in fields(layout) if f.name != "nodes")
    return tuple((name, value) for name, value in values if isinstance(value, int | str))


def _stages(plan: Plan) -> Iterator[Stages]:
    memory = plan.memory
    if not memory.stages:
        return
    equal: dict[tuple[object, ...], list[int]] = {}
    for number, stage in enumerate(memory.stages):
        equal.setdefault(_figures(stage), []).append(number)
    for numbers in equal.values():
        group = [memory.stages[n] for n in numbers]
        yield Stages(
            numbers=tuple(numbers),
            spans=tuple((s.first_layer, s.end_layer - 1) for s in group),
            budget=group[0],
            fullest=any(stage is memory.fullest for stage in group),
            only=len(memory.stages) == 1,
            sections=arithmetic(plan, numbers[0]),
        )


def _figures(stage: StageBudget) -> tuple[object, ...]:
    sizes = (stage.capacity, stage.weights, stage.kv_cache, stage.activations, stage.overhead, stage.kv_per_token)
    return (stage.end_layer - stage.first_layer, *sizes, *((t.name, t.size) for t in stage.terms))


def _hosts(plan: Plan) -> Iterator[Host]:
    by_host = [list(ranks) for _, ranks in groupby(plan.placement, key=lambda p: p.host)]
    for _, run in groupby(by_host, key=lambda ranks: [p.gpu_ids for p in ranks]):
        group = list(run)
        ranks = [p for host in group for p in host]
        gpus = sorted(g for p in group[0] for g in p.gpu_ids)
        yield Host(
            first=ranks[0].host,
            last=ranks[-1].host,
            ranks=_named(plan, ranks, len(group)),
            gpus=_spans(gpus),
            stages=_stages_of(plan, ranks),
        )


def _named(plan: Plan, ranks: Sequence[Placement], hosts: int) -> str:
    """``ranks 0-3``, or ``replicas 0-1, 4 ranks a host``."""
    low, high, nodes = ranks[0].rank, ranks[-1].rank, plan.layout.nodes
    if plan.layout.replicas == 1:
        return f"rank {low}" if low == high else f"ranks {low}-{high}"
    first, last = low // nodes, high // nodes
    replicas = f"replica {first}" if first == last else f"replicas {first}-{last}"
    return f"{replicas}, {plural(len(ranks) // hosts, 'rank')} a host"


def _stages_of(plan: Plan, ranks: Sequence[Placement]) -> str:
    """The pipeline stages of ranks; empty for one stage, and for layouts that are more than TP x PP."""
    layout, size = plan.layout, plan.layout.gpus_per_rank
    if layout.pp == 1 or sum(len(p.gpu_ids) for p in plan.placement) != layout.tp * layout.pp:
        return ""
    first, last = ranks[0].rank * size // layout.tp, ((ranks[-1].rank + 1) * size - 1) // layout.tp
    return f"stage {first}" if first == last else f"stages {first}-{last}"


def _spans(numbers: Sequence[int]) -> str:
    """``0-3, 6`` for 0, 1, 2, 3, 6."""
    runs = [list(run) for _, run in groupby(enumerate(numbers), key=lambda item: item[1] - item[0])]
    return ", ".join(str(run[0][1]) if len(run) == 1 else f"{run[0][1]}-{run[-1][1]}" for run in runs)


def _not_chosen(rejected: Iterable[Rejected]) -> tuple[NotChosen, ...]:
    groups: dict[tuple[str, str], list[str]] = {}
    for r in rejected:
        groups.setdefault((r.code, r.reason), []).append(r.layout)
    return tuple(NotChosen(tuple(layouts), code, reason) for (code, reason), layouts in groups.items())


def pool(plan: Plan) -> str:
    """``bf16, 111,552 tokens in the pool``; of several pools, in each and in all."""
    kv, held = plan.settings.kv.label, tokens(plan.memory.kv_tokens)
    if plan.layout.pools == 1:
        return f"{kv}, {held} in the pool"
    return f"{kv}, {held} in each of {plan.layout.pools} pools, {plan.kv_tokens:,} in all"


def partition(layers: Sequence[int]) -> str:
    """``18, 4 x 15`` for 18, 15, 15, 15, 15."""
    runs = [(size, len(list(run))) for size, run in groupby(layers)]
    return ", ".join(f"{count} x {size}" if count > 1 else f"{size}" for size, count in runs)


def heading(plan: Plan) -> str:
    """What is served by what on what, in one line."""
    spec = plan.spec
    return f"{spec.model.name} `{spec.checkpoint.id}`, {spec.framework.name} {spec.version}, {spec.cluster.gpus} x {spec.cluster.gpu.name}"


def ranks(plan: Plan) -> str:
    """``5 ranks of 2 GPUs on 2 hosts``, with the number of replicas where there are several."""
    layout = plan.layout
    one = f"{plural(layout.nodes, 'rank')} of {plural(layout.gpus_per_rank, 'GPU')}"
    replicas = f"{layout.replicas} replicas of " if layout.replicas > 1 else ""
    return f"{replicas}{one} on {plural(plan.hosts, 'host')}"


def most(plan: Plan) -> str:
    """The largest context of a plan of which nothing is rendered."""
    if not plan.memory.max_context:
        return "none: the best layout leaves no memory for it, and nothing is rendered"
    return f"at most {tokens(plan.memory.max_context)} with this layout: nothing is rendered"
