"""What `validate-weights --format json` prints."""

from __future__ import annotations

from typing import Annotated, Literal

from typing_extensions import TypedDict

from glmdeploy.forms import doc
from glmdeploy.forms.diagnostic import DiagnosticForm


class WeightsForm(TypedDict):
    """The verdict on a folder of weights."""

    format: Annotated[Literal["glmdeploy-weights/v1"], doc("Name and version of this form.")]
    folder: Annotated[str, doc("The folder with the index; a snapshot where the hub's cache was given.", "/models/glm")]
    asked: Annotated[str, doc("Id of the checkpoint that was asked for; empty where none was.", "fp8")]
    checkpoint: Annotated[str, doc("Id of the checkpoint that it holds; empty where it is none known.", "fp8")]
    repository: Annotated[str, doc("Where that is published; empty where it is unknown.", "zai-org/GLM-5.2-FP8")]
    usable: Annotated[bool, doc("Whether a server may load it: no diagnostic is an error.")]
    shards: Annotated[int, doc("Shards that the index names; 0 without an index.", 141)]
    whole_shards: Annotated[int, doc("Shards that are there and whole.", 141)]
    tensors: Annotated[int, doc("Tensors of the whole shards.", 118_629)]
    bytes: Annotated[int, doc("Their bytes.", 755_617_140_416)]
    diagnostics: Annotated[list[DiagnosticForm], doc("What is wrong, and what is worth knowing.")]
