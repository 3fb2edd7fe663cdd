"""Enumerate layouts, order them by a documented preference, place the best. Never raises, never prints.

The order of preference is in preference.py.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from glmdeploy import preference, verdict
from glmdeploy.layout import Layout, place
from glmdeploy.partition import Partitioner, even
from glmdeploy.plan import MemoryBudget, Plan, Refusal, Rejected, Verdict, place_layout
from glmdeploy.preference import Candidate, Holds
from glmdeploy.units import gib, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glmdeploy.engine import Engine
    from glmdeploy.plan import Settings
    from glmdeploy.spec import Spec


def make_plan(spec: Spec, engine: Engine) -> Plan:
    """The best plan, or the least bad one with ``possible`` false and the reason."""
    planner = _Planner(spec, engine)
    candidates = sorted(planner.candidates(), key=lambda c: preference.order(spec, c))
    if candidates:
        return planner.plan(candidates[0], candidates[1:])
    return planner.nothing()


class _Planner:
    def __init__(self, spec: Spec, engine: Engine) -> None:
        self.spec = spec
        self.engine = engine
        self.rejected: list[Rejected] = []
        self.floor = verdict.below_floor(spec)
        self.first_refusal: Refusal | None = None
        self.partitioners: dict[tuple[Layout, bool], Partitioner] = {}

    @property
    def target(self) -> int:
        """Tokens that the context must hold: what was asked, or the framework's default, or the answer and a prompt."""
        request = self.spec.request
        room = request.output_tokens + verdict.MIN_CONTEXT if request.output_tokens else 0
        return request.context or min(max(self.engine.default_context, room), self.spec.model.max_context)

    def candidates(self) -> Iterator[Candidate]:
        for order, shape in self.shapes():
            layout = self.arrange(shape)
            if isinstance(layout, Refusal):
                self.reject(shape, layout)
                continue
            yield self.weigh(layout, order)

    def shapes(self) -> Iterator[tuple[int, Layout]]:
        """Every shape to look at, and its place among those of the same sizes."""
        request = self.spec.request
        for tp in [request.tp] if request.tp else self.engine.tensor_sizes(self.spec):
            stages = [request.pp] if request.pp else list(self.engine.stage_counts(self.spec, tp))
            for pp in stages or [1]:  # with too few GPUs, one stage to refuse with the reason
                for order, shape in enumerate(self.engine.shapes(self.spec, tp, pp)):
                    yield order, replace(shape, replicas=request.replicas or 1)

    def arrange(self, shape: Layout) -> Layout | Refusal:
        """The layout with ranks and partition, or why there is none."""
        cluster = self.spec.cluster
        if refusal := self.engine.refuse(self.spec, shape):
            return refusal
        if shape.gpus > cluster.gpus:
            sizes = " x ".join(str(n) for n in (shape.tp, shape.pp, shape.dp, shape.replicas) if n > 1)
            return Refusal("GLM307", f"{sizes} = {plural(shape.gpus, 'GPU')}, and there are {cluster.gpus}")
        partition = self.partition(shape)
        if partition is None:
            return Refusal(
                "GLM305",
                f"only {len(self.engine.starts(self.spec))} layers may start a stage, and there are {shape.pp} stages",
            )
        return replace(shape, nodes=self.ranks(shape), partition=partition)

    def ranks(self, shape: Layout) -> int:
        """The fewest equal ranks that fit on the hosts and cut no stage, tensor group or data-parallel rank unevenly.

        Ranks of one GPU always fit.
        """
        world, hosts = shape.world, self.spec.cluster.hosts
        units = (shape.tp, shape.tp * shape.pp)
        for nodes in range(1, 2 if self.engine.one_process else world):
            size, rest = divmod(world, nodes)
            whole = not rest and all(size % unit == 0 or unit % size == 0 for unit in units)
            if whole and len(place(hosts, nodes * shape.replicas, size)) == nodes * shape.replicas:
                return nodes
        return 1 if self.engine.one_process else world

    def partition(self, shape: Layout) -> tuple[int, ...] | None:
        layers, pp = self.spec.model.layers, shape.pp
        if pp == 1:
            return (layers,)
        layout = replace(shape, partition=even(layers, pp))
        settings = replace(self.engine.ladder(self.spec, layout)[0], context=self.target)
        key = (replace(shape, pp=1), settings.mtp.enabled)
        if key not in self.partitioners:
            cost = self.engine.stage_cost(self.spec, layout, settings)
            self.partitioners[key] = Partitioner(layers, self.engine.starts(self.spec), cost)
        return self.partitioners[key].solve(pp)

    def weigh(self, layout: Layout, order: int) -> Candidate:
        """Climb the ladder until the context is held; else take the largest context of the last rung."""
        ladder = [replace(rung, context=self.target) for rung in self.engine.ladder(self.spec, layout)]
        little = (f"headroom below {gib(verdict.FITS_HEADROOM)}",)  # for what the profile fixes: nothing gives way
        for settings in (*ladder, *(replace(rung, comfort=little) for rung in ladder if not rung.comfort)):
            enough = verdict.holds if settings.comfort else verdict.comfortable
            if enough(self.memory(layout, settings), self.target):
                return self.satisfied(layout, self.ease(layout, settings), order)
        return self.reduced(layout, order)

    def satisfied(self, layout: Layout, settings: Settings, order: int) -> Candidate:
        # the largest context is dear to find: only a target below the useful minimum needs it here
        least = (
            self.target
            if self.target >= verdict.MIN_CONTEXT
            else self.largest(layout, self.engine.ladder(self.spec, layout))
        )
        found = verdict.judge(least, settings.comfort, floor=self.floor)
        holds = Holds.TOO_LITTLE if least < verdict.MIN_CONTEXT else Holds.ASKED
        return Candidate(
            layout, settings, replace(self.memory(layout, settings), max_context=least), holds, found, order
        )

    def reduced(self, layout: Layout, order: int) -> Candidate:
        """The largest context that the layout holds, with multi-token prediction while that leaves a useful one."""
        ladder = self.engine.ladder(self.spec, layout)
        keeping = [rung for rung in ladder if rung.mtp.enabled == ladder[0].mtp.enabled]
        rungs: Sequence[Settings] = keeping
        largest = self.largest(layout, keeping)
        if largest < verdict.MIN_CONTEXT and len(keeping) < len(ladder):
            rungs, largest = ladder, self.largest(layout, ladder)
        context = self.within_target(layout, rungs, largest)
        gave = (f"context {'below' if context < self.target else 'above'} {self.target:,}",)
        fitting = (r for r in rungs if verdict.holds(self.memory(layout, replace(r, context=context)), context))
        rung = next(fitting, rungs[-1])
        settings = replace(rung, context=context, comfort=(*rung.comfort, *gave))
        most = max(largest, self.largest(layout, ladder[len(keeping) :])) if len(keeping) < len(ladder) else largest
        memory = replace(self.memory(layout, settings), max_context=most)
        holds = Holds.REDUCED if largest >= verdict.MIN_CONTEXT else Holds.TOO_LITTLE if largest else Holds.NOTHING
        return Candidate(
            layout, settings, memory, holds, verdict.judge(largest, settings.comfort, floor=self.floor), order
        )

    def within_target(self, layout: Layout, rungs: Sequence[Settings], largest: int) -> int:
        """The largest whole step up to the target that is held; where there is none, ``largest`` itself."""
        step = verdict.CONTEXT_STEP
        for low, high in self.ranges(self.target):
            if low < largest <= high:
                most = largest
            elif low < largest and self.any_holds(layout, rungs, low + 1):
                most = self.bisect(layout, rungs, low + 1, high)
            else:
                continue
            if most // step * step > low:
                return most // step * step
        return largest or step

    def ranges(self, most: int) -> list[tuple[int, int]]:
        """The ranges up to ``most`` in which needs grow with the context, the highest first."""
        bounds = [0, *(s for s in self.engine.context_steps if s < most), most]
        return list(pairwise(bounds))[::-1]

    def ease(self, layout: Layout, settings: Settings) -> Settings:
        """Lower a raised memory fraction to the least that still holds the context, in thousandths."""
        if not settings.comfort or self.spec.request.memory_fraction:
            return settings
        low, high = 500, round(settings.memory_fraction * 1000)
        while low < high:
            middle = (low + high) // 2
            if verdict.holds(self.memory(layout, replace(settings, memory_fraction=middle / 1000)), settings.context):
                high = middle
            else:
                low = middle + 1
        return replace(
            settings,
            memory_fraction=max(high / 1000, self.engine.default_fraction(self.spec, layout, settings)),
        )

    def largest(self, layout: Layout, ladder: Sequence[Settings]) -> int:
        """The most tokens of one request that some rung of the ladder holds, at most the model's context."""
        for low, high in self.ranges(self.spec.model.max_context):
            if self.any_holds(layout, ladder, low + 1):
                return self.bisect(layout, ladder, low + 1, high)
        return 0

    def bisect(self, layout: Layout, ladder: Sequence[Settings], low: int, high: int) -> int:
        """The largest context from ``low``, which is held, to ``high``; needs grow with it in this range."""
        while low < high:
            middle = (low + high + 1) // 2
            if self.any_holds(layout, ladder, middle):
                low = middle
            else:
                high = middle - 1
        return low

    def any_holds(self, layout: Layout, ladder: Sequence[Settings], context: int) -> bool:
        return any(
            verdict.holds(self.memory(layout, replace(rung, context=context)), context) for rung in reversed(ladder)
        )

    def memory(self, layout: Layout, settings: Settings) -> MemoryBudget:
        return self.engine.budget(self.spec, self.engine.needs(self.spec, layout, settings), settings)

    def reject(self, layout: Layout, refusal: Refusal) -> None:
        self.first_refusal = self.first_refusal or refusal
        self.rejected.append(Rejected(layout.label, refusal.code, refusal.reason, layout.pp))

    def plan(self, best: Candidate, others: list[Candidate]) -> Plan:
        passed_over = (
            Rejected(c.layout.label, *preference.why_not(self.spec, self.target, best, c), c.layout.pp) for c in others
        )
        rejected = [*passed_over, *self.rejected]
        memory = replace(best.memory, max_context=self.largest(best.layout, self.engine.ladder(self.spec, best.layout)))
        possible = best.holds is not Holds.NOTHING
        held = best.holds is Holds.ASKED or best.settings.context >= self.target
        return self.assemble(best.layout, best.settings, memory, best.verdict, rejected, possible=possible, held=held)

    def nothing(self) -> Plan:
        """No legal layout: a plan with the sizes that were asked for, or the plainest ones."""
        request = self.spec.request
        layout = Layout(
            request.tp or 1,
            request.pp or 1,
            request.ep or 1,
            1,
            even(self.spec.model.layers, min(request.pp or 1, self.spec.model.layers)),
        )
        settings = self.engine.ladder(self.spec, Layout(1, partition=(self.spec.model.layers,)))[0]
        found = Verdict.BELOW_FLOOR if self.floor else Verdict.REFUSED
        refusal = self.first_refusal
        if refusal is None:
            raise AssertionError("no layout was refused and none was weighed")
        return self.assemble(
            layout, settings, MemoryBudget((), 0), found, self.rejected, possible=False, refusal=refusal
        )

    def assemble(
        self,
        layout: Layout,
        settings: Settings,
        memory: MemoryBudget,
        found: Verdict,
        rejected: list[Rejected],
        *,
        possible: bool,
        held: bool = False,
        refusal: Refusal | None = None,
    ) -> Plan:
        return Plan(
            spec=self.spec,
            verdict=found,
            layout=layout,
            placement=() if refusal else place_layout(self.spec, layout),
            settings=settings,
            memory=memory,
            shards=self.engine.shards(self.spec, layout),
            rejected=tuple(rejected),
            possible=possible,
            held=held,
            refusal=refusal,
        )
