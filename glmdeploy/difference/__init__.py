"""Two deployments compared in terms of the plan: profiles, revisions of one, or rendered bundles.

`compare` takes what became of two profiles, or the files of two bundles, and gives one `Difference`; the renderers only
say it. Both sides may be of either kind: what one of them does not know is not compared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from glmdeploy import pipeline
from glmdeploy.diagnostics import ProfileError
from glmdeploy.difference import files, objects, plans
from glmdeploy.difference.files import Files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.difference.change import Delta
    from glmdeploy.difference.files import FileDelta
    from glmdeploy.difference.objects import ThingDelta
    from glmdeploy.difference.plans import MemoryDelta
    from glmdeploy.forms.diff import SideForm
    from glmdeploy.pipeline import Outcome

__all__ = ["Difference", "Files", "Side", "compare"]


@dataclass(frozen=True)
class Side:
    """One side of a comparison: its name, ``profile`` or ``bundle``, its verdict, and what refuses it."""

    name: str
    kind: str
    verdict: str
    errors: tuple[Diagnostic, ...] = ()

    @property
    def refused(self) -> bool:
        """Whether nothing is rendered of it."""
        return bool(self.errors)

    def as_json(self) -> SideForm:
        """The members of the JSON form, in order."""
        return {"name": self.name, "kind": self.kind, "verdict": self.verdict, "refused": self.refused}


@dataclass(frozen=True)
class Difference:
    """All that differs, each in stable order; ``uncompared`` says in sentences what could not be compared, and why."""

    before: Side
    after: Side
    plan: tuple[Delta, ...] = ()
    memory: tuple[MemoryDelta, ...] = ()
    argv: tuple[Delta, ...] = ()
    env: tuple[Delta, ...] = ()
    ports: tuple[Delta, ...] = ()
    keys: tuple[Delta, ...] = ()
    diagnostics: tuple[Delta, ...] = ()
    kubernetes: tuple[ThingDelta, ...] = ()
    compose: tuple[ThingDelta, ...] = ()
    files: tuple[FileDelta, ...] = ()
    uncompared: tuple[str, ...] = ()

    @property
    def different(self) -> bool:
        """Whether anything differs."""
        plan = self.plan or self.memory or self.argv or self.env or self.ports or self.keys or self.diagnostics
        return bool(plan or self.kubernetes or self.compose or self.files)


@dataclass(frozen=True)
class _Prepared:
    """A side, the plan's figures, and the files as far as there are any."""

    side: Side
    figures: plans.Figures
    files: Files | None
    outcome: Outcome | None = None


def compare(before: Outcome | Files, after: Outcome | Files) -> Difference:
    """Everything in which two deployments differ; never raises for a profile that is refused."""
    old, new = _prepared(before), _prepared(after)
    alike = old.side.kind == new.side.kind
    figures = plans.compare_figures(old.figures, new.figures, alike=alike) if old.figures and new.figures else ()
    found = Difference(old.side, new.side, tuple(figures), uncompared=tuple(_uncompared(old, new)))
    if old.outcome and new.outcome:
        found = _profiles(found, old.outcome, new.outcome)
    return _files(found, old.files, new.files) if old.files and new.files else found


def _prepared(side: Outcome | Files) -> _Prepared:
    if isinstance(side, Files):
        return _Prepared(Side(side.name, "bundle", str(side.figures.get("verdict", ""))), side.figures, side)
    verdict = side.plan.verdict.value if side.plan else "refused"
    errors = tuple(d for d in side.found if d.level.value == "error")
    rendered: Files | None = None
    try:
        bundle = pipeline.render(side)
        rendered = Files(side.source.path, {a.path: a.text for a in bundle.artifacts})
    except ProfileError as error:
        errors = errors or error.diagnostics
    return _Prepared(Side(side.source.path, "profile", verdict, errors), plans.figures(side), rendered, side)


def _profiles(found: Difference, before: Outcome, after: Outcome) -> Difference:
    """With what only profiles know."""
    argv, env, ports = plans.compare_processes(before, after)
    memory = plans.compare_memory(before.plan, after.plan) if before.plan and after.plan else ()
    keys, said = plans.compare_keys(before, after), plans.compare_diagnostics(before, after)
    return replace(
        found, memory=tuple(memory), argv=argv, env=env, ports=ports, keys=tuple(keys), diagnostics=tuple(said)
    )


def _files(found: Difference, before: Files, after: Files) -> Difference:
    """With objects, services and files."""
    old, new = objects.read(before.texts), objects.read(after.texts)
    return replace(
        found,
        kubernetes=tuple(objects.compare(old.kubernetes, new.kubernetes)),
        compose=tuple(objects.compare(old.compose, new.compose)),
        files=tuple(files.compare(before, after, old.secrets | new.secrets)),
    )


def _uncompared(before: _Prepared, after: _Prepared) -> Iterator[str]:
    refused = [p.side.name for p in (before, after) if p.side.refused]
    if refused:
        names = " and ".join(dict.fromkeys(refused))
        yield f"options, environment and files are not compared: nothing is rendered of {names}"
    for prepared in (before, after):
        if not prepared.figures:
            yield f"the plan is not compared: {prepared.side.name} does not say what was planned; render it again"
    if before.side.kind != after.side.kind:
        yield "a profile and a bundle share the figures that a bundle holds, and their files; no more is compared"
