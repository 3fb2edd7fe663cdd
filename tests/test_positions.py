"""Line and column of a finding in every format, whatever stands before it. Marks « and » show the place that is meant."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

import pytest

from glmdeploy.diagnostics import Diagnostic, Span, render_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Result

HEAD = "apiVersion: glmdeploy/v1\nname: t\nframework: {name: sglang}\n"
CLUSTER = "cluster: {gpu: h200, gpus: 8}\n"
_BREAK = re.compile(r"\r\n|\r|\n")

CASES = [
    pytest.param(HEAD + "cluster:\n  gpu: «h20»\n  gpus: 8\n", "GLM102", id="plain"),
    pytest.param(HEAD + 'cluster:\n  gpu: «"h20"»\n  gpus: 8\n', "GLM102", id="quotes-belong-to-it"),
    pytest.param(HEAD + "cluster: {gpus: 8, gpu: «h20»}\n", "GLM102", id="flow"),
    pytest.param(HEAD + "cluster:\n  gpu: &g «h20»\n  gpus: 8\n", "GLM102", id="behind-the-anchor"),
    pytest.param(HEAD + "env: {A: &g «h20»}\ncluster:\n  gpu: *g\n  gpus: 8\n", "GLM102", id="alias-where-it-is-written"),
    pytest.param(HEAD + "cluster:\n  <<: &base {gpu: «h20»}\n  gpus: 8\n", "GLM102", id="merged-where-it-is-written"),
    pytest.param(
        HEAD + "cluster:\n  <<: [{gpu: «h20»}, {gpu: h200, gpus: 8}]\n", "GLM102", id="the-first-of-two-merges-wins"
    ),
    pytest.param(HEAD + "cluster: &c\n  gpu: «h200»\n  gpus: 8\nserving: *c\n", "GLM010", id="alias-of-a-group"),
    pytest.param(HEAD + "cluster:\n  «gpu»:\n\n  # nothing above\n  gpus: 8\n", "GLM011", id="empty-value-at-its-key"),
    pytest.param(HEAD + CLUSTER + "extra_args:\n  - --a\n  - «1»\n", "GLM011", id="list-item"),
    pytest.param(HEAD + "cluster:\n  gpus: 8\n  gpu: «>-»\n    h20\n", "GLM102", id="block-scalar"),
    pytest.param(HEAD + 'cluster:\n  gpus: 8\n  gpu: «"h\\»\n    20"\n', "GLM102", id="to-the-end-of-its-first-line"),
    pytest.param(HEAD + CLUSTER + 'env: {A: "\t\t", B: «1»}\n', "GLM011", id="tabs-are-one-character"),
    pytest.param(HEAD + CLUSTER + "env: {A: é漢, B: «1»}\n", "GLM011", id="non-ascii-is-one-character"),
    pytest.param(HEAD + CLUSTER + "env: {A: 😀, B: «1»}\n", "GLM011", id="beyond-the-basic-plane-is-one-character"),
    pytest.param(HEAD + CLUSTER + "env: {A: e\u0301, B: «1»}\n", "GLM011", id="combining-mark-is-one-character"),
    pytest.param(HEAD + CLUSTER + 'env: {A: "\ufeff", B: «1»}\n', "GLM011", id="byte-order-mark-inside"),
    pytest.param(HEAD + CLUSTER + 'env: {A: "x\u2028y", B: «1»}\n', "GLM011", id="line-separator-ends-no-line"),
    pytest.param(HEAD + CLUSTER + 'env: {A: "x\u2028y"}\nserving: {port: «x»}\n', "GLM011", id="below-a-line-separator"),
    pytest.param("%YAML 1.1\n---\n" + HEAD + CLUSTER + 'env: {A: "x\u2028y", B: «1»}\n', "GLM011", id="yaml-1.1"),
    pytest.param(HEAD + CLUSTER + "«n»ame: u\n", "GLM004", id="duplicate-key"),
    pytest.param(HEAD + CLUSTER + "env: {A: é, B: x«\x07»}\n", "GLM014", id="control-character"),
    pytest.param(HEAD + CLUSTER + "env: {A: é«\x0c»\n", "GLM014", id="form-feed-ends-no-line"),
    pytest.param(HEAD + CLUSTER + "env: {A: é, B: «\ufffe»}\n", "GLM003", id="no-character-of-yaml"),
    pytest.param(HEAD + CLUSTER + "env: {A: é, B: [1«»\n", "GLM003", id="not-yaml"),
    pytest.param(HEAD + CLUSTER + "«-»--\nname: u\n", "GLM033", id="second-document"),
    pytest.param(HEAD + CLUSTER + "...\n# a comment\n«n»ame: u\n", "GLM033", id="second-document-without-a-mark"),
    pytest.param("---\n" + HEAD + CLUSTER + "serving: {port: «x»}\n...\n", "GLM011", id="one-document-with-marks"),
    pytest.param("{apiVersion: glmdeploy/v1, name: «T», cluster: {gpu: h200, gpus: 8}, framework: {name: sglang}}\n", "GLM011", id="first-line"),
    pytest.param(HEAD + CLUSTER + "serving: {port: 8000} # glmdeploy: ignore[«GLM999»]\n", "GLM031", id="comment"),
    pytest.param(HEAD + CLUSTER + "env: {A: é😀} # glmdeploy: ignore[GLM1, «GLM999»]\n", "GLM031", id="comment-behind-non-ascii"),
]  # fmt: skip


def expected(marked: str) -> tuple[str, int, int, int]:
    """The text without its marks, and line, column and end column of what stood between them."""
    before, rest = marked.split("«")
    inside, after = rest.split("»")
    lines = _BREAK.split(before)
    if not inside:  # the parser points behind the end
        lines = [*_BREAK.split(before + after)[:-1], ""]
    column = len(lines[-1]) + 1
    return before + inside + after, len(lines), column, column + max(1, len(inside))


@pytest.mark.parametrize("mark", [pytest.param(b"", id=""), pytest.param(codecs.BOM_UTF8, id="bom")])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize(("marked", "code"), CASES)
def test_every_format_names_the_same_place(
    marked: str, code: str, newline: str, mark: bytes, tmp_path: Path, run: Callable[..., Result]
) -> None:
    text, *place = expected(marked.replace("\n", newline))
    path = tmp_path / "p.yaml"
    path.write_bytes(mark + text.encode())
    line, column, end = place
    assert [line, column, end] in _json(run, path, code)
    assert [line, column, end] in _sarif(run, path, code)
    assert [line, column, end] in _github(run, path, code)
    assert f"[{code}]" in run("lint", str(path)).err
    assert f"{path}:{line}:{column}\n" in run("lint", str(path)).err


def _json(run: Callable[..., Result], path: Path, code: str) -> list[list[int]]:
    found = [d for d in run("lint", str(path), "--format", "json").json["diagnostics"] if d["code"] == code]
    assert all(d["line"] == d["end_line"] for d in found)
    return [[d["line"], d["column"], d["end_column"]] for d in found]


def _sarif(run: Callable[..., Result], path: Path, code: str) -> list[list[int]]:
    (log,) = run("lint", str(path), "--format", "sarif").json["runs"]
    assert log["columnKind"] == "unicodeCodePoints"
    regions = [r["locations"][0]["physicalLocation"]["region"] for r in log["results"] if r["ruleId"] == code]
    assert all(r["startLine"] == r["endLine"] for r in regions)
    return [[r["startLine"], r["startColumn"], r["endColumn"]] for r in regions]


def _github(run: Callable[..., Result], path: Path, code: str) -> list[list[int]]:
    pattern = rf"line=(\d+),endLine=\1,col=(\d+),endColumn=(\d+),title={code}::"
    return [
        [int(n) for n in m.groups()] for m in re.finditer(pattern, run("lint", str(path), "--format", "github").out)
    ]


MAP = "apiVersion: v1\nkind: ConfigMap\n"

MANIFESTS = [
    pytest.param(MAP + "metadata: {name: «GLM_5»}\n", "GLM804", id="plain"),
    pytest.param(MAP + 'metadata: {name: «"GLM_5"»}\n', "GLM804", id="quotes-belong-to-it"),
    pytest.param(MAP + "metadata: {name: &n «GLM_5»}\n", "GLM804", id="behind-the-anchor"),
    pytest.param(MAP + "metadata: {<<: &m {name: «GLM_5»}}\n", "GLM804", id="merged"),
    pytest.param(MAP + 'data: {a: "\u2028é😀"}\nmetadata: {labels: {a: "\u2028😀"}, name: «GLM_5»}\n', "GLM804", id="non-ascii"),
    pytest.param(MAP + "metadata: {name: a}\n---\n" + MAP + "metadata: {name: «GLM_5»}\n", "GLM804", id="second-document"),
    pytest.param(MAP + "metadata: {name: a}\ndata:\n  «a»:\n\n  # b\n  b: c\n", "GLM803", id="empty-value-at-its-key"),
    pytest.param(MAP + "metadata: {name: a}\ndata: {a: é, b: [«»\n", "GLM003", id="not-yaml"),
]  # fmt: skip


@pytest.mark.parametrize("mark", [pytest.param(b"", id=""), pytest.param(codecs.BOM_UTF8, id="bom")])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize(("marked", "code"), MANIFESTS)
def test_manifests_have_exact_places_too(
    marked: str, code: str, newline: str, mark: bytes, tmp_path: Path, run: Callable[..., Result]
) -> None:
    text, *place = expected(marked.replace("\n", newline))
    (tmp_path / "m.yaml").write_bytes(mark + text.encode())
    found = run("lint", "--bundle", str(tmp_path), "--format", "json").json["diagnostics"]
    assert place in [[d["line"], d["column"], d["end_column"]] for d in found if d["code"] == code]


@pytest.mark.parametrize(
    ("text", "caret"),
    [
        pytest.param("a: b", "   ^", id="ascii"),
        pytest.param("\t: b", "\t  ^", id="tab"),
        pytest.param("漢: b", "    ^", id="wide"),
        pytest.param("e\u0301: b", "   ^", id="combining"),
        pytest.param("\u2028: b", "        ^", id="shown-as-an-escape"),
    ],
)
def test_the_caret_stands_below_the_value_on_a_terminal(text: str, caret: str) -> None:
    found = Diagnostic("GLM011", "m", span=Span("p", 1, text.index("b") + 1, 1, text))
    assert render_text([found]).splitlines()[-1] == f"  | {caret}"
