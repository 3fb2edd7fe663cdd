"""The formats of `check`: each is a function from a report to text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.gitops import github, json_form, markdown, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmdeploy.gitops.check import Report

FORMATS: dict[str, Callable[[Report], str]] = {
    "text": text.render,
    "json": json_form.render,
    "github": github.render,
    "markdown": markdown.render,
}
