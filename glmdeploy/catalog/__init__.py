"""What things are: GPUs, models, frameworks, each a YAML file with a source and a date per fact.

Loading validates; a broken entry is a bug of ours and raises CatalogError with file and key.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from packaging.specifiers import SpecifierSet
from packaging.version import Version
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PositiveInt, TypeAdapter, ValidationError

from glmdeploy import resources
from glmdeploy.flags import Flag, Framework, Image, Launch, Option, OptionTable, Parser, Recipe, Release, VariableTable
from glmdeploy.hardware import GPU, Fact
from glmdeploy.models import FORMATS, Checkpoint, Model

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")


class CatalogError(Exception):
    """The shipped catalogue is wrong: a bug, not a user's mistake."""


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


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class _Fact(_Entry):
    source: str
    checked: _Date


class _GPU(_Entry):
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
    facts: dict[str, _Fact]
    unverified: tuple[str, ...] = ()
    note: str = ""


class _Checkpoint(_Entry):
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
    facts: dict[str, _Fact]
    note: str = ""


class _Model(_Entry):
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
    max_context: PositiveInt
    max_output: PositiveInt
    license: str
    revision: str


class _Image(_Entry):
    reference: str
    versions: _Range
    compute: tuple[str, ...]
    driver: int
    source: str
    checked: _Date


class _Option(_Entry):
    option: str
    versions: _Range = ""


class _Launch(_Entry):
    commands: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    images: tuple[str, ...] = ()


class _Parser(_Entry):
    free_words: int
    abbreviations: bool = True
    underscores: bool = False
    dotted: bool = False
    levels: bool = False
    serve_model: str = ""
    required: tuple[str, ...] = ()


class _Recipe(_Entry):
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


class _Recipes(_Fact):
    recipes: tuple[_Recipe, ...]


class _Framework(_Entry):
    name: str
    floor: _Version
    tested: tuple[_Version, ...]
    default: _Version
    port: int
    health: str
    launch: _Launch
    parser: _Parser
    packages: tuple[str, ...]
    base_image: str
    image_required: bool = False
    weights_in: Literal["gpu", "host"] = "gpu"
    images: tuple[_Image, ...]
    kernels: dict[str, str]
    cpu_methods: dict[str, dict[str, str]] = {}
    facts: dict[str, _Fact]
    flags: dict[str, str | _Option]
    successors: dict[str, str] = {}
    successor_values: dict[str, dict[str, str]] = {}
    merged: dict[str, tuple[str, str]] = {}
    note: str = ""
    differs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Catalog:
    """Everything that ships, by id, in stable order."""

    gpus: dict[str, GPU]
    models: dict[str, Model]
    frameworks: dict[str, Framework]

    @property
    def model(self) -> Model:
        """The one model that this release knows."""
        return next(iter(self.models.values()))

    def find_gpus(self, name: str) -> tuple[GPU, ...]:
        """Every GPU that goes by ``name``, whatever its case and punctuation."""
        wanted = _fold(name)
        return tuple(g for g in self.gpus.values() if wanted in {_fold(g.id), *map(_fold, g.aliases)})

    def near_gpus(self, name: str) -> tuple[str, ...]:
        """The names nearest to an unknown one."""
        names = {_fold(a): a for g in self.gpus.values() for a in (g.id, *g.aliases)}
        return tuple(names[n] for n in difflib.get_close_matches(_fold(name), names, n=4, cutoff=0.5))


def _fold(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower().replace("nvidia", "").replace("geforce", "").replace("amd", ""))


@cache
def load() -> Catalog:
    """The shipped catalogue, validated; loaded once a process."""
    root = resources.folder("catalog")
    return Catalog(
        gpus={p.stem: _gpu(p) for p in sorted((root / "gpus").glob("*.yaml"))},
        models={p.stem: _model(p) for p in sorted((root / "models").glob("*.yaml"))},
        frameworks={p.stem: _framework(p) for p in sorted((root / "frameworks").glob("*.yaml"))},
    )


@cache
def options(framework: str) -> OptionTable:
    """What the parsers of a framework's releases know; generated from the released wheels by `.ci/flags`."""
    data = json.loads((resources.folder("catalog") / "flags" / f"{framework}.json").read_text(encoding="utf-8"))
    releases = [
        Release(Version(r["version"]), r["wheel"], r["sha256"], r["read"], r["method"]) for r in data["releases"]
    ]
    return OptionTable(releases, [(_option(entry), entry["in"]) for entry in data["options"]])


@cache
def variables(framework: str) -> VariableTable | None:
    """The environment variables of a framework's releases, read from the same wheels; None where it has no prefix."""
    path = resources.folder("catalog") / "variables" / f"{framework}.json"
    if not path.exists():
        return None
    data = json.loads(path.read_text(encoding="utf-8"))
    return VariableTable([Version(v) for v in data["releases"]], data["variables"])


def _option(entry: dict[str, Any]) -> Option:
    return Option(
        tuple(entry["names"]),
        entry["kind"],
        tuple(entry.get("choices", ())),
        entry.get("values", ""),
        entry.get("negative", ""),
        entry.get("deprecated", ""),
        entry.get("repeatable", False),
    )


def _read(path: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML  # noqa: PLC0415  slow to import

    data = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict):
        raise CatalogError(f"{path}: not a mapping")
    return data


def _check(kind: type[T], data: Any, path: Path) -> T:
    try:
        return TypeAdapter(kind).validate_python(data)
    except ValidationError as error:
        raise CatalogError(f"{path}: {error}") from error


def _facts(facts: dict[str, _Fact]) -> dict[str, Fact]:
    return {key: Fact(fact.source, fact.checked) for key, fact in facts.items()}


def _gpu(path: Path) -> GPU:
    entry = _check(_GPU, _read(path), path)
    return GPU(id=path.stem, **{**dict(entry), "facts": _facts(entry.facts)})


def _model(path: Path) -> Model:
    data = _read(path)
    checkpoints = tuple(_checkpoint(_check(_Checkpoint, item, path)) for item in data.pop("checkpoints"))
    facts = _check(dict[str, _Fact], data.pop("facts"), path)
    sizes = dict(_check(_Model, data, path))
    return Model(id=path.stem, checkpoints=checkpoints, facts=_facts(facts), **sizes)


def _checkpoint(entry: _Checkpoint) -> Checkpoint:
    return Checkpoint(**{**dict(entry), "facts": _facts(entry.facts)})


def _recipes(path: Path, facts: dict[str, Fact]) -> tuple[Recipe, ...]:
    """The recipes of a framework that has any; their source joins its facts."""
    if not path.exists():
        return ()
    entry = _check(_Recipes, _read(path), path)
    facts["recipes"] = Fact(entry.source, entry.checked)
    return tuple(Recipe(**dict(r)) for r in entry.recipes)


def _framework(path: Path) -> Framework:
    entry = _check(_Framework, _read(path), path)
    images = tuple(Image(i.reference, i.versions, i.compute, i.driver, Fact(i.source, i.checked)) for i in entry.images)
    flags = tuple(
        Flag(name, value) if isinstance(value, str) else Flag(name, value.option, value.versions)
        for name, value in entry.flags.items()
    )
    members = {**dict(entry), "facts": _facts(entry.facts), "images": images, "flags": flags}
    members |= {"recipes": _recipes(path.parents[1] / "recipes" / path.name, members["facts"])}
    members |= {"launch": Launch(**dict(entry.launch)), "parser": Parser(**dict(entry.parser))}
    return Framework(id=path.stem, **members)
