"""What the catalogue's files may hold: strict schemas, a source and a date for every fact."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from packaging.specifiers import SpecifierSet
from packaging.version import Version
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PositiveInt

from glmdeploy.models import FORMATS


def _known_format(name: str) -> str:
    if name not in FORMATS:
        raise ValueError(f"no tensor format {name}")
    return name


def _specifier(text: str) -> str:
    SpecifierSet(text)
    return text


_Date = Annotated[
    str,
    BeforeValidator(str),
    AfterValidator(lambda d: d if re.fullmatch(r"20\d\d-\d\d-\d\d", d) else _bad_date(d)),
]
_Version = Annotated[Version, BeforeValidator(Version)]
_Format = Annotated[str, AfterValidator(_known_format)]
_Range = Annotated[str, AfterValidator(_specifier)]


def _bad_date(text: str) -> str:
    raise ValueError(f"{text} is not a date")


class Entry(BaseModel):
    """Nothing beside what is declared."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class FactEntry(Entry):
    """Where a figure comes from, and when it was read."""

    source: str
    checked: _Date


class GPUEntry(Entry):
    """gpus/*.yaml."""

    name: str
    vendor: str
    architecture: str
    compute: str
    aliases: tuple[str, ...]
    memory_gb: int
    memory_mib: int
    bandwidth_tb_s: float
    bf16_tflops: float = 0.0
    fp8_tflops: float = 0.0
    fp4_tflops: float = 0.0
    link: str
    link_gb_s: float = 0.0
    gpus_per_node: int
    rack_scale: bool
    product_labels: tuple[str, ...] = ()
    driver_names: tuple[str, ...] = ()
    pci_ids: tuple[str, ...] = ()
    facts: dict[str, FactEntry]
    unverified: tuple[str, ...] = ()
    note: str = ""


class CheckpointEntry(Entry):
    """A checkpoint of a model."""

    id: str
    default: bool = False
    precision: str
    repo: str
    total_bytes: int
    floor_gb: int
    linear: _Format
    experts: _Format
    mtp_linear: _Format
    mtp_experts: _Format
    max_tp: int
    compute: tuple[str, ...] = ()
    frameworks: tuple[str, ...]
    shards: int = 0
    quant_method: str = ""
    facts: dict[str, FactEntry]
    note: str = ""


class ModelEntry(Entry):
    """models/*.yaml, without checkpoints and facts."""

    name: str
    parameters: PositiveInt
    layers: PositiveInt
    dense_layers: PositiveInt
    hidden: PositiveInt
    dense_intermediate: PositiveInt
    heads: PositiveInt
    q_lora: PositiveInt
    kv_lora: PositiveInt
    qk_nope: PositiveInt
    qk_rope: PositiveInt
    v_head: PositiveInt
    vocab: PositiveInt
    experts: PositiveInt
    experts_per_token: PositiveInt
    shared_experts: PositiveInt
    expert_intermediate: PositiveInt
    index_heads: PositiveInt
    index_head: PositiveInt
    index_topk: PositiveInt
    index_freq: PositiveInt
    index_offset: PositiveInt
    mtp_layers: PositiveInt
    architecture: str
    max_context: PositiveInt
    max_output: PositiveInt
    license: str
    revision: str


class ImageEntry(Entry):
    """A container image of a framework."""

    reference: str
    versions: _Range
    compute: tuple[str, ...]
    driver: int
    source: str
    checked: _Date


class OptionEntry(Entry):
    """An option's name in a range of versions."""

    option: str
    versions: _Range = ""


class LaunchEntry(Entry):
    """What starts a framework's server."""

    commands: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    images: tuple[str, ...] = ()


class ParserEntry(Entry):
    """How a framework's parser reads words."""

    free_words: int
    abbreviations: bool = True
    underscores: bool = False
    dotted: bool = False
    levels: bool = False
    serve_model: str = ""
    required: tuple[str, ...] = ()


class RecipeEntry(Entry):
    """One row of recipes/*.yaml."""

    gpu: str
    gpus: int
    checkpoint: str
    strategy: Literal["low-latency", "balanced", "high-throughput"]
    verified: bool
    memory_fraction: float
    mtp_steps: int
    attn_dp: int = 1
    ep: int = 1
    a2a: str = ""
    prefill_chunk: int = 0
    max_running: int = 0
    graph_batch: int = 0
    prefill_tokens: int = 0
    draft_attention: str = ""
    env: dict[str, str] = {}


class RecipesEntry(FactEntry):
    """recipes/*.yaml."""

    recipes: tuple[RecipeEntry, ...]


class FrameworkEntry(Entry):
    """frameworks/*.yaml."""

    name: str
    floor: _Version
    tested: tuple[_Version, ...]
    default: _Version
    port: int
    health: str
    launch: LaunchEntry
    parser: ParserEntry
    packages: tuple[str, ...]
    base_image: str
    image_required: bool = False
    weights_in: Literal["gpu", "host"] = "gpu"
    images: tuple[ImageEntry, ...]
    kernels: dict[str, str]
    cpu_methods: dict[str, dict[str, str]] = {}
    caches: dict[str, str] = {}
    facts: dict[str, FactEntry]
    flags: dict[str, str | OptionEntry]
    successors: dict[str, str] = {}
    successor_values: dict[str, dict[str, str]] = {}
    gone_before: dict[str, str] = {}
    implied: dict[str, str] = {}
    merged: dict[str, tuple[str, str]] = {}
    note: str = ""
    differs: tuple[str, ...] = ()
