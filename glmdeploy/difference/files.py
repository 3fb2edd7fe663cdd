"""Files of a bundle compared: which came, went and changed, with line counts, and their text as unified diffs."""

from __future__ import annotations

import difflib
import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from glmdeploy.difference import masks
from glmdeploy.difference.change import ADDED, CHANGED, REMOVED
from glmdeploy.difference.objects import counts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from glmdeploy.difference.plans import Figures
    from glmdeploy.forms.diff import FileForm

# Values of a Secret may be folded, quoted or wrapped, and the YAML broken: no line of such a file is shown.
_SECRET = re.compile(r"[\"']?\bkind[\"']?\s*:\s*[\"']?Secret\b")


@dataclass(frozen=True)
class Files:
    """The files of a bundle: ``texts`` by path, and a checksum of what is no text; the plan as the bundle says it."""

    name: str
    texts: Mapping[str, str]
    opaque: Mapping[str, str] = field(default_factory=dict)
    figures: Figures = field(default_factory=dict)

    def content(self, path: str) -> str | None:
        """What a file is compared by; None where it is not there."""
        if path in self.texts:
            return hashlib.sha256(self.texts[path].encode()).hexdigest()
        return self.opaque.get(path)


@dataclass(frozen=True)
class FileDelta:
    """A file that differs, lines added and removed, and its unified diff; a file that is no text has neither, one with a Secret no diff."""

    path: str
    change: str
    plus: int
    minus: int
    why: str = ""
    diff: tuple[str, ...] = field(default=(), repr=False)

    def as_json(self) -> FileForm:
        """The members of the JSON form, in order."""
        return {
            "path": self.path,
            "change": self.change,
            "added_lines": self.plus,
            "removed_lines": self.minus,
            "why": self.why,
        }


def compare(before: Files, after: Files, secrets: Collection[str]) -> Iterator[FileDelta]:
    """Every file that differs, by path; ``secrets`` are hidden in the diffs."""
    for path in sorted({*before.texts, *before.opaque, *after.texts, *after.opaque}):
        old, new = before.content(path), after.content(path)
        if old == new:
            continue
        change = ADDED if old is None else REMOVED if new is None else CHANGED
        if path in before.opaque or path in after.opaque:
            yield FileDelta(path, change, 0, 0, "not a text of reasonable size")
            continue
        texts = before.texts.get(path, ""), after.texts.get(path, "")
        plus, minus = counts(*texts)
        why = "" if plus or minus or not all(texts) else "line ends alone"
        if any(map(_SECRET.search, texts)):
            yield FileDelta(path, change, plus, minus, "holds a Secret: its text is not shown")
            continue
        yield FileDelta(path, change, plus, minus, why, tuple(_unified(path, old, new, texts, secrets)))


def _unified(
    path: str, old: str | None, new: str | None, texts: tuple[str, str], secrets: Collection[str]
) -> Iterator[str]:
    names = ["/dev/null" if side is None else f"{sign}/{path}" for side, sign in ((old, "a"), (new, "b"))]
    before, after = (masks.lines(text.splitlines(), secrets) for text in texts)
    yield from difflib.unified_diff(before, after, names[0], names[1], lineterm="")
