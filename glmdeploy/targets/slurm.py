"""Slurm: a batch job that asks by task, and what each task starts: a script of the script target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.bundle import Artifact
from glmdeploy.targets.common import by_host, header, image, object_name, start_words
from glmdeploy.templating import argv
from glmdeploy.templating import render as render_template

if TYPE_CHECKING:
    from glmdeploy.plan import Plan
    from glmdeploy.process import Process
    from glmdeploy.spec import Spec

# Where Slurm writes a task's GPUs (gres.conf manual, AutoDetect nvml and rsmi).
_VISIBLE = {"nvidia": "CUDA_VISIBLE_DEVICES", "amd": "ROCR_VISIBLE_DEVICES"}


def render(plan: Plan, processes: tuple[Process, ...]) -> tuple[Artifact, ...]:
    """``job.sh`` for sbatch, ``rank.sh`` for srun, and how to submit."""
    return (
        Artifact("slurm/job.sh", _job(plan, processes), executable=True),
        Artifact("slurm/rank.sh", _rank(plan, processes), executable=True),
        Artifact("slurm/README.md", _readme(plan, processes)),
    )


def cpus_per_task(spec: Spec, tasks_per_node: int) -> int:
    """The cores of one rank: as asked, or its share of the host's; 0 when nobody said."""
    return spec.slurm.cpus_per_task or spec.cluster.cpu_cores // tasks_per_node


def _tasks_per_node(processes: tuple[Process, ...]) -> int:
    return max(len(ranks) for ranks in by_host(processes).values())


def _job(plan: Plan, processes: tuple[Process, ...]) -> str:
    spec, hosts = plan.spec, by_host(processes)
    gpus = len(processes[0].placement.gpu_ids)
    section = spec.slurm
    options = [(k, getattr(section, k)) for k in ("partition", "account", "qos", "time")]
    return render_template(
        "slurm/job.sh.j2",
        header=header(spec),
        job=object_name(spec),
        nodes=len(hosts),
        tasks=len(processes),
        tasks_per_node=_tasks_per_node(processes),
        gpus=gpus,
        cpus=cpus_per_task(spec, _tasks_per_node(processes)),
        exclusive=all(len(ranks) * gpus == spec.cluster.gpus_per_node for ranks in hosts.values()),
        options=[(k, v) for k, v in options if v],
        container_image=_enroot(image(spec)) if section.container == "pyxis" else "",
        weights_path=spec.weights.path,
        mount=f"{spec.weights.path}:{spec.weights.path}:ro",
    )


def _enroot(reference: str) -> str:
    """An image as enroot writes it: `REGISTRY#PATH:TAG`, and no registry for the default one."""
    registry, slash, path = reference.partition("/")
    return f"{registry}#{path}" if slash and ("." in registry or ":" in registry) else reference


def _rank(plan: Plan, processes: tuple[Process, ...]) -> str:
    return render_template(
        "slurm/rank.sh.j2",
        header=header(plan.spec),
        tasks=len(processes),
        ranks=[{"rank": p.rank, "words": argv(start_words(p))} for p in processes],
        slurm_visible=_VISIBLE[plan.spec.cluster.gpu.vendor],
        port=plan.spec.port,
        side_by_side=any(p.port != plan.spec.port for p in processes),
    )


def _readme(plan: Plan, processes: tuple[Process, ...]) -> str:
    return render_template(
        "slurm/README.md.j2",
        header=header(plan.spec),
        name=plan.spec.name,
        hosts=[{"host": h, "ranks": ", ".join(str(p.rank) for p in ranks)} for h, ranks in by_host(processes).items()],
        gpus=len(processes[0].placement.gpu_ids),
        names=", ".join(s.variable for s in processes[0].secrets),
        download=plan.spec.weights.fetched,
        cpus=cpus_per_task(plan.spec, _tasks_per_node(processes)),
    )
