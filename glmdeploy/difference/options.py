"""The command lines and the environments of two processes, option by option, with the reason that the data proves."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from glmdeploy import catalog
from glmdeploy.commandline import after_launcher
from glmdeploy.difference.change import ADDED, CHANGED, DEFAULT, REMOVED, RENAMED, Change
from glmdeploy.frameworks import ENGINES
from glmdeploy.report import API_KEY, LEADER
from glmdeploy.rules.arguments import parse
from glmdeploy.rules.renames import first_with, last_with

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from glmdeploy.commandline import CommandLine, Given
    from glmdeploy.flags import Framework, Option
    from glmdeploy.pipeline import Outcome
    from glmdeploy.plan import Plan
    from glmdeploy.process import Process


def argv(old: Plan, new: Plan, before: Process, after: Process) -> Iterator[Change]:
    """The plan's own options of one rank, without `extra_args`."""
    yield from _Sides(old, new, before.rank, own=True).compare(_own(old, before), _own(new, after))


def whole_argv(old: Plan, new: Plan, before: Process, after: Process) -> Iterator[Change]:
    """Everything on one rank's command line: the program, words that belong to no option, and every option."""
    lines = [_line(plan, process) for plan, process in ((old, before), (new, after))]
    (program, had), (other, has) = lines
    if program != other:
        yield Change("argv", "program", " ".join(program), " ".join(other), CHANGED, "", (before.rank,))
    free = [" ".join(word for _, word in line.positional) for line in (had, has)]
    if free[0] != free[1]:
        reason = CHANGED if all(free) else REMOVED if free[0] else ADDED
        yield Change("argv", "words without an option", free[0], free[1], reason, "", (before.rank,))
    yield from _Sides(old, new, before.rank, own=False).compare(had.given, has.given)


def env(before: Process, after: Process) -> Iterator[Change]:
    """The plain variables of one rank; secrets are references and no part of them."""
    old, new = dict(before.env), dict(after.env)
    for name in dict.fromkeys((*old, *new)):
        if name not in new:
            yield Change("env", name, old[name], "", REMOVED, "the plan no longer sets it", (before.rank,))
        elif name not in old:
            yield Change("env", name, "", new[name], ADDED, "the plan sets it", (before.rank,))
        elif old[name] != new[name]:
            yield Change("env", name, old[name], new[name], CHANGED, "", (before.rank,))


def diagnostics(before: Outcome, after: Outcome) -> Iterator[Change]:
    """What is said about one of the two only: the code at the same key counts as the same."""
    sides = [Counter((d.code, d.at) for d in o.found) for o in (before, after)]
    for outcome, other, reason in ((before, sides[1], REMOVED), (after, sides[0], ADDED)):
        for (code, at), group in groupby(outcome.found, key=lambda d: (d.code, d.at)):
            if not other[code, at]:
                for d in group:
                    text = f"{d.level.value}: {d.message}"
                    yield Change("diagnostic", code, *((text, "") if reason == REMOVED else ("", text)), reason)


def _line(plan: Plan, process: Process) -> tuple[list[str], CommandLine]:
    words = process.words(leader=LEADER, api_key=API_KEY)
    start = after_launcher(words, plan.spec.framework.launch)
    return words[:start], parse(plan.spec.framework, plan.spec.version, words[start:])


def _own(plan: Plan, process: Process) -> list[Given]:
    words = process.words(leader=LEADER, api_key=API_KEY)
    start = after_launcher(words, plan.spec.framework.launch)
    own = words[start : len(words) - len(plan.spec.extra_args)]
    return parse(plan.spec.framework, plan.spec.version, own).given


@dataclass(frozen=True)
class _Sides:
    """Two plans whose options are compared on one rank; ``own``: without the words of `extra_args`."""

    old: Plan
    new: Plan
    rank: int
    own: bool

    @property
    def related(self) -> bool:
        """Whether both are of one framework, so that its history explains differences."""
        return self.old.spec.framework.id == self.new.spec.framework.id

    def change(self, name: str, before: str, after: str, reason: str, why: str = "") -> Change:
        return Change("argv", name, before, after, reason, why, (self.rank,))

    def compare(self, before: Sequence[Given], after: Sequence[Given]) -> Iterator[Change]:
        had, rest = list(before), list(after)
        for switch, other, one in _merged(self.new.spec.framework, had, rest) if self.related else ():
            had, rest = [g for g in had if g not in {switch, other}], [g for g in rest if g != one]
            gone = switch.written not in _known(self.new)
            why = f"`{switch.written}` is {'gone' if gone else 'deprecated'}: `{one.written}` says both"
            was = f"{switch.written} {_shown(other)}"
            yield self.change(switch.written, was, _shown(one), RENAMED, why)
        for given in had:
            match = next((g for g in rest if self.matches(given, g)), None)
            if match is None:
                why = self.absent(self.new, self.old, given.written) or (
                    "the plan no longer sets it" if self.own else ""
                )
                yield self.change(given.written, _shown(given), "", REMOVED, why)
                continue
            rest.remove(match)
            yield from self.pair(given, match)
        for given in rest:
            why = self.absent(self.old, self.new, given.written) or ("the plan sets it" if self.own else "")
            yield self.change(given.written, "", _shown(given), ADDED, why)

    def matches(self, given: Given, other: Given) -> bool:
        """Whether two options are one: by a name that they share, a successor, or the catalogue's neutral name."""
        if not self.related:
            return bool(_neutral(self.old, given)) and _neutral(self.old, given) == _neutral(self.new, other)
        names = [{*g.option.names, _successor(self.new.spec.framework, g)} for g in (given, other)]
        return bool(names[0] & set(other.option.names) or names[1] & set(given.option.names))

    def pair(self, given: Given, match: Given) -> Iterator[Change]:
        """The difference of two options that are one; nothing where they say the same."""
        shown = _shown(given), _shown(match)
        if match.written != given.written and match.off == given.off:
            why = self.absent(self.new, self.old, given.written)
            yield self.change(given.written, *shown, RENAMED, why)
        elif match.written != given.written or _values(match) != _values(given):
            default = match.written == _fraction_option(self.new) and self.related
            default = default and all(_fraction_is_default(p) for p in (self.old, self.new))
            name = _neutral(self.new, match).replace("_", " ") if self.own else ""
            why = f"the plan has another {name}" if name else ""
            yield self.change(given.written, *shown, DEFAULT if default else CHANGED, why)

    def absent(self, without: Plan, having: Plan, option: str) -> str:
        """Why ``option`` stands on the command line of ``having`` alone, where its release says so."""
        if not self.related or option in _known(without):
            return ""
        newer = without.spec.version > having.spec.version
        return (last_with if newer else first_with)(having.spec.framework, option)


def _known(plan: Plan) -> Mapping[str, Option]:
    """Every spelling that the parser of a plan's release knows."""
    return catalog.options(plan.spec.framework.id).at(plan.spec.version)


def _successor(framework: Framework, given: Given) -> str:
    """The option that replaced one, or an empty string."""
    return framework.successors.get(given.written, "").replace("=", " ").partition(" ")[0]


def _merged(framework: Framework, had: Sequence[Given], has: Sequence[Given]) -> Iterator[tuple[Given, Given, Given]]:
    """A switch and its partner that one option replaces."""
    for switch, (partner, into) in framework.merged.items():
        old = [next((g for g in had if name in g.option.names), None) for name in (switch, partner)]
        one = next((g for g in has if into in g.option.names), None)
        if old[0] and old[1] and one and not any(into in g.option.names for g in had):
            yield old[0], old[1], one


def _neutral(plan: Plan, given: Given) -> str:
    """What a plan sets with an option, in the catalogue's words."""
    return next((f.name for f in plan.spec.framework.flags if f.option in given.option.names), "")


def _shown(given: Given) -> str:
    return " ".join([given.written, *given.values])


def _values(given: Given) -> tuple[str, ...]:
    """The values in a form that does not depend on how JSON is written."""
    if given.option.kind != "json":
        return given.values
    try:
        return tuple(json.dumps(json.loads(v), sort_keys=True) for v in given.values)
    except (ValueError, RecursionError):
        return given.values


def _fraction_option(plan: Plan) -> str:
    framework, version = plan.spec.framework, plan.spec.version
    return framework.option("memory_fraction", version) if framework.has("memory_fraction", version) else ""


def _fraction_is_default(plan: Plan) -> bool:
    engine = ENGINES[plan.spec.framework.id]
    return plan.settings.memory_fraction == engine.default_fraction(plan.spec, plan.layout, plan.settings)
