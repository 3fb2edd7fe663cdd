"""The Jinja environment: strict, deterministic, four filters. Templates are dumb."""

from __future__ import annotations

import json
import re
import shlex
from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from glmdeploy import resources
from glmdeploy.source import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

# Legal inside JSON strings, but line breaks to a YAML 1.1 reader, or refused by one.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def sh(word: str) -> str:
    """One word, quoted for a shell; a comma is quoted too, since in an array it looks like a mistake."""
    quoted = shlex.quote(word)
    return f"'{word}'" if quoted == word and "," in word else quoted


def argv(words: Sequence[str]) -> str:
    """A command line, each word quoted for a shell."""
    return shlex.join(words)


def yaml(value: str | int | bool | Sequence[str]) -> str:
    """A scalar or list of strings that YAML 1.1 and 1.2 readers both read as it is.

    Strings are always double-quoted: JSON's escapes are YAML's.
    """
    text = json.dumps(value if isinstance(value, str | int) else list(value), ensure_ascii=False)
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def key(name: str) -> str:
    """A key of a mapping, quoted where a reader could take it for something else: `ON`, `NO`, `1`."""
    return name if plain(name) else yaml(name)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(resources.folder("templates"), encoding="utf-8"),
        undefined=StrictUndefined,
        comment_start_string="<#",  # `{#` stands in shell: ${#array[@]}
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  shell and YAML, not HTML: every word goes through a filter
    )
    environment.filters.update(sh=sh, argv=argv, yaml=yaml, key=key)
    return environment


def render(template: str, **context: Any) -> str:
    """The text of ``template``; an undefined name is an error."""
    return _environment().get_template(template).render(**context)
