"""A diagnostic in every JSON document."""

from __future__ import annotations

from typing import Annotated

from typing_extensions import TypedDict

from glmdeploy.forms import doc


class DiagnosticForm(TypedDict):
    """One judgement, with its place; empty strings and zeros where a place has no line."""

    code: Annotated[str, doc("Code of the rule; `glmdeploy explain` has its page.", "GLM204", pattern="^GLM[0-9]{3}$")]
    level: Annotated[str, doc("How bad it is; only an error refuses.", "warning", values=("error", "warning", "note"))]
    message: Annotated[str, doc("What is wrong, in a sentence.", "tight: prefill chunk 2,048, memory fraction raised")]
    label: Annotated[str, doc("What is said at the place itself, where it differs.", "")]
    notes: Annotated[list[str], doc("Figures and sources behind the message.", ["headroom 1.20 GiB of 79.65 GiB"])]
    hint: Annotated[str, doc("What to do about it.", "8xH200 with `fp8` (TP8 x PP1) would be comfortable")]
    path: Annotated[str, doc("File, or option of the command line.", "prod.yaml", "--gpus 10xH100")]
    line: Annotated[int, doc("Line in the file, from 1; 0 for an option.", 7)]
    column: Annotated[int, doc("Column in the line, in characters from 1; 0 for an option.", 8)]
