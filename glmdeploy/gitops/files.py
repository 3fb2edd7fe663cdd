"""What a bundle's folder holds against what it should hold, file by file, and why each differs.

The bundle's own `.glmdeploy.json` says what was written last. So a file that differs from what is rendered now is out
of date when it is still as written, and edited by hand when it is not.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import stat
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from glmdeploy.bundle import MANIFEST, recorded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glmdeploy.bundle import Artifact, Bundle

_MAX_BYTES = 4 * 1024 * 1024  # no file of a bundle comes near; a larger one is named and not shown


class Kind(StrEnum):
    """What happened to a file."""

    OUT_OF_DATE = "out of date"
    EDITED = "edited by hand"
    MISSING = "missing"
    LEFT_OVER = "left over"
    STRAY = "not ours"
    MODE = "executable bit"


@dataclass(frozen=True)
class Change:
    """One file that is not as it should be: its path in the bundle, and the texts before and after."""

    path: str
    kind: Kind
    committed: str | None  # None: there is none, or it is no text
    expected: str | None

    def diff(self, folder: str) -> str:
        """A unified diff from what is committed to what is rendered, with `a/` and `b/` before the path."""
        name = f"{folder}/{self.path}".removeprefix("./")
        before = "/dev/null" if self.kind is Kind.MISSING else f"a/{name}"
        after = "/dev/null" if self.expected is None else f"b/{name}"
        lines = difflib.unified_diff(_lines(self.committed), _lines(self.expected), before, after)
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(text: str | None) -> list[str]:
    return (text or "").splitlines(keepends=True)


def compare(bundle: Bundle, folder: Path, keep: Sequence[str] = ()) -> tuple[Change, ...]:
    """Every file of ``folder`` that is not as ``bundle`` has it, sorted by path; ``keep`` are patterns of the user's."""
    expected = {a.path: a for a in (*bundle.artifacts, bundle.manifest())}
    written = recorded(folder)
    there = set(_files(folder))
    changes = [_change(path, artifact, folder, written) for path, artifact in expected.items()]
    for path in sorted(there - set(expected)):
        kind = Kind.LEFT_OVER if path in written else Kind.STRAY
        if kind is Kind.LEFT_OVER or not any(fnmatchcase(path, pattern) for pattern in keep):
            changes.append(Change(path, kind, _text(folder / path), None))
    return tuple(sorted((c for c in changes if c), key=lambda c: c.path))


def _change(path: str, artifact: Artifact, folder: Path, written: dict[str, str]) -> Change | None:
    file = folder / path
    if not os.path.lexists(file):
        return Change(path, Kind.MISSING, None, artifact.text)
    if not file.is_file() or file.is_symlink():
        return Change(path, Kind.EDITED, None, artifact.text)
    data = file.read_bytes()
    if data == artifact.text.encode():
        executable = bool(file.stat().st_mode & stat.S_IXUSR)
        return Change(path, Kind.MODE, artifact.text, artifact.text) if executable != artifact.executable else None
    ours = path == MANIFEST or hashlib.sha256(data).hexdigest() == written.get(path)
    return Change(path, Kind.OUT_OF_DATE if ours else Kind.EDITED, _text(file), artifact.text)


def _files(folder: Path) -> Iterator[str]:
    for root, folders, files in os.walk(folder):
        folders.sort()
        for name in (*files, *(f for f in folders if Path(root, f).is_symlink())):
            yield Path(root, name).relative_to(folder).as_posix()


def _text(file: Path) -> str | None:
    if not file.is_file() or file.is_symlink() or file.stat().st_size > _MAX_BYTES:
        return None
    try:
        return file.read_bytes().decode()
    except UnicodeDecodeError:
        return None
