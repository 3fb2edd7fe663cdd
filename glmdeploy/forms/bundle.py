"""The file that says which files of a folder are a bundle's."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from typing_extensions import TypedDict

from glmdeploy.forms import doc

_SHA256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
_Checksum = Annotated[str, doc("SHA-256 of the file.", _SHA256, pattern="^[0-9a-f]{64}$")]


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
