"""The whole layout space: what each dimension costs and divides, and the recipes that the strategies follow."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from conftest import plan_for
from packaging.version import Version

from glmdeploy import catalog, pipeline, source
from glmdeploy.frameworks import ENGINES, LAUNCH
from glmdeploy.layout import Layout
from glmdeploy.memory import weigher
from glmdeploy.plan import Verdict
from glmdeploy.rules import arguments

if TYPE_CHECKING:
    from glmdeploy.commandline import CommandLine
    from glmdeploy.flags import Recipe
    from glmdeploy.plan import Plan

FACTS = Path(__file__).resolve().parents[2] / "shared/facts"
NEWEST = "0.5.23"


@pytest.mark.parametrize(
    ("tp", "attn_dp", "cp", "checkpoint", "a2a", "spare", "real"),
    [
        pytest.param(8, 8, 1, "fp8", "deepep", 0, 109_007_479_392, id="tp8-attention-dp8"),
        pytest.param(8, 2, 1, "fp8", "deepep", 0, 98_867_457_888, id="tp8-attention-dp2"),
        pytest.param(4, 4, 1, "fp8", "deepep", 0, 199_949_415_264, id="tp4-attention-dp4"),
        pytest.param(24, 24, 1, "fp8", "deepep", 8, 49_323_602_016, id="tp24-with-8-redundant-experts"),
        pytest.param(8, 8, 1, "nvfp4", "", 0, 80_355_005_664, id="nvfp4-without-all-to-all"),
        pytest.param(8, 1, 8, "fp8", "", 0, 104_864_344_032, id="prefill-context-parallel"),
    ],
)
def test_weights_are_those_of_sglangs_classes(
    tp: int, attn_dp: int, cp: int, checkpoint: str, a2a: str, spare: int, real: int
) -> None:
    """GlmMoeDsaForCausalLM of SGLang 0.5.23 built on the meta device, 2026-11-24; it has 16 bytes a layer more."""
    model = catalog.load().model
    weights = next(c for c in model.checkpoints if c.id == checkpoint)
    layout = Layout(tp, ep=tp if a2a else 1, attn_dp=attn_dp, cp=cp, a2a=a2a, spare=spare)
    spec = plan_for("sglang", "8xh200" if checkpoint == "fp8" else "8xb200", model={"checkpoint": checkpoint}).spec
    shards = ENGINES["sglang"].shards(spec, layout)
    size = weigher(model, weights, shards).stage(0, model.layers, mtp=False, shared_embedding=True)
    assert real - size == 16 * model.layers


def _line(plan: Plan) -> CommandLine:
    process = LAUNCH[plan.spec.framework.id](plan)[0]
    words = process.words(leader="10.0.0.1", api_key="k")
    start = words.index("sglang.launch_server") + 1
    return arguments.parse(plan.spec.framework, plan.spec.version, words[start:])


def _recipe_plan(recipe: Recipe) -> Plan:
    return plan_for(
        "sglang",
        f"{recipe.gpus}x{recipe.gpu}",
        framework={"version": NEWEST},
        model={"checkpoint": recipe.checkpoint},
        serving={"strategy": recipe.strategy},
    )


RECIPES = catalog.load().frameworks["sglang"].recipes


def _label(recipe: Recipe) -> str:
    return f"{recipe.gpus}x{recipe.gpu}-{recipe.checkpoint}-{recipe.strategy}"


@pytest.mark.parametrize("recipe", [pytest.param(r, id=_label(r)) for r in RECIPES])
def test_a_recipe_is_followed_where_there_is_one(recipe: Recipe) -> None:
    plan = _recipe_plan(recipe)
    layout, settings = plan.layout, plan.settings
    assert plan.launchable
    assert (layout.tp, layout.pp, layout.attn_dp, layout.a2a) == (recipe.gpus, 1, recipe.attn_dp, recipe.a2a)
    assert layout.world == recipe.gpus
    assert settings.recipe is recipe
    assert settings.memory_fraction == recipe.memory_fraction
    assert settings.mtp.steps == recipe.mtp_steps
    assert recipe.prefill_chunk in {0, settings.prefill_chunk}
    assert recipe.max_running in {0, settings.max_running}


# Options of a cell that a plan sets by itself, or that name the place.
_OURS = {"--model-path", "--host", "--port", "--nnodes", "--node-rank", "--dist-init-addr", "--watchdog-timeout"}


def _number(value: str) -> str:
    return f"{float(value):g}" if re.fullmatch(r"[\d.]+", value) else value


def _meaning(line: CommandLine) -> dict[str, tuple[str, ...]]:
    """Every option by its full name, attention data parallel in one spelling."""
    said = {g.option.name: tuple(map(_number, g.values)) for g in line.given if g.option.name not in _OURS}
    if "--enable-dp-attention" in said:
        del said["--enable-dp-attention"]
        said["--attn-dp-size"] = said.pop("--dp-size")
    return said


def _cells() -> list[dict[str, Any]]:
    if not FACTS.is_dir():
        return []
    found = json.loads((FACTS / "sglang_cells.json").read_text())
    cells = found["cells"] if isinstance(found, dict) else found
    return [c for c in cells if c["hardware"] != "a3" and c["strategy"] != "mtp-314"]


# The published cells are data of others, which this repository does not ship.
@pytest.mark.skipif(not FACTS.is_dir(), reason="SKIPPED: the published cells are not beside this checkout")
def test_our_options_equal_the_published_cells() -> None:
    """30 verified cells, and 24 that nobody has verified: our command line says all that theirs do, and the same."""
    framework, cells = catalog.load().frameworks["sglang"], _cells()
    assert len(cells) == len(RECIPES) == 54
    for cell, recipe in zip(cells, RECIPES, strict=True):
        words = [w if w != "<node-rank>" else "0" for w in cell["argv"]]
        theirs = _meaning(arguments.parse(framework, Version(NEWEST), words[words.index("--model-path") :]))
        ours = _meaning(_line(_recipe_plan(recipe)))
        if theirs.get("--ep-size") == ("1",):
            del theirs["--ep-size"]  # the default
        assert {k: ours.get(k) for k in theirs} == theirs, _label(recipe)
        env = dict(LAUNCH["sglang"](_recipe_plan(recipe))[0].env)
        assert {k: env.get(k) for k in cell["env"]} == cell["env"]


# Cells of the vLLM recipe by strategy: whole experts, and MTP.
_VLLM_STRATEGY = {
    ("single_node_tp", True): {"strategy": "low-latency"},
    ("single_node_tp", False): {"strategy": "low-latency", "mtp": False},
    ("single_node_tep", True): {"strategy": "balanced"},
    ("single_node_tep", False): {"strategy": "high-throughput"},
}
_VLLM_OURS = {"--host", "--port", "--served-model-name", "--max-model-len", "--gpu-memory-utilization"} | {
    "--max-num-batched-tokens",
    "--max-num-seqs",
}


def _vllm_meaning(words: list[str]) -> dict[str, tuple[str, ...]]:
    line = arguments.parse(catalog.load().frameworks["vllm"], Version("0.33.0"), words[words.index("serve") + 1 :])
    return {g.option.name: g.values for g in line.given if g.option.name not in _VLLM_OURS}


# The published cells are data of others, which this repository does not ship.
@pytest.mark.skipif(not FACTS.is_dir(), reason="SKIPPED: the published cells are not beside this checkout")
def test_our_options_equal_the_published_vllm_cells() -> None:
    """All 60 that the recipe's site synthesizes; its ten guide commands differ for the catalogue's reasons."""
    cells = [c for c in json.loads((FACTS / "vllm_cells.json").read_text()) if c["kind"] == "synthesized"]
    assert len(cells) == 60
    for cell in cells:
        mtp = any("speculative" in word for word in cell["argv"])
        checkpoint = "fp8" if cell["variant"] == "default" else cell["variant"]
        plan = plan_for(
            "vllm",
            f"{cell['gpus']}x{cell['hardware']}",
            framework={"version": "0.33.0"},
            model={"checkpoint": checkpoint},
            serving=_VLLM_STRATEGY[cell["strategy"], mtp],
        )
        process = LAUNCH["vllm"](plan)[0]
        theirs, ours = _vllm_meaning(cell["argv"]), _vllm_meaning(process.words(leader="l"))
        if (checkpoint, cell["strategy"]) == ("nvfp4", "single_node_tp"):
            theirs["--enable-expert-parallel"] = ()  # the catalogue says why
        assert ours == theirs, (cell["hardware"], checkpoint, cell["strategy"])
        assert {k: dict(process.env).get(k) for k in cell["env"]} == cell["env"]


@pytest.mark.parametrize(
    ("gpus", "sections", "expected"),
    [
        pytest.param("8xh200", {"serving": {"strategy": "balanced"}}, (8, 1, 8, 8, 0, 0), id="8xh200"),
        pytest.param("24xh100", {"serving": {"strategy": "balanced"}}, (24, 1, 24, 24, 8, 0), id="24"),
        pytest.param("40xh100", {"layout": {"tp": 40, "attn_dp": 40}}, (40, 1, 40, 40, 24, 1), id="40"),
        pytest.param("48xh100", {"layout": {"tp": 48, "attn_dp": 48}}, (48, 1, 48, 48, 32, 0), id="48"),
        pytest.param("56xh100", {"layout": {"tp": 56, "attn_dp": 56}}, (56, 1, 56, 56, 24, 1), id="56"),
        pytest.param("16xh200", {"layout": {"tp": 16, "attn_dp": 4}}, (16, 1, 16, 4, 0, 0), id="groups-of-4"),
    ],
)
def test_attention_data_parallel_stays_inside_tensor_parallel(
    gpus: str, sections: dict[str, Any], expected: tuple[int, ...]
) -> None:
    plan = plan_for("sglang", gpus, **sections)
    layout = plan.layout
    assert plan.launchable
    found = (layout.tp, layout.pp, layout.ep, layout.attn_dp, layout.spare, layout.dense_tp)
    assert (found, layout.gpus) == (expected, expected[0])
    assert (plan.spec.model.experts + layout.spare) % layout.ep == 0
    assert plan.settings.prefill_chunk % (layout.attn_dp * 64) == 0
    assert plan.concurrent(plan.settings.context) >= layout.attn_dp


@pytest.mark.parametrize(
    ("framework", "gpus", "layout", "code"),
    [
        ("sglang", "24xh100", {"tp": 24}, "GLM301"),
        ("sglang", "24xh100", {"tp": 24, "attn_dp": 5}, "GLM332"),
        ("sglang", "10xh100", {"tp": 10, "attn_dp": 2}, "GLM332"),
        ("sglang", "12xh200", {"tp": 12, "attn_dp": 12}, "GLM332"),
        ("sglang", "8xh200", {"tp": 8, "cp": 4, "attn_dp": 2}, "GLM333"),
        ("ktransformers", "8xh100", {"tp": 2, "replicas": 2}, "GLM308"),
        ("sglang", "8xh200", {"tp": 8, "cp": 3}, "GLM332"),
        ("sglang", "16xh200", {"tp": 16, "cp": 16}, "GLM333"),
        ("sglang", "8xmi355x", {"tp": 8, "cp": 8}, "GLM333"),
        ("sglang", "8xh200", {"tp": 8, "dp": 2}, "GLM318"),
        ("vllm", "8xh200", {"tp": 8, "attn_dp": 8}, "GLM318"),
        ("vllm", "8xh200", {"tp": 8, "cp": 8}, "GLM318"),
        ("vllm", "8xh200", {"tp": 8, "dcp": 3}, "GLM332"),
        ("vllm", "8xmi355x", {"tp": 8, "dcp": 8}, "GLM333"),
        ("vllm", "8xh200", {"tp": 8, "dp": 2}, "GLM307"),
        ("vllm", "8xh200", {"tp": 8, "replicas": 2}, "GLM307"),
        ("transformers", "8xh200", {"dp": 2}, "GLM318"),
        ("ktransformers", "1xh100", {"attn_dp": 2}, "GLM318"),
    ],
)  # fmt: skip
def test_what_a_framework_does_not_take_is_refused(
    framework: str, gpus: str, layout: dict[str, int], code: str
) -> None:
    plan = plan_for(framework, gpus, layout=layout)
    assert plan.refusal
    assert plan.refusal.code == code
    assert not plan.launchable


def test_data_parallel_ranks_have_a_cache_each() -> None:
    plain = plan_for("vllm", "8xh200", serving={"mtp": False})
    ranks = plan_for("vllm", "8xh200", layout={"tp": 1, "dp": 8}, serving={"mtp": False})
    assert (ranks.layout.world, ranks.layout.ep, ranks.layout.pools) == (8, 8, 8)
    assert ranks.memory.stages[0].weights > plain.memory.stages[0].weights  # attention and shared experts whole
    assert ranks.kv_tokens > 2 * plain.kv_tokens
    words = LAUNCH["vllm"](ranks)[0].words(leader="l")
    assert "--data-parallel-size 8 --enable-expert-parallel" in " ".join(words)


def test_decode_context_parallel_divides_the_cache_of_a_request() -> None:
    version = {"framework": {"version": "0.31.0"}, "serving": {"mtp": False, "context": 131_072}}
    plain = plan_for("vllm", "8xh200", **version)
    shared = plan_for("vllm", "8xh200", layout={"tp": 8, "dcp": 8}, **version)
    assert shared.memory.stages[0].kv_per_token == -(-plain.memory.stages[0].kv_per_token // 8)
    assert shared.memory.kv_tokens > 7 * plain.memory.kv_tokens


def test_replicas_are_whole_deployments_on_other_gpus() -> None:
    one = plan_for("sglang", "8xh200", serving={"concurrency": 4})
    two = plan_for("sglang", "16xh200", layout={"replicas": 2}, serving={"concurrency": 8})
    assert (two.layout.tp, two.layout.gpus, two.hosts) == (one.layout.tp, 16, 2)
    assert two.memory == one.memory
    assert two.kv_tokens == 2 * one.kv_tokens
    assert {(p.host, g) for p in two.placement for g in p.gpu_ids} == {(h, g) for h in (0, 1) for g in range(8)}
    text = "apiVersion: glmdeploy/v1\nname: r\ncluster: {gpu: h200, gpus: 16}\nframework: {name: sglang}\n"
    outcome = pipeline.judge(source.parse("r.yaml", text + "layout: {replicas: 2}\ntargets: [kubernetes]\n"))
    files = {a.path: a.text for a in pipeline.render(outcome).artifacts}
    deployment = yaml.safe_load(files["kubernetes/deployment.yaml"])
    assert deployment["spec"]["replicas"] == 2
    assert yaml.safe_load(files["kubernetes/persistentvolumeclaim.yaml"])["spec"]["accessModes"] == ["ReadWriteMany"]


@pytest.mark.parametrize(
    ("framework", "gpus", "layout"),
    [
        pytest.param("vllm", "8xh200", {"tp": 8}, id="glm-5-fp8-in-a-vllm-log"),
        pytest.param("vllm", "8xh200", {"tp": 8, "pp": 1}, id="glm-5.1-readme-vllm"),
        pytest.param("sglang", "8xh200", {"tp": 8}, id="glm-5.1-readme-sglang"),
        pytest.param("sglang", "16xh100", {"tp": 16}, id="glm-5.1-cookbook-h100"),
        pytest.param("sglang", "16xh100", {"tp": 8, "pp": 2}, id="glm-5.2-two-h100-nodes-in-sglang-29014"),
        pytest.param("sglang", "2xgb300", {"tp": 1, "pp": 2}, id="glm-5.2-nvfp4-in-sglang-28785"),
    ],
)
def test_shapes_that_others_publish_for_the_family_are_accepted(
    framework: str, gpus: str, layout: dict[str, int]
) -> None:
    checkpoint = "nvfp4" if gpus == "2xgb300" else "fp8"
    plan = plan_for(framework, gpus, layout=layout, model={"checkpoint": checkpoint})
    assert plan.launchable, plan.refusal or plan.verdict


@pytest.mark.parametrize("count", [9, 10, 12, 14])
def test_no_strategy_chooses_what_deepep_does_not_start(count: int) -> None:
    plan = plan_for("sglang", f"{count}xh200", serving={"strategy": "balanced"})
    assert plan.launchable
    assert (plan.layout.tp, plan.layout.attn_dp) == (8, 8)


def test_requests_are_counted_over_ranks_and_replicas() -> None:
    ranks = plan_for("vllm", "16xh200", layout={"tp": 4, "dp": 4}, serving={"concurrency": 8})
    assert (ranks.settings.max_running, ranks.running) == (2, 8)
    two = plan_for("sglang", "16xh200", layout={"tp": 8, "replicas": 2}, serving={"concurrency": 1})
    assert two.concurrent(two.settings.context) <= two.running == 2


def test_deepep_is_told_how_many_tokens_a_step_brings() -> None:
    sections = {"serving": {"strategy": "balanced", "context": 32_768, "concurrency": 2000}}
    plan = plan_for("sglang", "8xh200", **sections)
    assert dict(LAUNCH["sglang"](plan)[0].env)["SGLANG_DEEPEP_NUM_MAX_DISPATCH_TOKENS_PER_RANK"] == "500"
    sections["serving"]["concurrency"] = 5000
    assert plan_for("sglang", "8xh200", **sections).layout.a2a == ""


@pytest.mark.parametrize(
    ("framework", "gpus", "checkpoint", "verdict"),
    [
        ("sglang", "8xb300", "bf16", Verdict.FITS),
        ("sglang", "8xb200", "bf16", Verdict.BELOW_FLOOR),
        ("sglang", "16xh200", "bf16", Verdict.FITS),
        ("sglang", "4xgb300", "fp8", Verdict.FITS),
        ("vllm", "4xgb300", "fp8", Verdict.FITS),
        ("vllm", "8xb300", "bf16", Verdict.FITS),
        ("vllm", "8xb200", "bf16", Verdict.BELOW_FLOOR),
    ],
)
def test_the_published_thresholds(framework: str, gpus: str, checkpoint: str, verdict: Verdict) -> None:
    plan = plan_for(framework, gpus, model={"checkpoint": checkpoint})
    assert plan.verdict is verdict
    if gpus == "16xh200":
        assert (plan.layout.tp, plan.layout.nodes, plan.hosts) == (16, 2, 2)
