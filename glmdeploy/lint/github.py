"""Annotations of a GitHub workflow: one command a line, which the runner turns into a mark beside the code.

https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Level, printable
from glmdeploy.lint.report import sentences

if TYPE_CHECKING:
    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.lint.report import Report

_COMMANDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}


def render(report: Report) -> str:
    """One annotation a finding; nothing where nothing was found."""
    return "".join(f"{_annotation(report, d)}\n" for d in report.found)


def _annotation(report: Report, d: Diagnostic) -> str:
    properties = {"file": printable(report.path(d)), **_place(d), "title": d.code}
    listed = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items() if value)
    return f"::{_COMMANDS[d.level]} {listed}::{_data(chr(10).join(sentences(d)))}"


def _place(d: Diagnostic) -> dict[str, int]:
    """Columns count characters from 1; the last one is behind the text, as in SARIF."""
    span = d.span
    if span is None or not span.line:
        return {}
    return {"line": span.line, "endLine": span.line, "col": span.column, "endColumn": span.end_column}


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
