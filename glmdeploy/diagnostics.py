"""A judgement with a code, and how people and programs read it.

Text follows rustc: code and message, the place, the quoted line with a caret, notes, a hint. It is
understandable without colour. JSON holds the same members and never null.
"""

from __future__ import annotations

import textwrap
import unicodedata
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glmdeploy.forms.diagnostic import DiagnosticForm

KeyPath = tuple[str | int, ...]


class Level(StrEnum):
    """How bad it is; only an error stops a render."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Span:
    """A place: a file with line and column (both from 1), or an option of the command line (line 0)."""

    path: str
    line: int = 0
    column: int = 0
    width: int = 1
    text: str = ""

    @property
    def end_column(self) -> int:
        """The column behind the last character, on the same line; 0 without a line."""
        return self.column + self.width if self.line else 0


@dataclass(frozen=True)
class Put:
    """Give the key at ``at`` a plain value; a key that is not there is made, with the sections above it."""

    at: KeyPath
    value: Any


@dataclass(frozen=True)
class Insert:
    """A new item of a list; ``at`` is the place that it gets."""

    at: KeyPath
    value: Any


@dataclass(frozen=True)
class Drop:
    """Take the key or the item at ``at`` out."""

    at: KeyPath


@dataclass(frozen=True)
class Rekey:
    """Give the key at ``at`` another name; its value and its place stay."""

    at: KeyPath
    key: str


@dataclass(frozen=True)
class Quote:
    """Make the scalar at ``at`` the string of its own characters: `0.10` becomes `"0.10"`."""

    at: KeyPath


Edit = Put | Insert | Drop | Rekey | Quote


@dataclass(frozen=True)
class Fix:
    """What `lint --fix` does: a sentence, without values that may be secret, and the edits, one after the other.

    A place in ``edits`` is that of the document after the edits before it.
    """

    message: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True)
class Diagnostic:
    """One judgement. ``at`` names keys of the profile; the source layer turns them into ``span``."""

    code: str
    message: str
    level: Level = Level.ERROR
    at: KeyPath = ()
    label: str = ""
    notes: tuple[str, ...] = ()
    hint: str = ""
    hide: bool = False  # the value at ``at`` is not to be shown
    span: Span | None = field(default=None, compare=False)
    fix: Fix | None = field(default=None, compare=False)  # only where it is safe

    def as_json(self) -> DiagnosticForm:
        """The members of the JSON form, in order; empty strings and zeros where unknown."""
        span = self.span or Span("")
        return {
            "code": self.code,
            "level": self.level.value,
            "message": self.message,
            "label": self.label,
            "notes": list(self.notes),
            "hint": self.hint,
            "path": span.path,
            "line": span.line,
            "column": span.column,
        }


class GlmdeployError(Exception):
    """Root of everything this package raises on purpose."""


class ProfileError(GlmdeployError):
    """The input cannot be turned into a plan; carries coded diagnostics."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("; ".join(f"{d.code}: {d.message}" for d in self.diagnostics))


class WriteError(GlmdeployError):
    """Files could not be written (exit 1) or would be clobbered (exit 3); carries the diagnostics."""

    def __init__(self, diagnostics: Iterable[Diagnostic], *, clobber: bool = False) -> None:
        self.diagnostics = tuple(diagnostics)
        self.clobber = clobber
        super().__init__("; ".join(f"{d.code}: {d.message}" for d in self.diagnostics))


_COLOURS = {Level.ERROR: "\x1b[1;31m", Level.WARNING: "\x1b[1;33m", Level.NOTE: "\x1b[1;36m"}
_RESET = "\x1b[0m"


def render_text(found: Iterable[Diagnostic], *, colour: bool = False, width: int = 0) -> str:
    """All diagnostics as text, one blank line between them; sentences broken at ``width`` columns unless 0."""
    return "\n".join(_one(d, colour=colour, width=width) for d in found)


def printable(text: str) -> str:
    """The text with control and bidirectional characters as escapes: a terminal must not obey them."""
    return "".join(c if c.isprintable() or c == "\t" else ascii(c)[1:-1] for c in text)


def _printable(d: Diagnostic) -> Diagnostic:
    span = d.span and replace(d.span, path=printable(d.span.path), text=printable(d.span.text))
    notes = tuple(map(printable, d.notes))
    return replace(
        d, message=printable(d.message), label=printable(d.label), notes=notes, hint=printable(d.hint), span=span
    )


def _one(d: Diagnostic, *, colour: bool, width: int) -> str:
    caret = _caret(d.span) if d.span else ""
    d = _printable(d)
    head = f"{d.level.value}[{d.code}]"
    lines = [_broken(f"{head}: {d.message}", width, 4), *_place(d, caret)]
    lines += [_broken(f"  = note: {note}", width, 10) for note in d.notes]
    if d.hint:
        lines.append(_broken(f"  = hint: {d.hint}", width, 10))
    text = "\n".join(lines) + "\n"
    return text.replace(head, f"{_COLOURS[d.level]}{head}{_RESET}", 1) if colour else text


def _broken(line: str, width: int, indent: int) -> str:
    if not width or len(line) <= width:
        return line
    return textwrap.fill(line, width, subsequent_indent=" " * indent, break_on_hyphens=False, break_long_words=False)


def _caret(span: Span) -> str:
    """The line of carets below the quoted one: a tab below a tab, two columns below a wide character, none below a mark."""
    start = span.column - 1
    before = "".join("\t" if c == "\t" else " " * _columns(c) for c in span.text[:start].ljust(start))
    return before + "^" * max(1, sum(map(_columns, span.text[start : start + span.width].ljust(span.width))))


def _columns(character: str) -> int:
    """How many columns a terminal gives to a character."""
    if unicodedata.combining(character):
        return 0
    shown = printable(character)
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else len(shown)


def _place(d: Diagnostic, caret: str) -> list[str]:
    span = d.span
    if span is None:
        return [f"  = {d.label}"] if d.label else []
    if not span.line:
        return [f"  --> {span.path}"] + ([f"  = {d.label}"] if d.label else [])
    gutter = " " * len(str(span.line))
    return [
        f"{gutter} --> {span.path}:{span.line}:{span.column}",
        f"{gutter} |",
        f"{span.line} | {span.text}",
        f"{gutter} | {caret} {d.label}".rstrip(),
    ]


def has_errors(found: Iterable[Diagnostic]) -> bool:
    """Whether any diagnostic is an error."""
    return any(d.level is Level.ERROR for d in found)
