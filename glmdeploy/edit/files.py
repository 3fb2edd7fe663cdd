"""A profile's file read to be changed, and written back whole: mode, links, byte order mark and line ends stay."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from glmdeploy import pipeline, resources, source, workspace
from glmdeploy.bundle import write_file
from glmdeploy.diagnostics import Diagnostic, ProfileError, Span, WriteError
from glmdeploy.pipeline import Outcome
from glmdeploy.uses import reached, real_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glmdeploy.diagnostics import Edit
    from glmdeploy.source import Source
    from glmdeploy.uses import Use

_BOM = "\ufeff"


@dataclass(frozen=True)
class File:
    """A file as it was read; ``text`` is without the byte order mark."""

    path: Path
    text: str
    mark: str
    environment: str = ""
    workspace: str | None = None  # else the nearest one

    @property
    def uses(self) -> tuple[Use, ...]:
        """Every use of the profile that a change reaches; ProfileError when its workspace is none."""
        return reached(str(self.path), environment=self.environment, workspace_file=self.workspace)

    def document(self, text: str) -> Source:
        """The file with another text, with what its workspace adds; ProfileError when that is no document."""
        name = str(self.path)
        return workspace.document(name, environment=self.environment, workspace=self.workspace, text=text)

    def judged(self, text: str) -> Outcome:
        """The file with another text by itself; ProfileError when that is no document."""
        return pipeline.judge(self.document(text))

    def used(self, use: Use, text: str) -> Outcome:
        """A use of the file, or of a profile that extends it, with another text of the file, judged as `lint` would.

        ProfileError when the text is no document.
        """
        real = real_path(str(self.path))
        own = source.parse(str(self.path), text)

        def read(path: str) -> Source:
            return replace(own, path=path) if real_path(path) == real else source.read(Path(path))

        reader = workspace.Reader(read, workspace.find)
        try:
            document = workspace.document(
                use.profile, environment=use.environment, workspace=use.workspace, reader=reader
            )
        except ProfileError as error:
            if use.real == real:
                raise
            return Outcome(own, None, None, (), error.diagnostics)
        return pipeline.judge(document)

    def write(self, text: str) -> None:
        """Replace the text, atomically and through a link; WriteError, also where the file was changed meanwhile."""
        real = self.path.resolve()
        if not os.access(real, os.W_OK):
            raise _refused("GLM508", f"cannot write `{self.path}`: Permission denied", self.path)
        if _raw(self.path) != (self.mark + self.text).encode():
            hint = "nothing was written: run the command again"
            raise _refused("GLM051", f"`{self.path}` was changed while it was judged", self.path, hint)
        write_file(real, self.mark + text, mode=real.stat().st_mode & 0o7777)


def elsewhere(document: Source, edits: Iterable[Edit]) -> Diagnostic | None:
    """What to say when an edit is for another file: the workspace's, or that of the profile which this one extends."""
    for edit in edits:
        span = document.spans.get(edit.at)
        if span and span.path != document.path:
            message = f"`{'.'.join(map(str, edit.at))}` is not in `{document.path}`"
            hint = f"nothing was written: `{span.path}` brings it along"
            return Diagnostic("GLM511", message, span=replace(span, text=""), hint=hint)
    return None


def read(path: Path, *, environment: str = "", workspace: str | None = None) -> File:
    """The file at ``path``; ProfileError when it cannot be read, WriteError when it is not to be changed."""
    text = source.text(path)
    if resources.is_shipped(path):
        hint = "copy it, and change the copy"
        raise _refused("GLM050", f"`{path.stem}` ships with the tool, and its next release replaces it", path, hint)
    if not path.is_file():
        raise _refused("GLM508", f"cannot write `{path}`: not a regular file", path)
    mark = _BOM if _raw(path).startswith(_BOM.encode()) else ""
    return File(path, text, mark, environment, workspace)


def _raw(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _refused("GLM508", f"cannot read `{path}`: {error.strerror or error}", path) from None


def _refused(code: str, message: str, path: Path, hint: str = "") -> WriteError:
    return WriteError([Diagnostic(code, message, span=Span(str(path)), hint=hint)])
