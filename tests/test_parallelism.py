"""What users complained of in other tools' layouts. The number in a test's name is the complaint's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from conftest import plan_for

from glmdeploy import catalog, pipeline, report, source
from glmdeploy.frameworks import LAUNCH

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Result

    from glmdeploy.plan import Plan

HEADS = catalog.load().model.heads
BOTH = pytest.mark.parametrize("framework", ["sglang", "vllm"])


def option(plan: Plan, framework: str, rank: int = 0) -> Callable[[str], str]:
    """Read an option's value off the command line of a rank; empty where it is not there."""
    words = LAUNCH[framework](plan)[rank].words(leader="192.0.2.1")
    return lambda name: words[words.index(name) + 1] if name in words else ""


@BOTH
@pytest.mark.parametrize("tp", [3, 5, 6, 7])
def test_41_42_a_size_that_does_not_divide_the_heads_is_refused_with_the_sizes_that_do(
    framework: str, tp: int, run: Callable[..., Result]
) -> None:
    result = run("plan", "--framework", framework, "--gpus", "8xH200", "--tp", str(tp))
    assert result.code == 1
    assert f"{HEADS} attention heads are not divisible by tensor parallel size {tp}" in result.err
    assert "1, 2, 4, 8" in result.err


@BOTH
@pytest.mark.parametrize("gpus", [3, 5, 6, 7, 9, 10, 11, 12])
def test_41_42_the_planner_never_chooses_one(framework: str, gpus: int) -> None:
    plan = plan_for(framework, f"{gpus}xb300")
    assert plan.launchable
    assert HEADS % plan.layout.tp == 0


@BOTH
@pytest.mark.parametrize("gpus", [3, 5])
def test_43_three_and_five_gpus_are_served_by_stages_or_leave_gpus_idle_and_say_so(framework: str, gpus: int) -> None:
    data = {"apiVersion": "glmdeploy/v1", "name": "t", "framework": {"name": framework}, "targets": ["script"]}
    data["cluster"] = {"gpu": "b300", "gpus": gpus}
    outcome = pipeline.judge(source.parse("p.yaml", yaml.safe_dump(data)))
    assert outcome.plan is not None
    assert not outcome.refused
    used = outcome.plan.layout.gpus
    assert sum(len(p.gpu_ids) for p in outcome.plan.ranks) == used <= gpus
    assert ("GLM316" in {d.code for d in outcome.found}) == (used < gpus)


@BOTH
def test_43_five_gpus_that_cannot_hold_the_weights_are_refused_with_the_sum(
    framework: str, run: Callable[..., Result]
) -> None:
    result = run("plan", "--framework", framework, "--gpus", "5xH200")
    assert result.code == 1
    assert "error[GLM201]" in result.err
    assert "5 x " in result.err


@BOTH
def test_44_a_tensor_group_larger_than_a_host_is_ranks_that_each_take_what_a_host_has(framework: str) -> None:
    plan = plan_for(framework, "16xh100", layout={"tp": 16})
    processes = LAUNCH[framework](plan)
    assert [(p.placement.host, len(p.placement.gpu_ids)) for p in processes] == [(0, 8), (1, 8)]
    sizes = {"sglang": "--tp-size", "vllm": "--tensor-parallel-size"}
    for rank in (0, 1):
        said = option(plan, framework, rank)
        assert (said(sizes[framework]), said("--nnodes"), said("--node-rank")) == ("16", "2", str(rank))


SIZES: dict[str, dict[str, str]] = {
    "sglang": {"tp": "--tp-size", "pp": "--pp-size"},
    "vllm": {"tp": "--tensor-parallel-size", "pp": "--pipeline-parallel-size", "dp": "--data-parallel-size"},
}
ASKED: list[tuple[str, dict[str, int]]] = [
    ("sglang", {"tp": 8}),
    ("sglang", {"tp": 4, "pp": 2}),
    ("sglang", {"tp": 2, "pp": 4}),
    ("vllm", {"tp": 8}),
    ("vllm", {"tp": 4, "pp": 2}),
    ("vllm", {"tp": 4, "dp": 2}),
]


@pytest.mark.parametrize(("framework", "layout"), ASKED)
def test_45_every_size_that_the_profile_names_is_on_the_command_line(framework: str, layout: dict[str, int]) -> None:
    plan = plan_for(framework, "8xb300", layout=layout)
    said = option(plan, framework)
    assert {key: said(SIZES[framework][key]) for key in layout} == {key: str(size) for key, size in layout.items()}


@pytest.mark.parametrize(
    ("framework", "layout"),
    [
        pytest.param("vllm", {"attn_dp": 2}, id="vllm-attn-dp"),
        pytest.param("vllm", {"cp": 2}, id="vllm-cp"),
        pytest.param("sglang", {"dp": 2}, id="sglang-dp"),
        pytest.param("transformers", {"pp": 2}, id="transformers-pp"),
        pytest.param("ktransformers", {"tp": 3}, id="ktransformers-tp"),
    ],
)
def test_45_a_size_that_a_framework_does_not_take_is_an_error_and_never_dropped(
    framework: str, layout: dict[str, int]
) -> None:
    data: dict[str, Any] = {"apiVersion": "glmdeploy/v1", "name": "t", "targets": ["script"], "layout": layout}
    data |= {"framework": {"name": framework}, "cluster": {"gpu": "b300", "gpus": 8, "host_memory": "3 TiB"}}
    outcome = pipeline.judge(source.parse("p.yaml", yaml.safe_dump(data)))
    assert outcome.refused
    (key,) = layout
    refused = next(d for d in outcome.found if d.level == "error")
    assert refused.at[0] == "layout"
    assert f"{key} {layout[key]}" in f"{refused.hint} {refused.message}".replace("tensor parallel size", "tp")
    assert json.loads(report.as_json(outcome.plan, outcome.processes, outcome.found))["processes"] == []


def test_45_a_misspelt_size_is_refused_and_not_ignored(run: Callable[..., Result]) -> None:
    result = run("plan", "glm-5.2-fp8-8xh200-vllm", "--set", "layout.tensor=8")
    assert result.code == 1
    assert "error[GLM010]: unknown key `layout.tensor`" in result.err
