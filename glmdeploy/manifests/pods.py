"""Pods: resources, volumes, probes, shared memory: GLM807, GLM810, GLM814, GLM822, GLM823, GLM825, GLM826."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Level
from glmdeploy.manifests.objects import LONG_RUNNING, gpus, number, quantity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.manifests.document import File, Node
    from glmdeploy.manifests.objects import Object, Pod

_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
SHM = "/dev/shm"  # noqa: S108  a mount point, not a file of ours


def check(o: Object) -> Iterator[Diagnostic]:
    """Everything about an object's pods that needs nothing beside it."""
    for pod in o.pods():
        volumes = _volumes(pod)
        for container in pod.all_containers:
            yield from _resources(o.file, container)
            yield from _mounts(o.file, container, volumes)
            yield from _probes(o.file, container)
            yield from _privileged(o.file, container)
        for container in pod.containers:
            if gpus(container) and o.kind in LONG_RUNNING:
                yield from _shared_memory(pod, container)
                yield from _has_probes(o.file, container)


def _volumes(pod: Pod) -> set[str]:
    claims = (
        pod.owner.root.get("spec", "volumeClaimTemplates").list
        or pod.owner.root.get("spec", "leaderWorkerTemplate", "volumeClaimTemplates").list
    )
    return {
        *(v.get("name").text for v in pod.spec.get("volumes").list),
        *(c.get("metadata", "name").text for c in claims),
    }


def _extended(name: str) -> bool:
    domain, slash, _ = name.rpartition("/")
    return bool(slash and not domain.endswith("kubernetes.io"))


def _resources(file: File, container: Node) -> Iterator[Diagnostic]:
    limits = container.get("resources", "limits").items
    requests = container.get("resources", "requests").items
    for name, node in requests.items():
        wanted, most = quantity(node), quantity(limits[name]) if name in limits else None
        if _extended(name) or name.startswith("hugepages-"):
            if name not in limits:
                yield file.say("GLM807", f"`{name}` has no limit: it must be equal to the request", node)
            elif wanted is not None and most is not None and wanted != most:
                message = f"`{name}`: request {node.raw} must be equal to limit {limits[name].raw}"
                yield file.say("GLM807", message, node, hint="such resources cannot be overcommitted")
        elif wanted is not None and most is not None and wanted > most:
            yield file.say("GLM807", f"`{name}`: request {node.raw} is above limit {limits[name].raw}", node)
    for name, node in {**requests, **limits}.items():
        amount = quantity(node)
        if amount is not None and (amount < 0 or (_extended(name) and amount != int(amount))):
            yield file.say("GLM807", f"`{name}` must be a whole number, not below 0: `{node.raw}`", node)


def _mounts(file: File, container: Node, volumes: set[str]) -> Iterator[Diagnostic]:
    for mount in container.get("volumeMounts").list:
        name = mount.get("name")
        if name.text and name.text not in volumes:
            hint = f"volumes here: {', '.join(sorted(v for v in volumes if v)) or 'none'}"
            yield file.say("GLM810", f"no volume `{name.text}`", name, hint=hint)


def _probes(file: File, container: Node) -> Iterator[Diagnostic]:
    names = {p.get("name").text for p in container.get("ports").list} - {""}
    handlers = [container.get("lifecycle", hook) for hook in ("postStart", "preStop")]
    for key in _PROBES:
        probe = container.get(key)
        if not probe:
            continue
        handlers.append(probe)
        found = [h for h in _HANDLERS if h in probe.items]
        if len(found) != 1:
            message = f"`{key}` has {'no handler' if not found else 'several handlers'}"
            yield file.say("GLM826", message, container.keys.get(key) or probe, hint=f"one of {', '.join(_HANDLERS)}")
        successes = probe.get("successThreshold")
        if key != "readinessProbe" and number(successes) not in {None, 1}:
            yield file.say("GLM826", f"`successThreshold` of `{key}` must be 1", successes)
    for handler in handlers:
        for kind in ("httpGet", "tcpSocket"):
            port = handler.get(kind, "port")
            if port.text and port.text not in names:
                hint = f"ports of the container: {', '.join(sorted(names)) or 'none has a name'}"
                yield file.say("GLM814", f"the container has no port `{port.text}`", port, hint=hint)


def _privileged(file: File, container: Node) -> Iterator[Diagnostic]:
    context = container.get("securityContext")
    node = context.get("privileged")
    if node.value is not True:
        return
    if context.get("allowPrivilegeEscalation").value is False:
        message = "`privileged: true` beside `allowPrivilegeEscalation: false` is refused"
        yield file.say("GLM825", message, node)
        return
    hint = "GPUs come from the device plugin; for RDMA the capability IPC_LOCK does"
    yield file.say("GLM825", "the container is privileged: it owns the host", node, hint=hint, level=Level.WARNING)


def _shared_memory(pod: Pod, container: Node) -> Iterator[Diagnostic]:
    file = pod.owner.file
    if pod.spec.get("hostIPC").value is True:
        return
    mounts = [m for m in container.get("volumeMounts").list if m.get("mountPath").text.rstrip("/") == SHM]
    if not mounts:
        several = gpus(container) > 1
        message = f"nothing is mounted at {SHM}: a container has 64 MB there"
        hint = "mount an emptyDir with `medium: Memory` and a sizeLimit"
        level = Level.ERROR if several else Level.WARNING
        yield file.say("GLM822", message, container.get("name"), hint=hint, level=level)
        return
    name = mounts[0].get("name").text
    volume = next((v for v in pod.spec.get("volumes").list if v.get("name").text == name), None)
    if volume is None or "emptyDir" not in volume.items:
        return
    if volume.get("emptyDir", "medium").text != "Memory":
        message = f"the volume at {SHM} is on disk"
        yield file.say("GLM822", message, volume.get("name"), hint="`medium: Memory`", level=Level.WARNING)


def _has_probes(file: File, container: Node) -> Iterator[Diagnostic]:
    missing = [p for p in _PROBES if p not in container.items]
    if missing:
        hint = "without a startup probe, liveness kills it while it loads; without readiness, it gets requests before"
        message = f"the container has no {' and no '.join(f'`{p}`' for p in missing)}"
        yield file.say("GLM823", message, container.get("name"), hint=hint, level=Level.WARNING)
