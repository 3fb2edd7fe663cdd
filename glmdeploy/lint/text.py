"""For people: every finding with its quoted line, and a sentence that counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Level, render_text

if TYPE_CHECKING:
    from glmdeploy.lint.report import Report


def render(report: Report) -> str:
    """All of it, without colour."""
    return "\n".join([*([render_text(report.found)] if report.found else []), summary(report)])


def summary(report: Report) -> str:
    """How much was judged and found, in one line."""
    judged = {"profile": report.profiles, "file": report.files, "command line": report.commands}
    counts = [_count(len(names), noun) for noun, names in judged.items() if names] or [_count(0, "file")]
    found = [_count(report.count(Level.ERROR), "error"), _count(report.count(Level.WARNING), "warning")]
    silenced = [f"{len(report.silenced)} silenced"] if report.silenced else []
    return f"{', '.join(counts)}: {', '.join([*found, *silenced])}\n"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
