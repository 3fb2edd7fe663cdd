"""Where everything stands in a YAML text: each value by its keys, with its first and last character."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.diagnostics import KeyPath

_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")  # what YAML takes for the end of a line
_ANCHOR = re.compile(r"&[^\s,\[\]{}]+[ \t]*")
_COLON = re.compile(r"\s*:")
SCALAR, MAP, LIST, ALIAS = "scalar", "map", "list", "alias"


@dataclass(frozen=True)
class Key:
    """A key's own characters, and where its value may begin; ``colon`` is -1 where none is written."""

    start: int
    end: int
    style: str | None
    colon: int


@dataclass(frozen=True)
class Node:
    """One value: its text is ``start`` to ``end``, without its anchor. ``flow``: it stands in a flow collection."""

    at: KeyPath
    kind: str
    start: int
    end: int
    key: Key | None
    flow: bool
    style: str | None = None  # of a scalar: None, ', ", | or >
    block: bool = False  # a collection in block style
    anchor: str = ""
    children: tuple[KeyPath, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing is written: YAML reads null."""
        return self.kind == SCALAR and self.start == self.end


class Tree:
    """The values of a text by their keys. A value that an alias or a merge key brings along has no place of its own."""

    def __init__(self, text: str) -> None:
        from ruamel.yaml import YAML  # noqa: PLC0415  slow to import

        self.text = text
        self.nodes: dict[KeyPath, Node] = {}
        self.aliases: set[str] = set()
        self._events = iter(YAML(typ="rt", pure=True).parse(text))
        next(self._events)  # the stream
        next(self._events)  # the document
        self._node(next(self._events), (), None, flow=False)

    def _node(self, event: Any, at: KeyPath, key: Key | None, *, flow: bool) -> Node:
        """Note the value that begins with ``event``, and all that it holds."""
        kind = {"SequenceStartEvent": LIST, "MappingStartEvent": MAP, "AliasEvent": ALIAS}.get(
            type(event).__name__, SCALAR
        )
        start, end = event.start_mark.index, event.end_mark.index
        if kind == ALIAS:
            self.aliases.add(event.anchor)
            node = Node(at, kind, start, end, key, flow)
        elif kind == SCALAR:
            node = self._scalar(event, at, key, flow=flow)
        else:
            start = self._after_anchor(event, start)
            children, end = self._children(event, at, kind)
            node = Node(
                at, kind, start, end, key, flow, None, not event.flow_style, event.anchor or "", tuple(children)
            )
        self.nodes[at] = node
        return node

    def _scalar(self, event: Any, at: KeyPath, key: Key | None, *, flow: bool) -> Node:
        start, end = event.start_mark.index, event.end_mark.index
        start = self._after_anchor(event, start)
        end = max(start, start + len(self.text[start:end].rstrip()))  # a block scalar ends with its last characters
        if start == end and key is not None and not event.anchor:  # nothing is written: its mark may stand lines below
            start = end = key.end if key.colon < 0 else key.colon
        return Node(at, SCALAR, start, end, key, flow, event.style, anchor=event.anchor or "")

    def _after_anchor(self, event: Any, start: int) -> int:
        found = _ANCHOR.match(self.text, start) if event.anchor else None
        return found.end() if found else start

    def _children(self, event: Any, at: KeyPath, kind: str) -> tuple[list[KeyPath], int]:
        """The places of what a collection holds, and where the last of it ends."""
        inside = bool(event.flow_style)
        found: list[KeyPath] = []
        end = event.start_mark.index
        while not type(first := next(self._events)).__name__.endswith("EndEvent"):
            if kind == LIST:
                node = self._node(first, (*at, len(found)), None, flow=inside)
            else:
                name, key = self._key(first, flow=inside)
                node = self._node(next(self._events), (*at, name), key, flow=inside)
            found.append(node.at)
            end = max(end, node.end)
        return found, first.end_mark.index if inside else end

    def _key(self, event: Any, *, flow: bool) -> tuple[str, Key]:
        start, end = event.start_mark.index, event.end_mark.index
        if not hasattr(event, "value"):  # an alias, or a collection: no key of a profile
            end = self._node(event, ("", start), None, flow=flow).end
        elif event.anchor:
            start = self._after_anchor(event, start)
        colon = _COLON.match(self.text, end)
        return str(getattr(event, "value", "")), Key(
            start, end, getattr(event, "style", None), colon.end() if colon else -1
        )

    def line_start(self, index: int) -> int:
        """The first character of the line that ``index`` stands on."""
        return max((m.end() for m in _BREAK.finditer(self.text, 0, index)), default=0)

    def line_end(self, index: int) -> tuple[int, int]:
        """Where the line of ``index`` ends, without and with its line break."""
        found = _BREAK.search(self.text, index)
        return (found.start(), found.end()) if found else (len(self.text), len(self.text))

    def newline(self, index: int) -> str:
        """The line break of the line that ``index`` stands on, or of the one before it."""
        end, after = self.line_end(index)
        before = [m[0] for m in _BREAK.finditer(self.text, 0, index)]
        return self.text[end:after] or (before[-1] if before else "\n")

    def column(self, index: int) -> int:
        """Characters before ``index`` on its line."""
        return index - self.line_start(index)

    def step(self) -> int:
        """Columns that a section of this file is indented by; 2 where none is in block style."""
        for node in self.nodes.values():
            if node.kind == MAP and node.block and node.key and node.children:
                inner = self.nodes[node.children[0]].key
                return self.column(inner.start if inner else node.start) - self.column(node.key.start)
        return 2

    def leaves(self, at: KeyPath) -> Iterator[Node]:
        """The scalars and aliases at ``at`` and below it."""
        return (n for n in self.nodes.values() if n.at[: len(at)] == at and n.kind in {SCALAR, ALIAS})
