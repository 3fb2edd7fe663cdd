"""Weight bytes against the engines' own model classes, built on the meta device (data/weights.csv).

The table is the sum of parameter bytes of vLLM 0.33.0 and SGLang 0.5.23 for 105 ranks, run 2026-11-23.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import plan_for

from glmdeploy.layout import Shards
from glmdeploy.memory import Weigher

if TYPE_CHECKING:
    from glmdeploy.catalog import Catalog

_CHECKPOINTS = {"GLM-5.2-FP8": "fp8", "GLM-5.2": "bf16", "GLM-5.2-NVFP4": "nvfp4"}


@dataclass(frozen=True)
class Row:
    """One rank of one engine."""

    engine: str
    checkpoint: str
    tp: int
    pp: int
    first: int
    end: int
    mtp: bool
    size: int
    label: str


def _rows() -> list[Row]:
    with (Path(__file__).parent / "data/weights.csv").open(newline="") as file:
        return [_row(r) for r in csv.DictReader(file)]


def _row(r: dict[str, str]) -> Row:
    first, last = map(int, r["rank_or_stage"].partition(":")[2].split("-"))
    label = "-".join(
        [
            r["engine"],
            _CHECKPOINTS[r["checkpoint"]],
            f"tp{r['tp']}",
            f"pp{r['pp']}",
            f"ep{r['ep']}",
            f"layers{first}to{last}",
            f"mtp{r['mtp']}",
        ]
    )
    return Row(
        r["engine"],
        _CHECKPOINTS[r["checkpoint"]],
        int(r["tp"]),
        int(r["pp"]),
        first,
        last + 1,
        r["mtp"] == "1",
        int(r["bytes"]),
        label,
    )


ROWS = _rows()


def _weigh(catalog: Catalog, row: Row) -> int:
    checkpoint = next(c for c in catalog.model.checkpoints if c.id == row.checkpoint)
    return Weigher(catalog.model, checkpoint, Shards.tensor(row.tp)).stage(
        row.first, row.end, mtp=row.mtp, shared_embedding=row.pp == 1
    )


def test_the_table_is_whole() -> None:
    assert len(ROWS) == 105


@pytest.mark.parametrize("row", [pytest.param(r, id=r.label) for r in ROWS])
def test_weights_agree_within_a_thousandth(catalog: Catalog, row: Row) -> None:
    assert abs(_weigh(catalog, row) - row.size) / row.size < 0.001


@pytest.mark.parametrize(
    "row", [pytest.param(r, id=r.label) for r in ROWS if r.engine == "vllm" and r.checkpoint != "nvfp4"]
)
def test_vllm_fp8_and_bf16_weights_agree_to_the_byte(catalog: Catalog, row: Row) -> None:
    assert _weigh(catalog, row) == row.size


@pytest.mark.parametrize(
    "row", [pytest.param(r, id=r.label) for r in ROWS if r.engine == "sglang" and r.checkpoint != "nvfp4"]
)
def test_sglang_fp8_and_bf16_weights_differ_by_16_bytes_a_layer_at_most(catalog: Catalog, row: Row) -> None:
    assert 0 <= row.size - _weigh(catalog, row) <= 16 * (row.end - row.first + 1)


def test_parameters_add_up_to_753_billion(catalog: Catalog) -> None:
    """BF16 bytes are two a parameter, but for FP32 key norms; router biases are not counted as parameters."""
    model = catalog.model
    bf16 = next(c for c in model.checkpoints if c.id == "bf16")
    whole = Weigher(model, bf16, Shards.tensor(1)).stage(0, 78, mtp=True, shared_embedding=True)
    wider = 2 * 22 * 256 + 4 * 76 * 256
    assert (whole - wider) // 2 == model.parameters == 753_329_921_024


@pytest.mark.parametrize("checkpoint", ["fp8", "bf16", "nvfp4", "mxfp4", "w4afp8"])
def test_checkpoint_bytes_are_the_tensors_bytes(catalog: Catalog, checkpoint: str) -> None:
    found = next(c for c in catalog.model.checkpoints if c.id == checkpoint)
    whole = Weigher(catalog.model, found, Shards.tensor(1)).stage(0, 78, mtp=True, shared_embedding=True)
    assert abs(whole - found.total_bytes) / found.total_bytes < 0.0001


def test_full_indexer_layers_are_those_of_the_model_card(catalog: Catalog) -> None:
    assert sorted(catalog.model.full_indexer_layers) == [0, 1, *range(2, 78, 4)]


@pytest.mark.parametrize(
    ("framework", "gpus", "checkpoint", "ep", "mtp", "size"),
    [
        pytest.param("sglang", "8xmi300x", "fp8", 8, False, 97_160_943_264, id="sglang-fp8-shared-experts-whole"),
        pytest.param("sglang", "8xmi300x", "bf16", 8, False, 193_552_386_048, id="sglang-bf16-shared-experts-whole"),
        pytest.param("sglang", "8xh200", "w4afp8", 1, True, 51_621_446_624, id="sglang-w4afp8-int4-mtp-experts"),
        pytest.param("sglang", "8xmi355x", "mxfp4", 1, True, 58_201_348_336, id="sglang-mxfp4"),
        pytest.param("sglang", "8xb200", "nvfp4", 8, True, 61_040_196_968, id="sglang-nvfp4-expert-parallel"),
        pytest.param("vllm", "8xmi300x", "fp8", 8, True, 98_622_773_632, id="vllm-fp8-shared-experts-whole"),
        pytest.param("vllm", "8xmi300x", "bf16", 8, True, 196_286_222_848, id="vllm-bf16-shared-experts-whole"),
        pytest.param("vllm", "8xmi355x", "mxfp4", 1, True, 58_201_346_560, id="vllm-mxfp4"),
        pytest.param("vllm", "8xb200", "nvfp4", 8, True, 61_032_560_504, id="vllm-nvfp4-expert-parallel"),
    ],
)
def test_weights_are_those_that_the_engines_classes_were_built_with(
    framework: str, gpus: str, checkpoint: str, ep: int, mtp: bool, size: int
) -> None:
    """Parameter bytes of one rank of SGLang 0.5.23 and vLLM 0.33.0, built 2026-11-24 as tests/test_engine_weights.py does."""
    layout = {"tp": 8, "ep": ep}
    plan = plan_for(framework, gpus, model={"checkpoint": checkpoint}, layout=layout, serving={"mtp": mtp})
    (stage,) = plan.memory.stages
    assert abs(stage.weights - size) < size / 1000
