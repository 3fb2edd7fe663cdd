"""Judge what was found, and make one report of it; never raises for bad input."""

from __future__ import annotations

from glmdeploy import argv, manifests, pipeline
from glmdeploy.diagnostics import ProfileError
from glmdeploy.ignores import Settled
from glmdeploy.lint.report import Report, here
from glmdeploy.lint.search import find


def trees(paths: tuple[str, ...]) -> Report:
    """Every profile and every bundle that the paths name, each file once."""
    found = find(paths)
    judged = [_profile(name) for name in found.profiles]
    surveys = [manifests.survey(folder, found.profiles) for folder in found.bundles]
    return Report(
        profiles=tuple(found.profiles),
        files=tuple(name for s in surveys for name in s.names),
        found=(*found.problems, *(d for j in judged for d in j.shown), *(d for s in surveys for d in s.found)),
        silenced=(*(s for j in judged for s in j.silenced), *(s for survey in surveys for s in survey.silenced)),
        base=here(),
    )


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


def _profile(name: str) -> Settled:
    try:
        outcome = pipeline.judge(pipeline.open_profile(name))
    except ProfileError as error:
        return Settled(error.diagnostics)
    return Settled(outcome.found, outcome.silenced)
