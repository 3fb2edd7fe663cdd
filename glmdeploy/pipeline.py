"""The story, one line a stage: source -> profile -> spec -> plan -> processes -> judgement -> files."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from glmdeploy import catalog, ignores, images, manifests, resources, rules, source, targets
from glmdeploy import workspace as workspaces
from glmdeploy.diagnostics import Diagnostic, Level, ProfileError, Span, has_errors
from glmdeploy.frameworks import ENGINES, LAUNCH
from glmdeploy.planner import make_plan
from glmdeploy.profile import as_yaml, parse
from glmdeploy.spec import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from glmdeploy.bundle import Bundle
    from glmdeploy.ignores import Settled, Silenced
    from glmdeploy.plan import Plan
    from glmdeploy.process import Process
    from glmdeploy.profile import Profile
    from glmdeploy.source import Source

SCHEMA_FILE = "glmdeploy.schema.json"  # what the first line of a profile names: editors look for it in the same folder


@dataclass(frozen=True)
class Outcome:
    """What became of one profile: as far as it got, and every diagnostic, placed."""

    source: Source
    profile: Profile | None
    plan: Plan | None
    processes: tuple[Process, ...]
    found: tuple[Diagnostic, ...]
    silenced: tuple[Silenced, ...] = ()  # what a comment in the profile takes out of ``found``

    @property
    def refused(self) -> bool:
        """Whether any diagnostic is an error."""
        return has_errors(self.found)


def open_profile(name: str, *, environment: str = "", workspace: str | None = None) -> Source:
    """A profile by file, with what its workspace adds, or by the name of a shipped one; ProfileError with GLM0xx otherwise."""
    shipped = resources.shipped_profiles()
    # os.path: unlike Path, it answers False where permission is missing, and reading then says why
    exists = os.path.exists(name)  # noqa: PTH110
    if name in shipped and not exists:
        if environment or workspace:
            hint = f"save it first: `glmdeploy render {name} --save-profile FILE`"
            raise ProfileError(
                [Diagnostic("GLM021", "a shipped profile is in no workspace", span=Span(name), hint=hint)]
            )
        return source.read(shipped[name])
    if not exists and "/" not in name and not name.endswith((".yaml", ".yml")):
        hint = "`glmdeploy list profiles` shows the shipped ones; a file ends in .yaml"
        raise ProfileError([Diagnostic("GLM016", f"no profile `{name}`", span=Span(name), hint=hint)])
    return workspaces.document(name, environment=environment, workspace=workspace)


def judge(
    document: Source,
    *,
    for_targets: bool = True,
    images_lock: str | None = None,
    digests: Mapping[str, str] | None = None,
) -> Outcome:
    """Plan what the document describes and run every rule; never raises for bad input.

    Without ``for_targets``, nothing is said about what containers would need. ``images_lock`` names the file of image
    digests; else it is the one beside the profile. ``digests`` stand for such a file that is not on disk.
    """
    profile: Profile | None = None
    try:
        profile = parse(document)
        spec = resolve(profile, catalog.load())
        if for_targets:
            locked = images.locked(document, images_lock) if digests is None else tuple(digests.items())
        spec = replace(spec, digests=locked) if for_targets else replace(spec, targets=())
    except ProfileError as error:
        settled = _settled(document, error.diagnostics, whole=False)
        return Outcome(document, profile, None, (), settled.shown, settled.silenced)
    plan = make_plan(spec, ENGINES[spec.framework.id])
    processes = LAUNCH[spec.framework.id](plan) if plan.launchable else ()
    settled = _settled(document, (*spec.found, *rules.check(plan, processes)), whole=for_targets)
    found = settled.shown
    return Outcome(document, profile, plan, () if has_errors(found) else processes, found, settled.silenced)


def _settled(document: Source, found: Iterable[Diagnostic], *, whole: bool) -> Settled:
    """Findings in their places, less what comments silence, and what is wrong with the comments.

    Whether a comment silences anything shows only in ``whole`` runs of every rule over the file as it is written; in a
    workspace, what it silences may show in another environment only.
    """
    settled = document.settle(found)
    if not document.ignores:
        return settled
    own = [i for i in document.ignores if i.span.path == document.path]
    whole = whole and document.as_written and not document.layers
    problems = ignores.problems(own, settled, rules.pages(), whole=whole)
    return replace(settled, shown=(*settled.shown, *problems))


def render(outcome: Outcome) -> Bundle:
    """The files of an outcome that was not refused; ProfileError with its diagnostics otherwise.

    The checker of manifests sees them first: what an API server would refuse is never written.
    """
    if outcome.plan is None or outcome.refused:
        raise ProfileError(outcome.found)
    bundle = targets.render(outcome.plan, outcome.processes)
    known = manifests.Known(bundle.external)  # the policy on digests has spoken: it is a rule
    found = manifests.check(((a.path, a.text) for a in bundle.artifacts), known)
    if has_errors(found):
        raise ProfileError(d for d in found if d.level is Level.ERROR)
    return replace(bundle, found=tuple(d for d in found if d.level is Level.WARNING))


def profile_text(outcome: Outcome) -> str:
    """The profile of an outcome as a file: block style, and on top the line by which editors find the schema."""
    if outcome.profile is None:
        raise ProfileError(outcome.found)
    return source.dump(as_yaml(outcome.profile), f"# yaml-language-server: $schema={SCHEMA_FILE}\n")


def lint(name: str) -> list[Diagnostic]:
    """Every diagnostic of one profile; never raises for bad input."""
    try:
        return list(judge(open_profile(name)).found)
    except ProfileError as error:
        return list(error.diagnostics)
