"""systemd: one unit per rank, in a folder per host; each runs a script of the script target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.bundle import Artifact
from glmdeploy.process import Slot
from glmdeploy.targets.common import BIND_VARIABLE, LEADER_VARIABLE, by_host, header, object_name, start_words
from glmdeploy.targets.needs import needs
from glmdeploy.templating import argv
from glmdeploy.templating import render as render_template

if TYPE_CHECKING:
    from glmdeploy.plan import Plan
    from glmdeploy.process import Process

USER = "glmdeploy"


def render(plan: Plan, processes: tuple[Process, ...]) -> tuple[Artifact, ...]:
    """A unit per rank, named by its rank where there are several; what to copy where."""
    units = [Artifact(f"systemd/{_path(plan, p)}", _unit(plan, p, processes)) for p in processes]
    return (*units, Artifact("systemd/README.md", _readme(plan, processes)))


def _name(plan: Plan, process: Process) -> str:
    several = plan.layout.nodes > 1
    return f"{object_name(plan.spec)}@{process.rank}.service" if several else f"{object_name(plan.spec)}.service"


def _path(plan: Plan, process: Process) -> str:
    return f"host-{process.placement.host}/{_name(plan, process)}"


def _unit(plan: Plan, process: Process, processes: tuple[Process, ...]) -> str:
    name = object_name(plan.spec)
    return render_template(
        "systemd/unit.service.j2",
        header=header(plan.spec),
        name=name,
        several=plan.layout.nodes > 1,
        user=USER,
        script=argv([f"/opt/glmdeploy/{name}/{start_words(process)[0]}", *start_words(process)[1:]]),
        start=plan.startup_seconds,
        peers=" ".join(_name(plan, p) for p in by_host(processes)[process.placement.host] if p is not process),
        **_rank(process),
    )


def _rank(process: Process) -> dict[str, str | int]:
    place = process.placement
    return {
        "rank": process.rank,
        "host": place.host,
        "gpus": ",".join(map(str, place.gpu_ids)),
        "port": process.port,
    }


def _readme(plan: Plan, processes: tuple[Process, ...]) -> str:
    leader = [LEADER_VARIABLE] if any(p.has(Slot.LEADER) or p.health.leader_port for p in processes) else []
    return render_template(
        "systemd/README.md.j2",
        header=header(plan.spec),
        name=object_name(plan.spec),
        ranks=[{**_rank(p), "unit": _path(plan, p)} for p in processes],
        several=plan.layout.nodes > 1,
        user=USER,
        groups=needs(plan).groups,
        nvidia=plan.spec.cluster.gpu.vendor == "nvidia",
        names=[*leader, *(s.variable for s in processes[0].secrets)],
        bind_variable=BIND_VARIABLE if processes[0].has(Slot.HOST) else "",
        open_api=not any(s.key == "api-key" for s in processes[0].secrets),
        units=[_name(plan, p) for p in processes],
        download=plan.spec.weights.fetched,
        tool="rclone" if plan.spec.weights.store else "hf",
        folder=plan.spec.weights.path,
        start=plan.startup_seconds,
    )
