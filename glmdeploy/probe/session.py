"""What the checks share: the client, what the profile expects, and answers that more than one of them reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from glmdeploy.probe import reply, shape
from glmdeploy.probe.engine import Server, guess
from glmdeploy.probe.shape import WrongError
from glmdeploy.probe.wire import NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmdeploy.probe.client import Answer, Client
    from glmdeploy.probe.reply import Reply

CHAT = "/v1/chat/completions"
OFF: dict[str, Any] = {"enable_thinking": False}
MEASURED = 128  # tokens of the request that is measured
_UNAUTHORISED = frozenset({401, 403})
_DEFAULT_MODEL = "glm-5.2"
_COUNT = "Count from 1 to 100 in digits, separated by spaces."


@dataclass(frozen=True)
class Expected:
    """What a profile says of a server: a name, a context (tokens, prompt and answer), an engine; empty without one."""

    model: str = ""
    context: int = 0
    framework: str = ""


class Session:
    """One run against one server."""

    def __init__(self, client: Client, model: str = "", expected: Expected | None = None) -> None:
        self.client = client
        self.given = model
        self.expected = expected or Expected()
        self._answers: dict[str, Answer | NoAnswerError] = {}
        self._replies: dict[str, Reply | NoAnswerError | WrongError] = {}

    def get(self, path: str) -> Answer:
        """The answer to a GET, whatever its status; asked once. NoAnswerError."""
        if path not in self._answers:
            try:
                self._answers[path] = self.client.get(path)
            except NoAnswerError as error:
                self._answers[path] = error
        found = self._answers[path]
        if isinstance(found, NoAnswerError):
            raise found
        return found

    @property
    def listed(self) -> list[Any]:
        """The models of the list; NoAnswerError, WrongError."""
        return shape.at(self.json(self.get("/v1/models")), list, "data")

    @cached_property
    def model(self) -> str:
        """The name to ask for: as given, as in the profile, or the first of the list; empty where none is known."""
        if self.given or self.expected.model:
            return self.given or self.expected.model
        try:
            return shape.text(self.listed, 0, "id")
        except (NoAnswerError, WrongError):
            return ""

    @property
    def named(self) -> str:
        """The name for an API that wants one."""
        return self.model or _DEFAULT_MODEL

    @cached_property
    def server(self) -> Server:
        """Which engine it seems to be, and how that was seen."""
        return guess(self)

    @property
    def engine(self) -> str:
        """The framework of the profile, which may stand behind a gateway, or else the engine that was guessed."""
        return self.expected.framework or self.server.engine

    def json(self, answer: Answer) -> dict[str, Any]:
        """The object of a good answer; WrongError for another status, content type or form."""
        self.good(answer)
        if answer.kind != "application/json":
            raise WrongError(f"the content type is `{self.client.quote(answer.kind)}`, not `application/json`")
        return shape.parse(answer.text)

    def good(self, answer: Answer) -> None:
        """WrongError with the server's words unless the status says success."""
        if not answer.ok:
            raise self.refused(answer.status, answer.text)

    def refused(self, status: int, text: str) -> WrongError:
        """What a status other than success means."""
        hint = ""
        if status in _UNAUTHORISED:
            hint = (
                "the key is not the server's"
                if self.client.key
                else "`--key-env NAME` or `--key-file FILE` gives a key"
            )
        said = self.client.quote(text)
        return WrongError(f"status {status}" + (f": {said}" if said else ""), hint)

    def question(self, prompt: str, max_tokens: int, template: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """The body of a chat request at temperature 0."""
        body: dict[str, Any] = {"model": self.model} if self.model else {}
        body |= {"messages": [{"role": "user", "content": prompt}], "max_tokens": max_tokens, "temperature": 0}
        return body | ({"chat_template_kwargs": dict(template)} if template else {}) | more

    def ask(self, prompt: str, max_tokens: int, template: Mapping[str, Any], **more: Any) -> Reply:
        """The reply to one message; the same question is asked once. NoAnswerError, WrongError."""
        body = self.question(prompt, max_tokens, template, **more)
        return self._once(body)

    def measured(self) -> Reply:
        """The reply of the one stream that is checked and measured. NoAnswerError, WrongError."""
        more = {"stream": True, "stream_options": {"include_usage": True}}
        return self._once(self.question(_COUNT, MEASURED, OFF, **more))

    def _once(self, body: dict[str, Any]) -> Reply:
        name = json.dumps(body, sort_keys=True)
        if name not in self._replies:
            try:
                self._replies[name] = self.stream(body) if body.get("stream") else self._whole(body)
            except (NoAnswerError, WrongError) as error:
                self._replies[name] = error
        found = self._replies[name]
        if isinstance(found, reply.Reply):
            return found
        raise found

    def _whole(self, body: dict[str, Any]) -> Reply:
        answer = self.client.post(CHAT, body)
        return reply.whole(self.json(answer), answer.seconds)

    def stream(self, body: dict[str, Any]) -> Reply:
        """The reply to a body that asks for a stream. NoAnswerError, WrongError."""
        stream = self.client.stream(CHAT, body)
        if stream.status // 100 != 2:  # noqa: PLR2004  success
            raise self.refused(stream.status, stream.text())
        kind = stream.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "text/event-stream":
            stream.exchange.connection.close()
            raise WrongError(f"the content type is `{self.client.quote(kind)}`, not `text/event-stream`")
        return reply.streamed(stream)
