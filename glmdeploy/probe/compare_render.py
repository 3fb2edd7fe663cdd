"""A comparison as text, as JSON, or as Markdown for a pull request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import printable
from glmdeploy.report.markdown import escape
from glmdeploy.units import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from glmdeploy.forms.compare import CompareForm
    from glmdeploy.probe.compare import Comparison, Outcome, Row, Target

_SHOWN = 100  # characters of an answer


def as_text(found: Comparison) -> str:
    """For people: a line a task, both sides below what differs, and the figures of both."""
    return "\n".join([*_text(found), ""])


def _text(found: Comparison) -> Iterator[str]:
    yield f"a: {_name(found.a)}"
    yield f"b: {_name(found.b)}"
    yield ""
    width = max((len(row.id) for row in found.rows), default=0)
    for row in found.rows:
        yield f"{_word(row):9}  {row.id:{width}}  {', '.join(row.differs)}".rstrip()
        if row.differs or row.failed or row.a.unmet or row.b.unmet:
            yield f"{'':9}    a: {_said(row.a)}"
            yield f"{'':9}    b: {_said(row.b)}"
    yield ""
    yield from (f"{what:24}  {a:>12}  {b:>12}" for what, a, b in (("", "a", "b"), *_figures(found)))
    yield ""
    yield sentence(found)


def sentence(found: Comparison) -> str:
    """How many tasks there were, and in how many the two differ."""
    failed = f", {len(found.failed)} without an answer" if found.failed else ""
    return f"{plural(len(found.rows), 'task')}: {len(found.different)} different{failed}"


def _word(row: Row) -> str:
    return "no answer" if row.failed else "different" if row.differs else "same"


def _name(target: Target) -> str:
    server = " ".join(filter(None, (target.server.engine, target.server.version)))
    return ", ".join(filter(None, (target.url, server, f"model {target.model}" if target.model else "")))


def _said(outcome: Outcome) -> str:
    if outcome.error:
        return f"no answer: {outcome.error}"
    line = printable(" ".join(outcome.reply.content.split()))
    shown = line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."
    return "; ".join([f"{shown!r} ({outcome.reply.finish}, {plural(outcome.reply.counted, 'token')})", *outcome.unmet])


def _figures(found: Comparison) -> Iterator[tuple[str, str, str]]:
    a, b = found.a, found.b
    yield "answered", str(len(a.answers)), str(len(b.answers))
    yield "expectations missed", str(a.unmet), str(b.unmet)
    yield "tokens", f"{a.tokens:,}", f"{b.tokens:,}"
    yield "first token, median", _seconds(a), _seconds(b)
    yield "tokens/s, median", f"{a.rate:.1f}", f"{b.rate:.1f}"


def _seconds(target: Target) -> str:
    return f"{target.ttft:.3f} s"


def as_markdown(found: Comparison) -> str:
    """The sentence, the figures, and a table of what differs."""
    head = [f"**{sentence(found)}**", "", f"a: {_cell(_name(found.a))}  ", f"b: {_cell(_name(found.b))}", ""]
    figures = [f"| {what} | {a} | {b} |" for what, a, b in _figures(found)]
    lines = [*head, "| | a | b |", "|---|---|---|", *figures]
    shown = [row for row in found.rows if row.differs or row.failed or row.a.unmet or row.b.unmet]
    if shown:
        lines += ["", "| task | differs | a | b |", "|---|---|---|---|"]
        lines += [
            f"| {row.id} | {', '.join(row.differs)} | {_cell(_said(row.a))} | {_cell(_said(row.b))} |" for row in shown
        ]
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return escape(printable(text))


def as_json(found: Comparison) -> str:
    """One object, `glmdeploy-compare/v1`."""
    data: CompareForm = {
        "format": "glmdeploy-compare/v1",
        "a": found.a.as_json(),
        "b": found.b.as_json(),
        "different": len(found.different),
        "tasks": [row.as_json() for row in found.rows],
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


FORMATS: dict[str, Callable[[Comparison], str]] = {"text": as_text, "json": as_json, "markdown": as_markdown}
