"""The verdict in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy import verdict
from glmdeploy.diagnostics import Level
from glmdeploy.plan import Verdict
from glmdeploy.units import gib, plural, tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.plan import Plan


def sentence(plan: Plan | None, found: Sequence[Diagnostic]) -> str:
    """Whether it serves, what, on what, and what that costs or what is missing."""
    errors = [d for d in found if d.level is Level.ERROR]
    if plan is None:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        return f"Refused: {errors[0].message}{more}" if errors else "Refused"
    text = _judged(plan)
    if errors and plan.launchable:
        codes = ", ".join(dict.fromkeys(d.code for d in errors))
        text += f"; but {plural(len(errors), 'error')} ({codes}) would stop a render"
    return text


def _judged(plan: Plan) -> str:
    spec = plan.spec
    where = f"{spec.cluster.label} with {spec.framework.name}"
    if plan.verdict is Verdict.BELOW_FLOOR:
        return f"Below-floor: {verdict.below_floor(spec)}"
    if plan.refusal:
        return f"Refused: {plan.refusal.reason}"
    if not plan.possible:
        return f"Floor-only: no layout of {where} leaves memory for a KV cache"
    return _held(plan, where)


def _held(plan: Plan, where: str) -> str:
    """The sentence of a layout that holds some context."""
    spec, most = plan.spec, tokens(plan.memory.max_context)
    if plan.verdict is Verdict.FLOOR_ONLY:
        accepted = " (accepted)" if plan.launchable else ""
        return f"Floor-only{accepted}: {where} holds at most {most} with the best layout, and a useful context is {verdict.MIN_CONTEXT:,}"
    if not plan.meets_context:
        asked = tokens(spec.request.context or 0)
        return f"{plan.verdict.value.capitalize()}, but not enough: {where} holds at most {most} with the best layout, and {asked} are asked for"
    serves = (
        f"{where} serves {spec.model.name} `{spec.checkpoint.id}` with a context of {tokens(plan.settings.context)}"
    )
    if plan.verdict is Verdict.TIGHT:
        return f"Tight: {serves}; what gave way: {', '.join(plan.settings.comfort)}"
    return f"Fits: {serves} and {gib(plan.memory.headroom)} of headroom on the fullest GPU"
