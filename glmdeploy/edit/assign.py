"""`KEY=VALUE` in a profile's file: what it would become, and what that would be judged as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmdeploy import source
from glmdeploy.diagnostics import Diagnostic, Drop, ProfileError, Put, Span, WriteError
from glmdeploy.edit import files
from glmdeploy.edit.apply import apply
from glmdeploy.edit.judged import judge
from glmdeploy.profile import is_list, is_map, is_text, keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glmdeploy.diagnostics import KeyPath
    from glmdeploy.edit.judged import Edited

_NULLS = ("", "~", "null", "Null", "NULL")  # what YAML reads as nothing; names of the user's own may be called so


def edit(file: files.File, settings: Sequence[str], unset: Sequence[str] = ()) -> Edited:
    """The file with every KEY=VALUE of ``settings`` in it, and without the keys of ``unset``.

    ProfileError or WriteError when the settings cannot be read, or the place cannot be changed in place.
    """
    puts, gone = [Put(*assignment(setting)) for setting in settings], [_key(key) for key in unset]
    places = [*(p.at for p in puts), *gone]
    if twice := next((at for at in places if places.count(at) > 1), None):
        raise _refused("GLM015", f"`{'.'.join(map(str, twice))}` is named twice", "")
    document = file.document(file.text)
    drops = [Drop(at) for at in gone if _stands(document.data, at)]
    if other := files.elsewhere(document, drops):
        raise WriteError([other])
    text = apply(str(file.path), file.text, [*puts, *drops])
    return judge(file, text, tuple(p.at for p in puts))


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
    if text in _NULLS and not is_map(at[:-1]):
        hint = "leave the key out of the profile; `set --unset KEY` takes it out"
        raise _refused("GLM015", f"`{'.'.join(map(str, at))}`: null is no value", place, hint)
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


def _refused(code: str, message: str, place: str, hint: str = "") -> ProfileError:
    return ProfileError([Diagnostic(code, message, span=Span(place) if place else None, hint=hint)])
