"""Write glmdeploy/manifests/custom.json: the fields of the custom resources that the checker of manifests knows.

They are read from the published CustomResourceDefinitions, which lie in the folders that are given; `SOURCES` says which
file of which repository was read. With `--check` nothing is written, those definitions
that are there are compared, and a difference is exit status 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import yaml

OUT = Path(__file__).parents[2] / "glmdeploy" / "manifests" / "custom.json"
SOURCES = {
    "leaderworkersets": "kubernetes-sigs/lws, config/crd/bases/leaderworkerset.x-k8s.io_leaderworkersets.yaml",
    "servicemonitors": "prometheus-operator 0.93.0, monitoring.coreos.com_servicemonitors.yaml",
    "podmonitors": "prometheus-operator 0.93.0, monitoring.coreos.com_podmonitors.yaml",
    "computedomains": "NVIDIA/k8s-dra-driver-gpu 22407113, crds/resource.nvidia.com_computedomains.yaml",
    "applications": "argoproj/argo-cd 37ee0097, manifests/crds/application-crd.yaml",
    "gitrepositories": "fluxcd/source-controller 39b711b1, source.toolkit.fluxcd.io_gitrepositories.yaml",
    "kustomizations": "fluxcd/kustomize-controller 186fb3b2, kustomize.toolkit.fluxcd.io_kustomizations.yaml",
}
# What a controller writes, and what is read from Kubernetes' own schemas.
_ANY = frozenset(["status", "operation"])
_OWN = {
    "leaderTemplate": "PodTemplateSpec",
    "workerTemplate": "PodTemplateSpec",
    "volumeClaimTemplates": "[PersistentVolumeClaim",
}


class Table:
    """The types of one or more definitions; equal ones share a name."""

    def __init__(self) -> None:
        self.types: dict[str, Any] = {}
        self.names: dict[str, str] = {}

    def kind(self, schema: dict[str, Any], name: str) -> str:
        """Give a field's type in one word, in the notation of `kubernetes.py`."""
        if schema.get("x-kubernetes-int-or-string"):
            return "port"
        if schema.get("type") == "array":
            return "[" + self.kind(schema["items"], name)
        if schema.get("type") == "object":
            if isinstance(schema.get("additionalProperties"), dict):
                return "{" + self.kind(schema["additionalProperties"], name)
            return self.struct(schema, name) if schema.get("properties") else "any"
        return str(schema.get("type", "any"))

    def struct(self, schema: dict[str, Any], name: str) -> str:
        """Give the name of a structure's type, which is added."""
        properties = schema["properties"]
        if set(properties) == {"matchExpressions", "matchLabels"}:
            return "LabelSelector"
        entry: dict[str, Any] = {"fields": {}}
        for field, inner in sorted(properties.items()):
            if field in _ANY:
                entry["fields"][field] = "any"
            else:
                entry["fields"][field] = _OWN.get(field) or self.kind(inner, name + field[:1].upper() + field[1:])
            limits(entry, field, inner)
        # what is left out and has a default is filled in before it is validated
        needed = sorted(f for f in schema.get("required", ()) if "default" not in properties[f])
        if needed:
            entry["required"] = needed
        text = json.dumps(entry)
        if text not in self.names:
            self.names[text] = name
            self.types[name] = entry
        return self.names[text]


def limits(entry: dict[str, Any], field: str, schema: dict[str, Any]) -> None:
    """Add what a field's values are limited to."""
    if "enum" in schema and "" not in schema["enum"]:
        entry.setdefault("words", {})[field] = schema["enum"]
    if "pattern" in schema:
        entry.setdefault("forms", {})[field] = schema["pattern"]
    if "minimum" in schema or "maximum" in schema:
        entry.setdefault("ranges", {})[field] = [schema.get("minimum"), schema.get("maximum")]


def build(folders: list[Path]) -> dict[str, Any]:
    """Give the table: sources, kinds by group, and every type that they reach, of the definitions that are there."""
    table, kinds, sources = Table(), {}, []
    for source, said in SOURCES.items():
        path = next((f / f"{source}.yaml" for f in folders if (f / f"{source}.yaml").exists()), None)
        if path is None:
            continue
        spec = yaml.safe_load(path.read_text())["spec"]
        kind, newest = spec["names"]["kind"], next(v for v in spec["versions"] if v["storage"])
        schema = newest["schema"]["openAPIV3Schema"]
        table.struct(schema, kind)
        table.types[kind]["fields"]["metadata"] = "ObjectMeta"
        kinds[kind] = f"{spec['group']}/{newest['name']}"
        sources.append(said)
    return {"source": "; ".join(sources), "kinds": kinds, "types": dict(sorted(table.types.items()))}


def agree(table: dict[str, Any]) -> bool:
    """Whether the file holds all of a table, which may be a part of it."""
    held = json.loads(OUT.read_text())
    return all(table[p].items() <= held[p].items() for p in ("kinds", "types")) and bool(table["kinds"])


def main() -> int:
    """Write the file, or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    table = build(given.folders)
    lines = [f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in table["types"].items()]
    text = (
        f'{{\n"source": {json.dumps(table["source"])},\n"kinds": {json.dumps(table["kinds"], indent=1)},\n"types": {{\n'
        + ",\n".join(lines)
        + "\n}\n}\n"
    )
    if given.check:
        return int(not agree(table))
    if table["kinds"].keys() != json.loads(OUT.read_text())["kinds"].keys():
        parser.error(f"all of {', '.join(SOURCES)} must be in the folders")
    OUT.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
