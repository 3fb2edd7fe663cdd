"""What `detect --format json` prints."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from typing_extensions import TypedDict

from glmdeploy.forms import doc
from glmdeploy.forms.diagnostic import DiagnosticForm

ISAS = ("amx", "avx512", "avx2", "")
KINDS = ("nvme", "ssd", "hdd", "virtual", "network", "memory", "")


class ClusterForm(TypedDict):
    """The `cluster` section of a profile; keys that are unknown are left out."""

    gpu: NotRequired[Annotated[str, doc("GPU by its shortest name in the catalogue.", "h200")]]
    gpus: NotRequired[Annotated[int, doc("GPUs in all.", 8)]]
    gpus_per_node: NotRequired[Annotated[int, doc("Whole GPUs of this host.", 8)]]
    host_memory: NotRequired[Annotated[str, doc("RAM of the host, rounded down.", "2014 GiB")]]
    cpu_cores: NotRequired[Annotated[int, doc("Physical cores of the host.", 96)]]
    numa_nodes: NotRequired[Annotated[int, doc("NUMA nodes with CPUs.", 2)]]
    cpu_isa: NotRequired[Annotated[str, doc("The CPU's widest instructions.", "amx", values=ISAS[:3])]]
    fabric: NotRequired[
        Annotated[str, doc("Network between hosts.", "infiniband", values=("infiniband", "roce", "tcp"))]
    ]


class DeviceForm(TypedDict):
    """One GPU as its driver reports it."""

    name: Annotated[str, doc("The driver's name; empty where it gives none.", "NVIDIA H200")]
    gpu: Annotated[str, doc("Id in the catalogue; empty where it has none.", "h200-sxm-141gb")]
    memory_mib: Annotated[int, doc("Memory in MiB; 0 where it is unknown.", 143_771)]
    parts: Annotated[int, doc("Above 1: divided by MIG or compute partitions, at least so often.", 1)]
    virtual: Annotated[bool, doc("Whether a hypervisor shares it (vGPU).")]
    trouble: Annotated[str, doc("Why it cannot be used; empty where it can.", "")]


class PortForm(TypedDict):
    """A port of an RDMA device."""

    name: Annotated[str, doc("Name of the device.", "mlx5_0")]
    layer: Annotated[str, doc("What it speaks.", "InfiniBand")]
    gbit_s: Annotated[int, doc("Rate in Gbit/s; 0 where it is unknown.", 400)]
    active: Annotated[bool, doc("Whether its link is up.")]


class DiskForm(TypedDict):
    """The file system of the weights' folder."""

    kind: Annotated[str, doc("What it is on; empty where that is unknown.", "nvme", values=KINDS)]
    filesystem: Annotated[str, doc("Type of the file system.", "xfs")]
    bytes: Annotated[int, doc("Its size.", 30_725_970_100_224)]
    free_bytes: Annotated[int, doc("What of it an ordinary user may fill.", 12_000_000_000_000)]


class HostForm(TypedDict):
    """What was seen."""

    driver: Annotated[str, doc("Version of the GPU driver; empty where it is unknown.", "580.95.05")]
    via: Annotated[str, doc("By what the GPUs were read; empty without any.", "NVML")]
    linked: Annotated[str, doc("Whether NVLink or Infinity Fabric joins them.", "yes", values=("yes", "no", "unknown"))]
    gpus: Annotated[list[DeviceForm], doc("Every GPU, in the driver's order.")]
    cpu_isa: Annotated[str, doc("The CPU's widest instructions; empty below AVX2.", "amx", values=ISAS)]
    cores: Annotated[int, doc("Physical cores that may be used.", 96)]
    threads: Annotated[int, doc("Threads that may be used.", 192)]
    numa_nodes: Annotated[int, doc("NUMA nodes with CPUs that may be used.", 2)]
    memory_bytes: Annotated[int, doc("RAM of the host.", 2_163_218_415_616)]
    memory_limit_bytes: Annotated[int, doc("What a control group allows; 0 without a limit.", 0)]
    rdma: Annotated[list[PortForm], doc("Ports of RDMA devices.")]
    disk: NotRequired[Annotated[DiskForm, doc("With `--weights`: the disk under that folder.")]]


class DetectForm(TypedDict):
    """What `glmdeploy detect --format json` prints."""

    format: Annotated[Literal["glmdeploy-detect/v1"], doc("Name and version of this form.")]
    cluster: Annotated[ClusterForm, doc("The section for a profile.")]
    host: Annotated[HostForm, doc("What it was made of.")]
    diagnostics: Annotated[list[DiagnosticForm], doc("What could not be read, and what to look at.")]
