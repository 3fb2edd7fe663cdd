"""Agents that read files. Each was checked as its `checked` says; releases are those of November 2026."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from glmdeploy.clients.endpoint import MILLION, NO_KEY, TIMEOUT, Endpoint
from glmdeploy.clients.setup import Agent, File, Setup, as_json, thinking_note

PROVIDER = "glm"
_CLAUDE_OUTPUT = 128_000  # Claude Code 2.1.331 asks for no more, whatever it is told
_CLAUDE_LARGE = 1_000_000  # the window that its mark stands for
_CLAUDE_WINDOW = 100_000  # the least that its compaction window takes
_OPENCODE_OUTPUT = 32_000  # opencode 1.18.33 asks for no more without the variable below
_OPENCODE_VARIABLE = "OPENCODE_EXPERIMENTAL_OUTPUT_TOKEN_MAX"
_MS = str(TIMEOUT * 1000)


def _claude_code(endpoint: Endpoint) -> Setup:
    large = endpoint.context >= _CLAUDE_LARGE
    name = endpoint.model.removesuffix(MILLION) + (MILLION if large else "")
    output = min(endpoint.output, _CLAUDE_OUTPUT)
    env = {
        "ANTHROPIC_BASE_URL": endpoint.root,
        **{f"ANTHROPIC_DEFAULT_{tier}_MODEL": name for tier in ("OPUS", "SONNET", "HAIKU")},
        "API_TIMEOUT_MS": _MS,
        "CLAUDE_STREAM_IDLE_TIMEOUT_MS": _MS,
        "CLAUDE_CODE_MAX_CONTEXT_TOKENS": str(endpoint.context),
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(output),
        "CLAUDE_CODE_ATTRIBUTION_HEADER": "0",
        **_claude_effort(endpoint),
    }
    if endpoint.context - output >= _CLAUDE_WINDOW:
        env["CLAUDE_CODE_AUTO_COMPACT_WINDOW"] = str(endpoint.context - output)
    data: dict[str, Any] = {"$schema": "https://json.schemastore.org/claude-code-settings.json", "model": "opus"}
    if endpoint.key:
        data["apiKeyHelper"] = f'printf %s "${endpoint.key}"'
    else:
        env["ANTHROPIC_AUTH_TOKEN"] = NO_KEY
    file = File(
        "settings.json", "~/.claude/settings.json, or `claude --settings settings.json`", as_json({**data, "env": env})
    )
    return Setup((file,), notes=tuple(_claude_notes(endpoint, large=large)))


def _claude_effort(endpoint: Endpoint) -> dict[str, str]:
    """Claude Code sends effort `high` unless told otherwise, and engines take it for their own: say what is meant."""
    if endpoint.effort == "off":
        return {"CLAUDE_CODE_DISABLE_THINKING": "1", "CLAUDE_CODE_EFFORT_LEVEL": "unset"}
    return {"CLAUDE_CODE_EFFORT_LEVEL": endpoint.effort}


def _claude_notes(endpoint: Endpoint, *, large: bool) -> list[str]:
    notes = [
        "The base URL has no `/v1`: Claude Code appends `/v1/messages`.",
        (
            "Thinking effort: Claude Code sends `high` by itself, which SGLang (from 0.5.14) and vLLM take for the template's; "
            f"here it says `{endpoint.effort}`. sglang-kt 0.7.2 does not read it."
        ),
        "Attribution is off because its line in the prompt changes with each request and would spoil the prefix cache.",
        "It does not know the model and says so once; window and limits are those of the file.",
    ]
    if endpoint.key:
        notes.append(
            f"`apiKeyHelper` prints `{endpoint.key}` and keeps it out of the file; Claude Code sends it as Bearer, which the "
            "engines read, and as `x-api-key`, which they do not."
        )
    if large:
        notes.append(
            f"`{MILLION}` tells Claude Code of the large window; it takes the mark off before it asks, so the server needs "
            "no such name."
        )
    if not endpoint.engine:
        notes.append("The server must have `/v1/messages`: SGLang, vLLM and KTransformers do, Transformers does not.")
    return notes


def _ai_sdk(endpoint: Endpoint) -> dict[str, Any]:
    """The provider as OpenCode and Kilo Code, which comes from it, write it."""
    model: dict[str, Any] = {
        "name": "GLM-5.2",
        "reasoning": True,
        "tool_call": True,
        "interleaved": {"field": "reasoning_content"},
        "limit": {"context": endpoint.context, "output": endpoint.output},
    }
    if endpoint.template:
        model["options"] = {"chat_template_kwargs": endpoint.template}
    milliseconds = TIMEOUT * 1000
    return {
        "npm": "@ai-sdk/openai-compatible",
        "name": "GLM-5.2",
        "options": {
            "baseURL": endpoint.v1,
            "apiKey": f"{{env:{endpoint.key}}}" if endpoint.key else NO_KEY,
            "timeout": milliseconds,
            "headerTimeout": milliseconds,
            "chunkTimeout": milliseconds,
        },
        "models": {endpoint.model: model},
    }


def _with_models(schema: str, endpoint: Endpoint) -> str:
    chosen = f"{PROVIDER}/{endpoint.model}"
    provider = {PROVIDER: _ai_sdk(endpoint)}
    return as_json({"$schema": schema, "provider": provider, "model": chosen, "small_model": chosen})


def _opencode(endpoint: Endpoint) -> Setup:
    text = _with_models("https://opencode.ai/config.json", endpoint)
    notes = [thinking_note(endpoint, sends_back=True)]
    variables: tuple[tuple[str, str], ...] = ()
    if endpoint.output > _OPENCODE_OUTPUT:
        variables = ((_OPENCODE_VARIABLE, str(endpoint.output)),)
        notes.append(f"Without `{_OPENCODE_VARIABLE}` it asks for {_OPENCODE_OUTPUT:,} tokens at most.")
    file = File("opencode.json", "opencode.json in the project, or ~/.config/opencode/opencode.json", text)
    return Setup((file,), variables=variables, notes=tuple(notes))


def _kilo_code(endpoint: Endpoint) -> Setup:
    file = File(
        "kilo.json",
        "~/.config/kilo/kilo.json, or kilo.json in the project",
        _with_models("https://app.kilo.ai/config.json", endpoint),
    )
    fields = (
        ("Provider ID", PROVIDER),
        ("Display name", "GLM-5.2"),
        ("Provider API", "OpenAI Compatible"),
        ("Base URL", endpoint.v1),
        ("API key", _key_words(endpoint)),
        ("Models", endpoint.model),
    )
    notes = (
        (
            "The dialog (Settings, Providers, Custom provider) sets no limits and no time-outs: the file does. One of the two "
            "is enough for the connection; older releases have the fields of Roo Code instead."
        ),
        thinking_note(endpoint, sends_back=True),
    )
    return Setup((file,), fields, notes=notes)


def _crush(endpoint: Endpoint) -> Setup:
    costs = ("cost_per_1m_in", "cost_per_1m_out", "cost_per_1m_in_cached", "cost_per_1m_out_cached")
    model: dict[str, Any] = {
        "id": endpoint.model,
        "name": "GLM-5.2",
        **dict.fromkeys(costs, 0),
        "context_window": endpoint.context,
        "default_max_tokens": endpoint.output,
        "can_reason": True,
        "supports_attachments": False,
    }
    provider: dict[str, Any] = {
        "name": "GLM-5.2",
        "type": "openai-compat",
        "base_url": endpoint.v1,
        "api_key": f"${endpoint.key}" if endpoint.key else NO_KEY,
        "discover_models": False,
        "models": [model],
    }
    if endpoint.template:
        provider["extra_body"] = {"chat_template_kwargs": endpoint.template}
    chosen = {"provider": PROVIDER, "model": endpoint.model}
    data = {
        "$schema": "https://charm.land/crush.json",
        "providers": {PROVIDER: provider},
        "models": {"large": chosen, "small": chosen},
    }
    file = File("crush.json", "crush.json in the project, or ~/.config/crush/crush.json", as_json(data))
    notes = (
        thinking_note(endpoint, sends_back=True),
        "Crush has no setting for a time-out, and sets none on a request.",
    )
    return Setup((file,), notes=notes)


def _openclaw(endpoint: Endpoint) -> Setup:
    model = {
        "id": endpoint.model,
        "name": "GLM-5.2",
        "reasoning": True,
        "input": ["text"],
        "cost": dict.fromkeys(("input", "output", "cacheRead", "cacheWrite"), 0),
        "contextWindow": endpoint.context,
        "maxTokens": endpoint.output,
    }
    provider = {
        "baseUrl": endpoint.v1,
        "apiKey": f"${{{endpoint.key}}}" if endpoint.key else NO_KEY,
        "api": "openai-completions",
        "timeoutSeconds": TIMEOUT,
        "models": [model],
    }
    chosen = f"{PROVIDER}/{endpoint.model}"
    defaults: dict[str, Any] = {"model": {"primary": chosen}}
    if endpoint.template:
        defaults["models"] = {chosen: {"params": {"chat_template_kwargs": endpoint.template}}}
    data = {"models": {"mode": "merge", "providers": {PROVIDER: provider}}, "agents": {"defaults": defaults}}
    file = File("openclaw.json", "~/.openclaw/openclaw.json: merge it into what is there", as_json(data))
    notes = (
        thinking_note(endpoint, sends_back=False),
        "Whether it sends the thinking of earlier turns back to a provider of one's own was not checked.",
    )
    return Setup((file,), notes=notes)


def _goose(endpoint: Endpoint) -> Setup:
    parts = urlsplit(endpoint.v1)
    data = {
        "name": PROVIDER,
        "engine": "openai",
        "display_name": "GLM-5.2",
        "description": f"GLM-5.2 at {endpoint.root}",
        "api_key_env": endpoint.key,
        "requires_auth": bool(endpoint.key),
        "base_url": f"{endpoint.v1}/chat/completions",
        "models": [{"name": endpoint.model, "context_limit": endpoint.context}],
        "supports_streaming": True,
        "timeout_seconds": TIMEOUT,
    }
    variables = (
        ("GOOSE_PROVIDER", PROVIDER),
        ("GOOSE_MODEL", endpoint.model),
        ("GOOSE_MAX_TOKENS", str(endpoint.output)),
    )
    file = File(f"{PROVIDER}.json", f"~/.config/goose/custom_providers/{PROVIDER}.json", as_json(data))
    notes = (
        (
            "The base URL is the whole address of the endpoint, as in the providers that Goose ships. Without the file, "
            f"`GOOSE_PROVIDER=openai`, `OPENAI_HOST={parts.scheme}://{parts.netloc}`, `OPENAI_BASE_PATH={parts.path[1:]}/chat/completions`, "
            f"`OPENAI_TIMEOUT={TIMEOUT}` and the key in `OPENAI_API_KEY` do the same."
        ),
        thinking_note(endpoint, sends_back=False),
    )
    return Setup((file,), variables=variables, notes=notes)


def _key_words(endpoint: Endpoint) -> str:
    """What goes into a dialog's field for the key."""
    return f"the value of {endpoint.key}" if endpoint.key else f"any word, such as {NO_KEY}"


CLAUDE_CODE = Agent(
    "Claude Code",
    _claude_code,
    "Claude Code 2.1.331 was run with this file against a recording server: path, Bearer, model, effort and limit as said.",
    messages=True,
)
OPENCODE = Agent(
    "OpenCode",
    _opencode,
    "opencode 1.18.33 was run with this file against a recording server: path, Bearer, model, limit, thinking sent back; "
    "keys as in the types of @opencode-ai/sdk 1.19.3.",
)
KILO_CODE = Agent(
    "Kilo Code",
    _kilo_code,
    "Its documentation (OpenAI-compatible providers) and the types of @kilocode/sdk 7.4.20; not run.",
)
CRUSH = Agent("Crush", _crush, "schema.json and the source of Crush at 37f36e9 (August 2026); not run.")
OPENCLAW = Agent(
    "OpenClaw",
    _openclaw,
    "The schema in the package openclaw 2026.9.6 takes the `models` section; the rest by its documentation; not run.",
)
GOOSE = Agent("Goose", _goose, "Goose's source: declarative_providers.rs and openai.rs; no package to run.")
