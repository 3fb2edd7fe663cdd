"""What somebody needs, and the order in which that makes frameworks worth a look, with the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from glmdeploy import catalog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from glmdeploy.hardware import GPU

MTP = ", multi-token prediction"  # no praise where a plan has it off
SMALL_CARD_GB = 48  # at most this: a card for KTransformers rather than for a GPU-only framework
# `transformers serve` expands every cached row and prefills in one pass: a few thousand tokens, one request at a time
# (transformers 5.23.0, modular_glm_moe_dsa.py; see GLM207).
VALIDATION_CONTEXT = 8_192


@dataclass(frozen=True)
class Wish:
    """What was asked for; None, False and empty where nothing was said. ``gpu`` and ``gpus`` are hardware in hand."""

    gpu: GPU | None = None
    gpus: int = 0
    context: int | None = None
    concurrency: int | None = None
    checkpoint: str = ""
    host_memory: str = ""
    structured: bool = False
    fleet: str = ""
    evaluate: bool = False
    price: Decimal | None = None
    price_total: Decimal | None = None

    @property
    def small_cards(self) -> bool:
        """Whether the hardware in hand is cards that no GPU-only framework fits on."""
        return self.gpu is not None and self.gpu.memory_gb <= SMALL_CARD_GB


@dataclass(frozen=True)
class Choice:
    """A framework to look at, and why it stands where it stands."""

    framework: str
    reason: str


def frameworks(wish: Wish) -> tuple[Choice, ...]:
    """The frameworks worth planning, the preferred one first."""
    order: dict[str, Choice] = {}
    for choice in _first(wish):
        order.setdefault(choice.framework, choice)
    for name, reason in (
        ("sglang", f"SGLang is the general choice: prefix cache{MTP}, published command lines"),
        ("vllm", "vLLM serves the same checkpoints, and adds full contexts over pipeline stages"),
    ):
        order.setdefault(name, Choice(name, reason))
    if wish.host_memory:
        order.setdefault("ktransformers", Choice("ktransformers", "KTransformers keeps the experts in the host's RAM"))
    return tuple(order.values())


def _first(wish: Wish) -> Iterator[Choice]:
    """What the wish itself asks for, the strongest reason first."""
    if wish.small_cards and wish.gpu and wish.gpu.vendor == "nvidia":
        reason = f"{wish.gpu.memory_gb} GB cards are too small for the weights: KTransformers keeps the experts in the host's RAM"
        yield Choice("ktransformers", reason)
    if wish.evaluate and _few_tokens(wish):
        reason = "Transformers is the reference implementation: right for validation, one request at a time, a few thousand tokens"
        yield Choice("transformers", reason)
    if wish.fleet:
        name = catalog.load().frameworks[wish.fleet].name
        yield Choice(wish.fleet, f"there is a fleet of {name} already: its routing, metrics and habits stay")
    if wish.structured:
        reason = "SGLang constrains decoding to a grammar or JSON schema while many clients share its prefix cache"
        yield Choice("sglang", reason)
    if (wish.concurrency or 1) > 1:
        reason = (
            "SGLang for many clients: they share the prefix cache, and the published throughput figures are its own"
        )
        yield Choice("sglang", reason)


def _few_tokens(wish: Wish) -> bool:
    """Whether Transformers can do it: one request, short, and nothing that it does not have."""
    short = (wish.context or VALIDATION_CONTEXT) <= VALIDATION_CONTEXT
    return short and (wish.concurrency or 1) == 1 and not wish.structured
