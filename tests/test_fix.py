"""`lint --fix`: the safe fixes, each with what stays as it was, and what is left alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import TESTS

import glmdeploy
from glmdeploy import pipeline, source
from glmdeploy.edit import files, fix

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Result

    Run = Callable[..., Result]
    Write = Callable[..., Path]

# what can be parsed; the rest is nobody's to fix
CODES = sorted(
    p.name for p in (TESTS / "rules").iterdir() if p.name not in {f"GLM00{n}" for n in range(7)} | {"GLM014", "GLM033"}
)
HEAD = "# ours\napiVersion: glmdeploy/v1\nname: t  # t\ncluster: {gpu: h200, gpus: 8}\n"
SGLANG = "framework: {name: sglang, version: '0.5.21'}\n"
OLD = "framework: {name: sglang, version: '0.5.16'}\n"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        pytest.param(
            SGLANG + "serving:\n  contxt: 64K # long\n", SGLANG + "serving:\n  context: 64K # long\n",
            ["GLM010: `serving.contxt` becomes `context`"], id="unknown-key",
        ),
        pytest.param(
            SGLANG + "'servin': {context: 64K}\n", SGLANG + "'serving': {context: 64K}\n",
            ["GLM010: `servin` becomes `serving`"], id="unknown-section-in-quotes",
        ),
        pytest.param(
            "framework: {name: vllm, version: 0.30}\nenv:\n  A: 007 # agent\n  B: true\n",
            'framework: {name: vllm, version: "0.30"}\nenv:\n  A: "007" # agent\n  B: "true"\n',
            [f"GLM011: `{at}` is a string: what was written, in quotes" for at in ("framework.version", "env.A", "env.B")],
            id="numbers-that-are-strings",
        ),
        pytest.param(
            SGLANG + "model: {source: {hub: 'THUDM/GLM-5.2-FP8'}}\n", SGLANG + "model: {source: {hub: 'zai-org/GLM-5.2-FP8'}}\n",
            ["GLM106: `THUDM/GLM-5.2-FP8` becomes `zai-org/GLM-5.2-FP8`"], id="moved-organisation",
        ),
        pytest.param(
            SGLANG + "extra_args:\n- --nsa-decode-backend=fa3 # fast\n", SGLANG + "extra_args:\n- --dsa-decode-backend=fa3 # fast\n",
            ["GLM411: `--nsa-decode-backend` becomes `--dsa-decode-backend`"], id="gone-option",
        ),
        pytest.param(
            OLD + "extra_args:\n- --enable-dsa-prefill-context-parallel # long\n- --dsa-prefill-cp-mode=round-robin-split\n- --attn-cp-size=2\n",
            OLD + "extra_args:\n- --enable-prefill-cp # long\n- --cp-strategy=interleave\n- --attn-cp-size=2\n",
            ["GLM417: `--enable-dsa-prefill-context-parallel` becomes `--enable-prefill-cp`",
             "GLM417: `--dsa-prefill-cp-mode round-robin-split` becomes `--cp-strategy interleave`"],
            id="deprecated-options-go-together",
        ),
        pytest.param(
            SGLANG.replace("21", "23") + "extra_args: [--enable-dp-attention, --dp-size, '2']\n",
            SGLANG.replace("21", "23") + "extra_args: [--attn-dp-size, '2']\n",
            ["GLM417: `--enable-dp-attention --dp-size` becomes `--attn-dp-size`"], id="two-that-became-one",
        ),
        pytest.param(
            SGLANG + "extra_args: [--enable-metrics-for-all]\n", SGLANG + "extra_args: [--enable-metrics-for-all-schedulers]\n",
            ["GLM415: `--enable-metrics-for-all` is written out: `--enable-metrics-for-all-schedulers`"], id="abbreviation",
        ),
        pytest.param(
            SGLANG + "extra_args:\n- --log-requests\n- --tp-size # sum\n- '8'\n", SGLANG + "extra_args:\n- --log-requests\n# sum\n",
            ["GLM413: `--tp-size` goes: the plan says the same"], id="said-already",
        ),
        pytest.param(
            SGLANG + "extra_args: # none\n- --tp-size=8\n", SGLANG + "extra_args: [] # none\n",
            ["GLM413: `--tp-size` goes: the plan says the same"], id="the-only-word",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_safe_fixes(run: Run, tmp_path: Path, before: str, after: str, said: list[str], newline: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes((HEAD + before).replace("\n", newline).encode())
    shown = run("lint", str(path), "--diff")
    assert f"could fix {len(said)} problem" in shown.err
    assert shown.out.startswith(f"--- {path}\n+++ {path}\n@@ ")
    assert path.read_bytes() == (HEAD + before).replace("\n", newline).encode()
    result = run("lint", str(path), "--fix")
    assert [line.removeprefix(f"{path}: ") for line in result.err.splitlines() if line.startswith(str(path))] == said
    assert path.read_bytes() == (HEAD + after).replace("\n", newline).encode()
    assert result.code == 0
    again = run("lint", str(path), "--fix")
    assert again.err.startswith("fixed 0 problems in 0 files\n")
    assert path.read_bytes() == (HEAD + after).replace("\n", newline).encode()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param(SGLANG + "serving: {contxt: 64K, context: 128K}\n", "GLM010", id="the-near-name-is-there"),
        pytest.param(SGLANG + "serving: {contxt: 64K, kontext: 128K}\n", "GLM010", id="two-want-one-name"),
        pytest.param(SGLANG + "layout: {p: 8}\n", "GLM010", id="several-near-names"),
        pytest.param(SGLANG + "quite_another: 1\n", "GLM010", id="no-near-name"),
        pytest.param(SGLANG + "extra_args: [--tp-size, '4']\n", "GLM413", id="another-value"),
        pytest.param(
            SGLANG + "secrets: {api_key: k}\nextra_args: [--api-key, x]\n", "GLM413", id="known-only-when-it-runs"
        ),
        pytest.param(
            "framework: {name: vllm}\nextra_args: [--swap-space, '4']\n", "GLM411", id="nothing-takes-its-place"
        ),
        pytest.param(SGLANG + "extra_args: [--not-an-option]\n", "GLM410", id="unknown-option"),
        pytest.param(SGLANG + "env: {A: [1]}\n", "GLM011", id="a-list-for-a-string"),
    ],
)
def test_what_is_not_sure_is_left_alone(run: Run, write_profile: Write, text: str, code: str) -> None:
    path = write_profile(HEAD + text)
    result = run("lint", str(path), "--fix")
    assert (result.code, f"error[{code}]" in result.err) == (1, True)
    assert path.read_text() == HEAD + text


def test_a_fix_that_an_alias_blocks_is_a_note(run: Run, write_profile: Write) -> None:
    text = HEAD.replace("h200, gpus: 8", "h200, gpus: 8, gpus_per_node: &n 8") + SGLANG + "env: {A: *n, B: 8}\n"
    path = write_profile(text)
    result = run("lint", str(path), "--fix")
    assert path.read_text() == text.replace("B: 8", 'B: "8"')
    assert "note[GLM511]: cannot change `env.A` in place" in result.err
    assert "error[GLM011]: `env.A`" in result.err
    assert result.code == 1


@pytest.mark.parametrize("text", ["a: [1\n", "a: 1\na: 2\n", "- 1\n", "", "a: !x 1\n"])
def test_a_file_that_is_no_document_is_left_alone(run: Run, write_profile: Write, text: str) -> None:
    path = write_profile(text)
    result = run("lint", str(path), "--fix")
    assert (result.code, path.read_text()) == (1, text)
    assert "fixed 0 problems" in result.err


def test_files_of_the_package_are_never_fixed(run: Run) -> None:
    path = Path(glmdeploy.__file__).parent / "catalog" / "models" / "glm-5.2.yaml"
    result = run("lint", str(path), "--fix")
    assert "error[GLM050]: `glm-5.2` ships with the tool" in result.err


def test_a_name_of_a_shipped_profile_is_only_judged(run: Run) -> None:
    assert run("lint", "glm-5.2-fp8-8xh200-vllm", "--fix").code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("--fix",),
        ("--bundle", ".", "--fix"),
        ("--argv", "x", "--framework", "vllm", "--diff"),
        ("p.yaml", "--diff", "--format", "json"),
    ],
)
def test_usage(run: Run, words: tuple[str, ...]) -> None:
    assert run("lint", *words).code == 2


def test_json_stays_data(run: Run, write_profile: Write) -> None:
    path = write_profile(HEAD + SGLANG + "servin: {}\n")
    result = run("lint", str(path), "--fix", "--format", "json")
    assert (result.json["diagnostics"], result.code) == ([], 0)
    assert "fixed 1 problem in 1 file" in result.err


@pytest.mark.parametrize("code", CODES)
def test_every_fix_of_the_bad_profiles_can_be_made_and_mends(code: str) -> None:
    path = TESTS / "rules" / code / "bad.yaml"
    file = files.read(path)
    fixed = fix.mended_text(file)
    left = [d for d in file.judged(fixed.text).found if d.fix]
    assert (left, fixed.blocked) == ([], [])
    assert len(fixed.done) == len([d for d in pipeline.lint(str(path)) if d.fix])


@pytest.mark.parametrize(
    ("after", "safe"),
    [
        pytest.param(SGLANG + "extra_args: [--log-requests]\n", True, id="another-word"),
        pytest.param(SGLANG + "serving: {context: 64K}\n", False, id="another-plan"),
        pytest.param(SGLANG + "extra_args: [--tp-size=4]\n", False, id="refused"),
        pytest.param("framework: {name: sglang, version: '0.1'}\n", False, id="no-plan"),
    ],
)
def test_a_fix_is_safe_if_nothing_but_the_words_changes(after: str, safe: bool) -> None:
    old, new = (pipeline.judge(source.parse("p.yaml", HEAD + text)) for text in (SGLANG, after))
    assert fix.safe(old, new) is safe


def test_a_profile_of_nothing_but_a_merge_key_is_read() -> None:
    text = HEAD + SGLANG + "env: &e {A: b}\nkubernetes: {node_labels: {<<: *e}}\n"
    assert source.parse("p.yaml", text).data["kubernetes"] == {"node_labels": {"A": "b"}}


def test_what_a_comment_silences_is_not_fixed_with_its_partner(run: Run, write_profile: Write) -> None:
    text = (
        "apiVersion: glmdeploy/v1\nname: a\ncluster: {gpu: h200, gpus: 8}\nframework: {name: sglang, version: 0.5.19}\n"
        "targets: [script]\nextra_args:\n- --nsa-decode-backend=fa3\n- --nsa-prefill-backend=fa3"
    )
    silenced = f"{text} # glmdeploy: ignore[GLM417]\n"
    path = write_profile(silenced)
    run("lint", str(path), "--fix")
    assert path.read_text() == silenced
    path.write_text(f"{text}\n")
    run("lint", str(path), "--fix")
    assert path.read_text() == f"{text}\n".replace("nsa", "dsa")
