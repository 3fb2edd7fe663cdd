"""`lint`: find what there is to judge, judge it, choose what to say, and say it in one of several formats.

A reporter is a function from a `Report` to text, and knows nothing of how the report came about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.lint import github, gitlab, json_form, junit, sarif, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmdeploy.lint.report import Report

FORMATS: dict[str, Callable[[Report], str]] = {
    "text": text.render,
    "json": json_form.render,
    "sarif": sarif.render,
    "github": github.render,
    "gitlab": gitlab.render,
    "junit": junit.render,
}
