"""A profile's file read to be changed, and written back whole: mode, links, byte order mark and line ends stay."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glmdeploy import pipeline, resources, source
from glmdeploy.bundle import write_file
from glmdeploy.diagnostics import Diagnostic, Span, WriteError

if TYPE_CHECKING:
    from pathlib import Path

    from glmdeploy.pipeline import Outcome

_BOM = "\ufeff"


@dataclass(frozen=True)
class File:
    """A file as it was read; ``text`` is without the byte order mark."""

    path: Path
    text: str
    mark: str

    def judged(self, text: str) -> Outcome:
        """The file with another text, judged as `lint` would; ProfileError when that is no document."""
        return pipeline.judge(source.parse(str(self.path), text))

    def write(self, text: str) -> None:
        """Replace the text, atomically and through a link; WriteError, also where the file was changed meanwhile."""
        real = self.path.resolve()
        if not os.access(real, os.W_OK):
            raise _refused("GLM508", f"cannot write `{self.path}`: Permission denied", self.path)
        if _raw(self.path) != (self.mark + self.text).encode():
            hint = "nothing was written: run the command again"
            raise _refused("GLM051", f"`{self.path}` was changed while it was judged", self.path, hint)
        write_file(real, self.mark + text, mode=real.stat().st_mode & 0o7777)


def read(path: Path) -> File:
    """The file at ``path``; ProfileError when it cannot be read, WriteError when it is not to be changed."""
    text = source.text(path)
    if resources.is_shipped(path):
        hint = "copy it, and change the copy"
        raise _refused("GLM050", f"`{path.stem}` ships with the tool, and its next release replaces it", path, hint)
    if not path.is_file():
        raise _refused("GLM508", f"cannot write `{path}`: not a regular file", path)
    return File(path, text, _BOM if _raw(path).startswith(_BOM.encode()) else "")


def _raw(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _refused("GLM508", f"cannot read `{path}`: {error.strerror or error}", path) from None


def _refused(code: str, message: str, path: Path, hint: str = "") -> WriteError:
    return WriteError([Diagnostic(code, message, span=Span(str(path)), hint=hint)])
