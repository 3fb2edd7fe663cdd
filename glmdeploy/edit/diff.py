"""A change as a unified diff that `patch` takes, with secrets masked."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from glmdeploy import source
from glmdeploy.edit.secrets import secrets
from glmdeploy.edit.tree import Tree
from glmdeploy.rules import policy

if TYPE_CHECKING:
    from collections.abc import Iterator


def unified(name: str, old: str, new: str) -> str:
    """The difference of two texts of one profile; empty when there is none."""
    before, after = (_lines(_masked(name, text)) for text in (old, new))
    return "".join(_ended(line) for line in difflib.unified_diff(before, after, name, name))


def _lines(text: str) -> list[str]:
    found = text.split("\n")
    return [f"{line}\n" for line in found[:-1]] + ([found[-1]] if found[-1] else [])


def _ended(line: str) -> str:
    return line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _masked(name: str, text: str) -> str:
    """The text with `***` where a secret stands: the whole value, and what has a secret's form elsewhere."""
    for start, end in sorted(set(_places(name, text)), reverse=True):
        text = f"{text[:start]}***{text[end:]}"
    while found := policy.secret_in(text):
        text = text.replace(found, "***")
    return text


def _places(name: str, text: str) -> Iterator[tuple[int, int]]:
    nodes = Tree(text).nodes
    for at in secrets(source.parse(name, text).data):
        if node := nodes.get(at):
            option, equals, _ = text[node.start : node.end].partition("=")
            hidden = node.start + len(option + equals) if at[0] == "extra_args" and equals else node.start
            if not (at[0] == "extra_args" and not equals and option.strip("\"'").startswith("-")):
                yield hidden, node.end
