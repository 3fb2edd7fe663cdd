"""Published speeds of GLM-5.2 and the acceptance of its drafts, each with source and date."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, NonNegativeInt, PositiveInt

from glmdeploy import resources
from glmdeploy.catalog import entry
from glmdeploy.hardware import Fact

if TYPE_CHECKING:
    from collections.abc import Mapping

_Figure = Annotated[Decimal, BeforeValidator(lambda v: Decimal(v) if isinstance(v, str) else v)]
_Date = Annotated[str, BeforeValidator(str)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Fact(_Entry):
    source: str
    checked: _Date


class _Run(_Entry):
    fact: str
    framework: str
    version: str
    gpu: str
    gpus: PositiveInt
    checkpoint: str
    tp: PositiveInt
    attn_dp: PositiveInt
    drafts: NonNegativeInt
    clients: PositiveInt
    input: NonNegativeInt
    output: NonNegativeInt
    ttft_ms: NonNegativeInt
    tpot_ms: _Figure
    request: _Figure = Decimal(0)
    total_per_gpu: NonNegativeInt


class _File(_Entry):
    model: str
    acceptance: dict[int, _Figure]
    facts: dict[str, _Fact]
    runs: tuple[_Run, ...]


@dataclass(frozen=True)
class Run:
    """One published measurement; zeros where the publisher says nothing."""

    framework: str
    version: str
    gpu: str
    gpus: int
    checkpoint: str
    tp: int
    attn_dp: int
    drafts: int
    clients: int
    input: int
    output: int
    ttft_ms: int
    tpot_ms: Decimal
    request: Decimal
    total_per_gpu: int
    fact: Fact

    @property
    def request_tokens_s(self) -> float:
        """Output tokens a second that one client sees once its answer has begun."""
        return float(self.request) if self.request else 1000 / float(self.tpot_ms)

    @property
    def total_tokens_s(self) -> int:
        """Prompt and output tokens a second of all clients; 0 when not published."""
        return self.total_per_gpu * self.gpus

    @property
    def output_tokens_s(self) -> float:
        """Output tokens a second of all clients: their share of the total."""
        return self.total_tokens_s * self.output / (self.input + self.output) if self.output else 0.0


@dataclass(frozen=True)
class Measured:
    """Everything that was published: mean tokens a step by drafted tokens, and the runs."""

    acceptance: Mapping[int, Decimal]
    acceptance_fact: Fact
    runs: tuple[Run, ...]


@cache
def load(model: str = "glm-5.2") -> Measured:
    """The published speeds of a model."""
    found = entry.read(_File, resources.folder("catalog") / "measured" / f"{model}.yaml")
    facts = {key: Fact(f.source, f.checked) for key, f in found.facts.items()}
    return Measured(found.acceptance, facts["acceptance"], tuple(_run(r, facts) for r in found.runs))


def _run(run: _Run, facts: Mapping[str, Fact]) -> Run:
    members: dict[str, Any] = dict(run)
    return Run(**{**members, "fact": facts[run.fact]})
