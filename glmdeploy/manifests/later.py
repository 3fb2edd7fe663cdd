"""What objects of one folder do to each other that every API server takes, and that fails later: GLM815, GLM838."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Level
from glmdeploy.manifests.constraint import LATER
from glmdeploy.manifests.objects import gpus, number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.manifests.document import Node
    from glmdeploy.manifests.objects import Object, Pod, Unit

_GROUP = ("spec", "leaderWorkerTemplate")
_INDEX = "leaderworkerset.sigs.k8s.io/worker-index"
# A variable that the kubelet would put in: of small letters are commands of a shell, which run where they stand.
_VARIABLE = re.compile(r"\$\$|\$\((?P<name>[A-Z_][A-Z0-9_]*)\)")
# Variables that nobody writes down: of a group, of a Job with an index, and of each Service of the namespace.
_GIVEN = re.compile(r"(LWS|TPU)_[A-Z_]+|JOB_COMPLETION_INDEX|[A-Z0-9_]+_(SERVICE_HOST|(SERVICE_)?PORT(_[A-Z0-9_]+)?)")
_ONE_NODE = frozenset(["ReadWriteOnce", "ReadWriteOncePod"])


def check(u: Unit) -> Iterator[Diagnostic]:
    """Groups whose leader waits for them, claims of one node, services of workers, ports and variables that are not there."""
    for o in u.of("LeaderWorkerSet"):
        yield from _leader_first(o)
    for pod in u.pods():
        yield from _claims(u, pod)
        for container in pod.all_containers:
            yield from _variables(pod.owner, container)
    for o in u.of("Service"):
        yield from _workers(u, o)
    for o in u.of("NetworkPolicy"):
        yield from _ports(u, o)


def _leader_first(o: Object) -> Iterator[Diagnostic]:
    """An engine's leader is ready when all ranks have loaded, and they are not made before it is ready."""
    policy = o.root.get("spec", "startupPolicy")
    first = next(o.pods(), None)
    if policy.text != "LeaderReady" or first is None or _size(o) == 1:
        return
    if any(gpus(c) and (c.get("readinessProbe") or c.get("startupProbe")) for c in first.containers):
        message = "`LeaderReady` makes the workers once the leader is ready, and a leader with GPUs waits for them"
        yield o.file.say(LATER, message, policy, hint="write `LeaderCreated`", level=Level.WARNING)


def _size(o: Object) -> int:
    size = number(o.root.get(*_GROUP, "size"))
    return 1 if size is None else size


def _count(o: Object) -> int:
    replicas = number(o.root.get("spec", "replicas"))
    return (1 if replicas is None else replicas) * _size(o)


def _claims(u: Unit, pod: Pod) -> Iterator[Diagnostic]:
    """A claim that one node may mount, for pods of several: they wait for the volume."""
    o, modes = pod.owner, {c.name: _modes(c) for c in u.of("PersistentVolumeClaim")}
    if o.kind not in {"LeaderWorkerSet", "Deployment", "ReplicaSet", "StatefulSet"} or _count(o) < 2:  # noqa: PLR2004
        return
    if not any(gpus(c) for c in pod.containers):  # small pods may well stand on one node
        return
    for volume in pod.spec.get("volumes").list:
        name = volume.get("persistentVolumeClaim", "claimName")
        if modes.get(name.text) and modes[name.text] <= _ONE_NODE:
            mode = min(modes[name.text])
            message = f"claim `{name.text}` is {mode}, and {o.label} has {_count(o)} pods: those on other nodes wait"
            hint = "`ReadWriteMany`, or `ReadOnlyMany` once it is filled"
            yield o.file.say(LATER, message, name, hint=hint, level=Level.WARNING)


def _modes(claim: Object) -> set[str]:
    return {m.text for m in claim.root.get("spec", "accessModes").list}


def _workers(u: Unit, o: Object) -> Iterator[Diagnostic]:
    """A Service that sends requests to ranks that do not answer them."""
    selector = o.root.get("spec", "selector")
    if not selector.items or _INDEX in selector.items or o.root.get("spec", "clusterIP").text == "None":
        return
    targets = [p.get("targetPort") or p.get("port") for p in o.root.get("spec", "ports").list]
    for pod in u.pods():
        worker = pod.owner.root.get(*_GROUP, "workerTemplate")
        if pod.root is worker and _size(pod.owner) > 1 and pod.matches(selector.items) and _opens(pod, targets):
            message = f"{o.label} selects the workers of {pod.owner.label} too: only a group's leader answers"
            hint = f'`{_INDEX}: "0"`, or a label that the leader\'s template alone has'
            yield o.file.say(LATER, message, selector, hint=hint, level=Level.WARNING)


def _opens(pod: Pod, targets: list[Node]) -> bool:
    """Whether a pod would be an endpoint of one of the ports: a name that it lacks keeps it out."""
    names = {p.get("name").text for c in pod.containers for p in c.get("ports").list}
    return any(number(t) is not None or t.text in names for t in targets)


def _ports(u: Unit, o: Object) -> Iterator[Diagnostic]:
    """A policy that opens a port by a name that none of its pods has opens nothing."""
    selector = o.root.get("spec", "podSelector")
    pods = [p for p in u.pods() if p.matches(selector.get("matchLabels").items)]
    if not pods or selector.get("matchExpressions"):
        return
    names = {p.get("name").text for pod in pods for c in pod.all_containers for p in c.get("ports").list} - {""}
    for rule in o.root.get("spec", "ingress").list:
        for port in (p.get("port") for p in rule.get("ports").list):
            if port.text and port.text not in names:
                hint = f"ports of the pods: {', '.join(sorted(names)) or 'none has a name'}"
                yield o.file.say("GLM815", f"no pod of the policy has a port `{port.text}`", port, hint=hint)


def _variables(o: Object, container: Node) -> Iterator[Diagnostic]:
    """`$(NAME)` of a variable that the container does not have, or not yet: it stays as it stands."""
    if container.get("envFrom").list:  # whose keys may be anywhere
        return
    known: set[str] = set()
    for entry in container.get("env").list:
        yield from _unresolved(o, entry.get("value"), known)
        known.add(entry.get("name").text)
    for field in ("command", "args"):
        for word in container.get(field).list:
            yield from _unresolved(o, word, known)


def _unresolved(o: Object, node: Node, known: set[str]) -> Iterator[Diagnostic]:
    names = {m["name"] for m in _VARIABLE.finditer(node.text) if m["name"]} if "$(" in node.text else set()
    for name in sorted(names - known):
        if not _GIVEN.fullmatch(name):
            message = f"`$({name})` stays as it stands: the container has no variable `{name}` before it"
            yield o.file.say(LATER, message, node, hint="`env` defines it, or `$$(...)` for words", level=Level.WARNING)
