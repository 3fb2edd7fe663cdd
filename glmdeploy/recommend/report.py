"""A recommendation as text, Markdown and JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from glmdeploy.bound import of as bound_of
from glmdeploy.diagnostics import Level
from glmdeploy.money import CURRENCY, exact, shown
from glmdeploy.tables import Block, Command, Listing, Table, as_markdown, as_text
from glmdeploy.units import plural, tokens
from glmdeploy.verdict import MIN_CONTEXT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from decimal import Decimal

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.forms.recommend import CandidateForm, RecommendForm
    from glmdeploy.plan import Plan
    from glmdeploy.recommend import Recommendation, Row

__all__ = ["as_json", "as_markdown", "as_text", "blocks"]

_HEAD = ("framework", "GPUs", "PP", "MTP", f"{CURRENCY}/h", "context", "held", "bound", "verdict", "in hand")
_SHOWN = 8  # impossible rows in the text form


def blocks(result: Recommendation) -> Iterator[Block]:
    """What a person reads."""
    if result.best:
        yield _headline(result.best)
        yield Listing(tuple(_reasons(result, result.best)))
        yield _table(result)
        yield _legend(result, result.best)
    elif any(r.meets for r in result.rows):
        yield "Nothing in hand is what was asked for; this is:"
        yield _table(result)
    if result.impossible:
        yield "Not what was asked for:"
        yield Listing(tuple(_impossible(result)))
    if result.command:
        yield "To take it:"
        yield Command(result.command)


def _headline(best: Row) -> str:
    spec = _plan(best).spec
    return f"{spec.framework.name} with checkpoint {spec.checkpoint.id} on {best.candidate.label}, {_plan(best).layout.label}"


def _plan(row: Row) -> Plan:
    if row.outcome.plan is None:
        raise AssertionError("a row that meets a wish has a plan")
    return row.outcome.plan


def _reasons(result: Recommendation, best: Row) -> Iterator[tuple[str, str]]:
    plan, wish = _plan(best), result.wish
    yield "framework", result.choice.reason
    if result.passed:
        first = result.passed.candidate.framework
        code = result.passed.code
        yield (
            "",
            f"{first} came first, and {f'is not possible: {code}' if code else 'its kernels are not confirmed here: GLM312'}",
        )
    if best.candidate.strategy:
        yield "strategy", _strategy(result, best)
    if best.candidate.kv_cache_dtype:
        yield "KV cache", f"{best.candidate.kv_cache_dtype}: it saves pipeline stages, or holds what BF16 does not"
    yield "checkpoint", f"{plan.spec.checkpoint.precision}, {plan.spec.checkpoint.repo}"
    shallow = min((r for r in result.others if r.candidate.in_hand), key=lambda r: r.stages, default=best)
    if wish.context and shallow.stages < best.stages:
        c = shallow.candidate
        yield "", f"`--checkpoint {c.checkpoint.id}` needs fewer stages ({shallow.stages}): {c.checkpoint.precision}"
    if best.candidate.host_memory and not wish.host_memory:
        yield "RAM", f"{best.candidate.host_memory} on the host, assumed: --host-memory says what it has"
    if not wish.gpu:
        yield "hardware", f"{_cheapest(result, best)} among the sizes that hold it {_comfort(best)}"
    yield (
        "layout",
        f"{plan.layout.label} over {plural(plan.hosts, 'host')}, verdict {best.verdict}; MTP: {plan.settings.mtp.reason}",
    )
    if best.candidate.framework == "transformers":
        held = f"prompts of {best.max_context:,} at most; 1 request at a time"
    else:
        held = f"{best.max_context:,} at most; {_requests(result, best)}"
    yield "context", f"{tokens(best.context)} planned, {held}"
    yield "speed", _speed(best)
    yield "price", _price(result, best.hour, spot=best.spot)
    for d in best.outcome.found:
        if d.level is Level.WARNING:
            yield d.code, d.message


def _strategy(result: Recommendation, best: Row) -> str:
    """The strategy's name, and what it holds where the default one holds less."""
    plain = replace(best.candidate, strategy="")
    other = next((r for r in result.rows if r.candidate == plain), None)
    less = f"; low-latency holds {other.requests:,}" if other and other.requests < best.requests else ""
    return (
        f"{best.candidate.strategy}, for {result.wish.concurrency:,} clients: holds {best.requests:,} at a time{less}"
    )


def _cheapest(result: Recommendation, best: Row) -> str:
    if best.hour is None or best.spot:
        return "the fewest GPUs"
    return "the lowest cost at that price" if result.wish.price is not None else "the lowest published price"


def _comfort(best: Row) -> str:
    return "at the framework's defaults" if best.verdict == "fits" else "at all: each is tight"


def _requests(result: Recommendation, best: Row) -> str:
    return f"{plural(best.requests, 'request')} of {tokens(_size(result, best))} at a time"


def _size(result: Recommendation, best: Row) -> int:
    """Tokens of the requests that are counted."""
    return result.wish.context or (best.context if result.wish.concurrency is None else MIN_CONTEXT)


def _speed(best: Row) -> str:
    bounds = bound_of(_plan(best))
    if bounds.why_not:
        return f"no upper bound: {bounds.why_not}"
    drafts = f"drafts count with their published mean, {bounds.acceptance:.2f} tokens a step; " if bounds.drafts else ""
    return f"at most {best.tokens_s:,} tokens/s for one request (upper bound; {drafts}`glmdeploy bound` shows what was measured)"


def _price(result: Recommendation, hour: Decimal | None, *, spot: bool) -> str:
    if hour is None:
        return "unknown; --price takes USD a GPU and hour"
    given = result.wish.price is not None or result.wish.price_total is not None
    kind = "as given" if given else "a published spot price" if spot else "a published price, not live"
    return f"{CURRENCY} {shown(hour)} an hour, {kind}; `glmdeploy cost` goes on from there"


def _table(result: Recommendation) -> Table:
    """In hand and beside it, fewer stages first; else the best one first."""
    rows = [r for r in result.rows if r.meets]
    beside = any(not r.candidate.in_hand for r in rows)
    if beside:
        rows.sort(key=lambda r: r.stages)
    asked = result.wish.context is not None or result.wish.concurrency is not None
    shown_cells = [_cells(r) for r in rows]
    hidden = {name for name, hide in (("context", asked), ("in hand", not beside)) if hide}
    kept = [i for i, name in enumerate(_HEAD) if name not in hidden]
    return Table(tuple(_HEAD[i] for i in kept), tuple(tuple(cells[i] for i in kept) for cells in shown_cells), words=2)


def _legend(result: Recommendation, best: Row) -> str:
    wish, rows = result.wish, [r for r in result.rows if r.meets]
    size = (
        f"requests of {tokens(_size(result, best))}" if wish.context or wish.concurrency else "of the planned context"
    )
    parts = ["PP: pipeline stages", f"held: {size} at a time", "bound: tokens/s of one request, at most"]
    if wish.context is None and wish.concurrency is None:
        prompt = any(r.candidate.framework == "transformers" for r in rows)
        more = " (with transformers: of its prompt)" if prompt else ""
        parts.insert(0, f"context: the most tokens of one request{more}")
    if any(r.spot for r in rows):
        parts.append("* a spot price")
    return "; ".join(parts)


def _cells(row: Row) -> tuple[str, ...]:
    c = row.candidate
    how = {"high-throughput": "throughput"}.get(c.strategy, c.strategy) or (
        c.kv_cache_dtype and f"KV {c.kv_cache_dtype}"
    )
    return (
        f"{c.framework} {c.checkpoint.id} {how}".rstrip(),
        c.label,
        f"{row.stages}",
        "on" if row.mtp else "off",
        f"{shown(row.hour)}{'*' if row.spot else ''}" if row.hour is not None else "-",
        f"{row.max_context:,}",
        f"{row.requests:,}",
        f"{row.tokens_s:,}" if row.tokens_s else "-",
        row.verdict,
        "yes" if c.in_hand else "no",
    )


def _impossible(result: Recommendation) -> Iterator[tuple[str, str]]:
    for row in result.impossible[:_SHOWN]:
        yield (
            row.code,
            f"{_cells(row)[0]} on {row.candidate.label}: {row.reason}",
        )
    if len(result.impossible) > _SHOWN:
        yield "and", f"{len(result.impossible) - _SHOWN} more (--format json)"


def as_json(result: Recommendation | None, found: Sequence[Diagnostic]) -> str:
    """One JSON object, whatever came of it; what is unknown is empty, never null."""
    data: RecommendForm = {
        "format": "glmdeploy-recommend/v1",
        "currency": CURRENCY,
        "possible": bool(result and result.best),
        "reason": result.choice.reason if result else "",
        "command": result.command if result else "",
        "recommended": _row(result.best) if result and result.best else {},
        "rows": [_row(r) for r in result.rows] if result else [],
        "diagnostics": [d.as_json() for d in found],
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _row(row: Row) -> CandidateForm:
    plan = row.outcome.plan
    return {
        "framework": row.candidate.framework,
        "version": str(plan.spec.version) if plan else "",
        "checkpoint": row.candidate.checkpoint.id,
        "gpu": row.candidate.gpu.id,
        "gpus": row.candidate.gpus,
        "in_hand": row.candidate.in_hand,
        "strategy": row.candidate.strategy or "low-latency",
        "kv_cache_dtype": row.candidate.kv_cache_dtype or "auto",
        "stages": row.stages,
        "mtp": row.mtp,
        "layout": plan.layout.label if plan and plan.memory.stages else "",
        "verdict": row.verdict,
        "context": row.context,
        "max_context": row.max_context,
        "requests": row.requests,
        "request_tokens_s_upper_bound": row.tokens_s,
        "hour": exact(row.hour) if row.hour is not None else "",
        "spot": row.spot,
        "meets": row.meets,
        "code": row.code,
        "why_not": row.reason,
        "warnings": [d.code for d in row.outcome.found if d.level is Level.WARNING],
    }
