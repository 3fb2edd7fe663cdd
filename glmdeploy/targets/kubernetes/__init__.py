"""Plain Kubernetes manifests under a kustomization: a Deployment for one rank, a LeaderWorkerSet for several."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from glmdeploy.bundle import Artifact
from glmdeploy.targets.common import header, object_name
from glmdeploy.targets.kubernetes import network
from glmdeploy.targets.kubernetes.pod import Group, progress_seconds
from glmdeploy.targets.kubernetes.storage import JOB_DIGEST, Store
from glmdeploy.templating import render as render_template

if TYPE_CHECKING:
    from glmdeploy.plan import Plan
    from glmdeploy.process import Process

__all__ = ["progress_seconds", "render"]

CODE_LICENSE = "Apache-2.0"  # SGLang, vLLM, Transformers and KTransformers alike


def render(plan: Plan, processes: tuple[Process, ...]) -> tuple[Artifact, ...]:
    """The workload, what it needs and what guards it, and the kustomization that names them all."""
    store, group = Store(plan), Group(plan, processes)
    context = {**_identity(plan), **store.context(), **group.context(), **network.context(plan)}
    texts = {
        name: render_template(f"kubernetes/{template}.yaml.j2", member=member, **context)
        for name, template, member in _files(plan, store, group)
    }
    if "download" in texts:
        # the template of a Job cannot be changed: another Job has another name
        digest = hashlib.sha256(texts["download"].encode()).hexdigest()[:8]
        texts["download"] = texts["download"].replace(JOB_DIGEST, digest)
    files = [Artifact(f"kubernetes/{name}.yaml", text) for name, text in texts.items()]
    kustomization = render_template(
        "kubernetes/kustomization.yaml.j2", resources=[f"{n}.yaml" for n in texts], **context
    )
    return (*files, Artifact("kubernetes/kustomization.yaml", kustomization))


def _files(plan: Plan, store: Store, group: Group) -> list[tuple[str, str, dict[str, object]]]:
    """The files of the bundle: name, template, and the workload that they are about."""
    site, members = plan.spec.kubernetes, group.members()
    wanted = {
        "leaderworkerset" if group.several else "deployment": True,
        "service": True,
        "scripts": True,
        "persistentvolumeclaim": store.makes_claim,
        "cache": store.makes_cache and not group.several,  # a LeaderWorkerSet makes one for each of its pods
        "download": store.makes_claim,
        "networkpolicy": True,
        "poddisruptionbudget": plan.layout.replicas > 1,
        "servicemonitor": site.monitor == "service",
        "podmonitor": site.monitor == "pod",
        "computedomain": bool(group.domain),
    }
    each = {"leaderworkerset", "computedomain"}
    return [
        (template + str(member["suffix"] if template in each else ""), template, member)
        for template, want in wanted.items()
        if want
        for member in (members if template in each else members[:1])
    ]


def _identity(plan: Plan) -> dict[str, object]:
    """Names, labels and licences that every object carries."""
    spec, name = plan.spec, object_name(plan.spec)
    common = [
        ("app.kubernetes.io/name", "glm-5.2"),
        ("app.kubernetes.io/instance", name),
        ("app.kubernetes.io/version", str(spec.version).replace("+", "-")),
        ("app.kubernetes.io/part-of", "glm-5.2"),
        ("app.kubernetes.io/managed-by", "glmdeploy"),
    ]
    own = sorted(spec.kubernetes.labels.items())
    return {
        "header": header(spec),
        "name": name,
        "namespace": spec.namespace,
        "labels": [*common, ("app.kubernetes.io/component", "inference-server"), *own],
        "download_labels": [*common, ("app.kubernetes.io/component", "download"), *own],
        "annotations": [
            ("glmdeploy/license-of-weights", spec.model.license),
            ("glmdeploy/license-of-code", CODE_LICENSE),
        ],
        "replicas": plan.layout.replicas,
        "size": plan.layout.nodes,
        "service_port": spec.port,
    }
