"""A comparison as the comment of a pull request: the sentence first, tables, details folded, and never too long.

The comment starts with a mark that no reader sees, so that a bot finds its own comment and updates it.
"""

from __future__ import annotations

import html
import re
from itertools import accumulate
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import printable
from glmdeploy.difference.text import cut
from glmdeploy.difference.view import Row, sections, sentence
from glmdeploy.report.markdown import escape
from glmdeploy.units import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from glmdeploy.difference import Difference
    from glmdeploy.difference.files import FileDelta
    from glmdeploy.difference.view import Section

MARK = "<!-- glmdeploy-diff -->"
LIMIT = 65_536  # characters that GitHub takes in a comment
_RESERVE = 1_200  # for the sentence on what was cut
_LONGEST = 240  # characters of one cell
_END = "\n\n</details>"
_FENCE = re.compile(r"`{3,}")
_LITERAL = re.compile(r"[^\s`|]([^`|\t]*[^\s`|])?")  # a pipe would end a cell, a backtick the code
_LISTED = 900  # characters of the list of what was cut


def render(d: Difference, *, text: bool = False) -> str:
    """The comment; with ``text``, unified diffs of the files, folded."""
    blocks = [
        MARK,
        f"**{_escaped(cut(sentence(d), 2 * _LONGEST))}**",
        f"Before: {_code(d.before.name)}. After: {_code(d.after.name)}.",
    ]
    blocks += [f"Note: {_escaped(cut(line, 2 * _LONGEST))}." for line in d.uncompared if d.different]
    room = LIMIT - _RESERVE - _length("\n\n".join(blocks))
    left_out: list[str] = []
    for title, lines, frame in _parts(d, text=text):
        block, shown = _fitted(lines, frame, room)
        if shown:
            blocks.append(block)
            room -= _length(block) + 2
        if shown < len(lines):
            left_out.append(f"{len(lines) - shown:,} of {plural(len(lines), 'line')} of {title}")
    if left_out:
        everything = "`--format text` or `json` shows everything"
        blocks.append(f"Cut to fit {LIMIT:,} characters. Not shown: {_listed(left_out)}. {everything}.")
    return "\n\n".join(blocks) + "\n"


def _listed(parts: Sequence[str]) -> str:
    """As many as a sentence can hold, and the number of the others."""
    ends = accumulate(_length(part) + 2 for part in parts)
    shown = sum(end <= _LISTED for end in ends)
    more = [f"{len(parts) - shown} more parts"] if shown < len(parts) else []
    return ", ".join([*parts[:shown], *more])


def _parts(d: Difference, *, text: bool) -> Iterator[tuple[str, list[str], tuple[str, str]]]:
    """Each part as its title, its lines, and what stands before and behind them."""
    for section in sections(d):
        yield section.title, [_row(row) for row in section.rows], _frame(section)
    for file in d.files if text else ():
        if file.diff:
            lines = [printable(line) for line in file.diff]
            yield f"the text of {_code(cut(file.path, 80))}", lines, _text_frame(file, lines)


def _frame(section: Section) -> tuple[str, str]:
    noun = section.title[:1].upper() + section.title[1:]
    head = "| | what | before | after | note |\n|---|---|---|---|---|\n"
    if section.long or section.count > 12:  # noqa: PLR2004  more rows than are read without asking for them
        return f"<details><summary>{noun} ({section.count})</summary>\n\n{head}", _END
    return f"**{noun}**\n\n{head}", ""


def _text_frame(file: FileDelta, lines: Iterable[str]) -> tuple[str, str]:
    """A fenced block whose fence no line of the file can close; nobody is notified by its title, which is code."""
    longest = max((len(run) for line in lines for run in _FENCE.findall(line)), default=2)
    fence = "`" * (longest + 1)
    title = html.escape(printable(cut(file.path, _LONGEST)))
    return f"<details><summary><code>{title}</code></summary>\n\n{fence}diff\n", f"\n{fence}{_END}"


def _fitted(lines: Sequence[str], frame: tuple[str, str], room: int) -> tuple[str, int]:
    """The block with as many lines as fit, and how many these are."""
    room -= _length("".join(frame)) + 2
    shown = 0
    for line in lines:
        room -= _length(line) + 1
        if room < 0:
            break
        shown += 1
    return frame[0] + "\n".join(lines[:shown]) + frame[1], shown


def _length(text: str) -> int:
    """Characters as GitHub counts them at most: those outside the basic plane twice."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _row(row: Row) -> str:
    what = f"&nbsp;&nbsp;{_code(row.what)}" if row.inner else _code(row.what)
    cells = [row.change, what, _code(row.before), _code(row.after), _escaped(row.note)]
    return "| " + " | ".join(cells) + " |"


def _escaped(text: str) -> str:
    return escape(printable(text))


def _code(text: str) -> str:
    """A value in code font, in which nothing means anything; with every character escaped where it holds a backtick."""
    shown = cut(printable(text), _LONGEST)
    return f"`{shown}`" if _LITERAL.fullmatch(shown) else escape(shown)
