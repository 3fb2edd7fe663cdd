"""Upper bounds: above everything that was measured, and right about the model's own figures."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from conftest import plan_for
from hypothesis import given, settings
from hypothesis import strategies as st

from glmdeploy import bound
from glmdeploy.bound import roofline
from glmdeploy.catalog import load, measured
from glmdeploy.layout import Layout, Shards

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Result

RUNS = measured.load().runs


def subject(**changes: Any) -> roofline.Subject:
    catalog = load()
    model = catalog.model
    layout = changes.pop("layout", Layout(8, partition=(78,)))
    shards = Shards.tensor(layout.tp)
    gpu = catalog.gpus["h200-sxm-141gb"]
    plain = roofline.Subject(model, model.checkpoints[0], gpu, layout, shards, 656, 132, 0, 1.0, 8192)
    return replace(plain, **changes)


@pytest.mark.parametrize("run", RUNS, ids=lambda r: f"{r.gpu}-{r.checkpoint}-{r.framework}-{r.clients}")
def test_every_published_number_is_below_the_bound(run: measured.Run) -> None:
    found = bound.compare(run)
    assert run.request_tokens_s < found.request
    if run.output:
        assert run.output_tokens_s < found.output
        assert run.total_tokens_s - run.output_tokens_s < found.prefill
        if run.clients == 1:
            assert run.input * 1000 / run.ttft_ms < found.prefill


def test_the_published_numbers_are_there_and_cited() -> None:
    assert len(RUNS) >= 50
    assert {r.gpu for r in RUNS} <= set(load().gpus)
    assert {r.checkpoint for r in RUNS} <= {c.id for c in load().model.checkpoints}
    assert all(r.fact.source and r.fact.checked.startswith("2026-") for r in RUNS)


def test_the_bound_is_not_empty_talk() -> None:
    """The nearest measurement reaches more than half of it: a looser bound would say nothing."""
    nearest = max(r.request_tokens_s / bound.compare(r).request for r in RUNS)
    assert 0.5 < nearest < 1


def test_a_token_takes_the_operations_of_forty_billion_parameters() -> None:
    operations = roofline.operations_per_token(subject(), 0)
    assert round(operations / 2 / 10**9, 2) == 40.30


def test_index_share_saves_what_was_published_at_a_million_tokens() -> None:
    """2.9 times fewer operations a token at 1M, says the release; the selected rows count here too."""
    shared, every = subject(), subject(model=replace(load().model, index_freq=1))
    million = 1_048_576
    saved = roofline.operations_per_token(every, million) / roofline.operations_per_token(shared, million)
    assert 2.7 < saved < 2.95


@pytest.mark.parametrize(("tokens", "experts"), [(1, 8), (2, 15.75), (6, 44.4), (96, 243.8), (10_000, 256)])
def test_experts_in_use_grow_with_the_tokens(tokens: int, experts: float) -> None:
    assert roofline.touched(load().model, tokens) == pytest.approx(experts, abs=0.06)


def test_stages_run_one_after_another_for_one_request() -> None:
    wide, deep = subject(), subject(layout=Layout(4, 2, partition=(40, 38)))
    flat = subject(layout=Layout(4, partition=(78,)))
    assert roofline.decode_rate(deep, 1, 8192) < roofline.decode_rate(wide, 1, 8192)
    assert roofline.decode_rate(deep, 1, 8192) == pytest.approx(roofline.decode_rate(flat, 1, 8192), rel=0.001)


def test_stages_work_together_for_many_requests() -> None:
    """Each stage reads its weights for every group, so only caches and multiplications gain."""
    flat, deep = subject(layout=Layout(4, partition=(78,))), subject(layout=Layout(4, 2, partition=(40, 38)))
    assert roofline.decode_rate(deep, 1, 8192) < 1.001 * roofline.decode_rate(flat, 1, 8192)
    assert roofline.decode_rate(deep, 512, 8192) > 1.1 * roofline.decode_rate(flat, 512, 8192)


def test_latent_rows_are_read_up_to_the_top_k_and_index_keys_on_full_layers_only() -> None:
    s = subject()
    seconds = [roofline.stage_seconds(s, 0, 78, roofline.Step(1, 1, c)) for c in (2_048, 1_048_576)]
    assert (seconds[1] - seconds[0]) * s.bandwidth == pytest.approx(21 * 132 * (1_048_576 - 2_048))


@settings(deadline=None, max_examples=60)  # machines are shared
@given(
    st.sampled_from([1, 2, 4, 8, 16]),
    st.sampled_from([(78,), (40, 38), (18, 15, 15, 15, 15)]),
    st.integers(1, 2000),
    st.integers(1, 1_048_576),
    st.integers(0, 6),
)
def test_more_never_bounds_lower(tp: int, partition: tuple[int, ...], requests: int, context: int, drafts: int) -> None:
    layout = Layout(tp, len(partition), partition=partition)
    s = subject(layout=layout, drafts=drafts, acceptance=bound.acceptance(drafts))
    rate = roofline.decode_rate(s, requests, context)
    assert rate > 0
    assert roofline.decode_rate(s, requests + 1, context) >= rate * 0.999
    assert roofline.decode_rate(s, requests, max(1, context // 2)) >= rate * 0.999
    assert roofline.decode_rate(subject(layout=replace(layout, tp=2 * tp)), 1, context) > 0
    faster = replace(s, gpu=replace(s.gpu, bandwidth_tb_s=2 * s.gpu.bandwidth_tb_s))
    assert rate <= roofline.decode_rate(faster, requests, context) <= 2 * rate * 1.001
    assert roofline.prefill_rate(s, max(2, context)) > 0


@pytest.mark.parametrize(
    ("drafts", "tokens"), [(0, 1.0), (1, 1.84), (5, 3.61), (8, 4.06), pytest.param(12, 13.0, id="not-published")]
)
def test_acceptance_is_the_published_mean(drafts: int, tokens: float) -> None:
    assert bound.acceptance(drafts) == tokens


def test_a_pool_limits_the_requests() -> None:
    plan = plan_for("sglang", "10xh100")
    assert bound.held(plan, plan.settings.context) == 1
    assert [r.requests for r in bound.of(plan).rows] == sorted((r.requests for r in bound.of(plan).rows), reverse=True)


def test_transformers_answers_one_request_with_one_gpu_at_a_time() -> None:
    found = bound.of(plan_for("transformers", "8xh200", serving={"concurrency": 8}))
    assert {r.requests for r in found.rows} == {1}
    assert all(r.together == r.request for r in found.rows)
    assert found.last.prefill < bound.of(plan_for("sglang", "8xh200")).last.prefill


def test_experts_in_host_memory_have_no_bound() -> None:
    found = bound.of(plan_for("ktransformers", "8xrtx4090", cluster={"host_memory": "1 TiB"}))
    assert not found.rows
    assert "set `cluster.memory_bandwidth`" in found.why_not


def test_the_bandwidth_of_the_hosts_memory_bounds_its_experts(run: Callable[..., Result]) -> None:
    cell = ("--framework", "ktransformers", "--gpus", "8xRTX4090", "--host-memory", "1TiB")
    options = (*cell, "--set", "cluster.memory_bandwidth=400 GB/s")
    out = " ".join(run("bound", *options).out.split())
    assert "Upper bound: 18.1 tokens/s for one request" in out
    assert "GB a token, at `cluster.memory_bandwidth` 400 GB/s" in out
    data = run("bound", *options, "--format", "json").json
    assert (data["ram_request_tokens_s"], data["why_not"], data["contexts"]) == (18.1, "", [])
    assert "GLM220" in {d["code"] for d in data["diagnostics"]}
    assert "cluster.memory_bandwidth" in run("bound", *cell, "--format", "json").json["why_not"]


def test_a_card_without_published_rates_says_so() -> None:
    gpu = load().gpus["rtx-5090-32gb"]
    assert roofline.rate(gpu, "fp8_block") == 0
    plan = plan_for("vllm", "64xrtx5090")
    assert bound.of(plan).missing == ("BF16", "FP8") or not plan.possible


def test_text_and_json_say_upper_bound_beside_what_was_measured(run: Callable[..., Result]) -> None:
    text = run("bound", "--framework", "sglang", "--gpus", "8xH200")
    assert text.code == 0
    assert "Upper bounds" in text.out
    assert "Measured on these GPUs by others" in text.out
    data = run("bound", "--framework", "sglang", "--gpus", "8xH200", "--format", "json").json
    assert data["format"] == "glmdeploy-bound/v1"
    assert data["kind"] == "upper bound"
    assert data["acceptance"] == 3.61
    first = data["measured"][0]
    assert first["request_tokens_s"] < first["request_bound"]
    assert all(isinstance(v, int) for row in data["contexts"] for v in row.values())


def test_what_cannot_run_has_no_bound(run: Callable[..., Result]) -> None:
    result = run("bound", "--framework", "vllm", "--gpus", "4xH100", "--format", "json")
    assert result.code == 1
    assert result.json["contexts"] == []
    assert result.json["diagnostics"][0]["code"] == "GLM201"


@pytest.mark.parametrize("replicas", [2, 4, 8])
def test_one_request_runs_on_one_replica(replicas: int) -> None:
    one, many = subject(), subject(layout=Layout(8, partition=(78,), replicas=replicas))
    assert roofline.decode_rate(many, 1, 8192) == roofline.decode_rate(one, 1, 8192)
    assert roofline.decode_rate(many, 64 * replicas, 8192) == pytest.approx(
        replicas * roofline.decode_rate(one, 64, 8192)
    )
