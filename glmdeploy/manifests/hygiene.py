"""What even the server passes: images that move, `${}` that Flux eats, pods below a namespace's own standard.

GLM820, GLM821, GLM824, GLM827.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glmdeploy import reference
from glmdeploy.diagnostics import Level
from glmdeploy.manifests.document import Key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.manifests.document import File, Node
    from glmdeploy.manifests.objects import Object, Pod, Unit

_FLUX = re.compile(r"(?<!\$)(?:\$\$)*\$\{[^}\s]*")
_OFF = "kustomize.toolkit.fluxcd.io/substitute"
_LEVELS = {"off": Level.NOTE, "warn": Level.WARNING, "error": Level.ERROR}


def image(file: File, node: Node, policy: str, seen: set[str]) -> Iterator[Diagnostic]:
    """One image reference: well formed, a tag that does not move, a digest as the policy wants."""
    text = node.text
    if not text or text in seen:
        return
    seen.add(text)
    found = reference.parse(text)
    if found is None:
        yield file.say(
            "GLM820", f"`{text}` is not an image reference", node, hint="`NAME:TAG` or `NAME:TAG@sha256:...`"
        )
    elif not found.digest and (found.tag or "latest") == "latest":
        said = "has the tag `latest`" if found.tag else "has no tag"
        hint = "name a release, and best its digest: another image may come at the next start"
        yield file.say("GLM820", f"image `{text}` {said}", node, hint=hint)
    elif not found.digest:
        hint = "`glmdeploy images lock` asks the registry for it, and a render uses it"
        yield file.say(
            "GLM821", f"image `{text}` has no digest", node, hint=hint, level=_LEVELS.get(policy, Level.NOTE)
        )


def images(u: Unit) -> Iterator[Diagnostic]:
    """The images of all pods, once each; those that a kustomization replaces are judged there."""
    seen: set[str] = set()
    replaced = {i.get("name").text for _, root in u.kustomizations for i in root.get("images").list}
    for o in u.objects:
        for pod in o.pods():
            nodes = [c.get("image") for c in pod.all_containers]
            nodes += [v.get("image", "reference") for v in pod.spec.get("volumes").list]
            for node in nodes:
                found = reference.parse(node.text)
                if not (found and found.name in replaced):
                    yield from image(o.file, node, u.image_digest, seen)


def flux(o: Object) -> Iterator[Diagnostic]:
    """`${...}` in any string of an object: Flux replaces it, with nothing where it knows no such variable."""
    metadata = o.root.get("metadata")
    if any(metadata.get(kind, _OFF).text == "disabled" for kind in ("annotations", "labels")):
        return
    for node in o.root.walk():
        if not node.text or not (match := _FLUX.search(node.text)):
            continue
        hint = "write `$NAME` without braces, or `$(NAME)` for the kubelet, or `$${...}`"
        start = match[0][match[0].rindex("${") :]
        message = f"Flux replaces `{start}}}`, with nothing where it knows no such variable"
        yield o.file.say("GLM824", message, _place(o.file, node, start), hint=hint, level=Level.WARNING)


def _place(file: File, node: Node, words: str) -> Key:
    """Where the words stand in the file: a block's node starts before them."""
    for number in range(node.line, min(max(node.last, node.line), len(file.lines)) + 1):
        column = file.lines[number - 1].find(words)
        if column >= 0:
            return Key(words, number, column + 1)
    return Key("", node.line, node.column)


def security(u: Unit) -> Iterator[Diagnostic]:
    """Pods that a namespace's own label `restricted` would refuse."""
    key = "pod-security.kubernetes.io/"
    modes: dict[str, Level] = {}
    for o in u.of("Namespace"):
        labels = o.root.get("metadata", "labels")
        for mode, said in (("warn", Level.WARNING), ("enforce", Level.ERROR)):
            if labels.get(f"{key}{mode}").text == "restricted":
                modes[o.name] = said
    for o in u.objects:
        level = modes.get(o.root.get("metadata", "namespace").text)
        if level is not None:
            for pod in o.pods():
                yield from _restricted(o.file, pod, level)


def _restricted(file: File, pod: Pod, level: Level) -> Iterator[Diagnostic]:
    spec, shared = pod.spec, pod.spec.get("securityContext")
    found: list[tuple[str, Node]] = [
        (f"`{key}: true`", spec.get(key))
        for key in ("hostNetwork", "hostIPC", "hostPID")
        if spec.get(key).value is True
    ]
    found += [(f"hostPath volume `{v.get('name').text}`", v) for v in spec.get("volumes").list if "hostPath" in v.items]
    for container in pod.all_containers:
        own, name = container.get("securityContext"), container.get("name")
        if (own.get("runAsNonRoot").value if own.get("runAsNonRoot") else shared.get("runAsNonRoot").value) is not True:
            found.append(("no `runAsNonRoot: true`", name))
        if own.get("allowPrivilegeEscalation").value is not False:
            found.append(("no `allowPrivilegeEscalation: false`", name))
        if "ALL" not in {d.text for d in own.get("capabilities", "drop").list}:
            found.append(("capabilities do not drop ALL", name))
        profile = own.get("seccompProfile", "type") or shared.get("seccompProfile", "type")
        if profile.text not in {"RuntimeDefault", "Localhost"}:
            found.append(("no seccomp profile", name))
        added = {a.text for a in own.get("capabilities", "add").list} - {"NET_BIND_SERVICE"}
        if added:
            found.append((f"capabilities {', '.join(sorted(added))} are added", name))
    for what, node in found:
        yield file.say("GLM827", f"the namespace is `restricted`: {what}", node, level=level)
