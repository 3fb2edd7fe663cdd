"""What `bound --format json` prints."""

from __future__ import annotations

from typing import Annotated, Literal

from typing_extensions import TypedDict

from glmdeploy.forms import doc
from glmdeploy.forms.diagnostic import DiagnosticForm


class ContextForm(TypedDict):
    """Upper bounds at one context, whole tokens a second."""

    context: Annotated[int, doc("Prompt plus output, tokens.", 32768)]
    request_tokens_s: Annotated[int, doc("One request alone, tokens/s.", 153)]
    requests: Annotated[int, doc("Requests that the pool holds at a time.", 3)]
    deployment_tokens_s: Annotated[int, doc("So many requests together, tokens/s.", 460)]
    prefill_tokens_s: Annotated[int, doc("Prompts that are read, tokens/s.", 91582)]


class MeasuredForm(TypedDict):
    """A published run, and the bounds for its layout."""

    framework: Annotated[str, doc("The framework's id.", "sglang")]
    version: Annotated[str, doc("The release that ran.", "0.5.21")]
    tp: Annotated[int, doc("Tensor parallel size.", 8)]
    attn_dp: Annotated[int, doc("Attention data parallel groups.", 1)]
    drafts: Annotated[int, doc("Tokens that were drafted a step.", 3)]
    clients: Annotated[int, doc("Requests at a time.", 16)]
    input: Annotated[int, doc("Tokens of a prompt.", 1024)]
    output: Annotated[int, doc("Tokens of an answer; 0 where the run does not say.", 1024)]
    request_tokens_s: Annotated[float, doc("Measured for one request, tokens/s.", 71.5)]
    request_bound: Annotated[int, doc("Upper bound for it, tokens/s.", 152)]
    output_tokens_s: Annotated[int, doc("Measured for all requests together, tokens/s.", 1021)]
    output_bound: Annotated[int, doc("Upper bound for it, tokens/s; 0 where the run does not say enough.", 1330)]
    source: Annotated[str, doc("Where it was published.", "the framework's cookbook")]
    checked: Annotated[str, doc("When it was read.", "2026-11-23")]


class BoundForm(TypedDict):
    """What `glmdeploy bound --format json` prints: nothing was run, and real servers are slower."""

    format: Annotated[Literal["glmdeploy-bound/v1"], doc("Name and version of this form.")]
    name: Annotated[str, doc("Name of the deployment.", "glm-5.2-fp8-10xh100-sglang")]
    kind: Annotated[Literal["upper bound"], doc("What the figures are.")]
    layout: Annotated[str, doc("The layout; empty without one.", "TP2 x PP5")]
    drafts: Annotated[int, doc("Tokens that are drafted a step.", 0)]
    acceptance: Annotated[float, doc("Tokens a step, on average; 1 without drafts.", 1.0, 2.76)]
    why_not: Annotated[str, doc("Why there is no bound; empty where there is one.", "")]
    ram_request_tokens_s: Annotated[float, doc("Where the host's RAM bounds one request: tokens/s; else 0.", 0.0)]
    ram_sum: Annotated[str, doc("The bytes of one token from RAM, as a sum in words.", "")]
    contexts: Annotated[list[ContextForm], doc("Upper bounds, one entry a context.")]
    measured: Annotated[list[MeasuredForm], doc("What others measured on these GPUs.")]
    assumptions: Annotated[dict[str, str], doc("What the bounds count and ignore, by name.", {"ignores": "networks"})]
    diagnostics: Annotated[list[DiagnosticForm], doc("What the rules say.")]
