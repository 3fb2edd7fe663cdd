"""An upgrade as JSON for programs and as text for people."""

from __future__ import annotations

import json
import textwrap
from itertools import groupby
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Level
from glmdeploy.units import plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.forms.upgrade import UpgradeForm
    from glmdeploy.upgrade import Change, Upgrade

_WIDTH = 80
_TITLES = {"argv": "options", "env": "environment", "diagnostic": "diagnostics"}


def as_json(upgrade: Upgrade | None, found: Sequence[Diagnostic], *, written: bool = False) -> str:
    """One JSON object, whatever became of the profile; what is unknown is `[]` or empty, never null."""
    data: UpgradeForm = {
        "format": "glmdeploy-upgrade/v1",
        "profile": upgrade.before.source.path if upgrade else "",
        "framework": upgrade.framework.id if upgrade else "",
        "from": upgrade.old if upgrade else "",
        "to": upgrade.new if upgrade else "",
        "accepted": upgrade is not None and not upgrade.after.refused,
        "compared": upgrade is not None and upgrade.compared,
        "written": written,
        "changes": [c.as_json() for c in upgrade.changes] if upgrade else [],
        "diagnostics": [d.as_json() for d in found],
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def as_text(upgrade: Upgrade) -> str:
    """The changes for a terminal of 80 columns, without colour."""
    return "\n".join(_lines(upgrade)) + "\n"


def _lines(upgrade: Upgrade) -> Iterator[str]:
    name = upgrade.framework.name
    if upgrade.after.refused:
        errors = sum(d.level is Level.ERROR for d in upgrade.after.found)
        yield f"refused: {plural(errors, 'error')} with {name} {upgrade.new}"
    yield f"{name} {upgrade.old} -> {upgrade.new}"
    for kind, group in groupby(upgrade.changes, key=lambda c: c.kind):
        yield ""
        yield _TITLES.get(kind, kind)
        for change in group:
            yield from _change(change)
    if not upgrade.changes:
        yield "nothing changes: plan, image, options and environment are the same"
    elif not upgrade.compared:
        yield ""
        sides = [v for v, o in ((upgrade.old, upgrade.before), (upgrade.new, upgrade.after)) if not o.processes]
        yield f"options and environment are not compared: {name} {' and '.join(sides)} would not start"
    elif not any(c.kind in {"argv", "env"} for c in upgrade.changes):
        yield ""
        yield "the plan's own options and environment stay the same"


def _change(change: Change) -> Iterator[str]:
    head = f"  {change.reason:<11}  "
    where = f" (rank {', '.join(map(str, change.ranks))})" if change.ranks else ""
    short = head + _short(change) + where
    if len(short) <= _WIDTH and change.kind != "diagnostic":
        yield short
    else:
        yield f"{head}{change.name}{where}"
        for sign, text in (("-", change.before), ("+", change.after)):
            if text:
                yield _wrapped(f"{' ' * 15}{sign} {text}", 17)
    if change.why:
        yield _wrapped(f"{' ' * 15}{change.why}", 15)


def _short(change: Change) -> str:
    name = f"{change.name}: " if change.kind in {"plan", "image", "env"} else ""
    if not change.before or not change.after or change.before == change.after:
        return name + (change.after or change.before)
    return f"{name}{change.before} -> {change.after}"


def _wrapped(line: str, indent: int) -> str:
    return textwrap.fill(line, _WIDTH, subsequent_indent=" " * indent, break_on_hyphens=False, break_long_words=False)
