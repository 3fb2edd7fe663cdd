"""CPU, RAM and RDMA devices, from `/proc` and `/sys`.

Formats: the kernel's Documentation/ABI (sysfs-devices-node, sysfs-devices-system-cpu, stable/sysfs-class-infiniband)
and admin-guide/cgroup-v1 and cgroup-v2.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glmdeploy.detect.seen import Cpu, Memory, Port, plain
from glmdeploy.frameworks.ktransformers import CPU_FLAGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.detect.root import Root

_CPUS = "/sys/devices/system/cpu"
_NODES = "/sys/devices/system/node"
_NO_LIMIT = 2**60  # version 1 writes the largest whole page when there is none
_MAX_CPUS = 2**14


def cpu(root: Root) -> Cpu:
    """Instructions, physical cores and NUMA nodes."""
    info = root.text("/proc/cpuinfo")
    flags = set(re.findall(r"^(?:flags|Features)\s*:(.*)$", info, re.MULTILINE)[:1] or [""])
    words = {word for line in flags for word in line.split()}
    isa = next((name for name, needed in CPU_FLAGS.items() if words.issuperset(needed)), "")
    wider = list(CPU_FLAGS)[: list(CPU_FLAGS).index(isa)] if isa else list(CPU_FLAGS)
    missing = tuple(f for f in CPU_FLAGS[wider[-1]] if f not in words) if wider and words else ()
    online = _online(root, info)
    allowed = _allowed(root) & online or online
    nodes = [cpus_of(root.text(f"{_NODES}/{n}/cpulist", optional=True)) for n in root.names(_NODES, r"node\d+")]
    return Cpu(
        isa=isa,
        missing=missing,
        cores=_cores(root, info, allowed),
        threads=len(allowed),
        online=len(online),
        numa_nodes=sum(bool(cpus & allowed) for cpus in nodes),
        memory_only_nodes=sum(not cpus for cpus in nodes),
    )


def cpus_of(text: str) -> set[int]:
    """The numbers of a list such as `0-3,8`; what is no number is left out."""
    found: set[int] = set()
    for first, last in re.findall(r"(\d{1,5})(?:-(\d{1,5}))?", text, re.ASCII):
        found.update(range(int(first), min(int(last or first), _MAX_CPUS) + 1))
    return found


def _online(root: Root, info: str) -> set[int]:
    listed = cpus_of(root.text(f"{_CPUS}/online", optional=True))
    return listed or {int(n) for n in re.findall(r"^processor\s*:\s*(\d{1,5})$", info, re.MULTILINE | re.ASCII)}


def _allowed(root: Root) -> set[int]:
    """The CPUs that this process may run on: a container's or a job's share."""
    status = root.text("/proc/self/status", optional=True)
    found = re.search(r"^Cpus_allowed_list:\s*(\S+)", status, re.MULTILINE)
    return cpus_of(found[1]) if found else set()


def _cores(root: Root, info: str, allowed: set[int]) -> int:
    """Physical cores: threads of one core name the same siblings."""
    siblings = (root.text(f"{_CPUS}/cpu{n}/topology/thread_siblings_list", optional=True) for n in sorted(allowed))
    if found := {s for s in siblings if s}:
        return len(found)
    places = {p[1:] for block in info.split("\n\n") if (p := _place(block)) and p[0] in allowed}
    return len({p for p in places if p}) or len(allowed)


def _place(block: str) -> tuple[int, ...]:
    """The number of a thread in /proc/cpuinfo, its package and its core."""
    numbers = re.findall(r"^(?:processor|physical id|core id)\s*:\s*(\d{1,9})$", block, re.MULTILINE | re.ASCII)
    return tuple(map(int, numbers))


def memory(root: Root) -> Memory:
    """RAM, and the smallest limit of the control groups that this process is in, bytes."""
    total = re.search(r"^MemTotal:\s*(\d{1,15}) kB", root.text("/proc/meminfo"), re.MULTILINE | re.ASCII)
    return Memory(int(total[1]) * 1024 if total else 0, min(_limits(root), default=0))


def _limits(root: Root) -> Iterator[int]:
    for line in root.text("/proc/self/cgroup", optional=True).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            yield from _limits_above(root, "/sys/fs/cgroup", path, "memory.max")
        elif "memory" in controllers.split(","):
            yield from _limits_above(root, "/sys/fs/cgroup/memory", path, "memory.limit_in_bytes")


def _limits_above(root: Root, base: str, path: str, name: str) -> Iterator[int]:
    """The limits of a group and of those it is in; in a container its own stands at the top, whatever the path says."""
    parts = [p for p in path.split("/") if p not in {"", ".", ".."}]
    for depth in range(len(parts), -1, -1):
        limit = root.number("/".join([base, *parts[:depth], name]))
        if 0 < limit < _NO_LIMIT:
            yield limit


def ports(root: Root) -> tuple[Port, ...]:
    """The ports of all RDMA devices."""
    base = "/sys/class/infiniband"
    places = ((d, f"{base}/{d}/ports/{p}") for d in root.names(base) for p in root.names(f"{base}/{d}/ports", r"\d+"))
    return tuple(_port(root, device, place) for device, place in places)


def _port(root: Root, device: str, place: str) -> Port:
    rate = re.match(r"\d{1,5}", root.text(f"{place}/rate", optional=True), re.ASCII)
    layer = root.text(f"{place}/link_layer", optional=True)
    state = root.text(f"{place}/state", optional=True)
    return Port(plain(device), plain(layer), int(rate[0]) if rate else 0, "ACTIVE" in state)


def gpus_on_bus(root: Root) -> int:
    """Display and 3D controllers of NVIDIA and AMD's accelerators on the PCI bus, used or not."""
    base = "/sys/bus/pci/devices"
    return sum(_is_gpu(root, f"{base}/{name}") for name in root.names(base))


def _is_gpu(root: Root, place: str) -> bool:
    vendor, kind = (root.text(f"{place}/{name}", optional=True) for name in ("vendor", "class"))
    # PCI class 03: display (00 VGA, 02 3D controller); 12: processing accelerator, as Instinct boards are
    return (vendor == "0x10de" and kind[:6] in {"0x0300", "0x0302"}) or (vendor == "0x1002" and kind[:6] == "0x1200")
