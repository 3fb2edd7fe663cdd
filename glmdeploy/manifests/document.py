"""YAML files as readers of both versions see them, with the place of every key and value.

Kubernetes reads YAML 1.1: a plain `yes` is a bool there. So scalars are resolved by that version here, and a string
that some other reader takes for a number or a date says so (`trap`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from io import StringIO
from typing import TYPE_CHECKING, Any

from glmdeploy.diagnostics import Diagnostic, Level, ProfileError, Span
from glmdeploy.lines import Places
from glmdeploy.source import refuse_controls
from glmdeploy.tree import MAX_DEPTH, MAX_NODES, after_anchor

if TYPE_CHECKING:
    from collections.abc import Iterator

_TRUE = frozenset(["y", "yes", "on", "true"])
_FALSE = frozenset(["n", "no", "off", "false"])
_INT = re.compile(r"[-+]?(0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]*|[1-9][0-9_]*)\Z")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?\Z|[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z"
)
_TRAPS = {
    "a sexagesimal number": re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?\Z"),
    "a date": re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?\Z"),
}


@dataclass(frozen=True)
class Key:
    """A key of a mapping: its text, its place, and what a YAML 1.1 reader takes it for if not for a string."""

    text: str
    line: int
    column: int
    taken_for: str = ""


@dataclass(frozen=True, eq=False)
class Node:
    """A value with its place. ``value`` is a dict of nodes, a list of nodes, or a scalar."""

    value: Any
    line: int = 0
    column: int = 0
    width: int = 1
    last: int = 0
    raw: str = ""
    trap: str = ""
    keys: dict[str, Key] = field(default_factory=dict)

    def get(self, *path: str) -> Node:
        """The node below ``path``, or one that holds nothing."""
        node = self
        for key in path:
            found = node.value.get(key) if isinstance(node.value, dict) else None
            if found is None:
                return _NOTHING
            node = found
        return node

    def __bool__(self) -> bool:
        return self.value is not None

    @property
    def items(self) -> dict[str, Node]:
        """The members of a mapping; empty for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def list(self) -> list[Node]:
        """The items of a list; empty for anything else."""
        return self.value if isinstance(self.value, list) else []

    @property
    def text(self) -> str:
        """The string; empty for anything else."""
        return self.value if isinstance(self.value, str) else ""

    def walk(self) -> Iterator[Node]:
        """This node and all below it."""
        yield self
        for child in self.items.values() or self.list:
            yield from child.walk()


_NOTHING = Node(None)


@dataclass(frozen=True)
class File:
    """A parsed file: its path as shown, its lines and its documents."""

    path: str
    lines: tuple[str, ...]
    documents: tuple[Node, ...]

    def span(self, node: Node | Key) -> Span:
        """The place of a node or a key."""
        width = len(node.text) if isinstance(node, Key) else node.width
        shown = self.lines[node.line - 1] if 0 < node.line <= len(self.lines) else ""
        return Span(self.path, node.line or 1, node.column or 1, max(1, width), shown)

    def say(
        self,
        code: str,
        message: str,
        node: Node | Key,
        *,
        hint: str = "",
        label: str = "",
        level: Level = Level.ERROR,
    ) -> Diagnostic:
        """A diagnostic at a node."""
        return Diagnostic(code, message, level, label=label, hint=hint, span=self.span(node))


def parse(path: str, text: str) -> File:
    """All documents of a file; ProfileError with a GLM0xx code when it is not YAML."""
    from ruamel.yaml import YAML  # noqa: PLC0415  slow to import
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415

    refuse_controls(path, text)
    places = Places(path, text)
    lines = places.lines
    try:
        roots = list(YAML(typ="rt", pure=True).compose_all(StringIO(text)))
        documents = [_Builder(places).build(root, 0) for root in roots if root is not None]
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = places.at(mark.index) if mark else (1, 1)
        problem = " ".join(str(error.problem or error.context or "").split())
        raise _refused("GLM003", f"not valid YAML: {problem}", path, lines, at) from None
    except RecursionError:
        raise _refused("GLM006", "the document is nested too deeply", path, lines) from None
    except (YAMLError, ValueError, OverflowError) as error:
        raise _refused("GLM003", f"not valid YAML: {' '.join(str(error).split())[:200]}", path, lines) from None
    return File(path, lines, tuple(d for d in documents if d))


class _Builder:
    def __init__(self, places: Places) -> None:
        self.path = places.name
        self.lines = places.lines
        self.places = places
        self.left = MAX_NODES

    def build(self, node: Any, depth: int) -> Node:
        self.left -= 1
        if self.left < 0 or depth > MAX_DEPTH:
            raise _refused("GLM006", "the document is nested too deeply or too large", self.path, self.lines)
        start = after_anchor(self.places.text, node.start_mark.index)
        line, column = self.places.at(start)
        if node.id == "mapping":
            return self.mapping(node, depth, line, column)
        if node.id == "sequence":
            return Node([self.build(item, depth + 1) for item in node.value], line, column)
        plain = node.style is None and not isinstance(node.value, list)
        value, trap = resolve(node.value) if plain and _untagged(node) else (node.value, "")
        end = node.end_mark.index
        return Node(value, line, column, self.places.span(start, end).width, self.places.at(end)[0], node.value, trap)

    def mapping(self, node: Any, depth: int, line: int, column: int) -> Node:
        members: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        keys: dict[str, Key] = {}
        for key, value in node.value:
            made, child = self.build(key, depth + 1), self.build(value, depth + 1)
            name = made.raw
            if name == "<<" and key.style is None:
                for other in child.list or [child]:
                    merged = {**other.items, **merged}
                continue
            if name in members:
                message = f"found duplicate key `{name}`"
                at = (made.line, made.column)
                raise _refused("GLM004", message, self.path, self.lines, at, hint="keep one of the two")
            if value.id == "scalar" and value.start_mark.index == value.end_mark.index:
                child = replace(child, line=made.line, column=made.column, width=made.width)  # nothing is written
            members[name] = child
            taken = "" if isinstance(made.value, str | int | float) and not isinstance(made.value, bool) else made.raw
            keys[name] = Key(name, made.line, made.column, taken and ("null" if made.value is None else "a bool"))
        return Node({**merged, **members}, line, column, keys=keys)


def _untagged(node: Any) -> bool:
    """Whether no tag stands before the scalar: what the composer resolved is a core tag."""
    return str(node.tag or "").startswith("tag:yaml.org,2002:") and str(node.tag) != "tag:yaml.org,2002:binary"


def resolve(text: str) -> tuple[Any, str]:
    """What a YAML 1.1 reader of Kubernetes takes a plain scalar for, and what others would."""
    lower = text.lower()
    if text in {"", "~", "null", "Null", "NULL"}:
        return None, ""
    if text in {lower, lower.upper(), lower.capitalize()} and lower in _TRUE | _FALSE:
        return lower in _TRUE, ""
    if _INT.match(text):
        return _number(text), ""
    if _FLOAT.match(text):
        return _real(text), ""
    return text, next((name for name, pattern in _TRAPS.items() if pattern.match(text)), "")


def _real(text: str) -> float:
    lower = text.lower()
    return float(lower.replace(".", "") if lower.endswith(("inf", "nan")) else lower.replace("_", ""))


def _number(text: str) -> int:
    digits = text.lstrip("+-").replace("_", "")
    sign = -1 if text.startswith("-") else 1
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
        return sign * int(digits, 8)
    return sign * int(digits or "0", 0)


def _refused(
    code: str, message: str, path: str, lines: tuple[str, ...], at: tuple[int, int] = (1, 1), *, hint: str = ""
) -> ProfileError:
    line, column = at
    shown = lines[line - 1] if line <= len(lines) else ""
    return ProfileError([Diagnostic(code, message, span=Span(path, line, column, 1, shown), hint=hint)])
