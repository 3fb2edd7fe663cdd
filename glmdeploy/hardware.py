"""GPU products and clusters: the nouns of the machine room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from glmdeploy.units import MIB

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Fact:
    """Where a figure comes from and when it was looked up (ISO date)."""

    source: str
    checked: str


@dataclass(frozen=True, eq=False)  # one object an entry: identity is equality
class GPU:
    """One GPU product. ``memory_gb`` is the data sheet's (decimal), ``memory_mib`` the driver's."""

    id: str
    name: str
    vendor: str
    architecture: str
    compute: str
    aliases: tuple[str, ...]
    memory_gb: int
    memory_mib: int
    bandwidth_tb_s: float
    bf16_tflops: float
    fp8_tflops: float
    fp4_tflops: float
    link: str
    link_gb_s: float
    gpus_per_node: int
    rack_scale: bool
    facts: Mapping[str, Fact]
    unverified: tuple[str, ...]
    note: str
    product_labels: tuple[str, ...] = ()  # what a node with it is labelled by the vendor's node labeller
    driver_names: tuple[str, ...] = ()  # what the driver calls it
    pci_ids: tuple[str, ...] = ()  # `vendor:device`, lower-case hexadecimal

    @property
    def memory_bytes(self) -> int:
        """What the driver reports, in bytes: the figure that budgets use."""
        return self.memory_mib * MIB

    @property
    def short(self) -> str:
        """The name people type, such as ``h100``."""
        return self.aliases[0] if self.aliases else self.id


@dataclass(frozen=True)
class Cluster:
    """``gpus`` of one kind on hosts of ``gpus_per_node``; what is known of one host: 0 and empty mean unknown.

    ``host_memory`` is in bytes, ``memory_bandwidth`` in bytes a second.
    """

    gpu: GPU
    gpus: int
    gpus_per_node: int
    host_memory: int = 0
    cpu_cores: int = 0
    numa_nodes: int = 0
    fabric: str = "infiniband"
    cpu_isa: str = ""
    memory_bandwidth: int = 0

    @property
    def hosts(self) -> tuple[int, ...]:
        """GPUs of each host; hosts are filled in order, the last one takes the rest."""
        full, rest = divmod(self.gpus, self.gpus_per_node)
        return (self.gpus_per_node,) * full + ((rest,) if rest else ())

    @property
    def label(self) -> str:
        """``10xH100``."""
        return f"{self.gpus}x{self.gpu.short.upper()}"
