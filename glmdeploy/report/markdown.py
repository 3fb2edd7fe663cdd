"""A view for the comment of a pull request: no headings, one table, the rest folded; every word is escaped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glmdeploy.report import origins
from glmdeploy.report.view import PARTS, heading, most, pool, ranks
from glmdeploy.units import GIB, plural, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from glmdeploy.plan import Plan
    from glmdeploy.report.text import Style
    from glmdeploy.report.view import View

_JOINER = "&#8288;"  # a word joiner: seen by nobody, and no link or list starts across it
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_SYNTAX = re.compile(r"([\\`*_{}\[\]|~$!])")
_CODE = re.compile(r"(`[A-Za-z0-9-][A-Za-z0-9 ./=_-]*`)")  # nothing in it means anything
# what GitHub makes a link or a notification of: a user, an issue, an address
_LINKS = re.compile(r"(?<=[@#])(?=\w)|(?<=:)(?=//)|(?<=www)(?=\.)", re.IGNORECASE)
_FIRST = re.compile(r"\A(?=[-+=#]|\d+[.)])")  # what would start a list or a heading
_SHOWN = 12  # reasons for layouts not chosen


def escape(text: str) -> str:
    """``text`` as it is, in Markdown: one line, no HTML, no links, nobody notified; no markup but plain `code`."""
    pieces = _CODE.split(" ".join(text.split()))
    return "".join(piece if i % 2 else _literal(piece) for i, piece in enumerate(pieces))


def _literal(line: str) -> str:
    line = "".join(_HTML.get(c, c) for c in line)
    return _LINKS.sub(_JOINER, _SYNTAX.sub(r"\\\1", line))


def _paragraph(text: str) -> str:
    """As ``escape``, at the start of a line."""
    return _FIRST.sub(_JOINER, escape(text))


def render(view: View, style: Style) -> str:
    """Verdict, table, and the details folded."""
    word, colon, rest = view.sentence.replace("`", "").partition(":")
    blocks = [f"**{escape(word)}**{colon}{' ' if rest else ''}{escape(rest)}"]
    if view.plan:
        blocks += [_paragraph(_layout(view, view.plan)), *_stages(view), *_running(view, view.plan)]
    blocks += _diagnostics(view)
    if view.plan:
        blocks += _folded("Settings and where they come from", _origins(view))
        blocks += _folded(_title(view), _not_chosen(view))
        if style.explain:
            blocks += _folded("Keys and the files they stand in", _keys(view))
            blocks += _sums(view)
    return "\n\n".join(blocks) + "\n"


def _layout(view: View, plan: Plan) -> str:
    what = heading(plan).replace("`", "")
    if plan.refusal:
        return f"{what}; no layout"
    placed = "; ".join(f"{host.name}: {host.text}" for host in view.hosts)
    return f"{what}; {plan.layout.label}, {ranks(plan)} ({placed})"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, right: int = 0) -> str:
    """A table of escaped cells; ``right`` columns from the right are figures."""
    marks = ["---"] * (len(head) - right) + ["--:"] * right
    lines = [head, *([escape(c) for c in row] for row in rows)]
    text = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([text[0], "|" + "|".join(marks) + "|", *text[1:]])


def _stages(view: View) -> Iterator[str]:
    if not view.stages:
        return
    rows = []
    for s in view.stages:
        figures = (f"{size / GIB:.2f}" for size in (*s.sizes, s.budget.capacity))
        rows.append([f"{s.name}, {s.layers}" + (" (fullest)" if s.fullest and len(view.stages) > 1 else ""), *figures])
    yield _table(["GiB per GPU", *PARTS, "GPU"], rows, right=len(PARTS) + 1)


def _running(view: View, plan: Plan) -> Iterator[str]:
    if not view.stages:
        return
    settings = plan.settings
    if not plan.launchable:
        yield escape(f"Context: {most(plan)}")
        return
    whole = plural(view.whole_contexts, "request")
    yield escape(
        f"Context {tokens(settings.context)} (at most {plan.memory.max_context:,}); "
        f"KV cache {pool(plan)}; "
        f"{whole} of the whole context at a time, {plan.running:,} may run; "
        f"MTP {'on' if settings.mtp.enabled else 'off'}"
    )


def _diagnostics(view: View) -> Iterator[str]:
    if not view.found:
        return
    lines = []
    for d in view.found:
        lines.append(f"- **{d.level.value} {d.code}**: {escape(d.message)}")
        lines += [f"  - {_paragraph(note)}" for note in (*d.notes, *([f"hint: {d.hint}"] if d.hint else []))]
    yield "\n".join(lines)


def _folded(title: str, body: str) -> Iterator[str]:
    if body:
        yield f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def _origins(view: View) -> str:
    rows = ((o.setting, o.value, o.by, o.why) for o in view.origins)
    return _table(["setting", "value", "by", "where or why"], rows) + f"\n\n{escape(origins.PRECEDENCE.capitalize())}."


def _keys(view: View) -> str:
    if not view.keys:
        return ""
    rows = ((k.key, k.place, ", ".join(k.over)) for k in view.keys)
    return _table(["key", "stands in", "wins over"], rows) + f"\n\n{escape(origins.LAYERS.capitalize())}."


def _title(view: View) -> str:
    return f"{plural(sum(len(n.layouts) for n in view.not_chosen), 'layout')} not chosen"


def _not_chosen(view: View) -> str:
    if not view.not_chosen:
        return ""
    rows = [(n.name, n.code, n.text) for n in view.not_chosen[:_SHOWN]]
    more = sum(len(n.layouts) for n in view.not_chosen[_SHOWN:])
    return _table(["layout", "code", "reason"], rows) + (f"\n\nand {more} more" if more else "")


def _sums(view: View) -> Iterator[str]:
    for stages in view.stages:
        rows = []
        for section in stages.sections:
            rows += [(section.title, f"{x.label}", f"{x.value:,}", x.unit, x.source) for x in section.lines]
            total = section.total
            rows.append((section.title, f"= {total.label}", f"{total.value:,}", total.unit, ""))
        table = _table(["sum", "line", "value", "unit", "source"], rows)
        one = stages.name if stages.only else f"one GPU of {stages.name}"
        yield from _folded(f"Arithmetic of {one}, {stages.layers}", table)
