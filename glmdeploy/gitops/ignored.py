"""Which files git leaves out of every commit: an editor's and a desktop's are no strays of a bundle."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SECONDS = 30


def ignored(folder: Path, paths: Sequence[str]) -> frozenset[str]:
    """Those of the paths below ``folder`` that git ignores and does not track; none outside a repository or without git."""
    git = shutil.which("git")
    if not paths or git is None:
        return frozenset()
    whole = {os.path.abspath(folder / path): path for path in paths}  # noqa: PTH100  links stay as they are
    try:
        done = subprocess.run(  # noqa: S603  constant words, no shell
            [git, "-c", "core.fsmonitor=false", "check-ignore", "-z", "--stdin"],
            input="\0".join(whole).encode(errors="surrogateescape"),
            cwd=None if "GIT_DIR" in os.environ else folder,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return frozenset()
    said = done.stdout.decode(errors="surrogateescape").split("\0")
    return frozenset(whole[name] for name in said if name in whole)
