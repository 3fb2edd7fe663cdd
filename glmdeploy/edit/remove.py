"""Take a key or an item out of a YAML text; comments on its lines stay."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glmdeploy.edit.lines import BlockedError, dash, dotted
from glmdeploy.edit.tree import LIST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.edit.lines import Splice
    from glmdeploy.edit.tree import Node, Tree

_COMMA = re.compile(r"\s*,")
_HASH = re.compile(r"(?:^|(?<=[ \t]))#")


def drop(tree: Tree, node: Node) -> list[Splice]:
    """The characters that go with ``node``; a section that holds nothing else becomes `{}`, a list `[]`."""
    if not node.at:
        raise BlockedError("the document itself cannot go")
    parent = tree.nodes[node.at[:-1]]
    if not parent.block:
        return [_from_flow(tree, parent, node)]
    gone = _lines(tree, node)
    return [_emptied(tree, parent), gone] if parent.children == (node.at,) else [gone]


def _from_flow(tree: Tree, parent: Node, node: Node) -> Splice:
    text, index = tree.text, parent.children.index(node.at)
    start, end = _first(tree, node), node.end
    if comma := _COMMA.match(text, end):
        rest = len(text[comma.end() :]) - len(text[comma.end() :].lstrip())
        comment = text[comma.end() + rest : comma.end() + rest + 1] == "#"
        return start, comma.end() + (0 if comment else rest), ""
    if index == 0:
        return start, end, ""
    before = tree.nodes[parent.children[index - 1]].end
    if "#" in text[before:start]:
        raise BlockedError(f"a comment stands before `{dotted(node.at)}`")
    return before, end, ""


def _first(tree: Tree, node: Node) -> int:
    """The first character that belongs to a value: that of its key, or of its anchor."""
    if node.key:
        return node.key.start
    return tree.text.rindex(f"&{node.anchor}", 0, node.start + 1) if node.anchor else node.start


def _emptied(tree: Tree, parent: Node) -> Splice:
    """What stands behind the key of a collection that loses the last thing it holds."""
    if parent.key is None or parent.key.colon < 0:
        raise BlockedError(f"`{dotted(parent.at)}` would be empty")
    end = len(tree.text[: parent.start].rstrip(" \t")) if parent.anchor else parent.key.colon
    return end, end, " []" if parent.kind == LIST else " {}"


def _lines(tree: Tree, node: Node) -> Splice:
    """The lines of a block's entry, without the comments on them."""
    text = tree.text
    head = node.key.start if node.key else dash(tree, node)
    start, (end, after) = tree.line_start(head), tree.line_end(node.end)
    if text[start:head].strip():
        raise BlockedError(f"`{dotted(node.at)}` does not stand on a line of its own")
    kept = "".join(text[start:head] + comment for comment in _comments(tree, node, start, after))
    if end < after:
        return start, after, kept
    if kept:  # the file's last line keeps its lack of a line break
        return start, after, kept.rstrip("\r\n")
    crlf = text[:start].endswith("\r\n")
    return max(0, start - (2 if crlf else 1)), after, ""


def _comments(tree: Tree, node: Node, start: int, end: int) -> Iterator[str]:
    """The comments between two places, each with its line break."""
    below = [n for n in tree.nodes.values() if n.at[: len(node.at)] == node.at]
    taken = [(n.start, n.end) for n in tree.leaves(node.at)] + [(n.key.start, n.key.end) for n in below if n.key]
    while start < end:
        stop, after = tree.line_end(start)
        for found in _HASH.finditer(tree.text[start:stop]):
            place = start + found.start()
            if not any(first <= place < last for first, last in taken):
                yield tree.text[place:after]
                break
        start = after
