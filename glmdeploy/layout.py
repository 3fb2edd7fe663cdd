"""Sizes of the parallel dimensions, and which rank runs where."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Layout:
    """Sizes of the parallel dimensions of one deployment over ``nodes`` ranks.

    A rank is one process (`--nnodes` counts ranks) with ``gpus_per_rank`` GPUs of one host; a host may
    hold several. ``partition`` gives the layers of each pipeline stage.

    ``dp`` ranks of attention stand beside each other, each with ``tp`` GPUs a stage and a KV cache of its own (vLLM).
    ``attn_dp`` and ``cp`` (attention data parallel, prefill context parallel) divide ``tp`` for attention alone, and
    ``dcp`` spreads the KV cache of one request over that many GPUs of a tensor-parallel group. ``a2a`` is the experts'
    all-to-all backend, ``spare`` the redundant experts that make them divisible, ``dense_tp`` the dense layers' own
    size (0: ``tp``). ``replicas`` are whole deployments.
    """

    tp: int
    pp: int = 1
    ep: int = 1
    nodes: int = 1
    partition: tuple[int, ...] = ()
    dp: int = 1
    attn_dp: int = 1
    cp: int = 1
    dcp: int = 1
    replicas: int = 1
    a2a: str = ""
    spare: int = 0
    dense_tp: int = 0

    @property
    def world(self) -> int:
        """GPUs of one replica."""
        return self.tp * self.pp * self.dp

    @property
    def gpus(self) -> int:
        """GPUs of all replicas."""
        return self.world * self.replicas

    @property
    def gpus_per_rank(self) -> int:
        """GPUs of one rank."""
        return self.world // self.nodes

    @property
    def attention_tp(self) -> int:
        """GPUs that share the attention heads."""
        return self.tp // (self.attn_dp * self.cp)

    @property
    def pools(self) -> int:
        """KV caches that requests are spread over; a request stays in one."""
        return self.attn_dp * self.dp * self.replicas

    @property
    def label(self) -> str:
        """``TP2 x PP5``, and every other dimension that is not 1."""
        sizes = {
            "DP": self.dp,
            "EP": self.ep,
            "attention-DP": self.attn_dp,
            "CP": self.cp,
            "DCP": self.dcp,
            "replicas ": self.replicas,
        }
        return f"TP{self.tp} x PP{self.pp}" + "".join(f" x {name}{n}" for name, n in sizes.items() if n > 1)

    @property
    def stages(self) -> tuple[tuple[int, int], ...]:
        """First layer and the layer after the last one, for each pipeline stage."""
        bounds = [0]
        for layers in self.partition:
            bounds.append(bounds[-1] + layers)
        return tuple(pairwise(bounds))


@dataclass(frozen=True)
class Shards:
    """Over how many GPUs each group of a stage's tensors is split.

    ``experts`` divides one routed expert's width; ``ep`` groups hold the routed experts, ``spare`` of them twice.
    """

    attention: int
    dense: int
    shared: int
    experts: int
    embedding: int
    head: int
    ep: int = 1
    spare: int = 0

    @staticmethod
    def tensor(tp: int) -> Shards:
        """Plain tensor parallelism."""
        return Shards(tp, tp, tp, tp, tp, tp)


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
