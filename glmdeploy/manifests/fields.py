"""Fields, types, quantities and closed lists of the Kubernetes API: GLM802, GLM803, GLM806, GLM817, GLM828."""

from __future__ import annotations

import difflib
import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glmdeploy.diagnostics import Level

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.manifests.document import File, Node
    from glmdeploy.manifests.objects import Object

_QUANTITY = re.compile(r"[+-]?([0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]+)?\Z")
_SCALES = {"": 1.0, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_BINARY = {f"{p}i": 1024.0**i for i, p in enumerate("KMGTPE", 1)}
_POLICIES = frozenset(["Always", "Never", "OnFailure"])
_PULL = frozenset(["Always", "IfNotPresent", "Never"])
# Closed lists of the API, by type and field.
_VALUES: dict[tuple[str, str], frozenset[str]] = {
    ("Container", "imagePullPolicy"): _PULL,
    ("ImageVolumeSource", "pullPolicy"): _PULL,
    ("Container", "terminationMessagePolicy"): frozenset(["File", "FallbackToLogsOnError"]),
    ("PodSpec", "restartPolicy"): _POLICIES,
    ("PodSpec", "dnsPolicy"): frozenset(["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]),
    ("ServiceSpec", "type"): frozenset(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]),
    ("ServicePort", "protocol"): frozenset(["TCP", "UDP", "SCTP"]),
    ("ContainerPort", "protocol"): frozenset(["TCP", "UDP", "SCTP"]),
    ("DeploymentStrategy", "type"): frozenset(["Recreate", "RollingUpdate"]),
    ("StatefulSetSpec", "podManagementPolicy"): frozenset(["OrderedReady", "Parallel"]),
    ("CronJobSpec", "concurrencyPolicy"): frozenset(["Allow", "Forbid", "Replace"]),
    ("PersistentVolumeClaimSpec", "volumeMode"): frozenset(["Filesystem", "Block"]),
    ("Toleration", "operator"): frozenset(["Exists", "Equal", "Gt", "Lt"]),
    ("Toleration", "effect"): frozenset(["", "NoSchedule", "PreferNoSchedule", "NoExecute"]),
    ("SeccompProfile", "type"): frozenset(["RuntimeDefault", "Unconfined", "Localhost"]),
    ("TopologySpreadConstraint", "whenUnsatisfiable"): frozenset(["DoNotSchedule", "ScheduleAnyway"]),
    ("HTTPGetAction", "scheme"): frozenset(["HTTP", "HTTPS"]),
    ("LabelSelectorRequirement", "operator"): frozenset(["In", "NotIn", "Exists", "DoesNotExist"]),
    ("LeaderWorkerSetSpec", "startupPolicy"): frozenset(["LeaderCreated", "LeaderReady"]),
    ("LeaderWorkerTemplate", "restartPolicy"): frozenset(
        ["Default", "RecreateGroupOnPodRestart", "RecreateGroupAfterStart", "None"]
    ),
    ("LeaderWorkerSetNetwork", "subdomainPolicy"): frozenset(["Shared", "UniquePerReplica"]),
}
# Fields that the schema leaves open and validation does not.
_NEEDED = {
    "Container": ("image",),
    "PersistentVolumeClaimSpec": ("accessModes", "resources"),
    "DeploymentSpec": ("selector", "template"),
    "ObjectMeta": (),
}
_ACCESS = frozenset(["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"])


@cache
def table() -> dict[str, Any]:
    """The fields of the API (`.ci/fields/kubernetes.py` writes the file)."""
    data: dict[str, Any] = json.loads((Path(__file__).parent / "fields.json").read_text(encoding="utf-8"))
    return data


def quantity(node: Node) -> float | None:
    """What a quantity amounts to, or None where it is none."""
    text = node.raw or str(node.value)
    match = _QUANTITY.match(text)
    if not match:
        return None
    suffix = match[2] or ""
    if suffix[:1] in {"e", "E"} and len(suffix) > 1 and suffix != "Ei":
        return float(match[0])
    scale = {**_SCALES, **_BINARY}[suffix]
    return float(match[1]) * scale * (-1 if text.startswith("-") else 1)


def check(o: Object) -> Iterator[Diagnostic]:
    """Every field of an object of a kind that the table holds."""
    if o.kind in table()["kinds"]:
        want = table()["kinds"][o.kind]
        given = o.root.get("apiVersion")
        if given.text != want and given.text.rpartition("/")[0] == want.rpartition("/")[0]:
            yield o.file.say("GLM828", f"{o.kind} is `{want}`, not `{given.text}`", given)
        if given.text == want:
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
            yield from self.closed(name, key, child)
        for key in (*entry.get("required", ()), *_NEEDED.get(name, ())):
            if not node.get(key):
                yield self.file.say("GLM817", f"`{where + '.' if where else ''}{key}` is missing", node)

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
        known = _VALUES.get((name, key))
        if known and isinstance(node.value, str) and node.text not in known:
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
