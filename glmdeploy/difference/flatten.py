"""A YAML node as fields: each value under a dotted path that does not depend on the order of named things.

Items of a list are known by their names, as Kubernetes merges them, and words of a command line by their options.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from glmdeploy.difference import masks
from glmdeploy.manifests import document

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glmdeploy.manifests.document import Node

_PLAIN = re.compile(r"[A-Za-z0-9_-]+\Z")
_NUMBER = re.compile(r"-\d+(\.\d+)?\Z")
# What names an item where `name` does not: the keys by which an API server merges, and Compose's mounts.
_KEYS = {
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "ports": "containerPort",
    "matchExpressions": "key",
    "tolerations": "key",
    "topologySpreadConstraints": "topologyKey",
    "volumes": "target",
}
_MOUNTS = ("volumeMounts", "volumeDevices")  # several may have one `name`
_ENVIRONMENTS = ("env", "environment", "data")
_SHORT = 3
_COMMANDS = ("args", "command", "entrypoint")


class Value(NamedTuple):
    """A field as it is, to compare, and as it may be shown."""

    raw: str
    shown: str


def flat(root: Node, secrets: set[str], *, kind: str = "") -> Iterator[tuple[str, Value]]:
    """Every field below a mapping; of a Secret, no value."""
    for key, node in root.items.items():
        if kind == "Secret" and key in {"data", "stringData"}:
            for name, value in node.items.items():
                yield _step(key, name), _hidden(value.raw, secrets)
        else:
            yield from _walk(node, _step("", key), key, secrets)


def _hidden(value: str, secrets: set[str]) -> Value:
    """A value that must not be shown; short ones would be found in every other word of a file."""
    secrets.update(line for part in value.splitlines() if len(line := part.strip()) > _SHORT)
    return Value(value, masks.MASK)


def _step(at: str, key: str) -> str:
    """A path with one key more; a key that is no plain word stands in brackets."""
    if not _PLAIN.match(key):
        return f"{at}[{json.dumps(key, ensure_ascii=False)}]"
    return f"{at}.{key}" if at else key


def _walk(node: Node, at: str, key: str, secrets: set[str]) -> Iterator[tuple[str, Value]]:
    if key in _ENVIRONMENTS and (node.items or node.list):
        yield from _variables(node, at, secrets)
    elif node.items:
        for name, child in node.items.items():
            yield from _walk(child, _step(at, name), name, secrets)
    elif node.list and key in _COMMANDS and all(item.text for item in node.list):
        yield from _command([item.text for item in node.list], at, secrets)
    elif node.list:
        yield from _list(node.list, at, key, secrets)
    else:
        yield at, _value(_scalar(node))


def _value(text: str) -> Value:
    return Value(text, masks.text(text))


def _variables(node: Node, at: str, secrets: set[str]) -> Iterator[tuple[str, Value]]:
    """An environment, in any of its three forms: a mapping, a list of `NAME=value`, a list of name and value."""
    for name, child in node.items.items():
        if child.items or child.list:
            yield from _walk(child, _step(at, name), name, secrets)
        else:
            yield _step(at, name), _variable(name, _scalar(child), secrets)
    for index, item in enumerate(node.list):
        name, equals, value = item.text.partition("=")
        if not item.items:
            yield _step(at, name), _variable(name, value, secrets) if equals else _value("of the host")
            continue
        name = item.get("name").raw or str(index)
        for key, child in item.items.items():
            if key == "value":
                yield f"{at}[{name}]", _variable(name, _scalar(child), secrets)
            elif key != "name":
                yield from _walk(child, _step(f"{at}[{name}]", key), key, secrets)


def _variable(name: str, value: str, secrets: set[str]) -> Value:
    shown = masks.variable(name, value)
    return _hidden(value, secrets) if shown == masks.MASK else Value(value, shown)


def _command(words: Sequence[str], at: str, secrets: set[str]) -> Iterator[tuple[str, Value]]:
    """A command line: each option with its values, and the words before them by their number."""
    options: dict[str, list[list[Value]]] = {}
    head = ""
    for index, (word, safe) in enumerate(zip(words, masks.words(words), strict=True)):
        if word != safe:
            _hidden(word.rpartition("=")[2], secrets)
        if word.startswith("-") and word != "-" and not _NUMBER.match(word):
            head, equals, value = word.partition("=")
            options.setdefault(head, []).append([Value(value, safe.partition("=")[2])] if equals else [])
        elif head:
            options[head][-1].append(Value(word, safe))
        else:
            options[str(index)] = [[Value(word, safe)]]
    for name, mentions in options.items():
        texts = [", ".join(" ".join(v[kind] for v in values) or "set" for values in mentions) for kind in (0, 1)]
        yield f"{at}[{name}]", Value(*texts)


def _list(items: Sequence[Node], at: str, key: str, secrets: set[str]) -> Iterator[tuple[str, Value]]:
    if not any(item.items or item.list for item in items):
        yield at, _value(json.dumps([_scalar(item) for item in items], ensure_ascii=False))
        return
    names = _names(items, key) or [str(index) for index in range(len(items))]
    for name, item in zip(names, items, strict=True):
        yield from _walk(item, f"{at}[{name}]", "", secrets)


def _names(items: Sequence[Node], key: str) -> list[str]:
    """What the items are known by: all by one key, each by another value; empty where there is none."""
    own = [(_KEYS[key],)] if key in _KEYS else []
    general: list[tuple[str, ...]] = [("name",), ("metadata", "name")]
    for path in [*own, *general] if key in _MOUNTS else [*general, *own, ("port",)]:
        names = [item.get(*path).raw for item in items]
        if all(names) and len(set(names)) == len(names):
            return names
    return []


def _scalar(node: Node) -> str:
    """A value as text: a string in quotes where another type would look the same."""
    value = node.value
    if isinstance(value, str):
        return value if "\n" in value or document.resolve(value)[0] == value else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)
