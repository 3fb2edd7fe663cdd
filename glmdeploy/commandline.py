"""Read a command line as the framework's argparse does, without importing the framework.

Nothing is judged here: what cannot be read is a `Problem` that the rules turn into a diagnostic.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from glmdeploy.flags import Option

LAUNCHERS: tuple[tuple[str, ...], ...] = (
    ("vllm", "serve"),
    ("sglang", "serve"),
    ("transformers", "serve"),
    ("python3", "-m", "sglang.launch_server"),
    ("python", "-m", "sglang.launch_server"),
    ("python3", "-m", "vllm.entrypoints.openai.api_server"),
)
_INT = re.compile(r"[+-]?\d+\Z")
# What each kind of whole number takes beside digits; the kinds are those of the option tables.
_SUFFIXED = {
    "int": re.compile(r"(?!)"),
    "int-iec": re.compile(r"\d+(\.\d+)?[kMGT]\Z|\d+[KMGT]i\Z"),
    "int-case": re.compile(r"\d+(\.\d+)?[kmgt]\Z|\d+[KMGT]\Z"),
    "int-case-auto": re.compile(r"\d+(\.\d+)?[kmgt]\Z|\d+[KMGT]\Z|(?i:auto)\Z"),
}
_NEGATIVE_NUMBER = re.compile(r"-\d+(\.\d*)?\Z")


@dataclass(frozen=True)
class Given:
    """One option as it stands on the command line: where, which, and the words that belong to it."""

    index: int
    written: str
    option: Option
    values: tuple[str, ...] = ()

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
    """The options in order, the words that belong to none, and the problems."""

    given: list[Given] = field(default_factory=list)
    positional: list[tuple[int, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def last(self, name: str) -> Given | None:
        """The one that counts of an option's mentions."""
        return next((g for g in reversed(self.given) if name in g.option.names), None)


def strip_launcher(words: Sequence[str]) -> tuple[int, list[str]]:
    """How many words start the program, and the rest."""
    for head in LAUNCHERS:
        if tuple(words[: len(head)]) == head:
            return len(head), list(words[len(head) :])
    return 0, list(words)


def read(words: Sequence[str], options: Mapping[str, Option], *, positionals: int) -> CommandLine:
    """Read the words after the launcher; ``positionals`` is how many free words the program takes."""
    line = CommandLine()
    index = 0
    while index < len(words):
        word = words[index]
        if _is_option(word):
            index = _option(line, words, index, options)
            continue
        line.positional.append((index, word))
        if len(line.positional) > positionals:
            line.problems.append(Problem(index, "positional", word))
        index += 1
    return line


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-" and not _NEGATIVE_NUMBER.match(word)


def _option(line: CommandLine, words: Sequence[str], index: int, options: Mapping[str, Option]) -> int:
    written, equals, attached = words[index].partition("=")
    option = _lookup(line, written, index, options)
    after = index + 1
    if option is None:  # its values would only be reported a second time
        while after < len(words) and not _is_option(words[after]):
            after += 1
        return after
    values: tuple[str, ...] = (attached,) if equals else ()
    if not equals:
        after, values = _values(option, words, after)
    given = Given(index, written, option, values)
    line.given.append(given)
    _check(line, given)
    return after


def _lookup(line: CommandLine, written: str, index: int, options: Mapping[str, Option]) -> Option | None:
    for spelling in (written, written.replace("_", "-"), written.partition(".")[0]):
        if spelling in options:
            return options[spelling]
    found = sorted({o.name for name, o in options.items() if name.startswith(written) and written.startswith("--")})
    if len(found) == 1:
        line.problems.append(Problem(index, "abbreviated", written, found[0]))
        return options[found[0]]
    if found:
        line.problems.append(Problem(index, "ambiguous", written, ", ".join(found[:4])))
    else:
        line.problems.append(Problem(index, "unknown", written))
    return None


def _values(option: Option, words: Sequence[str], start: int) -> tuple[int, tuple[str, ...]]:
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
    for value in given.values:
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
    if option.kind == "json" and value[:1] in "{[" and not _is_json(value):
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
