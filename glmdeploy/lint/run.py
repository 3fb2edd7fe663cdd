"""Judge what was found, and make one report of it; never raises for bad input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy import argv, manifests, pipeline
from glmdeploy.diagnostics import ProfileError
from glmdeploy.lint.report import Report, here
from glmdeploy.lint.search import Found, find
from glmdeploy.lint.stale import CODE, stale
from glmdeploy.lint.uses import uses
from glmdeploy.targets.clash import clashes
from glmdeploy.uses import deployed, joined

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.ignores import Silenced
    from glmdeploy.pipeline import Outcome
    from glmdeploy.uses import Use


def trees(paths: tuple[str, ...]) -> Report:
    """Every workspace, profile and bundle that the paths name, each file once."""
    found = find(paths)
    used = uses(found)
    judged, broken = _judged(used.uses)
    specs = {(use.real, use.environment): o.plan.spec for use, o in judged if o.plan}
    twice = [clashes(space, deployed(space, specs)) for path in found.workspaces if (space := used.space(path))]
    folders = Found(bundles=[*used.bundles, *found.bundles]).clean().bundles
    surveys = [manifests.survey(folder, (*found.workspaces, *found.profiles)) for folder in folders]
    return Report(
        workspaces=tuple(found.workspaces),
        profiles=tuple(dict.fromkeys(use.profile for use in used.uses)),
        files=tuple(name for s in surveys for name in s.names),
        found=(
            *found.problems,
            *used.problems,
            *joined([*broken, *((use, [d for d in o.found if d.code != CODE]) for use, o in judged)]),
            *stale(judged, twice, found.workspaces),
            *(d for settled in twice for d in settled.shown),
            *(d for s in surveys for d in s.found),
        ),
        silenced=(
            *_silenced(judged),
            *(s for settled in twice for s in settled.silenced),
            *(s for survey in surveys for s in survey.silenced),
        ),
        base=here(),
    )


def _silenced(judged: Iterable[tuple[Use, Outcome]]) -> Iterable[Silenced]:
    return {(s.diagnostic, s.diagnostic.span): s for _, o in judged for s in o.silenced}.values()


def bundle(folder: str) -> Report:
    """The YAML files of a bundle, edited or not, or of any folder."""
    survey = manifests.survey(folder)
    return Report(files=survey.names, found=survey.found, silenced=survey.silenced, base=here())


def command_line(framework: str, version: str | None, file: str) -> Report:
    """A raw command line in shell text or JSON."""
    try:
        found = tuple(argv.lint(framework, version, file))
    except ProfileError as error:
        found = error.diagnostics
    return Report(commands=(file,), found=found, base=here())


def _judged(uses: Iterable[Use]) -> tuple[list[tuple[Use, Outcome]], list[tuple[Use, tuple[Diagnostic, ...]]]]:
    """What became of each use, and apart what is wrong with those that are no document."""
    judged: list[tuple[Use, Outcome]] = []
    broken: list[tuple[Use, tuple[Diagnostic, ...]]] = []
    for use in uses:
        try:
            document = pipeline.open_profile(use.profile, environment=use.environment, workspace=use.workspace)
        except ProfileError as error:
            broken.append((use, error.diagnostics))
        else:
            judged.append((use, pipeline.judge(document)))
    return judged, broken
