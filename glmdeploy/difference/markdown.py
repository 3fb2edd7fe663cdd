"""A comparison as the comment of a pull request: the sentence first, tables, details folded, and never too long.

The comment starts with a mark that no reader sees, so that a bot finds its own comment and updates it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.difference.comment import END, LIMIT, LONGEST, Part, assemble, code, escaped, patch
from glmdeploy.difference.text import cut
from glmdeploy.difference.view import Row, sections, sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.difference import Difference
    from glmdeploy.difference.view import Section

__all__ = ["LIMIT", "MARK", "render", "tables"]

MARK = "<!-- glmdeploy-diff -->"


def render(d: Difference, *, text: bool = False) -> str:
    """The comment; with ``text``, unified diffs of the files, folded."""
    head = [
        MARK,
        f"**{escaped(cut(sentence(d), 2 * LONGEST))}**",
        f"Before: {code(d.before.name)}. After: {code(d.after.name)}.",
    ]
    head += [f"Note: {escaped(cut(line, 2 * LONGEST))}." for line in d.uncompared if d.different]
    return assemble(head, _parts(d, text=text), "`--format text` or `json` shows everything")


def _parts(d: Difference, *, text: bool) -> Iterator[Part]:
    yield from tables(d)
    for file in d.files if text else ():
        if file.diff:
            yield patch(f"the text of {code(cut(file.path, 80))}", file.path, file.diff)


def tables(d: Difference) -> Iterator[Part]:
    """Each section as a table, one row a line; long ones folded."""
    for section in sections(d):
        yield Part(section.title, [_row(row) for row in section.rows], *_frame(section))


def _frame(section: Section) -> tuple[str, str]:
    noun = section.title[:1].upper() + section.title[1:]
    head = "| | what | before | after | note |\n|---|---|---|---|---|\n"
    if section.long or section.count > 12:  # noqa: PLR2004  more rows than are read without asking for them
        return f"<details><summary>{noun} ({section.count})</summary>\n\n{head}", END
    return f"**{noun}**\n\n{head}", ""


def _row(row: Row) -> str:
    what = f"&nbsp;&nbsp;{code(row.what)}" if row.inner else code(row.what)
    cells = [row.change, what, code(row.before), code(row.after), escaped(row.note)]
    return "| " + " | ".join(cells) + " |"
