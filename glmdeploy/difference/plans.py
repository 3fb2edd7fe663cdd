"""Two plans compared: figures with their signed differences, memory stage by stage, processes, and profile keys."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING, Any

from glmdeploy import report
from glmdeploy.difference import masks, options
from glmdeploy.difference.change import ADDED, CHANGED, REMOVED, Change, Delta, delta, of_ranks
from glmdeploy.partition import describe
from glmdeploy.report.view import PARTS
from glmdeploy.targets import common
from glmdeploy.units import plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from glmdeploy.forms.diff import MemoryDeltaForm
    from glmdeploy.pipeline import Outcome
    from glmdeploy.plan import Plan
    from glmdeploy.process import Process
    from glmdeploy.weights import Weights

Figures = dict[str, str | int]
_SERVERS = ("server", "leader")  # whichever a deployment has, it answers the requests
_MISSING = object()
# Members of a bundle's own summary -> names of figures; whole numbers are compared as such.
_SUMMARY = {
    "verdict": "verdict",
    "checkpoint": "checkpoint",
    "framework": "framework",
    "version": "version",
    "image": "image",
    "gpu": "GPU",
    "gpus": "GPUs",
    "layout": "layout",
    "stages": "stages",
    "context": "context",
    "kv_tokens": "KV tokens",
}


@dataclass(frozen=True)
class MemoryDelta:
    """One part of the memory of one GPU in equal pipeline stages, bytes; a side without the stage has 0."""

    stages: tuple[int, ...]
    part: str
    before: int
    after: int
    change: str
    only: bool  # neither side has more stages than this one

    @property
    def name(self) -> str:
        """``every GPU``, ``stage 0`` or ``stages 1-3``."""
        if self.only:
            return "every GPU"
        first, last = self.stages[0], self.stages[-1]
        return f"stage {first}" if first == last else f"stages {first}-{last}"

    def as_json(self) -> MemoryDeltaForm:
        """The members of the JSON form, in order."""
        return {
            "stages": list(self.stages),
            "part": self.part,
            "change": self.change,
            "before_bytes": self.before,
            "after_bytes": self.after,
            "by_bytes": self.after - self.before,
        }


def figures(outcome: Outcome) -> Figures:
    """What a plan comes to, in the order in which people ask for it; nothing that a refused plan does not have."""
    plan = outcome.plan
    found: Figures = {"profile": "refused" if outcome.refused else "accepted"}
    if plan is None:
        return found
    found |= _asked(plan)
    if plan.refusal or not plan.memory.stages:
        return found
    hosts = report.look(plan, (), ()).hosts
    found |= {
        "layout": plan.layout.label,
        "stages": describe(plan.layout.partition),
        "placement": "; ".join(f"{host.name}: {host.text}" for host in hosts),
    }
    if outcome.processes:
        roles = groupby(sorted(p.role for p in outcome.processes))
        found["processes"] = ", ".join(plural(len(list(group)), role) for role, group in roles)
    return found | (_running(plan) if plan.launchable else {})


def _asked(plan: Plan) -> Figures:
    spec = plan.spec
    found: Figures = {
        "verdict": plan.verdict.value,
        "checkpoint": spec.checkpoint.id,
        "weights": _place(spec.weights),
        "framework": spec.framework.id,
        "version": str(spec.version),
    }
    if spec.container_targets:
        found["image"] = common.image(spec)
        if common.driver(spec):
            found["driver"] = f"R{common.driver(spec)}"
    return found | {"GPU": spec.cluster.gpu.id, "GPUs": spec.cluster.gpus, "hosts": plan.hosts}


def _place(weights: Weights) -> str:
    """Where the weights are, and what fills the folder."""
    revision = f" at {weights.revision}" if weights.revision else ""
    claim = f"claim {weights.claim}" if weights.claim else ""
    folder = f"{weights.path}, from {weights.store}" if weights.store else weights.path
    return folder or claim or (f"image {weights.oci}" if weights.oci else weights.hub + revision)


def _running(plan: Plan) -> Figures:
    settings = plan.settings
    return {
        "context": settings.context,
        "largest context": plan.memory.max_context,
        "KV cache": settings.kv.label,
        "KV tokens": plan.kv_tokens,
        "whole contexts at a time": plan.concurrent(settings.context),
        "running requests": plan.running,
        "memory fraction": f"{settings.memory_fraction:.3g}",
        "prefill chunk": settings.prefill_chunk,
        "MTP": f"{'on' if settings.mtp.enabled else 'off'}: {settings.mtp.reason}",
        "gave way": ", ".join(settings.comfort) or "nothing",
        "start-up, seconds": plan.startup_seconds,
    }


def summarised(data: Mapping[str, Any]) -> Figures:
    """The figures of a bundle's own summary, as far as they are what they should be."""
    found: Figures = {}
    for member, name in _SUMMARY.items():
        value = data.get(member)
        if member == "stages" and isinstance(value, list) and all(type(n) is int for n in value):
            found[name] = describe(tuple(value)) if value else ""
        elif isinstance(value, str) or type(value) is int:
            found[name] = value
    return {name: value for name, value in found.items() if value != ""}


def compare_figures(before: Figures, after: Figures, *, alike: bool) -> Iterator[Delta]:
    """Each figure that differs. What one side alone can know is no difference: a side that is refused, or not ``alike``."""
    whole = alike and ("context" in before) == ("context" in after)
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if old == new or (not whole and (old is None or new is None)):
            continue
        by = new - old if isinstance(old, int) and isinstance(new, int) else 0
        yield delta(name, _figure(old), _figure(new), by=by)


def _figure(value: str | int | None) -> str | None:
    return f"{value:,}" if isinstance(value, int) else value


def compare_memory(before: Plan, after: Plan) -> Iterator[MemoryDelta]:
    """Every part of every stage that differs; neighbouring stages that do so alike are one."""
    sides = [[_sizes(s) for s in p.memory.stages] if not p.refusal else [] for p in (before, after)]
    if not all(sides):
        return
    pairs = list(enumerate(zip_longest(*sides)))
    for (old, new), run in groupby(pairs, key=lambda item: item[1]):
        stages = tuple(number for number, _ in run)
        change = ADDED if old is None else REMOVED if new is None else CHANGED
        for index, part in enumerate((*PARTS, "capacity")):
            sizes = [side[index] if side else 0 for side in (old, new)]
            if sizes[0] != sizes[1]:
                yield MemoryDelta(stages, part, sizes[0], sizes[1], change, len(pairs) == 1)


def _sizes(stage: Any) -> tuple[int, ...]:
    return (
        stage.weights,
        stage.kv_cache,
        stage.activations,
        stage.overhead,
        stage.headroom,
        stage.capacity,
    )


def compare_processes(
    before: Outcome, after: Outcome
) -> tuple[tuple[Delta, ...], tuple[Delta, ...], tuple[Delta, ...]]:
    """Options, variables and ports of the processes that play the same role, rank by rank."""
    old, new = before.plan, after.plan
    if old is None or new is None:
        return (), (), ()
    pairs = _pairs(before.processes, after.processes)
    argv = [c for a, b in pairs for c in options.whole_argv(old, new, a, b)]
    env = [c for a, b in pairs for c in (*options.env(a, b), *_secrets(a, b))]
    ports = [c for a, b in pairs for c in _ports(a, b)]
    kinds = [tuple(_of_role(c, before.processes) for c in of_ranks(found, len(pairs))) for found in (argv, env, ports)]
    return kinds[0], kinds[1], kinds[2]


def _pairs(before: Sequence[Process], after: Sequence[Process]) -> list[tuple[Process, Process]]:
    """Processes of the same role, the first with the first: those that serve, and those that follow."""
    sides = [
        ([p for p in side if p.role in _SERVERS], [p for p in side if p.role not in _SERVERS])
        for side in (before, after)
    ]
    return [pair for kind in (0, 1) for pair in zip(sides[0][kind], sides[1][kind], strict=False)]


def _secrets(before: Process, after: Process) -> Iterator[Change]:
    """Which secret a variable comes from: names, never a value."""
    old, new = ({s.variable: f"key {s.key} of secret {s.secret}" for s in p.secrets} for p in (before, after))
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            reason = ADDED if name not in old else REMOVED if name not in new else CHANGED
            yield Change("secret", name, old.get(name, ""), new.get(name, ""), reason, "", (before.rank,))


def _ports(before: Process, after: Process) -> Iterator[Change]:
    old, new = ({"HTTP": p.port, "ranks meet": p.meeting_port} for p in (before, after))
    for name, port in old.items():
        if port != new[name]:
            reason = CHANGED if port and new[name] else REMOVED if port else ADDED
            yield Change("port", name, str(port or ""), str(new[name] or ""), reason, "", (before.rank,))


def _of_role(change: Change, processes: Sequence[Process]) -> Delta:
    """A change of some ranks with the role that these ranks are, where they are all of one."""
    ranks = set(change.ranks)
    roles = {p.role for p in processes if p.rank in ranks}
    whole = len(roles) == 1 and ranks == {p.rank for p in processes if p.role in roles}
    listed = f"rank{'s' if len(ranks) > 1 else ''} {', '.join(map(str, sorted(ranks)))}"
    where = (roles.pop() if whole else listed) if ranks else ""
    before, after = masks.text(change.before), masks.text(change.after)
    if change.kind == "env":  # who sets a variable is not known: the plan, or the profile
        before, after = masks.variable(change.name, before), masks.variable(change.name, after)
        return Delta(change.name, before, after, change.reason, where)
    return Delta(change.name, before, after, change.reason, where, change.why)


def compare_keys(before: Outcome, after: Outcome) -> Iterator[Delta]:
    """The keys of two profiles as they are written; the ones that mean the same all the same say so."""
    old, new = dict(_keys(before.source.data, ())), dict(_keys(after.source.data, ()))
    for at in dict.fromkeys((*old, *new)):
        if old.get(at) == new.get(at):
            continue
        meant = [_meant(outcome, at) for outcome in (before, after)]
        same = meant[0] is not _MISSING and repr(meant[0]) == repr(meant[1])
        shown = [None if side.get(at) is None else _shown(at, side[at]) for side in (old, new)]
        yield delta(".".join(at), *shown, why="means the same" if same else "")


def _keys(data: Mapping[str, Any], at: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each key that holds no mapping, and its value as JSON."""
    for key, value in data.items():
        here = (*at, str(key))
        if isinstance(value, dict) and value:
            yield from _keys(value, here)
        else:
            yield here, json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _shown(at: tuple[str, ...], written: str) -> str:
    """A value for people: text without quotes, secrets hidden."""
    value = json.loads(written)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return json.dumps(masks.words(value), ensure_ascii=False)
    return masks.key(at, value if isinstance(value, str) else written)


def _meant(outcome: Outcome, at: tuple[str, ...]) -> object:
    """What the profile's key comes to, defaults included."""
    node: Any = outcome.profile
    for key in at:
        node = node.get(key, _MISSING) if isinstance(node, dict) else getattr(node, key, _MISSING)
    return node


def compare_diagnostics(before: Outcome, after: Outcome) -> Iterator[Delta]:
    """What is said about one of the two alone."""
    for change in options.diagnostics(before, after):
        yield Delta(change.name, masks.text(change.before), masks.text(change.after), change.reason)
