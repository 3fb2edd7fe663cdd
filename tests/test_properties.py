"""Properties of every plan: placed once, sizes multiply up, more memory never fits less."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise

from conftest import plan_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glmdeploy import catalog
from glmdeploy.frameworks import ENGINES
from glmdeploy.partition import Partitioner
from glmdeploy.planner import make_plan

GPUS = sorted(catalog.load().gpus)
BUDGET = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

frameworks = st.sampled_from(["sglang", "vllm"])
strategies = st.sampled_from(["low-latency", "balanced", "high-throughput"])
gpu_kinds = st.sampled_from(GPUS)
counts = st.integers(1, 48)


@BUDGET
@given(frameworks, gpu_kinds, counts, st.integers(1, 16), strategies, st.sampled_from([None, 2, 3]))
def test_every_rank_is_placed_once_on_gpus_of_its_own(
    framework: str, gpu: str, count: int, per_node: int, strategy: str, replicas: int | None
) -> None:
    plan = plan_for(
        framework,
        f"{count}x{gpu}",
        cluster={"gpus_per_node": per_node},
        serving={"strategy": strategy},
        layout={"replicas": replicas},
    )
    if plan.refusal:
        assert plan.placement == ()
        return
    layout = plan.layout
    used = [(p.host, g) for p in plan.placement for g in p.gpu_ids]
    assert len(used) == len(set(used)) == layout.tp * layout.pp * layout.dp * layout.replicas == layout.gpus <= count
    assert [p.rank for p in plan.placement] == list(range(layout.nodes * layout.replicas))
    assert layout.tp % (layout.attn_dp * layout.cp) == 0
    assert 64 % layout.attention_tp == 0
    assert (256 + layout.spare) % layout.ep == 0 or framework == "vllm"
    assert all(g < per_node for _, g in used)
    assert sum(layout.partition) == 78
    assert len(layout.partition) == layout.pp
    assert layout.nodes % layout.pp == 0 or layout.pp % layout.nodes == 0


@BUDGET
@given(frameworks, gpu_kinds, counts, st.integers(1, 40), strategies)
def test_more_memory_never_fits_less(framework: str, gpu: str, count: int, more_gib: int, strategy: str) -> None:
    plan = plan_for(framework, f"{count}x{gpu}", serving={"strategy": strategy})
    kind = plan.spec.cluster.gpu
    larger = replace(kind, memory_mib=kind.memory_mib + more_gib * 1024, memory_gb=kind.memory_gb + more_gib + 3)
    spec = replace(plan.spec, cluster=replace(plan.spec.cluster, gpu=larger))
    assert make_plan(spec, ENGINES[framework]).launchable or not plan.launchable


@BUDGET
@given(frameworks, gpu_kinds, counts, st.integers(32_768, 1_048_576), st.integers(32_768, 1_048_576), strategies)
def test_a_smaller_context_never_fits_less(
    framework: str, gpu: str, count: int, one: int, other: int, strategy: str
) -> None:
    small, large = sorted((one, other))
    serving = {"strategy": strategy, "context": large}
    if plan_for(framework, f"{count}x{gpu}", serving=serving).launchable:
        assert plan_for(framework, f"{count}x{gpu}", serving={**serving, "context": small}).launchable


@BUDGET
@given(frameworks, gpu_kinds, counts, st.integers(32_768, 1_048_576), strategies)
def test_a_smaller_kv_type_never_fits_less(framework: str, gpu: str, count: int, context: int, strategy: str) -> None:
    """On Hopper vLLM's workspace grows with an FP8 cache, and what the rows save is still more."""
    types = (
        ("bf16", "fp8", "nvfp4") if framework == "vllm" and gpu.startswith(("b200", "b300", "gb")) else ("bf16", "fp8")
    )
    version = {"version": "0.33.0"} if framework == "vllm" else {}
    serving = {"context": context, "strategy": strategy}
    fits = [
        plan_for(framework, f"{count}x{gpu}", framework=version, serving={**serving, "kv_cache_dtype": kind}).launchable
        for kind in types
    ]
    assert fits == sorted(fits)


@BUDGET
@given(st.lists(st.integers(1, 1000), min_size=6, max_size=14), st.integers(1, 6), st.data())
def test_the_partition_is_optimal(sizes: list[int], stages: int, data: st.DataObject) -> None:
    cuts = data.draw(st.sets(st.integers(1, len(sizes) - 1), min_size=stages - 1))

    def cost(first: int, end: int) -> int:
        return sum(sizes[first:end])

    found = Partitioner(len(sizes), frozenset(cuts | {0}), cost).solve(stages)
    best = _best(len(sizes), sorted(cuts), stages, cost)
    assert found is not None
    bounds = [0]
    for part in found:
        bounds.append(bounds[-1] + part)
    assert set(bounds[1:-1]) <= cuts
    assert max(cost(a, b) for a, b in pairwise(bounds)) == best


def _best(layers: int, cuts: list[int], stages: int, cost: object) -> int:
    """Every choice of cuts, by brute force."""
    splits = ([0, *chosen, layers] for chosen in combinations(cuts, stages - 1))
    return min(max(cost(a, b) for a, b in pairwise(bounds)) for bounds in splits)  # type: ignore[operator]
