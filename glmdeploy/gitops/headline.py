"""A check in one sentence or two."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from glmdeploy.gitops.against import State
from glmdeploy.units import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.gitops.against import Comparison
    from glmdeploy.gitops.check import Report


def headline(report: Report) -> str:
    """What matters first: what is refused or differs, then what a revision says."""
    if report.stopped:
        first = report.stopped[0]
        return f"Nothing is compared: {first.code}, {first.message}"
    sentences = ["; ".join(_states(report))]
    if report.against:
        sentences.append(_against(report.against))
    return ". ".join(sentences)


def _states(report: Report) -> Iterator[str]:
    total = len(report.checked) + len(report.refused)
    bad = sum(bool(c.changes) for c in report.checked)
    if report.refused:
        yield f"{_of(len(report.refused), total)} {_verb(len(report.refused), 'is', 'are')} refused"
    if bad:
        yield f"{_of(bad, total)} {_verb(bad, 'differs', 'differ')} from what is rendered"
    elif not report.refused:
        yield f"{plural(total, 'bundle')}: as rendered"
    if report.locks:
        yield report.locks[0].message


def _of(count: int, total: int) -> str:
    return plural(count, "bundle") if count == total else f"{count} of {plural(total, 'bundle')}"


def _verb(count: int, one: str, several: str) -> str:
    return one if count == 1 else several


def _against(comparison: Comparison) -> str:
    counted = Counter(a.state for a in comparison.bundles)
    listed = ", ".join(f"{counted[state]} {state.value}" for state in State if counted[state])
    return f"Rendered against `{comparison.name}`: {listed}"
