"""Lines and columns of a text, from offsets: both count from 1, and a column counts characters.

Lines end as YAML 1.2 ends them (CRLF, LF or CR). `str.splitlines` knows more ends, such as U+2028 and the form feed,
and an editor would then disagree about every line below. A byte order mark is no character of the text.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right

from glmdeploy.diagnostics import Span

_DIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_BREAK = re.compile(r"\r\n|\r|\n")


def split(text: str) -> tuple[str, ...]:
    """The lines of a text without their ends; a last end opens no further line."""
    lines = _BREAK.split(text)
    return tuple(lines if lines[-1] else lines[:-1])


def controls(text: str) -> str:
    """The names of control and bidirectional characters in ``text``, for a message; empty when clean."""
    bad = [c for c in text if c in _DIRECTIONAL or (unicodedata.category(c) in {"Cc", "Cs"} and c != "\t")]
    return ", ".join(dict.fromkeys(f"U+{ord(c):04X}" for c in bad))


class Places:
    """A text with its name and its lines, which turns offsets into spans."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.lines = split(text)
        self._starts = [0, *(m.end() for m in _BREAK.finditer(text))]

    def at(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both from 1."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line, counted from 1; empty where there is none."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def span(self, start: int, end: int | None = None) -> Span:
        """What stands from ``start`` up to ``end`` or the end of the line, whichever comes first; one character wide at least."""
        line, column = self.at(start)
        shown = self.line(line)
        width = min((start if end is None else end) - start, len(shown) - column + 1)
        return Span(self.name, line, column, max(1, width), shown)
