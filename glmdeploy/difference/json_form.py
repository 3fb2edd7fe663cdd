"""A comparison as one JSON object: what is unknown is `[]` or empty, never null; members are only ever added."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from glmdeploy.difference.view import sentence

if TYPE_CHECKING:
    from glmdeploy.difference import Difference
    from glmdeploy.difference.files import FileDelta
    from glmdeploy.forms.diff import DiffForm, FileForm

FORMAT: Final = "glmdeploy-diff/v1"


def render(d: Difference, *, text: bool = False) -> str:
    """The object as text; with ``text``, unified diffs of the files in it."""
    return json.dumps(form(d, text=text), indent=2, ensure_ascii=False) + "\n"


def form(d: Difference, *, text: bool = False) -> DiffForm:
    """The object itself."""
    return {
        "format": FORMAT,
        "before": d.before.as_json(),
        "after": d.after.as_json(),
        "different": d.different,
        "sentence": sentence(d),
        "plan": [x.as_json() for x in d.plan],
        "memory": [x.as_json() for x in d.memory],
        "diagnostics": [x.as_json() for x in d.diagnostics],
        "profile": [x.as_json() for x in d.keys],
        "argv": [x.as_json() for x in d.argv],
        "env": [x.as_json() for x in d.env],
        "ports": [x.as_json() for x in d.ports],
        "kubernetes": [x.as_json() for x in d.kubernetes],
        "compose": [x.as_json() for x in d.compose],
        "files": [_file(x, text=text) for x in d.files],
        "uncompared": list(d.uncompared),
    }


def _file(delta: FileDelta, *, text: bool) -> FileForm:
    data = delta.as_json()
    if text:
        data["diff"] = list(delta.diff)
    return data
