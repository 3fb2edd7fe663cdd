"""The targets: each turns a plan's processes into files. They never look at a framework."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.bundle import Bundle
from glmdeploy.targets import compose, dockerfile, gitops, kubernetes, script

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmdeploy.bundle import Artifact
    from glmdeploy.plan import Plan
    from glmdeploy.process import Process

    Render = Callable[[Plan, tuple[Process, ...]], tuple[Artifact, ...]]

TARGETS: dict[str, Render] = {
    "script": script.render,
    "compose": compose.render,
    "kubernetes": kubernetes.render,
    "argocd": gitops.render_argocd,
    "flux": gitops.render_flux,
}


def render(plan: Plan, processes: tuple[Process, ...]) -> Bundle:
    """The bundle of every target that the plan names, and a Dockerfile where an image must be built."""
    artifacts = [a for name in TARGETS if name in plan.spec.targets for a in TARGETS[name](plan, processes)]
    return Bundle((*artifacts, *dockerfile.render(plan)))
