"""Pairs of apiVersion and kind that no server has, or that nobody here knows: GLM834."""

from __future__ import annotations

import difflib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glmdeploy.diagnostics import Level
from glmdeploy.manifests import fields
from glmdeploy.manifests.references import EXTERNAL, annotated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.manifests.objects import Object, Unit

# How alike a kind must be to one that exists to be a slip: `ApplicationSet` is no slip of `Application`.
_ALIKE = 0.89
# How many minor versions are supported at a time: what an older one lost, no server has.
_SUPPORTED = 3
# Groups of projects that often stand beside an engine: that they exist is known, their kinds and fields are not.
_GROUPS = (
    "app.k8s.io",
    "argoproj.io",
    "autoscaling.k8s.io",
    "cert-manager.io",
    "cilium.io",
    "cloud.google.com",
    "cluster.x-k8s.io",
    "elbv2.k8s.aws",
    "external-secrets.io",
    "fluxcd.io",
    "gateway.networking.k8s.io",
    "gke.io",
    "grafana.com",
    "inference.networking.k8s.io",
    "inference.networking.x-k8s.io",
    "istio.io",
    "jobset.x-k8s.io",
    "k8s.cni.cncf.io",
    "karpenter.sh",
    "keda.sh",
    "kubeflow.org",
    "kueue.x-k8s.io",
    "kyverno.io",
    "leaderworkerset.x-k8s.io",
    "metallb.io",
    "monitoring.coreos.com",
    "monitoring.googleapis.com",
    "nfd.k8s-sigs.io",
    "nvidia.com",
    "open-cluster-management.io",
    "openshift.io",
    "operator.victoriametrics.com",
    "projectcalico.org",
    "projectcontour.io",
    "ray.io",
    "secrets-store.csi.x-k8s.io",
    "serving.kserve.io",
    "serving.knative.dev",
    "snapshot.storage.k8s.io",
    "traefik.io",
    "velero.io",
)


@cache
def table() -> dict[str, Any]:
    """What Kubernetes serves and served (`.ci/fields/kubernetes.py` writes the file)."""
    data: dict[str, Any] = json.loads((Path(__file__).parent / "kinds.json").read_text(encoding="utf-8"))
    return data


def check(u: Unit) -> Iterator[Diagnostic]:
    """Each object's pair of apiVersion and kind."""
    defined = {pair for o in u.of("CustomResourceDefinition") for pair in _defined(o)}
    for o in u.objects:
        version = o.root.get("apiVersion").text
        if version and o.kind not in table()["served"].get(version, ()) and (o.group, o.kind) not in defined:
            found = _pair(o, version)
            if found:
                yield found


def _defined(o: Object) -> Iterator[tuple[str, str]]:
    spec = o.root.get("spec")
    yield spec.get("group").text, spec.get("names", "kind").text


def _pair(o: Object, version: str) -> Diagnostic | None:
    removed = table()["removed"].get(version, {}).get(o.kind)
    if removed:
        return _removed(o, version, removed)
    custom = fields.table()["custom"]
    if o.kind in custom and custom[o.kind].rpartition("/")[0] == o.group:
        return None if custom[o.kind] == version else _other(o, version, [custom[o.kind]], Level.WARNING)
    if _built_in(o.group):
        elsewhere = sorted(api for api, kinds in table()["served"].items() if o.kind in kinds)
        return _other(o, version, elsewhere) if elsewhere else _nobody(o, version, _kinds(o.group))
    if slips := _slips(o):
        return _other(o, version, slips)
    near = difflib.get_close_matches(o.kind, [k for k in custom if _group(custom[k]) == o.group], 1, _ALIKE)
    known = any(o.group == g or o.group.endswith(f".{g}") for g in _GROUPS) or _annotated(o)
    return None if known and not near else _nobody(o, version, near)


def _slips(o: Object) -> list[str]:
    """Where the kind is, if the group is almost that, or none that a definition may have: those have a dot."""
    versions = [api for api, kinds in table()["served"].items() if o.kind in kinds]
    versions += [api for kind, api in fields.table()["custom"].items() if kind == o.kind]
    near = difflib.get_close_matches(o.group, [_group(api) for api in versions], 1, _ALIKE)
    return sorted(api for api in versions if _group(api) in near or "." not in o.group)


def _removed(o: Object, version: str, since: str) -> Diagnostic:
    """A version that is gone: a warning where a server that is still supported may have it."""
    now = sorted(api for api, kinds in table()["served"].items() if o.kind in kinds)
    hint = f"write `apiVersion: {now[0]}`" if now else "nothing replaces it"
    newest = table()["version"]
    lost = int(newest.partition(".")[2]) - int(since.partition(".")[2]) >= _SUPPORTED - 1
    message = f"`{version}` of {o.kind} was removed in Kubernetes {since}"
    level = Level.ERROR if lost else Level.WARNING
    return o.file.say("GLM834", message, o.root.get("apiVersion"), hint=hint, level=level)


def _other(o: Object, version: str, known: list[str], level: Level = Level.ERROR) -> Diagnostic:
    message = f"{o.kind} is `{known[0]}`, not `{version}`"
    return o.file.say("GLM834", message, o.root.get("apiVersion"), hint=f"write `{known[0]}`", level=level)


def _nobody(o: Object, version: str, known: list[str]) -> Diagnostic:
    near = difflib.get_close_matches(o.kind, known, 1, _ALIKE)
    if near:
        hint = f"did you mean `{near[0]}`?"
        return o.file.say("GLM834", f"no `{o.kind}` in `{version}`", o.root.get("kind"), hint=hint)
    message = f"`{version}` `{o.kind}` is not known: its fields are not judged"
    hint = (
        f"Kubernetes {table()['version']} has none; if a CustomResourceDefinition defines it, add that, "
        f"or the annotation `{EXTERNAL}: CustomResourceDefinition/{o.kind.lower()}s.{o.group or 'GROUP'}`"
    )
    return o.file.say("GLM834", message, o.root.get("kind"), hint=hint, level=Level.WARNING)


def _annotated(o: Object) -> bool:
    """Whether the object says that a definition of its group exists elsewhere."""
    return any(w.startswith("CustomResourceDefinition/") and w.endswith(f".{o.group}") for w in annotated(o.root))


def _group(version: str) -> str:
    return version.rpartition("/")[0]


@cache
def _built_in(group: str) -> bool:
    return any(_group(api) == group for part in ("served", "removed") for api in table()[part])


def _kinds(group: str) -> list[str]:
    return sorted({k for api, kinds in table()["served"].items() if _group(api) == group for k in kinds})
