"""One answer of a model, however it came: the text, the reasoning, the calls, and when what arrived.

The engines name reasoning differently: SGLang and Transformers `reasoning_content` (sglang 0.5.23 openai/protocol.py,
transformers 5.23.0 cli/serving/chat_completion.py), vLLM `reasoning` (vllm 0.33.0 chat_completion/protocol.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glmdeploy.probe import shape
from glmdeploy.probe.shape import WrongError

if TYPE_CHECKING:
    from glmdeploy.probe.client import Event, Stream

REASONING = ("reasoning_content", "reasoning")
DONE = "[DONE]"
_THINKING = re.compile(r"</?think>")
_MARKED = re.compile(r"<tool_call>|<\|?tool")


@dataclass(frozen=True)
class Reply:
    """What a model answered; times are seconds from the request, 0 where unknown, and ``chunks`` counts deltas."""

    content: str = ""
    reasoning: str = ""
    field: str = ""  # the member that holds the reasoning
    calls: tuple[tuple[str, str], ...] = ()  # name and arguments, as they came
    finish: str = ""
    prompt_tokens: int = 0
    tokens: int = 0
    model: str = ""
    chunks: int = 0
    done: bool = False
    first: float = 0.0
    last: float = 0.0
    seconds: float = 0.0

    @property
    def raw_thinking(self) -> bool:
        """Whether marks of the chat template's thinking stand in the text."""
        return bool(_THINKING.search(self.content))

    @property
    def raw_call(self) -> bool:
        """Whether a call stands in the text as the model wrote it."""
        return bool(_MARKED.search(self.content))

    @property
    def counted(self) -> int:
        """Tokens of the answer: as the server counts them, or else one a delta."""
        return self.tokens or self.chunks

    @property
    def rate(self) -> float:
        """Tokens a second behind the first one; 0 where too little came to tell."""
        between = self.last - self.first
        return (self.counted - 1) / between if self.counted > 1 and self.chunks > 1 and between > 0 else 0.0


def whole(data: dict[str, Any], seconds: float) -> Reply:
    """The reply of a chat completion; WrongError where it is none."""
    message = shape.at(data, dict, "choices", 0, "message")
    field = next((name for name in REASONING if shape.text(message, name)), "")
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise WrongError("`choices[0].message.tool_calls` of the answer is not a list")
    return Reply(
        content=shape.text(message, "content"),
        reasoning=shape.text(message, field) if field else "",
        field=field,
        calls=tuple(_call(call) for call in calls),
        finish=shape.at(data, str, "choices", 0, "finish_reason"),
        prompt_tokens=shape.number(data, "usage", "prompt_tokens"),
        tokens=shape.number(data, "usage", "completion_tokens"),
        model=shape.text(data, "model"),
        seconds=seconds,
    )


def _call(call: Any) -> tuple[str, str]:
    return shape.at(call, str, "function", "name"), shape.at(call, str, "function", "arguments")


def streamed(stream: Stream) -> Reply:
    """The reply of a stream that has come to its end; WrongError where it is not one of chat completions."""
    gathered = _Gathered(stream.sent)
    for event in stream.events():
        if event.data.strip() == DONE:
            gathered.done = True
            break
        gathered.take(event)
    return gathered.reply()


class _Gathered:
    """Deltas become one reply; nothing else of the events is kept."""

    def __init__(self, sent: float) -> None:
        self.sent = sent
        self.content: list[str] = []
        self.reasoning: list[str] = []
        self.field = self.finish = self.model = ""
        self.prompt_tokens = self.tokens = self.chunks = 0
        self.done = False
        self.first = self.last = self.end = sent

    def take(self, event: Event) -> None:
        data = shape.parse(event.data)
        if "error" in data:
            said = shape.text(data, "error", "message") or shape.text(data, "error") or shape.text(data, "message")
            raise WrongError(f"an error in the stream: {said}")
        self.end = event.at
        self.model = shape.text(data, "model") or self.model
        self.prompt_tokens = shape.number(data, "usage", "prompt_tokens") or self.prompt_tokens
        self.tokens = shape.number(data, "usage", "completion_tokens") or self.tokens
        if not shape.at(data, list, "choices"):
            return  # the usage comes alone
        self.finish = shape.text(data, "choices", 0, "finish_reason") or self.finish
        delta = shape.at(data, dict, "choices", 0, "delta")
        field = next((name for name in REASONING if shape.text(delta, name)), "")
        self.field = field or self.field
        self.reasoning.append(shape.text(delta, field) if field else "")
        self.content.append(shape.text(delta, "content"))
        if field or self.content[-1] or delta.get("tool_calls"):
            self.first = self.first if self.chunks else event.at
            self.last = event.at
            self.chunks += 1

    def reply(self) -> Reply:
        if not self.finish:
            raise WrongError(f"the stream ended without a finish_reason, after {self.chunks} pieces of text")
        return Reply(
            content="".join(self.content),
            reasoning="".join(self.reasoning),
            field=self.field,
            finish=self.finish,
            prompt_tokens=self.prompt_tokens,
            tokens=self.tokens,
            model=self.model,
            chunks=self.chunks,
            done=self.done,
            first=self.first - self.sent if self.chunks else 0.0,
            last=self.last - self.sent if self.chunks else 0.0,
            seconds=self.end - self.sent,
        )
