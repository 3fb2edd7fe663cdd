"""What a run of `lint` found, as every format needs it."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Level, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.ignores import Silenced


@dataclass(frozen=True)
class Report:
    """What was judged, what is wrong, and what comments silence; ``base`` is the folder that paths are shown from."""

    profiles: tuple[str, ...] = ()
    files: tuple[str, ...] = ()  # of bundles
    commands: tuple[str, ...] = ()  # files that hold a raw command line
    found: tuple[Diagnostic, ...] = ()
    silenced: tuple[Silenced, ...] = ()
    base: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that was judged."""
        return (*self.profiles, *self.files, *self.commands)

    def count(self, level: Level) -> int:
        """How many findings have this level."""
        return sum(d.level is level for d in self.found)

    def path(self, d: Diagnostic) -> str:
        """The file of a finding with `/`, from the base where it is below it; empty for an option of the command line."""
        if d.span is None or d.span.path.startswith("--"):
            return ""
        return shown(d.span.path, self.base)


def shown(path: str, base: str) -> str:
    """A path with `/`, relative to ``base`` where it is below it."""
    pure = PurePath(path)
    if pure.is_absolute() and base and pure.is_relative_to(base):
        pure = pure.relative_to(base)
    return pure.as_posix()


def here() -> str:
    """The folder that relative paths start from."""
    return str(Path.cwd())


def sentences(d: Diagnostic) -> tuple[str, ...]:
    """All that a finding says, one sentence each, safe to print."""
    said = (d.message, d.label, *(f"note: {n}" for n in d.notes), f"hint: {d.hint}" if d.hint else "")
    return tuple(printable(s) for s in said if s)


def fingerprints(report: Report, found: Iterable[Diagnostic]) -> tuple[str, ...]:
    """A name for each finding that stays when lines move: code, file, and key or quoted line, counted where equal."""
    seen: Counter[tuple[str, str, str]] = Counter()
    names = []
    for d in found:
        where = ".".join(map(str, d.at)) or (d.span.text.strip() if d.span else "")
        same = (d.code, report.path(d), where)
        seen[same] += 1
        names.append(hashlib.sha256("\0".join([*same, str(seen[same])]).encode(errors="backslashreplace")).hexdigest())
    return tuple(names)
