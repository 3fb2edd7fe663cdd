"""SARIF 2.1.0, for code scanning: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html.

Columns count Unicode code points (`columnKind` says so), so that they are the same numbers as in every other format.
No code has an address of its own, so that no rule has a `helpUri`: its page is in `help`.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from glmdeploy import __version__, resources, rules
from glmdeploy.lint.report import fingerprints, sentences, shown
from glmdeploy.rules import levels

if TYPE_CHECKING:
    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.lint.report import Report
    from glmdeploy.rules import Page

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT, _SHIPPED = "%SRCROOT%", "GLMDEPLOY_PROFILES"
_BASES = {
    _ROOT: "The folder in which glmdeploy ran: the root of the repository, as a rule.",
    _SHIPPED: "The profiles that glmdeploy ships.",
}
_CODE = re.compile(r"(`[^`]*`)")
_MARKDOWN = re.compile(r"([\\*_<>\[\]#|])")


def render(report: Report) -> str:
    """One log with one run: every code as a rule, every finding as a result, silenced ones with their suppression."""
    run = {
        "tool": {"driver": _driver()},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {name: {"description": {"text": text}} for name, text in _BASES.items()},
        "results": _results(report),
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


def _driver() -> dict[str, Any]:
    return {
        "name": "glmdeploy",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_rule(page) for page in rules.pages().values()],
    }


def _rule(page: Page) -> dict[str, Any]:
    paragraphs = [" ".join(p.split()) for p in page.text.split("\n\n")[1:]]
    return {
        "id": page.code,
        "name": _name(page.title),
        "shortDescription": {"text": page.title},
        "fullDescription": {"text": " ".join(paragraphs)},
        "help": {
            "text": "\n\n".join([f"{page.code}: {page.title}", *paragraphs]),
            "markdown": "\n\n".join([f"**{page.code}: {_markdown(page.title)}**", *map(_markdown, paragraphs)]),
        },
        "defaultConfiguration": {"level": levels.usual(page.code).value},
    }


def _name(title: str) -> str:
    """A title as one word, for readers that show names: `TheFileIsNotUtf8`."""
    return "".join(word[:1].upper() + word[1:].lower() for word in re.findall(r"[A-Za-z0-9]+", title))


def _markdown(text: str) -> str:
    """Words that mean nothing to Markdown, but for what stands in backticks."""
    parts = _CODE.split(text)
    return "".join(p if p.startswith("`") and p.endswith("`") and p else _MARKDOWN.sub(r"\\\1", p) for p in parts)


def _results(report: Report) -> list[dict[str, Any]]:
    index = {code: number for number, code in enumerate(rules.pages())}
    all_found = (*report.found, *(s.diagnostic for s in report.silenced))
    suppressions: list[list[dict[str, str]]] = [
        *([] for _ in report.found),
        *([_suppression(s.reason)] for s in report.silenced),
    ]
    names = fingerprints(report, all_found)
    return [
        {
            "ruleId": d.code,
            "ruleIndex": index[d.code],
            "level": d.level.value,
            "message": {"text": "\n".join(sentences(d))},
            "locations": _locations(report, d),
            "partialFingerprints": {"glmdeployFinding/v1": name},
            "suppressions": suppressed,
        }
        for d, name, suppressed in zip(all_found, names, suppressions, strict=True)
    ]


def _suppression(reason: str) -> dict[str, str]:
    return {"kind": "inSource", **({"justification": reason} if reason else {})}


def _locations(report: Report, d: Diagnostic) -> list[dict[str, Any]]:
    if not report.path(d) or d.span is None:
        return []
    place: dict[str, Any] = {"artifactLocation": _artifact(d.span.path, report.base)}
    if d.span.line:
        line, end = d.span.line, d.span.end_column
        place["region"] = {"startLine": line, "startColumn": d.span.column, "endLine": line, "endColumn": end}
    return [{"physicalLocation": place}]


def _artifact(path: str, base: str) -> dict[str, str]:
    """A file below the base or among the shipped profiles by its path from there; any other by its absolute one."""
    relative = shown(path, base)
    if not PurePath(relative).is_absolute():
        return {"uri": _uri(relative), "uriBaseId": _ROOT}
    shipped = shown(path, str(resources.folder("profiles")))
    if not PurePath(shipped).is_absolute():
        return {"uri": _uri(shipped), "uriBaseId": _SHIPPED}
    return {"uri": f"file://{_uri(relative)}"}


def _uri(path: str) -> str:
    return quote(os.fsencode(path))
