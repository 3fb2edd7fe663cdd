"""What things are: GPUs, models, frameworks, each a YAML file with a source and a date per fact.

Loading validates; a broken entry is a bug of ours and raises CatalogError with file and key.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar

from packaging.version import Version
from pydantic import TypeAdapter, ValidationError

from glmdeploy import resources
from glmdeploy.catalog.schema import CheckpointEntry, FactEntry, FrameworkEntry, GPUEntry, ModelEntry, RecipesEntry
from glmdeploy.flags import Flag, Framework, Image, Launch, Option, OptionTable, Parser, Recipe, Release, VariableTable
from glmdeploy.hardware import GPU, Fact
from glmdeploy.models import Checkpoint, Model

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")


class CatalogError(Exception):
    """The shipped catalogue is wrong: a bug, not a user's mistake."""


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


def _facts(facts: dict[str, FactEntry]) -> dict[str, Fact]:
    return {key: Fact(fact.source, fact.checked) for key, fact in facts.items()}


def _gpu(path: Path) -> GPU:
    entry = _check(GPUEntry, _read(path), path)
    return GPU(id=path.stem, **{**dict(entry), "facts": _facts(entry.facts)})


def _model(path: Path) -> Model:
    data = _read(path)
    checkpoints = tuple(_checkpoint(_check(CheckpointEntry, item, path)) for item in data.pop("checkpoints"))
    facts = _check(dict[str, FactEntry], data.pop("facts"), path)
    sizes = dict(_check(ModelEntry, data, path))
    return Model(id=path.stem, checkpoints=checkpoints, facts=_facts(facts), **sizes)


def _checkpoint(entry: CheckpointEntry) -> Checkpoint:
    return Checkpoint(**{**dict(entry), "facts": _facts(entry.facts)})


def _recipes(path: Path, facts: dict[str, Fact]) -> tuple[Recipe, ...]:
    """The recipes of a framework that has any; their source joins its facts."""
    if not path.exists():
        return ()
    entry = _check(RecipesEntry, _read(path), path)
    facts["recipes"] = Fact(entry.source, entry.checked)
    return tuple(Recipe(**dict(r)) for r in entry.recipes)


def _framework(path: Path) -> Framework:
    entry = _check(FrameworkEntry, _read(path), path)
    images = tuple(Image(i.reference, i.versions, i.compute, i.driver, Fact(i.source, i.checked)) for i in entry.images)
    flags = tuple(
        Flag(name, value) if isinstance(value, str) else Flag(name, value.option, value.versions)
        for name, value in entry.flags.items()
    )
    members = {**dict(entry), "facts": _facts(entry.facts), "images": images, "flags": flags}
    members |= {"recipes": _recipes(path.parents[1] / "recipes" / path.name, members["facts"])}
    members |= {"launch": Launch(**dict(entry.launch)), "parser": Parser(**dict(entry.parser))}
    return Framework(id=path.stem, **members)


def files(gpu: str, model: str, framework: str) -> dict[str, str]:
    """The catalogue's files that a plan is made of, by their ids -> SHA-256 of each, sorted by name."""
    root = resources.folder("catalog")
    own = [f"gpus/{gpu}.yaml", f"models/{model}.yaml"]
    own += [f"{kind}/{framework}{end}" for kind, end in _OF_A_FRAMEWORK]
    return {name: sha256((root / name).read_bytes()).hexdigest() for name in sorted(own) if (root / name).exists()}


_OF_A_FRAMEWORK = (("frameworks", ".yaml"), ("recipes", ".yaml"), ("flags", ".json"), ("variables", ".json"))
