"""A checker of rendered YAML: what an API server would refuse, what it lets pass and should not, and Compose files.

It knows nothing of profiles and plans: it judges files, ours before they are written and anybody's on disk.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from glmdeploy import ignores, rules, source
from glmdeploy.bundle import MANIFEST
from glmdeploy.diagnostics import Diagnostic, ProfileError, Span
from glmdeploy.manifests import (
    compose,
    document,
    fields,
    hygiene,
    kinds,
    kustomize,
    later,
    links,
    names,
    pods,
    references,
    workloads,
)
from glmdeploy.manifests.objects import Object, Unit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from glmdeploy.ignores import Ignore, Settled, Silenced
    from glmdeploy.manifests.document import File, Node

_YAML = (".yaml", ".yml")
_ENV = re.compile(r"^\s*#?\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=", re.MULTILINE)
_ALONE = (fields.check, names.check, workloads.check, pods.check, hygiene.flux)
_TOGETHER = (
    kinds.check,
    later.check,
    workloads.unit,
    references.check,
    references.kustomization,
    links.check,
    kustomize.check,
    hygiene.images,
    hygiene.security,
)


@dataclass(frozen=True)
class Known:
    """What files alone do not say: objects that exist elsewhere (`Secret/NAME`), and the policy on digests."""

    external: tuple[str, ...] = ()
    image_digest: str = "off"


def check(files: Iterable[tuple[str, str]], known: Known | None = None) -> tuple[Diagnostic, ...]:
    """Judge files (path, text) that belong together, in the order of their places, less what comments silence."""
    return judge(files, known).shown


def judge(files: Iterable[tuple[str, str]], known: Known | None = None) -> Settled:
    """Judge files (path, text) that belong together, and keep apart what comments in them silence."""
    known = known or Known()
    texts = dict(files)
    sorter = _Sorter(texts)
    unit = sorter.unit(known)
    found = [*sorter.found]
    for o in unit.objects:
        found += (d for rule in _ALONE for d in rule(o))
    found += names.objects(unit.objects)
    found += (d for rule in _TOGETHER for d in rule(unit))
    seen: set[str] = set()
    for file, root in sorter.compose:
        variables = frozenset(sorter.variables(file.path))
        found += compose.check(file, root, policy=known.image_digest, known=variables, seen=seen)
    settled = ignores.settle(sorted(dict.fromkeys(found), key=_order), sorter.ignores)
    problems = ignores.problems(sorter.ignores, settled, rules.pages(), whole=True) if sorter.ignores else ()
    return replace(settled, shown=tuple(sorted((*settled.shown, *problems), key=_order)))


def _order(d: Diagnostic) -> tuple[str, int, int, str]:
    span = d.span or Span("")
    return span.path, span.line, span.column, d.code


class _Sorter:
    """Which file is what."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts
        self.found: list[Diagnostic] = []
        self.ignores: list[Ignore] = []
        self.objects: list[Object] = []
        self.compose: list[tuple[File, Node]] = []
        self.kustomizations: list[tuple[File, Node]] = []
        for path in sorted(texts):
            if path.endswith(_YAML):
                self.file(path)

    def file(self, path: str) -> None:
        try:
            file = document.parse(path, self.texts[path])
        except ProfileError as error:
            self.found += error.diagnostics
            return
        foreign = [r for r in file.documents if not r.get("apiVersion").text.startswith("glmdeploy/")]
        self.ignores += ignores.read(path, self.texts[path]) if foreign else ()
        for root in foreign:
            self.root(file, root)

    def root(self, file: File, root: Node) -> None:
        version = root.get("apiVersion").text
        name = PurePosixPath(file.path).name
        if version.startswith("kustomize.config.k8s.io/") or (name.startswith("kustomization.") and not version):
            self.kustomizations.append((file, root))
        elif compose.looks(root):
            self.compose.append((file, root))
        elif root.get("kind").text.endswith("List") and isinstance(root.get("items").value, list):
            self.objects += (Object(file, item) for item in root.get("items").list)
        elif {"apiVersion", "kind"} & set(root.items) or PurePosixPath(file.path).parent.name == "kubernetes":
            self.objects.append(Object(file, root))

    def unit(self, known: Known) -> Unit:
        folders = [(PurePosixPath(f.path).parent, root) for f, root in self.kustomizations]
        patches = {str(folder / path) for folder, root in folders for path, _ in references.patches(root)}
        objects = [o for o in self.objects if o.file.path not in patches]
        self.found += (d for o in objects for d in _identity(o))
        generated = [references.generated(root) for _, root in self.kustomizations]
        made = {kind: set().union(*(g[kind] for g in generated)) for kind in ("ConfigMap", "Secret")}
        # the driver makes the template of a ComputeDomain
        domains = (
            o.root.get("spec", "channel", "resourceClaimTemplate", "name") for o in objects if o.kind == "ComputeDomain"
        )
        made["ResourceClaimTemplate"] = {name.text for name in domains}
        return Unit(
            tuple(o for o in objects if o.kind),
            tuple(self.kustomizations),
            frozenset(self.texts),
            frozenset(known.external),
            known.image_digest,
            made,
            tuple(o for o in self.objects if o.file.path in patches),
        )

    def variables(self, path: str) -> Iterator[str]:
        folder = PurePosixPath(path).parent
        for name in (".env", ".env.example"):
            yield from _ENV.findall(self.texts.get(str(folder / name), ""))


def _identity(o: Object) -> Iterator[Diagnostic]:
    for key in ("apiVersion", "kind"):
        if not o.root.get(key).text:
            yield o.file.say("GLM801", f"the object has no `{key}`", o.root)
    if o.kind and not (o.name or o.root.get("metadata", "generateName").text):
        yield o.file.say("GLM801", f"the {o.kind} has no `metadata.name`", o.root.get("metadata") or o.root)


@dataclass(frozen=True)
class Survey:
    """What was read below a folder, what is wrong, and what comments silence."""

    names: tuple[str, ...]
    found: tuple[Diagnostic, ...]
    silenced: tuple[Silenced, ...] = ()


def folder(path: str) -> tuple[list[str], list[Diagnostic]]:
    """Judge a folder: the files that were read, and what is wrong. A bundle of ours inside it is a unit of its own."""
    seen = survey(path)
    return list(seen.names), list(seen.found)


def survey(path: str, leave: Collection[str] = ()) -> Survey:
    """Judge a folder as `folder` does, but for the files in ``leave``, which somebody else judges."""
    found: list[Diagnostic] = []
    silenced: list[Silenced] = []
    units = _units(Path(path), found, frozenset(map(os.path.realpath, leave)))
    for root, texts in units.items():
        settled = judge(texts.items(), _known(root))
        found += settled.shown
        silenced += settled.silenced
    judged = [name for texts in units.values() for name in texts if name.endswith(_YAML)]
    if not (judged or found or any((root / MANIFEST).is_file() for root in units)):  # a bundle may hold scripts alone
        message = f"no YAML file below `{path}`"
        found.append(Diagnostic("GLM800", message, span=Span(path), hint="`glmdeploy render` writes a bundle"))
    return Survey(tuple(judged), tuple(found), tuple(silenced))


def _units(top: Path, found: list[Diagnostic], leave: Collection[str]) -> dict[Path, dict[str, str]]:
    units: dict[Path, dict[str, str]] = {}
    if not os.path.isdir(top):  # noqa: PTH112  False where permission is missing
        found.append(Diagnostic("GLM800", f"`{top}` is not a folder", span=Span(str(top))))
        return units
    roots = [_root(top)]

    def unreadable(error: OSError) -> None:
        found.append(Diagnostic("GLM001", f"cannot read `{error.filename}`: {error.strerror}", span=Span(str(top))))

    for name, folders, files in os.walk(top, onerror=unreadable):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        here = Path(name)
        if MANIFEST in files:
            roots.append(here)
        root = max((r for r in roots if r == here or r in here.parents), key=lambda r: len(r.parts), default=top)
        for shown in sorted(here / file for file in files):
            if leave and os.path.realpath(shown) in leave:
                continue
            wanted = shown.suffix in _YAML or shown.name.startswith(".env")
            try:
                units.setdefault(root, {})[str(shown)] = source.text(shown) if wanted and shown.is_file() else ""
            except ProfileError as error:
                found += error.diagnostics
    return units


def _root(top: Path) -> Path:
    """The bundle that a folder stands in, or the folder itself."""
    parents = (p for p in (top, *top.parents) if os.path.isfile(p / MANIFEST))  # noqa: PTH113  as above
    return next(parents, top)


def _known(root: Path) -> Known:
    """What a bundle's own list of files says of the world outside it."""
    try:
        data = json.loads(source.text(root / MANIFEST))
        external = data.get("external", [])
        policy = data.get("image_digest", "off")
        return Known(tuple(e for e in external if isinstance(e, str)), str(policy))
    except (ProfileError, ValueError, AttributeError, TypeError, RecursionError):
        return Known()
