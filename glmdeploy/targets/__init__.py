"""The targets: each turns a plan's processes into files. They never look at a framework."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.bundle import Bundle
from glmdeploy.targets import compose, declared, dockerfile, gitops, kubernetes, script, slurm, systemd

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
    "systemd": systemd.render,
    "slurm": slurm.render,
    "argocd": gitops.render_argocd,
    "flux": gitops.render_flux,
}
# What a target's files run, so that it is rendered as well.
NEEDS = {"systemd": "script", "slurm": "script"}


def render(plan: Plan, processes: tuple[Process, ...]) -> Bundle:
    """The bundle of every target that the plan names, what these need, and a Dockerfile where an image must be built."""
    wanted = {*plan.spec.targets, *(NEEDS[name] for name in plan.spec.targets if name in NEEDS)}
    artifacts = [a for name in TARGETS if name in wanted for a in TARGETS[name](plan, processes)]
    spec = plan.spec
    everything = (*artifacts, *dockerfile.render(plan))
    return Bundle(everything, declared.external(spec), spec.image_digest, plan=declared.summary(plan))
