"""What one client is given: files for those that read files, fields for those with a dialog, and a page for both."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmdeploy.clients.endpoint import Endpoint


@dataclass(frozen=True)
class File:
    """A file that a client reads: its name in our folder, where the client looks for it, and its text."""

    name: str
    home: str
    text: str


@dataclass(frozen=True)
class Setup:
    """Files, dialog fields (label and value), variables to export, and what is worth knowing."""

    files: tuple[File, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Agent:
    """A coding agent: how it is set up, and how that was checked. ``messages``: it speaks the Anthropic API."""

    title: str
    make: Callable[[Endpoint], Setup]
    checked: str
    messages: bool = False


def as_json(data: dict[str, Any]) -> str:
    """A JSON file's text."""
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def thinking_note(endpoint: Endpoint, *, sends_back: bool) -> str:
    """What becomes of thinking with a client that leaves it to the server."""
    if not endpoint.engine:
        return "Thinking is left to the server."
    effort = f"Thinking effort is `{endpoint.effort}`"
    who = ", asked for with each request" if endpoint.template else ", the server's default"
    if not sends_back:
        return f"{effort}{who}."
    if endpoint.preserve:
        return f"{effort}{who}. The thinking of earlier turns is sent back and stays in the prompt (`clear_thinking: false`)."
    kept = "set `serving.preserve_thinking: true` to keep it"
    return f"{effort}{who}. The thinking of earlier turns is sent back, and the chat template drops it: {kept}."
