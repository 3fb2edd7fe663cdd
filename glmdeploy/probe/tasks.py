"""Files of tasks: what `compare` asks both servers. YAML with `tasks`, or JSON Lines with a task a line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from glmdeploy import lines, source
from glmdeploy.diagnostics import Diagnostic, ProfileError, Span
from glmdeploy.fields import Strict
from glmdeploy.profile import validated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from glmdeploy.diagnostics import KeyPath
    from glmdeploy.source import Source

_LINES = (".jsonl", ".ndjson")
_MOST = 1000
Text = Annotated[str, Field(min_length=1)]


class Message(Strict):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"] = Field(description="Who says it.", examples=["user"])
    content: Text = Field(description="What is said.", examples=["What is the capital of France?"])


class Expect(Strict):
    """What an answer must hold, whichever server gives it."""

    contains: tuple[Text, ...] = Field(
        (), strict=False, description="Texts that stand in the answer.", examples=[["Paris"]]
    )
    regex: Text | None = Field(
        None, description="Regular expression (Python's) that the answer has.", examples=["^Paris"]
    )
    json_schema: dict[str, Any] | None = Field(
        None,
        description="JSON Schema (2020-12) of an answer that is JSON; needs the extra `compare`.",
        examples=[{"type": "object", "required": ["city"]}],
    )


class Task(Strict):
    """One request, and what is expected of the answer."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] = Field(
        description="Name of the task; each once.", examples=["capital"]
    )
    prompt: Text | None = Field(
        None, description="The user's message; or else `messages`.", examples=["What is the capital of France?"]
    )
    messages: tuple[Message, ...] = Field(
        (),
        strict=False,
        description="A conversation; or else `prompt`.",
        examples=[[{"role": "user", "content": "What is the capital of France?"}]],
    )
    max_tokens: Annotated[int, Field(ge=1, le=131_072)] = Field(
        1024, description="Most tokens of the answer, thinking included.", examples=[256]
    )
    temperature: Annotated[float, Field(ge=0, le=2)] = Field(
        0.0, strict=False, description="Sampling temperature; 0 takes the likeliest token.", examples=[0]
    )
    thinking: Literal["max", "high", "off"] | None = Field(
        None, description="Thinking effort. Default: the server's.", examples=["off"]
    )
    expect: Expect = Field(Expect(), description="What the answer must hold.", examples=[{"contains": ["Paris"]}])

    @property
    def conversation(self) -> list[dict[str, str]]:
        """The messages as a request has them."""
        if self.prompt is not None:
            return [{"role": "user", "content": self.prompt}]
        return [{"role": m.role, "content": m.content} for m in self.messages]


class TaskFile(Strict):
    """A set of tasks, asked of two servers."""

    tasks: Annotated[tuple[Task, ...], Field(min_length=1, max_length=_MOST)] = Field(
        strict=False, description="The tasks, in the order of the report."
    )


def read(path: Path) -> tuple[Task, ...]:
    """The tasks of a file; ProfileError with GLM0xx, GLM910 or GLM911, each in its place."""
    if path.suffix in _LINES:
        tasks = tuple(_lines(path))
        found = list(_problems(tasks, None, str(path)))
    else:
        document = source.read(path)
        tasks = validated(TaskFile, document).tasks
        found = list(_problems(tasks, document, str(path)))
    if not 1 <= len(tasks) <= _MOST:
        found.append(Diagnostic("GLM910", f"{len(tasks):,} tasks: from 1 to {_MOST:,} are taken", span=Span(str(path))))
    if found:
        raise ProfileError(found)
    return tasks


def _lines(path: Path) -> Iterator[Task]:
    """A task a line: JSON is YAML, and its positions are those of the line."""
    for number, line in enumerate(lines.split(source.text(path)), 1):
        if not line.strip():
            continue
        try:
            yield validated(Task, source.parse(str(path), line))
        except ProfileError as error:
            raise ProfileError(_moved(d, number) for d in error.diagnostics) from None


def _moved(d: Diagnostic, number: int) -> Diagnostic:
    span = d.span or Span("")
    return Diagnostic(
        d.code,
        d.message,
        d.level,
        label=d.label,
        notes=d.notes,
        hint=d.hint,
        span=_at(span, number if span.line else 0),
    )


def _at(span: Span, line: int) -> Span:
    return Span(span.path, line, span.column, span.width, span.text)


def _problems(tasks: tuple[Task, ...], document: Source | None, path: str) -> Iterator[Diagnostic]:
    seen: set[str] = set()
    for index, task in enumerate(tasks):
        for at, message, code, hint in _wrong(task, seen):
            where: KeyPath = ("tasks", index, *at)
            span = document.locate(where) if document else Span(path)
            yield Diagnostic(code, f"task `{task.id}`: {message}", at=where, span=span, hint=hint)
        seen.add(task.id)


def _wrong(task: Task, seen: set[str]) -> Iterator[tuple[tuple[str, ...], str, str, str]]:
    """Key, message, code and hint of what the schema cannot say."""
    if task.id in seen:
        yield ("id",), "an earlier task has this id", "GLM910", "each task has an id of its own"
    if (task.prompt is None) == (not task.messages):
        yield (), "it has `prompt` or `messages`, and not both", "GLM910", ""
    try:
        re.compile(task.expect.regex or "")
    except re.error as error:
        yield ("expect", "regex"), f"no regular expression: {error}", "GLM910", ""
    if task.expect.json_schema is not None:
        yield from _schema(task.expect.json_schema)


def _schema(schema: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str, str, str]]:
    at = ("expect", "json_schema")
    try:
        from jsonschema import Draft202012Validator, SchemaError  # noqa: PLC0415  an extra
    except ImportError:
        yield at, "`jsonschema` is not installed", "GLM911", "`pip install 'glmdeploy[compare]'`"
        return
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        yield at, f"no JSON Schema: {error.message}", "GLM910", ""
