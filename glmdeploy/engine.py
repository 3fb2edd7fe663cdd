"""What the planner asks a framework: which layouts it takes, what memory they need, how it divides a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from glmdeploy.layout import Layout, Shards
    from glmdeploy.plan import MemoryBudget, Mtp, Refusal, Settings, StageNeed
    from glmdeploy.spec import Spec


class Engine(Protocol):
    """What the planner asks a framework."""

    one_process: bool
    default_context: int
    context_steps: Sequence[int]  # contexts above which a buffer shrinks, so that more tokens can need less

    def tensor_sizes(self, spec: Spec) -> Sequence[int]:
        """Tensor parallel sizes worth looking at, ascending."""
        ...

    def stage_counts(self, spec: Spec, tp: int) -> Iterable[int]:
        """Pipeline sizes worth looking at for ``tp``."""
        ...

    def shapes(self, spec: Spec, tp: int, pp: int) -> Sequence[Layout]:
        """Layouts with these sizes that differ in the other dimensions, the strategy's preferred one first."""
        ...

    def shards(self, spec: Spec, layout: Layout) -> Shards:
        """Over how many GPUs each group of tensors is split."""
        ...

    def refuse(self, spec: Spec, layout: Layout) -> Refusal | None:
        """Why the framework does not take these sizes, or None."""
        ...

    def starts(self, spec: Spec) -> frozenset[int]:
        """Layers that a pipeline stage may start on."""
        ...

    def mtp(self, spec: Spec, layout: Layout) -> Mtp:
        """Whether multi-token prediction is on for this layout, and why."""
        ...

    def ladder(self, spec: Spec, layout: Layout) -> Sequence[Settings]:
        """Settings to try, from the most comfortable to the most that memory can give."""
        ...

    def default_fraction(self, spec: Spec, layout: Layout, settings: Settings) -> float:
        """The memory fraction that the framework would choose by itself."""
        ...

    def stage_cost(self, spec: Spec, layout: Layout, settings: Settings) -> Callable[[int, int], int]:
        """Bytes of a stage from a first to an end layer: what the partition keeps small."""
        ...

    def needs(self, spec: Spec, layout: Layout, settings: Settings) -> tuple[StageNeed, ...]:
        """Memory of every stage before its KV cache."""
        ...

    def budget(self, spec: Spec, needs: Sequence[StageNeed], settings: Settings) -> MemoryBudget:
        """How the framework divides the GPUs, given the needs."""
        ...
