"""What a server's JSON must look like: members by path, and a sentence where one is missing."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from glmdeploy.diagnostics import GlmdeployError

T = TypeVar("T")

_WORDS: dict[type, str] = {str: "a string", int: "an integer", list: "a list", dict: "an object"}


class WrongError(GlmdeployError):
    """An answer came and is not what the API promises; ``hint`` says what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def parse(text: str) -> dict[str, Any]:
    """A JSON object; WrongError for anything else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" (character {error.pos} of {len(text)})" if isinstance(error, json.JSONDecodeError) else ""
        raise WrongError(f"the answer is not JSON{where}") from None
    if not isinstance(found, dict):
        raise WrongError("the answer is JSON, and no object")
    return found


def at(data: Any, kind: type[T], *path: str | int) -> T:
    """The member at ``path``; WrongError where there is none of that kind."""
    for key in path:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            raise WrongError(f"the answer has no `{_name(path)}`") from None
    if not isinstance(data, kind) or isinstance(data, bool):
        raise WrongError(f"`{_name(path)}` of the answer is not {_WORDS[kind]}")
    return data


def text(data: Any, *path: str | int) -> str:
    """The text at ``path``, or an empty string."""
    try:
        return at(data, str, *path)
    except WrongError:
        return ""


def number(data: Any, *path: str | int) -> int:
    """The whole number at ``path``, or 0."""
    try:
        return at(data, int, *path)
    except WrongError:
        return 0


def _name(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).removeprefix(".")
