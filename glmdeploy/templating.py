"""The Jinja environment: strict, deterministic, three filters. Templates are dumb."""

from __future__ import annotations

import json
import shlex
from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from glmdeploy import resources

if TYPE_CHECKING:
    from collections.abc import Sequence

# Line breaks to a YAML 1.1 reader, legal inside JSON strings.
_BREAKS = {"\x85": "\\x85", "\u2028": "\\u2028", "\u2029": "\\u2029"}


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
    for raw, escaped in _BREAKS.items():
        text = text.replace(raw, escaped)
    return text


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
    environment.filters.update(sh=sh, argv=argv, yaml=yaml)
    return environment


def render(template: str, **context: Any) -> str:
    """The text of ``template``; an undefined name is an error."""
    return _environment().get_template(template).render(**context)
