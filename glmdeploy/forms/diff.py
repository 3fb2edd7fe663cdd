"""What `diff --format json` prints."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from typing_extensions import TypedDict

from glmdeploy.forms import doc

KINDS = ("profile", "bundle")
CHANGES = ("renamed", "removed", "added", "changed", "new default")
_Change = Annotated[str, doc("What became of it.", "changed", values=CHANGES)]


class SideForm(TypedDict):
    """One of the two."""

    name: Annotated[str, doc("The side as it was named.", "prod.yaml@main")]
    kind: Annotated[str, doc("What it is.", "profile", values=KINDS)]
    verdict: Annotated[str, doc("The plan's verdict; empty where a bundle does not say it.", "fits")]
    refused: Annotated[bool, doc("Whether nothing is rendered of it.")]


class DeltaForm(TypedDict):
    """One difference."""

    name: Annotated[str, doc("A figure, option, variable, key, code or field.", "context", "--context-length")]
    change: _Change
    before: Annotated[str, doc("In the first; empty where it is not there.", "131,072")]
    after: Annotated[str, doc("In the second; empty where it is not there.", "65,536")]
    by: Annotated[int, doc("The signed difference of two numbers, else 0.", -65536)]
    where: Annotated[str, doc("The role or the ranks that differ; empty for all.", "leader", "rank 1")]
    why: Annotated[str, doc("What the data proves of the reason; may be empty.", "means the same")]


class MemoryDeltaForm(TypedDict):
    """One part of the memory of one GPU, in pipeline stages that differ alike."""

    stages: Annotated[list[int], doc("The stages, from 0.", [0, 1])]
    part: Annotated[str, doc("What the memory is for.", "weights", "KV")]
    change: _Change
    before_bytes: Annotated[int, doc("Bytes in the first; 0 where it lacks the stage.", 96111403008)]
    after_bytes: Annotated[int, doc("Bytes in the second; 0 where it lacks the stage.", 48055701504)]
    by_bytes: Annotated[int, doc("The signed difference, bytes.", -48055701504)]


class ThingForm(TypedDict):
    """A Kubernetes object, or what a Compose file holds."""

    name: Annotated[str, doc("Kind, namespace and name, or file and service.", "Deployment llm/prod")]
    change: _Change
    file: Annotated[str, doc("The file that holds it.", "kubernetes/deployment.yaml")]
    why: Annotated[str, doc("What applying the change does; may be empty.", "its pods are replaced")]
    fields: Annotated[list[DeltaForm], doc("The fields that differ, by dotted path; secrets are `***`.")]


class FileForm(TypedDict):
    """A file that differs."""

    path: Annotated[str, doc("Its path in the bundle.", "script/serve.sh")]
    change: _Change
    added_lines: Annotated[int, doc("Lines that came.", 2)]
    removed_lines: Annotated[int, doc("Lines that went.", 1)]
    why: Annotated[str, doc("Why no more is said; may be empty.", "line ends alone")]
    diff: NotRequired[Annotated[list[str], doc("With --text, the lines of its unified diff.", ["--- a/x", "+++ b/x"])]]


class DiffForm(TypedDict):
    """What `glmdeploy diff --format json` prints."""

    format: Annotated[Literal["glmdeploy-diff/v1"], doc("Name and version of this form.")]
    before: Annotated[SideForm, doc("The first of the two.")]
    after: Annotated[SideForm, doc("The second of the two.")]
    different: Annotated[bool, doc("Whether anything differs.")]
    sentence: Annotated[str, doc("What matters first, in one line.", "Context 131,072 -> 65,536 tokens")]
    plan: Annotated[list[DeltaForm], doc("Figures of the plan that differ.")]
    memory: Annotated[list[MemoryDeltaForm], doc("Parts of a GPU's memory that differ.")]
    diagnostics: Annotated[list[DeltaForm], doc("Diagnostics of one of the two alone.")]
    profile: Annotated[list[DeltaForm], doc("Keys of the profiles that differ, as they are written.")]
    argv: Annotated[list[DeltaForm], doc("Options that differ.")]
    env: Annotated[list[DeltaForm], doc("Environment variables that differ.")]
    ports: Annotated[list[DeltaForm], doc("Ports that differ.")]
    kubernetes: Annotated[list[ThingForm], doc("Kubernetes objects that differ.")]
    compose: Annotated[list[ThingForm], doc("What differs in Compose files.")]
    files: Annotated[list[FileForm], doc("Files that differ.")]
    uncompared: Annotated[list[str], doc("What could not be compared, and why.", ["the plan is not compared"])]
