"""Sizes of the parallel dimensions, and which rank runs where."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Layout:
    """Sizes of tensor, pipeline and expert parallelism over ``nodes`` ranks.

    A rank is one process (`--nnodes` counts ranks) with ``gpus_per_rank`` GPUs of one host; a host may
    hold several. ``partition`` gives the layers of each pipeline stage. The dimensions that no strategy
    chooses yet (dp, DP attention, context parallel, replicas) are 1.
    """

    tp: int
    pp: int = 1
    ep: int = 1
    nodes: int = 1
    partition: tuple[int, ...] = ()
    dp: int = 1
    dp_attention: int = 1
    cp: int = 1
    dcp: int = 1
    replicas: int = 1

    @property
    def world(self) -> int:
        """GPUs that the layout uses."""
        return self.tp * self.pp

    @property
    def gpus_per_rank(self) -> int:
        """GPUs of one rank."""
        return self.world // self.nodes

    @property
    def label(self) -> str:
        """``TP2 x PP5``, with the expert-parallel size where it is not 1."""
        return f"TP{self.tp} x PP{self.pp}" + (f" x EP{self.ep}" if self.ep > 1 else "")

    @property
    def stages(self) -> tuple[tuple[int, int], ...]:
        """First layer and the layer after the last one, for each pipeline stage."""
        bounds = [0]
        for layers in self.partition:
            bounds.append(bounds[-1] + layers)
        return tuple(pairwise(bounds))


@dataclass(frozen=True)
class Placement:
    """One rank: its host (from 0), its GPU ids there, and its index among the ranks of that host."""

    rank: int
    host: int
    gpu_ids: tuple[int, ...]
    slot: int


def place(hosts: Sequence[int], ranks: int, gpus_per_rank: int) -> tuple[Placement, ...]:
    """Fill the hosts in order with ranks of ``gpus_per_rank`` GPUs; fewer than ``ranks`` when they do not fit."""
    placed: list[Placement] = []
    for host, gpus in enumerate(hosts):
        for slot in range(gpus // gpus_per_rank):
            if len(placed) == ranks:
                return tuple(placed)
            first = slot * gpus_per_rank
            placed.append(Placement(len(placed), host, tuple(range(first, first + gpus_per_rank)), slot))
    return tuple(placed)
