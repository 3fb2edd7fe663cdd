"""A profile in another version of its framework: what changes and why, and the profile's text with it.

The target is the same document with another version, and with the words of `extra_args` that the version
renamed; both are judged as always, and compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import Version

from glmdeploy import catalog, pipeline
from glmdeploy.diagnostics import Diagnostic, ProfileError, Span
from glmdeploy.rules.renames import Rename, rename
from glmdeploy.source import Source, controls
from glmdeploy.upgrade.compare import Change, compare

if TYPE_CHECKING:
    from glmdeploy.flags import Framework
    from glmdeploy.pipeline import Outcome

__all__ = ["Change", "Rename", "Upgrade", "upgrade"]
_AT, _EXTRA = ("framework", "version"), "extra_args"


@dataclass(frozen=True)
class Upgrade:
    """One profile in two versions of its framework, and the difference in stable order."""

    framework: Framework
    old: str
    new: str
    before: Outcome
    after: Outcome
    renames: tuple[Rename, ...]
    changes: tuple[Change, ...]

    @property
    def compared(self) -> bool:
        """Whether both versions have processes, so that options and variables could be compared."""
        return bool(self.before.processes and self.after.processes)


def upgrade(document: Source, to: str) -> Upgrade:
    """The profile in ``document`` with version ``to``; ProfileError when it is no profile of a known framework."""
    place = Span(f"--to {ascii(to)[1:-1]}")
    if bad := controls(to):
        message = f"a control or bidirectional character is not allowed: {bad}"
        raise ProfileError([Diagnostic("GLM014", message, span=place)])
    before = pipeline.judge(document)
    profile = before.profile
    framework = catalog.load().frameworks.get(profile.framework.name.lower()) if profile else None
    if profile is None or framework is None:
        raise ProfileError(before.found)
    old = before.plan.spec.version if before.plan else _version(profile.framework.version) or framework.default
    asked = _version(to)
    new = next((v for v in framework.tested if v == asked), asked)  # as the image's tag spells it: 0.31.0, not 0.31
    renames = rename(framework, old, new, profile.extra_args) if new else ()
    text = str(new) if new else to
    after = pipeline.judge(_target(document, text, renames, place))
    return Upgrade(framework, str(old), text, before, after, renames, compare(before, after, renames))


def _version(text: str | None) -> Version | None:
    try:
        return Version(text) if text else None
    except ValueError:  # InvalidVersion, and more digits than Python takes
        return None


def _target(document: Source, version: str, renames: tuple[Rename, ...], place: Span) -> Source:
    data = {**document.data, "framework": {**document.data["framework"], "version": version}}
    spans = {at: span for at, span in document.spans.items() if at[:1] != (_EXTRA,) or len(at) == 1}
    edits = {index: word for r in renames for index, word in r.words.items()}
    beside = {min(r.words): r.beside for r in renames if r.beside}
    words = [
        (word, document.spans.get((_EXTRA, i)))
        for i, w in enumerate(data.get(_EXTRA) or ())
        for word in (edits.get(i, w), *filter(None, [beside.get(i)]))
    ]
    kept = [(word, span) for word, span in words if word is not None]
    if words:
        data[_EXTRA] = [word for word, _ in kept]
        spans |= {(_EXTRA, i): span for i, (_, span) in enumerate(kept) if span}
    return Source(document.path, data, document.lines, {**spans, _AT: place}, document.ignores)
