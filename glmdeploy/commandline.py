"""Read a command line as the framework's argparse does, without importing the framework.

Nothing is judged here: what cannot be read is a `Problem` that the rules turn into a diagnostic.
"""

from __future__ import annotations

import difflib
import itertools
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from glmdeploy.flags import Launch, Option, Parser

_INT = re.compile(r"[+-]?\d+(_\d+)*\Z")
# What each kind of whole number takes beside digits; the kinds are those of the option tables.
_SUFFIXED = {
    "int": re.compile(r"(?!)"),
    "int-iec": re.compile(r"\d+(\.\d+)?[kMGT]\Z|\d+[KMGT]i\Z"),
    "int-case": re.compile(r"\d+(\.\d+)?[kmgt]\Z|\d+[KMGT]\Z"),
    "int-case-auto": re.compile(r"\d+(\.\d+)?[kmgt]\Z|\d+[KMGT]\Z|(?i:auto)\Z"),
}
_NEGATIVE_NUMBER = re.compile(r"-\d+\Z|-\d*\.\d+\Z")
_LEVEL = "--optimization-level"
_HELP = ("-h", "--help")


@dataclass(frozen=True)
class Given:
    """One option as it stands on the command line: where, which, and the words that belong to it.

    Not ``known``: a shell puts a value in when the command runs.
    """

    index: int
    written: str
    option: Option
    values: tuple[str, ...] = ()
    known: bool = True

    @property
    def value(self) -> str:
        """The first value, or an empty string."""
        return self.values[0] if self.values else ""

    @property
    def off(self) -> bool:
        """Whether it is the `--no-x` half of a switch."""
        return bool(self.option.negative) and self.written == self.option.negative


@dataclass(frozen=True)
class Problem:
    """A word that the parser would refuse, or accept by guessing."""

    index: int
    kind: str  # unknown, ambiguous, abbreviated, value, choice, positional
    word: str
    detail: str = ""


@dataclass
class CommandLine:
    """The options in order, the words that belong to none, what nobody knows yet, and the problems."""

    given: list[Given] = field(default_factory=list)
    positional: list[tuple[int, str]] = field(default_factory=list)
    unknown: list[tuple[int, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def last(self, name: str) -> Given | None:
        """The one that counts of an option's mentions."""
        return next((g for g in reversed(self.given) if name in g.option.names), None)


def after_launcher(words: Sequence[str], launch: Launch) -> int:
    """How many words start the server, those before its name included; 0 where none does."""
    files = tuple(f"/{module.replace('.', '/')}.py" for module in launch.modules)
    for index, (before, word) in enumerate(itertools.pairwise(words)):
        if word == "serve" and before.rpartition("/")[2] in launch.commands:
            return index + 2
        if re.fullmatch(r"-\w*m", before) and word in launch.modules:
            return index + 2
        if files and f"/{word}".endswith(files):
            return index + 2
    for index, word in enumerate(words):
        if "--entrypoint" not in words and _is_image(word, launch.images):
            return index + 1
    return 0


def _is_image(word: str, images: Sequence[str]) -> bool:
    """Whether a word is one of these images, from any registry, with any tag or digest."""
    repository = re.sub(r"(:[\w.-]+)?(@[\w:]+)?\Z", "", word)
    return any(repository == image or repository.endswith(f"/{image}") for image in images)


def arguments(words: Sequence[str], launch: Launch) -> list[str]:
    """The words after the launcher."""
    return list(words[after_launcher(words, launch) :])


def read(
    words: Sequence[str],
    options: Mapping[str, Option],
    parser: Parser,
    *,
    free_words: int | None = None,
    unknown: AbstractSet[int] = frozenset(),
) -> CommandLine:
    """Read the words after the launcher.

    ``free_words`` replaces the parser's own number; ``unknown`` are the indexes of words that a shell fills in when the
    command runs.
    """
    reader = _Reader(words, options, parser, unknown)
    return reader.read(parser.free_words if free_words is None else free_words)


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-" and not _NEGATIVE_NUMBER.match(word)


class _Reader:
    """One pass over the words."""

    def __init__(
        self, words: Sequence[str], options: Mapping[str, Option], parser: Parser, unknown: AbstractSet[int]
    ) -> None:
        self.words = words
        self.options = options
        self.parser = parser
        self.unknown = unknown
        self.line = CommandLine()

    def read(self, free_words: int) -> CommandLine:
        """All words."""
        line, index = self.line, 0
        while index < len(self.words):
            word = self.words[index]
            if word == "--":  # what follows are no options
                line.positional += enumerate(self.words[index + 1 :], index + 1)
                break
            if _is_option(word):
                index = self._option(index)
                continue
            if index in self.unknown and (index or not free_words):  # the model, where it is the first word
                line.unknown.append((index, word))
            else:
                line.positional.append((index, word))
                if len(line.positional) > free_words:
                    line.problems.append(Problem(index, "positional", word))
            index += 1
        return line

    def _option(self, index: int) -> int:
        """Read the option at ``index``; the index after its values."""
        written, equals, attached = self.words[index].partition("=")
        if self.parser.levels and self.words[index].startswith("-O") and self.words[index] != "-O":
            written, equals, attached = _LEVEL, "=", self.words[index][2:].removeprefix("=")
        elif self.parser.levels and self.words[index] == "-O" and self.words[index + 1 : index + 2]:
            written = _LEVEL
        if written in _HELP and written not in self.options:
            return index + 1  # prints the help, and serves nothing
        after = index + 1
        option = self._lookup(written, index)
        if option is None:  # its values would only be reported a second time
            while after < len(self.words) and not _is_option(self.words[after]):
                after += 1
            return after
        values: tuple[str, ...] = (attached,) if equals else ()
        if not equals:
            after, values = self._values(option, after)
        known = not any(place in self.unknown for place in range(index, after))
        given = Given(index, written, option, values, known)
        self.line.given.append(given)
        _check(self.line, given)
        return after

    def _lookup(self, written: str, index: int) -> Option | None:
        head, dot, _ = written.partition(".")
        if self.parser.underscores and head.startswith("--"):
            head = head.replace("_", "-")
        option = self.options.get(head if self.parser.dotted or not dot else written)
        if option and (not dot or option.kind in {"json", "str"}):
            return option
        return self._guessed(head + dot, written, index)

    def _guessed(self, prefix: str, written: str, index: int) -> Option | None:
        """The one option that begins so, where the parser guesses."""
        guess = self.parser.abbreviations and written.startswith("--")
        found = sorted({o.name for name, o in self.options.items() if guess and name.startswith(prefix)})
        if len(found) == 1:
            full = next(name for name in self.options[found[0]].names if name.startswith(prefix))
            self.line.problems.append(Problem(index, "abbreviated", written, full))
            return self.options[found[0]]
        kind = "ambiguous" if found else "unknown"
        self.line.problems.append(Problem(index, kind, written, ", ".join(found[:4])))
        return None

    def _values(self, option: Option, start: int) -> tuple[int, tuple[str, ...]]:
        """The words that belong to the option, and the index after them."""
        words = self.words
        most = {"": 1, "0": 0, "?": 1, "*": len(words), "+": len(words)}.get(option.values)
        limit = int(option.values) if most is None else most
        end = start
        while end < len(words) and end - start < limit and not _is_option(words[end]):
            end += 1
        return end, tuple(words[start:end])


def _check(line: CommandLine, given: Given) -> None:
    option = given.option
    if not option.takes_value:
        if given.values:
            line.problems.append(Problem(given.index, "value", given.written, "takes no value"))
        return
    if not given.values and option.values not in {"?", "*"}:
        line.problems.append(Problem(given.index, "value", given.written, "needs a value"))
    one_key = option.kind == "json" and "." in given.written  # `--option.key value`: any word is a value there
    for value in given.values if given.known and not one_key else ():
        if detail := _refused(option, value):
            line.problems.append(Problem(given.index, "choice", given.written, detail))


def _refused(option: Option, value: str) -> str:
    """Why the option's type or choices do not take ``value``, or an empty string."""
    if option.choices and value not in option.choices:
        near = difflib.get_close_matches(value, option.choices, n=1)
        listed = ", ".join(option.choices[:12]) + (", ..." if len(option.choices) > 12 else "")  # noqa: PLR2004
        return f"`{value}` is not one of {listed}" + (f"; did you mean `{near[0]}`?" if near else "")
    if option.kind in _SUFFIXED and not (_INT.match(value) or _SUFFIXED[option.kind].match(value)):
        return f"`{value}` is not a whole number"
    if option.kind == "float" and not _is_float(value):
        return f"`{value}` is not a number"
    if option.kind == "json" and not _is_json(value):
        return f"`{value}` is not valid JSON"
    return ""


def _is_float(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _is_json(value: str) -> bool:
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return False
    return True
