"""What `check --format json` prints."""

from __future__ import annotations

from typing import Annotated, Literal

from typing_extensions import TypedDict

from glmdeploy.forms import EmptyForm, doc
from glmdeploy.forms.diagnostic import DiagnosticForm
from glmdeploy.forms.diff import DiffForm

KINDS = ("out of date", "edited by hand", "missing", "left over", "not ours", "executable bit")
STATES = ("new", "gone", "not listed", "changed", "unchanged", "unknown")


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


class AgainstForm(TypedDict):
    """One bundle as it is rendered now, against the one that is committed in a revision."""

    folder: Annotated[str, doc("Its folder.", "clusters/prod/glm")]
    profile: Annotated[str, doc("The profile that it is rendered from, or was.", "profiles/prod.yaml")]
    environment: Annotated[str, doc("Environment of the workspace; empty where none is named.", "prod")]
    state: Annotated[str, doc("What became of it since.", "changed", values=STATES)]
    why: Annotated[str, doc("Why that is unknown, or not listed; else empty.", "nothing is rendered of it now")]
    difference: Annotated[DiffForm | EmptyForm, doc("In terms of the plan; empty unless both sides are known.")]


class CheckForm(TypedDict):
    """What `glmdeploy check --format json` prints."""

    format: Annotated[Literal["glmdeploy-check/v1"], doc("Name and version of this form.")]
    sentence: Annotated[str, doc("What matters first.", "2 bundles: as rendered")]
    differs: Annotated[bool, doc("Whether anything differs: exit code 3, unless something is refused.")]
    bundles: Annotated[list[CheckedForm], doc("Every bundle that was compared.")]
    diagnostics: Annotated[list[DiagnosticForm], doc("What is said of the files and the lock file.")]
    refused: Annotated[
        list[DiagnosticForm], doc("What refuses profiles, or keeps everything from being compared: exit code 1.")
    ]
    against: Annotated[str, doc("Revision of `--against`; empty where none is named.", "origin/main")]
    compared: Annotated[list[AgainstForm], doc("Every bundle against that revision, those that are gone at the end.")]
