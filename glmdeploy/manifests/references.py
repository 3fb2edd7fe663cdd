"""References between objects, and files that a kustomization names: GLM816, GLM819."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Level

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.manifests.document import Node
    from glmdeploy.manifests.objects import Object, Pod, Unit

# An annotation of an object: `Secret/NAME, PersistentVolumeClaim/NAME ...` that exist outside its folder.
EXTERNAL = "glmdeploy/external"
_CLAIM, _SECRET, _CONFIG, _ACCOUNT = "PersistentVolumeClaim", "Secret", "ConfigMap", "ServiceAccount"
_DEVICES = {"resourceClaimName": "ResourceClaim", "resourceClaimTemplateName": "ResourceClaimTemplate"}


def check(u: Unit) -> Iterator[Diagnostic]:
    """References that nothing resolves."""
    for pod in (p for o in u.objects for p in o.pods()):
        declared = u.external | annotated(pod.owner.root) | annotated(pod.root)
        for kind, name, key in _references(pod):
            found = next((o for o in u.of(kind) if o.name == name.text), None)
            if found is not None:
                yield from _key(pod.owner, found, key)
            elif name.text not in u.names.get(kind, set()):
                label = f"{kind}/{name.text}"
                yield _outside(pod.owner, kind, name, key) if label in declared else _missing(pod.owner, kind, name)


def annotated(root: Node) -> set[str]:
    """What an object says exists outside its folder: `Kind/NAME`."""
    words = root.get("metadata", "annotations", EXTERNAL).text
    return {w.strip() for w in words.split(",") if w.strip()}


def _key(o: Object, found: Object, key: Node) -> Iterator[Diagnostic]:
    data = {k for part in ("data", "stringData", "binaryData") for k in found.root.get(part).items}
    if key.text and found.kind in {_SECRET, _CONFIG} and data and key.text not in data:
        yield o.file.say("GLM816", f"{found.label} has no key `{key.text}`", key)


def _outside(o: Object, kind: str, name: Node, key: Node) -> Diagnostic:
    wanted = f" with the key `{key.text}`" if key.text else ""
    message = f"{kind} `{name.text}`{wanted} must exist in the namespace: it is not in this folder"
    return o.file.say("GLM816", message, name, level=Level.NOTE)


def _missing(o: Object, kind: str, name: Node) -> Diagnostic:
    hint = f"add it, or say that it exists: annotation `{EXTERNAL}: {kind}/{name.text}`"
    return o.file.say("GLM816", f"no {kind} `{name.text}` here", name, hint=hint)


def _references(pod: Pod) -> Iterator[tuple[str, Node, Node]]:
    nothing = pod.root.get("\0")
    account = pod.spec.get("serviceAccountName")
    found = [(_ACCOUNT, account, nothing)] if account.text != "default" else []
    found += [(_SECRET, s.get("name"), nothing) for s in pod.spec.get("imagePullSecrets").list]
    for claim in pod.spec.get("resourceClaims").list:
        found += [(kind, claim.get(field), nothing) for field, kind in _DEVICES.items()]
    for volume in pod.spec.get("volumes").list:
        found.append((_CLAIM, volume.get("persistentVolumeClaim", "claimName"), nothing))
        found += _sources(volume.get("secret"), volume.get("configMap"))
        for source in volume.get("projected", "sources").list:
            found += _sources(source.get("secret"), source.get("configMap"))
    for container in pod.all_containers:
        found += _variables(container)
    yield from (f for f in found if f[1].text)


def _variables(container: Node) -> Iterator[tuple[str, Node, Node]]:
    for entry in container.get("env").list:
        for field, kind in (("secretKeyRef", _SECRET), ("configMapKeyRef", _CONFIG)):
            ref = entry.get("valueFrom", field)
            if ref.get("optional").value is not True:
                yield kind, ref.get("name"), ref.get("key")
    for entry in container.get("envFrom").list:
        for field, kind in (("secretRef", _SECRET), ("configMapRef", _CONFIG)):
            if entry.get(field, "optional").value is not True:
                yield kind, entry.get(field, "name"), entry.get("\0")


def _sources(secret: Node, config: Node) -> list[tuple[str, Node, Node]]:
    found = []
    for kind, source in ((_SECRET, secret), (_CONFIG, config)):
        if source.get("optional").value is not True:
            keys = [i.get("key") for i in source.get("items").list] or [source.get("\0")]
            found += [(kind, source.get("secretName") or source.get("name"), key) for key in keys]
    return found


def kustomization(u: Unit) -> Iterator[Diagnostic]:
    """Files that a kustomization names and that are not there, and manifests that it forgets."""
    for file, root in u.kustomizations:
        folder = PurePosixPath(file.path).parent
        named: set[str] = set()
        for key in ("resources", "components", "configurations", "crds", "transformers", "generators"):
            for node in root.get(key).list:
                path = joined(folder, node.text)
                named.add(path)
                if node.text and "://" not in node.text and not _exists(u, path):
                    yield file.say("GLM819", f"there is no `{node.text}`", node)
        for path, node in patches(root):
            named.add(joined(folder, path))
            if joined(folder, path) not in u.paths:
                yield file.say("GLM819", f"there is no `{path}`", node)
        forgotten = sorted({o.file.path for o in u.objects if PurePosixPath(o.file.path).parent == folder} - named)
        for path in forgotten:
            message = f"`{PurePosixPath(path).name}` is not among the resources: it is never applied"
            yield file.say("GLM819", message, root.get("resources") or root, level=Level.WARNING)


def patches(root: Node) -> Iterator[tuple[str, Node]]:
    """The files that a kustomization patches with."""
    for patch in root.get("patches").list:
        if path := patch.get("path").text:
            yield path, patch.get("path")
    for patch in root.get("patchesStrategicMerge").list:
        if patch.text and "\n" not in patch.text:
            yield patch.text, patch


def generated(root: Node) -> dict[str, set[str]]:
    """The names of what a kustomization generates."""
    return {
        kind: {g.get("name").text for g in root.get(key).list}
        for kind, key in ((_CONFIG, "configMapGenerator"), (_SECRET, "secretGenerator"))
    }


def joined(folder: PurePosixPath, name: str) -> str:
    """A path of a folder, without `.` and `..`."""
    parts: list[str] = []
    for part in (folder / name).parts:
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return str(PurePosixPath(*parts))


def _exists(u: Unit, path: str) -> bool:
    return path in u.paths or any(p.startswith(f"{path}/") for p in u.paths) or path in {"", "."}
