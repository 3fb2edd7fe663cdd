"""What a bundle's folder holds against what it should hold, file by file, and why each differs.

The bundle's own `.glmdeploy.json` says what was written last. So a file that differs from what is rendered now is out
of date when it is still as written, and edited by hand when it is not.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from glmdeploy.bundle import MANIFEST, recorded
from glmdeploy.gitops import patch
from glmdeploy.gitops.ignored import ignored
from glmdeploy.gitops.patch import Version

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
    """One file that is not as it should be: its path in the bundle, and how it is before and after."""

    path: str
    kind: Kind
    before: Version | None  # None: there is none, or it is no text
    after: Version | None
    opaque: str = ""  # why what is there cannot be shown as text

    @property
    def committed(self) -> str | None:
        """The text that is there."""
        return self.before.text if self.before else None

    @property
    def expected(self) -> str | None:
        """The text that should be there."""
        return self.after.text if self.after else None

    def diff(self, folder: Path) -> str:
        """A patch from what is committed to what is rendered; empty for what is not ours, or no text."""
        return (
            "" if self.opaque or self.kind is Kind.STRAY else patch.render(folder / self.path, self.before, self.after)
        )


def compare(bundle: Bundle, folder: Path, keep: Sequence[str] = ()) -> tuple[Change, ...]:
    """Every file of ``folder`` that is not as ``bundle`` has it, sorted by path; ``keep`` are patterns of the user's."""
    expected = {a.path: a for a in (*bundle.artifacts, bundle.manifest())}
    written = recorded(folder)
    there = set(_files(folder))
    changes = [_change(path, artifact, folder, written) for path, artifact in expected.items()]
    others = sorted(there - set(expected))
    unseen = ignored(folder, [path for path in others if path not in written])
    for path in sorted({*others} - unseen):
        kind = Kind.LEFT_OVER if path in written else Kind.STRAY
        if kind is Kind.LEFT_OVER or not any(fnmatchcase(path, pattern) for pattern in keep):
            before, opaque = version(folder, path)
            changes.append(Change(path, kind, before, None, opaque))
    return tuple(sorted((c for c in changes if c), key=lambda c: c.path))


def _change(path: str, artifact: Artifact, folder: Path, written: dict[str, str]) -> Change | None:
    file = folder / path
    after = Version(artifact.text, artifact.executable)
    before, opaque = version(folder, path)
    if not before and not os.path.lexists(file):
        return Change(path, Kind.MISSING, None, after, opaque)
    if before == after:
        return None
    if before and before.text == after.text:
        return Change(path, Kind.MODE, before, after)
    ours = path == MANIFEST or _sha256(file) == written.get(path)
    return Change(path, Kind.OUT_OF_DATE if ours else Kind.EDITED, before, after, opaque)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() and not file.is_symlink() else ""


def _files(folder: Path) -> Iterator[str]:
    for root, folders, files in os.walk(folder):
        folders.sort()
        for name in (*files, *(f for f in folders if Path(root, f).is_symlink())):
            yield Path(root, name).relative_to(folder).as_posix()


def version(folder: Path, path: str) -> tuple[Version | None, str]:
    """A file as it is there, or why it cannot be shown as text; neither where there is none."""
    file = folder / path
    if opaque := _opaque(folder, file):
        return None, opaque
    if not file.exists():
        return None, ""
    try:
        return Version(file.read_bytes().decode(), bool(file.stat().st_mode & stat.S_IXUSR)), ""
    except UnicodeDecodeError:
        return None, "it is not UTF-8 text"


def _opaque(folder: Path, file: Path) -> str:
    way = [p for p in (file, *file.parents) if folder in p.parents]
    if any(p.is_symlink() for p in way):
        return "it is a link, or below one"
    if any(p.is_file() for p in way[1:]):
        return "it is below a file"
    if file.exists() and not file.is_file():
        return "it is not a file"
    return f"it is larger than {_MAX_BYTES:,} bytes" if file.exists() and file.stat().st_size > _MAX_BYTES else ""
