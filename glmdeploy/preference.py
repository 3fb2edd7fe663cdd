"""Which of two layouts is better, and how to say why the other one was not chosen.

Preference, first difference decides:

1. holds the context that was asked for (or the default), then a smaller one, then less than useful (most tokens
   first), then none (least memory lacking first)
2. multi-token prediction where the profile insists on it
3. tensor-parallel groups span few enough hosts (one on a tcp fabric, two otherwise, any in one NVLink rack)
4. fewer pipeline stages: each adds latency, and stages rule out multi-token prediction
5. the shape that the strategy prefers: attention data parallel and expert parallel as the framework's recipes
6. fits before tight
7. fewer idle GPUs
8. more headroom
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from glmdeploy import verdict
from glmdeploy.plan import Verdict, place_layout
from glmdeploy.units import gib, plural, tokens

if TYPE_CHECKING:
    from glmdeploy.layout import Layout
    from glmdeploy.plan import MemoryBudget, Settings
    from glmdeploy.spec import Spec


class Holds(IntEnum):
    """How much of the context a layout holds; smaller is better."""

    ASKED = 0
    REDUCED = 1
    TOO_LITTLE = 2
    NOTHING = 3


@dataclass(frozen=True)
class Candidate:
    """A legal layout with its best settings."""

    layout: Layout
    settings: Settings
    memory: MemoryBudget
    holds: Holds
    verdict: Verdict
    order: int


def order(spec: Spec, c: Candidate) -> tuple[int, ...]:
    """A candidate's place in the order of preference, the smallest first."""
    poor = {Holds.TOO_LITTLE: -c.memory.max_context, Holds.NOTHING: -c.memory.headroom}.get(c.holds, 0)
    return (
        c.holds,
        poor,
        int(bool(spec.request.mtp) and not c.settings.mtp.enabled),
        int(too_wide(spec, c.layout)),
        c.layout.pp,
        c.order if c.holds <= Holds.REDUCED else 0,
        int(c.verdict is not Verdict.FITS),
        spec.cluster.gpus - c.layout.gpus,
        -c.memory.headroom,
    )


def too_wide(spec: Spec, layout: Layout) -> bool:
    """Whether GPUs that share attention span more hosts than the fabric is good for.

    With attention data parallel they are fewer than the tensor parallel size; experts then go over RDMA.
    """
    placed = place_layout(spec, layout)
    ranks = max(1, layout.attention_tp * layout.cp // layout.gpus_per_rank)
    groups = [placed[i : i + ranks] for i in range(0, len(placed), ranks)]
    spanned = max(len({p.host for p in group}) for group in groups)
    if spec.cluster.fabric == "tcp":
        return spanned > 1
    return spanned > verdict.MAX_TENSOR_HOSTS and not spec.cluster.gpu.rack_scale


def why_not(spec: Spec, target: int, best: Candidate, other: Candidate) -> tuple[str, str]:
    """Code and reason why ``best`` was preferred to ``other`` for ``target`` tokens."""
    if other.holds is Holds.NOTHING:
        short = -other.memory.headroom
        over = f"weights and buffers exceed the fullest GPU by {gib(short)}"
        return "GLM202", over if short > 0 else "no memory is left for a KV cache"
    if other.holds is not Holds.ASKED:
        return "GLM203", f"holds {tokens(other.memory.max_context)}, and {tokens(target)} are wanted"
    if too_wide(spec, other.layout) and not too_wide(spec, best.layout):
        return "GLM317", "a tensor-parallel group would span too many hosts for the fabric"
    return "GLM390", _less(spec, best, other)


def _less(spec: Spec, best: Candidate, other: Candidate) -> str:
    idle = spec.cluster.gpus - other.layout.gpus
    if other.layout.pp > best.layout.pp:
        return f"{plural(other.layout.pp, 'pipeline stage')} where {best.layout.pp} will do"
    if idle > spec.cluster.gpus - best.layout.gpus:
        return f"leaves {plural(idle, 'GPU')} idle"
    if other.order != best.order:
        return f"{other.layout.label} is not the shape of the `{spec.request.strategy}` recipes"
    return f"{other.verdict.value}, with {gib(other.memory.headroom)} of headroom on the fullest GPU"
