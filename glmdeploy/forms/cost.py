"""What `cost --format json` prints."""

from __future__ import annotations

from typing import Annotated, Literal

from typing_extensions import TypedDict

from glmdeploy.forms import EmptyForm, doc
from glmdeploy.forms.diagnostic import DiagnosticForm


class EvenForm(TypedDict):
    """From how many hosted seats on self-hosting costs less."""

    tier: Annotated[str, doc("The hosted tier.", "Pro")]
    billing: Annotated[str, doc("How it is paid.", "yearly", "monthly")]
    seat_month: Annotated[str, doc("Price of a seat, a month.", "50.40")]
    seats: Annotated[int, doc("First number of seats that cost more than the deployment.", 289)]
    prompts_per_week: Annotated[int, doc("Prompts that so many seats may send, a week.", 578000)]
    within_upper_bound: Annotated[
        str, doc("Whether the upper bound on speed allows so many; empty when not asked.", values=("yes", "no", ""))
    ]


class CaseForm(TypedDict):
    """The cost at one price of a GPU."""

    name: Annotated[str, doc("Which price.", "typical", "low", "high", "given")]
    gpu_hour: Annotated[str, doc("One GPU, an hour.", "2.95")]
    hour: Annotated[str, doc("All GPUs, an hour.", "29.50")]
    gpus_month: Annotated[str, doc("All GPUs, a month.", "21535.00")]
    storage_month: Annotated[str, doc("Storage of the checkpoint, a month.", "0.00")]
    month: Annotated[str, doc("GPUs and storage, a month.", "21535.00")]
    million_output_tokens_at_least: Annotated[
        str, doc("A million output tokens, at least; empty without an upper bound on speed.", "4.16")
    ]
    break_even: Annotated[list[EvenForm], doc("One entry a hosted tier and way to pay.")]


class HostedForm(TypedDict):
    """The hosted offer that is compared."""

    name: Annotated[str, doc("Its name.", "GLM Coding Plan")]
    source: Annotated[str, doc("Where its prices were read.", "the provider's price page")]
    checked: Annotated[str, doc("When they were read.", "2026-11-23")]
    unverified: Annotated[bool, doc("Whether nobody here checked them.")]


class CostForm(TypedDict):
    """What `glmdeploy cost --format json` prints; money is strings of exact decimals."""

    format: Annotated[Literal["glmdeploy-cost/v1"], doc("Name and version of this form.")]
    name: Annotated[str, doc("Name of the deployment.", "glm-5.2-fp8-10xh100-sglang")]
    currency: Annotated[str, doc("Currency of every price.", "USD")]
    hours_per_month: Annotated[int, doc("Hours of a month.", 730)]
    gpus: Annotated[int, doc("GPUs in all; 0 where the profile was refused.", 10)]
    gpu: Annotated[str, doc("The GPU's id in the catalogue.", "h100-sxm-80gb")]
    utilisation: Annotated[str, doc("Share of the upper bound that is used.", "1", "0.5")]
    upper_bound_output_tokens_s: Annotated[int, doc("Upper bound of all requests together, tokens/s.", 1330)]
    prompts_per_week_at_most: Annotated[int, doc("Prompts that the bound allows, a week; 0 when not asked.", 0)]
    measured_output_tokens_s: Annotated[int, doc("Highest published figure, tokens/s; 0 without one.", 0)]
    price_source: Annotated[str, doc("Where the price was read; empty where it was given.", "a published index")]
    price_checked: Annotated[str, doc("When it was read.", "2026-11-23")]
    chosen: Annotated[str, doc("The case to speak of.", "typical")]
    cases: Annotated[list[CaseForm], doc("The cost at each price.")]
    hosted: Annotated[HostedForm | EmptyForm, doc("The hosted offer that is compared.")]
    diagnostics: Annotated[list[DiagnosticForm], doc("What the rules say.")]
