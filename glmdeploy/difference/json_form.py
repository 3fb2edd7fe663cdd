"""A comparison as one JSON object: what is unknown is `[]` or empty, never null; members are only ever added."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from glmdeploy.difference.view import sentence

if TYPE_CHECKING:
    from glmdeploy.difference import Difference

FORMAT = "glmdeploy-diff/v1"


def render(d: Difference, *, text: bool = False) -> str:
    """The object; with ``text``, unified diffs of the files in it."""
    data = {
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
        "files": [{**x.as_json(), **({"diff": list(x.diff)} if text else {})} for x in d.files],
        "uncompared": list(d.uncompared),
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
