"""The planner against an enumeration of layouts that was written separately from it.

Everything here is plain loops over 64 heads, 78 layers and the GPUs of a cluster: which sizes are legal,
how many ranks they need, where the stages are cut (a dynamic programme), how many tokens the pool holds,
and which layout the planner's documented preference puts first. Of the package only the framework's
settings, memory needs and stage cost are taken, and the cost is checked against a sum over tensors.

Two things the preference leaves open and a plan decides: of layouts with less than a useful context the
one that holds most tokens is closest, and of layouts with none the one that lacks least memory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from glmdeploy import catalog
from glmdeploy.frameworks import ENGINES
from glmdeploy.layout import Layout
from glmdeploy.plan import Verdict
from glmdeploy.planner import make_plan
from glmdeploy.profile import Profile
from glmdeploy.spec import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from glmdeploy.plan import Plan, Settings, StageNeed, Term
    from glmdeploy.spec import Spec

HEADS = 64
LAYERS = 78
MIB = 2**20
GIB = 2**30
USEFUL = 32_768  # tokens: less is less than useful
AT_EASE = 2 * GIB  # bytes to spare in a plan that fits
TIGHT = 1 * GIB  # bytes to spare in any other
LONGEST = 1_048_576  # tokens of the model
DEFAULT_CONTEXT = {"sglang": 131_072, "vllm": 131_072, "transformers": 32_768, "ktransformers": 131_072}
PAGE = 64  # tokens
INDEXED = (0, 1, 2, *range(6, 75, 4))  # layers with an indexer of their own

Costs = tuple[tuple[int, ...], ...]  # bytes of layers a to b, at [a][b]


@dataclass(frozen=True)
class Case:
    """A framework on a cluster; the serving options keep their defaults unless a case says otherwise."""

    framework: str
    gpu: str
    gpus: int = 64
    checkpoint: str = "fp8"
    version: str | None = None
    per_host: int | None = None
    fabric: str = "infiniband"
    mtp: bool | None = None
    context: int | None = None
    fraction: float | None = None
    chunk: int | None = None
    tp: int | None = None
    pp: int | None = None

    @property
    def label(self) -> str:
        """``sglang-h100-sxm-80gb-10``, with what is not a default after it."""
        more = {
            "": self.checkpoint if self.checkpoint != "fp8" else None,
            "v": self.version,
            "per-host": self.per_host,
            "fabric-": self.fabric if self.fabric != "infiniband" else None,
            "mtp": self.mtp,
            "context": self.context,
            "fraction": self.fraction,
            "chunk": self.chunk,
            "tp": self.tp,
            "pp": self.pp,
        }
        named = [f"{key}{value}" for key, value in more.items() if value is not None]
        return "-".join([self.framework, self.gpu, str(self.gpus), *named])

    @property
    def target(self) -> int:
        """Tokens that a layout should hold."""
        return self.context or DEFAULT_CONTEXT[self.framework]

    @property
    def kind(self) -> Case:
        """The same on 64 GPUs of ordinary hosts: a layout weighs the same whatever lies idle beside it."""
        return replace(self, gpus=64, per_host=None, fabric="infiniband", tp=None, pp=None)


@cache
def spec_of(case: Case) -> Spec:
    profile = {
        "apiVersion": "glmdeploy/v1",
        "name": "x",
        "cluster": {
            "gpu": case.gpu,
            "gpus": case.gpus,
            "gpus_per_node": case.per_host,
            "fabric": case.fabric,
        },
        "framework": {"name": case.framework, "version": case.version},
        "model": {"checkpoint": case.checkpoint},
        "serving": {
            "context": "auto" if case.context is None else case.context,
            "mtp": "auto" if case.mtp is None else case.mtp,
            "memory_fraction": case.fraction or "auto",
            "prefill_chunk": case.chunk or "auto",
        },
        "layout": {"tp": case.tp, "pp": case.pp},
    }
    return resolve(Profile.model_validate(profile), catalog.load())


@lru_cache(maxsize=8)  # plans are large, and the tests of a case follow one another
def plan_of(case: Case) -> Plan:
    return make_plan(spec_of(case), ENGINES[case.framework])


# --- cases ------------------------------------------------------------------------------------------------

H100, H200, B200, B300 = "h100-sxm-80gb", "h200-sxm-141gb", "b200-sxm-180gb", "b300-sxm-288gb"
KINDS = tuple(sorted(catalog.load().gpus))
COUNTS = (1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 16, 17, 20)
MANY = {"h20-96gb": 31, "mi355x-288gb": 32, "rtx-5090-32gb": 48, "gb200-186gb": 63, "gb300-288gb": 64}
ONE_HOST = (*range(1, 10), 16, 64)
BF16 = ((H100, (16, 18, 19, 20, 32)), (H200, (8, 11, 16)), (B300, (6, 8)), ("gb300-288gb", (8, 32)))
NVFP4 = ((B200, (3, 4, 8)), ("rtx-pro-6000-96gb", (5, 8)))
PER_HOST = ((10, 10), (6, 12), (5, 15), (2, 16), (4, 16), (3, 18), (4, 20), (7, 21), (6, 24))


def counts_of(framework: str, gpu: str) -> Sequence[int]:
    if framework in {"transformers", "ktransformers"}:
        return ONE_HOST
    if gpu in {H100, H200, B200}:
        return range(1, 65)
    return (*COUNTS, MANY[gpu]) if gpu in MANY else COUNTS


def swept_cases() -> Iterator[Case]:
    """Every kind of GPU with every framework, all serving options at their defaults."""
    for framework in ENGINES:
        for gpu in KINDS:
            for gpus in counts_of(framework, gpu):
                yield Case(framework, gpu, gpus)


def other_cases() -> Iterator[Case]:
    """Other checkpoints, hosts, fabrics, versions and wishes, where other lines of the preference decide."""
    for framework in ("sglang", "vllm"):
        for gpu, counts in BF16:
            yield from (Case(framework, gpu, gpus, checkpoint="bf16") for gpus in counts)
        for gpu, counts in NVFP4:
            yield from (Case(framework, gpu, gpus, checkpoint="nvfp4") for gpus in counts)
        for per_host, gpus in PER_HOST:
            yield Case(framework, H100, gpus, per_host=per_host)
        yield from (Case(framework, H100, gpus, fabric="tcp") for gpus in (12, 16))
        yield Case(framework, "gb200-186gb", 8, fabric="tcp")
        yield from (Case(framework, H100, gpus, mtp=True) for gpus in (9, 12, 16))
        yield from (Case(framework, H200, gpus, mtp=True) for gpus in (6, 8))
        yield Case(framework, H100, 16, mtp=True, fabric="tcp")
        yield Case(framework, H100, 16, mtp=True, per_host=4)
        for gpu, gpus in ((H100, 16), (H200, 8), (H200, 12), (B200, 5), (B300, 4)):
            yield from (Case(framework, gpu, gpus, context=context) for context in (300_000, LONGEST))
    for gpus in (10, 12, 16):
        yield from (Case("sglang", H100, gpus, version=version) for version in ("0.5.13.post1", "0.5.14"))
        yield Case("vllm", H100, gpus, version="0.33.0")
    for context in (230_000, 262_144, 262_145, 270_000, 300_000):
        yield Case("vllm", H100, 18, version="0.33.0", context=context, tp=1, pp=18)
    yield Case("vllm", H100, 12, version="0.33.0", context=300_000, fraction=0.931, tp=4, pp=3)
    for fraction, chunk in ((0.87, 2048), (0.88, 4096), (0.91, 8192)):
        yield Case("vllm", "h20-96gb", 10, fraction=fraction, chunk=chunk)
    for framework in ("sglang", "vllm"):
        yield from (Case(framework, H100, 12, fraction=fraction) for fraction in (0.9, 0.93))


CASES = (*swept_cases(), *other_cases())
# the scope makes the tests of one case follow one another, so that a worker of xdist plans it once
every_case = pytest.mark.parametrize("case", [pytest.param(c, id=c.label) for c in CASES], scope="module")


# --- legality ---------------------------------------------------------------------------------------------


def hosts_of(spec: Spec) -> list[int]:
    """GPUs of each host, filled in order."""
    hosts, left = [], spec.cluster.gpus
    while left > 0:
        hosts.append(min(left, spec.cluster.gpus_per_node))
        left -= hosts[-1]
    return hosts


def seats(hosts: Sequence[int], size: int) -> list[int]:
    """The host of every rank of ``size`` GPUs that there is room for."""
    return [host for host, gpus in enumerate(hosts) for _ in range(gpus // size)]


def ranks(hosts: Sequence[int], tp: int, pp: int) -> int:
    """The fewest equal ranks of one host each, of whole tensor groups or whole parts of one; 0 if none."""
    for nodes in range(1, tp * pp + 1):
        size = tp * pp // nodes
        whole = size * nodes == tp * pp and (size % tp == 0 or tp % size == 0)
        if whole and len(seats(hosts, size)) >= nodes:
            return nodes
    return 0


def framework_takes(spec: Spec, tp: int, pp: int) -> bool:
    gpus, per_host = spec.cluster.gpus, spec.cluster.gpus_per_node
    match spec.framework.id:
        case "sglang":
            return pp == 1 or spec.version >= Version("0.5.14")
        case "vllm":
            return pp <= len(INDEXED)
        case "transformers":
            return tp == 1 and gpus <= per_host and pp == min(gpus, LAYERS)
        case _:
            return pp == 1 and tp <= per_host


def runs_here(spec: Spec) -> bool:
    """Whether the framework has kernels for the GPU, and the checkpoint is one for both."""
    checkpoint, compute = spec.checkpoint, spec.cluster.gpu.compute
    kernels = not spec.framework.kernels[compute].startswith("no")
    loads = not checkpoint.compute or compute in checkpoint.compute
    return kernels and loads and spec.framework.id in checkpoint.frameworks


def legal(spec: Spec, tp: int, pp: int) -> bool:
    if HEADS % tp or tp > spec.checkpoint.max_tp or tp * pp > spec.cluster.gpus or pp > LAYERS:
        return False
    if not runs_here(spec) or not framework_takes(spec, tp, pp):
        return False
    nodes = ranks(hosts_of(spec), tp, pp)
    return nodes == 1 if spec.framework.id in {"transformers", "ktransformers"} else nodes > 0


def legal_sizes(spec: Spec) -> list[tuple[int, int]]:
    gpus = spec.cluster.gpus
    return [(tp, pp) for tp in range(1, gpus + 1) for pp in range(1, gpus + 1) if legal(spec, tp, pp)]


# --- partition --------------------------------------------------------------------------------------------


def starts_of(framework: str) -> tuple[int, ...]:
    return INDEXED if framework == "vllm" else tuple(range(LAYERS))


@cache
def costs_of(kind: Case, tp: int) -> Costs:
    """Bytes of every run of layers as a stage of a pipeline."""
    spec, engine = spec_of(kind), ENGINES[kind.framework]
    layout = Layout(tp, 2, partition=(39, 39))
    settings = replace(engine.ladder(spec, layout)[0], context=kind.target)
    cost = engine.stage_cost(spec, layout, settings)
    return tuple(tuple(cost(a, b) if b > a else 0 for b in range(LAYERS + 1)) for a in range(LAYERS))


@cache
def least_fullest(costs: Costs, starts: tuple[int, ...], stages: int) -> dict[int, int]:
    """By end layer: the least possible cost of the fullest of ``stages`` stages that come before it."""
    ends = (*starts[1:], LAYERS)
    if stages == 1:
        return {end: costs[0][end] for end in ends}
    before = least_fullest(costs, starts, stages - 1)
    found = {}
    for end in ends:
        options = [max(before[cut], costs[cut][end]) for cut in starts[1:] if cut in before and cut < end]
        if options:
            found[end] = min(options)
    return found


@cache
def split(costs: Costs, starts: tuple[int, ...], stages: int) -> tuple[int, ...]:
    """Layers of each stage: the fullest as small as can be, then earlier stages as long as they may be."""
    limit = least_fullest(costs, starts, stages)[LAYERS]
    cuts = [0]
    for left in range(stages - 1, 0, -1):
        first, last = cuts[-1], len(starts) - left  # enough starts remain after the last one
        cuts.append(max(cut for cut in starts[: last + 1] if cut > first and costs[first][cut] <= limit))
    cuts.append(LAYERS)
    return tuple(b - a for a, b in pairwise(cuts))


def layout_of(kind: Case, tp: int, pp: int) -> Layout:
    parts = (LAYERS,) if pp == 1 else split(costs_of(kind, tp), starts_of(kind.framework), pp)
    ep = tp if (kind.framework, kind.checkpoint) == ("vllm", "nvfp4") else 1
    return Layout(tp, pp, ep, partition=parts)


# --- memory -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Room:
    """What one choice of settings leaves: tokens of the pool, the pools, what is outside the budget."""

    tokens: int
    pools: tuple[int, ...]
    rows: tuple[int, ...]
    headroom: int
    profiled: bool

    def holds(self, context: int, spare: int) -> bool:
        """Whether ``context`` tokens fit with ``spare`` bytes left; vLLM needs them in the pool as well."""
        left = min(pool - context * row for pool, row in zip(self.pools, self.rows, strict=True))
        return self.tokens >= context and self.headroom >= spare and (left >= spare or not self.profiled)


def total(terms: Sequence[Term]) -> int:
    return sum(term.size for term in terms)


def taken(need: StageNeed) -> int:
    return need.weights + total((*need.before, *need.resident, *need.outside, *need.activations))


def static_pools(needs: Sequence[StageNeed], fraction: float, capacity: int) -> tuple[list[int], int]:
    """SGLang: a fraction of what is free before loading, and the least pool of any rank for all of them."""
    static = [int(fraction * (capacity - total(need.before))) for need in needs]
    left = [share - need.weights - total(need.resident) for share, need in zip(static, needs, strict=True)]
    pool = max(0, min(left))
    return [pool] * len(needs), pool // max(need.kv_per_token for need in needs)


def own_pools(needs: Sequence[StageNeed], fraction: float, capacity: int) -> tuple[list[int], int]:
    """Each GPU of vLLM and Transformers fills its own share, and the fewest tokens count."""
    pools = [max(0, int(fraction * capacity) - taken(need)) for need in needs]
    return pools, min(pool // need.kv_per_token for pool, need in zip(pools, needs, strict=True))


def room_of(spec: Spec, layout: Layout, settings: Settings) -> Room:
    framework, capacity = spec.framework.id, spec.cluster.gpu.memory_mib * MIB
    needs = ENGINES[framework].needs(spec, layout, settings)
    divide = own_pools if framework in {"vllm", "transformers"} else static_pools
    pools, tokens = divide(needs, settings.memory_fraction, capacity)
    page = 1 if framework == "transformers" else PAGE
    headroom = min(capacity - pool - taken(need) for pool, need in zip(pools, needs, strict=True))
    rows = tuple(need.kv_per_token for need in needs)
    return Room(tokens - tokens % page, tuple(pools), rows, headroom, profiled=framework == "vllm")


def some_rung_holds(spec: Spec, layout: Layout, rungs: Sequence[Settings], context: int) -> bool:
    rooms = (room_of(spec, layout, replace(rung, context=context)) for rung in rungs)
    return any(room.holds(context, TIGHT) for room in rooms)


def most(held: Callable[[int], bool]) -> int:
    """The largest context that is held; both sides of 256K, where vLLM 0.33 begins to need less."""
    for least in (262_144, 0):
        best, step = least, LONGEST
        while step:
            if best + step <= LONGEST and held(best + step):
                best += step
            step //= 2
        if best > least:
            return best
    return 0


# --- preference -------------------------------------------------------------------------------------------

ASKED, REDUCED, TOO_LITTLE, NOTHING = range(4)


@dataclass(frozen=True)
class Weighed:
    """What a layout holds; ``closeness`` orders layouts that hold no useful context."""

    grade: int
    fits: bool
    closeness: int = 0


@cache
def weighed(kind: Case, tp: int, pp: int) -> Weighed:
    spec, layout = spec_of(kind), layout_of(kind, tp, pp)
    _, rungs = rungs_of(kind, layout)
    for rung in (rung for rung in rungs if not rung.comfort):
        if room_of(spec, layout, replace(rung, context=kind.target)).holds(kind.target, AT_EASE):
            return Weighed(ASKED, fits=True)
    if some_rung_holds(spec, layout, rungs, kind.target):
        return Weighed(ASKED, fits=False)
    if some_rung_holds(spec, layout, rungs, USEFUL):
        return Weighed(REDUCED, fits=False)
    if some_rung_holds(spec, layout, rungs, 1):
        return Weighed(TOO_LITTLE, fits=False, closeness=largest_context(kind, tp, pp))
    least = room_of(spec, layout, replace(rungs[-1], context=1024))
    return Weighed(NOTHING, fits=False, closeness=least.headroom)


def rungs_of(kind: Case, layout: Layout) -> tuple[list[Settings], list[Settings]]:
    """The settings to try: those that leave multi-token prediction as it is, and all of them."""
    rungs = list(ENGINES[kind.framework].ladder(spec_of(kind), layout))
    return [rung for rung in rungs if rung.mtp.enabled == rungs[0].mtp.enabled], rungs


@cache
def largest_context(kind: Case, tp: int, pp: int) -> int:
    spec, layout = spec_of(kind), layout_of(kind, tp, pp)
    _, rungs = rungs_of(kind, layout)
    return most(lambda context: some_rung_holds(spec, layout, rungs, context))


@cache
def reduced_context(kind: Case, tp: int, pp: int) -> int:
    """The largest multiple of 1,024 up to the target that is held; below the first, the largest context."""
    spec, layout = spec_of(kind), layout_of(kind, tp, pp)
    kept, rungs = rungs_of(kind, layout)
    rungs = kept if some_rung_holds(spec, layout, kept, USEFUL) else rungs
    steps = range(kind.target // 1024 * 1024, 0, -1024)
    whole = (context for context in steps if some_rung_holds(spec, layout, rungs, context))
    return next(whole, largest_context(kind, tp, pp))


def hosts_spanned(hosts: Sequence[int], tp: int, pp: int) -> int:
    """The most hosts that the GPUs of one tensor-parallel group are on."""
    size = tp * pp // ranks(hosts, tp, pp)
    seat = seats(hosts, size)
    groups = [range(first, first + tp) for first in range(0, tp * pp, tp)]
    return max(len({seat[gpu // size] for gpu in group}) for group in groups)


def too_wide(spec: Spec, tp: int, pp: int) -> bool:
    spanned = hosts_spanned(hosts_of(spec), tp, pp)
    if spec.cluster.fabric == "tcp":
        return spanned > 1
    return spanned > 2 and not spec.cluster.gpu.rack_scale


def preference(case: Case, tp: int, pp: int) -> tuple[int, ...]:
    """The planner's documented order; the smallest wins. Equal stages and idle GPUs are the same layout."""
    spec, found = spec_of(case), weighed(case.kind, tp, pp)
    lacks_mtp = bool(case.mtp) and not ENGINES[case.framework].mtp(spec, layout_of(case.kind, tp, pp)).enabled
    idle = case.gpus - tp * pp
    return (found.grade, -found.closeness, lacks_mtp, too_wide(spec, tp, pp), pp, not found.fits, idle)


@cache
def best_sizes(case: Case) -> tuple[int, int] | None:
    sizes = legal_sizes(spec_of(case))
    wanted = [(tp, pp) for tp, pp in sizes if case.tp in {None, tp} and case.pp in {None, pp}]
    return min(wanted, key=lambda size: preference(case, *size), default=None)


# --- tests ------------------------------------------------------------------------------------------------


def below_floor(spec: Spec) -> bool:
    if spec.framework.id == "ktransformers":
        return spec.cluster.gpu.memory_gb < 24
    return spec.cluster.gpus * spec.cluster.gpu.memory_gb < spec.checkpoint.floor_gb


def expected_verdict(case: Case) -> Verdict:
    if below_floor(spec_of(case)):
        return Verdict.BELOW_FLOOR
    best = best_sizes(case)
    if best is None:
        return Verdict.REFUSED
    found = weighed(case.kind, *best)
    if found.grade >= TOO_LITTLE:
        return Verdict.FLOOR_ONLY
    return Verdict.FITS if found.fits else Verdict.TIGHT


def test_the_sweep_is_over_17_kinds_and_plans_nothing_twice() -> None:
    assert len(KINDS) == 17
    assert len({case.label for case in CASES}) == len(CASES)


def assert_minimax(plan: Plan, case: Case) -> None:
    costs, starts = costs_of(case.kind, plan.layout.tp), starts_of(case.framework)
    cuts = [sum(plan.layout.partition[:i]) for i in range(plan.layout.pp + 1)]
    assert set(cuts[:-1]) <= set(starts)
    assert max(costs[a][b] for a, b in pairwise(cuts)) == least_fullest(costs, starts, plan.layout.pp)[LAYERS]


@every_case
def test_the_layout_is_the_one_that_an_enumeration_prefers(case: Case) -> None:
    plan, best = plan_of(case), best_sizes(case)
    if best is None:
        assert plan.refusal
        return
    assert plan.refusal is None
    assert (plan.layout.tp, plan.layout.pp) == best
    assert plan.layout.ep == layout_of(case.kind, *best).ep
    assert plan.layout.nodes == ranks(hosts_of(plan.spec), *best)
    assert_minimax(plan, case)


def assert_no_more_is_taken_than_needed(plan: Plan, case: Case) -> None:
    """A fraction that the planner raised for the whole context is the least one, in thousandths."""
    settings, engine = plan.settings, ENGINES[case.framework]
    raised = settings.memory_fraction > engine.default_fraction(plan.spec, plan.layout, settings)
    if raised and settings.recipe is None and settings.context == case.target and case.fraction is None:
        lower = replace(settings, memory_fraction=round(settings.memory_fraction - 0.001, 3))
        assert not room_of(plan.spec, plan.layout, lower).holds(settings.context, TIGHT)


@every_case
def test_verdict_and_context_follow_from_what_the_layout_holds(case: Case) -> None:
    plan, best = plan_of(case), best_sizes(case)
    grade = weighed(case.kind, *best).grade if best else NOTHING
    assert plan.verdict == expected_verdict(case)
    assert plan.possible == (grade != NOTHING)
    assert plan.meets_context == (grade == ASKED if case.context else plan.possible)
    assert plan.memory.max_context == (largest_context(case.kind, *best) if best else 0)
    if best is None or not plan.possible:
        return
    context = plan.settings.context
    assert context == (case.target if grade == ASKED else reduced_context(case.kind, *best))
    assert room_of(plan.spec, plan.layout, plan.settings).holds(context, TIGHT)
    assert_no_more_is_taken_than_needed(plan, case)


@every_case
def test_every_layer_is_on_one_stage_and_every_rank_on_gpus_of_its_own(case: Case) -> None:
    plan = plan_of(case)
    assert sum(plan.layout.partition) == LAYERS
    assert min(plan.layout.partition) > 0
    if plan.refusal:
        assert plan.placement == ()
        return
    hosts = hosts_of(plan.spec)
    used = [(p.host, gpu) for p in plan.placement for gpu in p.gpu_ids]
    assert [p.rank for p in plan.placement] == list(range(plan.layout.nodes))
    assert len(used) == len(set(used)) == plan.layout.tp * plan.layout.pp <= case.gpus
    assert all(0 <= gpu < hosts[host] for host, gpu in used)
    assert len({(p.host, p.slot) for p in plan.placement}) == plan.layout.nodes


@every_case
def test_the_memory_of_every_stage_adds_up(case: Case) -> None:
    plan = plan_of(case)
    if plan.refusal:
        assert plan.memory.stages == ()
        return
    capacity = plan.spec.cluster.gpu.memory_mib * MIB
    room = room_of(plan.spec, plan.layout, plan.settings)
    needs = ENGINES[case.framework].needs(plan.spec, plan.layout, plan.settings)
    for stage, need, pool in zip(plan.memory.stages, needs, room.pools, strict=True):
        assert (stage.first_layer, stage.end_layer) == (need.first_layer, need.end_layer)
        assert stage.weights + stage.kv_cache + stage.activations + stage.overhead == stage.budget
        assert stage.budget + stage.headroom == stage.capacity == capacity
        assert (stage.weights, stage.kv_cache, stage.budget) == (need.weights, pool, pool + taken(need))
    assert [n.first_layer for n in needs] == [0, *(n.end_layer for n in needs[:-1])]
    assert needs[-1].end_layer == LAYERS
    assert plan.memory.kv_tokens == room.tokens
    assert plan.memory.headroom == room.headroom


def pinned_cases() -> Iterator[Case]:
    for framework, most_stages in (("sglang", LAYERS), ("vllm", len(INDEXED))):
        for gpu in (H100, B200):
            for tp in (1, 2, 16):
                for pp in (2, 3, 4, 5, 7, 10, 13, 17, 20, 21, 39, 77, 78):
                    if pp <= most_stages and tp * pp <= 1024:
                        yield Case(framework, gpu, tp * pp, tp=tp, pp=pp)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.label) for case in pinned_cases()])
def test_a_pinned_pipeline_is_cut_where_a_dynamic_programme_cuts_it(case: Case) -> None:
    plan = plan_of(case)
    assert plan.refusal is None
    assert (plan.layout.tp, plan.layout.pp) == (case.tp, case.pp)
    assert_minimax(plan, case)


def sized_cases() -> Iterator[Case]:
    """Sizes that a user may write: every tensor size up to 65, and more stages than there are cuts."""
    for framework in ENGINES:
        for tp in range(1, 66):
            yield Case(framework, H100, 72, tp=tp, pp=1)
        for pp in (2, 20, 21, 22, 77, 78, 79):
            yield Case(framework, H200, 80, tp=1, pp=pp)
        for gpus in (1, 5, 8):
            yield Case(framework, H200, gpus, tp=1, pp=gpus)
    for version in ("0.5.13.post1", "0.5.14"):
        yield Case("sglang", H200, 8, version=version, tp=4, pp=2)
    for tp, per_host in ((32, 8), (64, 8), (64, 16)):
        yield Case("sglang", H200, 64, checkpoint="bf16", per_host=per_host, tp=tp, pp=1)
    for tp, pp, per_host in ((8, 1, 7), (8, 2, 6), (4, 3, 3), (2, 4, 3), (2, 4, 5), (16, 1, 12), (8, 1, 5)):
        yield Case("vllm", H200, 16, per_host=per_host, tp=tp, pp=pp)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.label) for case in sized_cases()])
def test_sizes_are_refused_exactly_when_they_are_illegal(case: Case) -> None:
    assert case.tp
    assert case.pp
    plan = plan_of(case)
    assert (plan.refusal is None) == legal(plan.spec, case.tp, case.pp)
    if plan.refusal is None:
        assert plan.layout.nodes == ranks(hosts_of(plan.spec), case.tp, case.pp)


@pytest.mark.parametrize(
    ("checkpoint", "gigabytes"),
    [pytest.param("fp8", 753, id="fp8-753gb"), pytest.param("bf16", 1506, id="bf16-1506gb")],
)
@pytest.mark.parametrize("framework", ["sglang", "vllm", "transformers"])
def test_below_the_floor_is_less_memory_on_the_data_sheet_than_weights(
    framework: str, checkpoint: str, gigabytes: int
) -> None:
    for gpu in catalog.load().gpus.values():
        enough = -(-gigabytes // gpu.memory_gb)
        for gpus in sorted({1, enough - 1, enough, enough + 1} - {0}):
            case = Case(framework, gpu.id, gpus, checkpoint=checkpoint, tp=1, pp=1)
            below = plan_of(case).verdict is Verdict.BELOW_FLOOR
            assert below == (gpus * gpu.memory_gb < gigabytes), case.label


# --- weights by tensor ------------------------------------------------------------------------------------


def tensor(rows: int, columns: int, checkpoint: str) -> int:
    """Bytes of a weight: BF16, or FP8 with one FP32 scale a block of 128 x 128."""
    if checkpoint == "bf16":
        return 2 * rows * columns
    return rows * columns + 4 * ((rows + 127) // 128) * ((columns + 127) // 128)


def mlp(width: int, checkpoint: str) -> int:
    return tensor(width, 6144, checkpoint) * 2 + tensor(6144, width, checkpoint)


def layer_weight(layer: int, tp: int, checkpoint: str) -> int:
    """One decoder layer on one rank, tensor by tensor as config.json has them."""
    heads = 64 // tp
    total = tensor(2048, 6144, checkpoint) + tensor(512 + 64, 6144, checkpoint)  # q_a, kv_a: whole
    total += tensor(heads * 256, 2048, checkpoint) + tensor(heads * (192 + 256), 512, checkpoint)  # q_b, kv_b
    total += tensor(6144, heads * 256, checkpoint)  # o
    total += 2 * (6144 + 6144 + 2048 + 512)  # norms
    if layer in INDEXED:
        total += tensor(32 * 128, 2048, checkpoint) + 2 * (128 + 32) * 6144 + 4 * 2 * 128
    if layer < 3:
        return total + mlp(12288 // tp, checkpoint)
    return total + 2 * 256 * 6144 + 4 * 256 + (256 + 1) * mlp(2048 // tp, checkpoint)  # router, experts


def stage_weight(first: int, end: int, tp: int, checkpoint: str) -> int:
    """A stage without the draft layer: its layers, the embedding on the first, norm and head on the last."""
    vocabulary = 2 * 154880 // tp * 6144
    total = sum(layer_weight(layer, tp, checkpoint) for layer in range(first, end))
    return total + (vocabulary if first == 0 else 0) + (vocabulary + 2 * 6144 if end == LAYERS else 0)


def stage_cost(first: int, end: int, tp: int, checkpoint: str, row: int) -> int:
    """Weights, BF16 copies of the absorbed projections, and the KV rows of 131,072 tokens."""
    copies = (end - first) * (64 // tp) * 512 * (192 + 256) * 2
    rows = sum(row + (132 if layer in INDEXED else 0) for layer in range(first, end))
    return stage_weight(first, end, tp, checkpoint) + copies + 131_072 * rows


@pytest.mark.parametrize("tp", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("checkpoint", ["fp8", "bf16"])
@pytest.mark.parametrize(
    ("kind", "row"),
    [
        pytest.param(Case("sglang", H100), 1152, id="sglang-bf16-rows"),
        pytest.param(Case("sglang", B200), 576, id="sglang-plain-fp8-rows"),
        pytest.param(Case("sglang", "rtx-pro-6000-96gb"), 656, id="sglang-scaled-fp8-rows"),
        pytest.param(Case("vllm", H100), 656, id="vllm-scaled-fp8-rows"),
        pytest.param(Case("vllm", "h20-141gb"), 1152, id="vllm-bf16-rows"),
    ],
)
def test_a_stage_costs_what_its_tensors_weigh(kind: Case, row: int, checkpoint: str, tp: int) -> None:
    costs = costs_of(replace(kind, checkpoint=checkpoint), tp)
    for first, end in ((0, 1), (0, 18), (2, 6), (18, 34), (34, 66), (62, 78), (77, 78), (0, 78)):
        assert costs[first][end] == stage_cost(first, end, tp, checkpoint, row)


@pytest.mark.parametrize("checkpoint", ["fp8", "bf16"])
@pytest.mark.parametrize("framework", ["sglang", "vllm"])
def test_the_stages_of_a_plan_weigh_what_their_tensors_weigh(framework: str, checkpoint: str) -> None:
    plan = plan_of(Case(framework, H100, 40, checkpoint=checkpoint, tp=4, pp=10))
    for stage in plan.memory.stages:
        assert stage.weights == stage_weight(stage.first_layer, stage.end_layer, 4, checkpoint)
