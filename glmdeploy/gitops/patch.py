"""Files before and after as a patch in git's own form: with modes, and with paths from the top of their repository.

`git apply` reads the paths of such a patch from the top, wherever it runs, and leaves out what is not below the folder
that it runs in.
"""

from __future__ import annotations

import difflib
import io
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_QUOTED = re.compile(r'[\x00-\x1f\x7f"\\]')


@dataclass(frozen=True)
class Version:
    """A file as it stands, or as it is rendered."""

    text: str
    executable: bool = False

    @property
    def mode(self) -> str:
        """As git writes it."""
        return "100755" if self.executable else "100644"


def top(path: Path) -> Path:
    """The folder that a file's name in a patch starts from: the top of its repository, else where this runs."""
    whole = Path(os.path.abspath(path))  # noqa: PTH100  `..` is no step through a link
    return next((folder for folder in whole.parents if (folder / ".git").exists()), Path.cwd())


def render(path: Path, before: Version | None, after: Version | None) -> str:
    """The patch from one version of a file to the other; None where there is none."""
    name = Path(os.path.relpath(path, top(path))).as_posix()
    old, new = _name(f"a/{name}"), _name(f"b/{name}")
    hunks = list(difflib.unified_diff(_lines(before), _lines(after)))[2:]
    names = [f"--- {_titled(old) if before else '/dev/null'}\n", f"+++ {_titled(new) if after else '/dev/null'}\n"]
    lines = [f"diff --git {old} {new}\n", *_modes(before, after), *(names if hunks else []), *hunks]
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _modes(before: Version | None, after: Version | None) -> Iterator[str]:
    if before and after:
        if before.mode != after.mode:
            yield f"old mode {before.mode}\n"
            yield f"new mode {after.mode}\n"
    elif after:
        yield f"new file mode {after.mode}\n"
    elif before:
        yield f"deleted file mode {before.mode}\n"


def _lines(version: Version | None) -> list[str]:
    """Lines as git knows them: other separators than a line feed are part of a line."""
    return list(io.StringIO(version.text, newline="\n")) if version else []


def _name(name: str) -> str:
    """A name in quotes where it has characters that would end it."""
    escaped = _QUOTED.sub(lambda found: f"\\{ord(found[0]):03o}", name)
    return name if escaped == name else f'"{escaped}"'


def _titled(name: str) -> str:
    """A name with what tells its end where it has a space."""
    return f"{name}\t" if " " in name else name
