"""The story, one line a stage: source -> profile -> spec -> plan -> processes -> judgement -> files."""

from __future__ import annotations

import json
import os
import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from glmdeploy import catalog, resources, rules, source, targets
from glmdeploy.commandline import strip_launcher
from glmdeploy.diagnostics import Diagnostic, Level, ProfileError, Span, has_errors
from glmdeploy.frameworks import ENGINES, LAUNCH
from glmdeploy.planner import make_plan
from glmdeploy.profile import API_VERSION, Profile, as_yaml, parse
from glmdeploy.spec import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glmdeploy.bundle import Bundle
    from glmdeploy.flags import Framework
    from glmdeploy.plan import Plan, Process
    from glmdeploy.source import Source


@dataclass(frozen=True)
class Outcome:
    """What became of one profile: as far as it got, and every diagnostic, placed."""

    source: Source
    profile: Profile | None
    plan: Plan | None
    processes: tuple[Process, ...]
    found: tuple[Diagnostic, ...]

    @property
    def refused(self) -> bool:
        """Whether any diagnostic is an error."""
        return has_errors(self.found)


def open_profile(name: str) -> Source:
    """A profile by file, or by the name of a shipped one; ProfileError with GLM0xx otherwise."""
    shipped = resources.shipped_profiles()
    # os.path: unlike Path, it answers False where permission is missing, and reading then says why
    exists = os.path.exists(name)  # noqa: PTH110
    if name in shipped and not exists:
        return source.read(shipped[name])
    if not exists and "/" not in name and not name.endswith((".yaml", ".yml")):
        hint = "`glmdeploy list profiles` shows the shipped ones; a file ends in .yaml"
        raise ProfileError([Diagnostic("GLM016", f"no profile `{name}`", span=Span(name), hint=hint)])
    return source.read(Path(name))


def judge(document: Source, *, for_targets: bool = True) -> Outcome:
    """Plan what the document describes and run every rule; never raises for bad input.

    Without ``for_targets``, nothing is said about what containers would need.
    """
    profile: Profile | None = None
    try:
        profile = parse(document)
        spec = resolve(profile, catalog.load())
        spec = spec if for_targets else replace(spec, targets=())
    except ProfileError as error:
        return Outcome(document, profile, None, (), document.place(error.diagnostics))
    plan = make_plan(spec, ENGINES[spec.framework.id])
    processes = LAUNCH[spec.framework.id](plan) if plan.launchable else ()
    found = document.place((*spec.found, *rules.check(plan, processes)))
    return Outcome(document, profile, plan, () if has_errors(found) else processes, found)


def render(outcome: Outcome) -> Bundle:
    """The files of an outcome that was not refused; ProfileError with its diagnostics otherwise."""
    if outcome.plan is None or outcome.refused:
        raise ProfileError(outcome.found)
    return targets.render(outcome.plan, outcome.processes)


def profile_text(outcome: Outcome) -> str:
    """The profile of an outcome as a file: block style, schema line on top."""
    if outcome.profile is None:
        raise ProfileError(outcome.found)
    return source.dump(as_yaml(outcome.profile), "# yaml-language-server: $schema=glmdeploy.schema.json\n")


def profile_schema() -> str:
    """The JSON Schema (2020-12) of profiles."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Profile.model_json_schema()}
    return json.dumps(schema, indent=2) + "\n"


def lint(name: str) -> list[Diagnostic]:
    """Every diagnostic of one profile; never raises for bad input."""
    try:
        return list(judge(open_profile(name)).found)
    except ProfileError as error:
        return list(error.diagnostics)


_OURS = re.compile(rb"^apiVersion:\s*[\"']?glmdeploy/", re.MULTILINE)


def find_profiles(paths: Iterable[str]) -> tuple[list[str], list[Diagnostic]]:
    """The profiles that paths name: files as they are, folders searched; and what is wrong with the paths."""
    names: list[str] = []
    found: list[Diagnostic] = []
    for path in paths:
        if not os.path.isdir(path):  # noqa: PTH112  False where permission is missing
            names.append(path)
            continue
        below = _below(Path(path), found)
        if not below:
            found.append(
                Diagnostic(
                    "GLM017",
                    f"no profile below `{path}`",
                    span=Span(path),
                    hint=f"a profile starts with `apiVersion: {API_VERSION}`",
                )
            )
        names += below
    return list(dict.fromkeys(names)), found


def _below(folder: Path, found: list[Diagnostic]) -> list[str]:
    names = []
    for root, folders, files in os.walk(folder, onerror=lambda e: found.append(_unreadable(e))):
        folders.sort()
        for file in sorted(files):
            path = Path(root, file)
            if path.suffix not in {".yaml", ".yml"} or not path.is_file():
                continue
            try:
                with path.open("rb") as opened:
                    ours = _OURS.search(opened.read(source.MAX_BYTES))
            except OSError as error:
                found.append(_unreadable(error))
                continue
            if ours:
                names.append(str(path))
    return names


def _unreadable(error: OSError) -> Diagnostic:
    return Diagnostic("GLM001", f"cannot read `{error.filename}`: {error.strerror}", span=Span(str(error.filename)))


def lint_argv(framework: str, version: str | None, name: str) -> list[Diagnostic]:
    """What a framework's parser and engine would say to the command line in a file (shell text or a JSON list)."""
    entry = catalog.load().frameworks.get(framework.lower())
    if entry is None:
        known = ", ".join(catalog.load().frameworks)
        raise ProfileError([Diagnostic("GLM105", f"unknown framework `{framework}`", hint=f"known: {known}")])
    chosen = _version(version, entry.default)
    text = source.text(Path(name))
    spans = list(_words(name, text))
    if not spans:
        raise ProfileError([Diagnostic("GLM018", "no command line in this file", span=Span(name, 1, 1))])
    skipped, words = strip_launcher([word for word, _ in spans])
    found = [
        Diagnostic(f.code, f.message, f.level, span=spans[skipped + f.index][1], hint=f.hint)
        for f in rules.arguments.judge(entry, chosen, words)
    ]
    whole = spans[0][1]
    found += _about_version(entry, chosen)
    for code, why, rule in rules.engine.judge(entry, chosen, words):
        found.append(
            Diagnostic(code, f"{entry.name} refuses this: {why}", span=whole, notes=(f"checked in {rule.source}",))
        )
    return found


def _version(text: str | None, default: Version) -> Version:
    try:
        return Version(text) if text else default
    except InvalidVersion:
        raise ProfileError([Diagnostic("GLM108", f"`{text}` is not a version", hint=f"such as `{default}`")]) from None


def _about_version(framework: Framework, version: Version) -> Iterable[Diagnostic]:
    place = Span("--framework-version")
    if version < framework.floor:
        message = f"{framework.name} {version} cannot serve GLM-5.2: it needs {framework.floor} or newer"
        yield Diagnostic("GLM109", message, span=place, hint=f"source: {framework.facts['floor'].source}")
    elif version not in framework.tested:
        nearest = catalog.options(framework.id).nearest(version)
        message = f"the catalogue knows no {framework.name} {version}: judged by what {nearest} takes"
        yield Diagnostic("GLM110", message, Level.WARNING, span=place, hint="name a known version")


_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")


def _words(name: str, text: str) -> Iterable[tuple[str, Span]]:
    """The words of a command line with their places; variables set before the command are left out."""
    as_json = text.lstrip().startswith("[")
    try:
        words = json.loads(text) if as_json else shlex.split(text.replace("\\\n", "  "), comments=True)
    except (ValueError, RecursionError) as error:
        kind = "a JSON list" if as_json else "a shell command line"
        raise ProfileError([Diagnostic("GLM018", f"not {kind}: {error}", span=Span(name, 1, 1))]) from None
    if not all(isinstance(word, str) for word in words):
        raise ProfileError([Diagnostic("GLM018", "a command line is a list of strings", span=Span(name, 1, 1))])
    started, offset = as_json, 0
    for word in words:
        started = started or not _ASSIGNMENT.match(word)
        needle = json.dumps(word)[1:-1] if as_json else word
        place = text.find(needle, offset)
        offset = place + len(needle) if place >= 0 else offset
        if started:
            yield word, _span(name, text, max(place, 0), len(needle))


def _span(name: str, text: str, offset: int, width: int) -> Span:
    line = text.count("\n", 0, offset)
    start = text.rfind("\n", 0, offset) + 1
    shown = text.splitlines()[line] if text else ""
    return Span(name, line + 1, offset - start + 1, width, shown)
