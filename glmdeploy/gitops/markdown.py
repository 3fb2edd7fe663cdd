"""A check as the one comment of a pull request: a sentence, a table of bundles, and the rest folded or cut to fit.

The comment starts with a mark that no reader sees, so that a bot finds its own comment and updates it. What a file holds
is shown as `diff` shows it: without values that look like secrets.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from glmdeploy.bundle import MANIFEST
from glmdeploy.difference import Files, compare
from glmdeploy.difference.comment import LONGEST, Part, assemble, code, escaped, patch
from glmdeploy.difference.markdown import tables
from glmdeploy.difference.text import cut
from glmdeploy.difference.view import sentence
from glmdeploy.gitops.against import State
from glmdeploy.gitops.files import Kind
from glmdeploy.gitops.headline import headline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.difference.files import FileDelta
    from glmdeploy.gitops.against import Against, Comparison
    from glmdeploy.gitops.check import Checked, Report
    from glmdeploy.workspace import Deployment

MARK = "<!-- glmdeploy-check -->"


def render(report: Report) -> str:
    """The comment."""
    head = [MARK, f"**{escaped(cut(headline(report), 2 * LONGEST))}**"]
    return assemble(head, _parts(report), "`glmdeploy check` shows everything")


def _parts(report: Report) -> Iterator[Part]:
    if rows := list(_rows(report)):
        titles = ["bundle", "profile", "environment", "state"]
        titles += [f"rendered against {code(report.against.name)}"] if report.against else []
        yield Part("the table of bundles", rows, f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}\n")
    if report.errors:
        yield Part("the errors", [_said(d) for d in report.errors], "**Errors**\n\n")
    if report.differs and not report.errors:
        yield Part("the hint", ["`glmdeploy check --fix` writes what is ours; commit the result."], "")
    for checked in report.checked:
        if checked.changes:
            yield from _drift(checked)
    if report.locks:
        yield Part("what is said of the workspace", [_said(d) for d in report.locks], "")
    if report.against:
        yield from _against(report.against)


def _rows(report: Report) -> Iterator[str]:
    states = {str(c.rendered.folder): (c.rendered.deployment, _state(c)) for c in report.checked}
    states |= {str(r.folder): (r.deployment, "refused") for r in report.refused}
    since = {a.folder: a for a in report.against.bundles} if report.against else {}
    for folder, against in since.items():
        states.setdefault(folder, (against.deployment, "not listed any more"))
    for folder, (deployment, state) in states.items():
        yield _row(folder, deployment, state, *([since[folder].state.value] if folder in since else []))


def _row(folder: str, deployment: Deployment, *states: str) -> str:
    environment = code(deployment.environment) if deployment.environment else ""
    return f"| {' | '.join([code(folder), code(deployment.profile), environment, *states])} |"


def _state(checked: Checked) -> str:
    counted = Counter(c.kind for c in checked.changes)
    return ", ".join(f"{counted[kind]} {kind.value}" for kind in Kind if counted[kind]) or "as rendered"


def _said(d: Diagnostic) -> str:
    place = ""
    if d.span:
        place = f" {code(f'{d.span.path}:{d.span.line}:{d.span.column}' if d.span.line else d.span.path)}"
    rest = "".join(f". {escaped(cut(text, 2 * LONGEST))}" for text in (d.label, *d.notes, d.hint) if text)
    return f"- {d.code}{place}: {escaped(cut(d.message, 2 * LONGEST))}{rest}"


def _drift(checked: Checked) -> Iterator[Part]:
    """What happened to each file of a bundle and why, and the differences, folded."""
    folder = str(checked.rendered.folder)
    deltas = {d.path: d for d in _deltas(checked)}
    lines = [f"- {code(c.path)}: {c.kind.value}{_lines(deltas.get(c.path))}" for c in checked.changes]
    why = f", because {escaped('; '.join(checked.reasons))}" if checked.reasons else ""
    yield Part(f"what differs in {code(folder)}", lines, f"**{code(folder)}** differs{why}:\n\n")
    shown = [line for delta in deltas.values() for line in delta.diff if delta.path != MANIFEST]  # checksums
    if shown:
        folded = patch(f"the diff of {code(folder)}", f"from the files of {folder} to what is rendered", shown)
        yield replace(folded, late=True)


def _deltas(checked: Checked) -> tuple[FileDelta, ...]:
    ours = [c for c in checked.changes if c.kind is not Kind.STRAY]
    before = {c.path: c.committed for c in ours if c.committed is not None}
    after = {c.path: c.expected for c in ours if c.expected is not None}
    return compare(Files("", before), Files("", after)).files


def _lines(delta: FileDelta | None) -> str:
    if delta is None:
        return ""
    said = [f"+{delta.plus} -{delta.minus} lines"] if delta.plus or delta.minus else []
    return f" ({'; '.join([*said, *([escaped(delta.why)] if delta.why else [])])})"


def _against(comparison: Comparison) -> Iterator[Part]:
    rev = code(comparison.name)
    if comparison.note:
        yield Part("a note", [f"Note: {escaped(cut(comparison.note, 2 * LONGEST))}."], "")
    for bundle in comparison.bundles:
        if said := _sentence(bundle):
            title = f"{code(bundle.folder)} against {rev}"
            yield Part(title, [f"**{title}**: {said}"], "")
        if bundle.difference and bundle.state is State.CHANGED:
            yield from (replace(part, late=True) for part in tables(bundle.difference))


def _sentence(bundle: Against) -> str:
    if bundle.state is State.CHANGED and bundle.difference:
        return escaped(cut(sentence(bundle.difference), 2 * LONGEST))
    why = f" ({escaped(cut(bundle.why, LONGEST))})" if bundle.why else ""
    return "" if bundle.state is State.UNCHANGED else f"{bundle.state.value}{why}"
