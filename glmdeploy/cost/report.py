"""A cost as a sentence and a table, as Markdown and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from glmdeploy.cost import HOURS, best_rate, million_at, prompts_a_week
from glmdeploy.money import CURRENCY, exact, shown
from glmdeploy.tables import Block, Listing, Table, as_markdown, as_text
from glmdeploy.units import gb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glmdeploy.cost import Case, Cost, Even
    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.forms.cost import CaseForm, CostForm, HostedForm

__all__ = ["as_json", "as_markdown", "as_text", "blocks"]


_YES_NO = {True: "yes", False: "no", None: ""}
_EXCLUDED = {True: "not excluded", False: "no", None: ""}  # an upper bound can only say no


def blocks(cost: Cost) -> Iterator[Block]:
    """What a person reads."""
    spec = cost.plan.spec
    yield f"{spec.framework.name} {spec.version}, checkpoint {spec.checkpoint.id}, {cost.plan.layout.label} on {spec.cluster.label}"
    yield _sentence(cost)
    yield _money(cost)
    yield _tiers(cost)
    yield Listing(tuple(_notes(cost)))


def _sentence(cost: Cost) -> str:
    case, cluster = cost.chosen, cost.plan.spec.cluster
    storage = " with the checkpoint's storage" if case.storage else ""
    first = (
        f"At {CURRENCY} {shown(case.hour)} an hour, {cluster.gpus} x {cluster.gpu.name} cost "
        f"{CURRENCY} {shown(case.month)} a month of {HOURS} h{storage}, before networking and people."
    )
    cheapest = max(case.evens, key=lambda e: e.seats)
    dearest = min(case.evens, key=lambda e: e.seats)
    even = f"{_seats(dearest)} or {_seats(cheapest)}"
    if cheapest.possible is False and dearest.possible is False:
        return (
            f"{first} Hosted would cost as much at {even}, and this hardware cannot serve so many: "
            f"at most {cost.prompts_a_week:,} prompts a week, where those seats send {dearest.prompts:,} or {cheapest.prompts:,}."
        )
    if not cost.prompts_a_week:
        doubt = "whether this hardware serves so many is not known here (--tokens-per-prompt)"
    elif any(e.possible is False for e in case.evens):
        doubt = "this hardware cannot serve all of these: `possible` says which"
    else:
        doubt = "the upper bound does not exclude that this hardware serves so many, and cannot confirm it"
    return f"{first} Hosted costs more from {even} on; below that, self-hosting does; {doubt}."


def _seats(even: Even) -> str:
    return f"{even.seats:,} seats of {even.tier.name} paid {even.tier.billing}"


def _money(cost: Cost) -> Table:
    checkpoint = cost.plan.spec.checkpoint
    rows: list[tuple[str, ...]] = [
        ("a GPU and hour", *(shown(c.gpu_hour) for c in cost.cases)),
        ("all GPUs, an hour", *(shown(c.hour) for c in cost.cases)),
        (f"all GPUs, {HOURS} h", *(shown(c.gpus_month) for c in cost.cases)),
    ]
    if cost.rates.storage:
        label = f"storage, {gb(checkpoint.total_bytes)} x {cost.rates.storage}"
        rows.append((label, *(shown(c.storage) for c in cost.cases)))
    rows.append(("a month", *(shown(c.month) for c in cost.cases)))
    if cost.chosen.million is not None:
        rows.append(("a million output tokens, at least", *(shown(c.million) for c in cost.cases if c.million)))
    return Table((CURRENCY, *(c.name for c in cost.cases)), tuple(rows))


def _tiers(cost: Cost) -> Table:
    asked = cost.prompts_a_week > 0
    head = ("hosted tier", f"{CURRENCY} a month", "prompts a week", "seats", "for all seats")
    rows = tuple(
        (
            e.tier.label,
            shown(e.tier.price),
            f"{e.tier.prompts_per_week:,}",
            f"{e.seats:,}",
            f"{e.prompts:,}",
            *((_EXCLUDED[e.possible],) if asked else ()),
        )
        for e in cost.chosen.evens
    )
    return Table((*head, "possible") if asked else head, rows)


def _notes(cost: Cost) -> Iterator[tuple[str, str]]:
    rates = cost.rates
    if cost.price:
        spot = "the only figure is a spot price; " if cost.price.spot else ""
        yield "price", f"{spot}published, looked up {cost.price.fact.checked}: {cost.price.fact.source}"
    else:
        yield "price", "as given"
    if not rates.storage:
        yield "storage", "not counted; --storage takes USD a GB and month, for one copy of the checkpoint"
    if cost.bound.why_not:
        yield "tokens", f"no bound on speed: {cost.bound.why_not}"
    else:
        percent = f"{rates.utilisation * 100:f}".rstrip("0").rstrip(".") if rates.utilisation < 1 else "100"
        yield "tokens", f"at most {best_rate(cost.bound):,} output tokens/s (upper bound), of which {percent} % is used"
    if cost.prompts_a_week:
        yield "prompts", f"at {rates.tokens_per_prompt:,} output tokens each, at most {cost.prompts_a_week:,} a week"
    yield from _measured(cost)
    doubt = ", not checked by us" if cost.hosted.unverified else ""
    yield "hosted", f"{cost.hosted.name}, {cost.hosted.fact.checked}{doubt}; seats that use all their prompts"


def _measured(cost: Cost) -> Iterator[tuple[str, str]]:
    """What others measured on this hardware, and what follows from it."""
    run = cost.measured
    if run is None:
        return
    rate = run.output_tokens_s
    million = shown(million_at(rate, cost.chosen.month, cost.rates))
    what = f"{rate:,.0f} output tokens/s, the highest published figure ({run.clients:,} clients, {run.input:,} + {run.output:,} tokens)"
    text = f"{what}: a million come to {CURRENCY} {million}"
    if cost.rates.tokens_per_prompt:
        prompts = prompts_a_week(rate, cost.rates)
        served = [e.tier.label for e in cost.chosen.evens if e.prompts <= prompts]
        enough = f"what the seats of {'; '.join(served)} send" if served else "fewer than the seats of any tier send"
        text += f"; {prompts:,} prompts a week, {enough}"
    yield "measured", text


def as_json(cost: Cost | None, found: Sequence[Diagnostic]) -> str:
    """One JSON object; money is strings of exact decimals, what is unknown is empty."""
    data: CostForm = {
        "format": "glmdeploy-cost/v1",
        "name": cost.plan.spec.name if cost else "",
        "currency": CURRENCY,
        "hours_per_month": HOURS,
        "gpus": cost.plan.spec.cluster.gpus if cost else 0,
        "gpu": cost.plan.spec.cluster.gpu.id if cost else "",
        "utilisation": str(cost.rates.utilisation) if cost else "",
        "upper_bound_output_tokens_s": best_rate(cost.bound) if cost else 0,
        "prompts_per_week_at_most": cost.prompts_a_week if cost else 0,
        "measured_output_tokens_s": round(cost.measured.output_tokens_s) if cost and cost.measured else 0,
        "price_source": cost.price.fact.source if cost and cost.price else "",
        "price_checked": cost.price.fact.checked if cost and cost.price else "",
        "chosen": cost.chosen.name if cost else "",
        "cases": [_case(c) for c in cost.cases] if cost else [],
        "hosted": _hosted(cost) if cost else {},
        "diagnostics": [d.as_json() for d in found],
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _case(case: Case) -> CaseForm:
    return {
        "name": case.name,
        "gpu_hour": exact(case.gpu_hour),
        "hour": exact(case.hour),
        "gpus_month": exact(case.gpus_month),
        "storage_month": exact(case.storage),
        "month": exact(case.month),
        "million_output_tokens_at_least": exact(case.million) if case.million is not None else "",
        "break_even": [
            {
                "tier": e.tier.name,
                "billing": e.tier.billing,
                "seat_month": exact(e.tier.price),
                "seats": e.seats,
                "prompts_per_week": e.prompts,
                "within_upper_bound": _YES_NO[e.possible],
            }
            for e in case.evens
        ],
    }


def _hosted(cost: Cost) -> HostedForm:
    hosted = cost.hosted
    return {
        "name": hosted.name,
        "source": hosted.fact.source,
        "checked": hosted.fact.checked,
        "unverified": hosted.unverified,
    }
