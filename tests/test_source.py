"""Files as files: whatever is wrong with one ends as a coded diagnostic, never as a traceback."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import yaml as pyyaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from glmdeploy import pipeline, source
from glmdeploy.diagnostics import ProfileError
from glmdeploy.templating import yaml

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "apiVersion: glmdeploy/v1\nname: t\ncluster: {gpu: h200, gpus: 8}\nframework: {name: sglang}\n"


def _bomb() -> bytes:
    """Six lists of nine aliases of the one before: half a million values in a small file."""
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 7)]
    return "\n".join(lines).encode()


def _codes(path: Path) -> list[str]:
    return [d.code for d in pipeline.lint(str(path))]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"", "GLM005", id="empty"),
        pytest.param(b"# only a comment\n", "GLM005", id="comment"),
        pytest.param(b"\xff\xfe", "GLM002", id="not-utf8"),
        pytest.param(b"a: [1, 2\n", "GLM003", id="open-list"),
        pytest.param(b"a: 1\n  b: 2\n", "GLM003", id="bad-indentation"),
        pytest.param(b"\ta: 1\n", "GLM003", id="tab"),
        pytest.param(b"a: *nowhere\n", "GLM003", id="unknown-alias"),
        pytest.param(b"--- 1\n--- 2\n", "GLM033", id="two-documents"),
        pytest.param(b"name: a\nname: b\n", "GLM004", id="duplicate-key"),
        pytest.param(b"- a\n", "GLM006", id="list"),
        pytest.param(b"text\n", "GLM006", id="scalar"),
        pytest.param(b"[" * 5000, "GLM006", id="deep-nesting"),
        pytest.param(b"a: " * 200 + b"1\n", "GLM003", id="maps-in-a-line"),
        pytest.param(b"x" * 1_100_000, "GLM006", id="huge"),
        pytest.param(b"a: \x07\n", "GLM014", id="bell"),
        pytest.param("a: \u202e\n".encode(), "GLM014", id="right-to-left-override"),
        pytest.param(b"a: !!omap [a: 1]\n", "GLM003", id="ordered-map"),
        pytest.param(b"a: !!bool x\n", "GLM003", id="tagged-bool"),
        pytest.param(b"a: &a {<<: *a}\n", "GLM003", id="recursive-merge"),
        pytest.param(b"a: &a [*a]\n", "GLM003", id="recursive-alias"),
        pytest.param(b'"a\\e[31m": 1\n', "GLM014", id="escaped-control-in-a-key"),
        pytest.param(b'a: "\\e[31m"\n', "GLM014", id="escaped-control-in-a-value"),
        pytest.param(_bomb(), "GLM006", id="alias-bomb"),
        pytest.param(GOOD.encode().replace(b"gpus: 8", b"gpus: 2024-01-01"), "GLM011", id="date"),
        pytest.param(GOOD.encode().replace(b"gpus: 8", b"gpus: null"), "GLM011", id="null"),
        pytest.param(GOOD.encode().replace(b"gpus: 8", b"gpus: 8.0"), "GLM011", id="float"),
        pytest.param(GOOD.encode().replace(b"gpus: 8", b"gpus: '8'"), "GLM011", id="text-for-a-number"),
        pytest.param(GOOD.encode().replace(b"name: t", b"name: !!python/object:os.system x"), "GLM003", id="tag"),
    ],
)  # fmt: skip
def test_broken_files_are_coded(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "profile.yaml"
    path.write_bytes(content)
    assert _codes(path)[:1] == [code]


def test_a_missing_file_a_folder_and_an_unknown_name_are_coded(tmp_path: Path) -> None:
    assert _codes(tmp_path / "missing.yaml") == ["GLM001"]
    assert [d.code for d in pipeline.lint("no-such-profile")] == ["GLM016"]
    with pytest.raises(ProfileError) as caught:
        source.read(tmp_path)
    assert [d.code for d in caught.value.diagnostics] == ["GLM001"]


def test_a_file_without_permission_is_coded(tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(GOOD)
    path.chmod(0)
    user = os.geteuid()
    if user == 0:  # root reads every file: be nobody for a moment
        os.seteuid(65534)
    try:
        with pytest.raises(ProfileError) as caught:
            source.read(path)
    finally:
        os.seteuid(user)
    assert [d.code for d in caught.value.diagnostics] == ["GLM001"]


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert _codes(path) == []


def test_positions_are_those_of_the_value(tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text("apiVersion: glmdeploy/v1\nname: t\ncluster:\n  gpu: h20\n  gpus: 8\nframework: {name: sglang}\n")
    found = pipeline.lint(str(path))
    assert [(d.code, d.span and (d.span.line, d.span.column, d.span.text)) for d in found] == [
        ("GLM102", (4, 8, "  gpu: h20"))
    ]


texts = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=40)
TRICKY = [
    "yes",
    "on",
    "1:30",
    "012",
    "1e3",
    "0x10",
    "null",
    "~",
    "",
    " a",
    "a ",
    "#x",
    "a: b",
    "{",
    "[1m]",
    "${x}",
    "$(x)",
    "'",
    '"',
    "\\",
    "é",
    "\u2028",
]


@given(texts | st.sampled_from(TRICKY))
def test_rendered_scalars_read_the_same_in_yaml_1_1_and_1_2(text: str) -> None:
    assert pyyaml.safe_load(f"key: {yaml(text)}\n") == {"key": text}
    assert YAML(typ="safe", pure=True).load(f"key: {yaml(text)}\n") == {"key": text}


@given(texts | st.sampled_from(TRICKY))
def test_saved_profiles_read_the_same_in_yaml_1_1_and_1_2(text: str) -> None:
    written = source.dump({"a": {"b": text, "c": [text, 1, True]}})
    assert pyyaml.safe_load(written) == {"a": {"b": text, "c": [text, 1, True]}}
    assert (
        source.parse("x", written).data == {"a": {"b": text, "c": [text, 1, True]}}
        if not source.controls(text)
        else True
    )


def test_a_line_with_a_secret_is_cut_in_every_diagnostic(tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(GOOD + "extra_args: [--api-k, abcdefgh]\n")
    found = pipeline.lint(str(path))
    assert {d.code for d in found} >= {"GLM415", "GLM601"}
    assert all(d.span and "abcdefgh" not in d.span.text for d in found)
