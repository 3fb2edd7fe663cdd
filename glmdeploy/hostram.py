"""What KTransformers keeps in the RAM of its host: pure arithmetic, every constant with its source. Bytes.

kt-kernel's wheel holds binaries; its source was read at kvcache-ai/ktransformers 95009ea (2026-08-21), its Python
layer in kt-kernel 0.7.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from glmdeploy.plan import Term
from glmdeploy.units import gib

if TYPE_CHECKING:
    from glmdeploy.hardware import Cluster
    from glmdeploy.spec import Spec

REFERENCE_THREADS: Final = 96  # GLM-5.2-Tutorial.md: 96 inference threads in two pools
REFERENCE_POOLS: Final = 2
CHUNK: Final = 4096  # tokens of a prefill step when the profile does not say: kt-kernel sizes its buffers by it
_ROW_STEP: Final = 32  # operators/amx/la/amx_raw_kernels.hpp M_STEP: each expert's rows are padded to it
_RULE = "kvcache-ai/ktransformers Native-Precision-Tutorial.md: at least as much RAM as model size"
_BASE = "kt-kernel operators/amx/moe_base.hpp"


def pools(cluster: Cluster) -> int:
    """Thread pools: one a NUMA node (kt-kernel README)."""
    return cluster.numa_nodes or REFERENCE_POOLS


def threads(cluster: Cluster) -> int:
    """Inference threads: physical cores, not hyperthreads (kt-kernel README)."""
    return cluster.cpu_cores or REFERENCE_THREADS


def experts_of_a_layer(spec: Spec) -> int:
    """All routed experts of one layer, in the checkpoint's own format."""
    return spec.model.experts * spec.model.expert_bytes(spec.checkpoint.experts, 1)


def terms(spec: Spec) -> tuple[Term, ...]:
    """What kt-kernel allocates.

    Every expert of every layer, those on the GPUs too. A pool holds its share of each expert's width, so NUMA nodes
    divide the bytes and do not multiply them (operators/moe-tp.hpp).
    """
    model, layer = spec.model, experts_of_a_layer(spec)
    moe_layers = model.layers - model.dense_layers
    return (
        Term(f"{moe_layers} layers x {model.experts} experts", moe_layers * layer, f"{_BASE}: one buffer an expert"),
        Term("one more layer while loading", layer, "kt-kernel operators/amx/fp8_tp_staging.hpp, bf16-moe.hpp"),
        Term("work buffers", _work_buffers(spec), f"{_BASE}: sized by the prefill chunk, [est]"),
    )


def _work_buffers(spec: Spec) -> int:
    """Inputs in BF16, outputs in FP32 twice over, for every row of a chunk; the hidden-size ones in each pool."""
    model, count = spec.model, pools(spec.cluster)
    rows = (spec.request.prefill_chunk or CHUNK) * model.experts_per_token + model.experts * _ROW_STEP
    width = -(-model.expert_intermediate // count)
    return count * rows * (model.hidden * (2 + 8) + width * (2 * 8 + 2))


def floor(spec: Spec) -> int:
    """The least RAM: the documented rule, or what kt-kernel allocates where that is more."""
    return max(spec.checkpoint.total_bytes, sum(t.size for t in terms(spec)))


def notes(spec: Spec) -> tuple[str, ...]:
    """The floor's arithmetic in two lines."""
    parts = terms(spec)
    total = sum(t.size for t in parts)
    expert = spec.model.expert_bytes(spec.checkpoint.experts, 1)
    added = " + ".join(f"{t.name} {gib(t.size)}" for t in parts)
    return (
        f"kt-kernel holds {added} = {gib(total)}, at {expert:,} bytes an expert",
        f"the checkpoint is {gib(spec.checkpoint.total_bytes)}; {_RULE}",
    )
