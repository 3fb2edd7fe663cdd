"""The user's `glmdeploy.yaml`: what profiles share, what an environment changes, and which bundle goes where."""

from __future__ import annotations

from copy import copy
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, create_model

from glmdeploy.fields import Strict, Text, dns_label, says
from glmdeploy.profile import Profile

API_VERSION = "glmdeploy-workspace/v1"
# Each profile says itself what it is and what it runs on.
OWN = frozenset({"apiVersion", "name", "extends"})
SHARED = OWN | {"cluster", "framework"}


@says(pattern=r"^(?!/)(?!(.*/)?\.\.(/|$))(?!(.*/)?\.git(/|$))[^\\]+$")
def inside(text: str) -> str:
    """A path below the workspace's folder; ValueError otherwise."""
    path = PurePosixPath(text)
    if ".git" in path.parts:
        raise ValueError("must not be inside `.git`")
    if path.is_absolute() or ".." in path.parts or not path.parts or "\\" in text:
        raise ValueError("must be a path below the folder of the workspace file, with `/` and without `..`")
    return text


Inside = Annotated[Text, AfterValidator(inside)]


def _partial(model: type[BaseModel], name: str, leave_out: frozenset[str] = frozenset()) -> type[BaseModel]:
    """The model with every key optional, at any depth."""
    fields: dict[str, Any] = {}
    for key, field in model.model_fields.items():
        if key in leave_out:
            continue
        info = copy(field)
        if isinstance(field.default, str | bool):
            info.examples = info.examples or [field.default]
        info.default, info.default_factory = None, None
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            info.annotation = _partial(kind, f"{name}{kind.__name__}")
        fields[key] = (info.annotation, info)
    return create_model(name, __base__=Strict, __doc__=model.__doc__, **fields)


if TYPE_CHECKING:

    class Defaults(Strict):
        """Some keys of a profile."""

    class Overlay(Strict):
        """Some keys of a profile."""
else:
    Defaults = _partial(Profile, "Defaults", SHARED)
    Overlay = _partial(Profile, "Overlay", OWN)


class DeploymentEntry(Strict):
    """One bundle: a profile, perhaps in an environment, rendered into a folder."""

    profile: Inside = Field(description="The profile's file, relative to this one.")
    output: Inside = Field(description="Folder of the bundle, relative to this file.")
    environment: Annotated[str, AfterValidator(dns_label)] | None = Field(
        None, description="One of `environments`: its keys win over the profile's."
    )
    keep: Annotated[tuple[Inside, ...], Field(strict=False)] = Field(
        (), description="Files of yours inside the bundle's folder that `check` leaves alone, such as `patches/*.yaml`."
    )


class WorkspaceFile(Strict):
    """What the profiles of a repository share, and the bundles that are rendered from them."""

    apiVersion: Literal["glmdeploy-workspace/v1"] = Field(description="Version of this format.")  # noqa: N815  as written
    defaults: Defaults = Field(
        default_factory=Defaults, description="Keys of a profile that count wherever the profile does not set them."
    )
    environments: dict[Annotated[str, AfterValidator(dns_label)], Overlay] = Field(
        default_factory=dict, description="Name -> keys of a profile that win over the profile's own."
    )
    deployments: Annotated[tuple[DeploymentEntry, ...], Field(strict=False)] = Field(
        (), description="What `render --all` writes and `check` compares."
    )
