"""Where a profile's data carries secrets: judged before the schema has accepted the rest, so that none is ever shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmdeploy.rules import policy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.diagnostics import KeyPath


def secrets(data: Any) -> Iterator[KeyPath]:
    """The places of values that look like secrets: by their variable, by their option, or by their form."""
    env, words = data.get("env"), data.get("extra_args")
    if isinstance(env, dict):
        yield from (("env", name) for name, value in env.items() if policy.secret_variable(name, str(value or "")))
    for index, word in enumerate(words if isinstance(words, list) else ()):
        if isinstance(word, str) and policy.secret_option(word, {}):
            yield "extra_args", index
            if "=" not in word and index + 1 < len(words):
                yield "extra_args", index + 1
    yield from (at for at, text in _strings(data, ()) if policy.secret_in(text))


def _strings(value: Any, at: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strings(item, (*at, index))
