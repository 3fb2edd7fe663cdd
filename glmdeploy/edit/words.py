"""How a value is written: in the quotes that it has, and in quotes wherever some YAML reader would misread it."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from glmdeploy import source

# Beside `source.plain`, what every YAML reader takes for a string: an option, a version of three parts or more, a size.
_PLAIN = re.compile(
    r"--[a-z][A-Za-z0-9_.=-]*|[A-Za-z][A-Za-z0-9_./-]*[A-Za-z0-9]|\d+\.\d+\.\d+(\.?[A-Za-z][A-Za-z0-9]*)?"
)
# An image of a registry; its colon is safe outside flow style only.
_IMAGE = re.compile(r"[A-Za-z][A-Za-z0-9.-]*(/[a-z0-9._-]+)+:[A-Za-z0-9][A-Za-z0-9._-]*(@sha256:[0-9a-f]{64})?")
_SIZE = re.compile(r"\d+(\.\d+)?( ?[kKMGT]i?B(/s)?|[kKmM])")
_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "none"])


def again(value: Any, style: str | None, *, flow: bool) -> str:
    """A scalar in the place of one that was written in ``style``: in its quotes, if it is a string."""
    if not isinstance(value, str):
        return flowed(value)
    if style == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    known = any(p.fullmatch(value) for p in ((_PLAIN, _SIZE) if flow else (_PLAIN, _SIZE, _IMAGE)))
    if style is None and (source.plain(value) or (known and value.lower() not in _WORDS)):
        return value
    return quoted(value)


def quoted(text: str) -> str:
    """A string in double quotes; a character that cannot be seen is written as its escape."""
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in json.dumps(text, ensure_ascii=False))


def word(value: Any) -> str:
    """A new item of a list of words."""
    return again(value, None, flow=True)


def flowed(value: Any) -> str:
    """A new value on one line: strings plain where nobody misreads them, collections in flow style."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flowed(str(k))}: {flowed(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flowed, value)) + "]"
    if isinstance(value, str):
        safe = source.plain(value) or _SIZE.fullmatch(value)
        return value if safe else quoted(value)
    if isinstance(value, float):
        return _real(value)
    return "null" if value is None else str(value).lower()


def _real(value: float) -> str:
    if not math.isfinite(value):
        return {"inf": ".inf", "-inf": "-.inf"}.get(repr(value), ".nan")
    text = repr(value)
    return text if "." in text else text.replace("e", ".0e")  # to YAML 1.1, `1e+18` is a string


def entry(key: str, value: Any, indent: int, step: int, newline: str) -> str:
    """A key with its value for a block mapping, sections on lines of their own; no line break at the end."""
    head = " " * indent + flowed(key) + ":"
    if isinstance(value, dict) and value:
        inner = [entry(str(k), v, indent + step, step, newline) for k, v in value.items()]
        return newline.join([head, *inner])
    return f"{head} {flowed(value)}"
