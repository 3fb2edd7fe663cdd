"""Split decoder layers into pipeline stages so that the fullest stage is as small as possible.

A stage is a run of layers; its cost comes from the framework (weights, copies, KV of one request). Where
a stage may start is a constraint: vLLM hands no top-k between stages, so its stages start on layers with
an indexer of their own. The greedy split under a limit is exact, because a longer stage never leaves
more for the rest; the limit is one of the costs of all runs, found by bisection.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Cost = Callable[[int, int], int]


class Partitioner:
    """Solves every number of stages for one cost function; costs of all runs are computed once."""

    def __init__(self, layers: int, starts: frozenset[int], cost: Cost) -> None:
        self.layers = layers
        self.cuts = sorted(starts - {0})
        self.cost = cost
        bounds = [0, *self.cuts, layers]
        self.costs = sorted({cost(a, b) for i, a in enumerate(bounds) for b in bounds[i + 1 :]})

    def solve(self, stages: int) -> tuple[int, ...] | None:
        """Layers of each stage, or None when there are too few places to cut."""
        if stages == 1:
            return (self.layers,)
        if stages - 1 > len(self.cuts):
            return None
        low, high = 0, len(self.costs) - 1
        while low < high:
            middle = (low + high) // 2
            if self._split(stages, self.costs[middle]) is None:
                low = middle + 1
            else:
                high = middle
        return self._split(stages, self.costs[low])

    def _split(self, stages: int, limit: int) -> tuple[int, ...] | None:
        parts: list[int] = []
        first = 0
        for left in range(stages - 1, 0, -1):
            end = self._furthest(first, limit, left)
            if end is None:
                return None
            parts.append(end - first)
            first = end
        if self.cost(first, self.layers) > limit:
            return None
        return (*parts, self.layers - first)

    def _furthest(self, first: int, limit: int, left: int) -> int | None:
        """The last cut that keeps the stage within ``limit`` and ``left - 1`` cuts after it."""
        low = bisect_left(self.cuts, first + 1)
        high = len(self.cuts) - left  # index of the last cut that leaves enough cuts
        best: int | None = None
        while low <= high:
            middle = (low + high) // 2
            if self.cost(first, self.cuts[middle]) <= limit:
                best = self.cuts[middle]
                low = middle + 1
            else:
                high = middle - 1
        return best


def even(layers: int, stages: int) -> tuple[int, ...]:
    """An even split, the first stages taking the rest; for frameworks that split by themselves."""
    whole, rest = divmod(layers, stages)
    return tuple(whole + (1 if i < rest else 0) for i in range(stages))


def describe(parts: Sequence[int]) -> str:
    """``18,15,15,15,15``."""
    return ",".join(map(str, parts))
