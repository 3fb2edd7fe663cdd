"""Workloads, budgets, services and monitors: GLM811, GLM812, GLM813, GLM815, GLM828."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Level
from glmdeploy.manifests.names import labels as label_rules
from glmdeploy.manifests.objects import number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.manifests.document import Node
    from glmdeploy.manifests.objects import Object, Pod, Unit

_SELECTING = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")


def check(o: Object) -> Iterator[Diagnostic]:
    """What an object says about its own pods."""
    selector = o.root.get("spec", "selector")
    yield from label_rules(o.file, selector.get("matchLabels") if o.kind != "Service" else selector)
    if o.kind in _SELECTING:
        yield from _selector(o, selector)
        yield from _always(o)
    if o.kind == "Deployment":
        yield from _strategy(o)
    if o.kind == "PodDisruptionBudget":
        yield from _budget(o)
    if o.kind in {"Job", "CronJob"}:
        yield from _job(o)


def _selector(o: Object, selector: Node) -> Iterator[Diagnostic]:
    wanted = selector.get("matchLabels")
    if selector and not wanted.items and not selector.get("matchExpressions").list:
        yield o.file.say("GLM811", "the selector is empty", selector)
    for pod in o.pods():
        for key, node in wanted.items.items():
            have = pod.labels.get(key)
            if have != node.text:
                other = f"`{have}`" if have is not None else "no such label"
                message = f"the selector wants `{key}: {node.raw}`, the template has {other}"
                yield o.file.say("GLM811", message, node, hint="give the template the selector's labels")


def _always(o: Object) -> Iterator[Diagnostic]:
    for pod in o.pods():
        policy = pod.spec.get("restartPolicy")
        if policy.text not in {"", "Always"}:
            yield o.file.say("GLM828", f"`restartPolicy` of a {o.kind} can only be `Always`", policy)


def _job(o: Object) -> Iterator[Diagnostic]:
    for pod in o.pods():
        policy = pod.spec.get("restartPolicy")
        if policy.text not in {"OnFailure", "Never"}:
            yield o.file.say("GLM828", "`restartPolicy` of a Job must be `OnFailure` or `Never`", policy or pod.spec)


def _strategy(o: Object) -> Iterator[Diagnostic]:
    strategy = o.root.get("spec", "strategy")
    if strategy.get("type").text == "Recreate" and "rollingUpdate" in strategy.items:
        at = strategy.keys.get("rollingUpdate") or strategy
        yield o.file.say("GLM812", "`rollingUpdate` is forbidden with `type: Recreate`", at, hint="leave it out")


def _budget(o: Object) -> Iterator[Diagnostic]:
    spec = o.root.get("spec")
    given = [k for k in ("minAvailable", "maxUnavailable") if k in spec.items]
    if len(given) > 1:
        message = "`minAvailable` and `maxUnavailable` cannot both be set"
        yield o.file.say("GLM813", message, spec.keys.get("maxUnavailable") or spec, hint="keep one of the two")


def unit(u: Unit) -> Iterator[Diagnostic]:
    """What objects say about each other's pods and ports."""
    pods = u.pods()
    if not pods:
        return
    for o in u.of("Service"):
        selector = o.root.get("spec", "selector")
        if selector.items:
            yield from _service(o, selector, [p for p in pods if p.matches(selector.items)])
    for o in u.of("PodDisruptionBudget", "PodMonitor"):
        selector = o.root.get("spec", "selector", "matchLabels")
        matched = [p for p in pods if p.matches(selector.items)]
        if not matched and selector.items:
            yield _selects_nothing(o, selector)
        elif o.kind == "PodMonitor":
            names = {n.text for p in matched for n in _ports(p, "name")}
            yield from _endpoints(o, "podMetricsEndpoints", names)
    for o in u.of("ServiceMonitor"):
        yield from _service_monitor(o, u)


def _service(o: Object, selector: Node, matched: list[Pod]) -> Iterator[Diagnostic]:
    if not matched:
        yield _selects_nothing(o, selector)
        return
    names = {n.text for p in matched for n in _ports(p, "name")}
    numbers = {number(n) for p in matched for n in _ports(p, "containerPort")}
    for port in o.root.get("spec", "ports").list:
        target = port.get("targetPort") or port.get("port")
        if target.text and target.text not in names:
            hint = f"ports of the pods: {', '.join(sorted(names - {''})) or 'none has a name'}"
            yield o.file.say("GLM815", f"no container has a port `{target.text}`", target, hint=hint)
        elif numbers and number(target) is not None and number(target) not in numbers:
            shown = ", ".join(str(n) for n in sorted(n for n in numbers if n))
            message = f"no container declares port {number(target)}"
            yield o.file.say("GLM815", message, target, hint=f"declared: {shown}", level=Level.WARNING)


def _ports(pod: Pod, key: str) -> list[Node]:
    return [p.get(key) for c in pod.containers for p in c.get("ports").list if p.get(key)]


def _selects_nothing(o: Object, selector: Node) -> Diagnostic:
    return o.file.say("GLM815", f"the selector of {o.label} matches no pod here", selector)


def _service_monitor(o: Object, u: Unit) -> Iterator[Diagnostic]:
    wanted = {k: v.text for k, v in o.root.get("spec", "selector", "matchLabels").items.items()}
    services = [
        s
        for s in u.of("Service")
        if wanted.items() <= {k: v.text for k, v in s.root.get("metadata", "labels").items.items()}.items()
    ]
    if wanted and not services:
        yield o.file.say("GLM815", f"the selector of {o.label} matches no Service here", o.root.get("spec", "selector"))
    elif services:
        names = {p.get("name").text for s in services for p in s.root.get("spec", "ports").list}
        yield from _endpoints(o, "endpoints", names)


def _endpoints(o: Object, key: str, names: set[str]) -> Iterator[Diagnostic]:
    for endpoint in o.root.get("spec", key).list:
        port = endpoint.get("port")
        if port.text and port.text not in names:
            hint = f"known: {', '.join(sorted(names - {''})) or 'none'}"
            yield o.file.say("GLM815", f"no port `{port.text}` to scrape", port, hint=hint)
