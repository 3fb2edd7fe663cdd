"""Programs of one request with the OpenAI and the Anthropic SDK: Python, TypeScript and curl."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glmdeploy import templating
from glmdeploy.clients.endpoint import NO_KEY, TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.clients.endpoint import Endpoint


@dataclass(frozen=True)
class Snippet:
    """A program: its file's name, the API it speaks, its language, its text."""

    name: str
    api: str
    language: str
    text: str


# file (never the name of the SDK's own module) -> API, language
_PROGRAMS = {
    "openai_chat.py": ("openai", "python"),
    "openai_chat.ts": ("openai", "typescript"),
    "openai_chat.sh": ("openai", "curl"),
    "anthropic_messages.py": ("anthropic", "python"),
    "anthropic_messages.ts": ("anthropic", "typescript"),
    "anthropic_messages.sh": ("anthropic", "curl"),
}
_QUESTION = "Which layers of GLM-5.2 have an indexer of their own?"


def snippets(endpoint: Endpoint) -> Iterator[Snippet]:
    """The programs; those of the Anthropic API only where the server speaks it."""
    for name, (api, language) in _PROGRAMS.items():
        if api == "openai" or endpoint.messages:
            yield Snippet(name, api, language, templating.render(f"clients/sdk/{name}.j2", **_context(endpoint, api)))


def _context(endpoint: Endpoint, api: str) -> dict[str, object]:
    messages = [{"role": "user", "content": _QUESTION}]
    body = {"model": endpoint.model, "max_tokens": endpoint.output, "stream": True, "messages": messages}
    extra = {"chat_template_kwargs": endpoint.thinking} if api == "openai" else _thinking(endpoint)
    return {
        "root": endpoint.root,
        "v1": endpoint.v1,
        "model": endpoint.model,
        "output": endpoint.output,
        "key": endpoint.key,
        "no_key": NO_KEY,
        "timeout": TIMEOUT,
        "question": _QUESTION,
        "effort": "" if endpoint.effort == "off" else endpoint.effort,
        "arguments": repr(endpoint.thinking).replace("'", '"'),  # a Python literal of our own words
        "arguments_json": json.dumps(endpoint.thinking),
        "body": json.dumps({**body, **extra}, indent=2),
    }


def _thinking(endpoint: Endpoint) -> dict[str, object]:
    """The Anthropic API's own words for the server's thinking effort."""
    if endpoint.effort == "off":
        return {"thinking": {"type": "disabled"}}
    return {"output_config": {"effort": endpoint.effort}}
