"""Launch scripts: one per role, for hosts without containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.bundle import Artifact
from glmdeploy.process import Slot
from glmdeploy.targets.common import SHARED_MEMORY, driver, header
from glmdeploy.templating import render as render_template
from glmdeploy.templating import sh
from glmdeploy.units import GIB

if TYPE_CHECKING:
    from glmdeploy.plan import Plan
    from glmdeploy.process import Process, Word

_HOLES = {
    Slot.RANK: '"${rank}"',
    Slot.PORT: '"${port}"',
    Slot.LEADER: '"${leader}"',
    Slot.API_KEY: '"${api_key}"',
}


def render(plan: Plan, processes: tuple[Process, ...]) -> tuple[Artifact, ...]:
    """``serve.sh`` for one rank, else ``leader.sh`` and ``worker.sh``."""
    roles: dict[str, list[Process]] = {}
    for process in processes:
        roles.setdefault(process.role, []).append(process)
    name = {"server": "serve"}
    return tuple(
        Artifact(f"script/{name.get(role, role)}.sh", _script(plan, role, ranks), executable=True)
        for role, ranks in roles.items()
    )


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
        needs_leader=any(w for w in first.argv if not isinstance(w, str) and w.slot is Slot.LEADER),
        lines=_lines(first.argv),
        api_key=any(w for w in first.argv if not isinstance(w, str) and w.slot is Slot.API_KEY),
        env=first.env,
        secrets=[s.variable for s in first.secrets],
        vendor=spec.cluster.gpu.vendor,
        visible="CUDA_VISIBLE_DEVICES" if spec.cluster.gpu.vendor == "nvidia" else "HIP_VISIBLE_DEVICES",
        gpus=len(first.placement.gpu_ids),
        gpu_name=spec.cluster.gpu.name,
        memory_mib=spec.cluster.gpu.memory_mib * 97 // 100,  # ECC and firmware move it a little
        driver=driver(spec),
        shared_memory_kib=SHARED_MEMORY // 1024,
        shared_memory_gib=SHARED_MEMORY // GIB,
        weights_path=spec.weights.path,
        hub_folder=f"models--{spec.weights.hub.replace('/', '--')}",
        checkpoint_kib=-(-spec.checkpoint.total_bytes // 1024),
        host_memory_kib=-(-first.host_memory // 1024),
    )


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
