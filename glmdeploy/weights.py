"""Where the weights are: the profile's section, and the one place that it means.

The names are the site's own, so nothing in the catalogue could look them up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from glmdeploy import reference
from glmdeploy.fields import Strict, Text, Word, absolute, clean, dns_name, says, web_address

if TYPE_CHECKING:
    from collections.abc import Iterator

PullPolicy = Literal["Always", "IfNotPresent", "Never"]
PLACES = ("path", "hub", "claim", "oci", "object_store")
# key -> the places that it belongs to
_BELONGS = {
    "revision": ("hub",),
    "oci_folder": ("oci",),
    "oci_pull": ("oci",),
    "endpoint": ("object_store",),
    "region": ("object_store",),
}
_S3_ONLY = ("endpoint", "region")
# A bucket's name as S3 and Google take it, and keys that need no quoting in a shell, an address or a file name.
_STORE = r"(s3|gs)://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9](/(?!\.{1,2}(/|$))[A-Za-z0-9_.+=-]+)*/?"
# No folder of the path is empty, `.` or `..`.
_RELATIVE = r"(?!(.*/)?\.{0,2}(/|$)).+"


@says(pattern=f"^{reference.TAGGED}$")
def _image(text: str) -> str:
    """An image with a tag or digest; ValueError otherwise."""
    found = reference.parse(clean(text))
    if found is None or not (found.tag or found.digest):
        raise ValueError("must be an image with a tag or a digest, such as `registry.example.com/models/glm:fp8-1`")
    return text


@says(pattern=f"^{_RELATIVE}$")
def _relative(text: str) -> str:
    """A folder below another; ValueError otherwise."""
    if not re.fullmatch(_RELATIVE, clean(text)):
        raise ValueError("must be a folder without `/` in front and without `..`")
    return text


@says(pattern=f"^{_STORE}$")
def _store(text: str) -> str:
    """The address of a folder in an object store, without a `/` at the end; ValueError otherwise."""
    if not re.fullmatch(_STORE, text):
        raise ValueError(
            "must be `s3://BUCKET/PREFIX` or `gs://BUCKET/PREFIX`: letters, digits and `._+=-`, no credentials"
        )
    return text.rstrip("/")


class WeightSource(Strict):
    """Where the weights are: exactly one of a path on the hosts, a hub repository, a Kubernetes claim, an image or a store.

    Beside `object_store`, `path` is the folder that the download fills. `revision` alone is of the checkpoint's own hub
    repository.
    """

    path: Annotated[str, AfterValidator(absolute)] | None = Field(
        None,
        description="Folder with the checkpoint on every host. Beside `object_store`: the folder that the download fills, "
        "on hosts and in pods. Default there: /models/BUCKET--PREFIX.",
    )
    hub: Text | None = Field(None, description="Repository on the hub, such as `zai-org/GLM-5.2-FP8`.")
    revision: Text | None = Field(
        None, description="Commit or tag of the hub repository; alone, of the checkpoint's own."
    )
    claim: Annotated[str, AfterValidator(dns_name)] | None = Field(
        None, description="Existing PersistentVolumeClaim with the checkpoint at its root."
    )
    oci: Annotated[str, AfterValidator(_image)] | None = Field(
        None,
        description="OCI image or artifact with the checkpoint, mounted as a Kubernetes image volume (1.33 or newer).",
    )
    oci_folder: Annotated[str, AfterValidator(_relative)] | None = Field(
        None, description="Folder of the checkpoint inside that image. Default: its root."
    )
    oci_pull: PullPolicy | None = Field(
        None, description="When the kubelet pulls that image: Always, IfNotPresent or Never. Default: IfNotPresent."
    )
    object_store: Annotated[str, AfterValidator(_store)] | None = Field(
        None, description="Folder of the checkpoint in an object store: `s3://BUCKET/PREFIX` or `gs://BUCKET/PREFIX`."
    )
    endpoint: Annotated[str, AfterValidator(web_address)] | None = Field(
        None, description="Address of an S3-compatible store that is not Amazon's."
    )
    region: Word | None = Field(None, description="Region of the S3 bucket, where the store wants one.")

    @property
    def revision_alone(self) -> bool:
        """Whether it names a revision and nothing else: of the checkpoint's own repository, then."""
        return {key for key in type(self).model_fields if getattr(self, key)} == {"revision"}


@dataclass(frozen=True)
class Weights:
    """Where the weights are. One of ``path``, ``hub``, ``claim`` and ``oci`` is not empty.

    ``path`` is the folder on every host; where ``store`` is not empty, a download fills it from there.
    """

    path: str = ""
    hub: str = ""
    revision: str = ""
    claim: str = ""
    oci: str = ""
    oci_folder: str = ""
    oci_pull: PullPolicy = "IfNotPresent"
    store: str = ""
    endpoint: str = ""
    region: str = ""

    @property
    def fetched(self) -> bool:
        """Whether a download brings the weights before the server starts."""
        return bool(self.hub or self.store)

    @property
    def scheme(self) -> str:
        """``s3`` or ``gs``; empty where the weights are in no object store."""
        return self.store.partition("://")[0]


def misplaced(source: WeightSource) -> Iterator[tuple[str, str]]:
    """What of the section contradicts itself: a key (empty: the section), and what is wrong with it."""
    given = [key for key in PLACES if getattr(source, key)]
    if given != ["path", "object_store"] and len(given) != 1:
        yield "", "give exactly one of `path`, `hub`, `claim`, `oci` and `object_store`"
        return
    for key, places in _BELONGS.items():
        if getattr(source, key) and given[-1] not in places:
            yield key, f"`{key}` belongs to `{places[0]}`"
    if source.object_store and source.object_store.startswith("gs:"):
        yield from ((key, f"`{key}` belongs to stores of `s3://`") for key in _S3_ONLY if getattr(source, key))
    if source.object_store and source.path and source.path.rstrip("/").count("/") < 2:  # noqa: PLR2004  /FOLDER/NAME
        yield "path", "the download needs a folder below another, such as `/models/glm-5.2`: pods mount the upper one"


def placed(source: WeightSource) -> Weights:
    """The place that a section without contradictions names."""
    path = source.path or ""
    if source.object_store:
        path = path.rstrip("/") or "/models/" + source.object_store.partition("://")[2].replace("/", "--")
    return Weights(
        path=path,
        hub=source.hub or "",
        revision=source.revision or "",
        claim=source.claim or "",
        oci=source.oci or "",
        oci_folder=source.oci_folder or "",
        oci_pull=source.oci_pull or "IfNotPresent",
        store=source.object_store or "",
        endpoint=source.endpoint or "",
        region=source.region or "",
    )
