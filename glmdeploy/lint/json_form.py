"""For programs: everything, in members that are never renamed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.forms.lint import FindingForm, LintForm
    from glmdeploy.lint.report import Report


def render(report: Report) -> str:
    """One object, `glmdeploy-lint/v1`; columns count characters from 1, and the end column is the one behind."""
    data: LintForm = {
        "format": "glmdeploy-lint/v1",
        "profiles": [*report.profiles, *report.commands],
        "files": list(report.files),
        "diagnostics": [_member(d) for d in report.found],
        "silenced": [{**_member(s.diagnostic), "reason": s.reason} for s in report.silenced],
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _member(d: Diagnostic) -> FindingForm:
    line, column = (d.span.line, d.span.end_column) if d.span else (0, 0)
    return {**d.as_json(), "end_line": line, "end_column": column}
