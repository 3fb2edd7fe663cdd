"""The story, one line a stage: source -> profile -> spec -> plan -> processes -> judgement -> files."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from glmdeploy import catalog, images, manifests, resources, rules, source, targets
from glmdeploy import workspace as workspaces
from glmdeploy.diagnostics import Diagnostic, Level, ProfileError, Span, has_errors
from glmdeploy.frameworks import ENGINES, LAUNCH
from glmdeploy.planner import make_plan
from glmdeploy.profile import API_VERSION, as_yaml, parse
from glmdeploy.spec import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from glmdeploy.bundle import Bundle
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
        return Outcome(document, profile, None, (), document.place(error.diagnostics))
    plan = make_plan(spec, ENGINES[spec.framework.id])
    processes = LAUNCH[spec.framework.id](plan) if plan.launchable else ()
    found = document.place((*spec.found, *rules.check(plan, processes)))
    return Outcome(document, profile, plan, () if has_errors(found) else processes, found)


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


def lint_bundle(path: str) -> tuple[list[str], list[Diagnostic]]:
    """The files below a folder that the checker of manifests judged, and what it says; never raises for bad input."""
    return manifests.folder(path)


_OURS = re.compile(rb"^apiVersion:\s*[\"']?glmdeploy/", re.MULTILINE)


def find_profiles(paths: Iterable[str]) -> tuple[list[str], list[Diagnostic]]:
    """The profiles that paths name: files as they are, folders searched; and what is wrong with the paths."""
    names: list[str] = []
    found: list[Diagnostic] = []
    for path in paths:
        if not os.path.isdir(path):  # noqa: PTH112  False where permission is missing
            names.append(path)
            continue
        below = _below(Path(path), found)
        if not below:
            found.append(
                Diagnostic(
                    "GLM017",
                    f"no profile below `{path}`",
                    span=Span(path),
                    hint=f"a profile starts with `apiVersion: {API_VERSION}`",
                )
            )
        names += below
    return list(dict.fromkeys(names)), found


def _below(folder: Path, found: list[Diagnostic]) -> list[str]:
    names = []
    for root, folders, files in os.walk(folder, onerror=lambda e: found.append(_unreadable(e))):
        folders.sort()
        for file in sorted(files):
            path = Path(root, file)
            if path.suffix not in {".yaml", ".yml"} or not path.is_file():
                continue
            try:
                with path.open("rb") as opened:
                    ours = _OURS.search(opened.read(source.MAX_BYTES))
            except OSError as error:
                found.append(_unreadable(error))
                continue
            if ours:
                names.append(str(path))
    return names


def _unreadable(error: OSError) -> Diagnostic:
    return Diagnostic("GLM001", f"cannot read `{error.filename}`: {error.strerror}", span=Span(str(error.filename)))
