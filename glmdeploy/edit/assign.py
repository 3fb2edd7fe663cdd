"""`KEY=VALUE` in a profile's file: what it would become, and what that would be judged as.

A change is kept when it brings no new error. A profile that was refused before can be mended in steps: errors that stay
do not stand in the way, and neither do those of a later stage (names after the schema, rules after names), which nobody
could see before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glmdeploy import source
from glmdeploy.diagnostics import Diagnostic, Drop, Level, ProfileError, Put, Span, WriteError
from glmdeploy.edit import files
from glmdeploy.edit.apply import apply
from glmdeploy.edit.secrets import secrets
from glmdeploy.profile import is_list, is_map, is_text, keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from glmdeploy.diagnostics import KeyPath
    from glmdeploy.pipeline import Outcome


@dataclass(frozen=True)
class Edited:
    """A profile's file, the text that it would get, and how both are judged."""

    file: files.File
    text: str
    before: Outcome
    after: Outcome
    keys: tuple[KeyPath, ...] = ()  # what was set

    @property
    def changed(self) -> bool:
        """Whether any character is another."""
        return self.text != self.file.text

    @property
    def refusals(self) -> tuple[Diagnostic, ...]:
        """The errors that the change brings; with any, it is not to be written."""
        if not self.changed:
            return ()
        errors = (d for d in self.after.found if d.level is Level.ERROR)
        return (*_exposed(self.before, self.after), *filter(self._brought, errors))

    def _brought(self, d: Diagnostic) -> bool:
        """Whether the change has to do with an error: it was not there, or the value that was set is refused itself."""
        old = (d.code, d.at) in {(o.code, o.at) for o in self.before.found}
        own = any(d.at[: len(at)] == at for at in self.keys)
        if d.at in self.keys or (own and self.after.profile is None):
            return True
        return not old and (own or _stage(self.after) <= _stage(self.before))

    @property
    def news(self) -> tuple[Diagnostic, ...]:
        """What there is to say about the result: its errors, and warnings that are new."""
        known = {(d.code, d.at) for d in self.before.found if d.level is not Level.ERROR}
        return tuple(d for d in self.after.found if (d.code, d.at) not in known)


def edit(file: files.File, settings: Sequence[str], unset: Sequence[str] = ()) -> Edited:
    """The file with every KEY=VALUE of ``settings`` in it, and without the keys of ``unset``.

    ProfileError or WriteError when the settings cannot be read, or the place cannot be changed in place.
    """
    puts, gone = [Put(*assignment(setting)) for setting in settings], [_key(key) for key in unset]
    places = [*(p.at for p in puts), *gone]
    if twice := next((at for at in places if places.count(at) > 1), None):
        raise _refused("GLM015", f"`{'.'.join(map(str, twice))}` is named twice", "")
    before = file.judged(file.text)
    drops = [Drop(at) for at in gone if _stands(before.source.data, at)]
    if other := files.elsewhere(before.source, drops):
        raise WriteError([other])
    text = apply(str(file.path), file.text, [*puts, *drops])
    return Edited(file, text, before, file.judged(text), tuple(p.at for p in puts))


def assignment(text: str, option: str = "") -> tuple[KeyPath, Any]:
    """The key and the value of `KEY=VALUE`; ProfileError (GLM014, GLM015). No message shows the value."""
    name, equals, value = text.partition("=")
    if not equals:
        raise _refused("GLM015", f"`{ascii(text)[1:-1]}` is not KEY=VALUE", option, "such as `serving.port=8080`")
    at = _key(name, option)
    if bad := source.controls(value):
        message = f"a control or bidirectional character is not allowed: {bad}"
        raise _refused("GLM014", message, f"{option}{ascii(name)[1:-1]}")
    return at, value_of(at, value, f"{option}{name}")


def _key(text: str, option: str = "") -> KeyPath:
    """A dotted key; below a section of the user's own names, the rest is one name with its dots."""
    parts = text.split(".")
    if not all(parts) or source.controls(text):
        shown = ascii(text)[1:-1]
        hint = "such as `serving.port`"
        raise _refused("GLM015", f"`{shown}` is not a dotted key of a profile", f"{option}{shown}", hint)
    for length in range(1, len(parts)):
        if is_map(tuple(parts[:length])):
            return (*parts[:length], ".".join(parts[length:]))
    return tuple(parts)


def value_of(at: KeyPath, text: str, place: str) -> Any:
    """A value as YAML has it; where the schema has a string it is one, and where a list, one value is one item.

    ProfileError (GLM015) at ``place`` when it is no YAML.
    """
    if is_text(at):
        return text
    try:
        parsed = source.scalar(text)
    except ProfileError as error:
        raise _refused("GLM015", f"`{'.'.join(map(str, at))}`: {error.diagnostics[0].message}", place) from None
    return [parsed] if is_list(at) and not isinstance(parsed, list) else parsed


def _stands(data: Any, at: KeyPath) -> bool:
    """Whether the document has the key; ProfileError (GLM010) where not even the schema does."""
    for key in at:
        if not isinstance(data, dict) or key not in data:
            if str(at[-1]) in keys(at[:-1]) or is_map(at[:-1]):
                return False
            raise _refused("GLM010", f"unknown key `{'.'.join(map(str, at))}`", f"--unset {'.'.join(map(str, at))}")
        data = data[key]
    return True


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


def _refused(code: str, message: str, place: str, hint: str = "") -> ProfileError:
    return ProfileError([Diagnostic(code, message, span=Span(place) if place else None, hint=hint)])
