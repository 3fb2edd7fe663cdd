"""`lint --fix`: the safe fixes of a profile's diagnostics, one after the other, each judged before it is kept.

A fix is dropped when it would make a profile refused that was accepted, or when the plan beside it would be another.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Level, ProfileError, WriteError
from glmdeploy.edit import files
from glmdeploy.edit.apply import apply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glmdeploy.diagnostics import Diagnostic, Edit, KeyPath
    from glmdeploy.pipeline import Outcome

MOST = 200  # fixes of one file: each changes its text, so more would mean that two undo each other

_PLANNED = ("layout", "memory", "settings", "verdict")


@dataclass
class Fixed:
    """A profile's file, the text that the fixes give it, what they did, and which could not be made in place."""

    file: files.File
    text: str
    done: list[tuple[str, str]] = field(default_factory=list)  # code and sentence
    blocked: list[Diagnostic] = field(default_factory=list)


def mend(names: Iterable[str], *, write: bool) -> tuple[list[Fixed], list[Diagnostic]]:
    """What the fixes do to the profiles that are files, and errors of writing; what is no profile is left alone."""
    mended: list[Fixed] = []
    found: list[Diagnostic] = []
    for name in names:
        if not Path(name).is_file():
            continue
        try:
            fixed = mended_text(files.read(Path(name)))
            if write and fixed.done:
                fixed.file.write(fixed.text)
        except ProfileError:  # lint says what is wrong with it
            continue
        except WriteError as error:
            found += error.diagnostics
            continue
        mended.append(fixed)
        found += fixed.blocked
    return mended, found


def mended_text(file: files.File) -> Fixed:
    """Every safe fix in the text of one profile; nothing is written."""
    fixed = Fixed(file, file.text)
    outcome = file.judged(file.text)
    tried: set[tuple[str, KeyPath]] = set()
    while len(fixed.done) < MOST:
        left = [
            (d, d.fix)
            for d in outcome.found
            if d.fix and (d.code, d.at) not in tried and not _kept(outcome, d.fix.edits)
        ]
        if not left:
            break
        edits = left[0][1].edits
        peers = [(d, fix) for d, fix in left if fix.edits == edits]  # several diagnostics may have one cure
        tried |= {(d.code, d.at) for d, _ in peers}
        text = _applied(fixed, edits)
        after = file.judged(text)
        if text != fixed.text and safe(outcome, after):
            fixed.text, outcome = text, after
            fixed.done += [(d.code, fix.message) for d, fix in peers]
            tried.clear()
    return fixed


def _kept(outcome: Outcome, edits: Iterable[Edit]) -> bool:
    """Whether an edit is not to be made: it is another file's, or a comment silences a finding that it would mend."""
    silenced = [edit for s in outcome.silenced if s.diagnostic.fix for edit in s.diagnostic.fix.edits]
    return any(edit in silenced for edit in edits) or files.elsewhere(outcome.source, edits) is not None


def _applied(fixed: Fixed, edits: Iterable[Edit]) -> str:
    """The text after a fix; as it was, where the fix cannot be made in place."""
    try:
        return apply(str(fixed.file.path), fixed.text, edits)
    except WriteError as error:
        fixed.blocked += [replace(d, level=Level.NOTE) for d in error.diagnostics]
        return fixed.text


def safe(before: Outcome, after: Outcome) -> bool:
    """Whether a fix left an accepted profile accepted, and its plan as it was."""
    if before.plan is None or after.plan is None:
        return before.plan is None
    if any(getattr(before.plan, name) != getattr(after.plan, name) for name in _PLANNED):
        return False
    return before.refused or not after.refused
