"""`glmdeploy.lock`: what the bundles of a workspace were rendered from."""

from __future__ import annotations

from typing import Annotated, Literal

from typing_extensions import TypedDict

from glmdeploy.forms import doc

_SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class DeploymentLock(TypedDict):
    """One bundle, and the inputs that were its own."""

    output: Annotated[str, doc("Folder of the bundle, relative to the lock file.", "clusters/prod/glm")]
    profile: Annotated[str, doc("The profile's file, relative to the lock file.", "profiles/prod.yaml")]
    environment: Annotated[str, doc("Environment of the workspace; empty where none is named.", "prod")]
    inputs: Annotated[
        dict[str, str],
        doc(
            "What was laid over each other, weakest first -> SHA-256 of its data as JSON: comments and order do not count.",
            {"glmdeploy.yaml defaults": _SHA, "profiles/prod.yaml": _SHA},
        ),
    ]
    catalogue: Annotated[
        list[str], doc("Files of the catalogue that the plan is made of.", ["gpus/h200-sxm-141gb.yaml"])
    ]
    images: Annotated[
        dict[str, str],
        doc(
            "Image -> the digest that the bundle pins; empty where `images.lock.yaml` knows none.",
            {"lmsysorg/sglang:v0.5.21": f"sha256:{_SHA}"},
        ),
    ]


class LockForm(TypedDict):
    """The whole file."""

    format: Annotated[Literal["glmdeploy-lock/v1"], doc("Name and version of this form.")]
    tool: Annotated[str, doc("Version of glmdeploy that rendered the bundles.", "0.1.0")]
    templates: Annotated[str, doc("SHA-256 over its templates.", _SHA)]
    catalogue: Annotated[
        dict[str, str],
        doc("File of the catalogue -> SHA-256, for all that the bundles use.", {"models/glm-5.2.yaml": _SHA}),
    ]
    deployments: Annotated[list[DeploymentLock], doc("The bundles, sorted by folder.")]
