"""What `probe --format json` prints."""

from __future__ import annotations

from typing import Annotated, Literal

from typing_extensions import TypedDict

from glmdeploy.forms import doc
from glmdeploy.forms.diagnostic import DiagnosticForm

STATUSES = ("pass", "fail", "unsupported")


class CheckResultForm(TypedDict):
    """How one check ended."""

    code: Annotated[str, doc("Name of the check; it never changes its meaning.", "tool-call")]
    status: Annotated[str, doc("How it ended; what a server does not offer is no failure.", "pass", values=STATUSES)]
    message: Annotated[str, doc("What was seen, in a sentence.", "`get_weather` with city `Paris`")]
    hint: Annotated[
        str, doc("What to do about it; may be empty.", "start the server with the reasoning parser `glm45`")
    ]
    seconds: Annotated[float, doc("How long the check took.", 0.412)]


class ServerForm(TypedDict):
    """Which engine seems to answer; all empty where nothing tells."""

    engine: Annotated[str, doc("`sglang`, `vllm`, `transformers` or `litellm`.", "vllm", "")]
    version: Annotated[str, doc("Its version, where it says so.", "0.33.0", "")]
    evidence: Annotated[str, doc("How that was seen.", "`owned_by` in the model list", "")]


# `pass` is a word of Python: this form is written as a call.
TotalsForm = TypedDict(
    "TotalsForm",
    {
        "pass": Annotated[int, doc("Checks that passed.", 17)],
        "fail": Annotated[int, doc("Checks that failed; with any, the exit code is 1.", 0)],
        "unsupported": Annotated[int, doc("Checks of what this server does not offer.", 2)],
    },
)
TotalsForm.__doc__ = "How many checks ended how."


class ProbeForm(TypedDict):
    """What `glmdeploy probe --format json` prints."""

    format: Annotated[Literal["glmdeploy-probe/v1"], doc("Name and version of this form.")]
    url: Annotated[str, doc("The server that was asked, without `/v1`.", "http://127.0.0.1:8000")]
    server: Annotated[ServerForm, doc("Which engine seems to answer.")]
    model: Annotated[str, doc("The name that was asked for; empty where none is known.", "glm-5.2", "")]
    checks: Annotated[list[CheckResultForm], doc("Every check that was asked for, in order.")]
    totals: Annotated[TotalsForm, doc("How many checks ended how.")]
    ttft_seconds: Annotated[float, doc("Seconds to the first token of one stream; 0 where not measured.", 0.352)]
    tokens_per_second: Annotated[float, doc("Tokens/s of that stream behind the first; 0 where not measured.", 48.1)]
    diagnostics: Annotated[list[DiagnosticForm], doc("What is to be said of the run itself.")]
