"""What was seen of a host: plain facts, before anything is judged. Memory is bytes; 0 and empty mean unknown."""

from __future__ import annotations

from dataclasses import dataclass

from glmdeploy.diagnostics import printable

_LONGEST = 100  # characters of a name that are worth showing


def plain(text: str) -> str:
    """A name from outside as one short line without control characters: nobody knows who wrote it."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."


@dataclass(frozen=True)
class Device:
    """One GPU as its driver reports it. ``parts`` above 1: it is divided (MIG, compute partitions)."""

    name: str
    memory: int = 0
    parts: int = 1
    virtual: bool = False  # a share of a GPU that a hypervisor hands out
    trouble: str = ""  # why it cannot be used
    fabric: str = ""  # NVIDIA: state of the NVSwitch fabric
    pci_id: str = ""  # `vendor:device`
    compute: str = ""  # AMD: gfx942


@dataclass(frozen=True)
class Devices:
    """All GPUs of a host, the driver's version, and by what they were read.

    ``expected`` is how many the driver counts, also those that do not answer. ``linked`` says whether NVLink or
    Infinity Fabric connects them; None where that is unknown.
    """

    devices: tuple[Device, ...] = ()
    driver: str = ""
    via: str = ""
    expected: int = 0
    linked: bool | None = None


@dataclass(frozen=True)
class Cpu:
    """The processors that this process may use. ``isa`` is the profile's word."""

    isa: str = ""
    missing: tuple[str, ...] = ()  # flags of the next wider `isa` that it lacks
    cores: int = 0
    threads: int = 0
    online: int = 0  # threads of the whole host
    numa_nodes: int = 0
    memory_only_nodes: int = 0


@dataclass(frozen=True)
class Memory:
    """RAM of the host, and what a control group allows (0: no limit)."""

    total: int = 0
    limit: int = 0

    @property
    def usable(self) -> int:
        """The smaller of the two."""
        return min(self.total, self.limit) if self.limit else self.total


@dataclass(frozen=True)
class Port:
    """A port of an RDMA device; ``rate`` is Gbit/s."""

    name: str
    layer: str
    rate: int
    active: bool


@dataclass(frozen=True)
class Disk:
    """The file system of a folder; ``kind`` is nvme, ssd, hdd, virtual, network, memory, or empty: unknown."""

    kind: str
    filesystem: str
    size: int
    free: int


@dataclass(frozen=True)
class Host:
    """Everything that was seen of one host."""

    devices: Devices
    cpu: Cpu
    memory: Memory
    ports: tuple[Port, ...]
    disk: Disk | None = None
    on_bus: int = 0  # GPUs on the PCI bus, whoever may use them
