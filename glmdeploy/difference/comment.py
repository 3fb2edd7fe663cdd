"""The comment of a pull request as blocks of Markdown, never longer than GitHub takes: what is cut is named."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import printable
from glmdeploy.difference.text import cut
from glmdeploy.report.markdown import escape
from glmdeploy.units import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LIMIT = 65_536  # characters that GitHub takes in a comment
LONGEST = 240  # characters of one cell
END = "\n\n</details>"
_RESERVE = 1_200  # for the sentence on what was cut
_FENCE = re.compile(r"`{3,}")
_LITERAL = re.compile(r"[^\s`|]([^`|\t]*[^\s`|])?")  # a pipe would end a cell, a backtick the code
_LISTED = 900  # characters of the list of what was cut


@dataclass(frozen=True)
class Part:
    """Lines that may be cut: what they are, and the text before and behind them; ``late`` ones get what the others leave."""

    title: str
    lines: Sequence[str]
    before: str
    behind: str = ""
    late: bool = False


def assemble(head: Iterable[str], parts: Iterable[Part], everything: str) -> str:
    """The comment: ``head`` whole, as many lines of each part as fit, and ``everything`` says where the rest is to be had."""
    blocks, ordered = list(head), list(parts)
    room = LIMIT - _RESERVE - length("\n\n".join(blocks))
    fitted: dict[int, str] = {}
    left_out: dict[int, str] = {}
    for index in sorted(range(len(ordered)), key=lambda i: ordered[i].late):
        part = ordered[index]
        block, shown = _fitted(part, room)
        if shown:
            fitted[index] = block
            room -= length(block) + 2
        if shown < len(part.lines):
            left_out[index] = f"{len(part.lines) - shown:,} of {plural(len(part.lines), 'line')} of {part.title}"
    blocks += [fitted[index] for index in sorted(fitted)]
    if left_out:
        listed = _listed([left_out[index] for index in sorted(left_out)])
        blocks.append(f"Cut to fit {LIMIT:,} characters. Not shown: {listed}. {everything}.")
    return "\n\n".join(blocks) + "\n"


def patch(title: str, name: str, lines: Iterable[str]) -> Part:
    """A folded diff in a fence that no line of it can close; nobody is notified by its title, which is code."""
    shown = [printable(line) for line in lines]
    longest = max((len(run) for line in shown for run in _FENCE.findall(line)), default=2)
    fence = "`" * (longest + 1)
    summary = html.escape(printable(cut(name, LONGEST)))
    before = f"<details><summary><code>{summary}</code></summary>\n\n{fence}diff\n"
    return Part(title, shown, before, f"\n{fence}{END}")


def escaped(text: str) -> str:
    """A sentence in which nothing is markup but plain `code`."""
    return escape(printable(text))


def code(text: str) -> str:
    """A value in code font, in which nothing means anything; with every character escaped where it holds a backtick."""
    shown = cut(printable(text), LONGEST)
    return f"`{shown}`" if _LITERAL.fullmatch(shown) else escape(shown)


def length(text: str) -> int:
    """Characters as GitHub counts them at most: those outside the basic plane twice."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _listed(parts: Sequence[str]) -> str:
    """As many as a sentence can hold, and the number of the others."""
    ends = accumulate(length(part) + 2 for part in parts)
    shown = sum(end <= _LISTED for end in ends)
    more = [f"{len(parts) - shown} more parts"] if shown < len(parts) else []
    return ", ".join([*parts[:shown], *more])


def _fitted(part: Part, room: int) -> tuple[str, int]:
    """The block with as many lines as fit, and how many these are."""
    room -= length(part.before + part.behind) + 2
    shown = 0
    for line in part.lines:
        room -= length(line) + 1
        if room < 0:
            break
        shown += 1
    return part.before + "\n".join(part.lines[:shown]) + part.behind, shown
