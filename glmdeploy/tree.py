"""YAML text to a plain tree of values, and where each of them is written.

The offsets come from ruamel's events, which know begin and end; its tree alone knows only where something begins, and
of what `<<` merges or an empty value not even that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

from glmdeploy.diagnostics import Diagnostic, ProfileError, Span
from glmdeploy.lines import Places, controls

if TYPE_CHECKING:
    from glmdeploy.diagnostics import KeyPath

MAX_NODES = 20_000  # aliases can multiply a small file without end
MAX_DEPTH = 50  # no profile nests a tenth of that
_ANCHOR = re.compile(r"&[^\s,\[\]{}]+(?:\s+(?:#[^\r\n]*)?)*")  # and what stands between it and its value


def load(places: Places) -> tuple[Any, Scalars]:
    """The tree of ruamel, and where its scalars stand; ProfileError with a GLM0xx code for what is no YAML of ours."""
    from ruamel.yaml import YAML  # noqa: PLC0415  slow to import, and only needed for files
    from ruamel.yaml.constructor import DuplicateKeyError  # noqa: PLC0415
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415

    start = Span(places.name, 1, 1, 1, places.line(1))
    try:
        scalars = _scalars(places)
        return YAML(typ="rt", pure=True).load(StringIO(places.text)), scalars
    except DuplicateKeyError as error:
        message = str(error.problem).partition(" with value")[0].replace('"', "`")
        raise refused("GLM004", message, _mark(places, error.problem_mark), hint="keep one of the two") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(str(error.problem or error.context or "not valid YAML").split())
        raise refused("GLM003", f"not valid YAML: {problem}", _mark(places, mark)) from None
    except RecursionError:
        raise refused("GLM006", "the document is nested too deeply", start) from None
    except (YAMLError, ValueError, OverflowError) as error:
        problem = " ".join(str(error).split())[:200]
        offset = getattr(error, "position", 0)  # a character that YAML does not allow has a place, and no mark
        raise refused("GLM003", f"not valid YAML: {problem}", places.span(offset, offset)) from None


# Offsets of begin and end of scalars, by the line and column (from 0) at which ruamel's tree places their nodes. Two share
# a place where nothing is written: an empty value is placed at the next key.
Scalars = dict[tuple[int, int], list[tuple[int, int]]]


def _scalars(places: Places) -> Scalars:
    """Where each scalar stands; refuse tags, further documents and aliases inside their own anchor first."""
    from ruamel.yaml import YAML  # noqa: PLC0415  slow to import
    from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent, ScalarEvent  # noqa: PLC0415

    opened: list[str | None] = []
    found: Scalars = {}
    documents = 0
    for event in YAML(typ="rt", pure=True).parse(StringIO(places.text)):
        documents += type(event).__name__ == "DocumentStartEvent"
        if isinstance(event, CollectionEndEvent):
            opened.pop()
        _refuse_unusual(places, event, opened, documents)
        if isinstance(event, CollectionStartEvent):
            opened.append(event.anchor)
        if isinstance(event, ScalarEvent):
            start, end = event.start_mark.index, event.end_mark.index
            position = event.start_mark.line, event.start_mark.column
            found.setdefault(position, []).append((after_anchor(places.text, start), end))
    return found


def after_anchor(text: str, offset: int) -> int:
    """Where a value begins whose node begins at ``offset``: behind its anchor, if it has one."""
    anchor = _ANCHOR.match(text, offset)
    return anchor.end() if anchor else offset


def _refuse_unusual(places: Places, event: Any, opened: list[str | None], documents: int) -> None:
    """Refuse what a profile has no use for, before anything is constructed."""
    from ruamel.yaml.events import AliasEvent, CollectionStartEvent, ScalarEvent  # noqa: PLC0415  slow to import

    place = _mark(places, event.start_mark)
    if documents > 1:
        hint = "keep one document a file"
        raise refused("GLM033", "a second document begins here, and a file holds one", place, hint)
    if isinstance(event, AliasEvent) and event.anchor in opened:
        raise refused("GLM003", f"`*{event.anchor}` stands inside its own anchor", place)
    if isinstance(event, ScalarEvent | CollectionStartEvent) and event.tag is not None:
        raise refused("GLM003", f"tag `{event.tag}` has no meaning in a profile", place)
    if isinstance(event, CollectionStartEvent) and len(opened) >= MAX_DEPTH:
        raise refused("GLM006", "the document is nested too deeply", place)


def _mark(places: Places, mark: Any) -> Span:
    """The place of one of ruamel's marks, one character wide."""
    offset = mark.index if mark is not None else 0
    return places.span(offset, offset)


@dataclass
class Walk:
    """A walk over ruamel's tree that notes where everything stands."""

    places: Places
    scalars: Scalars
    spans: dict[KeyPath, Span]
    left: int = MAX_NODES

    def value(self, position: tuple[int, int]) -> Span | None:
        """The place of the scalar at ruamel's position; None where nothing is written."""
        start, end = self.scalars.get(position, [(0, 0)])[0]
        return self.places.span(start, end) if end > start else None

    def key(self, position: tuple[int, int]) -> Span:
        """The place of the key, or the first character of the group, at ruamel's position."""
        if found := self.scalars.get(position):
            return self.places.span(*found[-1])
        line, column = position
        return Span(self.places.name, line + 1, column + 1, 1, self.places.line(line + 1))

    def count(self) -> None:
        """One value more; ProfileError with GLM006 above the most that a document may hold."""
        self.left -= 1
        if self.left < 0:
            name = self.places.name
            raise refused("GLM006", f"the document holds more than {MAX_NODES:,} values", Span(name, 1, 1))


def plain_data(node: Any, at: KeyPath, walk: Walk) -> Any:
    """A node of ruamel's tree as plain data, with the places below ``at`` noted in ``walk``; ProfileError where it is too large."""
    walk.count()
    if isinstance(node, dict):
        return _plain_map(node, at, walk)
    if isinstance(node, list):
        return _plain_list(node, at, walk)
    return _scalar(node)


def _plain_map(node: Any, at: KeyPath, walk: Walk) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, value in node.items():
        here = (*at, str(key))
        span = _member(node, key, value, walk)
        if bad := controls(f"{key}{value if isinstance(value, str) else ''}"):
            message = f"a control or bidirectional character is not allowed: {bad}"
            raise refused("GLM014", message, span or Span(walk.places.name, 1, 1))
        if span:
            walk.spans[here] = span
        plain[str(key)] = plain_data(value, here, walk)
    return plain


def _member(node: Any, key: Any, value: Any, walk: Walk) -> Span | None:
    """Where a member stands: a scalar at its value, a group or nothing at its key; what `<<` merges, where it is written."""
    own = (node.lc.data or {}).get(key)
    if own is None:
        merged = (m for m in getattr(node, "merge", ()) if key in m)
        return next((_member(m, key, value, walk) for m in merged), None)
    place = None if isinstance(value, dict | list) else walk.value((own[2], own[3]))
    return place or walk.key((own[0], own[1]))


def _plain_list(node: Any, at: KeyPath, walk: Walk) -> list[Any]:
    plain: list[Any] = []
    for index, value in enumerate(node):
        own = (node.lc.data or {}).get(index)
        if own is not None:
            position = own[0], own[1]
            span = walk.key(position) if isinstance(value, dict | list) else walk.value(position)
            if span:
                walk.spans[*at, index] = span
        plain.append(plain_data(value, (*at, index), walk))
    return plain


def _scalar(node: Any) -> Any:
    if isinstance(node, bool) or node is None:
        return node
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    if type(node).__name__ == "ScalarBoolean":
        return bool(node)
    return node  # a date, a set, a tagged value: the schema refuses it with its type's name


def refused(code: str, message: str, span: Span, hint: str = "") -> ProfileError:
    """One coded refusal at a place."""
    return ProfileError([Diagnostic(code, message, span=span, hint=hint)])
