"""A view for a terminal of 80 columns: readable without colour, and without anything but ASCII."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glmdeploy.report import origins
from glmdeploy.report.arithmetic import OWN
from glmdeploy.report.bars import cells
from glmdeploy.report.view import PARTS, heading, most, partition, pool, ranks
from glmdeploy.units import GIB, gb, gib, plural, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glmdeploy.plan import Plan
    from glmdeploy.report.arithmetic import Section
    from glmdeploy.report.view import Stages, View

WIDTH = 80
BLOCKS, PLAIN = "█▓▒░·", "#=%+."  # one character for each of PARTS
_NAME = 14  # columns of a stage's name
_SHOWN = 6  # reasons for layouts not chosen
_COLUMNS = (10, 8, 15, 12, 12, 9)  # of the figures: each part, and the capacity
_ANSI = ("\x1b[34m", "\x1b[33m", "\x1b[35m", "\x1b[36m", "\x1b[2m")
_VERDICTS = {"fits": "\x1b[1;32m", "tight": "\x1b[1;33m"}
_RED, _RESET = "\x1b[1;31m", "\x1b[0m"


@dataclass(frozen=True)
class Style:
    """How to write: colour for a terminal that takes it, the blocks that its encoding has, the sums or not."""

    colour: bool = False
    blocks: str = BLOCKS
    explain: bool = False


def render(view: View, style: Style) -> str:
    """The whole report; empty without a plan, of which the diagnostics say everything."""
    plan = view.plan
    if plan is None:
        return ""
    parts = [
        _sentence(view, style),
        [_wrapped(line, 10) for line in _head(view, plan)],
        list(_memory(view, style)),
        list(_not_chosen(view)),
    ]
    if style.explain:
        parts += [*_sums(view), list(_origins(view)), list(_keys(view))]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _wrapped(line: str, indent: int) -> str:
    """The line broken at 80 columns; it goes on under its own text."""
    return textwrap.fill(line, WIDTH, subsequent_indent=" " * indent, replace_whitespace=False, break_on_hyphens=False)


def _sentence(view: View, style: Style) -> list[str]:
    text = _wrapped(view.sentence, 0)
    if not style.colour:
        return text.splitlines()
    word, colon, rest = text.partition(":")
    return f"{_VERDICTS.get(view.verdict, _RED)}{word}{_RESET}{colon}{rest}".splitlines()


def _head(view: View, plan: Plan) -> Iterator[str]:
    spec, layout = plan.spec, plan.layout
    weights = spec.checkpoint.total_bytes
    yield f"serving   {heading(plan).replace('`', '')}"
    yield f"weights   {gb(weights)} = {gib(weights)} for {spec.model.parameters / 10**9:.0f} B parameters"
    if plan.refusal:
        yield f"layout    none: {plan.refusal.reason}"
        return
    yield f"layout    {layout.label}: {ranks(plan)}"
    for host in view.hosts:
        yield f"{host.name:<9} {host.text}"
    if layout.pp > 1:
        yield f"stages    {partition(layout.partition)} layers"
    if not plan.launchable:
        yield f"context   {most(plan)}"
        return
    yield from _running(view, plan)


def _running(view: View, plan: Plan) -> Iterator[str]:
    spec, settings = plan.spec, plan.settings
    yield f"context   {tokens(settings.context)}; at most {plan.memory.max_context:,} with this layout, whatever gives way"
    yield f"KV cache  {pool(plan)}"
    whole = plural(view.whole_contexts, "request")
    yield f"requests  {whole} of the whole context at a time; {plan.running:,} may run"
    yield f"settings  memory fraction {settings.memory_fraction:.3g}, prefill chunk {settings.prefill_chunk:,}"
    yield f"gave way  {', '.join(settings.comfort) or 'nothing'}"
    yield f"MTP       {'on' if settings.mtp.enabled else 'off'}: {settings.mtp.reason}"
    bandwidth = f"{spec.storage_bandwidth / 10**9:g} GB/s"
    yield f"start-up  {plan.load_seconds} s to load at {bandwidth}; up to {plan.startup_seconds} s with cold compilation"


def _memory(view: View, style: Style) -> Iterator[str]:
    """Per group of stages its figures and a bar; the headings are the legend."""
    if not view.stages:
        return
    names = [f"{block} {part}" for block, part in zip(style.blocks, PARTS, strict=True)]
    yield _row("GiB per GPU", (*names, "GPU"))
    for stages in view.stages:
        mark = " *" if stages.fullest and len(view.stages) > 1 else ""
        figures = [f"{size / GIB:.2f}" for size in (*stages.sizes, stages.budget.capacity)]
        name = f"{stages.name}{mark}"
        if len(name) > _NAME:  # on lines of its own
            yield from textwrap.wrap(name, WIDTH)
            name = ""
        yield _row(name, figures)
        yield _bar(stages, style)
    if any(s.sizes[-1] < 0 for s in view.stages):
        yield "| is where the GPU ends"
    if len(view.stages) > 1:
        yield "* the fullest stage: it limits the others"


def _row(name: str, figures: Sequence[str]) -> str:
    return f"{name:<{_NAME}}" + "".join(f"{f:>{w}}" for f, w in zip(figures, _COLUMNS, strict=True))


def _bar(stages: Stages, style: Style) -> str:
    """Cells in the order of PARTS; where the budget is larger than the GPU, a line stands at the GPU's end."""
    over = stages.sizes[-1] < 0
    counts = cells(stages.sizes, WIDTH - 3 if over else WIDTH - 2)
    runs = [block * count for block, count in zip(style.blocks, counts, strict=True)]
    if over:
        end = len("".join(runs)) * stages.budget.capacity // stages.budget.budget
        return "  " + _cut(runs, end, style)
    return "  " + "".join(_run(run, i, style) for i, run in enumerate(runs))


def _cut(runs: list[str], end: int, style: Style) -> str:
    text, seen = "", 0
    for i, run in enumerate(runs):
        inside = max(0, min(len(run), end - seen))
        marked = "|" if seen <= end < seen + len(run) else ""
        text += _run(run[:inside], i, style) + marked + _run(run[inside:], i, style)
        seen += len(run)
    return text


def _run(run: str, part: int, style: Style) -> str:
    return f"{_ANSI[part]}{run}{_RESET}" if style.colour and run else run


def _not_chosen(view: View) -> Iterator[str]:
    if not view.not_chosen:
        return
    yield "not chosen"
    for passed in view.not_chosen[:_SHOWN]:
        name = passed.name
        if len(name) > _NAME:
            yield f"  {name}"
            name = ""
        yield _wrapped(f"  {name:<{_NAME}} {passed.code}  {passed.text}", 25)
    more = sum(len(passed.layouts) for passed in view.not_chosen[_SHOWN:])
    if more:
        yield f"  and {more} more (--format json)"


# --- --explain ----------------------------------------------------------------------------------------


def _sums(view: View) -> Iterator[list[str]]:
    """The sums of the fullest stages, then those of the others that differ, then the sources by number."""
    full = view.fullest
    if full is None:
        return
    sources: dict[str, int] = {}
    others = [s for s in view.stages if s is not full]
    for stages in (full, *others):
        sections = [s for s in stages.sections if stages is full or s not in full.sections]
        title = stages.name if stages.only else f"one GPU of {stages.name}: {stages.layers}"
        head = title if stages is full else f"{title}; where it differs from the first"
        yield [_wrapped(head, 0), *(line for s in sections for line in _section(s, sources))]
    yield ["sources", *(_wrapped(f"  [{number}] {source}", 7) for source, number in sources.items())]


def _section(section: Section, sources: dict[str, int]) -> Iterator[str]:
    yield f"  {section.title}"
    for line in section.lines:
        mark = _mark(line.source, sources)
        yield from _figure(line.label, line.value, line.unit, mark, "    ")
    total = section.total
    yield from _figure(f"= {total.label}", total.value, total.unit, "", "  ")


def _mark(source: str, sources: dict[str, int]) -> str:
    """``[3]``; nothing for what the plan itself says above or below."""
    if source in OWN:
        return ""
    return f"[{sources.setdefault(source, len(sources) + 1)}]"


def _figure(label: str, value: int, unit: str, mark: str, indent: str) -> Iterator[str]:
    *before, last = textwrap.wrap(label, 36, break_on_hyphens=False)
    yield from (indent + line for line in before)
    size = f"{value / GIB:.2f} GiB" if unit == "B" else ""
    yield f"{indent + last:<40}{value:>16,} {unit}{size:>{17 - len(unit)}} {mark}".rstrip()


def _origins(view: View) -> Iterator[str]:
    yield _wrapped(f"settings: {origins.PRECEDENCE}", 2)
    for o in view.origins:
        yield _wrapped(f"  {o.setting:<21} {o.value:<15} {o.by}" + (f": {o.why}" if o.why else ""), 40)


def _keys(view: View) -> Iterator[str]:
    if not view.keys:
        return
    yield _wrapped(f"keys: {origins.LAYERS}", 2)
    for k in view.keys:
        yield _wrapped(f"  {k.key:<29} {k.place}" + (f", over {', '.join(k.over)}" if k.over else ""), 34)
