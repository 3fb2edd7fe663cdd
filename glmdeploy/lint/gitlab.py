"""GitLab's Code Quality report.

https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from glmdeploy.diagnostics import Level, printable
from glmdeploy.lint.report import fingerprints, sentences

if TYPE_CHECKING:
    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.lint.report import Report

_SEVERITIES = {Level.ERROR: "major", Level.WARNING: "minor", Level.NOTE: "info"}


def render(report: Report) -> str:
    """A list with one issue a finding; GitLab takes none without a file, so an option's findings are left out."""
    names = fingerprints(report, report.found)
    issues = [_issue(report, d, name) for d, name in zip(report.found, names, strict=True) if report.path(d)]
    return json.dumps(issues, indent=2, ensure_ascii=False) + "\n"


def _issue(report: Report, d: Diagnostic, fingerprint: str) -> dict[str, Any]:
    line = d.span.line if d.span else 0
    return {
        "description": " | ".join(sentences(d)),
        "check_name": d.code,
        "fingerprint": fingerprint,
        "severity": _SEVERITIES[d.level],
        "location": {"path": printable(report.path(d)), "lines": {"begin": line or 1}},  # a whole file has no line
    }
