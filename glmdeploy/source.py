"""Text to a plain tree of values, with the position of every key.

Everything that can be wrong with a file as a file ends here, as a coded diagnostic: unreadable, not
UTF-8, not YAML, a duplicate key, empty, too deep or too large. A document that came from command-line
options is a `Source` too; its positions are option names.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field, replace
from io import StringIO
from typing import TYPE_CHECKING, Any

from glmdeploy.diagnostics import Diagnostic, ProfileError, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from glmdeploy.diagnostics import KeyPath

MAX_BYTES = 1_048_576  # a profile is a page; a megabyte is a mistake or an attack
MAX_NODES = 20_000  # aliases can multiply a small file without end
MAX_DEPTH = 50  # no profile nests a tenth of that
_DIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True)
class Source:
    """A parsed document: its plain data and where each key stands."""

    path: str
    data: dict[str, Any]
    lines: tuple[str, ...] = ()
    spans: Mapping[KeyPath, Span] = field(default_factory=dict)
    layers: tuple[tuple[str, Source], ...] = ()  # what it was laid over each other from, weakest first

    def locate(self, at: KeyPath) -> Span | None:
        """The place of ``at``, or of its nearest parent that the document holds."""
        for length in range(len(at), -1, -1):
            if span := self.spans.get(at[:length]):
                return span
        return Span(self.path, 1, 1, 1, self.lines[0]) if self.lines else None

    def place(self, found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
        """The diagnostics with key paths turned into file, line and column."""
        placed = [d if d.span else replace(d, span=_shown(self.locate(d.at), hide=d.hide)) for d in found]
        hidden = [d.span for d in placed if d.hide and d.span and d.span.line]
        masked = {span.line: span.text for span in sorted(hidden, key=lambda s: -s.column)}  # the leftmost one counts
        values = [self._value(d.at) for d in placed if d.hide]
        secrets = [s for v in values if (s := v.partition("=")[2] if v.startswith("-") else v)]
        return tuple(_masked(d, masked, secrets) for d in placed)

    def _value(self, at: KeyPath) -> str:
        """The text at ``at``, or an empty string."""
        node: Any = self.data
        for key in at:
            try:
                node = node[key]
            except (KeyError, IndexError, TypeError):
                return ""
        return node if isinstance(node, str) else ""


def _masked(d: Diagnostic, masked: Mapping[int, str], secrets: Iterable[str]) -> Diagnostic:
    """The diagnostic with its line cut where one hides a value on it, and its message without such values."""
    if not d.hide:
        for secret in secrets:
            d = replace(d, message=d.message.replace(f"`{secret}`", "`***`"))
    if d.span is None or d.span.line not in masked:
        return d
    return replace(d, span=replace(d.span, text=masked[d.span.line]))


def _shown(span: Span | None, *, hide: bool) -> Span | None:
    """The span, with its value masked when it must not be shown."""
    if span is None or not hide:
        return span
    if not span.line:
        return replace(span, path=span.path.partition("=")[0])
    return replace(span, text=span.text[: span.column - 1] + "***", width=3)


def read(path: Path) -> Source:
    """Read and parse one YAML file; ProfileError with a GLM0xx code otherwise."""
    return parse(str(path), text(path))


def parse(name: str, text: str) -> Source:
    """Parse YAML text that was read from ``name``; ProfileError with a GLM0xx code otherwise."""
    lines = tuple(text.splitlines())
    refuse_controls(name, text)
    tree = _load(name, text)
    if tree is None:
        raise _refused(
            "GLM005",
            "the file is empty",
            Span(name, 1, 1),
            hint="`glmdeploy list profiles` shows what a profile looks like",
        )
    if not isinstance(tree, dict):
        raise _refused(
            "GLM006",
            "the document is not a mapping of keys to values",
            Span(name, 1, 1, 1, lines[0] if lines else ""),
        )
    spans: dict[KeyPath, Span] = {}
    data = _plain(tree, (), _Walk(name, lines, spans))
    return Source(name, data, lines, spans)


def from_options(data: dict[str, Any], options: Mapping[KeyPath, str]) -> Source:
    """The same kind of document made of command-line options; a place is the option as typed."""
    return Source("command line", data, (), {at: Span(text) for at, text in options.items()})


def controls(text: str) -> str:
    """The names of control and bidirectional characters in ``text``, for a message; empty when clean."""
    bad = [c for c in text if c in _DIRECTIONAL or (unicodedata.category(c) in {"Cc", "Cs"} and c != "\t")]
    return ", ".join(dict.fromkeys(f"U+{ord(c):04X}" for c in bad))


def text(path: Path) -> str:
    """The text of a UTF-8 file of reasonable size; ProfileError with a GLM00x code otherwise."""
    span = Span(str(path))
    try:
        if path.is_dir():
            raise _refused(
                "GLM001",
                f"`{path}` is a directory, not a profile",
                span,
                hint="`glmdeploy lint DIR` takes a directory",
            )
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise _refused("GLM006", f"the file is larger than {MAX_BYTES:,} bytes", span)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise _refused("GLM001", f"cannot read `{path}`: {reason}", span) from None
    except ValueError as error:  # a NUL in the name
        raise _refused("GLM001", f"cannot read the file: {error}", span) from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refused("GLM002", f"the file is not UTF-8 (byte {error.start})", span) from None


def refuse_controls(name: str, text: str) -> None:
    """ProfileError with GLM014 at the first control or bidirectional character."""
    for number, line in enumerate(text.splitlines(), 1):
        if bad := controls(line):
            column = next(i for i, c in enumerate(line, 1) if controls(c))
            # repr: the line itself must not reach a terminal as it is
            raise _refused(
                "GLM014",
                f"a control or bidirectional character is not allowed: {bad}",
                Span(name, number, column, 1, ascii(line)[1:-1]),
            )


def _load(name: str, text: str) -> Any:
    from ruamel.yaml import YAML  # noqa: PLC0415  slow to import, and only needed for files
    from ruamel.yaml.constructor import DuplicateKeyError  # noqa: PLC0415
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415

    try:
        _refuse_unusual(name, text)
        return YAML(typ="rt", pure=True).load(StringIO(text))
    except DuplicateKeyError as error:
        message = str(error.problem).partition(" with value")[0].replace('"', "`")
        raise _refused("GLM004", message, _mark(name, text, error.problem_mark), hint="keep one of the two") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(str(error.problem or error.context or "not valid YAML").split())
        raise _refused("GLM003", f"not valid YAML: {problem}", _mark(name, text, mark)) from None
    except RecursionError:
        raise _refused("GLM006", "the document is nested too deeply", Span(name, 1, 1)) from None
    except (YAMLError, ValueError, OverflowError) as error:
        problem = " ".join(str(error).split())[:200]
        raise _refused("GLM003", f"not valid YAML: {problem}", Span(name, 1, 1)) from None


def _refuse_unusual(name: str, text: str) -> None:
    """Refuse tags and aliases inside their own anchor, before anything is constructed."""
    from ruamel.yaml import YAML  # noqa: PLC0415  slow to import
    from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent  # noqa: PLC0415

    opened: list[str | None] = []
    for event in YAML(typ="rt", pure=True).parse(StringIO(text)):
        if isinstance(event, CollectionEndEvent):
            opened.pop()
        if isinstance(event, AliasEvent) and event.anchor in opened:
            raise _refused(
                "GLM003", f"`*{event.anchor}` stands inside its own anchor", _mark(name, text, event.start_mark)
            )
        if isinstance(event, ScalarEvent | CollectionStartEvent) and event.tag is not None:
            raise _refused(
                "GLM003", f"tag `{event.tag}` has no meaning in a profile", _mark(name, text, event.start_mark)
            )
        if isinstance(event, CollectionStartEvent):
            opened.append(event.anchor)
        if len(opened) > MAX_DEPTH:
            raise _refused("GLM006", "the document is nested too deeply", _mark(name, text, event.start_mark))


def _mark(name: str, text: str, mark: Any) -> Span:
    if mark is None:
        return Span(name, 1, 1)
    lines = text.splitlines()
    shown = lines[mark.line] if mark.line < len(lines) else ""
    return Span(name, mark.line + 1, mark.column + 1, 1, shown)


@dataclass
class _Walk:
    name: str
    lines: tuple[str, ...]
    spans: dict[KeyPath, Span]
    left: int = MAX_NODES

    def note(self, at: KeyPath, position: tuple[int, int], width: int) -> None:
        line, column = position
        text = self.lines[line] if line < len(self.lines) else ""
        self.spans[at] = Span(self.name, line + 1, column + 1, max(1, width), text)

    def count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise _refused("GLM006", f"the document holds more than {MAX_NODES:,} values", Span(self.name, 1, 1))


def _plain(node: Any, at: KeyPath, walk: _Walk) -> Any:
    walk.count()
    if isinstance(node, dict):
        return _plain_map(node, at, walk)
    if isinstance(node, list):
        return _plain_list(node, at, walk)
    return _scalar(node)


def _plain_map(node: Any, at: KeyPath, walk: _Walk) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    own_places = node.lc.data or {}  # none where a merge key brings everything along
    for key, value in node.items():
        here = (*at, str(key))
        own = own_places.get(key)
        if bad := controls(f"{key}{value if isinstance(value, str) else ''}"):
            line = own[0] + 1 if own else 1
            raise _refused(
                "GLM014", f"a control or bidirectional character is not allowed: {bad}", Span(walk.name, line, 1)
            )
        if own is not None:
            # place a scalar at its value, a group at its key
            grouped = isinstance(value, dict | list)
            walk.note(
                here,
                (own[0], own[1]) if grouped else (own[2], own[3]),
                len(str(key)) if grouped else len(str(value)),
            )
        plain[str(key)] = _plain(value, here, walk)
    return plain


def _plain_list(node: Any, at: KeyPath, walk: _Walk) -> list[Any]:
    plain: list[Any] = []
    for index, value in enumerate(node):
        own = node.lc.data.get(index)
        if own is not None:
            walk.note((*at, index), (own[0], own[1]), len(str(value)) if not isinstance(value, dict | list) else 1)
        plain.append(_plain(value, (*at, index), walk))
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


def _refused(code: str, message: str, span: Span, hint: str = "") -> ProfileError:
    return ProfileError([Diagnostic(code, message, span=span, hint=hint)])


# Plain scalars that every YAML reader takes for a string; YAML 1.1 has more words for true and null than 1.2.
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./ -]*[A-Za-z0-9_./]\Z|[A-Za-z]\Z")
_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "none"])


def dump(data: dict[str, Any], header: str = "") -> str:
    """Block-style YAML of plain data, strings quoted wherever a reader could take them for something else."""
    from ruamel.yaml import YAML  # noqa: PLC0415  slow to import
    from ruamel.yaml.representer import RoundTripRepresenter  # noqa: PLC0415

    class Representer(RoundTripRepresenter):
        """The usual one, but for floats."""

    def real(representer: Any, value: float) -> Any:
        text = {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}.get(repr(value), repr(value))
        # to YAML 1.1, `1e+18` is a string, and `1.0e+18` a number
        shown = text if "." in text else text.replace("e", ".0e")
        return representer.represent_scalar("tag:yaml.org,2002:float", shown)

    Representer.add_representer(float, real)
    yaml = YAML(typ="rt", pure=True)
    yaml.Representer = Representer
    yaml.default_flow_style = False
    yaml.width = 1000
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = StringIO()
    yaml.dump(_quoted(data), out)
    return header + out.getvalue()


def _quoted(value: Any) -> Any:
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString  # noqa: PLC0415  slow to import

    if isinstance(value, dict):
        return {_quoted(key): _quoted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_quoted(item) for item in value]
    if isinstance(value, str) and not plain(value):
        return DoubleQuotedScalarString(value)
    return value


def plain(text: str) -> bool:
    """Whether every YAML reader, of 1.1 and of 1.2, takes a string without quotes for that string."""
    return bool(_PLAIN.match(text)) and text.lower() not in _WORDS


def scalar(text: str) -> Any:
    """A YAML flow value, such as `8080`, `true`, `[a, b]` or `{path: /models}`; ProfileError when it is none."""
    tree = _load("value", text)
    return _plain(tree, (), _Walk("value", tuple(text.splitlines()), {}))
