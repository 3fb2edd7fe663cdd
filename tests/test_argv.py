"""`lint --argv`: finding the server's command line in what people run, and what must not be said aloud."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from conftest import BUNDLES

from glmdeploy import argv
from glmdeploy.diagnostics import ProfileError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Result

    Run = Callable[..., Result]

S, V, T = "sglang", "vllm", "transformers"
MODULE = "python3 -m sglang.launch_server --model-path m"


def found(framework: str, text: str, folder: Path, version: str | None = None) -> list[str]:
    """Code, line and column of each diagnostic."""
    file = folder / "run.sh"
    file.write_bytes(text.encode())
    try:
        diagnostics = argv.lint(framework, version, str(file))
    except ProfileError as error:
        diagnostics = list(error.diagnostics)
    return [f"{d.code} {d.span.line}:{d.span.column}" for d in diagnostics if d.span]


@pytest.mark.parametrize(
    ("framework", "text", "expected"),
    [
        pytest.param(S, f"{MODULE} --x 1", ["GLM410 1:48"], id="plain"),
        pytest.param(S, f"exec {MODULE} --x", ["GLM410 1:53"], id="exec"),
        pytest.param(S, f"A=1 nohup {MODULE} --x > log 2>&1 &\nwait", ["GLM410 1:58"], id="background"),
        pytest.param(
            S, "/opt/v/bin/python3.12 -u -m sglang.launch_server --model m --x", ["GLM410 1:60"], id="absolute"
        ),
        pytest.param(S, "uv run sglang serve --model-path m --x", ["GLM410 1:36"], id="uv-run"),
        pytest.param(
            S, f"#!/bin/sh\nset -e\nexport A=1\n{MODULE} \\\n  --x # no\necho --y", ["GLM410 5:3"], id="script"
        ),
        pytest.param(S, f"true && {MODULE} --x || echo --y; echo --z", ["GLM410 1:56"], id="operators"),
        pytest.param(S, f"{MODULE} --x\n{MODULE} --y", ["GLM410 1:48", "GLM410 2:48"], id="two-servers"),
        pytest.param(S, f"if a; then {MODULE} --x; fi", ["GLM410 1:59"], id="in-a-condition"),
        pytest.param(V, "vllm serve m \\\r\n  --x\r\n", ["GLM410 2:3"], id="crlf"),
        pytest.param(V, "docker run --gpus all vllm/vllm-openai:v0.31.0 m --x", ["GLM410 1:50"], id="image"),
        pytest.param(V, "docker run vllm/vllm-openai@sha256:1 --model m --x", ["GLM410 1:48"], id="image-digest"),
        pytest.param(V, "docker run --entrypoint sh vllm/vllm-openai:v1 -c ls", ["GLM018 0:0"], id="other-entry-point"),
        pytest.param(V, "sh -c 'vllm serve m --x'", ["GLM410 1:21"], id="nested"),
        pytest.param(V, '["bash", "-lc", "exec vllm serve m --x"]', ["GLM410 1:36"], id="nested-json"),
        pytest.param(V, '["--model", "m", "--x"]', ["GLM410 1:19"], id="json-without-launcher"),
        pytest.param(V, "zai-org/GLM-5.2-FP8 --x", ["GLM410 1:21"], id="model-and-options"),
        pytest.param(S, "--model-path m\n--x\n", ["GLM410 2:1"], id="options-alone"),
        pytest.param(S, '[ -n "$A" ] && sglang serve --model-path m --x', ["GLM410 1:44"], id="a-test-is-no-json"),
        pytest.param(S, f"cat <<E\nit's\nE\n{MODULE} --x", ["GLM410 4:48"], id="here-document"),
        pytest.param(S, f'A=(--x 1 # one\n)\n{MODULE} "${{A[@]}}"', ["GLM410 1:4"], id="array"),
        pytest.param(S, f'a=({MODULE})\na+=(--x)\nexec "${{a[@]}}" --y', ["GLM410 2:5", "GLM410 3:16"], id="array-run"),
        pytest.param(S, f"TP=10\n{MODULE} --tp-size $TP", ["GLM322 2:48", "GLM323 2:48"], id="variable"),
        pytest.param(S, f"E='--x 1'\n{MODULE} $E", ["GLM410 2:48"], id="variable-with-options"),
        pytest.param(S, f"TP=10; TP=8\n{MODULE} --tp-size $TP", [], id="variable-with-two-values"),
        pytest.param(S, f"{MODULE} --tp-size $TP --port ${{PORT:-8000}} --nnodes 2", [], id="unknown-values"),
        pytest.param(S, f'{MODULE} --tp-size 10 "$@"', ["GLM420 1:61"], id="unknown-words"),
        pytest.param(S, f"{MODULE} --dist-init-addr $(hostname -i | head -n 1):5000", [], id="unknown-command"),
        pytest.param(V, '["vllm","serve","$(MODEL)","--port","${PORT}"]', [], id="unknown-json"),
        pytest.param(V, "vllm serve $MODEL --tensor-parallel-size 8", [], id="unknown-model"),
        pytest.param(S, "vllm serve m", ["GLM018 1:6"], id="another-frameworks"),
        pytest.param(S, "./start.sh --x", ["GLM018 0:0"], id="no-server"),
        pytest.param(S, '{"a": 1}', ["GLM018 1:1"], id="json-object"),
        pytest.param(S, '["a", 1]', ["GLM018 1:1"], id="json-of-numbers"),
        pytest.param(S, '["a", ', ["GLM018 1:7"], id="json-cut"),
        pytest.param(S, "echo 'x", ["GLM018 1:6"], id="open-quote"),
        pytest.param(S, f"{MODULE} --port \x1b[1m", ["GLM014 1:55"], id="escape-sequence"),
        pytest.param(S, "python3 -m sglang.launch_server", ["GLM412 1:12"], id="no-model"),
        pytest.param(S, f"{MODULE} --tp_size 8", ["GLM410 1:48"], id="sglang-takes-no-underscores"),
        pytest.param(S, f"{MODULE} --json-model-override-args.a 1", ["GLM410 1:48"], id="sglang-takes-no-dots"),
        pytest.param(S, "sglang serve m --tp-size 8", [], id="sglang-leading-model"),
        pytest.param(
            S, "python3 -m sglang.launch_server m --model-path m", ["GLM410 1:33"], id="module-takes-no-model"
        ),
        pytest.param(
            V,
            "vllm serve m --max_num_seqs=8 --speculative_config.method mtp --speculative_config.num_speculative_tokens 3",
            [],
            id="vllm-underscores",
        ),
        pytest.param(V, "vllm serve m -O3 -tp 8 --port 8_000", [], id="vllm-short"),
        pytest.param(V, "vllm serve m -O.mode=3", ["GLM331 1:14"], id="vllm-level-is-a-number"),
        pytest.param(V, "vllm serve --help", [], id="help"),
        pytest.param(V, "vllm serve m --max-num-seqs 8 --max-num-seqs 9", ["GLM414 1:31"], id="the-last-counts"),
        pytest.param(V, "VLLM_ALLOW_LONG_MAX_MODEL_LEN=1 vllm serve m --max-model-len 2M", [], id="long-on-purpose"),
        pytest.param(V, "VLLM_TYPO=1 vllm serve m", ["GLM419 1:1"], id="unknown-variable"),
        pytest.param(T, "transformers serve m --por 80", ["GLM410 1:22"], id="click-takes-no-abbreviation"),
    ],
)
def test_command_lines_are_found_where_they_stand(
    framework: str, text: str, expected: list[str], tmp_path: Path
) -> None:
    assert found(framework, text, tmp_path) == expected


def test_a_leading_model_is_newer_than_0_5_15(tmp_path: Path) -> None:
    assert found(S, "sglang serve m", tmp_path, "0.5.15") == ["GLM410 1:14"]


KEY = "sk-abcdefghijklmnopqrstuv"


@pytest.mark.parametrize(
    "text",
    [
        f"{MODULE} --api-key {KEY} --x {KEY}",
        f"{MODULE} --api-key={KEY} --x",
        f"{MODULE} --api-key '{KEY}' {KEY}",
        f"export HF_TOKEN={KEY}\n{MODULE} --x",
        f'docker run -e HF_TOKEN="{KEY}" image {MODULE} --x',
        f"{MODULE} --tp-size {KEY} --x",
        f'curl -H "Authorization: Bearer {KEY}" x; {MODULE} --x',
        f"sh -c '{MODULE} --api-key {KEY} --x'",
        json.dumps(["sglang", "serve", "--model-path", "m", "--api-key", KEY, "--x"]),
    ],
)
def test_secrets_are_said_to_be_there_and_never_shown(run: Run, text: str, tmp_path: Path) -> None:
    file = tmp_path / "run.sh"
    file.write_text(text)
    for form in ("text", "json"):
        result = run("lint", "--framework", "sglang", "--argv", str(file), "--format", form)
        assert result.code == 1
        assert "GLM601" in result.out + result.err
        assert KEY not in result.out + result.err


@pytest.mark.parametrize("bundle", sorted(p.name for p in BUNDLES.iterdir()))
def test_our_own_scripts_pass(bundle: str, tmp_path: Path) -> None:
    framework = bundle.rpartition("-")[2]
    scripts = sorted((BUNDLES / bundle / "script").glob("*.sh"))
    for script in scripts:
        if "command=(" in script.read_text():
            assert found(framework, script.read_text(), tmp_path) == []


def test_a_version_goes_with_argv_only(run: Run) -> None:
    result = run("lint", "glm-5.2-fp8-8xh200-sglang", "--framework-version", "0.5.21")
    assert (result.code, "a profile names its own" in result.err) == (2, True)
