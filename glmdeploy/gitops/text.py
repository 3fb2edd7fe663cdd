"""A check for people: a patch, and what is said beside it."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import printable, render_text
from glmdeploy.difference import text
from glmdeploy.gitops import patch
from glmdeploy.gitops.against import State
from glmdeploy.units import plural

if TYPE_CHECKING:
    from glmdeploy.gitops.against import Against, Comparison
    from glmdeploy.gitops.check import Report


def render(report: Report) -> str:
    """All of it, without colour."""
    parts = [
        report.patch,
        where(report),
        render_text((*report.found, *report.errors)),
        revision(report),
        summary(report),
    ]
    return "\n".join(part for part in parts if part)


def where(report: Report) -> str:
    """Where the patch is to be applied; empty when that is here, or when there is none."""
    tops = {patch.top(c.rendered.folder) for c in report.checked} - {Path.cwd()}
    if not report.patch or not tops:
        return ""
    folder = shlex.quote(os.path.relpath(min(tops)))
    return f"paths of the patch start at the top of the repository: `git -C {printable(folder)} apply`\n"


def summary(report: Report) -> str:
    """How many bundles were compared, and how many of them differ."""
    bad = sum(bool(c.changes) for c in report.checked)
    differ = f"{bad} differs" if bad == 1 else f"{bad} differ"
    locks = f"; {printable(report.locks[0].message)}" if report.locks else ""
    return f"{plural(len(report.checked), 'bundle')}: {differ if bad else 'as rendered'}{locks}\n"


def revision(report: Report) -> str:
    """What the bundles are against those of the revision; empty where none is named."""
    return _comparison(report.against) if report.against else ""


def _comparison(comparison: Comparison) -> str:
    parts = [_bundle(comparison.rev, a) for a in comparison.bundles]
    return "\n".join([*parts, *([f"note: {printable(comparison.note)}\n"] if comparison.note else [])])


def _bundle(rev: str, against: Against) -> str:
    if against.state is State.CHANGED and against.difference:
        return text.render(against.difference)
    why = f" ({printable(against.why)})" if against.why else ""
    return f"{printable(against.folder)}: {against.state.value} against {printable(rev)}{why}\n"
