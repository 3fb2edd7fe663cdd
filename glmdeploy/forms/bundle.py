"""The file that says which files of a folder are a bundle's."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from typing_extensions import TypedDict

from glmdeploy.forms import doc

_SHA256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
_Checksum = Annotated[str, doc("SHA-256 of the file.", _SHA256, pattern="^[0-9a-f]{64}$")]


class SummaryForm(TypedDict):
    """The plan in a few words: what `diff` compares two bundles by."""

    verdict: Annotated[str, doc("The plan's verdict.", "fits")]
    checkpoint: Annotated[str, doc("Catalogue id of the weights.", "fp8")]
    framework: Annotated[str, doc("The framework's id.", "sglang")]
    version: Annotated[str, doc("The framework's release.", "0.5.21")]
    image: Annotated[str, doc("The image to run; empty where no target runs one.", "lmsysorg/sglang:v0.5.21")]
    gpu: Annotated[str, doc("The GPU's id in the catalogue.", "h200-sxm-141gb")]
    gpus: Annotated[int, doc("GPUs in all.", 8)]
    layout: Annotated[str, doc("The sizes of the layout.", "TP8 x PP1")]
    stages: Annotated[list[int], doc("Layers of each pipeline stage.", [78])]
    context: Annotated[int, doc("Tokens of the longest request.", 131072)]
    kv_tokens: Annotated[int, doc("Tokens in all KV caches.", 234688)]


class BundleForm(TypedDict):
    """`.glmdeploy.json` in a bundle: what glmdeploy wrote there."""

    format: Annotated[Literal["glmdeploy-bundle/v1"], doc("Name and version of this form.")]
    files: Annotated[
        dict[str, _Checksum], doc("Checksum of each file, by its path in the bundle.", {"script/leader.sh": _SHA256})
    ]
    external: NotRequired[
        Annotated[list[str], doc("Objects that the profile says exist elsewhere.", ["Secret/glm-api-key"])]
    ]
    image_digest: NotRequired[
        Annotated[str, doc("The profile's `policy.image_digest`, where it is not off.", values=("warn", "error"))]
    ]
    plan: NotRequired[Annotated[SummaryForm, doc("What was planned; absent in bundles of older versions.")]]
