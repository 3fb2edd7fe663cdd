"""A Dockerfile that pins the wheels, where no documented image carries the framework version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy import images
from glmdeploy.bundle import Artifact
from glmdeploy.targets.common import built_image, header, needs_dockerfile
from glmdeploy.templating import render as render_template

if TYPE_CHECKING:
    from glmdeploy.plan import Plan


def render(plan: Plan) -> tuple[Artifact, ...]:
    """``Dockerfile`` at the bundle's root, or nothing."""
    spec = plan.spec
    if not needs_dockerfile(spec) or not spec.container_targets:
        return ()
    text = render_template(
        "docker/Dockerfile.j2",
        header=header(spec),
        base=images.pinned(spec, spec.framework.base_image),
        bare=spec.framework.image_required,
        packages=[p.format(version=spec.version) for p in spec.framework.packages],
        tag=spec.image or built_image(spec),
    )
    return (Artifact("Dockerfile", text),)
