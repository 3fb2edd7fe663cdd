"""KTransformers: RAM, experts on the GPUs, threads and pools, and what RAM bandwidth allows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from conftest import plan_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glmdeploy import catalog, hostram, rules
from glmdeploy.frameworks import ENGINES, LAUNCH
from glmdeploy.frameworks.ktransformers import decode_bound, gpu_experts
from glmdeploy.planner import make_plan
from glmdeploy.units import GIB

if TYPE_CHECKING:
    from glmdeploy.plan import Plan

HOST = {"host_memory": "2 TiB", "cpu_cores": 96, "numa_nodes": 2, "cpu_isa": "amx"}
IMAGE = {"image": "registry.example.com/kt:1"}
BUDGET = settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def kt(gpus: str = "8xl40s", cluster: dict[str, Any] | None = None, **sections: Any) -> Plan:
    return plan_for("ktransformers", gpus, cluster=HOST | (cluster or {}), framework=IMAGE, **sections)


def option(plan: Plan, name: str) -> str:
    words = LAUNCH["ktransformers"](plan)[0].argv
    return str(words[words.index(name) + 1])


def codes(plan: Plan) -> set[str]:
    return {d.code for d in rules.check(plan, LAUNCH["ktransformers"](plan) if plan.launchable else ())}


def test_ram_holds_every_expert_once_and_a_layer_more() -> None:
    experts, layer, work = hostram.terms(kt().spec)
    assert experts.size == 75 * 256 * 37_757_952
    assert layer.size == 256 * 37_757_952
    assert 0 < work.size < 16 * GIB


@pytest.mark.parametrize("numa", [1, 2, 4, 8])
def test_numa_nodes_divide_the_experts_and_do_not_copy_them(numa: int) -> None:
    assert hostram.terms(kt(cluster={"numa_nodes": numa}).spec)[0].size == 75 * 256 * 37_757_952


@pytest.mark.parametrize("checkpoint", ["fp8", "bf16"])
def test_floor_is_the_documented_rule_or_more(checkpoint: str) -> None:
    spec = kt(model={"checkpoint": checkpoint}).spec
    assert hostram.floor(spec) >= spec.checkpoint.total_bytes
    assert hostram.floor(spec) >= sum(t.size for t in hostram.terms(spec))


def test_a_huge_prefill_chunk_raises_the_floor_above_the_rule() -> None:
    spec = kt(serving={"prefill_chunk": 65_536}).spec
    assert hostram.floor(spec) > spec.checkpoint.total_bytes


def test_one_byte_below_the_floor_is_refused() -> None:
    need = hostram.floor(kt().spec)
    assert "GLM201" not in codes(kt(cluster={"host_memory": f"{need} B"}))
    assert "GLM201" in codes(kt(cluster={"host_memory": f"{need - 1} B"}))


@pytest.mark.parametrize("gpus", ["1xh100", "2xh100", "4xl40s", "8xl40s", "8xh100"])
def test_one_more_expert_would_not_fit(gpus: str) -> None:
    plan = kt(gpus)
    model, stage = plan.spec.model, plan.memory.stages[0]
    per_expert = 75 * model.expert_bytes("fp8_block", plan.layout.tp)
    spare = stage.kv_cache - plan.settings.context * stage.kv_per_token
    assert gpu_experts(plan) == 256 or spare < per_expert + 128 * stage.kv_per_token


@BUDGET
@given(
    st.sampled_from(["1xh100", "2xl40s", "4xl40s", "8xl40s", "8xh100"]),
    st.sampled_from(["fp8", "bf16"]),
    st.integers(0, 200),
    st.integers(1, 200),
    st.sampled_from([None, 65_536]),
)
def test_more_vram_never_keeps_fewer_experts(
    gpus: str, checkpoint: str, first: int, more: int, context: int | None
) -> None:
    serving = {"context": context} if context else {}
    spec = kt(gpus, model={"checkpoint": checkpoint}, serving=serving, layout={"tp": int(gpus[0])}).spec
    kept = []
    for gib in (24 + first, 24 + first + more):
        gpu = replace(spec.cluster.gpu, memory_mib=gib * 1024, memory_gb=gib + 1)
        plan = make_plan(replace(spec, cluster=replace(spec.cluster, gpu=gpu)), ENGINES["ktransformers"])
        kept.append(gpu_experts(plan) if plan.launchable else 0)
    assert 0 <= kept[0] <= kept[1] <= 256


def test_pinned_experts_are_kept() -> None:
    assert option(kt(layout={"gpu_experts": 30}), "--kt-num-gpu-experts") == "30"
    assert option(kt(layout={"gpu_experts": 0}), "--kt-num-gpu-experts") == "0"


def test_pinning_what_the_planner_chose_changes_nothing() -> None:
    plan = kt()
    assert kt(layout={"gpu_experts": gpu_experts(plan)}).memory.stages == plan.memory.stages


@pytest.mark.parametrize("context", [None, 131_072])
def test_too_many_pinned_experts_are_one_error(context: int | None) -> None:
    plan = kt(layout={"gpu_experts": 200}, serving={"context": context} if context else {})
    assert {"GLM221"} == {c for c in codes(plan) if c.startswith("GLM2")}


def test_other_frameworks_refuse_the_key() -> None:
    plan = plan_for("sglang", "8xh200", layout={"gpu_experts": 3})
    assert "GLM221" in {d.code for d in rules.check(plan, LAUNCH["sglang"](plan))}


def test_threads_are_cores_and_pools_are_numa_nodes() -> None:
    plan = kt(cluster={"cpu_cores": 112, "numa_nodes": 4})
    assert (option(plan, "--kt-cpuinfer"), option(plan, "--kt-threadpool-count")) == ("112", "4")


@pytest.mark.parametrize(
    ("checkpoint", "numa", "legal"),
    [
        pytest.param("fp8", 1, True),
        pytest.param("fp8", 3, False, id="three-nodes"),
        pytest.param("fp8", 6, False, id="sub-numa-clustering"),
        pytest.param("fp8", 16, True),
        pytest.param("fp8", 32, False, id="64-wide-shares-cut-an-fp8-block"),
        pytest.param("bf16", 32, True, id="bf16-has-no-blocks"),
    ],
)
def test_numa_nodes_that_divide_an_expert(checkpoint: str, numa: int, legal: bool) -> None:
    plan = kt(cluster={"numa_nodes": numa}, model={"checkpoint": checkpoint})
    assert ("GLM430" not in codes(plan)) is legal


def test_fewer_cores_than_nodes_is_an_error() -> None:
    found = rules.check(plan := kt(cluster={"cpu_cores": 3, "numa_nodes": 4}), LAUNCH["ktransformers"](plan))
    assert [d.level.value for d in found if d.code == "GLM431"] == ["error"]


@pytest.mark.parametrize(
    ("words", "isa", "level"),
    [
        pytest.param(["--kt-method", "AMXINT8", "--kt-weight-path", "/w"], "amx", None),
        pytest.param(["--kt-method", "AMXINT8", "--kt-weight-path", "/w"], "avx512", "warning"),
        pytest.param(["--kt-method=AMXINT8", "--kt-weight-path=/w"], "avx2", "error"),
        pytest.param(["--kt-method", "BF16"], "amx", "error", id="fp8-checkpoint-read-as-bf16"),
        pytest.param(["--kt-method", "MOE_INT8", "--kt-weight-path", "/w"], "amx", "error", id="not-in-the-wheel"),
        pytest.param(["--kt-method", "FP8"], "avx2", None),
    ],
)
def test_method_by_instruction_set(words: list[str], isa: str, level: str | None) -> None:
    plan = kt(cluster={"cpu_isa": isa}, extra_args=words)
    found = [d.level.value for d in rules.check(plan, LAUNCH["ktransformers"](plan)) if d.code == "GLM432"]
    assert found == ([level] if level else [])


def test_every_checkpoints_method_is_in_the_catalogue_for_every_instruction_set() -> None:
    methods = catalog.load().frameworks["ktransformers"].cpu_methods
    assert {"FP8", "BF16"} <= set(methods)
    assert all(set(by_isa) == {"amx", "avx512", "avx2"} for by_isa in methods.values())


def test_avx2_pins_the_kernels() -> None:
    env = dict(LAUNCH["ktransformers"](kt(cluster={"cpu_isa": "avx2"}))[0].env)
    assert env["KT_KERNEL_CPU_VARIANT"] == "avx2"
    assert "KT_KERNEL_CPU_VARIANT" not in dict(LAUNCH["ktransformers"](kt())[0].env)


def test_decode_bound_is_bandwidth_over_active_experts() -> None:
    bound = decode_bound(kt(cluster={"memory_bandwidth": "400 GB/s"}, layout={"gpu_experts": 0}))
    assert bound
    assert bound.bytes_per_token == 75 * 8 * 37_757_952
    assert bound.tokens_per_second == pytest.approx(17.656, abs=0.001)


def test_decode_bound_halves_with_half_of_the_experts_on_the_gpus() -> None:
    bounds = [decode_bound(kt("8xh100", layout={"gpu_experts": n})) for n in (0, 128)]
    assert bounds[0]
    assert bounds[1]
    assert bounds[0].bytes_per_token == 2 * bounds[1].bytes_per_token
    assert bounds[0].tokens_per_second is None
