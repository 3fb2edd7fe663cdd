"""What GPUs are rented for and what the hosted tiers cost: dated defaults, exact decimals."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveInt

from glmdeploy import resources
from glmdeploy.catalog import entry
from glmdeploy.hardware import Fact


def _exact(text: str) -> Decimal:
    if not isinstance(text, str):  # a float out of YAML has lost its decimals already
        raise ValueError("money stands in quotes")  # noqa: TRY004  pydantic turns a ValueError into its report
    return Decimal(text)


_Money = Annotated[Decimal, BeforeValidator(_exact), Field(gt=0)]
_Date = Annotated[str, BeforeValidator(str), Field(pattern=r"^20\d\d-\d\d-\d\d$")]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Price(_Entry):
    low: _Money
    typical: _Money | None = None
    high: _Money | None = None
    source: str
    checked: _Date
    spot: bool = False


class _Prices(_Entry):
    currency: Literal["USD"]
    gpus: dict[str, _Price]


class _Tier(_Entry):
    name: str
    billing: Literal["monthly", "yearly"]
    price: _Money
    prompts_per_week: PositiveInt


class _Hosted(_Entry):
    name: str
    currency: Literal["USD"]
    unverified: bool
    source: str
    checked: _Date
    tiers: tuple[_Tier, ...]


@dataclass(frozen=True)
class Price:
    """A range of published prices of one GPU and hour; ``usual`` is the typical one, else the lowest."""

    low: Decimal
    typical: Decimal | None
    high: Decimal | None
    spot: bool
    fact: Fact

    @property
    def usual(self) -> Decimal:
        """The figure to count with."""
        return self.typical or self.low


@dataclass(frozen=True)
class Tier:
    """One hosted subscription: what a month of a seat costs and how many prompts a week it allows."""

    name: str
    billing: str
    price: Decimal
    prompts_per_week: int

    @property
    def label(self) -> str:
        """``Lite, yearly``."""
        return f"{self.name}, {self.billing}"


@dataclass(frozen=True)
class Hosted:
    """The hosted tiers, with their source; ``unverified`` when nobody read the provider's page."""

    name: str
    unverified: bool
    fact: Fact
    tiers: tuple[Tier, ...]


@cache
def prices() -> dict[str, Price]:
    """Published prices by GPU id, sorted."""
    found = entry.read(_Prices, resources.folder("catalog") / "prices" / "gpus.yaml")
    return {
        gpu: Price(p.low, p.typical, p.high, p.spot, Fact(p.source, p.checked)) for gpu, p in sorted(found.gpus.items())
    }


@cache
def hosted() -> Hosted:
    """The hosted tiers."""
    found = entry.read(_Hosted, resources.folder("catalog") / "prices" / "hosted.yaml")
    tiers = tuple(Tier(t.name, t.billing, t.price, t.prompts_per_week) for t in found.tiers)
    return Hosted(found.name, found.unverified, Fact(found.source, found.checked), tiers)
