"""Write glmdeploy/manifests/fields.json: the fields of the Kubernetes API that the checker of manifests knows.

They are read from the schemas that `kubernetes-validate` carries, of the newest version of the API; with `--check`
nothing is written, and a difference is exit status 1. LeaderWorkerSet v1 stands below, as its API types have it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
from kubernetes_validate.utils import all_versions

OUT = Path(__file__).parents[2] / "glmdeploy" / "manifests" / "fields.json"
KINDS = {
    "ConfigMap": "core.v1",
    "CronJob": "batch.v1",
    "Deployment": "apps.v1",
    "HorizontalPodAutoscaler": "autoscaling.v2",
    "Job": "batch.v1",
    "Namespace": "core.v1",
    "NetworkPolicy": "networking.v1",
    "PersistentVolume": "core.v1",
    "PersistentVolumeClaim": "core.v1",
    "Pod": "core.v1",
    "PodDisruptionBudget": "policy.v1",
    "Secret": "core.v1",
    "Service": "core.v1",
    "ServiceAccount": "core.v1",
    "StatefulSet": "apps.v1",
}
LWS = {
    "LeaderWorkerSet": {
        "fields": {
            "apiVersion": "string",
            "kind": "string",
            "metadata": "ObjectMeta",
            "spec": "LeaderWorkerSetSpec",
            "status": "any",
        }
    },
    "LeaderWorkerSetSpec": {
        "fields": {
            "replicas": "integer",
            "leaderWorkerTemplate": "LeaderWorkerTemplate",
            "rolloutStrategy": "any",
            "startupPolicy": "string",
            "networkConfig": "LeaderWorkerSetNetwork",
        },
        "required": ["leaderWorkerTemplate"],
    },
    "LeaderWorkerSetNetwork": {"fields": {"subdomainPolicy": "string"}},
    "LeaderWorkerTemplate": {
        "fields": {
            "leaderTemplate": "PodTemplateSpec",
            "workerTemplate": "PodTemplateSpec",
            "size": "integer",
            "restartPolicy": "string",
            "subGroupPolicy": "any",
            "volumeClaimTemplates": "[PersistentVolumeClaim",
            "persistentVolumeClaimRetentionPolicy": "any",
        },
        "required": ["workerTemplate"],
    },
}


def short(reference: str) -> str:
    """Give the last word of a definition's name."""
    return reference.rpartition(".")[2]


def kind(schema: dict[str, Any], wanted: list[str]) -> str:
    """Give a field's type in one word: `[x` is a list of x, `{x` a map to x; definitions are added to ``wanted``."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        plain = {"Quantity": "quantity", "IntOrString": "port", "Time": "string", "MicroTime": "string"}
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


def build() -> dict[str, Any]:
    """Give the table: source, version, kinds by group, and every definition that they reach."""
    version = all_versions()[-1]
    folder = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
    file = max(folder.glob(f"v{version}*-local/_definitions.json"))
    definitions = json.loads(file.read_text())["$defs"]
    wanted = [n for n in definitions for k, g in KINDS.items() if n.endswith(f".{g}.{k}")]
    types: dict[str, Any] = {}
    while wanted:
        name = wanted.pop()
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
    groups = {k: g.removeprefix("core.").replace(".", "/") for k, g in KINDS.items()}
    groups["NetworkPolicy"] = "networking.k8s.io/v1"
    types.pop("FieldsV1", None)
    return {
        "source": f"schemas of the Kubernetes API {version} (Apache-2.0) in kubernetes-validate; LeaderWorkerSet v1",
        "kinds": {**groups, "LeaderWorkerSet": "leaderworkerset.x-k8s.io/v1"},
        "types": dict(sorted({**types, **LWS}.items())),
    }


def main() -> int:
    """Write the file, or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    table = build()
    lines = [f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in table["types"].items()]
    text = (
        f'{{\n"source": {json.dumps(table["source"])},\n"kinds": {json.dumps(table["kinds"], indent=1)},\n"types": {{\n'
        + ",\n".join(lines)
        + "\n}\n}\n"
    )
    if check:
        return int(OUT.read_text() != text)
    OUT.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
