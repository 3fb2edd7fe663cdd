"""Argo CD and Flux: the object that points at the committed Kubernetes files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glmdeploy.bundle import Artifact
from glmdeploy.targets.common import header, object_name
from glmdeploy.templating import render as render_template

if TYPE_CHECKING:
    from glmdeploy.plan import Plan
    from glmdeploy.process import Process

_COMMIT = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_SCP = re.compile(r"\A([^\s/:@]+@[^\s/:@]+):/?(\S+)\Z")


def render_argocd(plan: Plan, _: tuple[Process, ...]) -> tuple[Artifact, ...]:
    """An Application."""
    return (_artifact(plan, "argocd/application.yaml", "argocd"),)


def render_flux(plan: Plan, _: tuple[Process, ...]) -> tuple[Artifact, ...]:
    """A GitRepository, and the Kustomization of its folder."""
    names = ("gitrepository", "kustomization")
    return tuple(_artifact(plan, f"flux/{name}.yaml", "flux-system") for name in names)


def _artifact(plan: Plan, path: str, namespace: str) -> Artifact:
    spec, git = plan.spec, plan.spec.git
    revision = git.revision or ""
    text = render_template(
        f"{path}.j2",
        header=header(spec),
        name=object_name(spec),
        namespace=git.namespace or namespace,
        destination=spec.namespace,
        project=git.project,
        repository=git.repository or "",
        address=_SCP.sub(r"ssh://\1/\2", git.repository or ""),
        secret=git.secret or "",
        path=(git.path or "").strip("/"),
        revision=revision,
        reference=_reference(revision),
    )
    return Artifact(path, text)


def _reference(revision: str) -> str:
    """Flux's word for a revision: a commit, a full reference, or a branch (GLM552 speaks of what looks like a tag)."""
    if _COMMIT.match(revision):
        return "commit"
    return "name" if revision.startswith("refs/") else "branch"
