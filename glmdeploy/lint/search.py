"""What there is to judge: files as they are named, folders searched for profiles and bundles."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from glmdeploy import source
from glmdeploy.bundle import MANIFEST
from glmdeploy.diagnostics import Diagnostic, Span
from glmdeploy.profile import API_VERSION

_YAML = frozenset([".yaml", ".yml"])
_HEAD = re.compile(rb"(?:^|\A\xef\xbb\xbf|\r)(?:\{[ \t]*)?[\"']?apiVersion[\"']?\s*:\s*[\"']?([a-z-]+)/", re.MULTILINE)
# What the first half of an apiVersion makes of a file. Other kinds of ours join here, with a list in `Found`.
_KINDS = {b"glmdeploy": "profiles"}


@dataclass
class Found:
    """The profiles and the folders of bundles that paths name, and what is wrong with the paths."""

    profiles: list[str] = field(default_factory=list)
    bundles: list[str] = field(default_factory=list)
    problems: list[Diagnostic] = field(default_factory=list)

    def clean(self) -> Found:
        """Each once, by the first spelling; a bundle inside another one belongs to it."""
        bundles = _once(self.bundles)
        outer = [b for real, b in bundles.items() if not any(str(p) in bundles for p in Path(real).parents)]
        return Found(list(_once(self.profiles).values()), outer, self.problems)


def _once(paths: list[str]) -> dict[str, str]:
    """The first spelling of each path, by what it really is."""
    found: dict[str, str] = {}
    for path in paths:
        found.setdefault(path if "\0" in path else os.path.realpath(path), path)
    return found


def find(paths: tuple[str, ...]) -> Found:
    """What paths name: a file is a profile, whatever it holds, and a folder is searched; GLM017 where one holds nothing."""
    found = Found()
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112  False where permission is missing
            below = _below(Path(path))
            found.profiles += below.profiles
            found.bundles += below.bundles
            found.problems += below.problems
        else:
            found.profiles.append(path)
    return found.clean()


def _below(top: Path) -> Found:
    found = Found()
    for root, folders, files in os.walk(top, onerror=lambda e: found.problems.append(_unreadable(e))):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        if MANIFEST in files:
            found.bundles.append(root)
        for path in sorted(Path(root, file) for file in files):
            if _kind(path, found) == "profiles":
                found.profiles.append(str(path))
    if not (found.profiles or found.bundles):
        _nothing(top, found)
    return found


def _nothing(top: Path, found: Found) -> None:
    """A folder inside a bundle is judged with it; any other without profile and bundle is an error."""
    if any(os.path.isfile(p / MANIFEST) for p in top.absolute().parents):  # noqa: PTH113  False where permission is missing
        found.bundles.append(str(top))
        return
    message = f"no profile and no bundle below `{top}`"
    hint = f"a profile starts with `apiVersion: {API_VERSION}`; `--bundle` judges any folder of manifests"
    found.problems.append(Diagnostic("GLM017", message, span=Span(str(top)), hint=hint))


def _kind(path: Path, found: Found) -> str:
    """What a file is to us: one of `_KINDS`, or nothing."""
    if path.suffix not in _YAML or not path.is_file():
        return ""
    try:
        with path.open("rb") as opened:
            head = _HEAD.findall(opened.read(source.MAX_BYTES))
    except OSError as error:
        found.problems.append(_unreadable(error))
        return ""
    return next((_KINDS[h] for h in head if h in _KINDS), "")


def _unreadable(error: OSError) -> Diagnostic:
    return Diagnostic("GLM001", f"cannot read `{error.filename}`: {error.strerror}", span=Span(str(error.filename)))
