"""Docker Compose: one file per host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.bundle import Artifact
from glmdeploy.targets.common import (
    HUB_CACHE,
    LEADER_VARIABLE,
    SHARED_MEMORY,
    by_host,
    header,
    health_command,
    image,
    needs_dockerfile,
    object_name,
)
from glmdeploy.templating import render as render_template
from glmdeploy.units import GIB

if TYPE_CHECKING:
    from glmdeploy.plan import Plan
    from glmdeploy.process import Process

_LEADER = f"${{{LEADER_VARIABLE}:?address of host 0 that all hosts reach}}"


def render(plan: Plan, processes: tuple[Process, ...]) -> tuple[Artifact, ...]:
    """``compose/compose.yaml``, or one in a folder per host when there are several."""
    hosts = by_host(processes)
    if len(hosts) == 1:
        return (
            Artifact(
                "compose/compose.yaml",
                _file(plan, processes, 0, ".."),
            ),
        )
    return tuple(
        Artifact(
            f"compose/host-{h}/compose.yaml",
            _file(plan, tuple(ranks), h, "../.."),
        )
        for h, ranks in hosts.items()
    )


def _file(plan: Plan, ranks: tuple[Process, ...], host: int, root: str) -> str:
    spec = plan.spec
    several = plan.layout.nodes > 1
    return render_template(
        "compose/compose.yaml.j2",
        header=header(spec),
        project=object_name(spec) + (f"-host-{host}" if several else ""),
        host=host,
        several=several,
        services=[_service(process, several=several) for process in ranks],
        image=_escape(image(spec)),
        build=root if needs_dockerfile(spec) and not spec.image else "",
        vendor=spec.cluster.gpu.vendor,
        shared_memory=f"{SHARED_MEMORY // GIB}gb",
        path=_escape(spec.weights.path),
        cache=HUB_CACHE,
        start_period=f"{plan.startup_seconds}s",
        leader_variable=LEADER_VARIABLE,
    )


def _service(process: Process, *, several: bool) -> dict[str, object]:
    words = process.words(leader="\0leader", api_key="\0key")
    return {
        "name": process.role if process.role != "worker" else f"worker-{process.rank}",
        "entrypoint": [_escape(words[0])],
        "command": [_escape(w) for w in words[1:]],
        "env": [(k, _escape(v)) for k, v in process.env],
        "secrets": [(s.variable, f"${{{s.variable}:?secret {s.secret}, key {s.key}}}") for s in process.secrets],
        "gpu_ids": [str(i) for i in process.placement.gpu_ids],
        "render_nodes": [f"/dev/dri/renderD{128 + i}" for i in process.placement.gpu_ids],
        "port": 0 if several else process.port,
        "health": [_escape(w) for w in health_command(process, port=process.port, leader="'\0leader'")],
        "timeout": f"{process.health.timeout + 5}s",
    }


def _escape(word: str) -> str:
    """A word as Compose reads it: a dollar is doubled, the placeholders become its own interpolation."""
    word = word.replace("$", "$$")
    return word.replace("\0leader", _LEADER).replace("\0key", "${GLMDEPLOY_API_KEY:?}")
