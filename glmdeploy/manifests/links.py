"""Objects that name others, pods aside: what scales, routes, binds and governs. GLM816."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Level
from glmdeploy.manifests.references import EXTERNAL, annotated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.manifests.document import Node
    from glmdeploy.manifests.objects import Object, Unit

_Link = tuple[str, "Node"]
# Kinds that a HorizontalPodAutoscaler may scale and that the checker knows; those of others are left alone.
_SCALED = frozenset(["Deployment", "StatefulSet", "ReplicaSet", "LeaderWorkerSet"])
# How alike two names must be for one to be a slip of the other.
_ALIKE = 0.85
# Namespaces whose roles a cluster brings along.
_SYSTEM = frozenset(["kube-system", "kube-public"])


def check(u: Unit) -> Iterator[Diagnostic]:
    """Names that nothing has: an error where another is a letter off, and else a warning: it may be elsewhere."""
    if _open(u):
        return
    for o in u.objects:
        declared = u.external | annotated(o.root)
        for kind, name in _links(o):
            known = {other.name for other in u.of(kind)}
            if name.text and name.text not in known and f"{kind}/{name.text}" not in declared:
                near = difflib.get_close_matches(name.text, known, 1, _ALIKE)
                hint = f"add it, or say that it exists: annotation `{EXTERNAL}: {kind}/{name.text}`"
                hint = f"did you mean `{near[0]}`? Or {hint}" if near else hint
                level = Level.ERROR if near else Level.WARNING
                yield o.file.say("GLM816", f"no {kind} `{name.text}` here", name, hint=hint, level=level)


def _open(u: Unit) -> bool:
    """Whether more is applied than what stands in the folder: addresses, and charts."""
    return any(
        "://" in node.text or root.get("helmCharts")
        for _, root in u.kustomizations
        for node in (*root.get("resources").list, *root.get("components").list, root)
    )


def _links(o: Object) -> Iterator[_Link]:
    spec = o.root.get("spec")
    if o.kind == "HorizontalPodAutoscaler":
        kind = spec.get("scaleTargetRef", "kind").text
        if kind in _SCALED:
            yield kind, spec.get("scaleTargetRef", "name")
    elif o.kind == "Ingress" and o.group == "networking.k8s.io":
        yield from (("Service", node) for node in _backends(spec))
    elif o.kind == "RoleBinding" and o.root.get("metadata", "namespace").text not in _SYSTEM:
        if o.root.get("roleRef", "kind").text == "Role":
            yield "Role", o.root.get("roleRef", "name")
    elif o.kind == "StatefulSet":
        yield "Service", spec.get("serviceName")


def _backends(spec: Node) -> Iterator[Node]:
    yield spec.get("defaultBackend", "service", "name")
    for rule in spec.get("rules").list:
        for path in rule.get("http", "paths").list:
            yield path.get("backend", "service", "name")
