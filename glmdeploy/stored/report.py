"""The verdict on a folder of weights, for people and for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Level
from glmdeploy.units import plural

if TYPE_CHECKING:
    from glmdeploy.forms.weights import WeightsForm
    from glmdeploy.stored import Report


def for_people(report: Report) -> str:
    """One sentence."""
    errors = sum(d.level is Level.ERROR for d in report.found)
    what = (
        f"`{report.checkpoint.id}` ({report.checkpoint.repo})"
        if report.checkpoint
        else "no checkpoint of the catalogue"
    )
    if not report.shards:
        return f"{plural(errors, 'error')}: no weights that could be read\n"
    verdict = "complete" if report.usable else plural(errors, "error")
    if not report.tensors:
        return f"{report.whole} of {plural(report.shards, 'shard')} whole: {verdict}\n"
    counts = (
        f"{report.whole} of {plural(report.shards, 'shard')} whole, {report.tensors:,} tensors, {report.size:,} bytes"
    )
    return f"{what}: {counts}: {verdict}\n"


def as_json(report: Report) -> str:
    """One object, `glmdeploy-weights/v1`."""
    form: WeightsForm = {
        "format": "glmdeploy-weights/v1",
        "folder": str(report.folder),
        "asked": report.asked.id if report.asked else "",
        "checkpoint": report.checkpoint.id if report.checkpoint else "",
        "repository": report.checkpoint.repo if report.checkpoint else "",
        "usable": report.usable,
        "shards": report.shards,
        "whole_shards": report.whole,
        "tensors": report.tensors,
        "bytes": report.size,
        "diagnostics": [d.as_json() for d in report.found],
    }
    return json.dumps(form, indent=2, ensure_ascii=False) + "\n"
