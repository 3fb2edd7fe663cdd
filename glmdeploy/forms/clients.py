"""What `clients --format json` prints."""

from __future__ import annotations

from typing import Annotated, Literal

from typing_extensions import TypedDict

from glmdeploy.forms import EmptyForm, doc
from glmdeploy.forms.diagnostic import DiagnosticForm


class EndpointForm(TypedDict):
    """The server as its clients see it."""

    openai_base_url: Annotated[str, doc("Base URL of the OpenAI API.", "http://localhost:8000/v1")]
    anthropic_base_url: Annotated[
        str, doc("Base URL of the Anthropic API, without `/v1`; empty where it is not served.", "http://localhost:8000")
    ]
    model: Annotated[str, doc("What clients send as the model.", "glm-5.2")]
    context: Annotated[int, doc("Prompt and answer of one request, tokens.", 131072)]
    output_tokens: Annotated[int, doc("The longest answer that clients ask for, tokens.", 32768)]
    key_variable: Annotated[str, doc("Variable that holds the key; empty where the server reads none.", "GLM_API_KEY")]
    thinking: Annotated[str, doc("Thinking effort of the server.", values=("max", "high", "off"))]
    preserve_thinking: Annotated[bool, doc("Whether the thinking of earlier turns stays in the prompt.")]
    timeout_seconds: Annotated[int, doc("Time-out of one request in the configurations.", 3000)]


class ClientFileForm(TypedDict):
    """A file that an agent reads."""

    path: Annotated[str, doc("Where `-o` writes it, below its folder.", "opencode/opencode.json")]
    home: Annotated[str, doc("Where the agent looks for it.", "~/.config/opencode/opencode.json")]
    text: Annotated[str, doc("Its text.", "{}\n")]


class NamedForm(TypedDict):
    """A field of a dialog, or a variable, with its value."""

    name: Annotated[str, doc("Label of the field, or name of the variable.", "Base URL")]
    value: Annotated[str, doc("What goes in.", "http://localhost:8000/v1")]


class AgentForm(TypedDict):
    """The set-up of one agent."""

    agent: Annotated[str, doc("Its name on the command line.", "opencode")]
    title: Annotated[str, doc("Its name.", "OpenCode")]
    api: Annotated[str, doc("The API that it speaks.", values=("openai", "anthropic"))]
    files: Annotated[list[ClientFileForm], doc("The files that it reads.")]
    fields: Annotated[list[NamedForm], doc("The fields of its dialog.")]
    variables: Annotated[list[NamedForm], doc("Variables to export.")]
    notes: Annotated[list[str], doc("What is worth knowing.", ["The base URL has no `/v1`."])]
    checked: Annotated[str, doc("How the configuration was checked.", "The agent was run with this file.")]


class SnippetForm(TypedDict):
    """A program of one request."""

    path: Annotated[str, doc("Where `-o` writes it.", "sdk/openai_chat.py")]
    api: Annotated[str, doc("The API that it speaks.", values=("openai", "anthropic"))]
    language: Annotated[str, doc("Its language.", values=("python", "typescript", "curl"))]
    text: Annotated[str, doc("Its text.", "import sys\n")]


class ClientsForm(TypedDict):
    """What `glmdeploy clients --format json` prints."""

    format: Annotated[Literal["glmdeploy-clients/v1"], doc("Name and version of this form.")]
    name: Annotated[str, doc("Name of the deployment.", "glm-5.2-fp8-8xh200-vllm")]
    endpoint: Annotated[EndpointForm | EmptyForm, doc("The server.")]
    agents: Annotated[list[AgentForm], doc("One entry an agent.")]
    snippets: Annotated[list[SnippetForm], doc("Programs with the SDKs.")]
    migration: Annotated[str, doc("What migrating from the hosted endpoint changes, Markdown.", "# From ...\n")]
    diagnostics: Annotated[list[DiagnosticForm], doc("What the rules say.")]
