"""Where SGLang's recipes run attention data parallel, and where its context parallel cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from glmdeploy.frameworks.common import BLACKWELL

if TYPE_CHECKING:
    from glmdeploy.layout import Layout
    from glmdeploy.spec import Spec

_WIDE_CHECKPOINTS = ("fp8", "nvfp4")
_CONTEXT_PARALLEL = Version("0.5.14")
_CP_TP = 8
_DCP = Version("0.5.22")


def wide(spec: Spec, tp: int, pp: int) -> bool:
    """Whether the strategy's recipes run attention data parallel on such hardware.

    The cells do for FP8 and NVFP4 on NVIDIA, over NVLink or RDMA; none does with BF16, on AMD, or with stages.
    """
    gpu, cluster = spec.cluster.gpu, spec.cluster
    kernels = gpu.vendor == "nvidia" and gpu.compute in {"sm90", *BLACKWELL} and spec.checkpoint.id in _WIDE_CHECKPOINTS
    near = cluster.fabric != "tcp" or tp <= cluster.gpus_per_node
    return (
        spec.request.strategy != "low-latency" and spec.request.ep is None and kernels and near and tp > 1 and pp == 1
    )


def no_cp(spec: Spec, layout: Layout) -> str:
    """Why prefill context parallel cannot be (0.5.23 models/deepseek_v2.py:135, arg_groups/parallel_hook.py)."""
    if spec.version < _CONTEXT_PARALLEL:
        return f"SGLang {spec.version} spells prefill context parallel differently; it is planned from {_CONTEXT_PARALLEL} on"
    if spec.cluster.gpu.vendor != "nvidia":
        return "SGLang's prefill context parallel does not run on AMD GPUs"
    if layout.tp > _CP_TP:
        return f"prefill context parallel stays on one machine: tensor parallel size {layout.tp} is above {_CP_TP}"
    if layout.pp > 1:
        return "no public run has prefill context parallel with pipeline stages"
    return "decode context parallel excludes prefill context parallel" if layout.dcp > 1 else ""


def no_dcp(spec: Spec, layout: Layout) -> str:
    """Why decode context parallel cannot be (0.5.22 layers/attention/dsa/dsa_dcp.py: TensorRT-LLM kernels only)."""
    if spec.version < _DCP:
        return f"SGLang {spec.version} has no decode context parallel for sparse attention; {_DCP} is the first"
    if spec.cluster.gpu.compute not in BLACKWELL:
        return f"SGLang's sparse decode context parallel needs B200, B300, GB200 or GB300, and this is {spec.cluster.gpu.name}"
    return "decode context parallel with attention data parallel is in no public run" if layout.attn_dp > 1 else ""
