"""The bundles of a workspace together: render them all, and compare them with what is committed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from glmdeploy import pipeline
from glmdeploy.bundle import MANIFEST, inside, write_file
from glmdeploy.diagnostics import Diagnostic, Level, ProfileError, Span, WriteError, has_errors
from glmdeploy.gitops import lock
from glmdeploy.gitops.lock import Inputs
from glmdeploy.targets.clash import clashes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glmdeploy.bundle import Bundle
    from glmdeploy.forms.lock import LockForm
    from glmdeploy.pipeline import Outcome
    from glmdeploy.workspace import Deployment, Workspace


@dataclass(frozen=True)
class Rendered:
    """One bundle in memory, and the folder that it belongs into."""

    deployment: Deployment
    folder: Path
    outcome: Outcome
    bundle: Bundle

    @property
    def inputs(self) -> Inputs:
        """What it is rendered from."""
        if self.outcome.plan is None:
            raise ProfileError(self.outcome.found)
        return Inputs(self.deployment, self.outcome.source, self.outcome.plan)

    @property
    def found(self) -> tuple[Diagnostic, ...]:
        """Everything that is said of it."""
        return (*self.outcome.found, *self.bundle.found)


@dataclass(frozen=True)
class Refused:
    """A bundle of which nothing is rendered, and why."""

    deployment: Deployment
    folder: Path
    found: tuple[Diagnostic, ...]


def render(workspace: Workspace) -> tuple[Rendered, ...]:
    """Every bundle of a workspace; ProfileError with the diagnostics of all that are refused, or that two are one."""
    made = attempt(workspace)
    refused = [d for r in made if isinstance(r, Refused) for d in r.found]
    rendered = tuple(r for r in made if isinstance(r, Rendered))
    if refused:
        raise ProfileError(once([*(d for r in rendered for d in r.found), *refused]))
    if has_errors(found := shared(workspace, rendered)):
        raise ProfileError(found)
    return rendered


def attempt(workspace: Workspace) -> tuple[Rendered | Refused, ...]:
    """What becomes of every bundle of a workspace, in its order; never raises for a profile that is refused."""
    return tuple(_attempted(workspace, deployment) for deployment in workspace.deployments)


def _attempted(workspace: Workspace, deployment: Deployment) -> Rendered | Refused:
    try:
        return _one(workspace, deployment)
    except ProfileError as error:
        return Refused(deployment, Path(workspace.path(deployment.output)), error.diagnostics)


def shared(workspace: Workspace, rendered: Iterable[Rendered]) -> tuple[Diagnostic, ...]:
    """What is said of bundles that would be the same objects in Kubernetes."""
    specs = [(one.deployment, one.outcome.plan.spec) for one in rendered if one.outcome.plan]
    return clashes(workspace, specs).shown


def once(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """The diagnostics without repetitions: two environments of a profile say most things twice."""
    return tuple({(d, d.span): d for d in found}.values())


def _one(workspace: Workspace, deployment: Deployment) -> Rendered:
    path = workspace.path(deployment.profile)
    document = pipeline.open_profile(path, environment=deployment.environment, workspace=workspace.source.path)
    outcome = pipeline.judge(document)
    return Rendered(deployment, Path(workspace.path(deployment.output)), outcome, pipeline.render(outcome))


def write(workspace: Workspace, rendered: tuple[Rendered, ...], *, force: bool = False) -> None:
    """Write every bundle and the lock file; WriteError (clobber) before anything changes when a user's file is in the way."""
    refuse_clobber(workspace, rendered, force=force)
    for one in rendered:
        one.bundle.write(one.folder, force=force)
    write_lock(workspace, rendered)


def linked(workspace: Workspace) -> tuple[Diagnostic, ...]:
    """GLM505 for each output that is a link or below one: it may lead out of the workspace, and no option overrides it."""
    said = []
    for output in dict.fromkeys(d.output for d in workspace.deployments):
        way = [workspace.folder / p for p in reversed((PurePosixPath(output), *PurePosixPath(output).parents[:-1]))]
        if link := next((p for p in way if p.is_symlink()), None):
            message = f"`{workspace.path(output)}` is not written: `{link}` is a link"
            said.append(Diagnostic("GLM505", message, span=Span(str(link)), hint="name the folder itself as `output`"))
    return tuple(said)


def refuse_clobber(workspace: Workspace, rendered: tuple[Rendered, ...], *, force: bool) -> None:
    """WriteError (clobber) with everything of the user's that is in the way of any bundle."""
    conflicts: list[Diagnostic] = list(linked(workspace))
    for one in rendered:
        try:
            one.bundle.refuse_clobber(one.folder, force=force)
        except WriteError as error:
            conflicts += error.diagnostics
    if conflicts:
        raise WriteError(conflicts, clobber=True)


def write_lock(workspace: Workspace, rendered: Iterable[Rendered]) -> None:
    """Write the lock of these bundles; one that cannot be read is written anew."""
    try:
        old = lock.read(workspace.folder / lock.FILE)
    except ProfileError:
        old = None
    write_file(workspace.folder / lock.FILE, lock.text(locked(workspace, old, rendered)))


def locked(workspace: Workspace, old: LockForm | None, rendered: Iterable[Rendered]) -> LockForm:
    """The lock of these bundles, and of those of ``old`` that nobody lists any more but whose files are still there."""
    kept = unlisted(workspace, old)
    return lock.lock((one.inputs for one in rendered), old, kept)


def unlisted(workspace: Workspace, old: LockForm | None) -> tuple[str, ...]:
    """Where bundles of the lock file stand that the workspace does not list, below its folder; in order."""
    listed = {d.output for d in workspace.deployments}
    before = {d["output"] for d in old["deployments"]} if old else set()
    return tuple(o for o in sorted(before - listed) if inside(o) and (workspace.folder / o / MANIFEST).exists())


def forgotten(workspace: Workspace, level: Level = Level.ERROR) -> tuple[Diagnostic, ...]:
    """GLM537 for each bundle that is still there and not listed any more."""
    hint = "remove it with `git rm -r`, or list it"
    folders = [workspace.path(output) for output in unlisted(workspace, lock.read(workspace.folder / lock.FILE))]
    said = [(f, f"`{f}` was rendered for this workspace, which does not list it any more") for f in folders]
    return tuple(Diagnostic("GLM537", message, level=level, span=Span(f), hint=hint) for f, message in said)
