"""What `lint --format json` prints."""

from __future__ import annotations

from typing import Annotated, Literal

from typing_extensions import TypedDict

from glmdeploy.forms import doc
from glmdeploy.forms.diagnostic import DiagnosticForm


class FindingForm(DiagnosticForm):
    """A diagnostic with the end of its place."""

    end_line: Annotated[int, doc("Line in which it ends: the one in which it begins; 0 for an option.", 7)]
    end_column: Annotated[int, doc("Column behind its last character, from 1; 0 for an option.", 12)]


class SilencedForm(FindingForm):
    """A warning or note that a comment silences."""

    reason: Annotated[str, doc("The words behind the comment's bracket.", "measured", "")]


class LintForm(TypedDict):
    """What `glmdeploy lint --format json` prints: what was judged, and every diagnostic."""

    format: Annotated[Literal["glmdeploy-lint/v1"], doc("Name and version of this form.")]
    profiles: Annotated[list[str], doc("The profiles, or the command line's file, that were judged.", ["prod.yaml"])]
    files: Annotated[list[str], doc("The files of bundles that were judged.", ["glm/budget.yaml"])]
    diagnostics: Annotated[list[FindingForm], doc("What the rules say, in the order of what was judged.")]
    silenced: Annotated[list[SilencedForm], doc("What comments in the files silence.")]
