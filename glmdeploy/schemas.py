"""JSON Schemas (2020-12) of what users write and programs read, made of the types that the tool itself uses.

There is no `$id`: no address of ours resolves, and a made-up one would be asked for.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from glmdeploy.bundle import refuse_clobber, write_file
from glmdeploy.diagnostics import Diagnostic, Level, Span, WriteError
from glmdeploy.examples import EXAMPLES, WORKSPACE
from glmdeploy.fields import KEYWORDS
from glmdeploy.forms.bound import BoundForm
from glmdeploy.forms.bundle import BundleForm
from glmdeploy.forms.check import CheckForm
from glmdeploy.forms.compare import CompareForm
from glmdeploy.forms.cost import CostForm
from glmdeploy.forms.detect import DetectForm
from glmdeploy.forms.diff import DiffForm
from glmdeploy.forms.images import ImageListForm, ImagesForm
from glmdeploy.forms.lint import LintForm
from glmdeploy.forms.listing import ListForm
from glmdeploy.forms.lock import LockForm
from glmdeploy.forms.plan import PlanForm
from glmdeploy.forms.probe import ProbeForm
from glmdeploy.forms.recommend import RecommendForm
from glmdeploy.forms.upgrade import UpgradeForm
from glmdeploy.forms.weights import WeightsForm
from glmdeploy.pipeline import SCHEMA_FILE
from glmdeploy.probe.tasks import TaskFile
from glmdeploy.profile import Profile
from glmdeploy.units import exact_size
from glmdeploy.workspace.schema import WorkspaceFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pydantic_core import core_schema

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def text(name: str) -> str:
    """The schema ``name`` of `SCHEMAS` as a file's text."""
    return json.dumps(SCHEMAS[name](), indent=2, ensure_ascii=False) + "\n"


def save(name: str, path: Path, *, force: bool = False) -> None:
    """Write a schema to a file; WriteError (clobber) when another text stands there and not ``force``."""
    written = text(name)
    refuse_clobber(path, written, force=force)
    write_file(path, written)


def save_beside(profile: Path, *, force: bool = False) -> tuple[Diagnostic, ...]:
    """Write the schema that the first line of a profile names; GLM060 when another one stands there."""
    path = profile.parent / SCHEMA_FILE
    try:
        save("profile", path, force=force)
    except WriteError as error:
        if not error.clobber:
            raise
        hint = f"`glmdeploy schema -o {path} --force` writes this version's"
        message = f"`{path}` is not this version's schema: editors may complain of what is right"
        return (Diagnostic("GLM060", message, Level.WARNING, span=Span(str(path)), hint=hint),)
    return ()


class _Generator(GenerateJsonSchema):
    """Pydantic's, with closed objects, the validators' patterns, and sizes as they are written."""

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> Schema:
        return {**super().typed_dict_schema(schema), "additionalProperties": False}

    def dict_schema(self, schema: core_schema.DictSchema) -> Schema:
        found = super().dict_schema(schema)
        return {**found, "additionalProperties": False} if "patternProperties" in found else found

    def function_after_schema(self, schema: core_schema.AfterValidatorFunctionSchema) -> Schema:
        return {**super().function_after_schema(schema), **KEYWORDS[schema["function"]["function"]]}

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> Schema:
        found = super().default_schema(schema)
        if found.get("default", "") is None and schema["schema"]["type"] != "nullable":
            del found["default"]  # absent, in a layer that need not say everything
        if found.get("type") == "string" and isinstance(found.get("default"), int):
            found["default"] = exact_size(found["default"]) + ("/s" if "/s" in found["pattern"] else "")
        return found


def of_type(name: str, kind: Any, examples: Mapping[str, object] | None = None) -> Schema:
    """The schema of a model or a form, with title, description and examples at every property.

    ``examples`` are for properties whose type holds none, by the end of their dotted key.
    """
    found = TypeAdapter(kind).json_schema(schema_generator=_Generator)
    definitions = found.get("$defs", {})
    _Filler(definitions, examples or {}).fill(found, ())
    return {"$schema": DIALECT, **found, "title": f"glmdeploy {name}"}


class _Filler:
    def __init__(self, definitions: Mapping[str, Schema], examples: Mapping[str, object]) -> None:
        self.definitions = definitions
        self.given = examples

    def fill(self, node: Schema, at: tuple[str, ...]) -> None:
        """Complete the properties of an object, those of the objects inside first: examples are made of theirs."""
        for key, found in node.get("properties", {}).items():
            here = (*at, key)
            for inner in self.inside(found):
                self.fill(inner, here)
            described = next((i["description"] for i in self.inside(found) if "description" in i), "")
            found.setdefault("title", key.replace("_", " ").replace("-", " ").title())
            found.setdefault("description", described)
            given = next((self.given[k] for i in range(len(here)) if (k := ".".join(here[i:])) in self.given), None)
            found["examples"] = [given] if given is not None else self.examples(found)

    def inside(self, node: Schema) -> list[Schema]:
        """The objects of ours that a value may be, or hold."""
        maps = (node.get("additionalProperties"), *node.get("patternProperties", {}).values())
        parts = [p for p in (*node.get("anyOf", ()), node.get("items"), *maps) if isinstance(p, dict)]
        own = [self.definitions[node["$ref"].rpartition("/")[2]]] if "$ref" in node else []
        return [*own, *(inner for part in parts for inner in self.inside(part))]

    def examples(self, node: Schema) -> list[Any]:
        """What a value may be: as its type says, or made of its parts."""
        if "$ref" in node:
            return self.examples(self.definitions[node["$ref"].rpartition("/")[2]])
        for key, listed in (("examples", True), ("enum", True), ("const", False)):
            if key in node:
                return list(node[key]) if listed else [node[key]]
        if "anyOf" in node:
            return next((found for part in node["anyOf"] if (found := self.examples(part))), [])
        return self.made(node)

    def made(self, node: Schema) -> list[Any]:
        kind = node.get("type")
        if node.get("default") not in (None, []):
            return [node["default"]]
        if kind == "boolean":
            return [True, False]
        if kind == "array":
            return [self.examples(node["items"])[:1]]
        if "properties" in node:
            made = ((key, self.examples(value)) for key, value in node["properties"].items())
            return [{key: examples[0] for key, examples in made if examples}]
        return []


def profile() -> Schema:
    """Profiles: what you write."""
    return of_type("profile", Profile, EXAMPLES)


def workspace() -> Schema:
    """`glmdeploy.yaml`: what profiles share, and which bundle goes where."""
    return of_type("workspace", WorkspaceFile, EXAMPLES | WORKSPACE)


def lock() -> Schema:
    """`glmdeploy.lock`: what the bundles were rendered from."""
    return of_type("lock", LockForm)


def check() -> Schema:
    """`check --format json`."""
    return of_type("check", CheckForm)


def plan() -> Schema:
    """`plan --format json`."""
    return of_type("plan", PlanForm)


def lint() -> Schema:
    """`lint --format json`."""
    return of_type("lint", LintForm)


def recommend() -> Schema:
    """`recommend --format json`."""
    return of_type("recommend", RecommendForm)


def cost() -> Schema:
    """`cost --format json`."""
    return of_type("cost", CostForm)


def bound() -> Schema:
    """`bound --format json`."""
    return of_type("bound", BoundForm)


def upgrade() -> Schema:
    """`upgrade --format json`."""
    return of_type("upgrade", UpgradeForm)


def diff() -> Schema:
    """`diff --format json`."""
    return of_type("diff", DiffForm)


def probe() -> Schema:
    """`probe --format json`."""
    return of_type("probe", ProbeForm)


def compare() -> Schema:
    """`compare --format json`."""
    return of_type("compare", CompareForm)


def tasks() -> Schema:
    """A file of tasks for `compare`: what you write."""
    return of_type("tasks", TaskFile)


def detect() -> Schema:
    """`detect --format json`."""
    return of_type("detect", DetectForm)


def weights() -> Schema:
    """`validate-weights --format json`."""
    return of_type("weights", WeightsForm)


def listing() -> Schema:
    """`list --format json`."""
    return of_type("list", ListForm)


def images() -> Schema:
    """`images.lock.yaml`, the file of image digests."""
    return of_type("images", ImagesForm)


def image_list() -> Schema:
    """`images list --format json`."""
    return of_type("image-list", ImageListForm)


def bundle() -> Schema:
    """`.glmdeploy.json`, a bundle's list of its files."""
    return of_type("bundle", BundleForm)


SCHEMAS: dict[str, Callable[[], Schema]] = {
    "profile": profile,
    "workspace": workspace,
    "lock": lock,
    "plan": plan,
    "lint": lint,
    "check": check,
    "recommend": recommend,
    "cost": cost,
    "bound": bound,
    "upgrade": upgrade,
    "diff": diff,
    "probe": probe,
    "compare": compare,
    "tasks": tasks,
    "detect": detect,
    "weights": weights,
    "list": listing,
    "images": images,
    "image-list": image_list,
    "bundle": bundle,
}
