"""One set of tasks asked of two servers, such as FP8 and BF16 weights, and where they differ.

Answers are compared as normalised text (Unicode NFC, runs of white space as one space). Times and the number of an
answer's tokens are shown and are no difference: they vary from run to run, and with what the model thinks.
"""

from __future__ import annotations

import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from glmdeploy.probe.expectation import unmet
from glmdeploy.probe.reply import Reply
from glmdeploy.probe.shape import WrongError
from glmdeploy.probe.wire import NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from glmdeploy.forms.compare import ReplyForm, TargetForm, TaskForm
    from glmdeploy.probe.engine import Server
    from glmdeploy.probe.session import Session
    from glmdeploy.probe.tasks import Task

BYTES_A_TOKEN = 4096  # of a stream, at most: about 250 are usual
THINKING: dict[str | None, dict[str, Any]] = {
    None: {},
    "max": {"enable_thinking": True, "reasoning_effort": "max"},
    "high": {"enable_thinking": True, "reasoning_effort": "high"},
    "off": {"enable_thinking": False},
}


@dataclass(frozen=True)
class Outcome:
    """What a server did with a task; ``error`` says why there is no answer. No text holds the server's key."""

    reply: Reply = field(default_factory=Reply)
    unmet: tuple[str, ...] = ()
    error: str = ""

    def as_json(self) -> ReplyForm:
        """The members of the JSON form, in order."""
        return {
            "answer": self.reply.content,
            "finish_reason": self.reply.finish,
            "unmet": list(self.unmet),
            "prompt_tokens": self.reply.prompt_tokens,
            "tokens": self.reply.counted,
            "ttft_seconds": round(self.reply.first, 3),
            "seconds": round(self.reply.seconds, 3),
            "error": self.error,
        }


@dataclass(frozen=True)
class Row:
    """A task and both outcomes."""

    id: str
    a: Outcome
    b: Outcome

    @property
    def differs(self) -> tuple[str, ...]:
        """In what the two differ."""
        a, b = self.a.reply, self.b.reply
        if self.a.error or self.b.error:
            return ("error",) if bool(self.a.error) != bool(self.b.error) else ()
        same = {
            "answer": normal(a.content) == normal(b.content),
            "finish_reason": a.finish == b.finish,
            "expectation": self.a.unmet == self.b.unmet,
            "prompt_tokens": a.prompt_tokens == b.prompt_tokens or not (a.prompt_tokens and b.prompt_tokens),
        }
        return tuple(name for name, equal in same.items() if not equal)

    @property
    def failed(self) -> bool:
        """Whether a server gave no answer."""
        return bool(self.a.error or self.b.error)

    def as_json(self) -> TaskForm:
        """The members of the JSON form, in order."""
        return {"id": self.id, "differs": list(self.differs), "a": self.a.as_json(), "b": self.b.as_json()}


@dataclass(frozen=True)
class Target:
    """One server, and all that it did."""

    url: str
    server: Server
    model: str
    outcomes: tuple[Outcome, ...]

    @property
    def answers(self) -> list[Outcome]:
        """What was answered."""
        return [o for o in self.outcomes if not o.error]

    @property
    def unmet(self) -> int:
        """How many answers miss an expectation."""
        return sum(bool(o.unmet) for o in self.answers)

    @property
    def ttft(self) -> float:
        """Median seconds to the first token."""
        return median(first) if (first := [o.reply.first for o in self.answers if o.reply.chunks]) else 0.0

    @property
    def rate(self) -> float:
        """Median tokens/s of one answer."""
        return median(rates) if (rates := [o.reply.rate for o in self.answers if o.reply.rate]) else 0.0

    @property
    def tokens(self) -> int:
        """Tokens of all answers."""
        return sum(o.reply.counted for o in self.answers)

    def as_json(self) -> TargetForm:
        """The members of the JSON form, in order."""
        return {
            "url": self.url,
            "server": self.server.as_json(),
            "model": self.model,
            "answered": len(self.answers),
            "unmet": self.unmet,
            "tokens": self.tokens,
            "ttft_seconds": round(self.ttft, 3),
            "tokens_per_second": round(self.rate, 1),
        }


@dataclass(frozen=True)
class Comparison:
    """Both servers, and every task in the order of the file."""

    a: Target
    b: Target
    rows: tuple[Row, ...]

    @property
    def different(self) -> tuple[Row, ...]:
        """The tasks in which the two differ."""
        return tuple(row for row in self.rows if row.differs)

    @property
    def failed(self) -> tuple[Row, ...]:
        """The tasks that a server did not answer."""
        return tuple(row for row in self.rows if row.failed)


def normal(text: str) -> str:
    """The text as it is compared."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def run(a: Session, b: Session, tasks: Sequence[Task], *, concurrency: int = 4) -> Comparison:
    """Ask both, ``concurrency`` tasks at a time; never raises for anything that a server does."""
    targets = [(session, session.client.clean(session.model), session.server) for session in (a, b)]

    def both(task: Task) -> Row:
        return Row(task.id, _ask(a, task), _ask(b, task))

    with ThreadPoolExecutor(concurrency) as pool:
        rows = tuple(pool.map(both, tasks))
    sides: Iterator[Callable[[Row], Outcome]] = iter((lambda row: row.a, lambda row: row.b))
    made = [
        Target(str(session.client.address), server, model, tuple(map(side, rows)))
        for (session, model, server), side in zip(targets, sides, strict=True)
    ]
    return Comparison(made[0], made[1], rows)


def _ask(session: Session, task: Task) -> Outcome:
    body: dict[str, Any] = {"model": session.model} if session.model else {}
    body |= {"messages": task.conversation, "max_tokens": task.max_tokens, "temperature": task.temperature}
    body |= {"stream": True, "stream_options": {"include_usage": True}}
    body |= {"chat_template_kwargs": THINKING[task.thinking]} if task.thinking else {}
    try:
        reply = session.stream(body)
    except (NoAnswerError, WrongError) as error:
        return Outcome(error=session.client.sentence(str(error)))
    return Outcome(_clean(session, reply), tuple(unmet(task.expect, reply.content)))


def _clean(session: Session, reply: Reply) -> Reply:
    """What is kept of a reply: its text without the key, line breaks left; its reasoning is not compared."""
    content = "\n".join(session.client.clean(line) for line in reply.content.split("\n"))
    return Reply(
        content=content,
        finish=session.client.clean(reply.finish),
        prompt_tokens=reply.prompt_tokens,
        tokens=reply.tokens,
        chunks=reply.chunks,
        first=reply.first,
        last=reply.last,
        seconds=reply.seconds,
    )
