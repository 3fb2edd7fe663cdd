"""Launch scripts: one per role, for hosts without containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.bundle import Artifact
from glmdeploy.plan import SHARED_MEMORY
from glmdeploy.process import EVERYWHERE, Slot
from glmdeploy.targets import objectstore
from glmdeploy.targets.common import BIND_VARIABLE, PROBE_PERIOD, driver, header, start_words
from glmdeploy.targets.needs import needs
from glmdeploy.templating import render as render_template
from glmdeploy.templating import sh
from glmdeploy.units import GIB

if TYPE_CHECKING:
    from glmdeploy.plan import Plan
    from glmdeploy.process import Process, Word

_HOLES = {
    Slot.RANK: '"${rank}"',
    Slot.PORT: '"${port}"',
    Slot.HOST: '"${bind}"',
    Slot.LEADER: '"${leader}"',
    Slot.API_KEY: '"${api_key}"',
}


def render(plan: Plan, processes: tuple[Process, ...]) -> tuple[Artifact, ...]:
    """``serve.sh`` for one rank, else ``leader.sh`` and ``worker.sh``; ``download.sh``; which runs where."""
    roles: dict[str, list[Process]] = {}
    for process in processes:
        roles.setdefault(process.role, []).append(process)
    scripts = [
        Artifact(f"script/{start_words(ranks[0])[0]}", _script(plan, role, ranks), executable=True)
        for role, ranks in roles.items()
    ]
    return (*scripts, *_download(plan), Artifact("script/README.md", _readme(plan, processes)))


def _download(plan: Plan) -> tuple[Artifact, ...]:
    """``download.sh``, where a download brings the weights."""
    weights = plan.spec.weights
    if weights.store:
        return (objectstore.script(plan, "script"),)
    return (Artifact("script/download.sh", _hub_download(plan), executable=True),) if weights.hub else ()


def _hub_download(plan: Plan) -> str:
    spec = plan.spec
    return render_template(
        "script/download.sh.j2",
        header=header(spec),
        repo=spec.weights.hub,
        revision=spec.weights.revision,
        hub_folder=_hub_folder(plan),
        checkpoint_kib=_checkpoint_kib(plan),
    )


def _readme(plan: Plan, processes: tuple[Process, ...]) -> str:
    return render_template(
        "script/README.md.j2",
        header=header(plan.spec),
        name=plan.spec.name,
        ranks=[{**_rank(p), "command": " ".join(["./" + start_words(p)[0], *start_words(p)[1:]])} for p in processes],
        several=len(processes) > 1,
        meeting_port=processes[0].meeting_port,
        download=plan.spec.weights.fetched,
        folder=plan.spec.weights.path,
    )


def _hub_folder(plan: Plan) -> str:
    return f"models--{plan.spec.weights.hub.replace('/', '--')}"


def _checkpoint_kib(plan: Plan) -> int:
    return -(-plan.spec.checkpoint.total_bytes // 1024)


def _ports(process: Process) -> list[str]:
    """The ports that the process listens on, as words of the script."""
    own = ['"${port}"'] if process.health.path else []
    return [*own, *([str(process.meeting_port)] if process.meeting_port and process.rank == 0 else [])]


def _script(plan: Plan, role: str, ranks: list[Process]) -> str:
    spec, first = plan.spec, ranks[0]
    return render_template(
        "script/rank.sh.j2",
        header=header(spec),
        name=spec.name,
        role=role,
        ranks=[_rank(r) for r in ranks],
        many=role == "worker",
        ranks_in_all=plan.layout.nodes,
        needs_leader=first.has(Slot.LEADER) or bool(first.health.leader_port),
        lines=_lines(first.argv),
        api_key=first.has(Slot.API_KEY),
        bind_variable=BIND_VARIABLE if first.has(Slot.HOST) else "",
        everywhere=EVERYWHERE,
        open_api=_open(first),
        env=first.env,
        secrets=[s.variable for s in first.secrets],
        vendor=spec.cluster.gpu.vendor,
        visible=needs(plan).visible,
        gpus=len(first.placement.gpu_ids),
        gpu_name=spec.cluster.gpu.name,
        memory_mib=spec.cluster.gpu.memory_mib * 97 // 100,  # ECC and firmware move it a little
        driver=driver(spec),
        shared_memory_kib=SHARED_MEMORY // 1024,
        shared_memory_gib=SHARED_MEMORY // GIB,
        weights_path=spec.weights.path,
        revision=spec.weights.revision or "main",
        hub_folder=_hub_folder(plan),
        checkpoint_kib=_checkpoint_kib(plan),
        host_memory_kib=-(-first.host_memory // 1024),
        cpu_flags=" ".join(first.cpu.flags),
        cores=first.cpu.cores,
        numa_nodes=first.cpu.numa_nodes,
        ports=_ports(first),
        health_path=first.health.path,
        health_timeout=first.health.timeout,
        leader_port=first.health.leader_port,
        period=PROBE_PERIOD,
    )


def _open(process: Process) -> bool:
    """Whether the process answers requests of anybody who reaches it: where it listens is up to the host's owner."""
    keyed = any(s.key == "api-key" for s in process.secrets)
    return process.role != "worker" and process.has(Slot.HOST) and not keyed


def _rank(process: Process) -> dict[str, str | int]:
    place = process.placement
    return {
        "rank": process.rank,
        "host": place.host,
        "gpus": ",".join(map(str, place.gpu_ids)),
        "port": process.port,
    }


def _word(word: Word) -> str:
    """One word of the command, quoted; a hole becomes a quoted variable."""
    return sh(word) if isinstance(word, str) else _HOLES[word.slot] + (sh(word.suffix) if word.suffix else "")


def _lines(words: tuple[Word, ...]) -> list[str]:
    """The command a line per option with its values, for a reader of diffs."""
    lines: list[list[str]] = [[]]
    for word in words:
        if isinstance(word, str) and word.startswith("--"):
            lines.append([])
        lines[-1].append(_word(word))
    return [" ".join(line) for line in lines]
