"""Docker Compose: one file per host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.bundle import Artifact
from glmdeploy.plan import SHARED_MEMORY
from glmdeploy.process import EVERYWHERE, Slot
from glmdeploy.targets import objectstore
from glmdeploy.targets.common import (
    BIND_VARIABLE,
    LEADER_VARIABLE,
    by_host,
    header,
    health_command,
    image,
    needs_dockerfile,
    object_name,
)
from glmdeploy.targets.needs import binds_memory, needs
from glmdeploy.templating import render as render_template
from glmdeploy.units import GIB, gib

if TYPE_CHECKING:
    from glmdeploy.plan import Plan
    from glmdeploy.process import Process
    from glmdeploy.spec import Spec

_CACHE = "/root/.cache"  # the hub's and the kernels', for root in the engines' images
_KEY = "<GLMDEPLOY_API_KEY>"  # stands for the key until the container's shell reads it
_SECRETS = {"api-key": "api-key", "token": "hub-token"}  # key of the profile's secret -> name in Compose
_LEADER = f"${{{LEADER_VARIABLE}:?address of host 0 that all hosts reach}}"
_BIND = f"${{{BIND_VARIABLE}:-127.0.0.1}}"


def render(plan: Plan, processes: tuple[Process, ...]) -> tuple[Artifact, ...]:
    """``compose.yaml``, ``.env.example`` and ``weights.py``, in a folder per host when there are several; which goes where."""
    hosts = by_host(processes)
    files: list[Artifact] = []
    checker = render_template("kubernetes/weights.py.j2")  # pods run the same
    for host, ranks in hosts.items():
        folder = _folder(host, several=len(hosts) > 1)
        root = "/".join([".."] * (folder.count("/") + 1))
        files.append(Artifact(f"{folder}/compose.yaml", _file(plan, tuple(ranks), host, root)))
        files.append(Artifact(f"{folder}/.env.example", _example(plan, processes, host)))
        files.append(Artifact(f"{folder}/weights.py", f"# {header(plan.spec)}\n{checker}"))
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
        bind=_BIND,
        nvidia=spec.cluster.gpu.vendor == "nvidia",
        devices=[*needs(plan).devices, *spec.compose.devices],
        shared_memory=f"{SHARED_MEMORY // GIB}gb",
        path=_escape(spec.weights.path),
        cache=_CACHE,
        start_period=f"{plan.startup_seconds}s",
        **_weights(spec),
        secret_files=_secret_files(ranks[0]),
    )


def _weights(spec: Spec) -> dict[str, object]:
    """What checks the weights, and what downloads them into the volume where they come from the hub."""
    weights = spec.weights
    hub = [weights.hub, "--revision", weights.revision or "main"]
    check = ["--repository", *hub] if weights.hub else ["--folder", weights.path]
    return {
        "check": [_escape(w) for w in check],
        "download": [_escape(w) for w in hub],
        "hub_cache": f"{_CACHE}/huggingface/hub" if weights.hub else "",
        "token": _SECRETS["token"] if weights.hub and spec.hub_token_secret else "",
    }


def _built(spec: Spec) -> bool:
    return needs_dockerfile(spec) and not spec.image


def _example(plan: Plan, processes: tuple[Process, ...], host: int) -> str:
    return render_template(
        "compose/env.example.j2",
        header=header(plan.spec),
        several=plan.layout.nodes > 1,
        leader_variable=LEADER_VARIABLE,
        bind_variable=BIND_VARIABLE if host == processes[0].placement.host else "",
        open_api=not any(s.key == "api-key" for s in processes[0].secrets),
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
        several=plan.layout.nodes > 1,
        build=_built(plan.spec),
        store=plan.spec.weights.store,
        hub=plan.spec.weights.hub,
        size=gib(plan.spec.checkpoint.total_bytes),
        weights_path=plan.spec.weights.path,
    )


def _secret_files(process: Process) -> list[tuple[str, str]]:
    """Each secret by its name in Compose, and the variable that names its file on the host."""
    return [(_SECRETS[s.key], f"{s.variable}_FILE") for s in process.secrets]


def _name(process: Process) -> str:
    return process.role if process.role != "worker" else f"worker-{process.rank}"


def _service(plan: Plan, process: Process, ranks: tuple[Process, ...]) -> dict[str, object]:
    # the network of the host is also that of its other services: there the address is the user's to widen
    bind = "\0bind" if plan.layout.nodes > 1 else EVERYWHERE
    words = process.words(leader="\0leader", host=bind, api_key=_KEY)
    launcher = _launcher(process)
    first = _name(ranks[0])
    capability, why = _capability(plan, process)
    return {
        "name": _name(process),
        "entrypoint": [_escape(w) for w in launcher or words[:1]],
        "command": [_escape(w) for w in (words if launcher else words[1:])],
        "env": _environment(plan, process),
        "secrets": [_SECRETS[s.key] for s in process.secrets if s.key != "token"],  # the download alone needs the hub's
        "gpu_ids": [str(i) for i in process.placement.gpu_ids],
        "port": process.port,
        "ipc": "" if len(ranks) == 1 else "shareable" if process is ranks[0] else f"service:{first}",
        "after": "" if process is ranks[0] else first,
        "cap_add": capability,
        "cap_why": why,
        "health": [_escape(w) for w in _health(process, bind)],
        "timeout": f"{process.health.timeout + 5}s",
    }


def _health(process: Process, bind: str) -> list[str]:
    host = bind if process.has(Slot.HOST) and bind != EVERYWHERE else "127.0.0.1"
    return health_command(process, port=process.port, leader="'\0leader'", host=host)


def _environment(plan: Plan, process: Process) -> list[tuple[str, str]]:
    """The plan's variables, offline mode after a download, and the GPUs where no runtime hook picks them."""
    env = [(k, _escape(v)) for k, v in process.env]
    if plan.spec.weights.hub and "HF_HUB_OFFLINE" not in dict(process.env):
        env.append(("HF_HUB_OFFLINE", "1"))
    if needs(plan).devices:
        env.append((needs(plan).visible, ",".join(map(str, process.placement.gpu_ids))))
    return env


def _capability(plan: Plan, process: Process) -> tuple[list[str], str]:
    """What must be given back after all capabilities are dropped, and why."""
    if binds_memory(plan, process):
        return ["SYS_NICE"], "the runtime's seccomp profile lets mbind and set_mempolicy through only with it"
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
    """A word as Compose reads it: a dollar is doubled, placeholders become interpolations of their own."""
    return word.replace("$", "$$").replace("\0leader", _LEADER).replace("\0bind", _BIND)
