"""What the runtime of a GPU vendor asks of a process: one table for every target.

ROCm needs the device files, and no more. ROCm's documents call `seccomp=unconfined` optional (for memory binding), and
libhsakmt goes on where mbind is refused (fmm.c bind_mem_to_numa); with SYS_NICE the runtimes' own seccomp profiles let
mbind through. SYS_PTRACE, which engines' examples add, is for debuggers. Render nodes have no rule: an MI300X takes
eight minors, so GPU 1 may be renderD136; /dev/dri goes in whole, and the variable selects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glmdeploy.plan import Plan
    from glmdeploy.process import Process


@dataclass(frozen=True)
class Needs:
    """What a vendor's runtime needs beside the engine.

    ``visible`` is the variable that selects GPUs by number; ``devices`` are what a container without the vendor's
    runtime hook must be given; ``groups`` own them on a host; ``binds_memory`` says that it calls mbind.
    """

    visible: str
    devices: tuple[str, ...] = ()
    groups: str = ""
    binds_memory: bool = False


NEEDS = {
    "nvidia": Needs("CUDA_VISIBLE_DEVICES"),
    "amd": Needs("HIP_VISIBLE_DEVICES", ("/dev/kfd", "/dev/dri"), "video and render", binds_memory=True),
}


def needs(plan: Plan) -> Needs:
    """Those of the plan's GPUs."""
    return NEEDS[plan.spec.cluster.gpu.vendor]


def binds_memory(plan: Plan, process: Process) -> bool:
    """Whether the process binds memory to NUMA nodes, which seccomp profiles let through with SYS_NICE alone."""
    return bool(process.cpu.flags) or needs(plan).binds_memory
