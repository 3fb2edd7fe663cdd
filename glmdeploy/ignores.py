"""`# glmdeploy: ignore[GLM305]`: comments that silence warnings and notes, never errors.

The comments are what the YAML scanner leaves between its tokens, so a `#` inside quotes or a block scalar is none.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from io import StringIO
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Diagnostic, Level, Span
from glmdeploy.lines import Places

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

_MARK = "glmdeploy:"
_COMMENT = re.compile(r"#[^\r\n]*")
_HEADER = re.compile(r"[|>][-+0-9]*[ \t]+(?=#)")  # of a block scalar, whose token holds it
_IGNORE = re.compile(r"#\s*glmdeploy:\s*ignore\b(?:\[(?P<codes>[^\[\]]*)\])?(?P<reason>.*)")
_CODE = re.compile(r"[^\s,][^,]*[^\s,]|[^\s,]")
_ELSEWHERE = (
    "GLM7",
    "GLM99",
)  # what `cost`, `recommend` and `clients` say: no run of `lint` can tell whether it is said


@dataclass(frozen=True)
class Ignore:
    """One code of one comment: its place, and the line whose findings it silences, 0 for the whole file."""

    code: str
    span: Span
    line: int = 0
    reason: str = ""

    def covers(self, d: Diagnostic) -> bool:
        """Whether a diagnostic has this code and stands where the comment speaks, whatever its level."""
        if d.code != self.code or d.span is None or d.span.path != self.span.path:
            return False
        return not self.line or d.span.line == self.line


@dataclass(frozen=True)
class Silenced:
    """A finding that a comment silences, and the words behind the comment's bracket."""

    diagnostic: Diagnostic
    reason: str = ""


@dataclass(frozen=True)
class Settled:
    """What is left to say, and what a comment silences."""

    shown: tuple[Diagnostic, ...]
    silenced: tuple[Silenced, ...] = ()


def settle(found: Iterable[Diagnostic], ignores: Collection[Ignore]) -> Settled:
    """Take out of placed findings the warnings and notes that a comment silences."""
    shown: list[Diagnostic] = []
    silenced: list[Silenced] = []
    for d in found:
        comment = next((i for i in ignores if d.level is not Level.ERROR and i.covers(d)), None)
        if comment:
            silenced.append(Silenced(d, comment.reason))
        else:
            shown.append(d)
    return Settled(tuple(shown), tuple(silenced))


def problems(
    ignores: Iterable[Ignore], settled: Settled, known: Collection[str], *, whole: bool
) -> tuple[Diagnostic, ...]:
    """What is wrong with the comments themselves, as warnings.

    ``known`` are all codes. Unless ``whole``, some rules did not run, and nothing is said of comments without use.
    """
    found = (_problem(i, settled, known, whole=whole) for i in ignores)
    return tuple(d for d in found if d)


def _problem(i: Ignore, settled: Settled, known: Collection[str], *, whole: bool) -> Diagnostic | None:
    if i.code not in known:
        return _unknown(i, known)
    if any(d.level is Level.ERROR and i.covers(d) for d in settled.shown):
        hint = f"`glmdeploy explain {i.code}` says what to do instead; then remove the comment"
        return _say("GLM032", f"`{i.code}` is an error here, and no comment silences an error", i, hint)
    if not whole or i.code.startswith(_ELSEWHERE) or any(i.covers(s.diagnostic) for s in settled.silenced):
        return None
    elsewhere = sorted({d.span.line for d in settled.shown if d.code == i.code and d.span and d.span.line})
    hint = f"it is said of line {elsewhere[0]}" if elsewhere else "remove the comment"
    where = f"on line {i.line}" if i.line else "in this file"
    return _say("GLM030", f"the comment silences nothing: `{i.code}` is not said {where}", i, hint)


def _unknown(i: Ignore, known: Collection[str]) -> Diagnostic:
    if not i.code:
        return _say("GLM031", "the comment names no code", i, "write `# glmdeploy: ignore[CODE]`, such as `[GLM204]`")
    guess = near(i.code, known)
    hint = f"did you mean `{guess}`?" if guess else "`glmdeploy list rules` shows all codes"
    return _say("GLM031", f"the comment names an unknown code: `{i.code}`", i, hint)


def near(code: str, known: Collection[str]) -> str:
    """The known code that somebody may have meant, or an empty string."""
    wanted = code.upper()
    close = difflib.get_close_matches(wanted, sorted(known), n=len(known))
    shared = {k: next((i for i, (a, b) in enumerate(zip(k, wanted, strict=False)) if a != b), len(k)) for k in close}
    return max(close, key=shared.__getitem__, default="")


def _say(code: str, message: str, i: Ignore, hint: str) -> Diagnostic:
    return Diagnostic(code, message, Level.WARNING, hint=hint, span=i.span)


def read(name: str, text: str) -> tuple[Ignore, ...]:
    """The comments that silence something in a YAML text; none in a text that is not YAML."""
    from ruamel.yaml import YAML  # noqa: PLC0415  slow to import
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    if _MARK not in text:
        return ()
    try:
        tokens = list(YAML(typ="safe", pure=True).scan(StringIO(text)))
    except (YAMLError, ValueError):
        return ()
    pieces = [(t.start_mark.index, t.end_mark.index) for t in tokens if t.end_mark.index > t.start_mark.index]
    places = Places(name, text)
    first = next((start for start, _ in pieces if not _opens(text, start)), len(text))
    return tuple(i for at in _comments(text, pieces) for i in _ignores(places, at, first))


def _opens(text: str, offset: int) -> bool:
    """Whether a token stands before the document's content: `---` or a directive."""
    return text.startswith(("---", "%"), offset) and text[offset - 1 : offset] in {"", "\n", "\r"}


def _comments(text: str, pieces: list[tuple[int, int]]) -> Iterator[int]:
    """The offset of each comment: between the tokens, and behind the header of a block scalar."""
    here = 0
    for start, end in [*pieces, (len(text), len(text))]:
        if start > here:
            yield from (m.start() for m in _COMMENT.finditer(text, here, start))
        if header := _HEADER.match(text, start, end):
            yield header.end()
        here = max(here, end)


def _ignores(places: Places, at: int, first: int) -> Iterator[Ignore]:
    comment = _COMMENT.match(places.text, at)
    found = _IGNORE.search(places.text, at, comment.end()) if comment else None
    if comment is None or found is None:
        return
    line = 0 if comment.end() <= first else _line(places, at)
    reason = found["reason"].strip(" \t:-")
    codes = list(_CODE.finditer(places.text, *found.span("codes"))) if found["codes"] else []
    for start, end in [m.span() for m in codes] or [found.span()]:
        code = places.text[start:end] if codes else ""
        yield Ignore(code, _span(places, at, start, end), line, reason)


def _line(places: Places, at: int) -> int:
    """The line that a comment speaks of: its own, or the first one below the comments that it stands among."""
    number, column = places.at(at)
    if places.line(number)[: column - 1].strip():
        return number
    while places.line(number).lstrip().startswith("#"):
        number += 1
    return number


def _span(places: Places, at: int, start: int, end: int) -> Span:
    """The place of a code; what stands before the comment is blank, for it may be a secret that no rule has seen yet."""
    span = places.span(start, end)
    _, column = places.at(at)
    before = "".join("\t" if c == "\t" else " " for c in span.text[: column - 1])
    return replace(span, text=before + span.text[column - 1 :])
