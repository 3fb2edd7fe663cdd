"""What the API server refuses in pods though their fields and types are right, by type: GLM828, GLM835 to GLM838.

Read against the validation of Kubernetes (pkg/apis/core/validation); defaults are filled in before it, so that a 0 of a
probe is no error. To add a limit, add a line to `LIMITS`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Level
from glmdeploy.manifests.constraint import (
    FIELDS,
    FORM,
    LATER,
    RANGE,
    Fault,
    at_least,
    at_most_one,
    between,
    exactly_one,
    form,
    given,
    key,
    needs,
    no_steps_back,
    only_with,
    relative,
)
from glmdeploy.manifests.objects import number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.manifests.constraint import Check
    from glmdeploy.manifests.document import Node

_GRACE = 30  # seconds that a pod has to end where nothing is said
_COMPUTE = frozenset(["cpu", "memory"])
_RESOURCE = re.compile(r"cpu|memory|ephemeral-storage|hugepages-.+|(?!requests\.)[^/]+/[^/]+")
_SLEEP = re.compile(r"\bsleep +([0-9]+)(?![0-9.smhd])")
_METADATA = r"metadata\.(name|namespace|uid|(labels|annotations)\['[^']+'\])"
_STATUS = r"spec\.(nodeName|serviceAccountName)|status\.(hostIPs?|podIPs?)"


def _source(volume: Node) -> Iterator[Fault]:
    yield from at_most_one(*(f for f in volume.items if f != "name"))(volume)


def _variable(env: Node) -> Iterator[Fault]:
    if env.get("value").text and env.get("valueFrom"):
        yield Fault(FIELDS, "`value` and `valueFrom` exclude each other", key(env, "valueFrom"), "keep one of them")
    name = env.get("name")
    if re.search(r"[^ -~]|=", name.text):
        yield Fault(FORM, f"`{name.text}` is not a name of a variable", name, "printable ASCII without `=`")
    elif name.text and not re.fullmatch(r"[-._a-zA-Z][-._a-zA-Z0-9]*", name.text):
        hint = "letters, digits, `_`, `-` and `.`, no digit first"
        message = f"variable `{name.text}` is refused before Kubernetes 1.32"
        yield Fault(FORM, message, name, hint, Level.WARNING)


def _whole(source: Node) -> Iterator[Fault]:
    path = source.get("fieldRef", "fieldPath")
    if path.text in {"metadata.labels", "metadata.annotations"}:
        yield Fault(FORM, f"a variable cannot hold `{path.text}`", path, f"one of them: `{path.text}['KEY']`")


def _resources(resources: Node) -> Iterator[Fault]:
    asked = {**resources.get("requests").items, **resources.get("limits").items}
    for part in ("requests", "limits"):
        for name in resources.get(part).items:
            if not _RESOURCE.fullmatch(name):
                at = key(resources.get(part), name)
                yield Fault(FORM, f"there is no resource `{name}`", at, "a device's has a domain: `nvidia.com/gpu`")
    huge = next((n for n in asked if n.startswith("hugepages-")), "")
    if huge and not _COMPUTE & set(asked):
        yield Fault(FIELDS, f"`{huge}` needs `cpu` or `memory` beside it", asked[huge])


def _toleration(node: Node) -> Iterator[Fault]:
    operator = node.get("operator").text or "Equal"
    if operator == "Exists" and node.get("value").text:
        yield Fault(FIELDS, "`operator: Exists` has no `value`", key(node, "value"), "leave it out")
    if not node.get("key").text and operator != "Exists":
        yield Fault(FIELDS, "a toleration without `key` needs `operator: Exists`", node)
    if node.get("tolerationSeconds") and node.get("effect").text != "NoExecute":
        yield Fault(FIELDS, "`tolerationSeconds` needs `effect: NoExecute`", key(node, "tolerationSeconds"))


def _requirement(node: Node) -> Iterator[Fault]:
    operator, values = node.get("operator"), node.get("values").list
    if operator.text in {"In", "NotIn"} and not values:
        yield Fault(FIELDS, f"`operator: {operator.text}` needs `values`", operator)
    if operator.text in {"Exists", "DoesNotExist"} and values:
        yield Fault(FIELDS, f"`operator: {operator.text}` has no `values`", key(node, "values"))
    if operator.text in {"Gt", "Lt"} and len(values) != 1:
        yield Fault(FIELDS, f"`operator: {operator.text}` needs one value", operator)


def _preparing(spec: Node) -> Iterator[Fault]:
    """Init containers end: only those that restart may have probes and hooks."""
    for container in spec.get("initContainers").list:
        if container.get("restartPolicy").text != "Always":
            for field in given(container, ("startupProbe", "readinessProbe", "livenessProbe", "lifecycle")):
                hint = "`restartPolicy: Always` makes it a sidecar"
                yield Fault(FIELDS, f"an init container has no `{field}`", key(container, field), hint)


def _claims(spec: Node) -> Iterator[Fault]:
    known = {c.get("name").text for c in spec.get("resourceClaims").list}
    for container in (*spec.get("initContainers").list, *spec.get("containers").list):
        for claim in container.get("resources", "claims").list:
            name = claim.get("name")
            if name.text and name.text not in known:
                hint = f"`resourceClaims` of the pod: {', '.join(sorted(known)) or 'none'}"
                yield Fault("GLM810", f"no resource claim `{name.text}`", name, hint)


def _name_servers(spec: Node) -> Iterator[Fault]:
    if spec.get("dnsPolicy").text == "None" and not spec.get("dnsConfig", "nameservers").list:
        yield Fault(FIELDS, "`dnsPolicy: None` needs `dnsConfig.nameservers`", spec.get("dnsPolicy"))


def _grace(spec: Node) -> Iterator[Fault]:
    """How long the pod may take to end, and what its hooks take of it."""
    node = spec.get("terminationGracePeriodSeconds")
    grace = _GRACE if number(node) is None else number(node) or 0
    if grace < 0:
        hint = "a pod that is killed at once has 0"
        yield Fault(RANGE, f"`terminationGracePeriodSeconds` is taken for 1: {grace}", node, hint, Level.WARNING)
        return
    for container in (*spec.get("initContainers").list, *spec.get("containers").list):
        for hook in ("preStop", "postStart"):
            seconds = container.get("lifecycle", hook, "sleep", "seconds")
            if (number(seconds) or 0) > grace:
                message = f"`sleep` of {number(seconds)} s is longer than the {grace} s that the pod has to end"
                yield Fault(RANGE, message, seconds, "a longer `terminationGracePeriodSeconds`")
        yield from _sleeping(container, grace)


def _sleeping(container: Node, grace: int) -> Iterator[Fault]:
    command = container.get("lifecycle", "preStop", "exec", "command")
    words = " ".join(c.raw for c in command.list)
    slept = sum(int(s) for s in _SLEEP.findall(words))
    if slept >= grace:
        message = f"`preStop` sleeps {slept} s, and the pod is killed after {grace} s"
        hint = "a longer `terminationGracePeriodSeconds`: it counts from before the hook"
        yield Fault(LATER, message, command, hint, Level.WARNING)


def _root(spec: Node) -> Iterator[Fault]:
    """The API server takes it, the kubelet does not start it."""
    shared = spec.get("securityContext")
    for container in (*spec.get("initContainers").list, *spec.get("containers").list):
        own = container.get("securityContext")
        user = own.get("runAsUser") or shared.get("runAsUser")
        held = own.get("runAsNonRoot") or shared.get("runAsNonRoot")
        if held.value is True and number(user) == 0:
            yield Fault(LATER, "`runAsNonRoot: true` and `runAsUser: 0`: the container never starts", user)


LIMITS: dict[str, tuple[Check, ...]] = {
    "AppArmorProfile": (
        needs("type", "Localhost", "localhostProfile"),
        only_with("localhostProfile", "type", "Localhost"),
    ),
    "ConfigMapVolumeSource": (between(0, 0o777, "defaultMode"),),
    "DownwardAPIVolumeFile": (relative("path"), between(0, 0o777, "mode"), exactly_one("fieldRef", "resourceFieldRef")),
    "DownwardAPIVolumeSource": (between(0, 0o777, "defaultMode"),),
    "EmptyDirVolumeSource": (form("medium", "Memory|HugePages(-.+)?", "`Memory`: no kubelet mounts another", LATER),),
    "EnvFromSource": (exactly_one("configMapRef", "secretRef"),),
    "EnvVar": (_variable,),
    "EnvVarSource": (
        exactly_one("configMapKeyRef", "fieldRef", "resourceFieldRef", "secretKeyRef", "fileKeyRef"),
        _whole,
    ),
    "HostPathVolumeSource": (no_steps_back("path"),),
    "KeyToPath": (relative("path"), between(0, 0o777, "mode")),
    "LabelSelectorRequirement": (_requirement,),
    "LifecycleHandler": (exactly_one("exec", "httpGet", "tcpSocket", "sleep"),),
    "NodeSelectorRequirement": (_requirement,),
    "ObjectFieldSelector": (
        form(
            "fieldPath",
            f"{_METADATA}|metadata\\.(labels|annotations)|{_STATUS}",
            "such as `metadata.name`, `status.podIP`",
        ),
    ),
    "PodResourceClaim": (exactly_one("resourceClaimName", "resourceClaimTemplateName"),),
    "PodSecurityContext": (at_least(0, "runAsUser", "runAsGroup", "fsGroup"),),
    "PodSpec": (_preparing, _claims, _name_servers, _grace, _root, at_least(1, "activeDeadlineSeconds")),
    "PreferredSchedulingTerm": (between(1, 100, "weight"),),
    "Probe": (
        at_least(0, "initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"),
        at_least(1, "terminationGracePeriodSeconds"),
    ),
    "ProjectedVolumeSource": (between(0, 0o777, "defaultMode"),),
    "ResourceFieldSelector": (
        form("resource", r"(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-.+)", "such as `limits.memory`"),
    ),
    "ResourceRequirements": (_resources,),
    "SeccompProfile": (
        needs("type", "Localhost", "localhostProfile"),
        only_with("localhostProfile", "type", "Localhost"),
    ),
    "SecretVolumeSource": (between(0, 0o777, "defaultMode"),),
    "SecurityContext": (at_least(0, "runAsUser", "runAsGroup"),),
    "SleepAction": (at_least(0, "seconds"),),
    "Toleration": (_toleration,),
    "TopologySpreadConstraint": (at_least(1, "maxSkew", "minDomains"),),
    "Volume": (_source,),
    "VolumeMount": (relative("subPath"), relative("subPathExpr"), at_most_one("subPath", "subPathExpr")),
    "WeightedPodAffinityTerm": (between(1, 100, "weight"),),
}
