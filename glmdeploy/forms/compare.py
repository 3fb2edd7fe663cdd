"""What `compare --format json` prints."""

from __future__ import annotations

from typing import Annotated, Literal

from typing_extensions import TypedDict

from glmdeploy.forms import doc
from glmdeploy.forms.probe import ServerForm

DIFFERENCES = ("error", "answer", "finish_reason", "expectation", "prompt_tokens")


class TargetForm(TypedDict):
    """One of the two servers, and what it did with all tasks."""

    url: Annotated[str, doc("The server, without `/v1`.", "http://127.0.0.1:8000")]
    server: Annotated[ServerForm, doc("Which engine seems to answer.")]
    model: Annotated[str, doc("The name that was asked for.", "glm-5.2")]
    answered: Annotated[int, doc("Tasks that were answered.", 12)]
    unmet: Annotated[int, doc("Answered tasks with an expectation that is not met.", 1)]
    tokens: Annotated[int, doc("Tokens of all answers.", 3120)]
    ttft_seconds: Annotated[float, doc("Median of the seconds to the first token; 0 without any.", 0.352)]
    tokens_per_second: Annotated[float, doc("Median of the tokens/s of one answer; 0 without any.", 48.1)]


class ReplyForm(TypedDict):
    """What one server did with one task."""

    answer: Annotated[str, doc("The text, as it came.", "Paris")]
    finish_reason: Annotated[str, doc("Why it ended.", "stop")]
    unmet: Annotated[list[str], doc("Expectations that are not met.", ["does not contain 'Paris'"])]
    prompt_tokens: Annotated[int, doc("Tokens of the prompt; 0 where the server does not say.", 14)]
    tokens: Annotated[int, doc("Tokens of the answer, thinking included.", 8)]
    ttft_seconds: Annotated[float, doc("Seconds to the first token; 0 without any.", 0.352)]
    seconds: Annotated[float, doc("Seconds to the end.", 1.4)]
    error: Annotated[str, doc("Why there is no answer; empty where there is one.", "")]


class TaskForm(TypedDict):
    """One task, asked of both."""

    id: Annotated[str, doc("Its name in the file.", "capital")]
    differs: Annotated[
        list[str], doc("In what the two differ; times and numbers of answer tokens do not count.", ["answer"])
    ]
    a: Annotated[ReplyForm, doc("What the first server did.")]
    b: Annotated[ReplyForm, doc("What the second server did.")]


class CompareForm(TypedDict):
    """What `glmdeploy compare --format json` prints."""

    format: Annotated[Literal["glmdeploy-compare/v1"], doc("Name and version of this form.")]
    a: Annotated[TargetForm, doc("The first server.")]
    b: Annotated[TargetForm, doc("The second server.")]
    different: Annotated[int, doc("Tasks in which the two differ.", 1)]
    tasks: Annotated[list[TaskForm], doc("Every task, in the order of the file.")]
