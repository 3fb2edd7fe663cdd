"""Bounds as a table with what they count and assume, and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from glmdeploy.catalog import measured
from glmdeploy.tables import Block, Listing, Table, as_markdown, as_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glmdeploy.bound import Bound, Comparison, Row
    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.forms.bound import BoundForm, ContextForm, MeasuredForm
    from glmdeploy.plan import Plan

__all__ = ["as_json", "as_markdown", "as_text", "assumptions", "blocks"]

_HEAD = ("context", "one request", "requests", "all together", "prompts read")


def blocks(plan: Plan, bound: Bound) -> Iterator[Block]:
    """What a person reads."""
    spec = plan.spec
    yield f"{spec.framework.name} {spec.version}, checkpoint {spec.checkpoint.id}, {plan.layout.label} on {spec.cluster.label}"
    if bound.why_not:
        yield f"No upper bound: {bound.why_not}."
        return
    if bound.ram:
        rate = f"{bound.ram_rate:,.1f} tokens/s for one request"
        yield f"Upper bound: {rate}. Nothing was run, and real servers are slower."
        yield Listing(tuple(_ram(bound, plan)))
        return
    yield "Upper bounds, tokens/s, from sizes and data sheets: nothing was run, and real servers are slower."
    yield Table(_HEAD, tuple(_row(r) for r in bound.rows), words=0)
    if bound.published:
        yield "Measured on these GPUs by others, output tokens/s, and the bounds for their layouts:"
        yield _published(bound.published)
    yield Listing(tuple(assumptions(bound)))


def _ram(bound: Bound, plan: Plan) -> Iterator[tuple[str, str]]:
    if bound.ram:
        yield (
            "counts",
            f"{bound.ram.sum}, at `cluster.memory_bandwidth` {plan.spec.cluster.memory_bandwidth / 1e9:,.0f} GB/s",
        )
        yield "ignores", "what the GPUs read, the CPU's multiplications, PCIe, and anything read twice"
        yield "routing", "each token picks its experts evenly; busier ones on the GPUs raise the bound"


def _row(row: Row) -> tuple[str, ...]:
    figures = (f"{row.request:,.0f}", f"{row.requests:,}", f"{row.together:,.0f}") if row.requests else ("-", "0", "-")
    return (f"{row.context:,}", *figures, f"{row.prefill:,.0f}")


def _published(runs: Sequence[Comparison]) -> Table:
    head = ("clients", "drafts", "one request", "bound", "all together", "bound")
    return Table(head, tuple(_comparison(c) for c in runs), words=0)


def _comparison(c: Comparison) -> tuple[str, ...]:
    together = (f"{c.run.output_tokens_s:,.0f}", f"{c.output:,.0f}") if c.output else ("-", "-")
    return (
        f"{c.run.clients:,}",
        str(c.run.drafts or "-"),
        f"{c.run.request_tokens_s:,.0f}",
        f"{c.request:,.0f}",
        *together,
    )


def assumptions(bound: Bound) -> Iterator[tuple[str, str]]:
    """What the bounds count, and the two means that they stand on."""
    yield (
        "counts",
        "weights, KV rows and indexer keys at the memory's bandwidth; multiplications at the data sheet's dense rate",
    )
    yield "ignores", "networks, kernels, scheduling, hand-overs between stages, anything read twice"
    yield "requests", "as many as the pool holds without a shared prefix; a prefix that is cached is not read again"
    yield "routing", "each token picks 8 of 256 experts evenly; a batch that prefers the same ones reads less"
    if bound.drafts:
        fact = measured.load().acceptance_fact
        mean = f"{bound.acceptance:.2f} tokens a step with {bound.drafts} drafted, the published mean"
        yield "drafts", f"{mean} ({fact.checked}); text that is easy to guess brings up to {bound.drafts + 1}"
    if bound.missing:
        yield (
            "missing",
            f"the catalogue has no {' and no '.join(bound.missing)} rate of this GPU: its multiplications take no time here",
        )
    if bound.published:
        facts = dict.fromkeys(c.run.fact for c in bound.published)
        yield "measured", "; ".join(f"{f.source}, looked up {f.checked}" for f in facts)


def as_json(plan: Plan | None, bound: Bound | None, found: Sequence[Diagnostic]) -> str:
    """One JSON object; what is unknown is empty, never null."""
    data: BoundForm = {
        "format": "glmdeploy-bound/v1",
        "name": plan.spec.name if plan else "",
        "kind": "upper bound",
        "layout": plan.layout.label if plan else "",
        "drafts": bound.drafts if bound else 0,
        "acceptance": bound.acceptance if bound else 0.0,
        "why_not": bound.why_not if bound else "",
        "ram_request_tokens_s": round(bound.ram_rate, 1) if bound else 0.0,
        "ram_sum": bound.ram.sum if bound and bound.ram else "",
        "contexts": [row_json(r) for r in bound.rows] if bound else [],
        "measured": [_comparison_json(c) for c in bound.published] if bound else [],
        "assumptions": dict(assumptions(bound)) if bound and bound.rows else {},
        "diagnostics": [d.as_json() for d in found],
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def row_json(row: Row) -> ContextForm:
    """The bounds at one context, whole tokens a second."""
    return {
        "context": row.context,
        "request_tokens_s": round(row.request),
        "requests": row.requests,
        "deployment_tokens_s": round(row.together),
        "prefill_tokens_s": round(row.prefill),
    }


def _comparison_json(c: Comparison) -> MeasuredForm:
    run = c.run
    return {
        "framework": run.framework,
        "version": run.version,
        "tp": run.tp,
        "attn_dp": run.attn_dp,
        "drafts": run.drafts,
        "clients": run.clients,
        "input": run.input,
        "output": run.output,
        "request_tokens_s": round(run.request_tokens_s, 1),
        "request_bound": round(c.request),
        "output_tokens_s": round(run.output_tokens_s),
        "output_bound": round(c.output),
        "source": run.fact.source,
        "checked": run.fact.checked,
    }
