"""What fits and what does not: the planner's answers for the configurations that people ask about."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import plan_for

from glmdeploy.plan import Verdict

BF16 = {"model": {"checkpoint": "bf16"}}
ONE_M = {"serving": {"context": 1_048_576}}
TIB = {"cluster": {"host_memory": "1 TiB"}}


@pytest.mark.parametrize(
    ("framework", "gpus", "sections", "verdict"),
    [
        pytest.param("sglang", "10xh100", {}, "tight", id="10xh100-fp8-is-the-published-minimum"),
        pytest.param("sglang", "9xh100", {}, "below-floor", id="9xh100-fp8"),
        pytest.param("sglang", "8xh100", {}, "below-floor", id="8xh100-fp8"),
        pytest.param("vllm", "8xh100", {}, "below-floor", id="8xh100-fp8-vllm"),
        pytest.param("sglang", "16xh100", {}, "fits", id="16xh100-fp8"),
        pytest.param("vllm", "16xh100", {}, "fits", id="16xh100-fp8-vllm"),
        pytest.param("sglang", "8xh200", {}, "fits", id="8xh200-fp8"),
        pytest.param("sglang", "4xgb300", {}, "fits", id="4xgb300-fp8"),
        pytest.param("sglang", "4xgb200", {}, "below-floor", id="4xgb200-fp8"),
        pytest.param("vllm", "8xmi300x", {}, "fits", id="8xmi300x-fp8"),
        pytest.param("sglang", "20xh100", BF16, "tight", id="20xh100-bf16-is-the-published-minimum"),
        pytest.param("sglang", "18xh100", BF16, "below-floor", id="18xh100-bf16"),
        pytest.param("sglang", "8xb200", BF16, "below-floor", id="8xb200-bf16"),
        pytest.param("sglang", "8xb300", BF16, "fits", id="8xb300-bf16"),
        pytest.param("sglang", "16xh200", BF16, "fits", id="2x8-h200-bf16"),
        pytest.param("sglang", "8xrtx4090", {}, "below-floor", id="8-consumer-cards"),
        pytest.param("vllm", "8xrtx5090", {}, "below-floor", id="8-newer-consumer-cards"),
        pytest.param("sglang", "8xb200", ONE_M, "fits", id="8xb200-holds-1M"),
        pytest.param("vllm", "8xb200", ONE_M, "fits", id="8xb200-holds-1M-vllm"),
        pytest.param(
            "vllm", "8xrtxpro6000", {}, "floor-only", id="8xrtxpro6000-passes-the-floor-and-holds-nothing-useful"
        ),
        pytest.param("ktransformers", "8xl40s", TIB, "fits", id="8xl40s-with-1-TiB"),
        pytest.param(
            "ktransformers",
            "8xl40s",
            {"cluster": {"host_memory": "512 GiB"}},
            "below-floor",
            id="8xl40s-with-half-a-TiB",
        ),
        pytest.param("ktransformers", "8xl40s", {**TIB, **BF16}, "below-floor", id="bf16-needs-more-ram"),
        pytest.param("transformers", "8xh200", {}, "fits", id="transformers-8xh200"),
        pytest.param("transformers", "8xb300", BF16, "fits", id="transformers-8xb300-bf16"),
    ],
)
def test_verdict(framework: str, gpus: str, sections: dict[str, Any], verdict: str) -> None:
    assert plan_for(framework, gpus, **sections).verdict == Verdict(verdict)


def test_10xh100_is_five_ranks_of_two_on_two_hosts() -> None:
    plan = plan_for("sglang", "10xh100")
    assert (plan.layout.tp, plan.layout.pp, plan.layout.partition) == (2, 5, (18, 15, 15, 15, 15))
    assert [(p.host, p.gpu_ids) for p in plan.placement] == [
        (0, (0, 1)),
        (0, (2, 3)),
        (0, (4, 5)),
        (0, (6, 7)),
        (1, (0, 1)),
    ]
    assert not plan.settings.mtp.enabled


def test_10xh100_on_one_host_is_one_process() -> None:
    plan = plan_for("sglang", "10xh100", cluster={"gpus_per_node": 10})
    assert [(p.host, p.gpu_ids) for p in plan.placement] == [(0, tuple(range(10)))]


@pytest.mark.parametrize("gpus", ["10xh100", "16xh100", "24xh100", "40xh200"])
def test_vllm_cuts_only_where_an_indexer_runs(gpus: str) -> None:
    plan = plan_for("vllm", gpus)
    assert {first for first, _ in plan.layout.stages} <= plan.spec.model.full_indexer_layers
    assert sum(plan.layout.partition) == 78


def test_vllm_partition_of_ten_gpus() -> None:
    assert plan_for("vllm", "10xh100").layout.partition == (18, 16, 16, 16, 12)


def test_8xh200_holds_1m_only_with_stages() -> None:
    plan = plan_for("sglang", "8xh200", **ONE_M)
    assert (plan.layout.label, plan.verdict, plan.meets_context) == ("TP2 x PP4", Verdict.FITS, True)
    kept = plan_for("sglang", "8xh200", layout={"tp": 8, "pp": 1}, **ONE_M)
    assert (kept.meets_context, kept.launchable) == (False, False)
    assert 400_000 < kept.memory.max_context < 600_000


def test_vllm_8xh200_holds_1m_with_two_stages() -> None:
    plan = plan_for("vllm", "8xh200", **ONE_M)
    assert (plan.layout.tp, plan.layout.pp) == (4, 2)


@pytest.mark.parametrize(("tp", "code"), [(10, "GLM301"), (5, "GLM301"), (3, "GLM301")])
def test_heads_decide_the_tensor_parallel_size(tp: int, code: str) -> None:
    plan = plan_for("sglang", "10xh100", layout={"tp": tp})
    assert plan.refusal is not None
    assert plan.refusal.code == code
    assert "1, 2, 4, 8, 16" in plan.refusal.reason


def test_an_automatic_context_is_reduced_and_a_given_one_is_not() -> None:
    assert plan_for("sglang", "10xh100").settings.context < 131_072
    given = plan_for("sglang", "10xh100", serving={"context": 131_072})
    assert (given.verdict, given.launchable) == (Verdict.TIGHT, False)


def test_a_smaller_workspace_above_a_step_is_found() -> None:
    """From 0.33 on vLLM takes a smaller workspace above 262,144 tokens, so that more context can need less memory."""
    plan = plan_for(
        "vllm", "8xh200", framework={"version": "0.33.0"}, layout={"tp": 8}, serving={"context": 264_000, "mtp": False}
    )
    assert plan.meets_context
    assert plan.memory.max_context >= 264_000


def test_a_context_that_is_not_held_below_that_step_is_reduced() -> None:
    """What 316,000 tokens need with the smaller workspace says nothing about 250,000 with the larger one."""
    plan = plan_for(
        "vllm", "18xh100", framework={"version": "0.33.0"}, layout={"tp": 1, "pp": 18}, serving={"context": 250_000}
    )
    assert plan.memory.max_context > 262_144
    assert (plan.settings.context, plan.meets_context, plan.launchable) == (230_400, False, False)


def test_given_settings_that_leave_little_headroom_are_tight() -> None:
    pinned = {"mtp": False, "memory_fraction": 0.92, "prefill_chunk": 8192}
    verdicts = [
        plan_for("vllm", "8xh200", layout={"tp": 8}, serving={**pinned, "context": context}).verdict
        for context in (540_000, 555_000)
    ]
    assert verdicts == [Verdict.FITS, Verdict.TIGHT]


def test_concurrency_limits_requests_and_not_the_context() -> None:
    alone = plan_for("sglang", "8xh200", serving={"concurrency": 1})
    crowd = plan_for("sglang", "8xh200", serving={"concurrency": 64})
    assert alone.settings.context == crowd.settings.context == 131_072
    assert (alone.verdict, crowd.verdict) == (Verdict.FITS, Verdict.FITS)


def test_accepting_floor_only_makes_a_plan_that_can_start() -> None:
    plan = plan_for("sglang", "8xrtxpro6000", accept=["floor-only"])
    assert (plan.verdict, plan.launchable) == (Verdict.FLOOR_ONLY, True)
    assert 0 < plan.settings.context < 1024


def test_tensor_groups_stay_inside_a_host_on_tcp() -> None:
    assert plan_for("sglang", "16xh200", cluster={"fabric": "tcp"}).layout.label == "TP8 x PP1"
    assert plan_for("sglang", "16xh100", cluster={"fabric": "tcp"}).layout.label == "TP8 x PP2"
    assert plan_for("sglang", "16xh100").layout.label == "TP16 x PP1"


@pytest.mark.parametrize(
    ("framework", "version", "asked", "on", "refused", "doubtful"),
    [
        pytest.param("sglang", "0.5.21", None, False, True, False, id="sglang-auto"),
        pytest.param("sglang", "0.5.21", True, False, True, False, id="sglang-asked"),
        pytest.param("vllm", "0.29.0", True, False, True, False, id="vllm-before-0.30"),
        pytest.param("vllm", "0.31.0", None, False, False, False, id="vllm-auto"),
        pytest.param("vllm", "0.31.0", True, True, False, True, id="vllm-asked"),
    ],
)
def test_mtp_with_pipeline_stages(
    framework: str, version: str, asked: bool | None, on: bool, refused: bool, doubtful: bool
) -> None:
    serving = {} if asked is None else {"mtp": asked}
    mtp = plan_for(framework, "8xh200", framework={"version": version}, layout={"pp": 2}, serving=serving).settings.mtp
    assert (mtp.enabled, mtp.refused, mtp.doubtful) == (on, refused, doubtful)
    assert mtp.reason
