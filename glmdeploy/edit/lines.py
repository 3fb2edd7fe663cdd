"""Whole lines of a block: where a new one goes, and where an item's dash stands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import GlmdeployError

if TYPE_CHECKING:
    from glmdeploy.diagnostics import KeyPath
    from glmdeploy.edit.tree import Node, Tree

_DASH = re.compile(r"([ \t]*)-[ \t]+(?:&\S+[ \t]*)?")
Splice = tuple[int, int, str]


class BlockedError(GlmdeployError):
    """The edit would change something else with it; the message is the reason."""


def dotted(at: KeyPath) -> str:
    """Keys as people write them."""
    return ".".join(map(str, at)) or "the document"


def after(tree: Tree, index: int, new: str) -> Splice:
    """A new line below the one that ``index`` stands on; the file's last line keeps its end, or its lack of one."""
    end, following = tree.line_end(index)
    newline = tree.newline(index)
    return (end, end, newline + new) if following == end else (following, following, new + newline)


def below(tree: Tree, node: Node, indent: int, new: str) -> Splice:
    """A new line after a value, and after the comments below it that are indented further than ``indent``."""
    index = node.end
    while True:
        end, following = tree.line_end(index)
        line = tree.text[following : tree.line_end(following)[0]]
        if end == following or not line.lstrip().startswith("#") or len(line) - len(line.lstrip()) <= indent:
            return after(tree, index, new)
        index = following


def dash(tree: Tree, item: Node) -> int:
    """Where the dash of a block's item stands; BlockedError where its line holds something before it."""
    start = tree.line_start(item.start)
    found = _DASH.fullmatch(tree.text, start, item.start)
    if found is None:
        raise BlockedError(f"`{dotted(item.at)}` does not stand on a line of its own")
    return found.end(1)
