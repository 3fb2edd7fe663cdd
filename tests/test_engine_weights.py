"""Weights of layouts that the planner chose, against the engines' own model classes on the meta device, byte for byte.

The classes come from `python .ci/engines/setup.py DIR`, as in test_engines.py, and are built by the plan's own command
line, one rank of each pipeline stage (.ci/engines/weighed.py says what is real and what is pretended). Every difference
must be one that `explained` accounts for to the byte, and smaller than a thousandth.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from conftest import plan_for
from test_engines import ENGINES, LEADER, SCRIPTS, installed, model_config, of_engine

from glmdeploy import catalog
from glmdeploy.frameworks import LAUNCH
from glmdeploy.models import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from glmdeploy.plan import Plan

pytestmark = pytest.mark.engines


def releases(framework: str) -> list[str]:
    """The releases whose classes are built: the default and the newest."""
    entry = catalog.load().frameworks[framework]
    return [str(version) for version in sorted({entry.default, max(entry.tested)})]


RELEASES = [(framework, version) for framework in ("sglang", "vllm") for version in releases(framework)]
GPUS = {
    "sm90": ("8xh100", "10xh100", "12xh100", "16xh100", "32xh100", "8xh200", "16xh200", "8xh20-141gb"),
    "sm100": ("8xb200", "16xb200", "8xgb200"),
    "gfx942": ("8xmi300x", "16xmi300x"),
    "gfx950": ("4xmi355x", "8xmi355x"),
}
CHECKPOINTS = ("fp8", "bf16", "nvfp4", "mxfp4", "w4afp8")
# What a profile may say about its layout; the planner chooses the rest. The newest releases are built with all of them,
# the default ones with the first two.
WISHES: tuple[dict[str, Any], ...] = (
    {},
    {"serving": {"mtp": False}},
    {"layout": {"pp": 2}},
    {"layout": {"tp": 8, "ep": 8}},
    {"layout": {"tp": 8, "ep": 8}, "serving": {"mtp": True}},
    {"layout": {"tp": 4, "pp": 2}},
    {"serving": {"strategy": "balanced"}},
    {"layout": {"tp": 8, "attn_dp": 2}},
)
PER_MILLE = 1000


@dataclass(frozen=True)
class Stage:
    """One rank of one pipeline stage of a plan, and what we say that it weighs, bytes."""

    plan: Plan
    index: int

    @property
    def layers(self) -> tuple[int, int]:
        return self.plan.layout.stages[self.index]

    @property
    def draft(self) -> bool:
        return self.plan.settings.mtp.enabled and self.index == self.plan.layout.pp - 1

    @property
    def ours(self) -> int:
        return self.plan.memory.stages[self.index].weights

    @property
    def question(self) -> dict[str, Any]:
        """Tensor-parallel rank 0 of the first stage, rank 1 of the second, ...: all hold the same."""
        plan, tp = self.plan, self.plan.layout.tp
        process = LAUNCH[plan.spec.framework.id](plan)[0]
        words, env = process.words(leader=LEADER, api_key="key"), dict(of_engine(dict(process.env)))
        return {"argv": words, "env": env, "rank": self.index * tp + self.index % tp}

    @property
    def label(self) -> str:
        plan, (first, end) = self.plan, self.layers
        name = f"{plan.spec.checkpoint.id} on {plan.spec.cluster.gpu.compute}, {plan.layout.label}"
        return f"{name}, layers {first} to {end - 1}" + (", with MTP" if self.draft else "")


def chosen(framework: str, version: str, compute: str) -> list[Plan]:
    """Every different layout that the planner chooses for these GPUs, once."""
    found: dict[object, Plan] = {}
    wishes = WISHES if version == releases(framework)[-1] else WISHES[:2]
    for gpus, checkpoint, wish in product(GPUS[compute], CHECKPOINTS, wishes):
        plan = plan_for(framework, gpus, model={"checkpoint": checkpoint}, framework={"version": version}, **wish)
        layout = plan.layout
        if plan.refusal is None and layout.partition and plan.possible:
            key = (checkpoint, layout.tp, layout.ep, layout.attn_dp, layout.partition, plan.settings.mtp.enabled)
            found.setdefault(key, plan)
    return list(found.values())


@cache
def plans(framework: str, version: str) -> tuple[Plan, ...]:
    return tuple(plan for compute in GPUS for plan in chosen(framework, version, compute))


def explained(stage: Stage) -> Iterator[tuple[str, int]]:
    """What an engine allocates beside the tensors that we count, each with its reason, bytes."""
    plan, (first, end) = stage.plan, stage.layers
    model, checkpoint, layout = plan.spec.model, plan.spec.checkpoint.id, plan.layout
    moe = end - max(first, model.dense_layers)
    absent = model.experts - model.experts // layout.ep
    if plan.spec.framework.id == "sglang":
        if checkpoint == "fp8" and plan.spec.cluster.gpu.vendor == "amd":
            indexed = sum(first <= i < end for i in model.full_indexer_layers) + stage.draft
            fp8, bf16 = (FORMATS[name](model.index_head, model.hidden) for name in ("fp8_block", "bf16"))
            yield "the indexer's key projection: FP8 on AMD, and we count BF16", (fp8 - bf16) * indexed
        if checkpoint in {"fp8", "nvfp4", "mxfp4"}:
            scaled = end - first + (stage.draft and checkpoint != "nvfp4")
            yield "KV scales: two FP32 for each of two attention layers a decoder layer", 16 * scaled
        if checkpoint == "w4afp8":
            yield "input scales of the experts: two FP32 a layer", 8 * (moe + stage.draft)
        if checkpoint == "nvfp4" and stage.draft:
            scales = model.vocab // layout.tp * model.hidden // 16 + 8
            yield "scales of the draft's NVFP4 head: the weight is replaced by the model's, they stay", scales
        if checkpoint == "nvfp4":
            yield "weight scales of other ranks' experts: three FP32 each", 12 * absent * moe
    else:
        if checkpoint == "nvfp4":
            yield "KV scales: two FP32 a decoder layer", 8 * (end - first + stage.draft)
        if plan.spec.cluster.gpu.vendor == "amd" and stage.draft:
            yield "the draft's router bias: BF16 on AMD, and we count FP32", -2 * model.experts


@pytest.fixture(scope="session")
def weigh(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str, list[Stage]], list[Any]]:
    """Build the classes of a release for stages on one kind of GPU."""
    home = tmp_path_factory.mktemp("home")
    for checkpoint in (model := catalog.load().models["glm-5.2"]).checkpoints:
        folder = home / "configs" / checkpoint.repo.rpartition("/")[2]
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps(model_config(model, checkpoint)))

    def weigher(framework: str, version: str, stages: list[Stage]) -> list[Any]:
        return built(installed(framework, version), f"{ENGINES[framework][1]}_weights.py", home, stages)

    return weigher


def built(release: tuple[Path, Path], script: str, home: Path, stages: list[Stage]) -> list[Any]:
    python, wheel = release
    env = {"PATH": os.defpath, "HOME": str(home), "PYTHONPATH": str(wheel), "PYTHONDONTWRITEBYTECODE": "1"}
    env |= {"GLMDEPLOY_CONFIGS": str(home / "configs"), "VLLM_CACHE_ROOT": str(home / wheel.name)}
    gpu = stages[0].plan.spec.cluster.gpu
    pretended = {"compute": gpu.compute, "name": gpu.name, "memory": gpu.memory_bytes}
    asked = json.dumps({"gpu": pretended, "questions": [stage.question for stage in stages]})
    done = subprocess.run(
        [python, SCRIPTS / script],
        input=asked,
        env=env,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, f"{wheel.name} builds nothing:\n{done.stderr[-3000:]}"
    return json.loads(done.stdout)


@pytest.mark.parametrize(("framework", "version"), RELEASES)
def test_weights_are_those_of_the_engines_own_classes(
    framework: str,
    version: str,
    weigh: Callable[[str, str, list[Stage]], list[Any]],
    record_property: Callable[[str, object], None],
) -> None:
    installed(framework, version)
    of_gpus: defaultdict[str, list[Stage]] = defaultdict(list)
    for plan in plans(framework, version):
        of_gpus[plan.spec.cluster.gpu.compute] += [Stage(plan, index) for index in range(plan.layout.pp)]
    wrong, reasons, equal, largest = [], Counter[str](), 0, 0.0
    for stages in of_gpus.values():
        for stage, answer in zip(stages, weigh(framework, version, stages), strict=True):
            if not answer["ok"] or tuple(answer["layers"]) != stage.layers:
                wrong.append(f"{stage.label}: {answer['error'] or answer['layers']}")
                continue
            differs = answer["parameters"] - stage.ours
            accounted = {reason: size for reason, size in explained(stage) if size}
            equal += not differs
            largest = max(largest, abs(differs) / answer["parameters"])
            reasons.update(accounted.keys())
            if differs != sum(accounted.values()) or abs(differs) * PER_MILLE > answer["parameters"]:
                wrong.append(f"{stage.label}: {answer['parameters']:,} and not {stage.ours:,}; explained {accounted}")
    counts = (len(plans(framework, version)), sum(map(len, of_gpus.values())), equal)
    record_property("weighed", [framework, version, *counts, largest, sorted(reasons.items())])
    assert not wrong, "\n".join(wrong)


def test_the_comparison_is_wide() -> None:
    for release in RELEASES:
        installed(*release)
    layouts = [plan for release in RELEASES for plan in plans(*release)]
    different = {
        (p.spec.framework.id, p.spec.checkpoint.id, p.layout.label, p.layout.partition, p.settings.mtp.enabled)
        for p in layouts
    }
    assert len(different) >= 60
    assert {p.spec.checkpoint.id for p in layouts} == set(CHECKPOINTS)
    for framework in ("sglang", "vllm"):
        own = [p for p in layouts if p.spec.framework.id == framework]
        assert {True, False} == {p.settings.mtp.enabled for p in own}
        assert {1, 2, 3} <= {p.layout.pp for p in own}
        assert {1, 8} <= {p.layout.ep for p in own}
        assert {4, 8, 16} <= {p.layout.tp for p in own}
