"""The vocabulary in which the limits of a type are written: each word makes a check of one mapping.

A check gets the mapping and yields what is wrong with it; `fields` walks the object and asks the checks of each type, so
that a limit of a pod holds in every kind that has a template of one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from glmdeploy.diagnostics import Level
from glmdeploy.manifests import names
from glmdeploy.manifests.document import Key, Node
from glmdeploy.manifests.objects import number


@dataclass(frozen=True)
class Fault:
    """What is wrong at a place."""

    code: str
    message: str
    at: Node | Key
    hint: str = ""
    level: Level = Level.ERROR


Check = Callable[[Node], Iterator[Fault]]
RANGE, FIELDS, FORM, LATER = "GLM835", "GLM836", "GLM837", "GLM838"
HIGHEST = 2**31 - 1


def given(node: Node, fields: tuple[str, ...]) -> list[str]:
    """Those of the fields that are set: `field:` with nothing behind it is not."""
    return [f for f in fields if node.get(f)]


def key(node: Node, field: str) -> Node | Key:
    """The place of a field's name."""
    return node.keys.get(field) or node.get(field) or node


def between(lowest: int, highest: int, *fields: str) -> Check:
    """Whole numbers, if given, within limits."""

    def check(node: Node) -> Iterator[Fault]:
        for field in fields:
            value = number(node.get(field))
            if value is not None and not lowest <= value <= highest:
                most = f" and at most {highest}" if highest != HIGHEST else ""
                yield Fault(RANGE, f"`{field}` must be at least {lowest}{most}: {value}", node.get(field))

    return check


def at_least(lowest: int, *fields: str) -> Check:
    """Whole numbers, if given, not below a limit."""
    return between(lowest, HIGHEST, *fields)


def at_most_one(*fields: str) -> Check:
    """Fields that exclude each other."""

    def check(node: Node) -> Iterator[Fault]:
        found = given(node, fields)
        if len(found) > 1:
            words = " and ".join(f"`{f}`" for f in found)
            yield Fault(FIELDS, f"{words} exclude each other", key(node, found[1]), "keep one of them")

    return check


def exactly_one(*fields: str) -> Check:
    """Fields of which one is needed, and no second."""
    several = at_most_one(*fields)

    def check(node: Node) -> Iterator[Fault]:
        yield from several(node)
        if not given(node, fields):
            yield Fault(FIELDS, f"one of {', '.join(f'`{f}`' for f in fields)} is missing", node)

    return check


def needs(field: str, value: str, wanted: str, why: str = "") -> Check:
    """A field that another's value makes compulsory."""

    def check(node: Node) -> Iterator[Fault]:
        if node.get(field).text == value and not node.get(wanted):
            yield Fault(FIELDS, f"`{field}: {value}` needs `{wanted}`", node.get(field), why)

    return check


def only_with(field: str, other: str, *values: str) -> Check:
    """A field that is allowed beside some values of another alone; an empty word means the other is left out."""

    def check(node: Node) -> Iterator[Fault]:
        if node.get(field) and node.get(other).text not in values:
            words = " or ".join(f"`{other}: {v}`" for v in values if v)
            yield Fault(FIELDS, f"`{field}` is allowed with {words} alone", key(node, field))

    return check


def form(field: str, pattern: str, hint: str, code: str = FORM) -> Check:
    """A text, if given, that matches from end to end."""
    compiled = re.compile(pattern)

    def check(node: Node) -> Iterator[Fault]:
        found = node.get(field)
        if found.text and not compiled.fullmatch(found.text):
            yield Fault(code, f"`{field}` cannot be `{found.text}`", found, hint)

    return check


def relative(field: str) -> Check:
    """A path, if given, that is relative and does not climb."""

    def check(node: Node) -> Iterator[Fault]:
        found = node.get(field)
        if found.text.startswith("/") or ".." in found.text.split("/"):
            yield Fault(FORM, f"`{field}` cannot be `{found.text}`", found, "a relative path without `..`")

    return check


def no_steps_back(field: str) -> Check:
    """A path, if given, without `..`."""

    def check(node: Node) -> Iterator[Fault]:
        found = node.get(field)
        if ".." in found.text.split("/"):
            yield Fault(FORM, f"`{field}` cannot be `{found.text}`", found, "a path without `..`")

    return check


def share(*fields: str, most: int = 0) -> Check:
    """A number that is not negative, or a percentage, of at most ``most`` percent if that is given."""

    def check(node: Node) -> Iterator[Fault]:
        for field in fields:
            found = node.get(field)
            if found.text and not re.fullmatch(r"[0-9]+%", found.text):
                hint = "a number without quotes, or a percentage such as `25%`"
                yield Fault(FORM, f"`{field}` cannot be `{found.text}`", found, hint)
            elif most and found.text and int(found.text[:-1]) > most:
                yield Fault(RANGE, f"`{field}` must be at most {most}%: {found.text}", found)
            yield from at_least(0, field)(node)

    return check


def keys(field: str) -> Check:
    """The keys of a ConfigMap or Secret."""

    def check(node: Node) -> Iterator[Fault]:
        for name in node.get(field).items:
            if not re.fullmatch(r"(?!\.\.)[-._a-zA-Z0-9]{1,253}", name) or name == ".":
                hint = "letters, digits, `-`, `_` and `.`: no slash, at most 253 characters"
                yield Fault(FORM, f"key `{name}` of `{field}` is not valid", key(node.get(field), name), hint)

    return check


def filled(*fields: str) -> Check:
    """Lists, mappings and texts, if given, that hold something."""

    def check(node: Node) -> Iterator[Fault]:
        for field in fields:
            if node.get(field).value in ("", [], {}):
                yield Fault("GLM817", f"`{field}` is empty", key(node, field))

    return check


def wanted(*fields: str) -> Check:
    """Fields that a schema leaves open and validation does not: given, and not empty."""
    full = filled(*fields)

    def check(node: Node) -> Iterator[Fault]:
        yield from full(node)
        for field in fields:
            if not node.get(field):
                yield Fault("GLM817", f"`{field}` is missing", node)

    return check


def labels(field: str) -> Check:
    """Labels, by key and value."""

    def check(node: Node) -> Iterator[Fault]:
        yield from (Fault("GLM805", *found) for found in names.label_problems(node.get(field)))

    return check


def label_key(field: str) -> Check:
    """The key of a label, if given: an empty one is none."""

    def check(node: Node) -> Iterator[Fault]:
        found = node.get(field)
        if isinstance(found.value, str):
            yield from (Fault("GLM805", *problem) for problem in names.key_problem(found.text, found))

    return check


def named(*fields: str, dotted: bool = True) -> Check:
    """Names of RFC 1123, if given: subdomains, or labels where they have no dots."""

    def check(node: Node) -> Iterator[Fault]:
        for field in fields:
            found = names.name_problem(node.get(field).text, dotted=dotted)
            if found:
                yield Fault("GLM804", found[0], node.get(field), found[1])

    return check


def at_most(count: int, field: str) -> Check:
    """A list, if given, of at most so many members."""

    def check(node: Node) -> Iterator[Fault]:
        found = node.get(field).list
        if len(found) > count:
            yield Fault(RANGE, f"`{field}` holds at most {count}: {len(found)}", key(node, field))

    return check
