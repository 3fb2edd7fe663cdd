"""Kubernetes objects and Compose services compared field by field, whatever file they stand in.

Lists of named things are matched by their names, as Kubernetes merges them, and command lines option by option, so that
an order that means nothing is no difference.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from glmdeploy.diagnostics import ProfileError
from glmdeploy.difference import masks
from glmdeploy.difference.change import ADDED, CHANGED, REMOVED, RENAMED, Delta, delta
from glmdeploy.manifests import compose, document
from glmdeploy.manifests.objects import LONG_RUNNING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from glmdeploy.manifests.document import Node

_YAML = (".yaml", ".yml")
_PLAIN = re.compile(r"[A-Za-z0-9_-]+\Z")
_NUMBER = re.compile(r"-\d+(\.\d+)?\Z")
# What names an item where `name` does not: the keys by which an API server merges, and Compose's mounts.
_KEYS = {
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "ports": "containerPort",
    "matchExpressions": "key",
    "tolerations": "key",
    "topologySpreadConstraints": "topologyKey",
    "volumes": "target",
}
_MOUNTS = ("volumeMounts", "volumeDevices")  # several may have one `name`
_ENVIRONMENTS = ("env", "environment", "data")
_INSTANCE = 'metadata.labels["app.kubernetes.io/instance"]'
_SHORT = 3
_COMMANDS = ("args", "command", "entrypoint")
_POD = re.compile(r"(\.jobTemplate\.spec)?(\.template|\.leaderWorkerTemplate\.(leader|worker)Template)[.\[]")
# Fields that an API server never changes in an object that is there.
_FIXED = {
    "Deployment": (".selector",),
    "StatefulSet": (".selector", ".serviceName", ".volumeClaimTemplates"),
    "DaemonSet": (".selector",),
    "Job": (".selector", ".template", ".completionMode"),
    "PersistentVolumeClaim": (".storageClassName", ".accessModes", ".volumeMode", ".volumeName", ".selector"),
    "Service": (".clusterIP",),
}


class Value(NamedTuple):
    """A field as it is, to compare, and as it may be shown."""

    raw: str
    shown: str


_NONE = Value("", "")


@dataclass(frozen=True)
class Thing:
    """A Kubernetes object, a Compose service or what else a Compose file holds: every field as a dotted path."""

    label: str
    kind: str
    file: str
    fields: Mapping[str, Value]

    @property
    def stem(self) -> str:
        """Kind and name, with a star for the name of the deployment that it belongs to; empty where none is labelled."""
        instance = self.fields.get(_INSTANCE, _NONE).raw
        return f"{self.kind} {self.label.rpartition('/')[2].replace(instance, '*')}" if instance else ""


@dataclass(frozen=True)
class ThingDelta:
    """A thing that was added, removed or changed; ``fields`` are those that differ in a changed one."""

    name: str
    change: str
    file: str
    fields: tuple[Delta, ...] = ()
    why: str = ""

    def as_json(self) -> dict[str, object]:
        """The members of the JSON form, in order."""
        return {
            "name": self.name,
            "change": self.change,
            "file": self.file,
            "why": self.why,
            "fields": [f.as_json() for f in self.fields],
        }


@dataclass
class Read:
    """What the YAML of a folder holds, and the values in it that look like secrets."""

    kubernetes: dict[str, Thing] = field(default_factory=dict)
    compose: dict[str, Thing] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)


def read(files: Mapping[str, str]) -> Read:
    """Everything in the YAML files (path -> text); a file that is no YAML holds nothing."""
    found = Read()
    for path in sorted(files):
        if path.endswith(_YAML):
            try:
                roots = document.parse(path, files[path]).documents
            except ProfileError:
                continue
            for root in roots:
                _root(path, root, found)
    return found


def compare(before: Mapping[str, Thing], after: Mapping[str, Thing]) -> Iterator[ThingDelta]:
    """The things that differ: those of the first side in its order, then those that only the second has.

    Where each side has one thing of a kind that the other lacks, it is one thing with another name.
    """
    renamed = _renamed(before, after)
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name) or after.get(renamed.get(name, ""))
        if old is None and name in renamed.values():
            continue
        if old is None or new is None:
            thing = old or new
            yield ThingDelta(name, ADDED if old is None else REMOVED, thing.file if thing else "")
        elif new.label != name:
            yield ThingDelta(f"{name} -> {new.label}", RENAMED, new.file, tuple(_fields(old.fields, new.fields)))
        elif changed := tuple(_fields(old.fields, new.fields)):
            yield ThingDelta(name, CHANGED, new.file, changed, _consequence(new, changed))


def _renamed(before: Mapping[str, Thing], after: Mapping[str, Thing]) -> dict[str, str]:
    """Old label -> new label of what has another name: unmatched things that are alone with their stem, or their kind."""
    sides = [[t for label, t in own.items() if label not in other] for own, other in ((before, after), (after, before))]
    found: dict[str, str] = {}
    for key in ("stem", "kind"):
        left = [[t for t in side if t.label not in {*found, *found.values()}] for side in sides]
        counts = [Counter(getattr(t, key) for t in side) for side in left]
        alone = {name for name, count in counts[0].items() if name and count == counts[1][name] == 1}
        old, new = ({getattr(t, key): t.label for t in side if getattr(t, key) in alone} for side in left)
        found |= {old[name]: new[name] for name in old}
    return found


def _fields(before: Mapping[str, Value], after: Mapping[str, Value]) -> Iterator[Delta]:
    for path in dict.fromkeys((*before, *after)):
        old, new = before.get(path), after.get(path)
        if (old and old.raw) == (new and new.raw) and (old is None) == (new is None):
            continue
        shown = [None if value is None else value.shown for value in (old, new)]
        why = ""
        if any("\n" in text for text in shown if text):
            why = _counted(shown[0] or "", shown[1] or "")
            shown = [None if text is None else f"{len(text.splitlines())} lines" for text in shown]
        yield delta(path, *shown, why=why)


def _counted(before: str, after: str) -> str:
    plus, minus = counts(before, after)
    return f"+{plus} -{minus} lines"


def counts(before: str, after: str) -> tuple[int, int]:
    """Lines that were added and removed."""
    changed = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm=""))[2:]
    return sum(line.startswith("+") for line in changed), sum(line.startswith("-") for line in changed)


def _consequence(thing: Thing, changed: Sequence[Delta]) -> str:
    """What applying the change does beside changing."""
    paths = [d.name.removeprefix("spec") for d in changed if d.name.startswith("spec")]
    if any(p.startswith(_FIXED.get(thing.kind, ())) for p in paths):
        return "the API server refuses this change: delete the object first"
    if thing.kind in LONG_RUNNING and any(_POD.match(p) for p in paths):
        return "its pods are replaced"
    return ""


def _root(path: str, root: Node, found: Read) -> None:
    if root.get("kind").text == "List":
        for item in root.get("items").list:
            _root(path, item, found)
    elif compose.looks(root):
        services = root.get("services").items
        for name, service in services.items():
            _add(found.compose, f"{path}: service {name}", "service", path, _flat(service, found.secrets))
        rest = [pair for pair in _flat(root, found.secrets) if not pair[0].startswith("services")]
        _add(found.compose, path, "", path, rest)
    elif (
        root.get("apiVersion").text
        and root.get("kind").text
        and not root.get("apiVersion").text.startswith("glmdeploy/")
    ):
        kind, metadata = root.get("kind").text, root.get("metadata")
        name = "/".join(filter(None, (metadata.get("namespace").text, metadata.get("name").text)))
        _add(found.kubernetes, f"{kind} {name or f'of {path}'}", kind, path, _flat(root, found.secrets, kind=kind))


def _add(things: dict[str, Thing], label: str, kind: str, path: str, fields: Iterable[tuple[str, Value]]) -> None:
    number, unique = 1, label
    while unique in things:
        number += 1
        unique = f"{label} ({number})"
    things[unique] = Thing(unique, kind, path, dict(fields))


def _flat(root: Node, secrets: set[str], *, kind: str = "") -> Iterator[tuple[str, Value]]:
    """Every field below a mapping; of a Secret, no value."""
    for key, node in root.items.items():
        if kind == "Secret" and key in {"data", "stringData"}:
            for name, value in node.items.items():
                yield _step(key, name), _hidden(value.raw, secrets)
        else:
            yield from _walk(node, _step("", key), key, secrets)


def _hidden(value: str, secrets: set[str]) -> Value:
    """A value that must not be shown; short ones would be found in every other word of a file."""
    if len(value) > _SHORT:
        secrets.add(value)
    return Value(value, masks.MASK)


def _step(at: str, key: str) -> str:
    """A path with one key more; a key that is no plain word stands in brackets."""
    if not _PLAIN.match(key):
        return f"{at}[{json.dumps(key, ensure_ascii=False)}]"
    return f"{at}.{key}" if at else key


def _walk(node: Node, at: str, key: str, secrets: set[str]) -> Iterator[tuple[str, Value]]:
    if key in _ENVIRONMENTS and (node.items or node.list):
        yield from _variables(node, at, secrets)
    elif node.items:
        for name, child in node.items.items():
            yield from _walk(child, _step(at, name), name, secrets)
    elif node.list and key in _COMMANDS and all(item.text for item in node.list):
        yield from _command([item.text for item in node.list], at, secrets)
    elif node.list:
        yield from _list(node.list, at, key, secrets)
    else:
        yield at, _value(_scalar(node))


def _value(text: str) -> Value:
    return Value(text, masks.text(text))


def _variables(node: Node, at: str, secrets: set[str]) -> Iterator[tuple[str, Value]]:
    """An environment, in any of its three forms: a mapping, a list of `NAME=value`, a list of name and value."""
    for name, child in node.items.items():
        if child.items or child.list:
            yield from _walk(child, _step(at, name), name, secrets)
        else:
            yield _step(at, name), _variable(name, _scalar(child), secrets)
    for index, item in enumerate(node.list):
        name, equals, value = item.text.partition("=")
        if not item.items:
            yield _step(at, name), _variable(name, value, secrets) if equals else _value("of the host")
            continue
        name = item.get("name").raw or str(index)
        for key, child in item.items.items():
            if key == "value":
                yield f"{at}[{name}]", _variable(name, _scalar(child), secrets)
            elif key != "name":
                yield from _walk(child, _step(f"{at}[{name}]", key), key, secrets)


def _variable(name: str, value: str, secrets: set[str]) -> Value:
    shown = masks.variable(name, value)
    return _hidden(value, secrets) if shown == masks.MASK else Value(value, shown)


def _command(words: Sequence[str], at: str, secrets: set[str]) -> Iterator[tuple[str, Value]]:
    """A command line: each option with its values, and the words before them by their number."""
    options: dict[str, list[list[Value]]] = {}
    head = ""
    for index, (word, safe) in enumerate(zip(words, masks.words(words), strict=True)):
        if word != safe:
            _hidden(word.rpartition("=")[2], secrets)
        if word.startswith("-") and word != "-" and not _NUMBER.match(word):
            head, equals, value = word.partition("=")
            options.setdefault(head, []).append([Value(value, safe.partition("=")[2])] if equals else [])
        elif head:
            options[head][-1].append(Value(word, safe))
        else:
            options[str(index)] = [[Value(word, safe)]]
    for name, mentions in options.items():
        texts = [", ".join(" ".join(v[kind] for v in values) or "set" for values in mentions) for kind in (0, 1)]
        yield f"{at}[{name}]", Value(*texts)


def _list(items: Sequence[Node], at: str, key: str, secrets: set[str]) -> Iterator[tuple[str, Value]]:
    if not any(item.items or item.list for item in items):
        yield at, _value(json.dumps([_scalar(item) for item in items], ensure_ascii=False))
        return
    names = _names(items, key) or [str(index) for index in range(len(items))]
    for name, item in zip(names, items, strict=True):
        yield from _walk(item, f"{at}[{name}]", "", secrets)


def _names(items: Sequence[Node], key: str) -> list[str]:
    """What the items are known by: all by one key, each by another value; empty where there is none."""
    own = [(_KEYS[key],)] if key in _KEYS else []
    general: list[tuple[str, ...]] = [("name",), ("metadata", "name")]
    for path in [*own, *general] if key in _MOUNTS else [*general, *own, ("port",)]:
        names = [item.get(*path).raw for item in items]
        if all(names) and len(set(names)) == len(names):
            return names
    return []


def _scalar(node: Node) -> str:
    """A value as text: a string in quotes where another type would look the same."""
    value = node.value
    if isinstance(value, str):
        return value if "\n" in value or document.resolve(value)[0] == value else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)
