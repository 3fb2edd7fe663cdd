"""One edit of a YAML text as splices: which characters go, and what stands there instead.

What an edit cannot reach without changing something else is `BlockedError`, with the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmdeploy.diagnostics import Drop, Insert, Put, Quote, Rekey
from glmdeploy.edit import lines, words
from glmdeploy.edit.lines import BlockedError, dotted
from glmdeploy.edit.remove import drop
from glmdeploy.edit.tree import ALIAS, LIST, MAP, SCALAR
from glmdeploy.profile import keys

if TYPE_CHECKING:
    from glmdeploy.diagnostics import Edit, KeyPath
    from glmdeploy.edit.lines import Splice
    from glmdeploy.edit.tree import Node, Tree


def splices(edit: Edit, tree: Tree) -> list[Splice]:
    """The characters that ``edit`` changes; BlockedError where they are not there to be changed."""
    match edit:
        case Put():
            return [_put(tree, edit.at, edit.value)]
        case Insert():
            return [_insert(tree, _node(tree, edit.at[:-1]), int(edit.at[-1]), edit.value)]
        case Drop():
            return drop(tree, _node(tree, edit.at))
        case Rekey():
            return [_rekey(_node(tree, edit.at), edit.key)]
        case Quote():
            return [_quote(tree, _node(tree, edit.at))]


def _put(tree: Tree, at: KeyPath, value: Any) -> Splice:
    if at in tree.nodes:
        return _replace(tree, tree.nodes[at], value)
    while at[:-1] not in tree.nodes:  # sections that are not there yet
        at, value = at[:-1], {str(at[-1]): value}
    parent = tree.nodes[at[:-1]]
    if parent.kind == MAP:
        return _new_key(tree, parent, str(at[-1]), value)
    if parent.empty:
        return _first_key(tree, parent, str(at[-1]), value)
    what = "an alias" if parent.kind == ALIAS else f"a {parent.kind}"
    raise BlockedError(f"`{dotted(parent.at)}` is {what} here, not a section of its own")


def _insert(tree: Tree, parent: Node, index: int, value: Any) -> Splice:
    """A new item at ``index`` of a list that has items."""
    if parent.kind != LIST or not 0 < len(parent.children) >= index:
        raise BlockedError(f"`{dotted(parent.at)}` is not a list with items")
    new = words.word(value) if isinstance(value, str) else words.flowed(value)
    near = tree.nodes[parent.children[max(0, index - 1)]]
    if not parent.block:
        return (near.end, near.end, f", {new}") if index else (parent.start + 1, parent.start + 1, f"{new}, ")
    dash = lines.dash(tree, near)
    if index == 0:
        start = tree.line_start(dash)
        return start, start, f"{tree.text[start:dash]}- {new}{tree.newline(dash)}"
    indent = tree.column(dash)
    return lines.below(tree, near, indent, " " * indent + f"- {new}")


def _rekey(node: Node, name: str) -> Splice:
    if node.key is None:
        raise BlockedError(f"`{dotted(node.at)}` is no key")
    return node.key.start, node.key.end, words.again(name, node.key.style, flow=True)


def _quote(tree: Tree, node: Node) -> Splice:
    if node.kind != SCALAR or node.style or node.empty:
        raise BlockedError(f"`{dotted(node.at)}` is not a value without quotes")
    return node.start, node.end, words.quoted(tree.text[node.start : node.end])


def _node(tree: Tree, at: KeyPath) -> Node:
    if at not in tree.nodes:
        raise BlockedError(f"`{dotted(at)}` is not written here: an alias or a merge key brings it along")
    return tree.nodes[at]


def _replace(tree: Tree, node: Node, value: Any) -> Splice:
    """A value in the place of another one."""
    if node.style in {"|", ">"} or node.block:
        raise BlockedError(f"`{dotted(node.at)}` is written over several lines")
    if node.kind in {LIST, MAP} and "#" in tree.text[node.start : node.end]:
        raise BlockedError(f"`{dotted(node.at)}` may hold a comment")
    if node.empty and isinstance(value, dict) and value and node.key and not node.flow:
        return _below(tree, node, value)
    flat = isinstance(value, dict | list)
    return _spaced(tree, node, words.flowed(value) if flat else words.again(value, node.style, flow=node.flow))


def _spaced(tree: Tree, node: Node, new: str) -> Splice:
    """The characters of a value; one that was not written needs a space, and in flow style perhaps its colon."""
    if not node.empty:
        return node.start, node.end, new
    if node.key and node.key.colon < 0:
        return node.start, node.end, f": {new}"
    return node.start, node.end, new if tree.text[node.start - 1 : node.start] == " " else f" {new}"


def _first_key(tree: Tree, parent: Node, key: str, value: Any) -> Splice:
    """A key in a section that holds nothing yet, not even `{}`."""
    if parent.flow or parent.key is None:
        return _spaced(tree, parent, words.flowed({key: value}))
    return _below(tree, parent, {key: value})


def _below(tree: Tree, parent: Node, value: dict[str, Any]) -> Splice:
    """A section's keys on the lines below its own."""
    if parent.key is None:
        raise BlockedError(f"`{dotted(parent.at)}` has no key")
    step, newline = tree.step(), tree.newline(parent.key.start)
    indent = tree.column(parent.key.start) + step
    return lines.after(
        tree, parent.key.end, newline.join(words.entry(k, v, indent, step, newline) for k, v in value.items())
    )


def _new_key(tree: Tree, parent: Node, key: str, value: Any) -> Splice:
    """A key where the schema's order has it."""
    near = _neighbour(tree, parent, key)
    if not parent.block:
        return _in_braces(tree, parent, near, words.flowed({key: value})[1:-1])
    first = tree.nodes[parent.children[0]]
    if near is None and parent.key is None:
        near = tree.nodes[parent.children[-1]]
    return _in_block(tree, parent, near, tree.column(first.key.start if first.key else 0), (key, value))


def _neighbour(tree: Tree, parent: Node, key: str) -> Node | None:
    """The value that ``key`` goes after: the nearest one before it in the schema, or the last one of a free mapping."""
    siblings = {str(at[-1]): tree.nodes[at] for at in parent.children}
    order = keys(parent.at)
    if key not in order:
        return next(reversed(siblings.values()), None)
    earlier = [name for name in order[: order.index(key)] if name in siblings]
    return siblings.get(earlier[-1] if earlier else "<<")


def _in_braces(tree: Tree, parent: Node, near: Node | None, new: str) -> Splice:
    if near:
        return near.end, near.end, f", {new}"
    start = parent.start + 1
    start += len(tree.text[start : parent.end]) - len(tree.text[start : parent.end].lstrip())
    return (start, start, f"{new}, ") if parent.children else (parent.start + 1, parent.end - 1, new)


def _in_block(tree: Tree, parent: Node, near: Node | None, indent: int, pair: tuple[str, Any]) -> Splice:
    newline = tree.newline(near.end if near else parent.start)
    new = words.entry(*pair, indent, tree.step(), newline)
    if near is None:  # directly below the section's own key
        return lines.after(tree, parent.key.end if parent.key else 0, new)
    start, end, text = lines.below(tree, near, indent, new)
    apart = tree.text[start:].startswith(newline) and near.block and isinstance(pair[1], dict)
    return start, end, newline + text if apart and start < len(tree.text) else text
