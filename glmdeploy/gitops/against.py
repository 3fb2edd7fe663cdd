"""Bundles as they are rendered now against those that are committed in a revision, in terms of the plan."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from glmdeploy import difference
from glmdeploy.bundle import MANIFEST
from glmdeploy.diagnostics import ProfileError
from glmdeploy.difference.sides import bundle_at, made, workspace_at
from glmdeploy.gitops import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glmdeploy.difference import Difference
    from glmdeploy.gitops import Rendered
    from glmdeploy.workspace import Deployment, Workspace

_GIT = ("GLM014", "GLM040", "GLM041", "GLM042", "GLM044", "GLM047")  # no bundle can be read from such a revision


class State(StrEnum):
    """What became of a bundle since the revision."""

    NEW = "new"
    GONE = "gone"
    UNLISTED = "not listed"  # any more, and the files are still there
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Against:
    """One bundle: ``difference`` when both sides are known, ``why`` when it is unknown what became of it, or not listed."""

    deployment: Deployment
    folder: str
    state: State
    difference: Difference | None = None
    why: str = ""


@dataclass(frozen=True)
class Comparison:
    """Every bundle of both sides; ``note`` says what could not be looked for."""

    rev: str
    bundles: tuple[Against, ...]
    note: str = ""

    @property
    def name(self) -> str:
        """The revision for people: the first 12 digits of a whole commit id."""
        return self.rev[:12] if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", self.rev) else self.rev


def bundles(rev: str, rendered: Sequence[Rendered | Refused]) -> Comparison:
    """Each of these bundles; ProfileError with GLM04x when git does not read the revision."""
    return Comparison(rev, tuple(_one(rev, r) for r in rendered))


def workspace(rev: str, space: Workspace, rendered: Sequence[Rendered | Refused]) -> Comparison:
    """Each bundle of the workspace, and those that the workspace of the revision listed alone; ProfileError as above."""
    note = ""
    gone: tuple[Against, ...] = ()
    try:
        before = workspace_at(space.source.path, rev)
        gone = tuple(_gone(rev, space, before)) if before else ()
    except ProfileError as error:
        first = _other_than_git(error)
        note = f"bundles that are gone are not known: `{space.source.path}` of `{rev}` is refused ({first})"
    return Comparison(rev, (*bundles(rev, rendered).bundles, *gone), note)


def _gone(rev: str, space: Workspace, before: Workspace) -> Iterator[Against]:
    listed = {d.output for d in space.deployments}
    for deployment in before.deployments:
        folder = space.path(deployment.output)
        if deployment.output not in listed and bundle_at(folder, rev):
            there = (Path(folder) / MANIFEST).exists()
            why = "its files are still there" if there else ""
            yield Against(deployment, folder, State.UNLISTED if there else State.GONE, why=why)


def _one(rev: str, rendered: Rendered | Refused) -> Against:
    deployment, folder = rendered.deployment, str(rendered.folder)
    try:
        before = bundle_at(folder, rev)
    except ProfileError as error:
        return Against(deployment, folder, State.UNKNOWN, why=_other_than_git(error))
    if isinstance(rendered, Refused):
        return Against(deployment, folder, State.UNKNOWN, why="nothing is rendered of it now")
    if before is None:
        return Against(deployment, folder, State.NEW)
    found = difference.compare(before, made(folder, rendered.bundle))
    return Against(deployment, folder, State.CHANGED if found.different else State.UNCHANGED, found)


def _other_than_git(error: ProfileError) -> str:
    """The message of what is wrong with one file of the revision; the error itself when no other can be read either."""
    first = error.diagnostics[0]
    if first.code in _GIT:
        raise error
    return f"{first.code}: {first.message}"
