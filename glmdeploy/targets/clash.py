"""Bundles of a workspace that would be the same Kubernetes objects: the one that is applied last would win."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Diagnostic, Level
from glmdeploy.targets.common import object_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glmdeploy.ignores import Settled
    from glmdeploy.spec import Spec
    from glmdeploy.workspace import Deployment, Workspace


def clashes(workspace: Workspace, bundles: Iterable[tuple[Deployment, Spec]]) -> Settled:
    """What is said of bundles with one name in one namespace, in the workspace's file: GLM024 and GLM025."""
    return workspace.source.settle(_found(workspace, bundles))


def _found(workspace: Workspace, bundles: Iterable[tuple[Deployment, Spec]]) -> Iterator[Diagnostic]:
    seen: dict[tuple[str, str], list[Deployment]] = {}
    for deployment, spec in bundles:
        if "kubernetes" not in spec.targets:
            continue
        place = (spec.namespace, object_name(spec))
        others = seen.setdefault(place, [])
        peers = [o for o in others if o.environment == deployment.environment]
        if others:
            yield _say(workspace, deployment, (peers or others)[0], place)
        others.append(deployment)


def _say(workspace: Workspace, late: Deployment, early: Deployment, place: tuple[str, str]) -> Diagnostic:
    namespace, name = place
    span = workspace.source.locate(_at(workspace, early))
    where = f"{span.path}:{span.line}" if span and span.line else workspace.source.path
    same = late.environment == early.environment
    return Diagnostic(
        "GLM024" if same else "GLM025",
        f"`{late.output}` and `{early.output}` are the same objects in Kubernetes: `{name}` in namespace `{namespace}`",
        Level.ERROR if same else Level.WARNING,
        at=_at(workspace, late),
        notes=(f"`{early.output}` is listed in {where}",),
        hint="give one of the profiles another `name`, or another `kubernetes.namespace`"
        if same
        else "give the environments a `kubernetes.namespace` of their own, unless each has a cluster of its own",
    )


def _at(workspace: Workspace, deployment: Deployment) -> tuple[str | int, ...]:
    return ("deployments", workspace.deployments.index(deployment), "output")
