"""A small document of sentences and tables, for a terminal of 80 columns and as Markdown."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH = 80


@dataclass(frozen=True)
class Table:
    """Rows under a head; the first ``words`` columns are words, the others figures."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


@dataclass(frozen=True)
class Listing:
    """Name and text, one under the other."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Command:
    """A command line to copy."""

    line: str


Block = str | Table | Listing | Command


def as_text(blocks: Iterable[Block]) -> str:
    """The blocks with an empty line between them; sentences broken at 80 columns, tables and commands never."""
    return "\n\n".join(_text(b) for b in blocks) + "\n"


def _text(block: Block) -> str:
    if isinstance(block, str):
        return _fill(block, "")
    if isinstance(block, Listing):
        wide = max(len(name) for name, _ in block.items) + 2
        return "\n".join(_fill(f"{name:<{wide}}{text}", " " * wide) for name, text in block.items)
    if isinstance(block, Command):
        return f"  {block.line}"
    widths = [max(len(c) for c in column) for column in zip(block.head, *block.rows, strict=True)]
    return "\n".join(_row(r, widths, block.words) for r in (block.head, *block.rows))


def _fill(line: str, indent: str) -> str:
    return textwrap.fill(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)


def _row(cells: Sequence[str], widths: Sequence[int], words: int) -> str:
    padded = [f"{c:<{w}}" if i < words else f"{c:>{w}}" for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
    return "  ".join(padded).rstrip()


def as_markdown(blocks: Iterable[Block]) -> str:
    """The same as Markdown, for a ticket or a decision record."""
    return "\n\n".join(_markdown(b) for b in blocks) + "\n"


def _markdown(block: Block) -> str:
    if isinstance(block, str):
        return _plain(block)
    if isinstance(block, Listing):
        return "\n".join(f"- {_plain(name)}: {_plain(text)}" for name, text in block.items)
    if isinstance(block, Command):
        return f"```sh\n{block.line}\n```"
    rule = ["---" if i < block.words else "---:" for i in range(len(block.head))]
    cells = [[_plain(c).replace("|", "\\|") or " " for c in row] for row in (block.head, *block.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (cells[0], rule, *cells[1:]))


def _plain(text: str) -> str:
    """Text whose stars and angle brackets Markdown must leave alone."""
    return text.replace("<", "&lt;").replace("*", "\\*")
