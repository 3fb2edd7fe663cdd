"""Find the command lines that start a server in what people run: shell text, or a JSON list of strings.

Enough of the shell is read to find the words and where each stands: quotes, comments, continued lines, redirections,
here-documents, arrays, and variables that are set once. What only the running shell knows is marked, never guessed.
"""

from __future__ import annotations

import json
import re
import shlex
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from glmdeploy.commandline import after_launcher
from glmdeploy.diagnostics import Diagnostic, ProfileError, Span
from glmdeploy.source import controls

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from glmdeploy.flags import Framework

_TOKEN = re.compile(
    r"""
      (?P<blank>[ \t\r]+|\\\r?\n|\#[^\n]*)
    | (?P<redirection>\d*(?:<<<|<<-?|<>|>\||>>|[<>]&?)(?!\()|&>>?)
    | (?P<operator>\r?\n|[;&|()])
    | (?P<word>(?:
          \$\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)   # a command, its own brackets two deep
        | [<>]\((?:[^()]|\([^()]*\))*\)            # a command as a file
        | \$\{[^}\n]{0,200}\} | `[^`]*`
        | '[^']*' | "(?:[^"\\]|\\.)*" | \\.
        | [^\s;&|()<>'"\\`$]++ | \$
      )+)
    """,
    re.VERBOSE | re.DOTALL,
)
_HERE_DOCUMENT = re.compile(r"(?<!<)<<-?[ \t]*(['\"]?)(\w+)\1[^\n]*\n")
_LONGEST_WORD = 65_536  # characters: what is longer is no argument, and is not taken apart
MAX_LAUNCHES = 64  # servers in one file: more is no script of a person
_MAX_WORDS = 20_000  # of one command, with arrays put in
_LITERAL = re.compile(r"'[^']*'|\\.", re.DOTALL)
_EXPANSION = re.compile(r"\$[\w({@*#?]|`")
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_ARRAY = re.compile(r"\"?\$\{(\w+)\[[@*]\]\}\"?")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_ARRAY_HEAD = re.compile(r"([A-Za-z_]\w*)(\+?)=")
_JSON = re.compile(r"\s*(\[\s*([\"\]{\[\d]|$)|\{\s*[\"}])")
_TEST = re.compile(r"\s*\[\s[^\n]*?\s\]\s*(&&|\|\||;|$)")  # `[ ... ] && vllm serve`: shell, not JSON
_SHELLS = re.compile(r"(.*/)?(ba|da|z|k)?sh")


@dataclass(frozen=True)
class Word:
    """One word: its text without quotes, and its place in the file as offsets; ``known`` before the shell runs."""

    text: str
    start: int
    end: int
    known: bool = True
    raw: str = ""


@dataclass(frozen=True)
class Launch:
    """One command that starts a server: the words after the launcher, and the launcher's last word."""

    words: tuple[Word, ...]
    launcher: Word | None = None

    @property
    def serve(self) -> bool:
        """Whether it is started as `COMMAND serve`."""
        return self.launcher is not None and self.launcher.text == "serve"


@dataclass
class Shell:
    """What a file holds: its commands, its arrays, and the variables that it sets (None: more than one value)."""

    name: str
    text: str
    commands: list[list[Word]] = field(default_factory=list)
    arrays: dict[str, list[Word]] = field(default_factory=dict)
    variables: dict[str, Word | None] = field(default_factory=dict)

    @cached_property
    def starts(self) -> list[int]:
        """Where each line starts."""
        return [0, *(match.end() for match in re.finditer("\n", self.text))]

    def behind(self, text: str) -> Word | None:
        """The value of the variable that ``text`` names, where this file sets it once."""
        match = _VARIABLE.fullmatch(text)
        return self.variables.get(match[1] or match[2]) if match else None

    def place(self, word: Word) -> Span:
        """Where the word stands: its line, column, and width on that line."""
        line = bisect_right(self.starts, word.start) - 1
        start = self.starts[line]
        end = self.starts[line + 1] - 1 if line + 1 < len(self.starts) else len(self.text)
        shown = self.text[start:end].rstrip("\r")
        column = word.start - start
        width = max(1, min(word.end - word.start, len(shown) - column))
        return Span(self.name, line + 1, column + 1, width, shown)


def read(name: str, text: str) -> Shell:
    """The words of a file; ProfileError with GLM018 when it is neither shell text nor a JSON list."""
    shell = Shell(name, text)
    if _JSON.match(text) and not _TEST.match(text):
        shell.commands.append(list(_json(shell)))
    else:
        _collect(shell, _without_documents(text))
    _nested(shell)
    for command in shell.commands:
        _remember(shell, command)
    return shell


def launches(shell: Shell, framework: Framework) -> list[Launch]:
    """Every command that starts the framework's server; of arrays that are run, the run itself."""
    found: dict[int, Launch] = {}
    for command in [*shell.commands, *shell.arrays.values()]:
        words = list(islice(_expanded(shell, command), _MAX_WORDS))
        if end := after_launcher([word.text for word in words], framework.launch):
            launch = Launch(tuple(words[end:]), words[end - 1])
            if len(found) > MAX_LAUNCHES:
                break
            if len(launch.words) >= len(found.get(words[end - 1].start, Launch(())).words):
                found[words[end - 1].start] = launch
    return list(found.values())


def bare(shell: Shell, framework: Framework) -> Launch | None:
    """A file that holds only what follows the launcher: a JSON list, or options; None when it is something else."""
    words = list(islice((word for command in shell.commands for word in _expanded(shell, command)), _MAX_WORDS))
    heads = [command[0].text for command in shell.commands]
    model = len(heads) == 1 and framework.parser.free_words and re.match(r"[\w.-]+/[\w./-]+\Z", heads[0])
    listed = len(heads) == 1 and not words[0].raw
    return Launch(tuple(words)) if listed or model or all(head.startswith("-") for head in heads) else None


def _refused(shell: Shell, at: int, message: str) -> ProfileError:
    return ProfileError([Diagnostic("GLM018", message, span=shell.place(Word("", at, at)))])


def _without_documents(text: str) -> str:
    """The text with the bodies of here-documents blank."""
    parts, at = [], 0
    while match := _HERE_DOCUMENT.search(text, at):
        end = re.compile(rf"^[ \t]*{match[2]}[ \t]*$", re.MULTILINE).search(text, match.end())
        if end is None:
            break
        parts += [text[at : match.end()], re.sub(r"[^\n]", " ", text[match.end() : end.end()])]
        at = end.end()
    return "".join([*parts, text[at:]])


def _collect(shell: Shell, text: str) -> None:
    """Words into commands and arrays."""
    command: list[Word] = []
    array: list[Word] | None = None
    skip, at = False, 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _refused(shell, at, f"not a shell command line: no closing `{text[at]}`")
        at, kind = match.end(), match.lastgroup
        if kind == "redirection":
            skip = True
        elif kind == "word" and skip:
            skip = False
        elif kind == "word":
            (command if array is None else array).append(_word(match[0], match.start()))
        elif kind == "operator" and array is not None:
            array = None if match[0] == ")" else array
        elif kind == "operator" and match[0] == "(" and command and (head := _ARRAY_HEAD.fullmatch(command[-1].raw)):
            command.pop()
            array = shell.arrays.get(head[1], []) if head[2] else []
            shell.arrays[head[1]] = array
        elif kind == "operator":
            skip = False
            shell.commands += [command] if command else []
            command = []
    shell.commands += [command] if command else []


def _word(raw: str, start: int) -> Word:
    known = not _EXPANSION.search(_LITERAL.sub("", raw))
    try:
        parts = shlex.split(raw) if len(raw) <= _LONGEST_WORD else [raw]
    except ValueError:
        parts = [raw]
    return Word(" ".join(parts), start, start + len(raw), known, raw)


def _json(shell: Shell) -> Iterator[Word]:
    """The strings of a JSON list with their places."""
    try:
        words = json.loads(shell.text)
    except (ValueError, RecursionError) as error:
        raise _refused(shell, getattr(error, "pos", 0), f"not a JSON list: {error}") from None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise _refused(shell, 0, "a command line in JSON is a list of strings")
    offset = 0
    for word, match in zip(words, re.finditer(r'"(?:[^"\\]|\\.)*"', shell.text), strict=True):
        if bad := controls(word):
            message = f"a control or bidirectional character is not allowed: {bad}"
            raise ProfileError([Diagnostic("GLM014", message, span=Span(shell.name))])
        offset = match.start() + 1
        yield Word(word, offset, match.end() - 1, not re.search(r"\$\(\w+\)|(?<!\$)\$\{\w+", word))


def _nested(shell: Shell) -> None:
    """The commands in the text after `sh -c`, which is a word of its own."""
    for command in list(shell.commands):
        texts = [word.text for word in command]
        for index, word in enumerate(command):
            runs = index > 1 and re.fullmatch(r"-\w*c", texts[index - 1])
            if runs and any(map(_SHELLS.fullmatch, texts[: index - 1])):
                inner = Shell(shell.name, word.text)
                _collect(inner, word.text)
                exact = word.end - word.start - len(word.text) in {0, 2}
                shift = word.start + (1 if word.raw[:1] in {"'", '"'} else 0)
                for words in [*inner.commands, *inner.arrays.values()]:
                    shell.commands.append([_moved(w, word, shift if exact else None) for w in words])


def _moved(word: Word, outer: Word, shift: int | None) -> Word:
    """A word of a quoted text where it stands in the file, or the whole quoted text."""
    if shift is None:
        return replace(word, start=outer.start, end=outer.end)
    return replace(word, start=word.start + shift, end=word.end + shift)


def _remember(shell: Shell, command: Sequence[Word]) -> None:
    """The variables that a command sets; options that look so (`-e A=b` of docker) count as well."""
    for word in command:
        if match := _ASSIGNMENT.fullmatch(word.text):
            value = replace(word, text=match[2])
            before = shell.variables.get(match[1], value)
            same = before is not None and (before.text, before.known) == (value.text, value.known)
            shell.variables[match[1]] = value if same else None


def _expanded(shell: Shell, command: Iterable[Word]) -> Iterator[Word]:
    """The words with arrays and known variables put in."""
    for word in command:
        if (array := _ARRAY.fullmatch(word.raw)) and array[1] in shell.arrays:
            yield from (_filled(shell.variables, inner) for inner in shell.arrays[array[1]])
            continue
        filled = _filled(shell.variables, word)
        if filled.known and not word.known and not word.raw.startswith(('"', "-")):
            yield from (replace(filled, text=part) for part in filled.text.split())
        else:
            yield filled


def _filled(variables: Mapping[str, Word | None], word: Word) -> Word:
    """The word with variables that are set to one known value."""
    if word.known or not word.raw:
        return word

    def value(match: re.Match[str]) -> str:
        found = variables.get(match[1] or match[2])
        return found.text if found and found.known else match[0]

    text = _VARIABLE.sub(value, word.text)
    return replace(word, text=text, known=not _EXPANSION.search(text))
