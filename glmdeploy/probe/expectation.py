"""Whether an answer is what a task expects."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.probe.tasks import Expect


def unmet(expect: Expect, answer: str) -> Iterator[str]:
    """A sentence for each expectation that the answer does not meet; nothing of the answer is repeated."""
    for text in expect.contains:
        if text not in answer:
            yield f"does not contain {text!a}"
    if expect.regex is not None and not re.search(expect.regex, answer):
        yield f"does not match {expect.regex!a}"
    if expect.json_schema is not None:
        yield from _json(expect.json_schema, answer)


def _json(schema: dict[str, Any], answer: str) -> Iterator[str]:
    """No reference leads out of the schema: nothing is fetched."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415  an extra, asked for when the tasks were read
    from referencing import Registry  # noqa: PLC0415  comes with it
    from referencing.exceptions import Unresolvable  # noqa: PLC0415

    try:
        document = json.loads(answer)
    except (ValueError, RecursionError):
        yield "is not JSON"
        return
    try:
        problem = next(Draft202012Validator(schema, registry=Registry()).iter_errors(document), None)
    except (Unresolvable, RecursionError):
        yield "cannot be judged: the schema refers to what is not in it"
        return
    if problem is not None:
        yield f"does not fit its schema at `{problem.json_path}` (`{problem.validator}`)"
