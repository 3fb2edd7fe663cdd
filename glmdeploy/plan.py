"""What the planner makes and what every later layer reads: budgets and plans."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from glmdeploy.layout import Layout, place
from glmdeploy.units import GIB

if TYPE_CHECKING:
    from glmdeploy.flags import Recipe
    from glmdeploy.layout import Placement, Shards
    from glmdeploy.spec import Spec


class Verdict(StrEnum):
    """How well the hardware holds the deployment; thresholds are in verdict.py."""

    FITS = "fits"
    TIGHT = "tight"
    FLOOR_ONLY = "floor-only"
    BELOW_FLOOR = "below-floor"
    REFUSED = "refused"  # no layout is legal, so there is no memory to judge


@dataclass(frozen=True)
class Term:
    """One addend of a memory budget, bytes, with the source of its figure."""

    name: str
    size: int
    source: str


@dataclass(frozen=True)
class KVFormat:
    """A KV cache: the option's value and its bytes per token.

    ``row`` is one layer's latent row, ``index`` one indexer row; ``all_layers_indexed`` when this
    framework version allocates indexer rows on layers that share another layer's top-k.
    """

    dtype: str
    label: str
    row: int
    index: int
    all_layers_indexed: bool
    source: str


@dataclass(frozen=True)
class Mtp:
    """Multi-token prediction: on or off, tokens drafted a step, and why."""

    enabled: bool
    draft_tokens: int
    reason: str
    steps: int = 0
    refused: bool = False
    doubtful: bool = False


@dataclass(frozen=True)
class Settings:
    """What a plan sets besides its layout. ``comfort`` names what had to give way; empty at defaults."""

    context: int
    memory_fraction: float
    prefill_chunk: int
    max_running: int
    kv: KVFormat
    mtp: Mtp
    comfort: tuple[str, ...] = ()
    recipe: Recipe | None = None  # the framework's own, where these are its settings


@dataclass(frozen=True)
class StageNeed:
    """One GPU of a pipeline stage before its KV cache, bytes.

    ``before`` is taken before the weights load, ``resident`` is counted inside the framework's fraction,
    ``outside`` beside it.
    """

    first_layer: int
    end_layer: int
    weights: int
    before: tuple[Term, ...]
    resident: tuple[Term, ...]
    outside: tuple[Term, ...]
    activations: tuple[Term, ...]
    kv_per_token: int

    @property
    def before_bytes(self) -> int:
        """Sum of the terms before loading."""
        return sum(t.size for t in self.before)

    @property
    def resident_bytes(self) -> int:
        """Sum of the resident terms."""
        return sum(t.size for t in self.resident)

    @property
    def outside_bytes(self) -> int:
        """Sum of the outside terms."""
        return sum(t.size for t in self.outside)

    @property
    def activation_bytes(self) -> int:
        """Sum of the activation terms."""
        return sum(t.size for t in self.activations)


@dataclass(frozen=True)
class StageBudget:
    """One GPU of a stage: ``weights + kv_cache + activations + overhead = budget``, ``budget + headroom = capacity``."""

    first_layer: int
    end_layer: int
    capacity: int
    weights: int
    kv_cache: int
    activations: int
    overhead: int
    kv_per_token: int
    terms: tuple[Term, ...] = field(default=(), compare=False)

    @property
    def budget(self) -> int:
        """What the deployment may take, bytes."""
        return self.weights + self.kv_cache + self.activations + self.overhead

    @property
    def headroom(self) -> int:
        """What stays outside the budget, bytes."""
        return self.capacity - self.budget


@dataclass(frozen=True)
class MemoryBudget:
    """Every stage, the tokens that the pool holds, and the largest context that the layout could hold.

    ``errors_hit_pool``: what this model underestimates is taken from the pool (vLLM sizes it by profiling), not
    from the headroom.
    """

    stages: tuple[StageBudget, ...]
    kv_tokens: int
    max_context: int = 0
    errors_hit_pool: bool = False

    @property
    def fullest(self) -> StageBudget:
        """The stage with the most weights and overhead: the one that limits the others."""
        return max(self.stages, key=lambda s: s.weights + s.overhead + s.activations)

    @property
    def headroom(self) -> int:
        """The least headroom of any stage, bytes."""
        return min(s.headroom for s in self.stages)

    def margin(self, context: int) -> int:
        """Bytes by which the model may be wrong before ``context`` tokens no longer fit."""
        if not self.errors_hit_pool:
            return self.headroom
        return min(self.headroom, *(s.kv_cache - context * s.kv_per_token for s in self.stages))


@dataclass(frozen=True)
class Rejected:
    """A layout that was considered and not chosen, and why."""

    layout: str
    code: str
    reason: str
    pp: int = 1


@dataclass(frozen=True)
class Refusal:
    """Why a layout, checkpoint or setting cannot be."""

    code: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """A spec with a layout, a placement, a budget and a verdict. Always made, even for what is refused."""

    spec: Spec
    verdict: Verdict
    layout: Layout
    placement: tuple[Placement, ...]
    settings: Settings
    memory: MemoryBudget
    shards: Shards
    rejected: tuple[Rejected, ...]
    possible: bool
    held: bool = False
    refusal: Refusal | None = None

    @property
    def ranks(self) -> tuple[Placement, ...]:
        """The ranks of one replica: the others are the same on other GPUs."""
        return self.placement[: self.layout.nodes]

    @property
    def hosts(self) -> int:
        """Hosts that run at least one rank."""
        return len({p.host for p in self.placement})

    @property
    def thinking(self) -> str:
        """The server's default thinking effort: `max`, `high` or `off`.

        Thinking shares the context with prompt and answer, so a tight plan asks for less where the server can.
        """
        if self.spec.thinking != "auto":
            return self.spec.thinking
        able = self.spec.framework.has("chat_template_kwargs", self.spec.version)
        return "high" if able and self.verdict is Verdict.TIGHT else "max"

    @property
    def meets_context(self) -> bool:
        """Whether the pool holds one request of the context that the user asked for, if any."""
        return self.possible and (self.spec.request.context is None or self.held)

    @property
    def kv_tokens(self) -> int:
        """Tokens that all KV caches of all replicas hold."""
        return self.memory.kv_tokens * self.layout.pools

    def concurrent(self, context: int) -> int:
        """Requests of ``context`` tokens whose KV cache fits at a time; each stays in one cache."""
        fit = self.memory.kv_tokens // context if context else 0
        return min(fit * self.layout.pools, self.running)

    @property
    def running(self) -> int:
        """Requests that may run at a time, over all data-parallel ranks and replicas."""
        return self.settings.max_running * self.layout.dp * self.layout.replicas

    @property
    def launchable(self) -> bool:
        """Whether processes may be made from this plan."""
        if not self.possible or self.verdict in {Verdict.BELOW_FLOOR, Verdict.REFUSED} or not self.meets_context:
            return False
        return self.verdict is not Verdict.FLOOR_ONLY or self.spec.accept_floor_only

    @property
    def load_seconds(self) -> int:
        """Seconds to read the checkpoint from storage, at the declared bandwidth of one host."""
        return -(-self.spec.checkpoint.total_bytes // self.spec.storage_bandwidth)

    @property
    def startup_seconds(self) -> int:
        """Start-up budget: twice the load, and COMPILE_SECONDS for kernels and graphs, in whole minutes."""
        return -(-(2 * self.load_seconds + COMPILE_SECONDS) // 60) * 60


# Cold DeepGEMM, FlashInfer and Triton compilation and graph capture: 13 min 40 s from container start
# to ready was seen for a 352 GB model on GB300 whose weights were cached (NemoClaw issue 10903,
# 2026-09-09); InferenceX waits up to 4 hours. 20 minutes, [est].
COMPILE_SECONDS = 1200
# /dev/shm, through which NCCL and the engines' workers exchange; production charts use 20 to 64 GiB.
SHARED_MEMORY = 32 * GIB


def place_layout(spec: Spec, layout: Layout) -> tuple[Placement, ...]:
    """The ranks of ``layout`` on the hosts of the cluster, replica after replica; fewer when they do not fit."""
    return place(spec.cluster.hosts, layout.nodes * layout.replicas, layout.gpus_per_rank)
