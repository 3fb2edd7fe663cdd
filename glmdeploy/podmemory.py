"""The RAM of one pod: pure arithmetic. Bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from glmdeploy.plan import SHARED_MEMORY
from glmdeploy.units import GIB

if TYPE_CHECKING:
    from glmdeploy.process import Process

RAM_PER_GPU: Final = 32 * GIB  # a worker process with its pinned buffers and the page cache of what it reads, [est]
RAM_BESIDE_EXPERTS: Final = 64 * GIB  # shared memory and buffers beside weights in RAM


def pod_memory(process: Process) -> tuple[int, str]:
    """What the pod of a rank needs, and its sum in words."""
    if process.host_memory:
        return process.host_memory + RAM_BESIDE_EXPERTS, "experts in RAM, and 64 GiB beside them"
    gpus, shared = len(process.placement.gpu_ids), SHARED_MEMORY // GIB
    why = f"{shared} GiB of /dev/shm and {gpus} x {RAM_PER_GPU // GIB} GiB of engine processes [est]"
    return SHARED_MEMORY + gpus * RAM_PER_GPU, why
