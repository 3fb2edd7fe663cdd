"""Which plans are worth making: never more than LIMIT, in an order that does not change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from glmdeploy import catalog
from glmdeploy.catalog import market
from glmdeploy.profile import API_VERSION
from glmdeploy.recommend import wish as wishes
from glmdeploy.units import GIB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.hardware import GPU
    from glmdeploy.models import Checkpoint
    from glmdeploy.recommend.wish import Wish

LIMIT = 32  # plans: about a fifth of a second each
BESIDE = 9  # of them for hardware that is not in hand, and for the host's RAM
_DATA_CENTRE_GB = 80
_MOST_HOSTS = 4
_RAM_STEP = 256 * GIB  # RAM is bought in such steps
_MANY_CLIENTS = 64  # from here on the recipes for throughput are worth a plan
STRATEGIES = frozenset({"sglang", "vllm"})  # the frameworks whose recipes have strategies and FP8 caches


@dataclass(frozen=True)
class Candidate:
    """One plan to make."""

    framework: str
    gpu: GPU
    gpus: int
    checkpoint: Checkpoint
    host_memory: str = ""
    strategy: str = ""
    kv_cache_dtype: str = ""
    in_hand: bool = True

    @property
    def label(self) -> str:
        """``8xH200``."""
        return f"{self.gpus}x{self.gpu.short.upper()}"

    def profile(self, wish: Wish) -> dict[str, Any]:
        """The profile of this candidate, as options would make it."""
        wanted = {
            "context": wish.context,
            "concurrency": wish.concurrency,
            "strategy": self.strategy or None,
            "kv_cache_dtype": self.kv_cache_dtype or None,
        }
        serving = {k: v for k, v in wanted.items() if v is not None}
        cluster: dict[str, Any] = {"gpu": self.gpu.id, "gpus": self.gpus}
        if self.host_memory:
            cluster["host_memory"] = self.host_memory
        return {
            "apiVersion": API_VERSION,
            "name": f"glm-5.2-{self.checkpoint.id}-{self.gpus}x{self.gpu.short}-{self.framework}",
            "model": {"checkpoint": self.checkpoint.id},
            "cluster": cluster,
            "framework": {"name": self.framework},
            **({"serving": serving} if serving else {}),
        }

    def options(self, wish: Wish) -> tuple[str, ...]:
        """The same as options of `glmdeploy render`."""
        words = ["--framework", self.framework, "--gpus", self.label]
        words += [] if self.checkpoint.default else ["--checkpoint", self.checkpoint.id]
        words += [] if wish.context is None else ["--context", str(wish.context)]
        words += [] if wish.concurrency is None else ["--concurrency", str(wish.concurrency)]
        words += ["--strategy", self.strategy] if self.strategy else []
        words += ["--kv-cache-dtype", self.kv_cache_dtype] if self.kv_cache_dtype else []
        words += ["--host-memory", self.host_memory] if self.host_memory else []
        return tuple(words)


def in_hand(wish: Wish) -> tuple[Candidate, ...]:
    """Every framework and checkpoint that the hardware in hand could run."""
    gpu = wish.gpu
    if gpu is None:
        return ()
    found = [
        Candidate(choice.framework, gpu, wish.gpus, checkpoint, _ram(choice.framework, checkpoint, wish))
        for choice in wishes.frameworks(wish)
        for checkpoint in _checkpoints(choice.framework, gpu, wish)
    ]
    return tuple(found[: LIMIT - 1])


def strategies(wish: Wish, candidate: Candidate) -> tuple[Candidate, ...]:
    """The same for many clients, by the frameworks' own recipes: each GPU keeps the cache of its own requests."""
    clients = wish.concurrency or 1
    if clients == 1 or candidate.framework not in STRATEGIES:
        return ()
    names = ("balanced", "high-throughput") if clients >= _MANY_CLIENTS else ("balanced",)
    return tuple(replace(candidate, strategy=name) for name in names)


def smaller_cache(candidate: Candidate) -> Candidate | None:
    """The same with an FP8 cache, for long contexts."""
    return replace(candidate, kv_cache_dtype="fp8") if candidate.framework in STRATEGIES else None


def elsewhere(wish: Wish) -> tuple[Candidate, ...]:
    """Hardware beside what is in hand: one host of the cheapest larger GPU, and twice as many of the same."""
    mine = wish.gpu
    if mine is None:
        return ()
    framework = _renting(wish)
    prices = {gpu: p for gpu, p in market.prices().items() if not p.spot}
    larger = [g for g in _rentable(framework) if g.memory_gb > mine.memory_gb and g.id in prices]
    larger = [g for g in larger if g.memory_gb * g.gpus_per_node > mine.memory_gb * wish.gpus]
    larger.sort(key=lambda g: (prices[g.id].usual * g.gpus_per_node, g.id))
    sizes = [*((gpu, gpu.gpus_per_node) for gpu in larger[:1]), (mine, 2 * wish.gpus)]
    return tuple(
        Candidate(framework, gpu, gpus, checkpoint, in_hand=False)
        for gpu, gpus in sizes
        for checkpoint in _checkpoints(framework, gpu, wish)[:1]
        if gpus * gpu.memory_gb >= checkpoint.floor_gb
    )


def last_resort(wish: Wish) -> Candidate | None:
    """Experts in the host's RAM, where nobody asked for that yet: its rules say what is missing."""
    gpu = wish.gpu
    if gpu is None or gpu.vendor != "nvidia" or any(c.framework == "ktransformers" for c in wishes.frameworks(wish)):
        return None
    checkpoint = next(c for c in catalog.load().model.checkpoints if c.default)
    return None if wish.checkpoint else Candidate("ktransformers", gpu, wish.gpus, checkpoint)


def to_rent(wish: Wish) -> tuple[tuple[Candidate, ...], ...]:
    """For every GPU of a data centre, whole hosts from the first that may hold the checkpoint on."""
    framework = _renting(wish)
    ladders = []
    for gpu in _rentable(framework):
        sizes = range(1, (1 if wish.evaluate else _MOST_HOSTS) + 1)
        loadable = [c for c in _checkpoints(framework, gpu, wish)[:1] if not c.compute or gpu.compute in c.compute]
        hosts = [(n * gpu.gpus_per_node, c) for c in loadable for n in sizes]
        ladder = [Candidate(framework, gpu, n, c) for n, c in hosts if n * gpu.memory_gb >= c.floor_gb]
        if ladder:
            ladders.append(tuple(ladder))
    return tuple(ladders)


def _renting(wish: Wish) -> str:
    """The first framework that loads the checkpoint, if one was asked for."""
    names = [c.framework for c in wishes.frameworks(wish)]
    asked = next((c for c in catalog.load().model.checkpoints if c.id == wish.checkpoint), None)
    return next((n for n in names if asked is None or n in asked.frameworks), names[0])


def _rentable(framework: str) -> Iterator[GPU]:
    """GPUs of data centres whose kernels are confirmed for the framework, the smallest first."""
    kernels = catalog.load().frameworks[framework].kernels
    for gpu in sorted(catalog.load().gpus.values(), key=lambda g: (g.memory_gb, g.id)):
        if gpu.memory_gb >= _DATA_CENTRE_GB and kernels.get(gpu.compute) == "yes":
            yield gpu


def _checkpoints(framework: str, gpu: GPU, wish: Wish) -> list[Checkpoint]:
    """The published weights that the framework loads on the GPU: FP8 first, then the smaller ones, BF16 last.

    A checkpoint that was asked for is planned whatever it is: the rules then say what is wrong with it.
    """
    if wish.checkpoint:
        return [c for c in catalog.load().model.checkpoints if c.id == wish.checkpoint]
    fitting = [
        c
        for c in catalog.load().model.checkpoints
        if framework in c.frameworks and (not c.compute or gpu.compute in c.compute or c.default)
    ]
    return sorted(fitting, key=lambda c: (not c.default, c.id == "bf16", c.total_bytes))


def _ram(framework: str, checkpoint: Checkpoint, wish: Wish) -> str:
    """The host's RAM as given; for KTransformers, the least that holds the checkpoint."""
    if wish.host_memory or framework != "ktransformers":
        return wish.host_memory
    return f"{-(-checkpoint.total_bytes // _RAM_STEP) * _RAM_STEP // GIB}GiB"
