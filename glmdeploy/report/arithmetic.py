"""The sums behind one GPU of a stage, line by line: every line has a unit and a source, every sum is exact.

The lines come from the framework's own `needs`; what they do not explain is a line of its own and never silent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from glmdeploy.frameworks import ENGINES
from glmdeploy.memory import weigher
from glmdeploy.units import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glmdeploy.plan import Plan, StageBudget, StageNeed, Term

# Frameworks whose fraction is of what is free before the weights load, and holds weights and KV cache only;
# the others take a fraction of the whole GPU for everything.
_STATIC = frozenset({"sglang", "ktransformers"})
UNEXPLAINED = "not itemised"
_THIS, _ABOVE, _OVERHEAD, _BELOW = "this plan", "above", "overhead, above", "settings, below"
OWN = frozenset({_THIS, _ABOVE, _OVERHEAD, _BELOW})  # sources that are other lines of the same report


@dataclass(frozen=True)
class Line:
    """One figure: bytes, bytes a token, or tokens."""

    label: str
    value: int
    source: str
    unit: str = "B"


@dataclass(frozen=True)
class Section:
    """Lines that add up to ``total``; with ``summed`` false, steps that lead to it."""

    title: str
    lines: tuple[Line, ...]
    total: Line
    summed: bool = True


def arithmetic(plan: Plan, number: int) -> tuple[Section, ...]:
    """Every sum of one GPU of stage ``number``."""
    stage = plan.memory.stages[number]
    needs = ENGINES[plan.spec.framework.id].needs(plan.spec, plan.layout, plan.settings)
    need = needs[number]
    overhead = (*need.before, *need.resident, *need.outside)
    return (
        _sum("weights", _weights(plan, need), Line("weights", stage.weights, _THIS)),
        _sum("overhead", _terms(overhead), Line("overhead", stage.overhead, _THIS)),
        _sum("activations", _terms(need.activations), Line("activations", stage.activations, _THIS)),
        _sum("KV cache of one token", _rows(plan, stage), Line("a token", stage.kv_per_token, _THIS, "B/token")),
        _sum("KV pool", _pool(plan, need, needs), Line("KV pool", stage.kv_cache, _THIS)),
        _tokens(plan, stage),
        _sum("headroom", _headroom(plan, stage), Line("headroom", stage.headroom, _THIS)),
    )


def _sum(title: str, lines: Iterable[Line], total: Line) -> Section:
    """The section, with a line for what the lines leave unexplained, if anything."""
    kept = tuple(line for line in lines if line.value)
    rest = total.value - sum(line.value for line in kept)
    extra = (Line(UNEXPLAINED, rest, "the framework's adapter", total.unit),) if rest else ()
    return Section(title, (*kept, *extra), total)


def _terms(terms: Iterable[Term]) -> Iterator[Line]:
    return (Line(t.name, t.size, t.source) for t in terms)


def _weights(plan: Plan, need: StageNeed) -> Iterator[Line]:
    """Parts of the weights: with or without an embedding of the MTP layer's own, whichever the framework keeps."""
    spec = plan.spec
    shards = plan.shards
    scale = weigher(spec.model, spec.checkpoint, shards)
    mtp = plan.settings.mtp.enabled
    first, end = need.first_layer, need.end_layer
    parts = scale.parts(first, end, mtp=mtp, shared_embedding=True)
    if sum(parts.values()) != need.weights:
        own = scale.parts(first, end, mtp=mtp, shared_embedding=False)
        parts = own if sum(own.values()) == need.weights else parts
    if spec.framework.weights_in == "host":
        parts = _experts_on_gpu(plan, need, parts)
    source = f"tensor shapes of config.json; `{spec.checkpoint.id}`: linear {spec.checkpoint.linear}, experts {spec.checkpoint.experts}"
    bf16 = "tensor shapes of config.json; BF16 in every checkpoint"
    always = {"token embedding", "output head and last norm", "router", "embedding of the MTP layer"}
    return (Line(part, size, bf16 if part in always else source) for part, size in parts.items())


def _experts_on_gpu(plan: Plan, need: StageNeed, parts: dict[str, int]) -> dict[str, int]:
    """The parts when only some routed experts of each layer are on the GPU; theirs come with their scales."""
    model, fmt, tp = plan.spec.model, plan.spec.checkpoint.experts, plan.layout.tp
    moe = sum(layer >= model.dense_layers for layer in range(need.first_layer, need.end_layer))
    one = moe * model.expert_bytes(fmt, tp)
    missing = sum(parts.values()) - need.weights
    kept = model.experts - missing // one
    scales = model.experts * one - parts["routed experts"]
    named = {"routed experts": f"{kept} of {model.experts} routed experts of each layer, scales included"}
    changed = {**parts, "routed experts": kept * one, "scales": parts.get("scales", 0) - scales}
    return {named.get(part, part): size for part, size in changed.items() if size}


def _rows(plan: Plan, stage: StageBudget) -> Iterator[Line]:
    """Rows of the latent and of the indexer; GPUs of decode context parallel share the first, and perhaps the second."""
    model, kv, dcp = plan.spec.model, plan.settings.kv, plan.layout.dcp
    layers = range(stage.first_layer, stage.end_layer)
    indexed = len(layers) if kv.all_layers_indexed else sum(i in model.full_indexer_layers for i in layers)
    draft = int(plan.settings.mtp.enabled and stage.end_layer == model.layers)
    rows, keys = (len(layers) + draft) * kv.row, (indexed + draft) * kv.index
    shared = -(-rows // dcp)
    index_dcp = dcp if stage.kv_per_token == shared + -(-keys // dcp) else 1
    named = " and the MTP layer" if draft else ""
    latent = f"{plural(len(layers), 'layer')}{named} x {kv.row:,} B, {kv.label} latent row{_by(dcp)}"
    index = f"{plural(indexed, 'indexer layer')}{named} x {kv.index:,} B{_by(index_dcp)}"
    yield Line(latent, shared, kv.source, "B/token")
    yield Line(index, -(-keys // index_dcp), kv.source, "B/token")


def _by(ways: int) -> str:
    return f", over {ways} GPUs" if ways > 1 else ""


def _pool(plan: Plan, need: StageNeed, needs: Iterable[StageNeed]) -> tuple[Line, ...]:
    lines = _room(plan, need)
    least = min(sum(line.value for line in _room(plan, n)) for n in needs)
    room = sum(line.value for line in lines)
    if plan.spec.framework.id in _STATIC:
        lines = (
            *lines,
            Line(
                "every stage takes the least pool of any",
                least - room,
                "sglang 0.5.23 mem_cache/kv_cache_configurator.py",
            ),
        )
        room = least
    empty = Line("nothing is left: the pool is empty", max(0, -room), _THIS)
    return (*lines, empty)


def _room(plan: Plan, need: StageNeed) -> tuple[Line, ...]:
    """What the framework's fraction leaves on one GPU of a stage; negative where it leaves nothing."""
    gpu, fraction = plan.spec.cluster.gpu, plan.settings.memory_fraction
    static = plan.spec.framework.id in _STATIC
    base = gpu.memory_bytes - (need.before_bytes if static else 0)
    of = "of what is free" if static else "of the GPU"
    kept = Line(f"beyond the fraction: {1 - fraction:.4g} {of}", int(fraction * base) - base, _BELOW)
    before = Line("taken before loading", -need.before_bytes, _OVERHEAD)
    inside = (Line("weights", -need.weights, _ABOVE), Line("overhead left by loading", -need.resident_bytes, _OVERHEAD))
    head = (capacity(plan), before, kept) if static else (capacity(plan), kept, before)
    if static:
        return (*head, *inside)
    outside = Line("other overhead", -need.outside_bytes, _OVERHEAD)
    return (*head, *inside, outside, Line("activations", -need.activation_bytes, _ABOVE))


def capacity(plan: Plan) -> Line:
    """The GPU's memory as its driver reports it."""
    gpu = plan.spec.cluster.gpu
    return Line(f"{gpu.name}: {gpu.memory_mib:,} MiB", gpu.memory_bytes, gpu.facts["memory"].source)


def _tokens(plan: Plan, stage: StageBudget) -> Section:
    own = stage.kv_cache // stage.kv_per_token
    least = min(s.kv_cache // s.kv_per_token for s in plan.memory.stages)
    lines = (
        Line("KV pool", stage.kv_cache, _ABOVE),
        Line("a token", stage.kv_per_token, _ABOVE, "B/token"),
        Line("pool / a token, rounded down", own, _THIS, "tokens"),
        Line("least of any stage", least, _THIS, "tokens"),
    )
    total = Line("pool, in whole pages", plan.memory.kv_tokens, _THIS, "tokens")
    return Section("tokens", lines, total, summed=False)


def _headroom(plan: Plan, stage: StageBudget) -> tuple[Line, ...]:
    sizes = (
        ("weights", stage.weights),
        ("KV pool", stage.kv_cache),
        ("activations", stage.activations),
        ("overhead", stage.overhead),
    )
    return (capacity(plan), *(Line(name, -size, _ABOVE) for name, size in sizes))
