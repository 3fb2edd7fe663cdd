"""Change a few scalars of a YAML text and nothing else: every other character stays, line endings too.

The places come from ruamel's events; the result is parsed again and must be the document that was meant.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glmdeploy import source
from glmdeploy.bundle import write_file
from glmdeploy.diagnostics import Diagnostic, ProfileError, Span, WriteError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.diagnostics import KeyPath
    from glmdeploy.upgrade import Upgrade

_BOM = "\ufeff"
# What every YAML reader takes for a string: an option, a word, a version of three parts or more.
_PLAIN = re.compile(
    r"--[a-z][A-Za-z0-9_.=-]*|[A-Za-z][A-Za-z0-9_./-]*[A-Za-z0-9]|\d+\.\d+\.\d+(\.?[A-Za-z][A-Za-z0-9]*)?"
)


@dataclass(frozen=True)
class _Node:
    """One value of the document: its first event, its key's event, and whether its parent is in flow style."""

    event: Any
    key: Any
    flow: bool


def write(upgrade: Upgrade) -> bool:
    """Write the profile's file with the new version and the renamed words; whether anything was to be written.

    WriteError when it cannot be written or edited. Mode, links and everything else in the file stay.
    """
    path = Path(upgrade.before.source.path)
    old = source.text(path)
    new = edited(upgrade, old)
    if new == old:
        return False
    real = path.resolve()
    if not os.access(real, os.W_OK):
        raise WriteError([Diagnostic("GLM508", f"cannot write `{path}`: Permission denied", span=Span(str(path)))])
    with real.open("rb") as file:
        mark = _BOM if file.read(3) == _BOM.encode() else ""
    write_file(real, mark + new, mode=real.stat().st_mode & 0o7777)
    return True


def edited(upgrade: Upgrade, text: str) -> str:
    """The profile's text with the new version and the renamed words; WriteError where that needs a person."""
    name = upgrade.before.source.path
    try:
        changed = _spliced(text, _splices(upgrade, text))
        same = source.parse(name, changed).data == upgrade.after.source.data
    except (ProfileError, LookupError):
        same = False
    if not same:
        what = ", ".join(["`framework.version`", *(["`extra_args`"] if upgrade.renames else [])])
        hint = "an anchor, an alias or a block scalar is in the way: edit it by hand"
        raise WriteError([Diagnostic("GLM511", f"cannot change {what} in place", span=Span(name), hint=hint)])
    return changed


def _spliced(text: str, splices: list[tuple[int, int, str]]) -> str:
    for start, end, new in sorted(splices, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _splices(upgrade: Upgrade, text: str) -> list[tuple[int, int, str]]:
    nodes = dict(_nodes(text))
    found = [
        _replace(node, text, word) if word is not None else _drop(node, text)
        for r in upgrade.renames
        for index, word in r.words.items()
        for node in [nodes["extra_args", index]]
    ]
    found += [_beside(nodes["extra_args", min(r.words)], text, r.beside) for r in upgrade.renames if r.beside]
    at = ("framework", "version")
    if upgrade.before.source.data["framework"].get("version") == upgrade.new:
        return found
    return [*found, _replace(nodes[at], text, upgrade.new) if at in nodes else _insert(nodes, text, upgrade.new)]


def _replace(node: _Node, text: str, new: str) -> tuple[int, int, str]:
    """A scalar or an alias replaced, in the quotes that it has."""
    start, end = node.event.start_mark.index, node.event.end_mark.index
    if start == end and node.key is not None:  # nothing was written: its mark may stand lines below
        start = end = text.index(":", node.key.end_mark.index) + 1
    style = getattr(node.event, "style", None)
    if style == "'":
        return start, end, "'" + new.replace("'", "''") + "'"
    plain = _PLAIN.fullmatch(new) and style is None
    written = new if plain else json.dumps(new, ensure_ascii=False)
    return start, end, written if end > start or text[start - 1 : start] == " " else f" {written}"


def _beside(node: _Node, text: str, word: str) -> tuple[int, int, str]:
    """An item after another one: in block style on a line of its own."""
    start, end = node.event.start_mark.index, node.event.end_mark.index
    written = word if _PLAIN.fullmatch(word) else json.dumps(word)
    if node.flow:
        return end, end, f", {written}"
    line_start, line_end = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    newline = "\r\n" if "\r\n" in text else "\n"
    item = " " * (text.rfind("-", line_start, start) - line_start) + f"- {written}"
    if line_end < 0:
        return len(text), len(text), newline + item
    return line_end + 1, line_end + 1, item + newline


def _drop(node: _Node, text: str) -> tuple[int, int, str]:
    """An item taken out of its list; in block style its line goes, and a comment on it stays."""
    start, end = node.event.start_mark.index, node.event.end_mark.index
    if node.flow:
        after = re.compile(r"\s*,\s*").match(text, end)
        return (start, after.end(), "") if after else (len(text[:start].rstrip().removesuffix(",")), end, "")
    line_start, line_end = text.rfind("\n", 0, start) + 1, text.find("\n", end) + 1 or len(text)
    rest = text[end:line_end]
    if rest.strip():
        dash = text.rfind("-", line_start, start)
        return dash, end + len(rest) - len(rest.lstrip()), ""
    return line_start, line_end, ""


def _insert(nodes: dict[KeyPath, _Node], text: str, version: str) -> tuple[int, int, str]:
    """`version` after `name`: in the same mapping, on a line of its own in block style."""
    name = nodes["framework", "name"]
    end = name.event.end_mark.index
    entry = f'version: "{version}"'
    if name.flow:
        return end, end, f", {entry}"
    line_end = text.find("\n", end)
    newline = "\r\n" if "\r\n" in text else "\n"
    indent = " " * name.key.start_mark.column
    if line_end < 0:
        return len(text), len(text), f"{newline}{indent}{entry}"
    return line_end + 1, line_end + 1, f"{indent}{entry}{newline}"


def _nodes(text: str) -> Iterator[tuple[KeyPath, _Node]]:
    from ruamel.yaml import YAML  # noqa: PLC0415  slow to import

    events = iter(YAML(typ="rt", pure=True).parse(text))
    next(events)  # the stream
    next(events)  # the document
    yield from _walk(next(events), events, (), key=None, flow=False)


def _walk(event: Any, events: Iterator[Any], at: KeyPath, *, key: Any, flow: bool) -> Iterator[tuple[KeyPath, _Node]]:
    yield at, _Node(event, key, flow)
    kind = type(event).__name__
    inside = bool(getattr(event, "flow_style", False))
    if kind == "SequenceStartEvent":
        for index, item in enumerate(iter(lambda: next(events), None)):
            if type(item).__name__ == "SequenceEndEvent":
                return
            yield from _walk(item, events, (*at, index), key=None, flow=inside)
    elif kind == "MappingStartEvent":
        for name in iter(lambda: next(events), None):
            if type(name).__name__ == "MappingEndEvent":
                return
            here = (*at, str(getattr(name, "value", "")))
            if type(name).__name__ not in {"ScalarEvent", "AliasEvent"}:  # a key that is a collection
                list(_walk(name, events, here, key=None, flow=inside))
            yield from _walk(next(events), events, here, key=name, flow=inside)
