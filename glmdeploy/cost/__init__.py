"""What a plan costs to run, and from how many hosted seats on that is less."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from glmdeploy import bound
from glmdeploy.catalog import market
from glmdeploy.diagnostics import Diagnostic

if TYPE_CHECKING:
    from glmdeploy.bound import Bound
    from glmdeploy.catalog.market import Hosted, Price, Tier
    from glmdeploy.catalog.measured import Run
    from glmdeploy.hardware import GPU
    from glmdeploy.plan import Plan

HOURS = 730  # of a month: 365 x 24 / 12
_WEEK_SECONDS = 7 * 24 * 3600
_GB = 10**9
_MILLION = 10**6


@dataclass(frozen=True)
class Rates:
    """What the user says about prices; None where the catalogue's range counts. ``total`` is for all GPUs, an hour."""

    gpu_hour: Decimal | None = None
    total: Decimal | None = None
    storage: Decimal | None = None
    utilisation: Decimal = Decimal(1)
    tokens_per_prompt: int = 0


@dataclass(frozen=True)
class Even:
    """One hosted tier: the first number of seats that cost more than the deployment, and their prompts a week."""

    tier: Tier
    seats: int
    possible: bool | None = None  # False where the upper bound excludes so many prompts; None when not asked

    @property
    def prompts(self) -> int:
        """Prompts a week that so many seats may send."""
        return self.seats * self.tier.prompts_per_week


@dataclass(frozen=True)
class Case:
    """One price: ``hour`` for all GPUs, ``storage`` and ``month`` for 730 hours; ``million`` bounds from below."""

    name: str
    gpu_hour: Decimal
    hour: Decimal
    storage: Decimal
    million: Decimal | None
    evens: tuple[Even, ...]

    @property
    def gpus_month(self) -> Decimal:
        """All GPUs for a month."""
        return self.hour * HOURS

    @property
    def month(self) -> Decimal:
        """GPUs and storage for a month."""
        return self.gpus_month + self.storage


@dataclass(frozen=True)
class Cost:
    """The cost of a plan at one price, or over the catalogue's range; ``chosen`` is the one to speak of."""

    plan: Plan
    rates: Rates
    cases: tuple[Case, ...]
    price: Price | None  # the catalogue's, when the user gave none
    hosted: Hosted
    bound: Bound
    prompts_a_week: int  # at most, at the given tokens a prompt; 0 when not asked

    @property
    def measured(self) -> Run | None:
        """The published run with the most output tokens a second on this hardware, checkpoint and framework."""
        runs = [c.run for c in self.bound.published if c.run.output]
        return max(runs, key=lambda r: r.output_tokens_s, default=None)

    @property
    def chosen(self) -> Case:
        """The price given, else the typical one, else the lowest."""
        return next((c for c in self.cases if c.name in {"given", "typical"}), self.cases[0])


def of(plan: Plan, rates: Rates) -> tuple[Cost | None, tuple[Diagnostic, ...]]:
    """The cost of a plan; none, and GLM702, where nobody says what its GPU costs."""
    gpu = plan.spec.cluster.gpu
    price = None if rates.gpu_hour or rates.total else market.prices().get(gpu.id)
    hours = _hours(plan.spec.cluster.gpus, rates, price)
    if not hours:
        return None, (_no_price(gpu),)
    bounds = bound.of(plan)
    prompts = _prompts_a_week(bounds, rates)
    tokens = best_rate(bounds) * rates.utilisation * HOURS * 3600
    cases = tuple(_case(plan, name, hour, rates=rates, tokens=tokens, prompts=prompts) for name, hour in hours)
    return Cost(plan, rates, cases, price, market.hosted(), bounds, prompts), ()


def _no_price(gpu: GPU) -> Diagnostic:
    """That the catalogue has no price for a GPU."""
    return Diagnostic(
        "GLM702",
        f"no price is known for {gpu.name}",
        at=("cluster", "gpu"),
        hint="give `--price` (USD a GPU and hour) or `--price-total` (USD an hour for all)",
    )


def _hours(gpus: int, rates: Rates, price: Price | None) -> list[tuple[str, Decimal]]:
    """Name and USD an hour of all GPUs, of each price to count with."""
    if rates.total:
        return [("given", rates.total)]
    if rates.gpu_hour:
        return [("given", rates.gpu_hour * gpus)]
    if price is None:
        return []
    named = (("low", price.low), ("typical", price.typical), ("high", price.high))
    return [(name, amount * gpus) for name, amount in named if amount is not None]


def best_rate(bounds: Bound) -> int:
    """The highest bound on output tokens a second, over the contexts; 0 without one."""
    return max((round(r.together) for r in bounds.rows), default=0)


def _prompts_a_week(bounds: Bound, rates: Rates) -> int:
    """The most prompts a week that the bound allows, at the share of it that is used."""
    if not rates.tokens_per_prompt:
        return 0
    return prompts_a_week(best_rate(bounds), rates)


def prompts_a_week(rate: float, rates: Rates) -> int:
    """Whole prompts a week at ``rate`` output tokens a second, at the share of it that is used."""
    return int(Decimal(rate) * rates.utilisation * _WEEK_SECONDS / rates.tokens_per_prompt)


def million_at(rate: float, month: Decimal, rates: Rates) -> Decimal:
    """What a million output tokens come to at ``rate`` a second, at the share of it that is used."""
    return month * _MILLION / (Decimal(rate) * rates.utilisation * HOURS * 3600)


def _case(plan: Plan, name: str, hour: Decimal, *, rates: Rates, tokens: Decimal, prompts: int) -> Case:
    size = Decimal(plan.spec.checkpoint.total_bytes) / _GB
    storage = size * rates.storage if rates.storage else Decimal(0)
    month = hour * HOURS + storage
    return Case(
        name=name,
        gpu_hour=hour / plan.spec.cluster.gpus,
        hour=hour,
        storage=storage,
        million=month * _MILLION / tokens if tokens else None,
        evens=tuple(_even(t, month, prompts) for t in market.hosted().tiers),
    )


def _even(tier: Tier, month: Decimal, prompts: int) -> Even:
    seats = int(month // tier.price) + 1
    return Even(tier, seats, seats * tier.prompts_per_week <= prompts if prompts else None)
