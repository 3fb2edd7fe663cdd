"""Safe fixes of words in `extra_args`: what means the same to the framework's parser, by its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Drop, Fix, Put
from glmdeploy.rules import renames

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packaging.version import Version

    from glmdeploy.commandline import CommandLine, Given
    from glmdeploy.flags import Framework
    from glmdeploy.rules.arguments import Finding


def fix(framework: Framework, version: Version, words: tuple[str, ...], finding: Finding) -> Fix | None:
    """What to write instead of the word of ``finding``: the full name, or the successor; None where none is sure."""
    word = words[finding.index]
    if finding.full:
        head, equals, value = word.partition("=")
        edit = Put(("extra_args", finding.index), finding.full + equals + value)
        return Fix(f"`{head}` is written out: `{finding.full}`", (edit,))
    if finding.code not in {"GLM411", "GLM417"}:
        return None
    found = renames.rename(framework, version, version, words, deprecated=True)
    renamed = next((r for r in found if finding.index in r.words), None)
    if renamed is None:
        return None
    # all at once: one of two renamed options without the other may be refused
    return Fix(f"`{renamed.before}` becomes `{renamed.after}`", tuple(renames.edits(found)))


def said_already(given: Given, words: Sequence[str], lines: Sequence[CommandLine]) -> Fix | None:
    """Take out an option that every process has with the same value already."""
    ours = [line.last(given.option.name) for line in lines]
    if given.option.repeatable or any(o is None or (o.values, o.off) != (given.values, given.off) for o in ours):
        return None
    attached = "=" in words[given.index]
    last = given.index + (0 if attached else len(given.values))
    edits = tuple(Drop(("extra_args", index)) for index in range(last, given.index - 1, -1))
    return Fix(f"`{given.written}` goes: the plan says the same", edits)
