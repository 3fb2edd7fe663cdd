"""What `upgrade --format json` prints."""

from __future__ import annotations

from typing import Annotated, Literal

from typing_extensions import TypedDict

from glmdeploy.forms import doc
from glmdeploy.forms.diagnostic import DiagnosticForm

KINDS = ("plan", "image", "extra_args", "argv", "env", "diagnostic")
REASONS = ("renamed", "removed", "added", "changed", "new default", "kept")


class ChangeForm(TypedDict):
    """One difference between the two versions."""

    kind: Annotated[str, doc("What differs.", "plan", values=KINDS)]
    name: Annotated[str, doc("Its name: a figure, an option, a variable, a code.", "KV pool", "--cp-strategy")]
    before: Annotated[str, doc("With the old version; empty where it is new.", "217,280 tokens")]
    after: Annotated[str, doc("With the new version; empty where it is gone.", "234,688 tokens")]
    reason: Annotated[str, doc("How it differs.", "changed", values=REASONS)]
    why: Annotated[str, doc("What the data proves of the reason; may be empty.", "no image is documented")]
    ranks: Annotated[list[int], doc("The ranks that differ; none for all of them.", [], [0])]


# `from` is a word of Python: this form is written as a call.
UpgradeForm = TypedDict(
    "UpgradeForm",
    {
        "format": Annotated[Literal["glmdeploy-upgrade/v1"], doc("Name and version of this form.")],
        "profile": Annotated[str, doc("The profile's file; empty where it could not be read.", "prod.yaml")],
        "framework": Annotated[str, doc("The framework's id.", "sglang")],
        "from": Annotated[str, doc("The old version.", "0.5.16")],
        "to": Annotated[str, doc("The new version.", "0.5.23")],
        "accepted": Annotated[bool, doc("Whether the new version takes the profile.")],
        "compared": Annotated[bool, doc("Whether options and environment were compared: both versions start.")],
        "written": Annotated[bool, doc("Whether the profile was changed.")],
        "changes": Annotated[list[ChangeForm], doc("Every difference.")],
        "diagnostics": Annotated[list[DiagnosticForm], doc("What the rules say of the new version.")],
    },
)
UpgradeForm.__doc__ = "What `glmdeploy upgrade --format json` prints, whatever became of the profile."
