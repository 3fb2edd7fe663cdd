"""A comparison for a terminal of 80 columns, readable without colour; nothing in it can drive the terminal."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import printable
from glmdeploy.difference.view import sections, sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.difference import Difference
    from glmdeploy.difference.view import Row, Section

_WIDTH = 80
_LONGEST = 600  # characters of one value; JSON has all of it


def render(d: Difference, *, text: bool = False) -> str:
    """The whole comparison; with ``text``, unified diffs of the files below it."""
    parts = [
        f"{printable(d.before.name)} -> {printable(d.after.name)}",
        _filled(sentence(d), 0),
        *(_section(s) for s in sections(d)),
        *(_filled(f"note: {line}", 2) for line in d.uncompared if d.different),
    ]
    if text:
        parts += ["\n".join(printable(line) for line in f.diff) for f in d.files if f.diff]
    return "\n\n".join(parts) + "\n"


def _section(section: Section) -> str:
    return "\n".join([section.title, *(line for row in section.rows for line in _row(row))])


def _row(row: Row) -> Iterator[str]:
    """One line where it fits, else the sides one under the other."""
    head = "    " if row.inner else "  "
    head += f"{row.change:<11}  {printable(row.what)}"
    note = f"  ({printable(row.note)})" if row.note else ""
    before, after = cut(printable(row.before), _LONGEST), cut(printable(row.after), _LONGEST)
    values = f"{before} -> {after}" if before and after else before or after
    line = f"{head}: {values}{note}" if values else head + note
    if len(line) <= _WIDTH:
        yield line
        return
    indent = 17 if row.inner else 15
    yield head
    for sign, value in (("-", before), ("+", after)):
        if value:
            yield _filled(f"{' ' * indent}{sign} {value}", indent + 2)
    if row.note:
        yield _filled(f"{' ' * indent}{note.strip()}", indent)


def cut(value: str, most: int) -> str:
    """A value of at most ``most`` characters, and how long it was."""
    return value if len(value) <= most else f"{value[:most]} ... ({len(value):,} characters)"


def _filled(line: str, indent: int) -> str:
    line = printable(line)
    return textwrap.fill(line, _WIDTH, subsequent_indent=" " * indent, break_on_hyphens=False, break_long_words=False)
