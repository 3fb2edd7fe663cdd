"""Committed bundles against what their profiles render to now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from glmdeploy import gitops
from glmdeploy.bundle import MANIFEST
from glmdeploy.diagnostics import Diagnostic, Level, Span, WriteError
from glmdeploy.gitops import Refused, Rendered, against, lock, patch
from glmdeploy.gitops.files import Change, Kind, compare, version
from glmdeploy.gitops.patch import Version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from glmdeploy.forms.lock import LockForm
    from glmdeploy.gitops.against import Comparison
    from glmdeploy.workspace import Workspace

# kind -> code, the sentence about a file, and what to do
_SAYS: dict[Kind, tuple[str, str, str]] = {
    Kind.OUT_OF_DATE: ("GLM530", "is out of date", "render again"),
    Kind.EDITED: (
        "GLM531",
        "was edited by hand",
        "make the change in the profile; `check --fix` rewrites the file, `git checkout` brings an older one back",
    ),
    Kind.MISSING: ("GLM532", "is missing", "render again, or restore it"),
    Kind.LEFT_OVER: ("GLM533", "is left over from an earlier render", "render again: it is removed"),
    Kind.STRAY: (
        "GLM534",
        "was not written by glmdeploy",
        "move it out of the bundle, or name it under `keep` of the deployment",
    ),
    Kind.MODE: ("GLM535", "has the wrong executable bit", "render again, and commit the mode"),
}


@dataclass(frozen=True)
class Checked:
    """One bundle: what differs, and what changed since the lock file was written."""

    rendered: Rendered
    changes: tuple[Change, ...]
    reasons: tuple[str, ...] = ()

    @property
    def diff(self) -> str:
        """Every difference of files that are ours, as a patch that `git apply` takes."""
        return "".join(c.diff(self.rendered.folder) for c in self.changes)

    def found(self) -> Iterator[Diagnostic]:
        """A diagnostic for each file, with the reasons where the inputs explain it."""
        for change in self.changes:
            code, says, hint = _SAYS[change.kind]
            path = str(self.rendered.folder / change.path)
            notes = self.reasons if change.kind is not Kind.STRAY and change.kind is not Kind.MODE else ()
            if change.opaque and change.kind is not Kind.STRAY:
                notes = (*notes, f"not in the patch: {change.opaque}")
            yield Diagnostic(code, f"`{path}` {says}", notes=notes, hint=hint, span=Span(path))

    def fix(self) -> None:
        """Write the bundle again, edited files too; what glmdeploy never wrote stays, and so stops it: WriteError."""
        if self.changes:
            ours = (self.rendered.folder / MANIFEST).is_file()
            self.rendered.bundle.write(self.rendered.folder, force=ours)


@dataclass(frozen=True)
class Report:
    """Every bundle that was compared or is refused, what is said of the lock file, and the comparison with a revision.

    ``stopped`` is why nothing was compared at all, or which bundles cannot be beside each other.
    """

    checked: tuple[Checked, ...] = ()
    locks: tuple[Diagnostic, ...] = ()
    refused: tuple[Refused, ...] = ()
    stopped: tuple[Diagnostic, ...] = ()
    against: Comparison | None = None
    lock: str = ""  # the patch of the lock file

    @property
    def patch(self) -> str:
        """Every difference of files that are ours, and of the lock file, as a patch that `git apply` takes."""
        return "".join(c.diff for c in self.checked) + self.lock

    @property
    def differs(self) -> bool:
        """Whether a file differs, or the lock file does not record today's inputs."""
        return any(c.changes for c in self.checked) or any(d.level is Level.ERROR for d in self.locks)

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """What refuses profiles, or stopped the comparison."""
        return gitops.once((*(d for r in self.refused for d in r.found), *self.stopped))

    @property
    def found(self) -> tuple[Diagnostic, ...]:
        """What is to be said of the files and the lock file; what the profiles deserve is `lint`'s to say."""
        return (*(d for c in self.checked for d in c.found()), *self.locks)


def one(rendered: Rendered, rev: str = "") -> Report:
    """A bundle that no workspace lists; ``rev`` as for `workspace`."""
    checked = Checked(rendered, compare(rendered.bundle, rendered.folder))
    return Report((checked,), against=against.bundles(rev, (rendered,)) if rev else None)


def workspace(space: Workspace, made: tuple[Rendered | Refused, ...], rev: str = "") -> Report:
    """Every bundle of a workspace, and its lock file unless a profile is refused; ProfileError when that is none.

    With ``rev``, also what the bundles are against those of a revision; ProfileError when git cannot read it.
    """
    rendered = tuple(r for r in made if isinstance(r, Rendered))
    refused = tuple(r for r in made if isinstance(r, Refused))
    path = space.folder / lock.FILE
    old = lock.read(path)
    new = gitops.locked(space, old, rendered)
    checked = []
    for one in rendered:
        changes = compare(one.bundle, one.folder, one.deployment.keep)
        reasons = lock.reasons(old, new, one.deployment.output) if changes else ()
        checked.append(Checked(one, changes, reasons))
    locks = () if refused else (*gitops.linked(space), *_locks(str(path), old, new, space))
    twice = tuple(d for d in gitops.shared(space, rendered) if d.level is Level.ERROR)
    since = against.workspace(rev, space, made) if rev else None
    stale = not refused and (old is None or lock.outdated(old, new) or any(c.diff for c in checked))
    return Report(tuple(checked), locks, refused, twice, since, _patch(space.folder, new) if stale else "")


def _patch(folder: Path, new: LockForm) -> str:
    before, opaque = version(folder, lock.FILE)
    after = Version(lock.text(new), before.executable if before else False)
    return "" if opaque or before == after else patch.render(folder / lock.FILE, before, after)


def _locks(path: str, old: LockForm | None, new: LockForm, space: Workspace) -> Iterator[Diagnostic]:
    hint = "`glmdeploy render --all` writes it"
    if old is None:
        yield Diagnostic("GLM536", f"`{path}` is missing", span=Span(path), hint=hint)
        return
    yield from gitops.forgotten(space)
    listed = {d.output for d in space.deployments}
    if lock.outdated(old, new):
        notes = tuple(dict.fromkeys(r for output in sorted(listed) for r in lock.reasons(old, new, output)))
        yield Diagnostic("GLM536", f"`{path}` is out of date", span=Span(path), notes=notes, hint=hint)


def fix(report: Report, space: Workspace | None) -> None:
    """Rewrite what differs and is ours, and the lock file; WriteError for what is in the way."""
    if space is not None and (links := gitops.linked(space)):
        raise WriteError(links, clobber=True)
    for checked in report.checked:
        checked.fix()
    if space is not None:
        gitops.write_lock(space, (c.rendered for c in report.checked))
