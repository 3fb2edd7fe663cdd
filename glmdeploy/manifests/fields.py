"""Fields, types, quantities and closed lists of the Kubernetes API: GLM802, GLM803, GLM806, GLM817, GLM828."""

from __future__ import annotations

import difflib
import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glmdeploy.diagnostics import Level
from glmdeploy.manifests import (
    cluster_limits,
    container_limits,
    job_limits,
    object_limits,
    placing_limits,
    pod_limits,
)
from glmdeploy.manifests.constraint import FORM, HIGHEST, between
from glmdeploy.manifests.objects import quantity
from glmdeploy.manifests.values import VALUES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.manifests.constraint import Check
    from glmdeploy.manifests.document import File, Node
    from glmdeploy.manifests.objects import Object

_FILES = ("fields", "custom")
_TABLES = (pod_limits, container_limits, placing_limits, object_limits, cluster_limits, job_limits)
LIMITS: dict[str, tuple[Check, ...]] = {}
for _table in _TABLES:
    for _name, _checks in _table.LIMITS.items():
        LIMITS[_name] = (*LIMITS.get(_name, ()), *_checks)
# Fields that the schema leaves open and validation does not.
_NEEDED = {
    "Container": ("image",),
    "PersistentVolumeClaimSpec": ("accessModes", "resources"),
    "DeploymentSpec": ("selector", "template"),
    "ExecAction": ("command",),
}
_ACCESS = frozenset(["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"])


@cache
def table() -> dict[str, Any]:
    """The fields of the API and of custom resources (`.ci/fields` writes the files)."""
    own, custom = (json.loads((Path(__file__).parent / f"{n}.json").read_text(encoding="utf-8")) for n in _FILES)
    return {
        "source": own["source"],
        "kinds": {**own["kinds"], **custom["kinds"]},
        "custom": custom["kinds"],
        "types": {**own["types"], **custom["types"]},
    }


def check(o: Object) -> Iterator[Diagnostic]:
    """Every field of an object of a kind that the table holds."""
    if o.kind in table()["kinds"] and o.root.get("apiVersion").text == table()["kinds"][o.kind]:
        yield from _Walk(o.file).struct(o.root, o.kind, "")


class _Walk:
    def __init__(self, file: File) -> None:
        self.file = file

    def struct(self, node: Node, name: str, where: str) -> Iterator[Diagnostic]:
        entry = table()["types"].get(name, {})
        if not entry:
            return
        if not isinstance(node.value, dict):
            yield self.wrong(node, where, "a mapping")
            return
        fields = entry["fields"]
        for key, child in node.items.items():
            place = f"{where}.{key}".lstrip(".")
            if key not in fields:
                yield self.unknown(node, key, place, fields)
                continue
            if child:
                yield from self.value(child, fields[key], place)
                yield from self.limited(entry, key, node)
            yield from self.closed(name, key, child)
        for key in (*entry.get("required", ()), *_NEEDED.get(name, ())):
            if not node.get(key):
                yield self.file.say("GLM817", f"`{where + '.' if where else ''}{key}` is missing", node)
        for limit in LIMITS.get(name, ()):
            for f in limit(node):
                yield self.file.say(f.code, f.message, f.at, hint=f.hint, level=f.level)

    def limited(self, entry: dict[str, Any], key: str, owner: Node) -> Iterator[Diagnostic]:
        """The limits that a definition of a custom resource states itself."""
        node = owner.get(key)
        words = entry.get("words", {}).get(key)
        if words and node.text and node.text not in words:
            yield self.file.say("GLM828", f"`{key}` cannot be `{node.text}`", node, hint=_known(frozenset(words)))
        pattern = entry.get("forms", {}).get(key)
        if pattern and node.text and not re.search(pattern, node.text):
            hint = f"the definition wants `{pattern}`"
            yield self.file.say(FORM, f"`{key}` cannot be `{node.text}`", node, hint=hint)
        if key in entry.get("ranges", {}):
            lowest, highest = entry["ranges"][key]
            for f in between(-HIGHEST if lowest is None else lowest, highest or HIGHEST, key)(owner):
                yield self.file.say(f.code, f.message, f.at)

    def unknown(self, node: Node, key: str, place: str, fields: dict[str, str]) -> Diagnostic:
        near = difflib.get_close_matches(key, fields, n=1)
        hint = (
            f"did you mean `{near[0]}`?" if near else "the API server refuses it (strict), or drops it without a word"
        )
        at = node.keys.get(key) or node.items[key]
        return self.file.say("GLM802", f"unknown field `{place}`", at, hint=hint)

    def value(self, node: Node, kind: str, where: str) -> Iterator[Diagnostic]:
        if kind.startswith("["):
            yield from self.members(node, kind[1:], where)
        elif kind.startswith("{"):
            yield from self.mapping(node, kind[1:], where)
        elif kind == "quantity":
            if quantity(node) is None or isinstance(node.value, bool | dict | list):
                yield self.not_quantity(node, where)
        elif kind in _SCALARS:
            yield from self.scalar(node, kind, where)
        elif kind in table()["types"]:
            yield from self.struct(node, kind, where)

    def members(self, node: Node, kind: str, where: str) -> Iterator[Diagnostic]:
        if not isinstance(node.value, list):
            yield self.wrong(node, where, "a list")
        for index, item in enumerate(node.list):
            yield from self.value(item, kind, f"{where}[{index}]")

    def mapping(self, node: Node, kind: str, where: str) -> Iterator[Diagnostic]:
        if not isinstance(node.value, dict):
            yield self.wrong(node, where, "a mapping")
        for name, item in node.items.items():
            yield from self.value(item, kind, f"{where}.{name}")
            key = node.keys.get(name)
            if key and key.taken_for:
                message = f"key `{name}` is {key.taken_for} to a YAML 1.1 reader"
                yield self.file.say("GLM803", message, key, hint=f'write "{name}"')

    def scalar(self, node: Node, kind: str, where: str) -> Iterator[Diagnostic]:
        allowed = _SCALARS[kind]
        truth = isinstance(node.value, bool) and bool not in allowed
        if truth or not isinstance(node.value, allowed):
            yield self.wrong(node, where, _NAMES[kind])
        elif kind == "string" and node.trap:
            yield self.file.say(
                "GLM803",
                f"`{where}`: `{node.raw}` is {node.trap} to some YAML readers",
                node,
                hint=f'write "{node.raw}"',
                level=Level.WARNING,
            )

    def wrong(self, node: Node, where: str, wanted: str) -> Diagnostic:
        if isinstance(node.value, dict | list):
            return self.file.say("GLM803", f"`{where}` must be {wanted}", node)
        taken = _describe(node.value)
        quoted = wanted == "a string"
        hint = f'write "{node.raw}"' if quoted else ("without quotes" if isinstance(node.value, str) else "")
        return self.file.say("GLM803", f"`{where}` must be {wanted}: `{node.raw}` is {taken}", node, hint=hint)

    def not_quantity(self, node: Node, where: str) -> Diagnostic:
        hint = "units are k, M, G, T, P, E (decimal) and Ki, Mi, Gi, Ti, Pi, Ei (binary), without B"
        return self.file.say("GLM806", f"`{where}`: `{node.raw}` is not a quantity", node, hint=hint)

    def closed(self, name: str, key: str, node: Node) -> Iterator[Diagnostic]:
        known = VALUES.get((name, key))
        if known and node.text and node.text not in known:
            yield self.file.say("GLM828", f"`{key}` cannot be `{node.text}`", node, hint=_known(known))
        if (name, key) == ("PersistentVolumeClaimSpec", "accessModes"):
            for mode in node.list:
                if mode.text not in _ACCESS:
                    yield self.file.say("GLM828", f"`{key}` cannot be `{mode.raw}`", mode, hint=_known(_ACCESS))


_SCALARS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "port": (int, str),
}
_NAMES = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "port": "a number or a name",
}


def _describe(value: Any) -> str:
    if value is None:
        return "nothing"
    return "a bool" if isinstance(value, bool) else "a number" if isinstance(value, int | float) else "a string"


def _known(values: frozenset[str]) -> str:
    return f"one of {', '.join(sorted(v for v in values if v))}"
