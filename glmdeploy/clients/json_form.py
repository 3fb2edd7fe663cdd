"""The configurations as one JSON object."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from glmdeploy.clients import AGENTS, SDK
from glmdeploy.clients.endpoint import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from glmdeploy.clients import Clients
    from glmdeploy.clients.endpoint import Endpoint
    from glmdeploy.clients.setup import Setup
    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.forms.clients import AgentForm, ClientsForm, EndpointForm, NamedForm


def as_json(made: Clients | None, found: Sequence[Diagnostic]) -> str:
    """The form `glmdeploy-clients/v1`; without ``made``, the diagnostics alone."""
    data: ClientsForm = {
        "format": "glmdeploy-clients/v1",
        "name": made.endpoint.name if made else "",
        "endpoint": _endpoint(made.endpoint) if made else {},
        "agents": [_agent(name, setup) for name, setup in made.setups] if made else [],
        "snippets": [
            {"path": f"{SDK}/{s.name}", "api": s.api, "language": s.language, "text": s.text} for s in made.snippets
        ]
        if made
        else [],
        "migration": made.migration if made else "",
        "diagnostics": [d.as_json() for d in found],
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _endpoint(server: Endpoint) -> EndpointForm:
    return {
        "openai_base_url": server.v1,
        "anthropic_base_url": server.root if server.messages else "",
        "model": server.model,
        "context": server.context,
        "output_tokens": server.output,
        "key_variable": server.key,
        "thinking": server.effort,
        "preserve_thinking": server.preserve,
        "timeout_seconds": TIMEOUT,
    }


def _agent(name: str, setup: Setup) -> AgentForm:
    agent = AGENTS[name]
    return {
        "agent": name,
        "title": agent.title,
        "api": "anthropic" if agent.messages else "openai",
        "files": [{"path": f"{name}/{f.name}", "home": f.home, "text": f.text} for f in setup.files],
        "fields": _named(setup.fields),
        "variables": _named(setup.variables),
        "notes": list(setup.notes),
        "checked": agent.checked,
    }


def _named(pairs: Iterable[tuple[str, str]]) -> list[NamedForm]:
    return [{"name": name, "value": value} for name, value in pairs]
