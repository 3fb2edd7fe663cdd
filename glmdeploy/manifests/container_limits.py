"""What the API server refuses of containers, mounts and what they share: GLM809, GLM835 to GLM838.

Read against the validation of Kubernetes (pkg/apis/core/validation). `SYS_ADMIN` beside `allowPrivilegeEscalation: false`
is no row: the server compares with `CAP_SYS_ADMIN`, which is how nobody writes it, and refuses that alone.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Level
from glmdeploy.manifests.constraint import (
    FIELDS,
    FORM,
    LATER,
    RANGE,
    Fault,
    at_most,
    between,
    key,
)
from glmdeploy.manifests.objects import number, quantity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.manifests.constraint import Check
    from glmdeploy.manifests.document import Node

_SHORTEST, _LONGEST = 600, 2**32  # seconds that a projected token may be valid
# A domain of Kubernetes' own, in which no device plugin may advertise; Koordinator's are there all the same.
_OWN = re.compile(r"([a-z0-9.-]+\.)?kubernetes\.io/(?!(batch|mid)-(cpu|memory)$).+")


def _mounts(container: Node) -> Iterator[Fault]:
    privileged = container.get("securityContext", "privileged").value is True
    for mount in container.get("volumeMounts").list:
        node = mount.get("mountPropagation")
        if node.text == "Bidirectional" and not privileged:
            hint = "`HostToContainer` needs no privilege"
            yield Fault(FIELDS, "`mountPropagation: Bidirectional` needs a privileged container", node, hint)


def _recursive(mount: Node) -> Iterator[Fault]:
    node = mount.get("recursiveReadOnly")
    if node.text not in {"IfPossible", "Enabled"}:
        return
    if mount.get("readOnly").value is not True:
        yield Fault(FIELDS, f"`recursiveReadOnly: {node.text}` needs `readOnly: true`", node)
    if mount.get("mountPropagation").text not in {"", "None"}:
        yield Fault(FIELDS, "`recursiveReadOnly` excludes `mountPropagation`", key(mount, "mountPropagation"))


def _readiness(container: Node) -> Iterator[Fault]:
    probe = container.get("readinessProbe")
    if probe.get("terminationGracePeriodSeconds"):
        message = "a `readinessProbe` has no `terminationGracePeriodSeconds`: it kills nothing"
        yield Fault(FIELDS, message, key(probe, "terminationGracePeriodSeconds"), "leave it out")


def _capabilities(context: Node) -> Iterator[Fault]:
    if context.get("allowPrivilegeEscalation").value is False:
        for node in context.get("capabilities", "add").list:
            if node.text == "CAP_SYS_ADMIN":
                message = "`CAP_SYS_ADMIN` beside `allowPrivilegeEscalation: false` is refused"
                yield Fault(
                    FIELDS, message, node, "capabilities have no `CAP_` in front, and no pod here needs this one"
                )


def _own_resources(resources: Node) -> Iterator[Fault]:
    for part in ("requests", "limits"):
        for name in resources.get(part).items:
            if _OWN.fullmatch(name):
                message = f"no device plugin can advertise `{name}`: the pod waits for a node that has it"
                hint = "the domain of the device's vendor, such as `nvidia.com/gpu`"
                yield Fault(LATER, message, key(resources.get(part), name), hint, Level.WARNING)


def _size(volume: Node) -> Iterator[Fault]:
    node = volume.get("sizeLimit")
    if node and (quantity(node) or 0.0) < 0:
        yield Fault(RANGE, f"`sizeLimit` cannot be negative: {node.raw}", node)


def _host_ports(spec: Node) -> Iterator[Fault]:
    """Ports of the host that two containers of one pod want: on the host's network, all of them are."""
    shared = spec.get("hostNetwork").value is True
    seen: set[tuple[str, str, int]] = set()
    for container in spec.get("containers").list:
        for port in container.get("ports").list:
            node = port.get("hostPort") if port.get("hostPort") or not shared else port.get("containerPort")
            value = number(node)
            if not value:
                continue
            place = (port.get("hostIP").text, port.get("protocol").text or "TCP", value)
            if place in seen:
                yield Fault("GLM809", f"port {value} of {place[1]} of the host stands twice", node)
            seen.add(place)


def _host(spec: Node) -> Iterator[Fault]:
    if spec.get("hostUsers").value is False:
        for field in ("hostNetwork", "hostPID", "hostIPC"):
            if spec.get(field).value is True:
                yield Fault(FIELDS, f"`hostUsers: false` and `{field}: true` exclude each other", key(spec, field))
    if spec.get("shareProcessNamespace").value is True and spec.get("hostPID").value is True:
        message = "`shareProcessNamespace` and `hostPID` exclude each other"
        yield Fault(FIELDS, message, key(spec, "shareProcessNamespace"), "keep one of them")


def _servers(config: Node) -> Iterator[Fault]:
    for node in config.get("nameservers").list:
        try:
            ipaddress.ip_address(node.text)
        except ValueError:
            if node.text:
                yield Fault(FORM, f"`{node.text}` is no address of a name server", node, "an IP address")


def _ephemeral(spec: Node) -> Iterator[Fault]:
    if spec.get("ephemeralContainers").list:
        message = "`ephemeralContainers` cannot be written down: they are added to a pod that runs"
        yield Fault(FIELDS, message, key(spec, "ephemeralContainers"), "`kubectl debug`")


def _in_memory(spec: Node) -> Iterator[Fault]:
    """Volumes in memory that are larger than what the pod may have of it: what is in them counts."""
    most = _memory(spec)
    for volume in spec.get("volumes").list:
        node = volume.get("emptyDir", "sizeLimit")
        if volume.get("emptyDir", "medium").text == "Memory" and node and most and (quantity(node) or 0.0) > most[0]:
            message = f"`sizeLimit` {node.raw} is above the memory limit of the pod, {most[1]}: the volume counts in it"
            yield Fault(LATER, message, node, "a smaller volume, or a higher memory limit", Level.WARNING)


def _memory(spec: Node) -> tuple[float, str] | None:
    """The memory limit of a pod, in bytes and as words; None where any container has none."""
    whole = spec.get("resources", "limits", "memory")
    prepare = spec.get("initContainers").list
    sidecars = [c for c in prepare if c.get("restartPolicy").text == "Always"]
    nodes = [c.get("resources", "limits", "memory") for c in (*spec.get("containers").list, *sidecars)]
    nodes = [whole] if whole else nodes
    amounts = [quantity(n) for n in nodes if n]
    before = [quantity(c.get("resources", "limits", "memory")) or 0.0 for c in prepare if c not in sidecars]
    if not nodes or len(amounts) != len(nodes) or None in amounts:
        return None
    total = max(sum(a for a in amounts if a), *before, 0.0)
    return total, " + ".join(n.raw for n in nodes)


def without_deadline(*path: str) -> Check:
    """A template whose pods are to run for ever."""

    def check(spec: Node) -> Iterator[Fault]:
        pod = spec.get(*path, "spec")
        if pod.get("activeDeadlineSeconds"):
            message = "`activeDeadlineSeconds` is for the pods of a Job"
            yield Fault(FIELDS, message, key(pod, "activeDeadlineSeconds"), "leave it out")

    return check


LIMITS: dict[str, tuple[Check, ...]] = {
    "Container": (_mounts, _readiness),
    "DaemonSetSpec": (without_deadline("template"),),
    "DeploymentSpec": (without_deadline("template"),),
    "EmptyDirVolumeSource": (_size,),
    "LeaderWorkerSetSpecLeaderWorkerTemplate": (without_deadline("leaderTemplate"), without_deadline("workerTemplate")),
    "PodDNSConfig": (at_most(3, "nameservers"), at_most(32, "searches"), _servers),
    "PodSpec": (_host_ports, _host, _ephemeral, _in_memory),
    "ReplicaSetSpec": (without_deadline("template"),),
    "ResourceRequirements": (_own_resources,),
    "SecurityContext": (_capabilities,),
    "ServiceAccountTokenProjection": (between(_SHORTEST, _LONGEST, "expirationSeconds"),),
    "StatefulSetSpec": (without_deadline("template"),),
    "VolumeMount": (_recursive,),
}
