"""JUnit XML: a suite a file, a test case a code of it; errors are failures, what comments silence is skipped.

There is no standard; this keeps to what the schema of Jenkins takes (elements in its order, and no dates or hosts).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET  # only written with, never read

from glmdeploy.diagnostics import Level, printable
from glmdeploy.lint.report import sentences, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.lint.report import Report

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0 has no way to write these


def render(report: Report) -> str:
    """One document; a file without findings is one test case that passes."""
    root = ET.Element("testsuites", name="glmdeploy lint")
    suites = [_suite(root, report, path) for path in _paths(report)]
    for count in ("tests", "failures", "errors"):
        root.set(count, str(sum(int(s.get(count, "0")) for s in suites)))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _paths(report: Report) -> Iterable[str]:
    judged = [shown(name, report.base) for name in report.names]
    spoken = [report.path(d) for d in (*report.found, *(s.diagnostic for s in report.silenced))]
    return dict.fromkeys([*judged, *spoken])


def _suite(root: ET.Element, report: Report, path: str) -> ET.Element:
    name = legal(path) or "command line"
    suite = ET.SubElement(root, "testsuite", name=name)
    by_code: dict[str, list[Diagnostic]] = {}
    for d in (d for d in report.found if report.path(d) == path):
        by_code.setdefault(d.code, []).append(d)
    for code, found in by_code.items():
        _case(suite, name, code, found)
    silenced = [s for s in report.silenced if report.path(s.diagnostic) == path and s.diagnostic.code not in by_code]
    for code, reason in {s.diagnostic.code: s.reason for s in silenced}.items():
        case = ET.SubElement(suite, "testcase", name=code, classname=name)
        ET.SubElement(case, "skipped", message=legal(reason) or "silenced by a comment")
    if not len(suite):
        ET.SubElement(suite, "testcase", name="lint", classname=name)
    counts = {"tests": "testcase", "failures": "testcase/failure", "errors": "testcase/error", "skipped": "*/skipped"}
    for count, below in counts.items():
        suite.set(count, str(len(suite.findall(below))))
    return suite


def _case(suite: ET.Element, name: str, code: str, found: list[Diagnostic]) -> None:
    """A test case that fails for errors, and passes with words for warnings and notes."""
    case = ET.SubElement(suite, "testcase", name=code, classname=name)
    text = legal("\n\n".join(f"{d.level.value}{_place(d)}: {chr(10).join(sentences(d))}" for d in found))
    errors = [d for d in found if d.level is Level.ERROR]
    if errors:
        failure = ET.SubElement(case, "failure", message=legal(errors[0].message), type=Level.ERROR.value)
        failure.text = text
    else:
        ET.SubElement(case, "system-out").text = text


def _place(d: Diagnostic) -> str:
    return f" in line {d.span.line}, column {d.span.column}" if d.span and d.span.line else ""


def legal(text: str) -> str:
    """The text with what XML or a terminal must not get as escapes."""
    lines = (printable(line) for line in text.split("\n"))
    return _ILLEGAL.sub(lambda m: ascii(m[0])[1:-1], "\n".join(lines))
