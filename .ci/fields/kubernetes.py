"""Write glmdeploy/manifests/fields.json: the fields of the Kubernetes API that the checker of manifests knows.

They are read from the schemas that `kubernetes-validate` carries, of the newest version of the API; with `--check`
nothing is written, and a difference is exit status 1. The pairs of API version and kind go to kinds.json beside it.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import kubernetes_validate
from kubernetes_validate.utils import all_versions

OUT = Path(__file__).parents[2] / "glmdeploy" / "manifests"
SCHEMAS = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
KINDS = {
    "ClusterRole": "rbac.v1",
    "ClusterRoleBinding": "rbac.v1",
    "ConfigMap": "core.v1",
    "CronJob": "batch.v1",
    "DaemonSet": "apps.v1",
    "Deployment": "apps.v1",
    "HorizontalPodAutoscaler": "autoscaling.v2",
    "Ingress": "networking.v1",
    "Job": "batch.v1",
    "LimitRange": "core.v1",
    "Namespace": "core.v1",
    "NetworkPolicy": "networking.v1",
    "PersistentVolume": "core.v1",
    "PersistentVolumeClaim": "core.v1",
    "Pod": "core.v1",
    "PodDisruptionBudget": "policy.v1",
    "PriorityClass": "scheduling.v1",
    "ReplicaSet": "apps.v1",
    "ResourceClaimTemplate": "resource.v1",
    "ResourceQuota": "core.v1",
    "Role": "rbac.v1",
    "RoleBinding": "rbac.v1",
    "RuntimeClass": "node.v1",
    "Secret": "core.v1",
    "Service": "core.v1",
    "ServiceAccount": "core.v1",
    "StatefulSet": "apps.v1",
    "StorageClass": "storage.v1",
}
# Pairs that were removed before the oldest version whose schemas are read: kind, API version, the version without it
# (the deprecation guide of the documentation).
REMOVED = """
1.16 extensions/v1beta1 DaemonSet Deployment NetworkPolicy PodSecurityPolicy ReplicaSet
1.16 apps/v1beta1 Deployment StatefulSet ControllerRevision
1.16 apps/v1beta2 DaemonSet Deployment ReplicaSet StatefulSet ControllerRevision
1.22 admissionregistration.k8s.io/v1beta1 MutatingWebhookConfiguration ValidatingWebhookConfiguration
1.22 apiextensions.k8s.io/v1beta1 CustomResourceDefinition
1.22 apiregistration.k8s.io/v1beta1 APIService
1.22 authentication.k8s.io/v1beta1 TokenReview
1.22 certificates.k8s.io/v1beta1 CertificateSigningRequest
1.22 coordination.k8s.io/v1beta1 Lease
1.22 extensions/v1beta1 Ingress
1.22 networking.k8s.io/v1beta1 Ingress IngressClass
1.22 rbac.authorization.k8s.io/v1beta1 ClusterRole ClusterRoleBinding Role RoleBinding
1.22 scheduling.k8s.io/v1beta1 PriorityClass
1.22 storage.k8s.io/v1beta1 CSIDriver CSINode StorageClass VolumeAttachment
1.25 autoscaling/v2beta1 HorizontalPodAutoscaler
1.25 batch/v1beta1 CronJob
1.25 discovery.k8s.io/v1beta1 EndpointSlice
1.25 events.k8s.io/v1beta1 Event
1.25 node.k8s.io/v1beta1 RuntimeClass
1.25 policy/v1beta1 PodDisruptionBudget PodSecurityPolicy
"""


def short(reference: str) -> str:
    """Give the last word of a definition's name."""
    return reference.rpartition(".")[2]


def kind(schema: dict[str, Any], wanted: list[str]) -> str:
    """Give a field's type in one word: `[x` is a list of x, `{x` a map to x; definitions are added to ``wanted``."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        plain = {"Quantity": "quantity", "IntOrString": "port", "Time": "any", "MicroTime": "any"}
        if short(name) in plain:
            return plain[short(name)]
        wanted.append(name)
        return short(name)
    types = schema.get("type")
    types = [t for t in types if t != "null"] if isinstance(types, list) else [types]
    if types == ["array"]:
        return "[" + kind(schema["items"], wanted)
    if types == ["object"] and isinstance(schema.get("additionalProperties"), dict):
        return "{" + kind(schema["additionalProperties"], wanted)
    return types[0] if types[0] in {"string", "integer", "boolean", "number"} else "any"


def read(version: str) -> dict[str, Any]:
    """Give the definitions of one version."""
    file = max(SCHEMAS.glob(f"v{version}*-local/_definitions.json"))
    return dict(json.loads(file.read_text())["$defs"])


def pairs(version: str) -> set[tuple[str, str]]:
    """Give the pairs of API version and kind that one version serves."""
    found = set()
    for definition in read(version).values():
        served = definition.get("x-kubernetes-group-version-kind", ())
        # options and status have one for each group
        if len(served) == 1 and not served[0]["kind"].endswith("List"):
            found.add((f"{served[0]['group']}/{served[0]['version']}".lstrip("/"), served[0]["kind"]))
    return found


def kinds() -> dict[str, Any]:
    """Give the pairs that the newest version serves, and in which version others went."""
    removed = {(api, k): gone for gone, api, *ks in map(str.split, REMOVED.strip().splitlines()) for k in ks}
    versions = list(dict.fromkeys(all_versions()))
    known = [pairs(v) for v in versions]
    for at, (older, newer) in enumerate(pairwise(known), 1):
        removed |= dict.fromkeys(older - newer, ".".join(versions[at].split(".")[:2]))
    gone = {pair: since for pair, since in removed.items() if pair not in known[-1]}
    served: dict[str, list[str]] = {}
    for api, k in sorted(known[-1]):
        served.setdefault(api, []).append(k)
    table: dict[str, dict[str, str]] = {}
    for (api, k), since in sorted(gone.items()):
        table.setdefault(api, {})[k] = since
    return {"version": ".".join(versions[-1].split(".")[:2]), "served": served, "removed": table}


def version_of(definitions: dict[str, Any], name: str) -> str:
    """Give the API version of the kind whose definition ends in ``name``."""
    found = next(d for n, d in definitions.items() if n.endswith(name))
    served = found["x-kubernetes-group-version-kind"][0]
    return f"{served['group']}/{served['version']}".lstrip("/")


def build() -> dict[str, Any]:
    """Give the table: source, version, kinds by group, and every definition that they reach."""
    version = all_versions()[-1]
    definitions = read(version)
    wanted = [n for n in definitions for k, g in KINDS.items() if n.endswith(f".{g}.{k}")]
    types: dict[str, Any] = {}
    whole: dict[str, str] = {}
    while wanted:
        name = wanted.pop()
        if whole.setdefault(short(name), name) != name:
            sys.exit(f"two types are called {short(name)}: {name} and {whole[short(name)]}")
        if short(name) in types:
            continue
        found = definitions[name]
        if "properties" not in found:
            types[short(name)] = {}
            continue
        fields = {field: kind(inner, wanted) for field, inner in sorted(found["properties"].items())}
        types[short(name)] = {"fields": fields}
        if found.get("required"):
            types[short(name)]["required"] = sorted(found["required"])
    groups = {k: version_of(definitions, f".{g}.{k}") for k, g in KINDS.items()}
    types.pop("FieldsV1", None)
    return {
        "source": f"schemas of the Kubernetes API {version} (Apache-2.0) in kubernetes-validate",
        "kinds": groups,
        "types": dict(sorted(types.items())),
    }


def texts() -> dict[str, str]:
    """Give the two files, a type or an API version a line."""
    table, known = build(), kinds()
    lines = [f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in table["types"].items()]
    fields = (
        f'{{\n"source": {json.dumps(table["source"])},\n"kinds": {json.dumps(table["kinds"], indent=1)},\n"types": {{\n'
        + ",\n".join(lines)
        + "\n}\n}\n"
    )
    groups = (
        f'"{part}": {{\n' + ",\n".join(f" {json.dumps(a)}: {json.dumps(k)}" for a, k in known[part].items()) + "\n}"
        for part in ("served", "removed")
    )
    head = f'{{\n"version": {json.dumps(known["version"])},\n'
    return {"fields.json": fields, "kinds.json": head + ",\n".join(groups) + "\n}\n"}


def main() -> int:
    """Write the files, or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    for name, text in texts().items():
        if check and (OUT / name).read_text() != text:
            return 1
        if not check:
            (OUT / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
