"""The table of checks: to add one is to write a function and its line here. Names are never reused or changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.probe.checks import anthropic, chat, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmdeploy.probe.outcome import Good
    from glmdeploy.probe.session import Session

    Check = Callable[[Session], Good]

CHECKS: dict[str, Check] = {
    "health": plain.health,
    "readiness": plain.readiness,
    "models": plain.models,
    "chat": chat.chat,
    "stream": chat.stream,
    "reasoning": chat.reasoning,
    "tool-call": chat.tool_call,
    "json-schema": chat.json_schema,
    "anthropic-messages": anthropic.messages,
    "anthropic-stream": anthropic.stream,
    "anthropic-count-tokens": anthropic.count_tokens,
    "refusal": plain.refusal,
    "metrics": plain.metrics,
    "context": plain.context,
    "thinking-max": chat.thinking_max,
    "thinking-high": chat.thinking_high,
    "thinking-off": chat.thinking_off,
    "ttft": chat.ttft,
    "tokens-per-second": chat.speed,
}

# What an engine is known not to have: a check that finds it lacking there is `unsupported`, not failed
# (transformers 5.23.0 cli/serving: templates that parse answers exist for other models; response_format is not read).
_PARSES_NOT = "`transformers serve` separates neither reasoning nor calls of this model"
LACKS: dict[str, dict[str, str]] = {
    "transformers": {
        "reasoning": _PARSES_NOT,
        "thinking-max": _PARSES_NOT,
        "thinking-high": _PARSES_NOT,
        "tool-call": _PARSES_NOT,
        "json-schema": "`transformers serve` takes a response_format and does not hold to it",
    }
}


def chosen(select: tuple[str, ...], skip: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the table that ``select`` names (all, when empty) and ``skip`` does not, in its order.

    A word names a check, or all whose names begin with it and a hyphen.
    """
    return tuple(
        n for n in CHECKS if (not select or any(matches(n, w) for w in select)) and not any(matches(n, w) for w in skip)
    )


def matches(name: str, word: str) -> bool:
    """Whether a word names a check."""
    return name == word or name.startswith(f"{word}-")
