"""What the API server refuses of roles, ingresses, volumes, data and namespaces: GLM809, GLM817, GLM828, GLM835 to GLM837.

Read against the validation of Kubernetes (pkg/apis/core, rbac and networking). A RoleBinding's service account needs no
namespace: the authorizer takes the binding's own; a ClusterRoleBinding has none.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from glmdeploy.manifests.constraint import FIELDS, FORM, RANGE, Fault, exactly_one, filled, key, wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.manifests.constraint import Check
    from glmdeploy.manifests.document import Node

_LARGEST = 2**20  # bytes of all values of a ConfigMap or a Secret
# Keys that a Secret of a type must have.
_TYPES = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}
# What other tools replace before the API server sees it: SOPS, Flux, a plugin of Argo CD.
_FILLED_LATER = re.compile(r"ENC\[|.*\$\{|.*<[a-z]+:")
# fmt: off
_NO_SOURCES = frozenset([
    "accessModes", "capacity", "claimRef", "mountOptions", "nodeAffinity", "persistentVolumeReclaimPolicy",
    "storageClassName", "volumeAttributesClassName", "volumeMode",
])
# fmt: on
_PSA = "pod-security.kubernetes.io/"
_LEVELS = ("privileged", "baseline", "restricted")
_STEPS = re.compile(r".*(//|/\./|/\.\./|%2[fF]|/\.\.?$)")


def _size(root: Node) -> Iterator[Fault]:
    total = sum(len(n.text.encode()) for f in ("data", "stringData") for n in root.get(f).items.values())
    if root.get("kind").text == "Secret":
        total = sum(_bytes(n) for n in root.get("data").items.values())
        total += sum(len(n.text.encode()) for n in root.get("stringData").items.values())
    total += sum(_bytes(n) for n in root.get("binaryData").items.values())
    if total > _LARGEST:
        yield Fault(RANGE, f"the values have {total} bytes: at most {_LARGEST} are allowed", key(root, "data"))


def _bytes(node: Node) -> int:
    text = node.text.replace("\n", "")
    return len(text) // 4 * 3 - text.count("=")


def _both(root: Node) -> Iterator[Fault]:
    for name in root.get("binaryData").items:
        if name in root.get("data").items:
            message = f"key `{name}` stands in `data` and in `binaryData`"
            yield Fault("GLM809", message, key(root.get("binaryData"), name))


def encoded(field: str) -> Check:
    """Values in base64."""

    def check(node: Node) -> Iterator[Fault]:
        for name, value in node.get(field).items.items():
            if not _FILLED_LATER.match(value.text) and not _decodes(value.text):
                hint = "the value itself belongs into `stringData`" if field == "data" else ""
                yield Fault(FORM, f"`{field}.{name}` is not base64", key(node.get(field), name), hint)

    return check


def _decodes(text: str) -> bool:
    try:
        base64.b64decode(text.replace("\n", "").replace("\r", "").encode(), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _keys_of_type(root: Node) -> Iterator[Fault]:
    given = {*root.get("data").items, *root.get("stringData").items}
    missing = [k for k in _TYPES.get(root.get("type").text, ()) if k not in given]
    if missing:
        words = " and ".join(f"`{k}`" for k in missing)
        yield Fault("GLM817", f"`type: {root.get('type').text}` needs {words}", root.get("type"))


def _service(spec: Node) -> Iterator[Fault]:
    """Fields of a Service that is reached from outside."""
    kind = spec.get("type").text or "ClusterIP"
    policy = spec.get("externalTrafficPolicy")
    if policy.text and kind == "ClusterIP" and not spec.get("externalIPs").list:
        message = "`externalTrafficPolicy` is allowed with `type: NodePort` or `type: LoadBalancer` alone"
        yield Fault(FIELDS, message, key(spec, "externalTrafficPolicy"))
    for field in ("loadBalancerSourceRanges", "loadBalancerClass"):
        if (spec.get(field).text or spec.get(field).list) and kind != "LoadBalancer":
            yield Fault(FIELDS, f"`{field}` is allowed with `type: LoadBalancer` alone", key(spec, field))


def _routes(spec: Node) -> Iterator[Fault]:
    if not spec.get("rules").list and not spec.get("defaultBackend"):
        yield Fault("GLM817", "an Ingress needs `rules` or `defaultBackend`", spec)


def _path(node: Node) -> Iterator[Fault]:
    path, kind = node.get("path"), node.get("pathType").text
    exact = kind in {"Exact", "Prefix"}
    if (exact or path.text) and not path.text.startswith("/"):
        yield Fault(FORM, f"`path` must begin with a slash: `{path.text}`", path or node)
    elif exact and _STEPS.match(path.text):
        yield Fault(FORM, f"`path` cannot be `{path.text}`", path, "without `//`, `.`, `..` and `%2F`")


def _volume(spec: Node) -> Iterator[Fault]:
    sources = [f for f, node in spec.items.items() if node and f not in _NO_SOURCES]
    if not sources:
        yield Fault(FIELDS, "the volume has no source", spec, "one of `csi`, `nfs`, `local`, `hostPath` ...")
    if len(sources) > 1:
        words = " and ".join(f"`{s}`" for s in sources)
        yield Fault(FIELDS, f"{words} exclude each other", key(spec, sources[1]), "keep one of them")
    if "local" in sources and not spec.get("nodeAffinity", "required"):
        yield Fault("GLM817", "a `local` volume needs `nodeAffinity`: it is on one node", key(spec, "local"))
    capacity = spec.get("capacity")
    if capacity.items and set(capacity.items) != {"storage"}:
        yield Fault("GLM817", "`capacity` holds `storage`, and nothing else", capacity)


def _rule(rule: Node) -> Iterator[Fault]:
    if not rule.get("nonResourceURLs").list:
        yield from wanted("apiGroups", "resources")(rule)


def _subjects(root: Node) -> Iterator[Fault]:
    for node in root.get("subjects").list:
        if node.get("kind").text == "ServiceAccount" and not node.get("namespace").text:
            yield Fault("GLM817", "`namespace` of a ServiceAccount is missing", node, "a ClusterRoleBinding has none")


def _levels(root: Node) -> Iterator[Fault]:
    labels = root.get("metadata", "labels")
    for mode in ("enforce", "audit", "warn"):
        node = labels.get(f"{_PSA}{mode}")
        if isinstance(node.value, str) and node.text not in _LEVELS:
            yield Fault("GLM828", f"`{_PSA}{mode}` cannot be `{node.text}`", node, ", ".join(_LEVELS))


LIMITS: dict[str, tuple[Check, ...]] = {
    "ClusterRoleBinding": (_subjects,),
    "ConfigMap": (_size, _both, encoded("binaryData")),
    "HTTPIngressPath": (_path,),
    "IngressBackend": (exactly_one("service", "resource"),),
    "IngressSpec": (_routes,),
    "Namespace": (_levels,),
    "PersistentVolumeSpec": (wanted("accessModes", "capacity"), _volume),
    "PolicyRule": (filled("verbs"), _rule),
    "Secret": (_size, encoded("data"), _keys_of_type),
    "ServiceBackendPort": (exactly_one("name", "number"),),
    "ServiceSpec": (_service,),
}
