"""The level at which each code is usually said. A finding may be milder or, by the profile's policy, harsher."""

from __future__ import annotations

from glmdeploy.diagnostics import Level

_WARNINGS = frozenset(
    [
        "GLM025",
        "GLM030",
        "GLM031",
        "GLM032",
        "GLM060",
        "GLM110",
        "GLM204",
        "GLM206",
        "GLM207",
        "GLM312",
        "GLM314",
        "GLM316",
        "GLM317",
        "GLM334",
        "GLM401",
        "GLM402",
        "GLM403",
        "GLM405",
        "GLM407",
        "GLM415",
        "GLM417",
        "GLM419",
        "GLM421",
        "GLM431",
        "GLM433",
        "GLM503",
        "GLM510",
        "GLM512",
        "GLM520",
        "GLM542",
        "GLM544",
        "GLM550",
        "GLM551",
        "GLM552",
        "GLM555",
        "GLM556",
        "GLM557",
        "GLM558",
        "GLM572",
        "GLM602",
        "GLM823",
        "GLM824",
        "GLM838",
        "GLM825",
        "GLM831",
        "GLM902",
    ]
)
_NOTES = frozenset(
    ["GLM571", "GLM208", "GLM220", "GLM335", "GLM336", "GLM390", "GLM406", "GLM420", "GLM507", "GLM546", "GLM821"]
)


def usual(code: str) -> Level:
    """The level of a code; an error unless the tables say less."""
    if code in _WARNINGS:
        return Level.WARNING
    return Level.NOTE if code in _NOTES else Level.ERROR
