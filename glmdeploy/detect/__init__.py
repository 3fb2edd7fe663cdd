"""What one host is, as the `cluster` section of a profile: read, matched with the catalogue, judged.

Nothing of the host that is not the profile's business leaves this package: no host name, serial number, UUID or address.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glmdeploy import catalog
from glmdeploy.detect import amd, judge, nvidia, system, tools
from glmdeploy.detect.disk import disk
from glmdeploy.detect.judge import Problem, usable
from glmdeploy.detect.match import gpu_of, profile_name
from glmdeploy.detect.root import Root
from glmdeploy.detect.seen import Device, Devices, Disk, Host
from glmdeploy.diagnostics import Diagnostic, ProfileError, Span
from glmdeploy.units import GIB, exact_size

if TYPE_CHECKING:
    from glmdeploy.hardware import GPU


@dataclass(frozen=True)
class Sources:
    """Where to read: a root folder, a recording of nvidia-smi, the folder of the weights; ``hosts`` are alike."""

    root: Path = Path("/")
    nvidia_smi: Path | None = None
    weights: Path | None = None
    hosts: int = 1


@dataclass(frozen=True)
class Report:
    """The host, the profile's `cluster` section, and everything that is said of it."""

    host: Host
    gpus: tuple[tuple[Device, GPU | None], ...]
    cluster: dict[str, Any]
    found: tuple[Diagnostic, ...] = field(default=())


def read(sources: Sources) -> Report:
    """Read a host; ProfileError with GLM951 for a recording that is none."""
    if not sources.root.is_dir():
        message = f"`{sources.root}` is not a folder with `proc` and `sys`"
        raise ProfileError([Diagnostic("GLM951", message, span=Span(str(sources.root)))])
    root, problems = Root(sources.root), list[Problem]()
    devices = _devices(root, sources.nvidia_smi, problems)
    host = Host(
        devices=devices,
        cpu=system.cpu(root),
        memory=system.memory(root),
        ports=system.ports(root),
        disk=_disk(root, sources.weights, problems),
        on_bus=system.gpus_on_bus(root),
    )
    known = catalog.load()
    gpus = tuple((d, gpu_of(d, known)) for d in devices.devices)
    chosen, count = usable(gpus)
    problems += [Problem(path, reason) for path, reason in root.unread.items()]
    name = profile_name(chosen, known) if chosen else ""
    section = _section(host, chosen, name, count, sources.hosts)
    return Report(host, gpus, section, tuple(judge.found(host, gpus, problems)))


def _devices(root: Root, recording: Path | None, problems: list[Problem]) -> Devices:
    """The GPUs by the first source that has any; why the others had none goes into ``problems``."""
    if recording is not None:
        if root.live:
            problems.append(Problem("/proc and /sys", "they are this machine's, and the GPUs are a recording's"))
        return _recorded(recording)
    if (there := amd.from_topology(root)).devices:
        return there
    reasons: list[Problem] = []
    for name, ask in tools.sources(root):
        try:
            if (there := ask()).devices:
                return there
        except nvidia.NotReadError as error:
            reasons.append(Problem(name, str(error)))
    problems += reasons
    return Devices()


def _recorded(path: Path) -> Devices:
    try:
        with path.open("rb") as file:
            data = file.read(nvidia.MAX_BYTES + 1)
    except OSError as error:
        raise _refused(path, f"cannot read `{path}`: {error.strerror or error}") from None
    if len(data) > nvidia.MAX_BYTES:
        raise _refused(path, f"`{path}` is larger than {exact_size(nvidia.MAX_BYTES)}, and no such output is")
    try:
        return nvidia.from_text(data.decode("utf-8", "replace"))
    except nvidia.NotReadError as error:
        hint = "record it with `nvidia-smi -q -x > FILE`"
        raise _refused(path, f"`{path}` cannot be used: {error}", hint) from None


def _refused(path: Path, message: str, hint: str = "") -> ProfileError:
    return ProfileError([Diagnostic("GLM951", message, span=Span(str(path)), hint=hint)])


def _disk(root: Root, weights: Path | None, problems: list[Problem]) -> Disk | None:
    if weights is None:
        return None
    if not root.live:
        problems.append(Problem(str(weights), "a recording says nothing about disks"))
        return None
    try:
        return disk(root, weights)
    except OSError as error:
        problems.append(Problem(str(weights), error.strerror or str(error)))
        return None


def _section(host: Host, gpu: GPU | None, name: str, count: int, hosts: int) -> dict[str, Any]:
    """The profile's keys in the schema's order; what is unknown is left out."""
    gpus = {"gpu": name, "gpus": count * hosts, "gpus_per_node": count} if gpu else {}
    rest = {
        "host_memory": _whole(host.memory.usable),
        "cpu_cores": host.cpu.cores,
        "numa_nodes": host.cpu.numa_nodes,
        "cpu_isa": host.cpu.isa,
    }
    return {**gpus, **{key: value for key, value in rest.items() if value}, "fabric": judge.fabric(host)}


def _whole(size: int) -> str:
    """RAM in whole GiB, rounded down; empty where it is unknown."""
    return exact_size(size // GIB * GIB) if size >= GIB else ""
