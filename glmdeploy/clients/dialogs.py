"""Agents that are set up in a dialog: an exact list of its fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.clients.endpoint import NO_KEY, TIMEOUT
from glmdeploy.clients.setup import Agent, Setup, thinking_note
from glmdeploy.templating import sh

if TYPE_CHECKING:
    from glmdeploy.clients.endpoint import Endpoint


def _fields(endpoint: Endpoint, model: str) -> tuple[tuple[str, str], ...]:
    """The fields that extensions of the Cline family share; ``model`` is the label of the model's field."""
    key = f"the value of {endpoint.key}" if endpoint.key else f"any word, such as {NO_KEY}"
    return (
        ("API Provider", "OpenAI Compatible"),
        ("Base URL", endpoint.v1),
        ("API Key", key),
        (model, endpoint.model),
        ("Max Output Tokens", str(endpoint.output)),
        ("Context Window", str(endpoint.context)),
        ("Image Support", "off"),
        ("Input Price", "0"),
        ("Output Price", "0"),
    )


def _cline(endpoint: Endpoint) -> Setup:
    variable = f'"${endpoint.key}"' if endpoint.key else NO_KEY
    notes = (
        "R1 Format stays off: the server separates thinking itself.",
        thinking_note(endpoint, sends_back=False),
        (
            f"Without a dialog: `cline auth -p openai-compatible -b {sh(endpoint.v1)} -m {sh(endpoint.model)} -k {variable}`. It asks for no "
            "limit on answers, and stores the key in ~/.cline/data/settings/providers.json."
        ),
        "No setting for this provider's time-out is documented.",
    )
    return Setup(fields=_fields(endpoint, "Model ID"), notes=notes)


def _roo_code(endpoint: Endpoint) -> Setup:
    fields = (*_fields(endpoint, "Model"), ("Computer Use", "off"))
    notes = (
        f'In the settings of VS Code: `"roo-cline.apiRequestTimeout": {TIMEOUT}` (seconds; default 600).',
        "Roo Code works by native tool calls alone, which the server must parse.",
        thinking_note(endpoint, sends_back=False),
    )
    return Setup(fields=fields, notes=notes)


CLINE = Agent(
    "Cline",
    _cline,
    "Its documentation (OpenAI Compatible); the command was run with cline 3.0.65 against a recording server.",
)
ROO_CODE = Agent(
    "Roo Code", _roo_code, "Its documentation (OpenAI Compatible) and the types of @roo-code/types 1.115.0; not run."
)
