"""Drift as annotations of a GitHub workflow, written as `lint` writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.lint import github
from glmdeploy.lint.report import Report as Findings
from glmdeploy.lint.report import here

if TYPE_CHECKING:
    from glmdeploy.gitops.check import Report


def render(report: Report) -> str:
    """One annotation a file that differs, or a reason for which nothing is rendered."""
    return github.render(Findings(found=(*report.found, *report.errors), base=here()))
