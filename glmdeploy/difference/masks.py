"""Secrets never stand in a comparison: values that look like one are shown as three stars.

What glmdeploy renders holds none, but a bundle that was edited by hand may, and so may a profile that is refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glmdeploy.rules import policy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MASK = "***"
# What refers to a secret and is none: a variable of the shell, of Compose (which may ask for it), or of the kubelet.
_REFERENCE = re.compile(r"\$[A-Za-z_]\w*|\$\{[A-Za-z_]\w*(:?\?[^}]*)?\}|\$\([A-Za-z_]\w*\)|\"\$\{[A-Za-z_]\w*\}\"")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\Z")
_ASSIGNED = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<sign>[\"']?\s*[=:]\s*)(?P<value>\S.*)")
_OPTION = re.compile(r"(?P<name>--[A-Za-z][\w-]*)(?P<sign>[=\s]+)(?P<value>[^\s-]\S*)")


def text(value: str) -> str:
    """``value`` without the keys and tokens that are known by their form."""
    while secret := policy.secret_in(value):
        value = value.replace(secret, MASK)
    return value


def variable(name: str, value: str) -> str:
    """The value of an environment variable, hidden where its name or its form says that it is a secret."""
    if _REFERENCE.fullmatch(value) or name.upper().endswith("_FILE"):
        return text(value)
    return MASK if policy.secret_variable(name, value) else text(value)


def words(line: Sequence[str]) -> list[str]:
    """A command line without the values of options that carry secrets."""
    shown: list[str] = []
    hide = False
    for word in line:
        head, equals, value = word.partition("=")
        named = policy.secret_option(word, {})
        if hide and not word.startswith("--"):
            shown.append(text(word) if _REFERENCE.fullmatch(word) else MASK)
        elif named and equals:
            shown.append(word if _REFERENCE.fullmatch(value) else f"{head}={MASK}")
        else:
            shown.append(text(word))
        hide = named and not equals
    return shown


def key(at: Sequence[str], value: str) -> str:
    """The value of a profile's key; under `secrets` stand names, which are shown as long as they can be names."""
    if at[:1] == ("secrets",) or at[:1] == ["secrets"]:
        return text(value) if _NAME.match(value) else MASK
    return variable(at[-1], value)


def lines(shown: Iterable[str], secrets: Iterable[str] = ()) -> list[str]:
    """Lines of a file without assignments to secret variables, secret options, and ``secrets`` that are known."""
    known = sorted(secrets, key=len, reverse=True)
    found = []
    for line in shown:
        kept = line
        for secret in known:
            kept = kept.replace(secret, MASK)
        found.append(text(_OPTION.sub(_option, _ASSIGNED.sub(_assigned, kept))))
    return found


def _assigned(match: re.Match[str]) -> str:
    name, sign, value = match["name"], match["sign"], match["value"]
    if name != name.upper() or variable(name, value.strip("\"'")) != MASK:
        return match[0]
    return f"{name}{sign}{MASK}"


def _option(match: re.Match[str]) -> str:
    hidden = policy.secret_option(match["name"], {}) and not _REFERENCE.fullmatch(match["value"])
    return f"{match['name']}{match['sign']}{MASK}" if hidden else match[0]
