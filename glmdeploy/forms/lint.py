"""What `lint --format json` prints."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from typing_extensions import TypedDict

from glmdeploy.forms import doc
from glmdeploy.forms.diagnostic import DiagnosticForm


class LintForm(TypedDict):
    """What `glmdeploy lint --format json` prints: what was judged, and every diagnostic."""

    format: Annotated[Literal["glmdeploy-lint/v1"], doc("Name and version of this form.")]
    files: NotRequired[Annotated[list[str], doc("The files that `--bundle` judged.", ["glm/budget.yaml"])]]
    profiles: NotRequired[
        Annotated[list[str], doc("The profiles, or the command line's file, that were judged.", ["prod.yaml"])]
    ]
    diagnostics: Annotated[list[DiagnosticForm], doc("What the rules say, in the order of what was judged.")]
