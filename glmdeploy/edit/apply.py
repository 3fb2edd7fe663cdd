"""Edits of a document, one after the other, each proven by loading its result."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from glmdeploy import source
from glmdeploy.diagnostics import Diagnostic, Drop, Insert, ProfileError, Put, Quote, Rekey, WriteError
from glmdeploy.edit.change import splices
from glmdeploy.edit.lines import BlockedError, dotted
from glmdeploy.edit.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glmdeploy.diagnostics import Edit, KeyPath

_MISSING = object()


def apply(name: str, text: str, edits: Iterable[Edit]) -> str:
    """The text of the document ``name`` after ``edits``; every other character is as it was.

    ProfileError when the text is no document; WriteError (GLM511) where an edit would change something else too.
    """
    document = source.parse(name, text)
    for edit in edits:
        for step in _steps(document.data, edit):
            try:
                text = _one(document, text, step)
            except (BlockedError, ProfileError) as error:
                raise WriteError(document.place([_refusal(step.at, error)])) from None
            document = source.parse(name, text)
    return text


def _refusal(at: KeyPath, error: Exception) -> Diagnostic:
    reason = str(error) if isinstance(error, BlockedError) else "the result would be another document"
    hint = "nothing was written: edit it by hand"
    return Diagnostic("GLM511", f"cannot change `{dotted(at)}` in place", at=at, label=reason, hint=hint, hide=True)


def _one(document: source.Source, text: str, step: Edit) -> str:
    """The text after one edit that is no collection's; BlockedError when it would mean anything else."""
    tree = Tree(text)
    changed = text
    for start, end, new in sorted(splices(step, tree), reverse=True):
        changed = changed[:start] + new + changed[end:]
    written = tree.text[tree.nodes[step.at].start : tree.nodes[step.at].end] if isinstance(step, Quote) else ""
    meant = _meant(document.data, step, written)
    if not same(source.parse(document.path, changed).data, meant):
        shared = any(n.anchor in tree.aliases for n in tree.nodes.values() if n.at == step.at[: len(n.at)])
        below = any(n.anchor in tree.aliases for n in tree.nodes.values() if n.at[: len(step.at)] == step.at)
        raise BlockedError(
            "an alias elsewhere takes its value from here" if shared or below else "something else would change with it"
        )
    return changed


def _steps(data: dict[str, Any], edit: Edit) -> Iterator[Edit]:
    """An edit as the smallest ones that do the same: of a collection, only what differs."""
    old = _get(data, edit.at)
    if not isinstance(edit, Put):
        yield edit
    elif isinstance(old, dict) and isinstance(edit.value, dict) and old:
        for key, value in edit.value.items():
            yield from _steps(data, Put((*edit.at, key), value))
        yield from (Drop((*edit.at, key)) for key in old if key not in edit.value)
    elif isinstance(old, list) and isinstance(edit.value, list) and old:
        yield from _items(edit.at, old, edit.value)
    elif not same(old, edit.value):
        yield edit


def _items(at: KeyPath, old: list[Any], new: list[Any]) -> Iterator[Edit]:
    """The edits that make one list of another, from the end, so that no place moves."""
    match = difflib.SequenceMatcher(None, [repr(v) for v in old], [repr(v) for v in new], autojunk=False)
    codes = [code for code in match.get_opcodes() if code[0] != "equal"]
    for _, first, last, begin, end in reversed(codes):
        both = min(last - first, end - begin)
        yield from (Insert((*at, first + both), value) for value in reversed(new[begin + both : end]))
        yield from (Put((*at, first + i), new[begin + i]) for i in range(both))
        yield from (Drop((*at, index)) for index in range(last - 1, first + both - 1, -1))


def _meant(data: dict[str, Any], step: Edit, written: str) -> dict[str, Any]:
    """The data after one edit; BlockedError where the place is not there."""
    copy: dict[str, Any] = _copy(data)
    node: Any = copy
    for key in step.at[:-1]:
        if isinstance(node, dict) and node.get(key) is None:
            node[key] = {}
        node = _get(node, (key,))
    if not isinstance(node, list if isinstance(step.at[-1], int) else dict):
        raise BlockedError(f"`{dotted(step.at[:-1])}` has no place for it")
    _change(node, step, written)
    return copy


def _change(node: Any, step: Edit, written: str) -> None:
    """Make the edit in the section or list that it is about."""
    key = step.at[-1]
    match step:
        case Put():
            node[key] = step.value
        case Insert():
            node.insert(key, step.value)
        case Drop():
            del node[key]
        case Quote():
            node[key] = written
        case Rekey() if step.key not in node:
            node[step.key] = node.pop(key)
        case Rekey():
            raise BlockedError(f"`{step.key}` is there already")


def _get(data: Any, at: KeyPath) -> Any:
    for key in at:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            return _MISSING
    return data


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def same(one: Any, other: Any) -> bool:
    """Whether two plain values are equal, types included: 1 is not true, nor 1.0."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and repr(one) == repr(other)
