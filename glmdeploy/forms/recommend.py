"""What `recommend --format json` prints."""

from __future__ import annotations

from typing import Annotated, Literal

from typing_extensions import TypedDict

from glmdeploy.forms import EmptyForm, doc
from glmdeploy.forms.diagnostic import DiagnosticForm
from glmdeploy.forms.plan import VERDICTS


class CandidateForm(TypedDict):
    """One plan that was made and judged."""

    framework: Annotated[str, doc("The framework's id.", "sglang")]
    version: Annotated[str, doc("The framework's release; empty where no plan was made.", "0.5.21")]
    checkpoint: Annotated[str, doc("Catalogue id of the weights.", "fp8")]
    gpu: Annotated[str, doc("The GPU's id in the catalogue.", "h100-sxm-80gb")]
    gpus: Annotated[int, doc("GPUs in all.", 10)]
    in_hand: Annotated[bool, doc("Whether it is the hardware that was named, or any where none was.")]
    strategy: Annotated[str, doc("What it optimises for.", "low-latency")]
    kv_cache_dtype: Annotated[str, doc("What the KV cache was asked to be.", "auto")]
    stages: Annotated[int, doc("Pipeline stages; 0 without a layout.", 5)]
    mtp: Annotated[bool, doc("Whether multi-token prediction is on.")]
    layout: Annotated[str, doc("The layout; empty without one.", "TP2 x PP5")]
    verdict: Annotated[str, doc("The plan's verdict.", "tight", values=VERDICTS)]
    context: Annotated[int, doc("Longest request, prompt and output, tokens.", 110592)]
    max_context: Annotated[int, doc("Longest context with this layout, tokens.", 111552)]
    requests: Annotated[int, doc("Requests of that context that the pool holds at a time.", 1)]
    request_tokens_s_upper_bound: Annotated[int, doc("Upper bound for one request, tokens/s; 0 without one.", 152)]
    hour: Annotated[str, doc("Price of all GPUs, USD an hour; empty where none is known.", "29.50")]
    spot: Annotated[bool, doc("Whether the price is a spot price.")]
    meets: Annotated[bool, doc("Whether everything that was asked for is there.")]
    code: Annotated[str, doc("Code of what is missing; empty where nothing is.", "", "GLM203")]
    why_not: Annotated[str, doc("What is missing, in words.", "", "holds 111,552 tokens")]
    warnings: Annotated[list[str], doc("Codes of the plan's warnings.", ["GLM204"])]


class RecommendForm(TypedDict):
    """What `glmdeploy recommend --format json` prints."""

    format: Annotated[Literal["glmdeploy-recommend/v1"], doc("Name and version of this form.")]
    currency: Annotated[str, doc("Currency of every price.", "USD")]
    possible: Annotated[bool, doc("Whether a plan is what was asked for.")]
    reason: Annotated[str, doc("Why this framework.", "SGLang is the general choice: published command lines")]
    command: Annotated[str, doc("The command that renders the choice.", "glmdeploy render --framework sglang")]
    recommended: Annotated[CandidateForm | EmptyForm, doc("The choice; empty where nothing is possible.")]
    rows: Annotated[list[CandidateForm], doc("Every plan that was made, the best ones first.")]
    diagnostics: Annotated[list[DiagnosticForm], doc("What is wrong with the wish, and what the choice warns of.")]
