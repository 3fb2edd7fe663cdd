"""Every public figure on this model's memory that we found, beside ours; the ones that we miss are listed too.

The README holds the same table. Its sources are public logs, documents and other planners, read on 2026-11-23.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import plan_for

from glmdeploy import catalog
from glmdeploy.frameworks import ENGINES
from glmdeploy.units import GB, GIB

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmdeploy.plan import MemoryBudget, Plan, Settings, StageNeed

README = Path(__file__).parents[1] / "README.md"


def _weights(engine: str, gpus: str, /, **sections: Any) -> float:
    return plan_for(engine, gpus, **sections).memory.stages[0].weights / GIB


def _row(engine: str, gpus: str, /, **sections: Any) -> int:
    return plan_for(engine, gpus, **sections).memory.stages[0].kv_per_token


def _first_rung(plan: Plan, context: int) -> tuple[Settings, StageNeed, MemoryBudget]:
    engine = ENGINES[plan.spec.framework.id]
    settings = replace(engine.ladder(plan.spec, plan.layout)[0], context=context)
    needs = engine.needs(plan.spec, plan.layout, settings)
    return settings, needs[0], engine.budget(plan.spec, needs, settings)


def _native_log() -> tuple[Settings, StageNeed, MemoryBudget]:
    serving = {"context": 1_048_576, "mtp": False, "prefill_chunk": 8192}
    plan = plan_for("vllm", "8xh200", framework={"version": "0.28.0"}, serving=serving, layout={"tp": 8, "pp": 1})
    return _first_rung(plan, 1_048_576)


def _loaded() -> float:
    _, need, _ = _native_log()
    return (need.weights + need.resident_bytes) / GIB


def _mtp_layer() -> float:
    return _weights("sglang", "8xh200", layout={"tp": 8}) - _weights(
        "sglang", "8xh200", layout={"tp": 8}, serving={"mtp": False}
    )


def _checkpoint(name: str, unit: int) -> float:
    return next(c for c in catalog.load().model.checkpoints if c.id == name).total_bytes / unit


OLD = {"framework": {"version": "0.5.17"}, "serving": {"mtp": False}}
BF16 = {"model": {"checkpoint": "bf16"}, "serving": {"mtp": False}}
NVFP4 = {"model": {"checkpoint": "nvfp4"}, "serving": {"mtp": False}}
PLAIN = {"serving": {"mtp": False}}


@dataclass(frozen=True)
class Figure:
    """A published figure: how near ours must be (a fraction), or why it is missed."""

    what: str
    unit: str
    published: float
    source: str
    ours: Callable[[], float]
    within: float = 0.001
    miss: str = ""


FIGURES = (
    Figure("FP8 checkpoint", "GiB", 704, "public planners", lambda: _checkpoint("fp8", GIB)),
    Figure("FP8 weights a GPU, TP8", "GiB", 88.196, "vLLM 0.33.0 classes", lambda: _weights("vllm", "8xh200", **PLAIN)),
    Figure("the same with MTP", "GiB", 89.511, "vLLM 0.33.0 classes", lambda: _weights("vllm", "8xh200")),
    Figure("the same, from the checkpoint", "GiB", 89.37, "SGLang's rules", lambda: _weights("sglang", "8xh200"), 0.002),
    Figure("BF16 weights a GPU, TP8", "GiB", 175.645, "engine classes", lambda: _weights("vllm", "8xb300", **BF16)),
    Figure("BF16 weights a GPU, TP8", "GiB", 175, "SGLang documents (as GB)", lambda: _weights("sglang", "8xb300", **BF16), 0.005),
    Figure("NVFP4 weights a GPU, TP8", "GiB", 54.357, "engine classes", lambda: _weights("sglang", "8xb200", **NVFP4)),
    Figure("KV a token, Hopper FP8, MTP", "B", 54_728, "vllm fork log", lambda: _row("vllm", "8xh200"), 0),
    Figure("KV a token, Hopper FP8", "B", 53_940, "vLLM rows", lambda: _row("vllm", "8xh200", **PLAIN), 0),
    Figure("KV a token, all indexers", "B", 61_464, "vLLM log, GLM-5",
           lambda: _row("ktransformers", "8xl40s", cluster={"host_memory": "1 TiB"}), 0),
    Figure("464,768 tokens, SGLang 0.5.17", "GiB", 23.91, "SGLang log",
           lambda: 464_768 * _row("sglang", "8xb200", **OLD) / GIB, 0.001),
    Figure("434,048 tokens, all indexers", "GiB", 24.85, "vLLM log, GLM-5", lambda: 434_048 * 61_464 / GIB),
    Figure("loaded, vLLM 0.28, native context", "GiB", 94.46, "vLLM log, 8 x H200", _loaded),
    Figure("KV cache of that log", "GiB", 25.94, "vLLM log, 8 x H200",
           lambda: _native_log()[2].stages[0].kv_cache / GIB, 0.04),
    Figure("RAM that KTransformers needs", "GiB", 704, "KTransformers tutorial", lambda: _checkpoint("fp8", GIB)),
    Figure("MTP layer a GPU, TP8", "GiB", 1.00, "SGLang note", _mtp_layer, 0.1,
           "not explained; ours is the engine's class within 1.3 KB"),
    Figure("FP8 in all", "GB", 893, "vLLM recipe", lambda: _checkpoint("fp8", GB), 0.1,
           "1.2 x parameters by rule of thumb, not bytes"),
    Figure("NVFP4 in all", "GB", 558, "vLLM recipe", lambda: _checkpoint("nvfp4", GB), 0.1, "1.2 x checkpoint, by rule"),
    Figure("FP8 in all", "GiB", 2142, "a public planner", lambda: _checkpoint("fp8", GIB), 0.1,
           "counts KV as multi-head attention: 14.2 times MLA's"),
)  # fmt: skip


@pytest.mark.parametrize("figure", [pytest.param(f, id=f"{f.what} ({f.source})".replace(" ", "-")) for f in FIGURES])
def test_a_public_figure_is_met_or_missed_for_a_reason(figure: Figure) -> None:
    ours = figure.ours()
    met = abs(ours - figure.published) <= figure.within * figure.published
    assert met == (not figure.miss), f"{ours} {figure.unit}"


def _table() -> str:
    def shown(value: float, unit: str) -> str:
        return f"{value:,.0f} {unit}" if unit == "B" or value >= 200 else f"{value:.2f} {unit}"

    rows = [
        f"| {f.what} | {shown(f.published, f.unit)} | {shown(f.ours(), f.unit)} | {f.source}{f': missed, {f.miss}' if f.miss else ''} |"
        for f in FIGURES
    ]
    return "\n".join(["| figure | published | ours | source |", "|---|---:|---:|---|", *rows])


def test_the_readme_holds_the_table() -> None:
    assert _table() in README.read_text(encoding="utf-8")
