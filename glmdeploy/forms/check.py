"""What `check --format json` prints."""

from __future__ import annotations

from typing import Annotated, Literal

from typing_extensions import TypedDict

from glmdeploy.forms import doc
from glmdeploy.forms.diagnostic import DiagnosticForm

KINDS = ("out of date", "edited by hand", "missing", "left over", "not ours", "executable bit")


class ChangeForm(TypedDict):
    """A file that is not as it should be."""

    path: Annotated[str, doc("The file, with the bundle's folder.", "clusters/prod/glm/script/run.sh")]
    kind: Annotated[str, doc("What happened to it.", "edited by hand", values=KINDS)]
    diff: Annotated[str, doc("Unified diff from the file to what is rendered; empty for files that are not ours.", "")]


class CheckedForm(TypedDict):
    """One bundle."""

    folder: Annotated[str, doc("Its folder.", "clusters/prod/glm")]
    profile: Annotated[str, doc("The profile that it is rendered from.", "profiles/prod.yaml")]
    environment: Annotated[str, doc("Environment of the workspace; empty where none is named.", "prod")]
    changes: Annotated[list[ChangeForm], doc("Its files that differ; none when it is as it should be.")]
    reasons: Annotated[
        list[str], doc("What changed since the lock file was written.", ["`profiles/prod.yaml` changed"])
    ]


class CheckForm(TypedDict):
    """What `glmdeploy check --format json` prints."""

    format: Annotated[Literal["glmdeploy-check/v1"], doc("Name and version of this form.")]
    differs: Annotated[bool, doc("Whether anything differs: exit code 3.")]
    bundles: Annotated[list[CheckedForm], doc("Every bundle that was compared.")]
    diagnostics: Annotated[list[DiagnosticForm], doc("What is said of the files and the lock file.")]
