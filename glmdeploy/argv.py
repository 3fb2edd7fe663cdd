"""Judge raw command lines: what a framework's parser and engine would say to what people already run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from glmdeploy import catalog, source
from glmdeploy.commandline import after_launcher
from glmdeploy.diagnostics import Diagnostic, Level, ProfileError, Span
from glmdeploy.launches import MAX_LAUNCHES, Launch, Shell, Word, bare, launches, read
from glmdeploy.rules import arguments, engine, policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from glmdeploy.flags import Framework, Option


def lint(framework: str, version: str | None, name: str) -> list[Diagnostic]:
    """Every diagnostic of the command lines in a file; ProfileError when it holds none of this framework."""
    for option, value in (("--framework", framework), ("--framework-version", version or "")):
        if bad := source.controls(value):
            message = f"a control or bidirectional character is not allowed: {bad}"
            raise ProfileError([Diagnostic("GLM014", message, span=Span(option))])
    entry = catalog.load().frameworks.get(framework.lower())
    if entry is None:
        known = ", ".join(catalog.load().frameworks)
        raise ProfileError([Diagnostic("GLM105", f"unknown framework `{framework}`", hint=f"known: {known}")])
    chosen = _version(version, entry.default)
    text = source.text(Path(name))
    source.refuse_controls(name, text)
    options = catalog.options(entry.id).at(chosen)
    secrets = list(_secrets(read(name, text), options).values())
    shell = read(name, _masked(text, secrets))
    found = [*_about_version(entry, chosen), *(_exposed(shell, word, what) for word, what in secrets)]
    for launch in _found(entry, shell):
        found += _judged(entry, chosen, launch, shell)
    found += [*_variables(entry, chosen, shell), *_stray(shell, entry)]
    return list(dict.fromkeys(found))


def _version(text: str | None, default: Version) -> Version:
    if text is None:
        return default
    try:
        return Version(text)
    except ValueError:  # InvalidVersion, and more digits than Python takes
        raise ProfileError(
            [Diagnostic("GLM108", f"`{text[:40]}` is not a version", hint=f"such as `{default}`")]
        ) from None


def _about_version(framework: Framework, version: Version) -> Iterator[Diagnostic]:
    span = Span("--framework-version")
    if version < framework.floor:
        message = f"{framework.name} {version} cannot serve GLM-5.2: it needs {framework.floor} or newer"
        yield Diagnostic("GLM109", message, span=span, hint=f"source: {framework.facts['floor'].source}")
    elif version not in framework.tested:
        nearest = catalog.options(framework.id).nearest(version)
        message = f"the catalogue knows no {framework.name} {version}: judged by what {nearest} takes"
        yield Diagnostic("GLM110", message, Level.WARNING, span=span, hint="name a known version")


def _secrets(shell: Shell, options: Mapping[str, Option]) -> dict[int, tuple[Word, str]]:
    """The secrets of a file by their place, and what to call them."""
    found: dict[int, tuple[Word, str]] = {}
    for command in [*shell.commands, *shell.arrays.values()]:
        for before, word in zip([Word("", 0, 0), *command], command, strict=False):
            if secret := _secret(shell, before, word, options):
                found[secret[0].start] = secret
    return found


def _secret(shell: Shell, before: Word, word: Word, options: Mapping[str, Option]) -> tuple[Word, str] | None:
    """What of a word is a secret, after the word before it."""
    head, equals, value = word.text.partition("=")
    after = "=" not in before.text and policy.secret_option(before.text, options) and not word.text.startswith("-")
    if not word.known:  # a variable that is set in this file
        behind = shell.behind(value if equals and policy.secret_option(head, options) else word.text if after else "")
        return (_part(behind, behind.text), f"`{head if equals else before.text}`") if behind else None
    named = f"variable `{head}`" if not head.startswith("-") and policy.secret_variable(head, value) else ""
    named = named or (f"`{head}`" if policy.secret_option(head, options) else "")
    if equals and value and named:
        return _part(word, value), named
    if word.text and after:
        return word, f"`{before.text}`"
    secret = policy.secret_in(word.text)
    return (_part(word, secret), "a word") if secret else None


def _part(word: Word, text: str) -> Word:
    """The part of a word that holds ``text``; all of it where quoting hides the place."""
    at = (word.raw or word.text).rfind(text)
    return word if at < 0 else replace(word, start=word.start + at, end=word.start + at + len(text))


def _masked(text: str, secrets: list[tuple[Word, str]]) -> str:
    """The text with every secret under asterisks, so that nothing that is said can show one."""
    for word, _ in secrets:
        hidden = "".join(c if c in "\"'\n" else "*" for c in text[word.start : word.end])
        text = text[: word.start] + hidden + text[word.end :]
    return text


def _exposed(shell: Shell, word: Word, what: str) -> Diagnostic:
    hint = "read it from the environment or a file: `$KEY`"
    return Diagnostic(
        "GLM601", f"{what} holds a secret in plain text", Level.WARNING, span=shell.place(word), hint=hint
    )


def _found(framework: Framework, shell: Shell) -> list[Launch]:
    """The commands to judge; ProfileError when the file starts another server, or none."""
    if not any(shell.commands) and not any(shell.arrays.values()):
        raise ProfileError([Diagnostic("GLM018", "no command line in this file", span=Span(shell.name))])
    if found := launches(shell, framework):
        if len(found) > MAX_LAUNCHES:
            raise ProfileError(
                [Diagnostic("GLM018", f"more than {MAX_LAUNCHES} servers in one file", span=Span(shell.name))]
            )
        return found
    for other in catalog.load().frameworks.values():
        for launch in launches(shell, other):
            span = shell.place(launch.launcher) if launch.launcher else Span(shell.name)
            message = f"this starts {other.name}, not {framework.name}"
            raise ProfileError([Diagnostic("GLM018", message, span=span, hint=f"`--framework {other.id}`")])
    if alone := bare(shell, framework):
        return [alone]
    starts = [f"{command} serve" for command in framework.launch.commands]
    starts += [f"python3 -m {module}" for module in framework.launch.modules]
    message = f"no command in this file starts {framework.name}"
    hint = f"it starts with {' or '.join(f'`{s}`' for s in starts)}, or holds the options alone"
    raise ProfileError([Diagnostic("GLM018", message, span=Span(shell.name), hint=hint)])


def _judged(framework: Framework, version: Version, launch: Launch, shell: Shell) -> Iterator[Diagnostic]:
    """What parser and engine say to one command."""
    unknown = {index for index, word in enumerate(launch.words) if not word.known}
    words = [word.text for word in launch.words]
    # `sglang serve MODEL` makes --model-path of its first word
    leading = launch.serve and words and not words[0].startswith("-")
    more = leading and version in SpecifierSet(framework.parser.serve_model or "<0")
    line = arguments.parse(
        framework, version, words, free_words=framework.parser.free_words + bool(more), unknown=unknown
    )
    spans = [shell.place(word) for word in launch.words]
    start = shell.place(launch.launcher) if launch.launcher else spans[0]
    for finding in arguments.judge(framework, version, line):
        # a parser takes the last of two, so that the command does run
        level = Level.WARNING if finding.code == "GLM414" else finding.level
        yield Diagnostic(finding.code, finding.message, level, span=spans[finding.index], hint=finding.hint)
    for option in framework.parser.required:
        if not line.last(option) and not line.positional and not line.unknown:
            yield Diagnostic("GLM412", f"{framework.name} needs `{option}`", span=start)
    env = {key: word.text for key, word in shell.variables.items() if word and word.known}
    for broken in engine.judge(framework, version, line, env):
        yield engine.diagnostic(framework, broken, span=spans[broken.given.index] if broken.given else start)


def _stray(shell: Shell, framework: Framework) -> Iterator[Diagnostic]:
    """Lines of options right after a command that is judged: no command takes them."""
    cut = False
    for command in shell.commands:
        stray = cut and command[0].text.startswith("-")
        cut = stray or bool(after_launcher([word.text for word in command], framework.launch))
        if stray:
            message = "these options belong to no command: the shell runs the line by itself"
            hint = "end the line before with a backslash, and put no comment between continued lines"
            yield Diagnostic("GLM421", message, Level.WARNING, span=shell.place(command[0]), hint=hint)


def _variables(framework: Framework, version: Version, shell: Shell) -> Iterator[Diagnostic]:
    """Variables of the framework's own prefix that this version does not read."""
    for key, word in shell.variables.items():
        if word and (finding := arguments.variable(framework, version, key)):
            yield replace(finding, span=shell.place(word))
