"""Kubernetes objects and Compose services compared field by field, whatever file they stand in.

Lists of named things are matched by their names, as Kubernetes merges them, and command lines option by option, so that
an order that means nothing is no difference.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import ProfileError
from glmdeploy.difference.change import ADDED, CHANGED, REMOVED, RENAMED, Delta, delta
from glmdeploy.difference.flatten import Value, flat
from glmdeploy.manifests import compose, document
from glmdeploy.manifests.objects import LONG_RUNNING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from glmdeploy.forms.diff import ThingForm
    from glmdeploy.manifests.document import Node

_YAML = (".yaml", ".yml")
_INSTANCE = 'metadata.labels["app.kubernetes.io/instance"]'
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
_DATA = "PersistentVolumeClaim"
_COMPOSE = ("service", "")  # kinds of what stands in a Compose file
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
        name = self.label.rpartition(" ")[2].rpartition("/")[2]
        return f"{self.kind} *{name.removeprefix(instance)}" if instance and name.startswith(instance) else ""


@dataclass(frozen=True)
class ThingDelta:
    """A thing that was added, removed or changed; ``fields`` are those that differ in a changed one."""

    name: str
    change: str
    file: str
    fields: tuple[Delta, ...] = ()
    why: str = ""

    def as_json(self) -> ThingForm:
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
            fields = tuple(_fields(old.fields, new.fields))
            yield ThingDelta(f"{name} -> {new.label}", RENAMED, new.file, fields, _stays(new))
        elif changed := tuple(_fields(old.fields, new.fields)):
            yield ThingDelta(name, CHANGED, new.file, changed, _consequence(new, changed))


def _renamed(before: Mapping[str, Thing], after: Mapping[str, Thing]) -> dict[str, str]:
    """Old label -> new label of what has another name: unmatched things that are alone with their stem, or their kind.

    Of a kind that holds data, another stem is another thing: a cache is no volume of weights.
    """
    sides = [[t for label, t in own.items() if label not in other] for own, other in ((before, after), (after, before))]
    found: dict[str, str] = {}
    for key in ("stem", "kind"):
        kept = _DATA if key == "kind" else ""
        left = [[t for t in side if t.label not in {*found, *found.values()} and t.kind != kept] for side in sides]
        counts = [Counter(getattr(t, key) for t in side) for side in left]
        alone = {name for name, count in counts[0].items() if name and count == counts[1][name] == 1}
        old, new = ({getattr(t, key): t.label for t in side if getattr(t, key) in alone} for side in left)
        found |= {old[name]: new[name] for name in old}
    return found


def _stays(thing: Thing) -> str:
    """What a cluster makes of another name; Compose removes what its file no longer has, if asked to."""
    if thing.kind in _COMPOSE:
        return ""
    data = " with its data" if thing.kind == _DATA else ""
    return f"applied as a new object: the old one stays{data} until it is deleted"


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
            _add(found.compose, f"{path}: service {name}", "service", path, flat(service, found.secrets))
        rest = [pair for pair in flat(root, found.secrets) if not pair[0].startswith("services")]
        _add(found.compose, path, "", path, rest)
    elif (
        root.get("apiVersion").text
        and root.get("kind").text
        and not root.get("apiVersion").text.startswith("glmdeploy/")
    ):
        kind, metadata = root.get("kind").text, root.get("metadata")
        name = "/".join(filter(None, (metadata.get("namespace").raw, metadata.get("name").raw)))
        _add(found.kubernetes, f"{kind} {name or f'of {path}'}", kind, path, flat(root, found.secrets, kind=kind))


def _add(things: dict[str, Thing], label: str, kind: str, path: str, fields: Iterable[tuple[str, Value]]) -> None:
    number, unique = 1, label
    while unique in things:
        number += 1
        unique = f"{label} ({number})"
    things[unique] = Thing(unique, kind, path, dict(fields))
