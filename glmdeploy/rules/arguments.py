"""Arguments: every word of a command line against what the framework's own parser knows in that version.

The tables come from the released wheels (`glmdeploy/catalog/flags`), so that a renamed or removed option
is found before the server is started. The same judgement serves `extra_args` of a profile and
`lint --argv`.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from glmdeploy import catalog
from glmdeploy.commandline import CommandLine, Given, Problem, arguments, read
from glmdeploy.diagnostics import Diagnostic, Level
from glmdeploy.rules import argument_fixes, vllm_words
from glmdeploy.rules.profile_keys import key_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from packaging.version import Version

    from glmdeploy.flags import Framework, VariableTable
    from glmdeploy.plan import Plan
    from glmdeploy.process import Process


@dataclass(frozen=True)
class Finding:
    """What is wrong with the word at ``index`` of the words that were judged."""

    index: int
    code: str
    message: str
    hint: str = ""
    level: Level = Level.ERROR
    full: str = ""  # of an abbreviation: the option that it means


def parse(
    framework: Framework,
    version: Version,
    words: Sequence[str],
    *,
    free_words: int | None = None,
    unknown: AbstractSet[int] = frozenset(),
) -> CommandLine:
    """The words after the launcher, read with the option table of ``version``."""
    options = catalog.options(framework.id).at(version)
    return read(words, options, framework.parser, free_words=free_words, unknown=unknown)


def judge(framework: Framework, version: Version, line: CommandLine) -> list[Finding]:
    """Every finding about a command line that `parse` read for ``version``, in order."""
    problems = vllm_words.judge(line) if framework.id == "vllm" else line.problems
    found = [_explain(framework, version, problem) for problem in problems]
    for given in line.given:
        if given.option.deprecated:
            note = "" if given.option.deprecated == "yes" else given.option.deprecated
            message = f"`{given.written}` is deprecated in {framework.name} {version}"
            found.append(Finding(given.index, "GLM417", message, note, Level.WARNING))
    for index, word in line.unknown:
        found.append(Finding(index, "GLM420", f"`{word}` is known only when the command runs", _UNKNOWN, Level.NOTE))
    return sorted([*found, *_conflicts(line)], key=lambda f: f.index)


# Whose option a word is, where several know it: forks and engines behind a server last.
_OWNERS = ("sglang", "vllm", "transformers", "ktransformers")
_UNKNOWN = "write the options out; rules that hang on what is not there were left out"


def _conflicts(line: CommandLine) -> Iterator[Finding]:
    """Mentions of which only the last counts, and `--enable-x` beside `--disable-x`."""
    seen: dict[str, Given] = {}
    for given in line.given:
        name = given.option.name
        before = seen.get(name)
        if before and not given.option.repeatable and "." not in given.written and _says_other(before, given):
            message = f"`{given.written}` takes back what `{before.written}` says before it: the last one counts"
            yield Finding(given.index, "GLM414", message, "keep one of them")
        seen[name] = given
        for on, off in (("--enable-", "--disable-"), ("--disable-", "--enable-")):
            if name.startswith(on) and (other := seen.get(name.replace(on, off, 1))) and not (other.off or given.off):
                message = f"`{given.written}` contradicts `{other.written}`"
                yield Finding(given.index, "GLM414", message, "keep one of them")


def _says_other(before: Given, given: Given) -> bool:
    return before.known and given.known and (before.values, before.off) != (given.values, given.off)


def _explain(framework: Framework, version: Version, problem: Problem) -> Finding:
    word, index = problem.word, problem.index
    if problem.kind == "unknown":
        return _unknown(framework, version, word, index)
    if problem.kind in {"ambiguous", "abbreviated"} and word in framework.successors:
        return _unknown(framework, version, word, index)
    if problem.kind == "ambiguous":
        return Finding(index, "GLM410", f"`{word}` is ambiguous: {problem.detail}", "write the full name")
    if problem.kind == "abbreviated":
        message = f"`{word}` is an abbreviation of `{problem.detail}`"
        return Finding(
            index,
            "GLM415",
            message,
            "write the full name: a new option can make it ambiguous",
            Level.WARNING,
            problem.detail,
        )
    return _misplaced(problem)


def _misplaced(problem: Problem) -> Finding:
    """A word that belongs to no option, or a value that its option does not take."""
    if problem.kind == "unused":
        return Finding(problem.index, "GLM412", f"`{problem.word}`: {problem.detail}", vllm_words.UNUSED, Level.WARNING)
    if problem.kind == "positional":
        why = f": {problem.detail}" if problem.detail else ""
        hint = "keep one of the two" if why else "quote a value that holds spaces"
        return Finding(problem.index, "GLM410", f"`{problem.word}` belongs to no option{why}", hint)
    return Finding(problem.index, "GLM412", f"`{problem.word}`: {problem.detail}")


def _unknown(framework: Framework, version: Version, word: str, index: int) -> Finding:
    table = catalog.options(framework.id)
    if versions := table.known_in(word):
        return _elsewhen(framework, version, word, index, versions)
    if word in framework.gone_before:
        successor = framework.gone_before[word]
        message = f"`{word}` is gone from {framework.name} {version}: since before {framework.floor}"
        return Finding(index, "GLM411", message, f"use `{successor}`" if successor else "leave it out")
    frameworks = catalog.load().frameworks
    for other in (frameworks[name] for name in _OWNERS):
        if other.id != framework.id and word in catalog.options(other.id).at(other.default):
            ours = _counterpart(framework, version, other, word)
            hint = f"did you mean `{ours}`?" if ours else f"{framework.name} has no such option"
            return Finding(index, "GLM416", f"`{word}` is an option of {other.name}, not of {framework.name}", hint)
    near = difflib.get_close_matches(word, table.at(version), n=2, cutoff=0.75)
    hint = f"did you mean {' or '.join(f'`{n}`' for n in near)}?" if near else ""
    return Finding(index, "GLM410", f"{framework.name} {version} has no option `{word}`", hint)


def _elsewhen(framework: Framework, version: Version, word: str, index: int, versions: tuple[Version, ...]) -> Finding:
    """An option that other releases know."""
    successor = framework.successors.get(word, "")
    if versions[0] > version:
        return Finding(
            index,
            "GLM411",
            f"`{word}` is newer than {framework.name} {version}: it came with {versions[0]}",
            f"use {versions[0]} or newer",
        )
    hint = f"use `{successor}`" if successor else f"{versions[-1]} is the last release that knows it"
    return Finding(
        index, "GLM411", f"`{word}` is gone from {framework.name} {version}: {versions[-1]} was the last with it", hint
    )


def _counterpart(framework: Framework, version: Version, other: Framework, word: str) -> str:
    """Our option for what ``word`` means in the other framework, by the neutral flag names."""
    spelled = catalog.options(other.id).at(other.default)[word].names
    neutral = next((f.name for f in other.flags if f.option in spelled), "")
    return framework.option(neutral, version) if neutral and framework.has(neutral, version) else ""


@lru_cache(maxsize=512)
def _of_extra(framework: Framework, version: Version, words: tuple[str, ...]) -> tuple[Finding, ...]:
    return tuple(judge(framework, version, parse(framework, version, words, free_words=0)))


def _said(plan: Plan, code: str) -> Iterator[Diagnostic]:
    if not plan.spec.extra_args:  # the plan's own options are proven in tests, not on each run
        return
    spec = plan.spec
    for finding in _of_extra(spec.framework, spec.version, spec.extra_args):
        if finding.code == code:
            at = ("extra_args", finding.index)
            fix = argument_fixes.fix(spec.framework, spec.version, spec.extra_args, finding)
            yield Diagnostic(code, finding.message, finding.level, at=at, hint=finding.hint, fix=fix)


def unknown_option(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The framework's parser does not know this option

    In no release that the catalogue holds. The server would stop before it loads anything.
    """
    yield from _said(plan, "GLM410")


def other_version(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """Another version of the framework has this option

    It is newer than the version of the profile, or it was removed; the hint names its successor where there is one.
    """
    yield from _said(plan, "GLM411")


def bad_value(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The option does not take this value

    It wants a number, one of a list, JSON, no value at all, or one that is missing.
    """
    yield from _said(plan, "GLM412")


def set_twice(plan: Plan, processes: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The option is set by the plan already

    The last of two wins, so memory, layout and health checks would no longer be those of the plan. Set the profile's
    own key instead.
    """
    if not plan.spec.extra_args or not processes:
        return
    framework, version = plan.spec.framework, plan.spec.version
    lines = [_own(plan, process) for process in processes]
    ours = {g.option.name for g in lines[0].given} | ({"--model"} if lines[0].positional else set())
    for given in parse(framework, version, plan.spec.extra_args, free_words=0).given:
        if given.option.name in ours:
            yield Diagnostic(
                "GLM413",
                f"`{given.written}` is set by the plan already",
                at=("extra_args", given.index),
                hint=key_of(framework, given.option.names),
                fix=argument_fixes.said_already(given, plan.spec.extra_args, lines),
            )


def _own(plan: Plan, process: Process) -> CommandLine:
    """The plan's own options of a process; what is known only when it runs is a word that no profile can hold."""
    words = process.words(leader="\0", api_key="\0")
    words = words[: len(words) - len(plan.spec.extra_args)]
    return parse(plan.spec.framework, plan.spec.version, arguments(words, plan.spec.framework.launch))


def conflicting(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """Two options contradict each other

    Of an option that takes one value the last mention counts and the first is lost without a word; a switch is on or
    off, not both.
    """
    yield from _said(plan, "GLM414")


def abbreviated(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The option is abbreviated

    argparse takes any prefix that means one option, and a later release can make it mean two: `--pp` and
    `--cuda-graph-max-bs` of SGLang went that way.
    """
    yield from _said(plan, "GLM415")


def foreign_option(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The option belongs to another framework

    The hint names this framework's option for the same thing, where it has one.
    """
    yield from _said(plan, "GLM416")


def deprecated_option(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The option is deprecated

    It still works in this version and will go.
    """
    yield from _said(plan, "GLM417")


def unknown_variable(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """This version does not read the environment variable

    A variable with the framework's own prefix that its release never mentions does nothing, which is how a misspelt
    one looks.
    """
    spec = plan.spec
    for name, _value in spec.env:
        if finding := variable(spec.framework, spec.version, name):
            yield replace(finding, at=("env", name))


def variable(framework: Framework, version: Version, name: str) -> Diagnostic | None:
    """What is wrong with an environment variable of the framework's own prefix."""
    table = catalog.variables(framework.id)
    if table is None or not name.startswith(table.prefixes) or table.reads(name, version):
        return None
    message = f"{framework.name} {version} reads no environment variable `{name}`"
    return Diagnostic("GLM419", message, Level.WARNING, hint=_near_variable(table, version, name))


def _near_variable(table: VariableTable, version: Version, name: str) -> str:
    if versions := table.known_in(name):
        return f"it is read from {versions[0]} to {versions[-1]}"
    near = difflib.get_close_matches(name, sorted(table.at(version)), n=1, cutoff=0.8)
    return f"did you mean `{near[0]}`?" if near else "leave it out"
