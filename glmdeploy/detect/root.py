"""A host's `/proc` and `/sys`: this machine's, or a recorded tree. Bounded, and nothing outside the tree is read."""

from __future__ import annotations

import re
from pathlib import Path

MAX_BYTES = 16 * 2**20  # /proc/cpuinfo of 1,024 threads is 2 MB


class Root:
    """Reads text files below a folder, and remembers what it could not read and why."""

    def __init__(self, folder: Path = Path("/")) -> None:
        self.folder = folder.resolve()
        self.unread: dict[str, str] = {}

    @property
    def live(self) -> bool:
        """Whether this is the machine itself."""
        return self.folder == Path("/")

    def text(self, path: str, *, optional: bool = False) -> str:
        """The text of a file such as `/proc/meminfo`, stripped; empty where it cannot be read.

        What is not ``optional`` is noted in ``unread`` then.
        """
        try:
            with self._inside(path).open("rb") as file:
                return file.read(MAX_BYTES).decode("utf-8", "replace").strip()
        except OSError as error:
            if not optional:
                self.unread[path] = error.strerror or str(error)
            return ""

    def number(self, path: str) -> int:
        """A file's whole number; 0 where there is none."""
        text = self.text(path, optional=True)
        return int(text) if re.fullmatch(r"[0-9]{1,20}", text, re.ASCII) else 0

    def names(self, path: str, pattern: str = ".*") -> list[str]:
        """The names in a folder that match ``pattern`` whole, by their numbers."""
        try:
            found = [p.name for p in self._inside(path).iterdir() if re.fullmatch(pattern, p.name)]
        except OSError:
            return []
        return sorted(found, key=lambda name: ([int(n) for n in re.findall(r"[0-9]{1,20}", name)], name))

    def has(self, path: str) -> bool:
        """Whether something is there."""
        try:
            return self._inside(path).exists()
        except OSError:
            return False

    def _inside(self, path: str) -> Path:
        """The file; OSError for one that a link of a recording leads out of it."""
        found = self.folder / path.lstrip("/")
        if not self.live and not found.resolve().is_relative_to(self.folder):
            raise PermissionError(1, "a link leads out of the recording")
        return found
