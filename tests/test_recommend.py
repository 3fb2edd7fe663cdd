"""Recommendations: the reasons, the codes, and a command line that does what the row says."""

from __future__ import annotations

import shlex
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from glmdeploy import catalog, pipeline
from glmdeploy.recommend import Recommendation, candidates, recommend
from glmdeploy.recommend.wish import Wish, frameworks

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Result

GPU = {g.short: g for g in catalog.load().gpus.values()}


def wish(gpus: str = "", **wanted: Any) -> Wish:
    count, _, gpu = gpus.partition("x")
    return Wish(gpu=GPU[gpu] if gpu else None, gpus=int(count or 0), **wanted)


def best(result: Recommendation) -> tuple[str, str, str]:
    assert result.best is not None
    c = result.best.candidate
    return c.framework, c.checkpoint.id, c.label


@pytest.mark.parametrize(
    ("needs", "first", "why"),
    [
        (wish(), "sglang", "general choice"),
        (wish(concurrency=64), "sglang", "many clients"),
        (wish(structured=True), "sglang", "JSON schema"),
        (wish(fleet="vllm"), "vllm", "fleet"),
        (wish(fleet="vllm", structured=True, concurrency=9), "vllm", "fleet"),
        (wish(evaluate=True), "transformers", "validation"),
        (wish(evaluate=True, context=100_000), "sglang", "general choice"),
        (wish(evaluate=True, concurrency=4), "sglang", "many clients"),
        (wish("8xrtx-4090"), "ktransformers", "RAM"),
        (wish("8xl40s", evaluate=True), "ktransformers", "RAM"),
        (wish("8xh200"), "sglang", "general choice"),
    ],
)
def test_the_wish_orders_the_frameworks(needs: Wish, first: str, why: str) -> None:
    choices = frameworks(needs)
    assert choices[0].framework == first
    assert why in choices[0].reason
    assert len({c.framework for c in choices}) == len(choices)


@pytest.mark.parametrize(
    ("needs", "expected", "passed"),
    [
        pytest.param(wish("10xh100"), ("sglang", "fp8", "10xH100"), "", id="published-minimum"),
        pytest.param(wish("8xh200", context=1_048_576), ("sglang", "fp8", "8xH200"), "", id="full-context"),
        pytest.param(wish("8xh200", fleet="vllm", context=1_048_576), ("vllm", "fp8", "8xH200"), "", id="fleet"),
        pytest.param(wish("8xb200", checkpoint="nvfp4"), ("sglang", "nvfp4", "8xB200"), "", id="four-bits"),
        pytest.param(wish("8xrtx-4090"), ("ktransformers", "fp8", "8xRTX-4090"), "", id="small-cards"),
        pytest.param(wish("8xh200", evaluate=True), ("transformers", "fp8", "8xH200"), "", id="validation"),
        pytest.param(wish("16xh100", evaluate=True), ("sglang", "fp8", "16xH100"), "GLM308", id="two-hosts"),
        pytest.param(wish("8xmi300x"), ("vllm", "fp8", "8xMI300X"), "sglang", id="confirmed-kernels-first"),
        pytest.param(wish("8xmi300x", fleet="sglang"), ("sglang", "fp8", "8xMI300X"), "", id="but-not-before-a-fleet"),
    ],
)
def test_hardware_in_hand(needs: Wish, expected: tuple[str, str, str], passed: str) -> None:
    result = recommend(needs)
    assert best(result) == expected
    before = result.passed
    assert passed == ((before.code or before.candidate.framework) if before else "")


@pytest.mark.parametrize(
    "options",
    [
        "--gpus 10xH100",
        "--gpus 8xRTX4090 --evaluate",
        "--gpus 8xH200 --evaluate --context 4096",
        "--gpus 8xB200 --checkpoint nvfp4 --concurrency 8",
        "--context 1M --fleet vllm",
        "--concurrency 20 --structured-output",
        "",
    ],
)
def test_the_command_renders_what_the_row_says(run: Callable[..., Result], options: str) -> None:
    data = run("recommend", *options.split(), "--format", "json").json
    assert data["possible"]
    command = shlex.split(data["command"])
    assert command[:2] == ["glmdeploy", "render"]
    rendered = run(*command[1:], "-o", "-")
    assert rendered.code == 0
    plan = [w for w in command[2:] if w not in {"--target", "script"}]
    planned = run("plan", *plan, "--format", "json").json
    row = data["recommended"]
    assert (planned["framework"]["name"], planned["model"]["checkpoint"]) == (row["framework"], row["checkpoint"])
    assert f"TP{planned['layout']['tp']} x PP{planned['layout']['pp']}" in row["layout"]
    assert (planned["settings"]["context"], planned["verdict"]) == (row["context"], row["verdict"])


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ("--gpus 4xH100", "GLM201"),
        ("--gpus 8xH100 --checkpoint nvfp4", "GLM310"),
        ("--gpus 8xH200 --concurrency 64", "GLM705"),
        ("--gpus 16xA100", "GLM309"),
    ],
)
def test_what_is_not_possible_says_why_in_codes(run: Callable[..., Result], options: str, code: str) -> None:
    result = run("recommend", *options.split(), "--format", "json")
    assert result.code == 1
    data = result.json
    assert not data["possible"]
    assert data["command"] == ""
    assert data["recommended"] == {}
    assert code in {r["code"] for r in data["rows"]}
    assert all(r["code"] and r["why_not"] for r in data["rows"])
    (diagnostic,) = data["diagnostics"]
    assert diagnostic["code"] == "GLM704"
    assert diagnostic["hint"]


def test_without_room_the_hint_names_larger_hardware_and_the_hosts_memory(run: Callable[..., Result]) -> None:
    hint = run("recommend", "--gpus", "4xH100", "--format", "json").json["diagnostics"][0]["hint"]
    assert "10xH100 with `fp8`" in hint
    assert "--host-memory" in hint
    taken = run("recommend", "--gpus", "4xH100", "--host-memory", "1TiB", "--format", "json").json
    assert taken["recommended"]["framework"] == "ktransformers"
    assert "--host-memory 1TiB" in taken["command"]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ("--gpus 10xFOO", "GLM101"),
        ("--gpus 8xH20", "GLM102"),
        ("--gpus H100", "GLM015"),
        ("--gpus 0xH100", "GLM103"),
        ("--context banana", "GLM011"),
        ("--context 2M", "GLM112"),
        ("--context 0", "GLM011"),
        ("--concurrency -1", "GLM011"),
        ("--concurrency many", "GLM011"),
        ("--checkpoint int3", "GLM104"),
        ("--gpus 8xL40S --host-memory 1000", "GLM011"),
        ("--gpus 8xH200 --price free", "GLM701"),
        ("--gpus 8xH200\x1b[31m", "GLM014"),
    ],
)
def test_what_makes_no_sense_has_a_code(run: Callable[..., Result], options: str, code: str) -> None:
    for form in ("text", "json"):
        result = run("recommend", *options.split(" "), "--format", form)
        assert result.code == 1
        assert code in (result.err or result.out)
        assert "\x1b" not in result.out + result.err


@pytest.mark.parametrize("options", ["--fleet ray", "--price 3 --price-total 9", "--price-total 9"])
def test_usage_errors(run: Callable[..., Result], options: str) -> None:
    assert run("recommend", *options.split()).code == 2


@pytest.mark.parametrize("needs", [wish(), wish(concurrency=64), wish("8xh200"), wish("8xl40s", host_memory="1TiB")])
def test_plans_are_few_and_their_order_does_not_change(needs: Wish) -> None:
    first, second = recommend(needs), recommend(needs)
    assert [r.candidate for r in first.rows] == [r.candidate for r in second.rows]
    assert len(first.rows) <= candidates.LIMIT


def test_to_rent_takes_the_lowest_published_price_of_what_fits() -> None:
    result = recommend(wish())
    priced = [r for r in result.rows if r.meets and r.hour is not None and not r.spot and r.verdict == "fits"]
    assert result.best is not None
    assert result.best.hour == min(r.hour for r in priced if r.hour is not None)


def test_a_checkpoint_is_planned_where_it_runs_only() -> None:
    result = recommend(wish(checkpoint="mxfp4", evaluate=True))
    assert best(result) == ("sglang", "mxfp4", "8xMI355X")
    assert len(result.rows) == 1


def test_one_host_is_enough_to_evaluate() -> None:
    assert all(r.candidate.gpus <= r.candidate.gpu.gpus_per_node for r in recommend(wish(evaluate=True)).rows)


def test_every_row_is_what_plan_says() -> None:
    needs = wish("8xb200", context=200_000)
    for row in recommend(needs).rows:
        again = pipeline.judge(pipeline.source.from_options(row.candidate.profile(needs), {}), for_targets=False)
        assert again.plan is not None
        assert row.outcome.plan is not None
        assert again.plan.layout == row.outcome.plan.layout
        assert row.meets == (not again.refused)


@pytest.mark.parametrize(
    "options", ["", "--gpus 8xRTX4090", "--gpus 8xH200 --concurrency 64", "--fleet vllm --context 1M"]
)
def test_text_fits_eighty_columns(run: Callable[..., Result], options: str) -> None:
    lines = run("recommend", *options.split()).out.splitlines()
    assert all(len(line) <= 80 for line in lines if "glmdeploy render" not in line)


def test_markdown_holds_the_same(run: Callable[..., Result]) -> None:
    out = run("recommend", "--gpus", "10xH100", "--format", "markdown").out
    assert "| framework | GPUs | PP | MTP | USD/h |" in out
    assert "```sh\nglmdeploy render --framework sglang --gpus 10xH100\n```" in out


def test_many_clients_are_held_by_the_balanced_recipe(run: Callable[..., Result]) -> None:
    options = ("--gpus", "8xH200", "--concurrency", "32", "--context", "32K")
    data = run("recommend", *options, "--format", "json").json
    row = data["recommended"]
    assert (row["strategy"], row["requests"], row["checkpoint"]) == ("balanced", 32, "fp8")
    assert "attention-DP8" in row["layout"]
    assert data["command"].endswith("--strategy balanced")
    text = " ".join(run("recommend", *options).out.split())
    assert "balanced, for 32 clients: holds 32 at a time; low-latency holds 7" in text
    assert "drafts count with their published mean, 1.84 tokens a step" in text


def test_strategies_are_planned_before_more_hosts_are_rented() -> None:
    result = recommend(wish(structured=True, concurrency=64))
    assert result.best is not None
    assert result.best.hour is not None
    assert result.best.hour < 58
    assert result.best.candidate.strategy == "balanced"
    assert len(result.rows) <= candidates.LIMIT


def test_a_full_context_is_ranked_by_stages_beside_other_hardware(run: Callable[..., Result]) -> None:
    out = run("recommend", "--gpus", "8xH200", "--context", "1M").out
    head, *lines = out[out.index("framework  ", out.index("price")) :].partition("\n\n")[0].splitlines()
    assert head.split()[-2:] == ["in", "hand"]
    stages = [int(line.split("x")[-1].split()[1]) for line in lines]
    assert stages == sorted(stages)
    for label, held in (("8xH200", "yes"), ("8xB200", "no"), ("16xH200", "no")):
        assert any(label in line and line.endswith(f" {held}") for line in lines)
    assert any("w4afp8" in line for line in lines)
    data = run("recommend", "--gpus", "8xH200", "--context", "1M", "--format", "json").json
    best_row = data["recommended"]
    assert (best_row["in_hand"], best_row["kv_cache_dtype"], best_row["stages"]) == (True, "fp8", 2)
    assert "multi-token prediction" not in data["reason"]
    assert "--kv-cache-dtype fp8" in data["command"]


def test_a_price_in_hand_is_not_the_price_of_another_gpu() -> None:
    result = recommend(wish("8xh200", context=1_048_576, price_total=Decimal(10)))
    hours = {(r.candidate.label, r.hour) for r in result.rows if r.meets}
    assert ("8xH200", Decimal(10)) in hours
    assert ("16xH200", Decimal(20)) in hours
    assert all(hour is not None and hour > 20 for label, hour in hours if label == "8xB200")


def test_transformers_shows_the_longest_prompt_and_no_longer_context(run: Callable[..., Result]) -> None:
    out = " ".join(run("recommend", "--gpus", "8xH200", "--evaluate").out.split())
    row = next(r for r in recommend(wish("8xh200", evaluate=True)).rows if r.candidate.framework == "transformers")
    assert f"prompts above about {row.max_context:,} tokens run out of memory" in out
    assert f"prompts of {row.max_context:,} at most" in out


def test_hints_name_their_framework_once(run: Callable[..., Result]) -> None:
    hint = run("recommend", "--gpus", "4xH100", "--format", "json").json["diagnostics"][0]["hint"]
    assert hint.count("with sglang: ") == hint.count("with ktransformers: ") == 1
    assert hint.count("8xH200") == 1
