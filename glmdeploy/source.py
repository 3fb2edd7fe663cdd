"""Text to a plain tree of values, with the position of every key.

Everything that can be wrong with a file as a file ends here, as a coded diagnostic: unreadable, not
UTF-8, not YAML, a duplicate key, empty, too deep or too large. A document that came from command-line
options is a `Source` too; its positions are option names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from io import StringIO
from typing import TYPE_CHECKING, Any

from glmdeploy import ignores, lines
from glmdeploy.diagnostics import Diagnostic, Span
from glmdeploy.lines import Places
from glmdeploy.tree import Walk, load, plain_data, refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from glmdeploy.diagnostics import KeyPath
    from glmdeploy.ignores import Ignore, Settled

MAX_BYTES = 1_048_576  # a profile is a page; a megabyte is a mistake or an attack
controls = lines.controls


@dataclass(frozen=True)
class Source:
    """A parsed document: its plain data, where each key stands, and the comments that silence findings."""

    path: str
    data: dict[str, Any]
    lines: tuple[str, ...] = ()
    spans: Mapping[KeyPath, Span] = field(default_factory=dict)
    ignores: tuple[Ignore, ...] = ()
    layers: tuple[tuple[str, Source], ...] = ()  # what it was laid over each other from, weakest first

    @property
    def as_written(self) -> bool:
        """Whether all of it stands in files, so that no command-line option has changed what rules judge."""
        return all(span.line for span in self.spans.values())

    def locate(self, at: KeyPath) -> Span | None:
        """The place of ``at``, or of its nearest parent that the document holds."""
        for length in range(len(at), -1, -1):
            if span := self.spans.get(at[:length]):
                return span
        return Span(self.path, 1, 1, 1, self.lines[0]) if self.lines else None

    def place(self, found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
        """The diagnostics with key paths turned into file, line and column, less those that a comment silences."""
        return self.settle(found).shown

    def settle(self, found: Iterable[Diagnostic]) -> Settled:
        """The diagnostics with key paths turned into file, line and column, and apart those that a comment silences."""
        placed = [d if d.span else replace(d, span=_shown(self.locate(d.at), hide=d.hide)) for d in found]
        hidden = [d.span for d in placed if d.hide and d.span and d.span.line]
        masked = {span.line: span.text for span in sorted(hidden, key=lambda s: -s.column)}  # the leftmost one counts
        values = [self._value(d.at) for d in placed if d.hide]
        secrets = [s for v in values if (s := v.partition("=")[2] if v.startswith("-") else v)]
        return ignores.settle([_masked(d, masked, secrets) for d in placed], self.ignores)

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
    places = Places(name, text)
    refuse_controls(name, text)
    tree, scalars = load(places)
    if tree is None:
        raise refused(
            "GLM005",
            "the file is empty",
            Span(name, 1, 1),
            hint="`glmdeploy list profiles` shows what a profile looks like",
        )
    if not isinstance(tree, dict):
        raise refused(
            "GLM006",
            "the document is not a mapping of keys to values",
            Span(name, 1, 1, 1, places.line(1)),
        )
    spans: dict[KeyPath, Span] = {}
    data = plain_data(tree, (), Walk(places, scalars, spans))
    return Source(name, data, places.lines, spans, ignores.read(name, text))


def from_options(data: dict[str, Any], options: Mapping[KeyPath, str]) -> Source:
    """The same kind of document made of command-line options; a place is the option as typed."""
    return Source("command line", data, (), {at: Span(text) for at, text in options.items()})


def text(path: Path) -> str:
    """The text of a UTF-8 file of reasonable size; ProfileError with a GLM00x code otherwise."""
    span = Span(str(path))
    try:
        if path.is_dir():
            raise refused(
                "GLM001",
                f"`{path}` is a directory, not a profile",
                span,
                hint="`glmdeploy lint DIR` takes a directory",
            )
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise refused("GLM006", f"the file is larger than {MAX_BYTES:,} bytes", span)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise refused("GLM001", f"cannot read `{path}`: {reason}", span) from None
    except ValueError as error:  # a NUL in the name
        raise refused("GLM001", f"cannot read the file: {error}", span) from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refused("GLM002", f"the file is not UTF-8 (byte {error.start})", span) from None


def refuse_controls(name: str, text: str) -> None:
    """ProfileError with GLM014 at the first control or bidirectional character."""
    for number, line in enumerate(lines.split(text), 1):
        if bad := controls(line):
            column = next(i for i, c in enumerate(line, 1) if controls(c))
            raise refused(
                "GLM014",
                f"a control or bidirectional character is not allowed: {bad}",
                Span(name, number, column, 1, line),
            )


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
    places = Places("value", text)
    tree, scalars = load(places)
    return plain_data(tree, (), Walk(places, scalars, {}))
