"""What `list --format json` prints: one form a list, its figures as people read them."""

from __future__ import annotations

from typing import Annotated, Literal

from typing_extensions import TypedDict

from glmdeploy.forms import doc


class GpuRow(TypedDict):
    """A GPU of the catalogue."""

    gpu: Annotated[str, doc("Its id.", "h200-sxm-141gb")]
    aliases: Annotated[str, doc("Other names.", "h200 h200-sxm")]
    memory: Annotated[str, doc("Memory by the data sheet.", "141 GB")]
    driver: Annotated[str, doc("Memory as the driver reports it.", "143771 MiB")]
    node: Annotated[str, doc("GPUs of one host, as the product is sold.", "8")]
    unsure: Annotated[str, doc("How many of its figures nobody checked; empty for none.", "", "2")]


class ModelRow(TypedDict):
    """A model of the catalogue."""

    model: Annotated[str, doc("Its id.", "glm-5.2")]
    parameters: Annotated[str, doc("Parameters in all.", "753 B")]
    context: Annotated[str, doc("Longest request, tokens.", "1,048,576")]
    output: Annotated[str, doc("Longest answer, tokens.", "131,072")]
    license: Annotated[str, doc("Its licence.", "MIT")]


class CheckpointRow(TypedDict):
    """A published weight set."""

    checkpoint: Annotated[str, doc("Its id.", "fp8")]
    repository: Annotated[str, doc("Its repository on the hub.", "zai-org/GLM-5.2-FP8")]
    size: Annotated[str, doc("Size of the weights.", "756 GB")]
    frameworks: Annotated[str, doc("What serves it.", "all", "sglang vllm")]


# The next two hold names with spaces or hyphens.
FrameworkRow = TypedDict(
    "FrameworkRow",
    {
        "framework": Annotated[str, doc("Its id.", "sglang")],
        "floor": Annotated[str, doc("First version that serves the model.", "0.5.16")],
        "default": Annotated[str, doc("Version where none is named.", "0.5.21")],
        "newest known": Annotated[str, doc("Newest version of the catalogue.", "0.5.23")],
        "port": Annotated[str, doc("Port of the server.", "30000")],
    },
)
FrameworkRow.__doc__ = "A framework of the catalogue."
RecipeRow = TypedDict(
    "RecipeRow",
    {
        "framework": Annotated[str, doc("Whose recipe it is.", "sglang")],
        "gpus": Annotated[str, doc("The hardware.", "8xH200")],
        "checkpoint": Annotated[str, doc("The weights.", "fp8")],
        "strategy": Annotated[str, doc("What it optimises for.", "low-latency")],
        "attn-dp": Annotated[str, doc("Attention data parallel groups.", "1")],
        "mtp": Annotated[str, doc("Steps of multi-token prediction.", "3")],
        "fraction": Annotated[str, doc("Value of the memory option.", "0.85")],
        "verified": Annotated[str, doc("Whether its authors ran it.", values=("yes", "no"))],
    },
)
RecipeRow.__doc__ = "A framework's own recipe."


class DifferenceRow(TypedDict):
    """Where a plan does not do what a framework's recipe says."""

    framework: Annotated[str, doc("Whose recipe it is.", "sglang")]
    why: Annotated[str, doc("What differs, and why.", "no recipe holds for ten GPUs")]


class ProfileRow(TypedDict):
    """A shipped profile."""

    profile: Annotated[str, doc("Its name.", "glm-5.2-fp8-8xh200-vllm")]
    gpus: Annotated[str, doc("The hardware.", "8xh200")]
    framework: Annotated[str, doc("What serves it.", "vllm")]


class RuleRow(TypedDict):
    """A diagnostic's code."""

    code: Annotated[str, doc("The code.", "GLM201", pattern="^GLM[0-9]{3}$")]
    title: Annotated[str, doc("The title of its page.", "The hardware is below the published floor")]


Row = GpuRow | ModelRow | CheckpointRow | FrameworkRow | RecipeRow | DifferenceRow | ProfileRow | RuleRow
KINDS = ("gpus", "models", "checkpoints", "frameworks", "recipes", "differences", "profiles", "rules")


class ListForm(TypedDict):
    """What `glmdeploy list --format json` prints."""

    format: Annotated[Literal["glmdeploy-list/v1"], doc("Name and version of this form.")]
    kind: Annotated[str, doc("What is listed.", "gpus", values=KINDS)]
    rows: Annotated[list[Row], doc("One entry a row of the table.")]
