"""Checks of the Anthropic API, as SGLang and vLLM serve it themselves and LiteLLM does before others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmdeploy.probe import shape
from glmdeploy.probe.outcome import Good, Unsupported
from glmdeploy.probe.shape import WrongError
from glmdeploy.units import plural

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glmdeploy.probe.client import Event
    from glmdeploy.probe.session import Session

_MESSAGES = "/v1/messages"
_ABSENT = frozenset({404, 405, 501})
_TOKENS = 64


def _body(session: Session, **more: Any) -> dict[str, Any]:
    return {"model": session.named, "messages": [{"role": "user", "content": "Say hello."}], **more}


def _missing(path: str) -> Unsupported:
    return Unsupported(f"no `{path}`", "Transformers has none: LiteLLM before it does")


def messages(session: Session) -> Good:
    """A message with text or thinking in it, and the tokens of both sides."""
    answer = session.client.post(_MESSAGES, _body(session, max_tokens=_TOKENS, thinking={"type": "disabled"}))
    if answer.status in _ABSENT:
        raise _missing(_MESSAGES)
    data = session.json(answer)
    if (shape.text(data, "type"), shape.text(data, "role")) != ("message", "assistant"):
        raise WrongError("the answer is not a message of the assistant")
    kinds = [shape.at(block, str, "type") for block in shape.at(data, list, "content")]
    if not kinds:
        raise WrongError("the message has no content")
    used = shape.at(data, int, "usage", "input_tokens"), shape.at(data, int, "usage", "output_tokens")
    stop = session.client.quote(shape.at(data, str, "stop_reason"))
    return Good(f"{session.client.quote(', '.join(kinds))}; {used[0]} tokens in, {used[1]} out, stop_reason `{stop}`")


def stream(session: Session) -> Good:
    """Events from message_start to message_stop, with text between."""
    more = {"max_tokens": _TOKENS, "thinking": {"type": "disabled"}, "stream": True}
    found = session.client.stream(_MESSAGES, _body(session, **more))
    if found.status in _ABSENT:
        found.exchange.connection.close()
        raise _missing(_MESSAGES)
    if found.status // 100 != 2:  # noqa: PLR2004  success
        raise session.refused(found.status, found.text())
    kind = found.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != "text/event-stream":
        found.exchange.connection.close()
        raise WrongError(f"the content type is `{session.client.quote(kind)}`, not `text/event-stream`")
    return Good(f"{plural(_deltas(found.events()), 'delta')} between message_start and message_stop")


def _deltas(events: Iterable[Event]) -> int:
    deltas, started = 0, False
    for event in events:
        data = shape.parse(event.data)
        kind = shape.at(data, str, "type")
        if event.name not in {"", kind}:
            raise WrongError("the name of an event is not the `type` of its data")
        if kind == "error":
            raise WrongError(f"an error in the stream: {shape.text(data, 'error', 'message')}")
        if not started and kind not in {"message_start", "ping"}:
            raise WrongError("the stream does not begin with message_start")
        started = started or kind == "message_start"
        deltas += kind == "content_block_delta"
        if kind == "message_stop":
            break
    else:
        raise WrongError("the stream ended without message_stop")
    if not deltas:
        raise WrongError("the stream has no text")
    return deltas


def count_tokens(session: Session) -> Good:
    """The tokens of a prompt are counted without an answer."""
    path = f"{_MESSAGES}/count_tokens"
    answer = session.client.post(path, _body(session))
    if answer.status in _ABSENT:
        raise _missing(path)
    count = shape.at(session.json(answer), int, "input_tokens")
    if count <= 0:
        raise WrongError(f"{count} tokens in a prompt that has some")
    return Good(plural(count, "token"))
