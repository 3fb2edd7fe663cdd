"""What `kubectl kustomize` refuses of a kustomization: GLM802, GLM809, GLM819.

Fields compared on 2026-11-24 with kustomize 5.5 (kubectl 1.32), which takes capital letters for small ones.
"""

from __future__ import annotations

import difflib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import ProfileError
from glmdeploy.manifests import document
from glmdeploy.manifests.objects import Object
from glmdeploy.manifests.references import joined

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.manifests.document import File, Node
    from glmdeploy.manifests.objects import Unit

# fmt: off
_TOP = [
    "apiVersion", "kind", "metadata", "openapi", "namePrefix", "nameSuffix", "namespace", "commonLabels", "labels",
    "commonAnnotations", "patchesStrategicMerge", "patchesJson6902", "patches", "images", "imageTags", "replacements",
    "replicas", "vars", "sortOptions", "resources", "components", "crds", "bases", "configMapGenerator",
    "secretGenerator", "helmGlobals", "helmCharts", "helmChartInflationGenerator", "generatorOptions",
    "configurations", "generators", "transformers", "validators", "buildMetadata",
]
# fmt: on
_GENERATOR = ["name", "namespace", "behavior", "literals", "files", "envs", "env", "options"]
_MEMBERS = {
    "configMapGenerator": _GENERATOR,
    "secretGenerator": [*_GENERATOR, "type"],
    "images": ["name", "newName", "newTag", "digest", "tagSuffix"],
    "labels": ["pairs", "includeSelectors", "includeTemplates", "fields"],
    "patches": ["path", "patch", "target", "options"],
    "replicas": ["name", "count"],
}
# Of these comes more than the folder shows.
_MORE = ("helmCharts", "helmChartInflationGenerator", "generators", "transformers", "bases")


def check(u: Unit) -> Iterator[Diagnostic]:
    """Every kustomization of a folder."""
    for file, root in u.kustomizations:
        yield from _unknown(file, root, _TOP, "")
        for key, known in _MEMBERS.items():
            for node in root.get(key).list:
                yield from _unknown(file, node, known, f"{key}[].")
        yield from _twice(file, root)
        yield from _sources(u, file, root)
        yield from _patched(u, file, root)


def _unknown(file: File, node: Node, known: list[str], where: str) -> Iterator[Diagnostic]:
    taken = {k.lower() for k in known}
    for name, child in node.items.items():
        if name.lower() not in taken:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean `{near[0]}`?" if near else "`kubectl kustomize` refuses it"
            yield file.say("GLM802", f"unknown field `{where}{name}`", node.keys.get(name) or child, hint=hint)


def _twice(file: File, root: Node) -> Iterator[Diagnostic]:
    folder = PurePosixPath(file.path).parent
    seen: set[str] = set()
    for node in root.get("resources").list:
        path = node.text if "://" in node.text else joined(folder, node.text)
        if node.text and path in seen:
            message = f"resource `{node.text}` stands twice: its objects would collide"
            yield file.say("GLM809", message, node, hint="keep one of them")
        seen.add(path)


def _sources(u: Unit, file: File, root: Node) -> Iterator[Diagnostic]:
    """Files of which a generator makes data; those outside of the folder are not seen here."""
    folder = PurePosixPath(file.path).parent
    generators = [g for key in ("configMapGenerator", "secretGenerator") for g in root.get(key).list]
    for generator in generators:
        files = [(n, n.text.rpartition("=")[2]) for n in generator.get("files").list]
        files += [(n, n.text) for n in (*generator.get("envs").list, generator.get("env"))]
        for node, name in files:
            outside = "://" in name or name.startswith("/") or ".." in name.split("/")
            if name and not outside and joined(folder, name) not in u.paths:
                yield file.say("GLM819", f"there is no `{name}`", node)


def _patched(u: Unit, file: File, root: Node) -> Iterator[Diagnostic]:
    """Patches that say themselves what they patch: nothing has that name."""
    if not _whole(u, file, root):
        return
    known = {(o.group, o.kind, o.name) for o in u.objects}
    known |= {("", kind, name) for kind in ("ConfigMap", "Secret") for name in u.names.get(kind, ())}
    for patch, at in _untargeted(u, file, root):
        if patch.kind and patch.name and (patch.group, patch.kind, patch.name) not in known:
            message = f"the patch is for {patch.label}, and there is none"
            yield file.say("GLM819", message, at, hint="the name of an object, or `target`")


def _whole(u: Unit, file: File, root: Node) -> bool:
    """Whether all that a kustomization patches stands in the folder."""
    if root.get("kind").text == "Component" or any(root.get(key) for key in _MORE):
        return False
    others = [other for _, other in u.kustomizations if other is not root]
    if any(other.get(key) for other in others for key in ("namePrefix", "nameSuffix")):  # which a patch may name
        return False
    folder = PurePosixPath(file.path).parent
    named = [joined(folder, n.text) for key in ("resources", "components") for n in root.get(key).list]
    return all(any(p == path or p.startswith(f"{path}/") for p in u.paths) for path in named)


def _untargeted(u: Unit, file: File, root: Node) -> Iterator[tuple[Object, Node]]:
    folder = PurePosixPath(file.path).parent
    named = [(n.text, n) for n in root.get("patchesStrategicMerge").list if "\n" not in n.text]
    free = [p for p in root.get("patches").list if not p.get("target")]
    named += [(p.get("path").text, p.get("path")) for p in free]
    for name, at in named:
        yield from ((o, at) for o in u.patches if name and o.file.path == joined(folder, name))
    for patch in free:
        yield from ((o, patch.get("patch")) for o in _inline(file, patch.get("patch")))


def _inline(file: File, node: Node) -> Iterator[Object]:
    try:
        written = document.parse(file.path, node.text)
    except ProfileError:
        return
    yield from (Object(written, d) for d in written.documents)
