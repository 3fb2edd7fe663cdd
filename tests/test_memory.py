"""KV rows, what frameworks add to the weights, and how budgets add up."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import plan_for

from glmdeploy.frameworks import ENGINES
from glmdeploy.memory import absorbed_copies, rope_cache
from glmdeploy.units import GIB


@pytest.mark.parametrize(
    ("framework", "gpus", "sections", "expected"),
    [
        pytest.param("vllm", "8xh200", {"serving": {"mtp": False}}, 53_940, id="vllm-hopper-fp8"),
        pytest.param("vllm", "8xh200", {}, 54_728, id="vllm-hopper-fp8-mtp"),
        pytest.param("vllm", "8xb200", {"serving": {"mtp": False}}, 47_700, id="vllm-blackwell-fp8"),
        pytest.param("vllm", "8xb200", {}, 48_408, id="vllm-blackwell-fp8-mtp"),
        pytest.param("vllm", "8xh200", {"serving": {"mtp": False, "kv_cache_dtype": "bf16"}}, 92_628, id="vllm-bf16"),
        pytest.param(
            "vllm",
            "8xb200",
            {"serving": {"mtp": False, "kv_cache_dtype": "nvfp4"}, "framework": {"version": "0.33.0"}},
            30_228,
            id="vllm-nvfp4",
        ),
        pytest.param(
            "vllm",
            "8xb200",
            {"serving": {"kv_cache_dtype": "nvfp4"}, "framework": {"version": "0.33.0"}},
            30_712,
            id="vllm-nvfp4-mtp",
        ),
        pytest.param("sglang", "8xh200", {"serving": {"mtp": False}}, 92_628, id="sglang-hopper-bf16"),
        pytest.param("sglang", "8xh200", {}, 93_912, id="sglang-hopper-bf16-mtp"),
        pytest.param(
            "sglang", "8xh200", {"serving": {"mtp": False, "kv_cache_dtype": "fp8"}}, 53_940, id="sglang-hopper-fp8"
        ),
        pytest.param("sglang", "8xb200", {"serving": {"mtp": False}}, 47_700, id="sglang-blackwell-fp8"),
        pytest.param("sglang", "8xb200", {}, 48_408, id="sglang-blackwell-fp8-mtp"),
        pytest.param(
            "sglang",
            "8xh200",
            {"serving": {"mtp": False}, "framework": {"version": "0.5.17"}},
            100_152,
            id="sglang-0.5.17-indexes-all-layers",
        ),
        pytest.param(
            "sglang",
            "8xb200",
            {"serving": {"mtp": False}, "framework": {"version": "0.5.17"}},
            55_224,
            id="sglang-0.5.17-blackwell",
        ),
        pytest.param(
            "ktransformers", "8xl40s", {"cluster": {"host_memory": "1 TiB"}}, 61_464, id="sglang-kt-indexes-all-layers"
        ),
    ],
)
def test_kv_bytes_per_token(framework: str, gpus: str, sections: dict[str, Any], expected: int) -> None:
    assert plan_for(framework, gpus, **sections).memory.stages[0].kv_per_token == expected


def test_transformers_keeps_bf16_indexer_keys_over_all_stages() -> None:
    stages = plan_for("transformers", "8xh200").memory.stages
    assert sum(s.kv_per_token for s in stages) == 95_232


def test_absorbed_copies_of_the_fp8_model_at_tp8(catalog: Any) -> None:
    assert absorbed_copies(catalog.model, 78, 8) == 286_261_248


@pytest.mark.parametrize(
    ("element", "expected"), [(2, 134_217_728), (4, 268_435_456)], ids=["vllm-bf16", "sglang-fp32"]
)
def test_rotary_cache_covers_every_position(catalog: Any, element: int, expected: int) -> None:
    assert rope_cache(catalog.model, element) == expected


@pytest.mark.parametrize(
    ("version", "context", "dtype", "expected"),
    [
        pytest.param("0.28.0", 1_048_576, "fp8", 6_115_295_232, id="0.28-native-context"),
        pytest.param("0.33.0", 1_048_576, "fp8", 3_699_376_128, id="0.33-native-context-uses-the-indexer-or-factor-2"),
        pytest.param("0.33.0", 262_144, "fp8", 2_793_406_464, id="0.33-factor-5-up-to-262144"),
        pytest.param("0.33.0", 131_072, "fp8", 2_038_431_744, id="0.33-131072"),
    ],
)
def test_vllm_workspace_grows_with_the_context(version: str, context: int, dtype: str, expected: int) -> None:
    plan = plan_for(
        "vllm",
        "8xh200",
        framework={"version": version},
        serving={"kv_cache_dtype": dtype, "context": context, "prefill_chunk": 8192},
        layout={"tp": 8},
    )
    settings = next(s for s in ENGINES["vllm"].ladder(plan.spec, plan.layout) if s.prefill_chunk == 8192)
    need = ENGINES["vllm"].needs(plan.spec, plan.layout, _at(settings, context))[0]
    assert _term(need.resident, "sparse-attention workspace") == expected


def _at(settings: Any, context: int) -> Any:
    from dataclasses import replace  # noqa: PLC0415  only here

    return replace(settings, context=context)


def _term(terms: Any, name: str) -> int:
    return next(t.size for t in terms if t.name == name)


def test_vllm_load_figure_of_a_public_log_is_explained() -> None:
    """GLM-5.3-FP8 (same shapes) on vLLM 0.28, 8 x H200, native context: 94.46 GiB per rank after loading."""
    plan = plan_for(
        "vllm",
        "8xh200",
        framework={"version": "0.28.0"},
        serving={"context": 1_048_576, "mtp": False, "prefill_chunk": 8192},
        layout={"tp": 8, "pp": 1},
    )
    settings = _at(ENGINES["vllm"].ladder(plan.spec, plan.layout)[0], 1_048_576)
    need = ENGINES["vllm"].needs(plan.spec, plan.layout, settings)[0]
    assert (need.weights + need.resident_bytes) / GIB == pytest.approx(94.46, abs=0.05)


def test_vllm_kv_cache_of_the_same_log_is_met_within_the_margin() -> None:
    """25.94 GiB of KV cache at 0.92; a tight plan keeps 1 GiB for what is not explained."""
    plan = plan_for(
        "vllm",
        "8xh200",
        framework={"version": "0.28.0"},
        serving={"context": 1_048_576, "mtp": False, "prefill_chunk": 8192},
        layout={"tp": 8, "pp": 1},
    )
    settings = _at(ENGINES["vllm"].ladder(plan.spec, plan.layout)[0], 1_048_576)
    budget = ENGINES["vllm"].budget(plan.spec, ENGINES["vllm"].needs(plan.spec, plan.layout, settings), settings)
    assert settings.memory_fraction == 0.92
    assert 0 <= budget.stages[0].kv_cache / GIB - 25.94 < 1


def test_on_blackwell_vllm_gathers_the_indexers_keys_for_forty_contexts() -> None:
    """Vllm 0.31.0 v1/attention/backends/mla/indexer.py:801: 40 x max_model_len rows of 132 bytes."""
    plan = plan_for("vllm", "8xb200", serving={"context": 1_048_576})
    assert _term(plan.memory.stages[0].terms, "sparse-attention workspace") == 40 * 1_048_576 * 132


@pytest.mark.parametrize(
    ("framework", "gpus", "sections"),
    [
        pytest.param("sglang", "10xh100", {}, id="sglang-10xh100"),
        pytest.param("sglang", "8xh200", {}, id="sglang-8xh200"),
        pytest.param("vllm", "8xh200", {"serving": {"context": 1_048_576}}, id="vllm-8xh200-1M"),
        pytest.param("vllm", "8xb200", {}, id="vllm-8xb200"),
        pytest.param("transformers", "8xh200", {}, id="transformers-8xh200"),
        pytest.param("ktransformers", "8xl40s", {"cluster": {"host_memory": "1 TiB"}}, id="ktransformers-8xl40s"),
    ],
)
def test_a_budget_adds_up_and_stays_inside_the_gpu(framework: str, gpus: str, sections: dict[str, Any]) -> None:
    plan = plan_for(framework, gpus, **sections)
    for stage in plan.memory.stages:
        assert stage.weights + stage.kv_cache + stage.activations + stage.overhead == stage.budget
        assert stage.budget + stage.headroom == stage.capacity == plan.spec.cluster.gpu.memory_bytes
        assert stage.headroom >= GIB
        assert stage.kv_cache >= plan.memory.kv_tokens * stage.kv_per_token


def test_sglang_gives_every_stage_the_fullest_stages_room() -> None:
    stages = plan_for("sglang", "10xh100").memory.stages
    assert {s.kv_cache for s in stages} == {min(s.kv_cache for s in stages)}


def test_vllm_budget_is_its_utilisation_of_the_whole_gpu() -> None:
    stage = plan_for("vllm", "8xh200").memory.stages[0]
    assert stage.budget == int(0.92 * stage.capacity)


def test_sglang_default_fraction_is_the_engines_heuristic() -> None:
    """(143771 - (512 + 1.5 x 8192 + 1024 + 2 x 48 + 1536)) / 143771, memory_hook.py."""
    plan, engine = plan_for("sglang", "8xh200"), ENGINES["sglang"]
    own = next(s for s in engine.ladder(plan.spec, plan.layout) if s.recipe is None)
    assert engine.default_fraction(plan.spec, plan.layout, own) == own.memory_fraction == 0.892


def test_indexer_rows_of_a_stage_follow_its_full_layers() -> None:
    stages = plan_for("sglang", "10xh100").memory.stages
    assert [s.kv_per_token for s in stages] == [18 * 1152 + 6 * 132, *[15 * 1152 + 132 * n for n in (4, 4, 4, 3)]]
