"""Judge what was found, and make one report of it; never raises for bad input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy import argv, manifests, pipeline
from glmdeploy.diagnostics import ProfileError
from glmdeploy.ignores import Settled
from glmdeploy.lint.report import Report, here
from glmdeploy.lint.search import Found, find
from glmdeploy.lint.uses import uses
from glmdeploy.targets.clash import clashes
from glmdeploy.uses import deployed, joined

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glmdeploy.ignores import Silenced
    from glmdeploy.spec import Spec
    from glmdeploy.uses import Use


def trees(paths: tuple[str, ...]) -> Report:
    """Every workspace, profile and bundle that the paths name, each file once."""
    found = find(paths)
    used = uses(found)
    seen = [(use, *_profile(use)) for use in used.uses]
    judged = [(use, settled) for use, settled, _ in seen]
    specs = {(use.real, use.environment): spec for use, _, spec in seen if spec}
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
            *joined((use, settled.shown) for use, settled in judged),
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


def _silenced(judged: list[tuple[Use, Settled]]) -> Iterable[Silenced]:
    return {(s.diagnostic, s.diagnostic.span): s for _, settled in judged for s in settled.silenced}.values()


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


def _profile(use: Use) -> tuple[Settled, Spec | None]:
    try:
        document = pipeline.open_profile(use.profile, environment=use.environment, workspace=use.workspace)
    except ProfileError as error:
        return Settled(error.diagnostics), None
    outcome = pipeline.judge(document)
    return Settled(outcome.found, outcome.silenced), outcome.plan.spec if outcome.plan else None
