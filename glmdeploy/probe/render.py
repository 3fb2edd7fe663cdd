"""A report as text, JSON or JUnit XML."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET  # only written with, never read

from glmdeploy.lint.junit import legal
from glmdeploy.probe.report import Status
from glmdeploy.units import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from glmdeploy.forms.probe import ProbeForm
    from glmdeploy.probe.report import Report, Result


def as_text(report: Report) -> str:
    """For people: a line a check, its hint below it, and the counts."""
    return "\n".join([*_text(report), ""])


def _text(report: Report) -> Iterator[str]:
    server = " ".join(filter(None, (report.server.engine, report.server.version)))
    seen = f", {server} by {report.server.evidence}" if server else ""
    yield f"{report.url}{seen}" + (f", model {report.model}" if report.model else "")
    if report.connected:
        yield ""
        width = max((len(r.code) for r in report.results), default=0)
        for result in report.results:
            yield f"{result.status.value:11}  {result.code:{width}}  {result.message}"
            if result.hint and result.status is not Status.PASS:
                yield f"{'':11}  {'':{width}}  hint: {result.hint}"
        yield ""
    counts = f"{report.count(Status.PASS)} passed, {report.count(Status.FAIL)} failed"
    counts += f", {report.count(Status.UNSUPPORTED)} not supported by this server"
    yield f"{plural(len(report.results), 'check')}: {counts}"


def as_json(report: Report) -> str:
    """One object, `glmdeploy-probe/v1`."""
    data: ProbeForm = {
        "format": "glmdeploy-probe/v1",
        "url": report.url,
        "server": report.server.as_json(),
        "model": report.model,
        "checks": [r.as_json() for r in report.results],
        "totals": {
            "pass": report.count(Status.PASS),
            "fail": report.count(Status.FAIL),
            "unsupported": report.count(Status.UNSUPPORTED),
        },
        "ttft_seconds": round(report.ttft, 3),
        "tokens_per_second": round(report.rate, 1),
        "diagnostics": [d.as_json() for d in report.found],
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def as_junit(report: Report) -> str:
    """JUnit XML: a test case a check; what a server does not offer is skipped."""
    totals = {"tests": len(report.results), "failures": report.count(Status.FAIL), "errors": 0}
    counts = {name: str(count) for name, count in totals.items()}
    root = ET.Element("testsuites", name="glmdeploy probe", attrib=counts)
    skipped = str(report.count(Status.UNSUPPORTED))
    suite = ET.SubElement(root, "testsuite", name=legal(report.url), skipped=skipped, attrib=counts)
    for result in report.results:
        _case(suite, report.url, result)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _case(suite: ET.Element, url: str, result: Result) -> None:
    case = ET.SubElement(suite, "testcase", name=result.code, classname=legal(url), time=f"{result.seconds:.3f}")
    text = legal(result.message + (f"\nhint: {result.hint}" if result.hint else ""))
    if result.status is Status.FAIL:
        ET.SubElement(case, "failure", message=legal(result.message), type="fail").text = text
    elif result.status is Status.UNSUPPORTED:
        ET.SubElement(case, "skipped", message=legal(result.message))
    else:
        ET.SubElement(case, "system-out").text = text


FORMATS: dict[str, Callable[[Report], str]] = {"text": as_text, "json": as_json, "junit": as_junit}
