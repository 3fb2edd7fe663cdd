"""The difference of two outcomes, option by option, each with the reason that the data proves."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from glmdeploy import catalog
from glmdeploy.commandline import arguments
from glmdeploy.frameworks import ENGINES
from glmdeploy.partition import describe
from glmdeploy.report import API_KEY, LEADER
from glmdeploy.rules.arguments import parse
from glmdeploy.rules.renames import first_with, last_with
from glmdeploy.targets import common
from glmdeploy.units import tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glmdeploy.commandline import Given
    from glmdeploy.flags import Framework
    from glmdeploy.forms.upgrade import ChangeForm
    from glmdeploy.pipeline import Outcome
    from glmdeploy.plan import Plan
    from glmdeploy.process import Process
    from glmdeploy.rules.renames import Rename

RENAMED, REMOVED, ADDED, CHANGED, DEFAULT, KEPT = "renamed", "removed", "added", "changed", "new default", "kept"


@dataclass(frozen=True)
class Change:
    """One difference. ``kind`` is plan, image, extra_args, argv, env or diagnostic; no ``ranks``: all of them.

    ``reason`` is renamed, removed, added, changed, new default, or kept (an image that the profile pins).
    """

    kind: str
    name: str
    before: str
    after: str
    reason: str
    why: str = ""
    ranks: tuple[int, ...] = ()

    def as_json(self) -> ChangeForm:
        """The members of the JSON form, in order."""
        return {
            "kind": self.kind,
            "name": self.name,
            "before": self.before,
            "after": self.after,
            "reason": self.reason,
            "why": self.why,
            "ranks": list(self.ranks),
        }


def compare(before: Outcome, after: Outcome, renames: Sequence[Rename] = ()) -> tuple[Change, ...]:
    """Every difference: plan, image, extra arguments, options, variables, diagnostics."""
    changes = [*_plans(before, after)]
    if before.plan and after.plan:
        changes += _images(before.plan, after.plan)
    changes += [Change("extra_args", r.before.split()[0], r.before, r.after, RENAMED, r.why) for r in renames]
    if before.plan and after.plan and before.processes and after.processes:
        pairs = list(zip(before.processes, after.processes, strict=False))
        changes += _of_ranks([c for o, n in pairs for c in _argv(before.plan, after.plan, o, n)], len(pairs))
        changes += _of_ranks([c for o, n in pairs for c in _env(o, n)], len(pairs))
    return (*changes, *_diagnostics(before, after))


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


def _options(plan: Plan, process: Process) -> list[Given]:
    """The plan's own options of a process, without `extra_args`."""
    words = process.words(leader=LEADER, api_key=API_KEY)
    own = arguments(words[: len(words) - len(plan.spec.extra_args)], plan.spec.framework.launch)
    return list(parse(plan.spec.framework, plan.spec.version, own).given)


def _argv(old: Plan, new: Plan, before: Process, after: Process) -> Iterator[Change]:
    framework = new.spec.framework
    rest = _options(new, after)
    known_old, known_new = (catalog.options(framework.id).at(p.spec.version) for p in (old, new))
    had = _options(old, before)
    for switch, other, one in _merged(framework, had, rest):
        had, rest = [g for g in had if g not in {switch, other}], [g for g in rest if g != one]
        why = f"`{switch.written}` is {'deprecated' if switch.written in known_new else 'gone'}: `{one.written}` says both"
        was = f"{switch.written} {_shown(other)}"
        yield Change("argv", switch.written, was, _shown(one), RENAMED, why, (before.rank,))
    for given in had:
        successor = framework.successors.get(given.written, "").replace("=", " ").partition(" ")[0]
        names = {*given.option.names, successor}
        match = next((g for g in rest if names & set(g.option.names)), None)
        was = _shown(given)
        if match is None:
            gone = given.written not in known_new
            why = last_with(framework, given.written) if gone else "the plan no longer sets it"
            yield Change("argv", given.written, was, "", REMOVED, why, (before.rank,))
            continue
        rest.remove(match)
        if match.written != given.written:
            why = last_with(framework, given.written) if given.written not in known_new else ""
            yield Change("argv", given.written, was, _shown(match), RENAMED, why, (before.rank,))
        elif match.values != given.values:
            default = match.written == _fraction_option(new) and all(_fraction_is_default(p) for p in (old, new))
            reason = DEFAULT if default else CHANGED
            yield Change("argv", given.written, was, _shown(match), reason, _neutral(new, given), (before.rank,))
    for given in rest:
        late = given.written not in known_old
        why = first_with(framework, given.written) if late else "the plan sets it"
        yield Change("argv", given.written, "", _shown(given), ADDED, why, (before.rank,))


def _merged(framework: Framework, had: Sequence[Given], has: Sequence[Given]) -> Iterator[tuple[Given, Given, Given]]:
    """A switch and its partner that one option replaces."""
    for switch, (partner, into) in framework.merged.items():
        old = [next((g for g in had if name in g.option.names), None) for name in (switch, partner)]
        one = next((g for g in has if into in g.option.names), None)
        if old[0] and old[1] and one and not any(into in g.option.names for g in had):
            yield old[0], old[1], one


def _neutral(plan: Plan, given: Given) -> str:
    """What the plan sets with an option, in the catalogue's words."""
    found = (f.name for f in plan.spec.framework.flags if f.option in given.option.names)
    name = next(found, "").replace("_", " ")
    return f"the plan has another {name}" if name else ""


def _shown(given: Given) -> str:
    return " ".join([given.written, *given.values])


def _fraction_option(plan: Plan) -> str:
    framework, version = plan.spec.framework, plan.spec.version
    return framework.option("memory_fraction", version) if framework.has("memory_fraction", version) else ""


def _fraction_is_default(plan: Plan) -> bool:
    engine = ENGINES[plan.spec.framework.id]
    return plan.settings.memory_fraction == engine.default_fraction(plan.spec, plan.layout, plan.settings)


def _env(before: Process, after: Process) -> Iterator[Change]:
    old, new = dict(before.env), dict(after.env)
    for name in dict.fromkeys((*old, *new)):
        if name not in new:
            yield Change("env", name, old[name], "", REMOVED, "the plan no longer sets it", (before.rank,))
        elif name not in old:
            yield Change("env", name, "", new[name], ADDED, "the plan sets it", (before.rank,))
        elif old[name] != new[name]:
            yield Change("env", name, old[name], new[name], CHANGED, "", (before.rank,))


def _of_ranks(changes: Sequence[Change], total: int) -> Iterator[Change]:
    """Equal changes of several ranks as one; in the order in which each is first seen."""
    order: dict[Change, None] = dict.fromkeys(replace(c, ranks=()) for c in changes)
    ranks = {change: tuple(c.ranks[0] for c in changes if replace(c, ranks=()) == change) for change in order}
    for change in order:
        yield change if len(ranks[change]) == total else replace(change, ranks=ranks[change])


def _diagnostics(before: Outcome, after: Outcome) -> Iterator[Change]:
    """What is said about one of the two only: the code at the same key counts as the same."""
    sides = [Counter((d.code, d.at) for d in o.found) for o in (before, after)]
    for outcome, other, reason in ((before, sides[1], REMOVED), (after, sides[0], ADDED)):
        for (code, at), group in groupby(outcome.found, key=lambda d: (d.code, d.at)):
            if not other[code, at]:
                for d in group:
                    text = f"{d.level.value}: {d.message}"
                    yield Change("diagnostic", code, *((text, "") if reason == REMOVED else ("", text)), reason)
