"""What every JSON document of the tool holds: the types that its writers fill, and that `glmdeploy schema` prints.

A writer is checked against its form by the type checker, and its output against the schema by the tests, so neither
can drift. Members are only ever added to a version; what is unknown is empty and never null.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field
from typing_extensions import TypedDict


def doc(text: str, *examples: object, values: tuple[str, ...] = (), pattern: str | None = None) -> Any:
    """A member's description and examples; ``values`` are all that it may be.

    Groups need no examples: the schema makes theirs of their members'.
    """
    extra: dict[str, Any] = {"enum": list(values)} if values else {}
    return Field(description=text, examples=list(examples) or None, json_schema_extra=extra, pattern=pattern)


class EmptyForm(TypedDict):
    """An object without members: the profile was refused before anything was known."""
