"""A plan for people and programs: one neutral view, and a renderer for each form.

`look` collects what a report says; text, JSON, Markdown and SVG only say it. A new form reads `View` too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.report import json_form, markdown, svg, text
from glmdeploy.report.json_form import API_KEY, LEADER
from glmdeploy.report.text import BLOCKS, PLAIN, Style
from glmdeploy.report.view import View, look

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.plan import Plan
    from glmdeploy.process import Process

__all__ = ["API_KEY", "BLOCKS", "FORMS", "LEADER", "PLAIN", "Style", "View", "as_json", "as_text", "look"]

# name of `--format` -> renderer
FORMS: dict[str, Callable[[View, Style], str]] = {
    "text": text.render,
    "json": json_form.render,
    "markdown": markdown.render,
    "svg": svg.render,
}


def as_json(plan: Plan | None, processes: Sequence[Process], found: Sequence[Diagnostic]) -> str:
    """One JSON object, whatever became of the profile."""
    return json_form.render(look(plan, processes, found))


def as_text(plan: Plan) -> str:
    """The plan for a terminal of 80 columns, without colour."""
    return text.render(look(plan, (), ()), Style())
