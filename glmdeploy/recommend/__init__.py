"""From needs to a deployment: plans are made, judged and compared; nothing is looked up in a table of answers."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING

from glmdeploy import bound, pipeline
from glmdeploy.catalog import market
from glmdeploy.diagnostics import Diagnostic, Level
from glmdeploy.frameworks.transformers import longest_prompt
from glmdeploy.plan import Verdict
from glmdeploy.recommend import candidates
from glmdeploy.recommend import wish as wishes
from glmdeploy.source import from_options
from glmdeploy.units import plural, tokens
from glmdeploy.verdict import MIN_CONTEXT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glmdeploy.pipeline import Outcome
    from glmdeploy.recommend.candidates import Candidate
    from glmdeploy.recommend.wish import Choice, Wish


_NEAR = frozenset({"GLM203", "GLM705"})  # it runs, and holds less than was asked for


@dataclass(frozen=True)
class Row:
    """One plan that was made: ``code`` and ``reason`` say why it is not what was asked for, empty where it is."""

    candidate: Candidate
    outcome: Outcome
    context: int
    max_context: int
    requests: int
    tokens_s: int
    hour: Decimal | None
    spot: bool
    code: str
    reason: str

    @property
    def meets(self) -> bool:
        """Whether everything that was asked for is there."""
        return not self.code

    @property
    def unconfirmed(self) -> bool:
        """Whether nobody has confirmed that the framework's kernels run on this GPU."""
        return any(d.code == "GLM312" for d in self.outcome.found)

    @property
    def verdict(self) -> str:
        """The plan's verdict."""
        return self.outcome.plan.verdict.value if self.outcome.plan else "refused"

    @property
    def stages(self) -> int:
        """Pipeline stages; 0 without a layout."""
        plan = self.outcome.plan
        return plan.layout.pp if plan and plan.memory.stages else 0

    @property
    def mtp(self) -> bool:
        """Whether multi-token prediction is on."""
        plan = self.outcome.plan
        return bool(plan and plan.memory.stages and plan.settings.mtp.enabled)


@dataclass(frozen=True)
class Recommendation:
    """The rows, the best ones first, the best of them, and how to take it. ``passed`` is what stood before it."""

    wish: Wish
    rows: tuple[Row, ...]
    best: Row | None
    choice: Choice
    passed: Row | None
    command: str
    found: tuple[Diagnostic, ...]

    @property
    def others(self) -> tuple[Row, ...]:
        """What would do as well."""
        return tuple(r for r in self.rows if r.meets and r is not self.best)

    @property
    def impossible(self) -> tuple[Row, ...]:
        """What would not."""
        return tuple(r for r in self.rows if not r.meets)


def recommend(wish: Wish) -> Recommendation:
    """The best of at most ``candidates.LIMIT`` plans; GLM704 in ``found`` when none is what was asked for."""
    made = tuple(_in_hand(wish) if wish.gpu else _to_rent(wish))
    choices = wishes.frameworks(wish)
    frameworks = [c.framework for c in choices]
    rows = tuple(sorted(made, key=lambda r: (not r.meets, not r.candidate.in_hand, *_preference(wish, frameworks, r))))
    best = rows[0] if rows and rows[0].meets and rows[0].candidate.in_hand else None
    name = best.candidate.framework if best else choices[0].framework
    return Recommendation(
        wish=wish,
        rows=rows,
        best=best,
        choice=_choice(next(c for c in choices if c.framework == name), best),
        passed=made[0] if best and made[0].candidate.framework != name else None,
        command=_command(wish, best) if best else "",
        found=() if best else (_nothing(wish, made),),
    )


def _choice(choice: Choice, best: Row | None) -> Choice:
    """The choice, without praise for multi-token prediction where the plan has none."""
    return choice if best is None or best.mtp else replace(choice, reason=choice.reason.replace(wishes.MTP, ""))


def _in_hand(wish: Wish) -> Iterator[Row]:
    """Everything for the hardware in hand; beside it what holds a long context in fewer stages."""
    rows: list[Row] = []
    planned = (row for c in candidates.in_hand(wish) for row in _with_variants(wish, c, every=True))
    for row in islice(planned, candidates.LIMIT - candidates.BESIDE):
        rows.append(row)
        yield row
    last = candidates.last_resort(wish)
    if last and not any(r.meets for r in rows):
        yield _row(wish, last)
    if wish.context and not wish.evaluate and not _short(rows):
        for candidate in candidates.elsewhere(wish):
            yield from _with_variants(wish, candidate, every=False)


def _short(rows: Sequence[Row]) -> bool:
    """Whether the default checkpoint is held in one stage, or was not planned on GPUs alone."""
    plain = [r for r in rows if r.candidate.checkpoint.default and r.candidate.framework in candidates.STRATEGIES]
    return not plain or any(r.meets and r.stages == 1 for r in plain)


def _with_variants(wish: Wish, candidate: Candidate, *, every: bool) -> Iterator[Row]:
    """A plan; with an FP8 cache where that saves stages; by other strategies, until one holds what was asked for."""
    row = _row(wish, candidate)
    yield row
    if row.code and row.code not in _NEAR:
        return
    cache = candidates.smaller_cache(candidate) if wish.context and (row.code or row.stages > 1) else None
    if cache and row.outcome.plan and row.outcome.plan.settings.kv.dtype == "bfloat16":
        yield _row(wish, cache)
    # attention data parallel leaves each GPU its own cache: so many times more requests at most
    hopeless = row.requests * candidate.gpus < (wish.concurrency or 1)
    if hopeless or not (every or row.code):
        return
    for other in candidates.strategies(wish, candidate):
        found = _row(wish, other)
        yield found
        if found.meets or found.requests <= row.requests:
            return


def _to_rent(wish: Wish) -> Iterator[Row]:
    """Each GPU's smallest size that does it, all GPUs at one number of hosts before any at the next."""
    ladders, made = candidates.to_rent(wish), 0
    for level in range(max((len(ladder) for ladder in ladders), default=0)):
        remaining = []
        for ladder in ladders:
            if level >= len(ladder):
                continue
            meets = False
            for found in _with_variants(wish, ladder[level], every=False):
                made += 1
                if made > candidates.LIMIT:
                    return
                yield found
                meets = meets or found.meets
            if not meets:
                remaining.append(ladder)
        ladders = tuple(remaining)


def _row(wish: Wish, candidate: Candidate) -> Row:
    """Plan and judge one candidate, as `glmdeploy plan` would."""
    outcome = pipeline.judge(from_options(candidate.profile(wish), {}), for_targets=False)
    hour, spot = _hour(wish, candidate)
    plan = outcome.plan
    if plan is None or not plan.possible or not plan.memory.stages:
        return Row(candidate, outcome, 0, 0, 0, 0, hour, spot, *_why(outcome))
    context = wish.context or (plan.settings.context if wish.concurrency is None else MIN_CONTEXT)
    requests = bound.held(plan, context)
    bounds = bound.of(plan)
    speed = round(bounds.last.request) if bounds.rows else 0
    code, reason = _why(outcome)
    if not code and (wish.concurrency or 0) > requests:
        code = "GLM705"
        reason = f"holds {requests:,} of {tokens(context)} at a time, and {wish.concurrency:,} are wanted"
    most = plan.memory.max_context
    if candidate.framework == "transformers":  # its prefill is one step: a longer prompt runs out of memory (GLM207)
        most = min(most, longest_prompt(plan))
    return Row(candidate, outcome, plan.settings.context, most, requests, speed, hour, spot, code, reason)


def _why(outcome: Outcome) -> tuple[str, str]:
    """Code and message of the first error."""
    error = next((d for d in outcome.found if d.level is Level.ERROR), None)
    return (error.code, error.message) if error else ("", "")


def _hour(wish: Wish, candidate: Candidate) -> tuple[Decimal | None, bool]:
    """USD an hour of all GPUs, and whether that is a spot price."""
    mine = wish.gpu is None or wish.gpu.id == candidate.gpu.id  # a price that was given is for this GPU
    if wish.price_total is not None and candidate.in_hand:
        return wish.price_total, False
    if wish.price_total is not None and mine:
        return wish.price_total / wish.gpus * candidate.gpus, False
    if wish.price is not None and mine:
        return wish.price * candidate.gpus, False
    price = market.prices().get(candidate.gpu.id)
    return (price.usual * candidate.gpus, price.spot) if price else (None, False)


def _preference(wish: Wish, frameworks: Sequence[str], row: Row) -> tuple[bool | Decimal | int, ...]:
    """In hand: confirmed kernels, framework, checkpoint, stages. To rent: what fits unwarned, the price, the GPUs."""
    if not row.meets:
        return ()
    if wish.gpu:
        name, checkpoint = row.candidate.framework, row.candidate.checkpoint
        place = frameworks.index(name) if name in frameworks else len(frameworks)
        return (row.unconfirmed and name != wish.fleet, place, not checkpoint.default, row.stages)
    unknown = row.hour is None or row.spot
    return (
        row.verdict != Verdict.FITS.value,
        any(d.level is Level.WARNING for d in row.outcome.found),
        unknown,
        Decimal(0) if unknown or row.hour is None else row.hour,
        row.candidate.gpus,
    )


def _command(wish: Wish, best: Row) -> str:
    """The command line that renders the row; only scripts where containers would need more than options say."""
    judged = pipeline.judge(from_options(best.candidate.profile(wish), {}))
    words = [*best.candidate.options(wish), *(("--target", "script") if judged.refused else ())]
    return shlex.join(["glmdeploy", "render", *words])


def _nothing(wish: Wish, rows: Sequence[Row]) -> Diagnostic:
    """That no plan is what was asked for, with the one that comes nearest or what the planner would use instead."""
    where = f"on {wish.gpus} x {wish.gpu.name}" if wish.gpu else "on up to four hosts of any GPU that can be rented"
    near = max(
        (r for r in rows if r.code in _NEAR and r.candidate.in_hand),
        key=lambda r: (r.requests, r.max_context),
        default=None,
    )
    if near:
        how = f", strategy {near.candidate.strategy}" if near.candidate.strategy else ""
        what = f"{near.candidate.label} with {near.candidate.framework} and `{near.candidate.checkpoint.id}`{how}"
        more = "; `glmdeploy recommend` without --gpus looks at others" if wish.gpu else ""
        hint = f"nearest: {what}, {plural(near.requests, 'request')} at a time and {tokens(near.max_context)} at most{more}"
    else:
        hints: dict[str, str] = {}  # one for each code, by the framework that says it first
        seen = set()
        for row in rows:
            text = next((d.hint for d in row.outcome.found if d.code == row.code and d.hint), "")
            if text and text not in hints and row.code not in seen:
                hints[text] = row.candidate.framework
                seen.add(row.code)
        hint = "; or ".join(f"with {framework}: {text}" for text, framework in hints.items())
    return Diagnostic("GLM704", f"nothing that was planned {where} is what was asked for", hint=hint)
