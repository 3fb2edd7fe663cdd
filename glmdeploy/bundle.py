"""Files with their text, and writing them so that nothing of the user's is ever lost.

A bundle knows its own files by `.glmdeploy.json` (path -> sha256). A file that is not in there, or whose
content differs from it, belongs to the user: it is never overwritten or deleted without `force`.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from glmdeploy.diagnostics import Diagnostic, Span, WriteError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glmdeploy.forms.bundle import BundleForm, SummaryForm

MANIFEST = ".glmdeploy.json"
FORMAT: Final = "glmdeploy-bundle/v1"


@dataclass(frozen=True)
class Artifact:
    """One file: a relative path with `/`, its text, and whether it is executable."""

    path: str
    text: str
    executable: bool = False

    @property
    def sha256(self) -> str:
        """Checksum of the UTF-8 text."""
        return _digest(self.text.encode())


@dataclass(frozen=True)
class Bundle:
    """A set of artifacts in stable order."""

    artifacts: tuple[Artifact, ...]
    external: tuple[str, ...] = ()  # objects that the profile says exist: `Secret/NAME`
    image_digest: str = "off"  # the profile's policy
    found: tuple[Diagnostic, ...] = ()  # what the checker of manifests warns of
    plan: SummaryForm | None = None  # what was planned, for comparisons

    def manifest(self) -> Artifact:
        """The file that says which files are the bundle's."""
        files = {a.path: a.sha256 for a in sorted(self.artifacts, key=lambda a: a.path)}
        data: BundleForm = {"format": FORMAT, "files": files}
        if self.external:
            data["external"] = list(self.external)
        if self.image_digest != "off":
            data["image_digest"] = self.image_digest
        if self.plan:
            data["plan"] = self.plan
        return Artifact(MANIFEST, json.dumps(data, indent=2) + "\n")

    def write(self, out: Path, *, force: bool = False) -> tuple[str, ...]:
        """Write everything, remove what an older bundle of ours left over; return the paths written.

        WriteError (clobber) before anything changes when a file of the user's is in the way.
        """
        try:
            return _Writer(self, out, force=force).run()
        except OSError as error:
            where = error.filename or out
            raise WriteError(
                [_problem("GLM508", f"cannot write `{where}`: {error.strerror or error}", str(where))]
            ) from None

    def refuse_clobber(self, out: Path, *, force: bool = False) -> None:
        """WriteError (clobber) for whatever would stop `write`; nothing is touched."""
        conflicts = tuple(_Writer(self, out, force=force).conflicts())
        if conflicts:
            raise WriteError(conflicts, clobber=True)

    def text(self) -> str:
        """All files one after the other, for a terminal or a pipe."""
        return "".join(f"# ==> {a.path} <==\n{a.text}\n" for a in self.artifacts)


class _Writer:
    def __init__(self, bundle: Bundle, out: Path, *, force: bool) -> None:
        self.artifacts = (*bundle.artifacts, bundle.manifest())
        self.out = out
        self.force = force
        self.old = recorded(out)

    def run(self) -> tuple[str, ...]:
        conflicts = list(self.conflicts())
        if conflicts:
            raise WriteError(conflicts, clobber=True)
        staged: list[tuple[Path, Path]] = []
        made: list[Path] = []
        try:
            for artifact in self.artifacts:
                staged.append(self.stage(artifact, made))  # noqa: PERF401  a failure must find the earlier ones in the list
            for temporary, final in staged:
                os.replace(temporary, final)  # noqa: PTH105  the atomic call, by its name
        except BaseException:  # also Ctrl-C: nothing half-written stays, and it is raised again
            for temporary, _ in staged:
                temporary.unlink(missing_ok=True)
            for folder in reversed(made):
                _remove_empty(folder)
            raise
        self.remove_left_over()
        return tuple(a.path for a in self.artifacts)

    def conflicts(self) -> Iterable[Diagnostic]:
        if self.out.is_symlink() and not self.out.exists():
            yield _problem("GLM505", f"`{self.out}` is a broken link", str(self.out))
            return
        if self.out.exists() and not self.out.is_dir():
            yield _problem("GLM505", f"`{self.out}` is a file, not a directory", str(self.out))
            return
        new = {a.path: a for a in self.artifacts}
        for path in sorted({*new, *self.old}):
            reason = self.conflict(self.out / path, path, new.get(path))
            if reason:
                yield _problem(
                    "GLM505",
                    f"`{self.out / path}` {reason}",
                    str(self.out / path),
                    self.hint(self.out / path),
                )

    def conflict(self, file: Path, path: str, artifact: Artifact | None) -> str:
        """Why ``file`` may not be written, or an empty string."""
        blocked = self.blocked(file)
        if blocked or not file.exists() or self.force or (path == MANIFEST and self.old):
            return blocked
        found = _digest(file.read_bytes())
        if artifact and found == artifact.sha256:
            return ""
        if path not in self.old:
            return "was not written by glmdeploy"
        return "" if found == self.old[path] else "was edited since glmdeploy wrote it"

    def hint(self, file: Path) -> str:
        return "move it away" if self.blocked(file) else "move it away, or pass `--force`"

    def blocked(self, file: Path) -> str:
        """What no option overrides: a link, or something that is not a file, on the way."""
        inside = [p for p in (file, *file.parents) if self.out in p.parents]
        if any(p.is_symlink() for p in inside):
            return "is a link, or below one: nothing is written through it"
        parent = next((p for p in inside if p != file and p.exists() and not p.is_dir()), None)
        if parent:
            return f"cannot be written: `{parent}` is a file"
        return "is not a file" if file.exists() and not file.is_file() else ""

    def stage(self, artifact: Artifact, made: list[Path]) -> tuple[Path, Path]:
        final = self.out / artifact.path
        _make_folders(final.parent, made)
        handle, name = tempfile.mkstemp(prefix=".glmdeploy-", dir=final.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(artifact.text.encode())
        temporary = Path(name)
        temporary.chmod(0o755 if artifact.executable else 0o644)
        return temporary, final

    def remove_left_over(self) -> None:
        new = {a.path for a in self.artifacts}
        for path in sorted(set(self.old) - new):
            file = self.out / path
            file.unlink(missing_ok=True)
            for folder in file.parents:
                if folder == self.out or not _remove_empty(folder):
                    break


def recorded(out: Path) -> dict[str, str]:
    """Path -> sha256 of an older bundle of ours; empty when there is none, or when it is not ours."""
    manifest = out / MANIFEST
    try:
        data = json.loads(manifest.read_text(encoding="utf-8"))
        files = data["files"] if data["format"] == FORMAT else {}
        return {path: digest for path, digest in files.items() if inside(path) and isinstance(digest, str)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def inside(path: str) -> bool:
    """Whether a manifest's path stays inside the bundle: a manifest is a file that anybody can edit."""
    pure = PurePosixPath(path)
    return not pure.is_absolute() and ".." not in pure.parts and path not in {"", ".", MANIFEST} and "\0" not in path


def _make_folders(folder: Path, made: list[Path]) -> None:
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir()
        made.append(path)


def _remove_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _problem(code: str, message: str, path: str, hint: str = "") -> Diagnostic:
    return Diagnostic(code, message, span=Span(path), hint=hint)


def refuse_clobber(path: Path, text: str, *, force: bool) -> None:
    """WriteError (clobber) when another text stands at ``path`` and not ``force``, or something that is no file."""
    try:
        foreign = path.exists() and (not path.is_file() or (not force and path.read_bytes() != text.encode()))
    except OSError as error:
        raise WriteError([_problem("GLM508", f"cannot read `{path}`: {error.strerror or error}", str(path))]) from None
    if foreign:
        hint = "move it away, or pass `--force`"
        raise WriteError([_problem("GLM505", f"`{path}` exists and differs", str(path), hint)], clobber=True)


def write_file(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write one file atomically, with permissions ``mode``."""
    try:
        made: list[Path] = []
        _make_folders(path.absolute().parent, made)
        handle, name = tempfile.mkstemp(prefix=".glmdeploy-", dir=path.absolute().parent)
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
        Path(name).chmod(mode)
        os.replace(name, path)  # noqa: PTH105  the atomic call, by its name
    except OSError as error:
        raise WriteError([_problem("GLM508", f"cannot write `{path}`: {error.strerror or error}", str(path))]) from None
