"""What the API server refuses in other objects though their fields and types are right, by type.

Read against the validation of Kubernetes and the webhook of LeaderWorkerSet. To add a limit, add a line to `LIMITS`.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Level
from glmdeploy.manifests.constraint import (
    FIELDS,
    FORM,
    HIGHEST,
    RANGE,
    Fault,
    at_least,
    at_most_one,
    between,
    exactly_one,
    form,
    given,
    key,
    keys,
    needs,
    share,
)
from glmdeploy.manifests.objects import number, quantity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.manifests.constraint import Check
    from glmdeploy.manifests.document import Node

_DEADLINE = 600  # seconds of a Deployment's progress where nothing is said
_NODE_PORTS = range(30000, 32768)  # unless the server is told otherwise
_SCHEDULE = r"@(yearly|annually|monthly|weekly|daily|midnight|hourly|every .+)|[^@\s]+( +[^\s]+){4}"


def _progress(spec: Node) -> Iterator[Fault]:
    ready, deadline = number(spec.get("minReadySeconds")), number(spec.get("progressDeadlineSeconds"))
    limit = _DEADLINE if deadline is None else deadline
    if 0 <= limit <= (ready or 0):
        message = f"`progressDeadlineSeconds` ({limit}) must be above `minReadySeconds` ({ready or 0})"
        yield Fault(RANGE, message, spec.get("progressDeadlineSeconds") or spec.get("minReadySeconds"))


def _rollout(node: Node) -> Iterator[Fault]:
    both = [node.get(f) for f in ("maxSurge", "maxUnavailable")]
    if all(n and n.raw in {"0", "0%"} for n in both):
        yield Fault(FIELDS, "`maxSurge` and `maxUnavailable` cannot both be 0", both[1], "nothing could be replaced")


def _own_selector(spec: Node) -> Iterator[Fault]:
    if spec.get("selector") and spec.get("manualSelector").value is not True:
        hint = "leave it out: the controller makes it"
        yield Fault(FIELDS, "a Job has no `selector` of its own", key(spec, "selector"), hint)


def _storage(spec: Node) -> Iterator[Fault]:
    modes = spec.get("accessModes").list
    if len(modes) > 1 and any(m.text == "ReadWriteOncePod" for m in modes):
        yield Fault(FIELDS, "`ReadWriteOncePod` allows no other mode beside it", spec.get("accessModes"))
    asked = spec.get("resources", "requests", "storage")
    if spec.get("resources") and not asked:
        yield Fault("GLM817", "`resources.requests.storage` is missing", spec.get("resources"))
    elif asked and (quantity(asked) or 0.0) <= 0 and quantity(asked) is not None:
        yield Fault(RANGE, f"a claim of `{asked.raw}` holds nothing", asked)


def _service(spec: Node) -> Iterator[Fault]:
    kind, ports = spec.get("type").text or "ClusterIP", spec.get("ports").list
    headless = spec.get("clusterIP").text == "None"
    if headless and kind in {"NodePort", "LoadBalancer"}:
        yield Fault(FIELDS, f"`clusterIP: None` and `type: {kind}` exclude each other", spec.get("clusterIP"))
    if not ports and not headless and kind != "ExternalName":
        yield Fault("GLM817", "`ports` is missing", spec)
    seen: set[tuple[int | None, str]] = set()
    for port in ports:
        pair = (number(port.get("port")), port.get("protocol").text or "TCP")
        if pair[0] is not None and pair in seen:
            yield Fault("GLM809", f"port {pair[0]} of {pair[1]} stands twice", port.get("port"))
        seen.add(pair)
        yield from _node_port(port.get("nodePort"), kind)


def _node_port(node: Node, kind: str) -> Iterator[Fault]:
    value = number(node)
    if value and kind == "ClusterIP":
        yield Fault(FIELDS, f"`nodePort` and `type: {kind}` exclude each other", node)
    elif value and value not in _NODE_PORTS:
        message = f"`nodePort` {value} is outside the range that servers have unless told otherwise"
        hint = f"between {_NODE_PORTS.start} and {_NODE_PORTS.stop - 1}"
        yield Fault("GLM808", message, node, hint, Level.WARNING)


def _peer(node: Node) -> Iterator[Fault]:
    if node.get("ipBlock") and (others := given(node, ("podSelector", "namespaceSelector"))):
        message = f"`ipBlock` and `{others[0]}` exclude each other"
        yield Fault(FIELDS, message, key(node, others[0]), "make two peers of them")
    if not node.items:
        yield Fault(FIELDS, "a peer is `ipBlock`, `podSelector` or `namespaceSelector`", node)


def _block(node: Node) -> Iterator[Fault]:
    whole = _network(node.get("cidr"))
    for at in (node.get("cidr"), *node.get("except").list):
        part = _network(at)
        if at.text and part is None:
            yield Fault(FORM, f"`{at.text}` is not a CIDR block", at, "such as `10.0.0.0/8`")
        elif at is not node.get("cidr") and part and whole and not _inside(part, whole):
            yield Fault(FORM, f"`{at.text}` is not within `{whole}`", at)


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _network(node: Node) -> _Network | None:
    try:
        return ipaddress.ip_network(node.text, strict=False) if "/" in node.text else None
    except ValueError:
        return None


def _inside(part: _Network, whole: _Network) -> bool:
    same = part.version == whole.version and part.prefixlen > whole.prefixlen
    return same and part.network_address in whole


def _end_port(node: Node) -> Iterator[Fault]:
    first, last = number(node.get("port")), number(node.get("endPort"))
    if last is not None and first is None:
        yield Fault(FIELDS, "`endPort` needs a number as `port`", key(node, "endPort"))
    elif last is not None and first is not None and last < first:
        yield Fault(RANGE, f"`endPort` {last} is below `port` {first}", node.get("endPort"))


def _directions(spec: Node) -> Iterator[Fault]:
    for node in spec.get("policyTypes").list:
        if node.text not in {"Ingress", "Egress"}:
            yield Fault("GLM828", f"`policyTypes` cannot hold `{node.raw}`", node, "Ingress, Egress")


def _replicas(spec: Node) -> Iterator[Fault]:
    least, most = number(spec.get("minReplicas")), number(spec.get("maxReplicas"))
    if least is not None and most is not None and most < least:
        yield Fault(RANGE, f"`maxReplicas` {most} is below `minReplicas` {least}", spec.get("maxReplicas"))


LIMITS: dict[str, tuple[Check, ...]] = {
    # both are taken by the API server, and refused by Argo CD
    "ApplicationSpecDestination": (at_most_one("name", "server"),),
    "ConfigMap": (keys("data"), keys("binaryData")),
    "CronJobSpec": (
        form("schedule", _SCHEDULE, "five fields, such as `0 3 * * *`, or `@daily`; the zone is `timeZone`"),
        at_least(0, "startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"),
    ),
    "DaemonSetSpec": (at_least(0, "minReadySeconds", "revisionHistoryLimit"),),
    "DeploymentSpec": (
        at_least(0, "replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"),
        _progress,
    ),
    "HorizontalPodAutoscalerSpec": (at_least(0, "minReplicas"), at_least(1, "maxReplicas"), _replicas),
    "IPBlock": (_block,),
    "JobSpec": (
        at_least(0, "backoffLimit", "completions", "parallelism", "activeDeadlineSeconds", "ttlSecondsAfterFinished"),
        needs("completionMode", "Indexed", "completions"),
        _own_selector,
    ),
    "LeaderWorkerSetSpecLeaderWorkerTemplate": (at_least(1, "size"),),
    "LeaderWorkerSetSpecLeaderWorkerTemplateSubGroupPolicy": (at_least(1, "subGroupSize"),),
    "NetworkPolicyPeer": (_peer,),
    "NetworkPolicyPort": (_end_port, between(1, 65535, "endPort", "port")),
    "NetworkPolicySpec": (_directions,),
    "PersistentVolumeClaimSpec": (_storage,),
    "PodDisruptionBudgetSpec": (share("minAvailable", "maxUnavailable", most=100),),
    "ReplicaSetSpec": (at_least(0, "replicas", "minReadySeconds"),),
    "RollingUpdateDaemonSet": (share("maxSurge", "maxUnavailable", most=100),),
    "RollingUpdateDeployment": (share("maxSurge"), share("maxUnavailable", most=100), _rollout),
    "RollingUpdateStatefulSetStrategy": (share("maxUnavailable", most=100), between(0, HIGHEST, "partition")),
    "Secret": (keys("data"), keys("stringData")),
    "ServiceSpec": (_service, needs("type", "ExternalName", "externalName")),
    "StatefulSetSpec": (at_least(0, "replicas", "minReadySeconds", "revisionHistoryLimit"),),
    "VolumeProjection": (
        exactly_one(
            "clusterTrustBundle", "configMap", "downwardAPI", "podCertificate", "secret", "serviceAccountToken"
        ),
    ),
}
