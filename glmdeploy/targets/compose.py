"""Docker Compose: one file per host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.bundle import Artifact
from glmdeploy.process import Slot
from glmdeploy.targets import objectstore
from glmdeploy.targets.common import (
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
    from glmdeploy.spec import Spec

_CACHE = "/root/.cache"  # the hub's and the kernels', for root in the engines' images
_KEY = "<GLMDEPLOY_API_KEY>"  # stands for the key until the container's shell reads it
_SECRETS = {"api-key": "api-key", "token": "hub-token"}  # key of the profile's secret -> name in Compose
_LEADER = f"${{{LEADER_VARIABLE}:?address of host 0 that all hosts reach}}"


def render(plan: Plan, processes: tuple[Process, ...]) -> tuple[Artifact, ...]:
    """``compose.yaml`` and ``.env.example``, in a folder per host when there are several; which goes where."""
    hosts = by_host(processes)
    files: list[Artifact] = []
    for host, ranks in hosts.items():
        folder = _folder(host, several=len(hosts) > 1)
        root = "/".join([".."] * (folder.count("/") + 1))
        files.append(Artifact(f"{folder}/compose.yaml", _file(plan, tuple(ranks), host, root)))
        files.append(Artifact(f"{folder}/.env.example", _example(plan, processes)))
    download = (objectstore.script(plan, "compose"),) if plan.spec.weights.store else ()
    return (*files, *download, Artifact("compose/README.md", _readme(plan, hosts)))


def _folder(host: int, *, several: bool) -> str:
    return f"compose/host-{host}" if several else "compose"


def _file(plan: Plan, ranks: tuple[Process, ...], host: int, root: str) -> str:
    spec = plan.spec
    several = plan.layout.nodes > 1
    return render_template(
        "compose/compose.yaml.j2",
        header=header(spec),
        project=object_name(spec) + (f"-host-{host}" if several else ""),
        host=host,
        several=several,
        services=[_service(plan, process, ranks) for process in ranks],
        image=_escape(image(spec)),
        build=root if _built(spec) else "",
        vendor=spec.cluster.gpu.vendor,
        shared_memory=f"{SHARED_MEMORY // GIB}gb",
        path=_escape(spec.weights.path),
        cache=_CACHE,
        start_period=f"{plan.startup_seconds}s",
        secret_files=_secret_files(ranks[0]),
    )


def _built(spec: Spec) -> bool:
    return needs_dockerfile(spec) and not spec.image


def _example(plan: Plan, processes: tuple[Process, ...]) -> str:
    return render_template(
        "compose/env.example.j2",
        header=header(plan.spec),
        several=plan.layout.nodes > 1,
        leader_variable=LEADER_VARIABLE,
        port=processes[0].port,
        secret_files=_secret_files(processes[0]),
    )


def _readme(plan: Plan, hosts: dict[int, list[Process]]) -> str:
    return render_template(
        "compose/README.md.j2",
        header=header(plan.spec),
        name=plan.spec.name,
        hosts=[
            {
                "host": host,
                "folder": _folder(host, several=len(hosts) > 1),
                "services": ", ".join(
                    f"`{_name(p)}` (rank {p.rank}, GPUs {','.join(map(str, p.placement.gpu_ids))}, port {p.port})"
                    for p in ranks
                ),
            }
            for host, ranks in hosts.items()
        ],
        start_period=f"{plan.startup_seconds} s",
        build=_built(plan.spec),
        store=plan.spec.weights.store,
        weights_path=plan.spec.weights.path,
    )


def _secret_files(process: Process) -> list[tuple[str, str]]:
    """Each secret by its name in Compose, and the variable that names its file on the host."""
    return [(_SECRETS[s.key], f"{s.variable}_FILE") for s in process.secrets]


def _name(process: Process) -> str:
    return process.role if process.role != "worker" else f"worker-{process.rank}"


def _service(plan: Plan, process: Process, ranks: tuple[Process, ...]) -> dict[str, object]:
    words = process.words(leader="\0leader", api_key=_KEY)
    launcher = _launcher(process)
    env = [(k, _escape(v)) for k, v in process.env]
    if any(s.variable == "HF_TOKEN" for s in process.secrets):
        env.append(("HF_TOKEN_PATH", f"/run/secrets/{_SECRETS['token']}"))
    first = _name(ranks[0])
    capability, why = _capability(plan, process)
    return {
        "name": _name(process),
        "entrypoint": [_escape(w) for w in launcher or words[:1]],
        "command": [_escape(w) for w in (words if launcher else words[1:])],
        "env": env,
        "secrets": [name for name, _ in _secret_files(process)],
        "gpu_ids": [str(i) for i in process.placement.gpu_ids],
        "render_nodes": [f"/dev/dri/renderD{128 + i}" for i in process.placement.gpu_ids],
        "port": process.port,
        "ipc": "" if len(ranks) == 1 else "shareable" if process is ranks[0] else f"service:{first}",
        "after": "" if process is ranks[0] else first,
        "cap_add": capability,
        "cap_why": why,
        "health": [_escape(w) for w in health_command(process, port=process.port, leader="'\0leader'")],
        "timeout": f"{process.health.timeout + 5}s",
    }


def _capability(plan: Plan, process: Process) -> tuple[list[str], str]:
    """What must be given back after all capabilities are dropped, and why."""
    if process.cpu.flags:
        return ["SYS_NICE"], "memory is bound to NUMA nodes (mbind, set_mempolicy)"
    if plan.spec.cluster.gpu.vendor == "amd":
        return ["SYS_PTRACE"], "ranks read each other's memory (vLLM's ROCm documents)"
    return [], ""


def _launcher(process: Process) -> list[str]:
    """A shell that reads the API key from its file, for engines that want it in the environment or on the line."""
    variable = next((s.variable for s in process.secrets if s.key == "api-key"), "")
    if not variable:
        return []
    read = f"{variable}=$(cat /run/secrets/{_SECRETS['api-key']})"
    if not process.has(Slot.API_KEY):
        return ["/bin/sh", "-ec", f'{read}; export {variable}; exec "$@"', "sh"]
    put = f'[ "$word" != "{_KEY}" ] || word=${variable}'
    return ["/bin/sh", "-ec", f'{read}; for word do shift; {put}; set -- "$@" "$word"; done; exec "$@"', "sh"]


def _escape(word: str) -> str:
    """A word as Compose reads it: a dollar is doubled, the placeholder becomes its own interpolation."""
    return word.replace("$", "$$").replace("\0leader", _LEADER)
