"""Checks of the OpenAI API: text, stream, reasoning, tools, structured output, thinking, speed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from glmdeploy.probe import shape
from glmdeploy.probe.outcome import Good, Lacking, Unsupported
from glmdeploy.probe.session import OFF
from glmdeploy.probe.shape import WrongError
from glmdeploy.units import plural

if TYPE_CHECKING:
    from glmdeploy.probe.reply import Reply
    from glmdeploy.probe.session import Session

_SHORT, _LONGER = 64, 256  # tokens
_SUM = "What is 17 times 23? Answer with the number."
_CITY = "Name the capital of France and the number of letters of its name."
_WEATHER = "What is the weather in Paris? Use the tool."
_MAX: dict[str, Any] = {"enable_thinking": True, "reasoning_effort": "max"}
_HIGH: dict[str, Any] = {"enable_thinking": True, "reasoning_effort": "high"}
_PARSER = "start the server with the reasoning parser `glm45`"
_TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "letters": {"type": "integer"}},
    "required": ["city", "letters"],
    "additionalProperties": False,
}


def chat(session: Session) -> Good:
    """One message is answered with text."""
    reply = session.ask("Say hello.", _SHORT, OFF)
    if not (reply.content or reply.reasoning):
        raise WrongError(f"the answer has no text (finish_reason `{session.client.quote(reply.finish)}`)")
    return Good(
        f"{plural(reply.tokens, 'token')} in {reply.seconds:.2f} s, finish_reason `{session.client.quote(reply.finish)}`"
    )


def stream(session: Session) -> Good:
    """Server-sent events up to a finish_reason, with or without the closing line of OpenAI."""
    reply = session.measured()
    if not reply.chunks:
        raise WrongError("the stream has no text")
    end = "closed by `[DONE]`" if reply.done else "closed without `[DONE]`, as Transformers does"
    return Good(f"{reply.chunks} pieces of text, finish_reason `{session.client.quote(reply.finish)}`, {end}")


def reasoning(session: Session) -> Good:
    """What the model thinks comes beside its answer, not in it."""
    return _thinks(session, session.ask(_SUM, _LONGER, _MAX))


def thinking_max(session: Session) -> Good:
    """The preset that is the model's default."""
    return _thinks(session, session.ask(_SUM, _LONGER, _MAX))


def thinking_high(session: Session) -> Good:
    """The preset for agents that wait."""
    return _thinks(session, session.ask(_SUM, _LONGER, _HIGH))


def thinking_off(session: Session) -> Good:
    """No reasoning, and an answer."""
    reply = session.ask(_SUM, _LONGER, OFF)
    if reply.reasoning:
        raise WrongError(f"thinking is off, and `{reply.field}` has {len(reply.reasoning):,} characters")
    if reply.raw_thinking:
        raise WrongError("thinking is off, and marks of thinking stand in the answer", _PARSER)
    if not reply.content:
        raise WrongError("thinking is off, and there is no answer")
    return Good("no reasoning, and an answer")


def _thinks(session: Session, reply: Reply) -> Good:
    if reply.raw_thinking:
        raise Lacking("the reasoning stands in the answer, between the marks of thinking", _PARSER)
    if not reply.reasoning:
        raise Lacking("no reasoning came beside the answer", _PARSER)
    cut = f", cut at {_LONGER} tokens" if reply.finish == "length" else ""
    return Good(f"{len(session.client.clean(reply.reasoning)):,} characters in `{reply.field}`{cut}")


def tool_call(session: Session) -> Good:
    """A function is called, with arguments that are JSON."""
    reply = session.ask(_WEATHER, _LONGER, OFF, tools=[_TOOL], tool_choice="auto")
    hint = "start the server with the tool-call parser `glm47` (vLLM also wants `--enable-auto-tool-choice`)"
    if not reply.calls:
        raise Lacking("the call came as text" if reply.raw_call else "the tool was not called", hint)
    name, arguments = reply.calls[0]
    if name != "get_weather":
        raise WrongError(f"`{session.client.quote(name)}` was called, and only `get_weather` is there")
    try:
        city = shape.at(shape.parse(arguments), str, "city")
    except WrongError:
        raise WrongError(
            f"the arguments are not the JSON that was asked for: {session.client.quote(arguments)}"
        ) from None
    return Good(f"`get_weather` with city `{session.client.quote(city)}`")


def json_schema(session: Session) -> Good:
    """An answer in the form that was asked for, and nothing else."""
    form = {"type": "json_schema", "json_schema": {"name": "capital", "strict": True, "schema": _SCHEMA}}
    reply = session.ask(_CITY, _LONGER, OFF, response_format=form)
    try:
        data = shape.parse(reply.content)
        shape.at(data, str, "city")
        shape.at(data, int, "letters")
    except WrongError:
        raise Lacking(f"the answer is not in the form: {session.client.quote(reply.content)}", _GRAMMAR) from None
    if set(data) != {"city", "letters"}:
        raise Lacking("the answer has members that the form forbids", _GRAMMAR)
    return Good(f"`{session.client.quote(json.dumps(data))}`")


_GRAMMAR = "the server must not be started with its grammar backend off"


def ttft(session: Session) -> Good:
    """Seconds from the request to the first piece of text; a figure, without a threshold."""
    reply = session.measured()
    if not reply.chunks:
        raise Unsupported("the stream has no text to wait for")
    return Good(f"{reply.first:.3f} s to the first token of one stream")


def speed(session: Session) -> Good:
    """Tokens a second of one stream behind its first token; a figure, without a threshold."""
    reply = session.measured()
    if not reply.rate:
        raise Unsupported(f"{plural(reply.counted, 'token')} in {plural(reply.chunks, 'piece')}: too few to measure")
    counted = "" if reply.tokens else ", counted as pieces"
    sum_ = f"{plural(reply.counted - 1, 'token')} in {reply.last - reply.first:.3f} s{counted}"
    return Good(f"{reply.rate:.1f} tokens/s of one stream ({sum_})")
