"""Pages of the codes that `detect` emits: what could not be read of a host, and what a plan must not overlook."""

from __future__ import annotations

PAGES: dict[str, str] = {
    "GLM940": """Something of the host could not be read

The message gives the file and the system's reason. The key is left out of the section, and a default or a rule that asks
for it takes its place. The speed of the RAM is in no file of the system: `cluster.memory_bandwidth` is measured.""",
    "GLM941": """No GPU was found

The notes say what was asked and why it had no answer. In a container, the runtime must be told to show GPUs
(`--gpus all`, `NVIDIA_DRIVER_CAPABILITIES=utility`); AMD's are in `/sys/class/kfd`. The rest of the section is written:
`--gpus 8xH200`, or the profile that extends the file, names what is there.""",
    "GLM942": """A GPU that the catalogue does not have

It is not counted: nothing is known of its memory, links and kernels. A name that is near may be another product.""",
    "GLM943": """GPUs of different kinds on one host

The ranks of one deployment need equal GPUs, and a profile names one kind. The most numerous is written.""",
    "GLM944": """A GPU is divided into parts

With MIG, or a compute partition other than SPX on AMD, an engine sees a part of the memory and of the links. Such GPUs are
not counted. `nvidia-smi -mig 0`, `amd-smi set --compute-partition SPX` make them whole.""",
    "GLM945": """A GPU does not answer, or the driver asks for a reset

It fell off the bus (Xid 79), or the driver reports a recovery action. It is not counted: with one GPU less, another layout
is planned. Repair it first where the profile is meant for the whole host.""",
    "GLM946": """A GPU is shared by a hypervisor

A vGPU has a part of the memory, and no peer-to-peer access on most types. It is not counted. A GPU that is passed through
whole is.""",
    "GLM947": """A GPU's memory is another than the catalogue's

The driver's figure differs by more than 3 %, which ECC and firmware do not explain: another variant of the product, or a
part of it. It is not counted, since budgets would be wrong.""",
    "GLM948": """The driver is too old for documented images

CUDA 13 needs the driver of branch R580 or newer. The preflight of the launch scripts refuses an older one. Images of an
older CUDA, where one is documented, run on it.""",
    "GLM949": """The host has more than may be used here

A control group limits the RAM, or the CPUs that may be used are fewer than those of the host: this is a container or a job.
What may be used is written. For the whole host, run `detect` outside.""",
    "GLM950": """What the CPU's instructions mean

`cpu_isa` matters to KTransformers only: `avx512` stands for AVX-512 with BF16 and VBMI, `amx` for that and AMX. A CPU with
older AVX-512 is `avx2`. Hypervisors hide instructions from guests.""",
    "GLM951": """A recording cannot be used

`--root` names a folder with `proc` and `sys`. `--nvidia-smi` takes what `nvidia-smi -q -x` prints, or the lines of
`nvidia-smi --query-gpu=name,memory.total,driver_version,mig.mode.current --format=csv`. XML that declares entities is
refused: no driver writes it.""",
    "GLM952": """More GPUs on the PCI bus than the driver shows

A container that was given some of the host's GPUs sees all of them on the bus, so this is no fault by itself. Outside of
one, the driver lost a GPU, or another driver has it.""",
    "GLM953": """The GPUs are not linked

The NVSwitch fabric is not up (`nvidia-fabricmanager` is missing, starting, or of another version than the driver), or no
GPU has an active NVLink where the product has it. CUDA fails, or tensor parallelism crawls over PCIe.""",
    "GLM954": """NUMA nodes without CPUs

CXL memory and the memory of some GPUs are NUMA nodes of their own. `numa_nodes` counts those with CPUs, as KTransformers'
thread pools do.""",
    "GLM955": """An RDMA port is not active

Its cable, switch or subnet manager is missing. It does not count for `fabric`. A port that nothing is plugged into is fine.""",
    "GLM956": """No fast RDMA between hosts

Without an active InfiniBand or Ethernet RDMA port of 100 Gbit/s or more, `fabric: tcp` is written: tensor-parallel groups
then stay inside a host. It makes no difference to a deployment on one host.""",
    "GLM957": """The disk under the weights

`--weights DIR` says what the folder is on. Loading reads the whole checkpoint once a start: a rotating disk takes the better
part of an hour for it, and a folder in memory takes RAM that the engine may need. Room is compared with each checkpoint.""",
}
