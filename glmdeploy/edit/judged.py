"""A change of a profile's file, judged in every use that it reaches: what it brings, and where it has no effect.

A change is kept when it brings no new error. A profile that was refused before can be mended in steps: errors that stay
do not stand in the way, and neither do those of a later stage (names after the schema, rules after names), which nobody
could see before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Diagnostic, Level
from glmdeploy.edit.secrets import secrets
from glmdeploy.uses import joined, real_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glmdeploy.diagnostics import KeyPath
    from glmdeploy.edit.files import File
    from glmdeploy.pipeline import Outcome
    from glmdeploy.source import Source
    from glmdeploy.uses import Use


@dataclass(frozen=True)
class Judged:
    """One use of the file, before the change and after it."""

    use: Use
    before: Outcome
    after: Outcome

    def refusals(self, keys: tuple[KeyPath, ...]) -> tuple[Diagnostic, ...]:
        """The errors that the change of ``keys`` brings here."""
        errors = (d for d in self.after.found if d.level is Level.ERROR)
        return (*_exposed(self.before, self.after), *(d for d in errors if self._brought(d, keys)))

    def _brought(self, d: Diagnostic, keys: tuple[KeyPath, ...]) -> bool:
        """Whether the change has to do with an error: it was not there, or the value that was set is refused itself."""
        old = (d.code, d.at) in {(o.code, o.at) for o in self.before.found}
        own = any(d.at[: len(at)] == at for at in keys)
        if d.at in keys or (own and self.after.profile is None):
            return True
        return not old and (own or _stage(self.after) <= _stage(self.before))

    @property
    def news(self) -> tuple[Diagnostic, ...]:
        """What there is to say about the result: its errors, and warnings that are new."""
        known = {(d.code, d.at) for d in self.before.found if d.level is not Level.ERROR}
        return tuple(d for d in self.after.found if (d.code, d.at) not in known)


@dataclass(frozen=True)
class Edited:
    """A profile's file, the text that it would get, and how each use of both is judged."""

    file: File
    text: str
    judged: tuple[Judged, ...]
    keys: tuple[KeyPath, ...] = ()  # what was set

    @property
    def changed(self) -> bool:
        """Whether any character is another."""
        return self.text != self.file.text

    @property
    def refused(self) -> bool:
        """Whether any use of the result has an error."""
        return any(j.after.refused for j in self.judged)

    @property
    def refusals(self) -> tuple[Diagnostic, ...]:
        """The errors that the change brings to any use; with any, it is not to be written."""
        if not self.changed:
            return ()
        return tuple(joined((j.use, j.refusals(self.keys)) for j in self.judged))

    @property
    def news(self) -> tuple[Diagnostic, ...]:
        """What there is to say about the result: its errors, new warnings, and keys that were set in vain."""
        return (*joined((j.use, j.news) for j in self.judged), *self._shadowed())

    def _shadowed(self) -> Iterator[Diagnostic]:
        """A warning for each key that every use takes from another file: the environment, or a profile that extends this."""
        real, first = real_path(str(self.file.path)), self.judged[0].after.source
        hidden = set(secrets(first.data))
        for at in (leaf for key in self.keys for leaf in _leaves(first, key)):
            spans = [span for j in self.judged if (span := j.after.source.locate(at)) and real_path(span.path) != real]
            if len(spans) == len(self.judged):
                message = f"`{'.'.join(map(str, at))}` has no effect: `{spans[0].path}` sets it too"
                hint = "change it there, or take it out there"
                said = Diagnostic("GLM052", message, Level.WARNING, at=at, hint=hint, hide=at in hidden)
                yield from first.place([said])


def judge(file: File, text: str, keys: tuple[KeyPath, ...] = ()) -> Edited:
    """The change of ``file`` into ``text``, judged in every use; ProfileError when either is no document."""
    uses = file.uses
    return Edited(file, text, tuple(Judged(u, file.used(u, file.text), file.used(u, text)) for u in uses), keys)


def _leaves(document: Source, key: KeyPath) -> list[KeyPath]:
    """The single values and lists at and below a key that was set."""
    below = [at for at in document.spans if at[: len(key)] == key and not any(isinstance(k, int) for k in at)]
    return [at for at in below if not any(o != at and o[: len(at)] == at for o in below)]


def _stage(outcome: Outcome) -> int:
    """How far a profile was judged: schema, names, rules."""
    return 0 if outcome.profile is None else 1 if outcome.plan is None else 2


def _exposed(before: Outcome, after: Outcome) -> Iterable[Diagnostic]:
    """Secrets that the change would put into the file, also where the rules cannot speak yet."""
    known = set(secrets(before.source.data))
    said = {d.at for d in after.found if d.hide}
    message, hint = "a secret would stand in the profile", "name an existing secret under `secrets`"
    found = [
        Diagnostic("GLM601", message, at=at, hint=hint, hide=True)
        for at in dict.fromkeys(secrets(after.source.data))
        if at not in known | said and at[:1] != ("secrets",)
    ]
    return after.source.place(found)
