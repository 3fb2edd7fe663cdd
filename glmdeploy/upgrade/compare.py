"""The difference of two outcomes, option by option, each with the reason that the data proves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.difference import options
from glmdeploy.difference.change import ADDED, CHANGED, DEFAULT, KEPT, REMOVED, RENAMED, Change, of_ranks
from glmdeploy.partition import describe
from glmdeploy.targets import common
from glmdeploy.units import tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glmdeploy.pipeline import Outcome
    from glmdeploy.plan import Plan
    from glmdeploy.rules.renames import Rename

__all__ = ["Change", "compare"]


def compare(before: Outcome, after: Outcome, renames: Sequence[Rename] = ()) -> tuple[Change, ...]:
    """Every difference: plan, image, extra arguments, options, variables, diagnostics."""
    changes = [*_plans(before, after)]
    if before.plan and after.plan:
        changes += _images(before.plan, after.plan)
    changes += [Change("extra_args", r.before.split()[0], r.before, r.after, RENAMED, r.why) for r in renames]
    if before.plan and after.plan and before.processes and after.processes:
        pairs = list(zip(before.processes, after.processes, strict=False))
        changes += of_ranks([c for o, n in pairs for c in options.argv(before.plan, after.plan, o, n)], len(pairs))
        changes += of_ranks([c for o, n in pairs for c in options.env(o, n)], len(pairs))
    return (*changes, *options.diagnostics(before, after))


def _plans(before: Outcome, after: Outcome) -> Iterator[Change]:
    old, new = _figures(before), _figures(after)
    whole = ("context" in old) == ("context" in new)  # else one has no settings to compare
    for name in dict.fromkeys((*old, *new)):
        both = name in old and name in new
        if old.get(name, "") != new.get(name, "") and (both or whole):
            reason = CHANGED if both else (ADDED if name in new else REMOVED)
            why = _why_pool(before.plan, after.plan) if name == "KV pool" else ""
            yield Change("plan", name, old.get(name, ""), new.get(name, ""), reason, why)


def _figures(outcome: Outcome) -> dict[str, str]:
    plan = outcome.plan
    figures = {"profile": "refused" if outcome.refused else "accepted"}
    if plan is None:
        return figures
    figures["verdict"] = plan.verdict.value
    if plan.refusal or not plan.memory.stages:
        return figures
    figures["layout"] = plan.layout.label
    figures["ranks"] = str(plan.layout.nodes)
    if plan.layout.pp > 1:
        figures["stages"] = f"{describe(plan.layout.partition)} layers"
    if not plan.launchable:
        return figures
    settings = plan.settings
    return {
        **figures,
        "context": tokens(settings.context),
        "KV cache": settings.kv.label,
        "KV pool": tokens(plan.memory.kv_tokens),
        "MTP": f"{'on' if settings.mtp.enabled else 'off'}: {settings.mtp.reason}",
        "memory fraction": f"{settings.memory_fraction:.3g}",
        "prefill chunk": f"{settings.prefill_chunk:,}",
        "running requests": f"{settings.max_running:,}",
        "start-up": f"{plan.startup_seconds} s",
    }


def _why_pool(old: Plan | None, new: Plan | None) -> str:
    """Why the pool of a plan holds another number of tokens, where it is one thing."""
    if old is None or new is None or old.settings.kv.all_layers_indexed == new.settings.kv.all_layers_indexed:
        return ""
    first, then = ("every layer has", "only full-indexer layers have")
    first, then = (first, then) if old.settings.kv.all_layers_indexed else (then, first)
    return f"{old.spec.version}: {first} indexer rows; {new.spec.version}: {then} them"


def _images(old: Plan, new: Plan) -> Iterator[Change]:
    """The image and its driver, where containers are rendered."""
    if not new.spec.container_targets:
        return
    before, after = common.image(old.spec), common.image(new.spec)
    if before == after and new.spec.image and old.spec.version != new.spec.version:
        why = f"`framework.image` names it: see that it carries {new.spec.framework.name} {new.spec.version}"
        yield Change("image", "image", before, after, KEPT, why)
    elif before != after:
        documented = new.spec.framework.image(new.spec.version, new.spec.cluster.gpu.compute)
        built = ": the bundle's Dockerfile builds it" if common.needs_dockerfile(new.spec) else ""
        why = "the documented one" if documented else f"no image is documented{built}"
        yield Change("image", "image", before, after, DEFAULT, why)
    needs = [f"R{common.driver(p.spec)}" if common.driver(p.spec) else "" for p in (old, new)]
    if all(needs) and needs[0] != needs[1]:
        yield Change("image", "driver", needs[0], needs[1], CHANGED, "what the image needs")
