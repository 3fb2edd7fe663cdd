"""`# glmdeploy: ignore[...]`: what it silences, what it never does, and what is said of comments without use."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import BUNDLES
from hypothesis import given
from hypothesis import strategies as st

from glmdeploy import ignores, pipeline, rules, source

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Result

# tight (GLM204, at gpus) and without devices for its fabric (GLM510, at fabric)
PROFILE = """\
apiVersion: glmdeploy/v1
name: t
framework: {name: sglang}
cluster:
  gpu: h100
  gpus: 10
  fabric: infiniband
kubernetes: {storage_class: shared}
serving: {thinking: max}
"""


def _lint(path: Path) -> tuple[list[tuple[str, int, int]], list[tuple[str, str]]]:
    outcome = pipeline.judge(source.read(path))
    shown = [(d.code, d.span.line, d.span.column) for d in outcome.found if d.span]
    return shown, [(s.diagnostic.code, s.reason) for s in outcome.silenced]


def _with(line: str, comment: str) -> str:
    return PROFILE.replace(line, f"{line}{comment}")


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "bom"])
@pytest.mark.parametrize(
    ("text", "shown", "silenced"),
    [
        pytest.param(PROFILE, [("GLM204", 6, 9), ("GLM510", 7, 11)], [], id="none"),
        pytest.param(
            _with("gpus: 10", " # glmdeploy: ignore[GLM204]"), [("GLM510", 7, 11)], [("GLM204", "")], id="its-line"
        ),
        pytest.param(
            _with("gpus: 10", " #\tglmdeploy:ignore[GLM204]"), [("GLM510", 7, 11)], [("GLM204", "")], id="tab-no-spaces"
        ),
        pytest.param(
            _with("gpus: 10", " # ten of them  # glmdeploy: ignore[GLM204] - measured"),
            [("GLM510", 7, 11)],
            [("GLM204", "measured")],
            id="behind-another-comment-with-a-reason",
        ),
        pytest.param(
            PROFILE.replace("  gpus", "  # glmdeploy: ignore[GLM204]\n  # ten\n  gpus"),
            [("GLM510", 9, 11)],
            [("GLM204", "")],
            id="the-line-below-the-comments",
        ),
        pytest.param(
            PROFILE.replace("  gpus", "  # glmdeploy: ignore[GLM204]\n\n  gpus"),
            [("GLM204", 8, 9), ("GLM510", 9, 11), ("GLM030", 6, 23)],
            [],
            id="an-empty-line-ends-it",
        ),
        pytest.param(
            f"# ours\n# glmdeploy: ignore[GLM510, GLM204] we know\n\n{PROFILE}",
            [],
            [("GLM204", "we know"), ("GLM510", "we know")],
            id="the-whole-file",
        ),
        pytest.param(
            f"---\n# glmdeploy: ignore[GLM204]\n{PROFILE}", [("GLM510", 9, 11)], [("GLM204", "")], id="below-the-mark"
        ),
        pytest.param(
            _with("gpus: 10", " # glmdeploy: ignore[GLM305]"),
            [("GLM204", 6, 9), ("GLM510", 7, 11), ("GLM030", 6, 32)],
            [],
            id="nothing-to-silence",
        ),
        pytest.param(
            _with("fabric: infiniband", " # glmdeploy: ignore[GLM204]"),
            [("GLM204", 6, 9), ("GLM510", 7, 11), ("GLM030", 7, 42)],
            [],
            id="the-wrong-line",
        ),
        pytest.param(
            _with("gpus: 10", " # glmdeploy: ignore[glm204, GLM2]"),
            [("GLM204", 6, 9), ("GLM510", 7, 11), ("GLM031", 6, 32), ("GLM031", 6, 40)],
            [],
            id="unknown-codes",
        ),
        pytest.param(
            _with("gpus: 10", " # glmdeploy: ignore"),
            [("GLM204", 6, 9), ("GLM510", 7, 11), ("GLM031", 6, 12)],
            [],
            id="no-code",
        ),
        pytest.param(
            PROFILE.replace("gpus: 10", "gpus: 8 # glmdeploy: ignore[GLM201]"),
            [("GLM201", 6, 9), ("GLM032", 6, 31)],
            [],
            id="an-error-of-a-rule",
        ),
        pytest.param(
            _with("gpus: 10", " # glmdeploy: ignore[GLM705]"),
            [("GLM204", 6, 9), ("GLM510", 7, 11)],
            [],
            id="of-a-code-that-only-other-commands-say",
        ),
        pytest.param(
            PROFILE + "env: {A: 'x # glmdeploy: ignore[GLM204]'}\n",
            [("GLM204", 6, 9), ("GLM510", 7, 11)],
            [],
            id="not-in-quotes",
        ),
        pytest.param(
            PROFILE + "env:\n  A: >-\n    # glmdeploy: ignore[GLM204]\n",
            [("GLM204", 6, 9), ("GLM510", 7, 11)],
            [],
            id="not-in-a-block-scalar",
        ),
        pytest.param(
            PROFILE.replace("infiniband", ">- # glmdeploy: ignore[GLM510]\n    infiniband"),
            [("GLM204", 6, 9)],
            [("GLM510", "")],
            id="behind-the-head-of-a-block-scalar",
        ),
        pytest.param(
            PROFILE + "env:\n  A: x#glmdeploy:ignore[GLM999]\n",
            [("GLM204", 6, 9), ("GLM510", 7, 11)],
            [],
            id="no-comment-without-a-space-before",
        ),
        pytest.param(
            _with("gpus: 10", " # glmdeploy: ignored[GLM204]"),
            [("GLM204", 6, 9), ("GLM510", 7, 11)],
            [],
            id="another-word",
        ),
    ],
)
def test_comments(
    text: str,
    shown: list[tuple[str, int, int]],
    silenced: list[tuple[str, str]],
    newline: str,
    mark: str,
    write_profile: Callable[..., Path],
) -> None:
    path = write_profile("")
    path.write_bytes((mark + text.replace("\n", newline)).encode())
    assert _lint(path) == (shown, silenced)


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=20), st.booleans())
def test_no_string_is_taken_for_a_comment(text: str, in_list: bool) -> None:
    value = f"{text} # glmdeploy: ignore[GLM204] {text}"
    written = source.dump({"a": [value, "b"] if in_list else value, value: 1})
    assert ignores.read("p", written) == ()
    (found,) = ignores.read("p", f"{written}b: 1 # glmdeploy: ignore[GLM204]\n")
    assert found.line == len(written.splitlines()) + 1


def test_an_error_of_the_schema_is_never_silenced(write_profile: Callable[..., Path]) -> None:
    path = write_profile(PROFILE.replace("gpus: 10", "gpus: x # glmdeploy: ignore[GLM011]"))
    assert _lint(path) == ([("GLM011", 6, 9), ("GLM032", 6, 31)], [])


def test_a_comment_shows_no_secret_that_stands_before_it(
    write_profile: Callable[..., Path], run: Callable[..., Result]
) -> None:
    text = PROFILE.replace("10", "x") + "extra_args: [--api-key, abcdefgh] # glmdeploy: ignore[GLM999]\n"
    path = str(write_profile(text))
    for form in ("text", "json", "sarif", "github", "gitlab", "junit"):
        result = run("lint", path, "--format", form)
        assert "GLM031" in result.out + result.err
        assert "abcdefgh" not in result.out + result.err


@pytest.mark.parametrize("command", ["plan", "render", "lint"])
def test_every_command_is_silent(
    command: str, write_profile: Callable[..., Path], run: Callable[..., Result], tmp_path: Path
) -> None:
    path = write_profile(_with("gpus: 10", " # glmdeploy: ignore[GLM204]"))
    result = run(command, str(path), *(["-o", str(tmp_path / "out")] if command == "render" else []))
    assert result.code == 0
    assert "GLM204" not in result.err
    # `plan` says nothing of targets
    assert ("GLM510" in result.err) == (command != "plan")


def test_a_comment_without_use_is_said_only_of_the_file_as_it_is(
    write_profile: Callable[..., Path], run: Callable[..., Result]
) -> None:
    path = str(write_profile(PROFILE.replace("gpus: 10", "gpus: 16 # glmdeploy: ignore[GLM204]")))
    assert "GLM030" in run("render", path, "-o", "-").err
    assert "GLM030" not in run("render", path, "-o", "-", "--concurrency", "2").err
    assert "GLM030" not in run("plan", path).err


def test_upgrade_and_cost_keep_to_comments(write_profile: Callable[..., Path], run: Callable[..., Result]) -> None:
    path = str(write_profile(f"# glmdeploy: ignore[GLM204, GLM510, GLM503]\n{PROFILE}"))
    upgraded = run("upgrade", path, "--to", "0.5.23").err
    assert "GLM503" in upgraded  # of the option, not of the file
    assert "GLM204" not in upgraded
    assert "GLM204" not in run("cost", path).err


def test_comments_work_in_the_files_of_a_bundle(tmp_path: Path, run: Callable[..., Result]) -> None:
    shutil.copytree(BUNDLES / "glm-5.2-fp8-8xh200-vllm", tmp_path / "b")
    before = run("lint", "--bundle", str(tmp_path / "b"), "--format", "json").json
    note = next(d for d in before["diagnostics"] if d["code"] == "GLM821")
    file = Path(note["path"])
    lines = file.read_text().splitlines(keepends=True)
    lines[note["line"] - 1] = lines[note["line"] - 1].rstrip("\n") + " # glmdeploy: ignore[GLM821, GLM825] ours\n"
    file.write_text("".join(lines))
    after = run("lint", "--bundle", str(tmp_path / "b"), "--format", "json").json
    assert [(d["code"], d["line"], d["reason"]) for d in after["silenced"]] == [("GLM821", note["line"], "ours")]
    assert [(d["code"], d["line"]) for d in after["diagnostics"] if d["code"] == "GLM030"] == [("GLM030", note["line"])]


@pytest.mark.parametrize(
    ("code", "meant"),
    [("GLM305x", "GLM305"), ("glm305", "GLM305"), ("GML204", "GLM204"), ("GLM34", "GLM334"), ("nonsense", "")],
)
def test_the_nearest_code(code: str, meant: str) -> None:
    assert ignores.near(code, rules.pages()) == meant
