"""The file of image digests, and what `images list --format json` prints."""

from __future__ import annotations

from typing import Annotated, Literal

from typing_extensions import TypedDict

from glmdeploy.forms import doc

_SHA256 = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
_Digest = Annotated[str, doc("Digest of a manifest.", _SHA256, pattern="^sha256:[0-9a-f]{64}$")]


class ImagesForm(TypedDict):
    """`images.lock.yaml`: digests that `glmdeploy images lock` got from the registries."""

    format: Annotated[Literal["glmdeploy-images/v1"], doc("Name and version of this form.")]
    images: Annotated[
        dict[str, _Digest], doc("Digest of each image, by its reference with a tag.", {"registry.io/a:1": _SHA256})
    ]


class ImageForm(TypedDict):
    """One image."""

    image: Annotated[str, doc("The reference with its tag.", "lmsysorg/sglang:v0.5.21-cu130")]
    digest: Annotated[str, doc("Its digest; empty where the file knows none.", "", _SHA256)]


class ImageListForm(TypedDict):
    """What `glmdeploy images list --format json` prints: the documented images, and those of the file."""

    format: Annotated[Literal["glmdeploy-image-list/v1"], doc("Name and version of this form.")]
    images: Annotated[list[ImageForm], doc("The images, sorted by reference.")]
