"""The command line as a user meets it: exit codes, streams, options, and what is written."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from glmdeploy import pipeline, source
from glmdeploy.cli import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Result

    Run = Callable[..., Result]
    Write = Callable[..., Path]

MAIN = ("--framework", "sglang", "--gpus", "10xH100")
PROFILE = "apiVersion: glmdeploy/v1\nname: mine\ncluster: {gpu: h200, gpus: 8}\nframework: {name: sglang}\n"


def test_main_job_writes_a_folder_named_after_the_deployment(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("render", *MAIN)
    assert result.code == 0
    assert result.out.splitlines()[0] == "glm-5.2-fp8-10xh100-sglang/script/leader.sh"
    assert "warning[GLM204]" in result.err
    assert "8xH200" in result.err
    assert "16xH100" in result.err
    assert os.access(tmp_path / "glm-5.2-fp8-10xh100-sglang/script/leader.sh", os.X_OK)


def test_plan_json_of_the_main_job(run: Run) -> None:
    result = run("plan", *MAIN, "--format", "json")
    plan = result.json
    assert result.code == 0
    assert plan["verdict"] == "tight"
    assert plan["layout"] == {
        "nodes": 5, "gpus_per_node": 2, "hosts": 2, "tp": 2, "pp": 5, "dp": 1, "ep": 1, "attn_dp": 1, "cp": 1, "dcp": 1,
        "replicas": 1, "a2a": "", "spare": 0, "dense_tp": 0, "pp_partition": [18, 15, 15, 15, 15],
    }  # fmt: skip
    assert plan["mtp"]["enabled"] is False
    assert "pipeline stages" in plan["mtp"]["reason"]
    assert [(p["node_rank"], p["host"], p["gpus"], p["gpu_ids"]) for p in plan["processes"]] == [
        (0, 0, 2, [0, 1]), (1, 0, 2, [2, 3]), (2, 0, 2, [4, 5]), (3, 0, 2, [6, 7]), (4, 1, 2, [0, 1]),
    ]  # fmt: skip
    assert all(isinstance(v, str) for p in plan["processes"] for v in p["env"].values())
    assert [p["argv"][p["argv"].index("--node-rank") + 1] for p in plan["processes"]] == ["0", "1", "2", "3", "4"]
    assert len({p["argv"][-1] for p in plan["processes"] if p["host"] == 0}) == 4  # ports of one host


def test_plan_json_members_are_never_null(run: Run) -> None:
    for argv in (
        MAIN,
        ("--framework", "sglang", "--gpus", "8xFOO"),
        ("--framework", "sglang", "--gpus", "8xH100"),
        (*MAIN, "--tp", "10"),
    ):
        assert _nulls(run("plan", *argv, "--format", "json").json) == []


def _nulls(value: Any, path: str = "") -> list[str]:
    if value is None:
        return [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [n for key, item in items for n in _nulls(item, f"{path}.{key}")]


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        pytest.param(("--gpus", "0xH100"), "GLM103", id="no-gpus"),
        pytest.param(("--gpus", "-1xH100"), "GLM103", id="negative"),
        pytest.param(("--gpus", "1025xH100"), "GLM103", id="too-many"),
        pytest.param(("--gpus", "999999999999xH100"), "GLM015", id="absurd"),
        pytest.param(("--gpus", "H100"), "GLM015", id="no-count"),
        pytest.param(("--gpus", "8x"), "GLM015", id="no-gpu"),
        pytest.param(("--gpus", "8xH1000"), "GLM101", id="unknown-gpu"),
        pytest.param(("--gpus", "8xH20"), "GLM102", id="ambiguous-gpu"),
        pytest.param(("--gpus", "8x\u202eH100"), "GLM014", id="bidirectional"),
        pytest.param(("--framework", "vlm"), "GLM105", id="unknown-framework"),
        pytest.param(("--framework-version", "0.5.12"), "GLM109", id="below-the-floor-version"),
        pytest.param(("--framework-version", "newest"), "GLM108", id="no-version"),
        pytest.param(("--checkpoint", "fp9"), "GLM104", id="unknown-checkpoint"),
        pytest.param(("--checkpoint", "THUDM/GLM-5.2"), "GLM106", id="old-organisation"),
        pytest.param(("--context", "2M"), "GLM112", id="context-above-the-models"),
        pytest.param(("--context", "many"), "GLM011", id="context-no-number"),
        pytest.param(("--context", "0"), "GLM011", id="context-zero"),
        pytest.param(("--concurrency", "lots"), "GLM011", id="concurrency-no-number"),
        pytest.param(("--strategy", "fast"), "GLM011", id="unknown-strategy"),
        pytest.param(("--kv-cache-dtype", "int3"), "GLM011", id="unknown-kv-type"),
        pytest.param(("--tp", "two"), "GLM011", id="tp-no-number"),
        pytest.param(("--tp", "0"), "GLM011", id="tp-zero"),
        pytest.param(("--tp", "10"), "GLM301", id="tp-10"),
        pytest.param(("--tp", "16"), "GLM307", id="tp-above-the-gpus"),
        pytest.param(("--host-memory", "1024"), "GLM011", id="size-without-unit"),
        pytest.param(("--accept", "anything"), "GLM011", id="unknown-acceptance"),
        pytest.param(("--set", "serving"), "GLM015", id="set-without-value"),
        pytest.param(("--set", "a..b=1"), "GLM015", id="set-with-an-empty-key"),
        pytest.param(("--set", "serving.prot=1"), "GLM010", id="set-of-an-unknown-key"),
        pytest.param(("--set", "serving.port=[1"), "GLM015", id="set-of-broken-yaml"),
        pytest.param(("--set", "serving.port=true"), "GLM011", id="set-of-the-wrong-type"),
        pytest.param(("--set", "name=x\x1b[31m"), "GLM014", id="set-of-a-control-character"),
        pytest.param(("--set", "name=UPPER"), "GLM011", id="name-that-kubernetes-refuses"),
        pytest.param(("--mtp",), "GLM313", id="mtp-that-cannot-be"),
        pytest.param(("--gpus", "8xH100"), "GLM201", id="below-floor"),
        pytest.param(("--checkpoint", "nvfp4"), "GLM310", id="nvfp4-on-hopper"),
    ],
)
def test_refusals_are_coded_exit_1_and_write_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...], code: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("render", *MAIN, *argv, "--save-profile", "saved.yaml")
    assert (result.code, result.out) == (1, "")
    assert f"error[{code}]" in result.err
    assert list(tmp_path.iterdir()) == []
    assert code in [d["code"] for d in run("plan", *MAIN, *argv, "--format", "json").json["diagnostics"]]


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        pytest.param(("render",), 2, id="nothing-given"),
        pytest.param(("render", "--gpus", "8xH200"), 2, id="no-framework"),
        pytest.param(("render", *MAIN, "--no-such-option"), 2, id="unknown-option"),
        pytest.param(("frobnicate",), 2, id="unknown-command"),
        pytest.param(("--version",), 0, id="version"),
    ],
)
def test_usage(run: Run, argv: tuple[str, ...], code: int) -> None:
    assert run(*argv).code == code


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_80_columns(run: Run, command: str) -> None:
    result = run(*filter(None, [command]), "--help")
    assert result.code == 0
    assert max(len(line) for line in result.out.splitlines()) <= 80


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_option_and_command_has_help_and_an_example(run: Run, command: str) -> None:
    import importlib  # noqa: PLC0415  only here

    import click  # noqa: PLC0415

    loaded = importlib.import_module(f"glmdeploy.cli.{command.replace('-', '_')}_command").command
    assert all(p.help for p in loaded.params if isinstance(p, click.Option))
    assert f"glmdeploy {command}" in run(command, "--help").out


def test_output_dash_prints_and_writes_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("render", *MAIN, "-o", "-")
    assert result.code == 0
    assert result.out.startswith("# ==> script/leader.sh <==\n#!/usr/bin/env bash\n")
    assert list(tmp_path.iterdir()) == []


def test_targets_choose_what_is_written(run: Run, tmp_path: Path) -> None:
    result = run("render", *MAIN, "--target", "script", "-o", str(tmp_path / "a/b/c"))
    assert result.code == 0
    assert sorted(p.name for p in (tmp_path / "a/b/c").iterdir()) == [".glmdeploy.json", "script"]


def test_an_edited_file_is_kept_until_forced(run: Run, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    assert run("render", *MAIN, "-o", out).code == 0
    edited = tmp_path / "out/script/leader.sh"
    edited.write_text("mine\n")
    result = run("render", *MAIN, "-o", out)
    assert (result.code, edited.read_text()) == (3, "mine\n")
    assert "error[GLM505]" in result.err
    assert run("render", *MAIN, "-o", out, "--force").code == 0
    assert edited.read_text() != "mine\n"


def test_saved_profile_means_the_same_as_the_options(run: Run, tmp_path: Path) -> None:
    saved = tmp_path / "saved.yaml"
    options = (
        *MAIN,
        "--context",
        "64K",
        "--concurrency",
        "8",
        "--no-mtp",
        "--set",
        "env.NCCL_DEBUG=yes",
        "--set",
        "serving.served_names=glm-5.2[1m]",
    )
    assert run("render", *options, "-o", str(tmp_path / "a"), "--save-profile", str(saved)).code == 0
    assert run("render", str(saved), "-o", str(tmp_path / "b")).code == 0
    assert _tree(tmp_path / "a") == _tree(tmp_path / "b")
    lines = saved.read_text().splitlines()
    assert "name: glm-5.2-fp8-10xh100-sglang" in lines
    assert lines[lines.index("serving:") + 1] == "  context: 65536"
    assert '  NCCL_DEBUG: "yes"' in lines


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_saving_over_another_file_is_exit_3(run: Run, tmp_path: Path) -> None:
    saved = tmp_path / "saved.yaml"
    saved.write_text("mine\n")
    assert run("render", *MAIN, "-o", str(tmp_path / "out"), "--save-profile", str(saved)).code == 3
    assert saved.read_text() == "mine\n"
    assert not (tmp_path / "out").exists()


def test_options_override_a_profile(run: Run, write_profile: Write) -> None:
    path = write_profile(PROFILE)
    assert run("plan", str(path), "--format", "json").json["layout"]["tp"] == 8
    assert run("plan", str(path), "--tp", "4", "--format", "json").json["layout"]["tp"] == 4
    assert run("plan", str(path), "--gpus", "8xB200", "--format", "json").json["memory"][
        "capacity_gib"
    ] == pytest.approx(179.06, abs=0.01)


@pytest.mark.parametrize("name", ["glm-5.2-fp8-8xh200-vllm"])
def test_a_shipped_profile_goes_by_its_name(run: Run, name: str) -> None:
    assert run("plan", name, "--format", "json").json["name"] == name


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1M", 1_048_576), ("1m", 1_000_000), ("128K", 131_072), ("128k", 128_000), ("40000", 40_000)],
)
def test_context_reads_numbers_as_vllm_does(run: Run, text: str, expected: int) -> None:
    assert (
        run("plan", "--framework", "vllm", "--gpus", "8xB200", "--context", text, "--format", "json").json["settings"][
            "context"
        ]
        == expected
    )


def test_lint_of_a_folder_says_how_many(run: Run, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "one.yaml").write_text(PROFILE)
    (tmp_path / "sub/two.yml").write_text(PROFILE.replace("gpus: 8", "gpus: 4"))
    (tmp_path / "other.yaml").write_text("kind: Deployment\n")
    result = run("lint", str(tmp_path))
    assert result.code == 1
    assert result.out == "2 profiles: 1 error, 0 warnings\n"
    assert f"{tmp_path}/sub/two.yml:3:28" in result.err


def test_lint_of_an_empty_folder_is_not_green(run: Run, tmp_path: Path) -> None:
    result = run("lint", str(tmp_path))
    assert result.code == 1
    assert "error[GLM017]" in result.err


def test_lint_json(run: Run, write_profile: Write) -> None:
    path = str(write_profile(PROFILE + "nmae: x\n"))
    result = run("lint", path, "--format", "json")
    assert result.code == 1
    assert [(d["code"], d["path"], d["line"], d["column"]) for d in result.json["diagnostics"]] == [
        ("GLM010", path, 5, 7)
    ]
    assert result.json["profiles"] == [path]


def test_shipped_profiles_lint_without_errors(run: Run) -> None:
    names = list(pipeline.resources.shipped_profiles())
    assert run("lint", *names).code == 0


@pytest.mark.parametrize("what", ["gpus", "models", "checkpoints", "frameworks", "profiles", "rules"])
def test_list(run: Run, what: str) -> None:
    rows = run("list", what, "--format", "json").json["rows"]
    text = run("list", what).out.splitlines()
    assert len(text) == len(rows) + 1
    assert max(map(len, text)) <= 80
    assert all(row[next(iter(row))] in line for row, line in zip(rows, text[1:], strict=True))


def test_seventeen_gpus_are_listed(run: Run) -> None:
    assert len(run("list", "gpus", "--format", "json").json["rows"]) == 17


def test_explain(run: Run) -> None:
    assert run("explain", "glm201").out.startswith("GLM201: The hardware is below the published floor\n")
    assert run("explain", "GLM999").code == 1


def test_schema_accepts_what_the_parser_accepts(run: Run) -> None:
    schema = run("schema").json
    Draft202012Validator.check_schema(schema)
    for name, path in pipeline.resources.shipped_profiles().items():
        errors = [e.message for e in Draft202012Validator(schema).iter_errors(source.read(path).data)]
        assert errors == [], name


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(run: Run, shell: str) -> None:
    assert "_GLMDEPLOY_COMPLETE" in run("completion", shell).out


def test_unwritable_output_is_coded(run: Run, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("x")
    result = run("render", *MAIN, "-o", str(blocked / "below"))
    assert result.code == 1
    assert "error[GLM508]" in result.err
    assert run("render", *MAIN, "-o", str(blocked)).code == 3


def test_transformers_stays_on_loopback_unless_exposed(run: Run, tmp_path: Path) -> None:
    argv = ("--framework", "transformers", "--gpus", "8xH200")
    refused = run("render", *argv, "-o", str(tmp_path / "a"))
    assert (refused.code, "error[GLM502]" in refused.err, "error[GLM501]" in refused.err) == (1, True, True)
    plain = run("plan", *argv, "--format", "json").json["processes"][0]["argv"]
    assert plain[plain.index("--host") + 1] == "127.0.0.1"
    assert "--continuous-batching" not in plain
    exposed = run("plan", *argv, "--expose-unauthenticated", "--format", "json").json["processes"][0]["argv"]
    assert exposed[exposed.index("--host") + 1] == "0.0.0.0"  # noqa: S104  what the test is about


def test_a_refused_layout_has_no_verdict_about_memory(run: Run) -> None:
    for argv in ((*MAIN, "--tp", "10"), (*MAIN, "--checkpoint", "nvfp4")):
        plan = run("plan", *argv, "--format", "json").json
        assert (plan["verdict"], plan["memory"], plan["processes"]) == ("refused", {}, [])


@pytest.mark.parametrize("framework", ["sglang", "vllm", "transformers", "ktransformers"])
@pytest.mark.parametrize("checkpoint", ["fp8", "bf16", "nvfp4", "mxfp4", "w4afp8"])
@pytest.mark.parametrize("gpus", ["8xH200", "8xB200", "8xMI355X", "8xL40S", "8xRTX5090", "3xA100"])
def test_every_framework_checkpoint_and_gpu_ends_in_an_answer(
    run: Run, framework: str, checkpoint: str, gpus: str
) -> None:
    argv = ("--framework", framework, "--checkpoint", checkpoint, "--gpus", gpus, "--host-memory", "2TiB")
    result = run(
        "render", *argv, "--set", "framework.image=registry.example.com/i:1", "--expose-unauthenticated", "-o", "-"
    )
    assert result.code in {0, 1}
    assert (result.code == 1) == ("error[GLM" in result.err)
    assert (result.code == 0) == result.out.startswith("# ==>")


def test_a_given_concurrency_is_kept_when_memory_is_tight(run: Run) -> None:
    argv = run("plan", *MAIN, "--concurrency", "128", "--format", "json").json["processes"][0]["argv"]
    assert argv[argv.index("--max-running-requests") + 1] == "128"


def test_vllm_never_batches_fewer_tokens_than_requests(run: Run) -> None:
    argv = run("plan", "--framework", "vllm", "--gpus", "8xB200", "--concurrency", "9000", "--format", "json").json[
        "processes"
    ][0]["argv"]
    assert int(argv[argv.index("--max-num-batched-tokens") + 1]) >= 9000


@pytest.mark.parametrize(
    "setting",
    [
        "env.HF_TOKEN=hf_abcdefghijklmnopqrst",
        "extra_args=[--hf-token, abcdefgh]",
        "extra_args=[--api_key=abcdefgh]",
        "extra_args=[--api-k, abcdefgh]",
        "env.AUTH=Bearer abcdefghij",
    ],
)
def test_a_secret_is_refused_and_not_repeated(run: Run, setting: str) -> None:
    result = run("plan", *MAIN, "--set", setting)
    assert result.code == 1
    assert "error[GLM601]" in result.err
    assert "abcdefgh" not in result.err + result.out


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("framework.version=5", "GLM108"),
        ("model.source.path=/a: b", ""),
        ("secrets.api_key=123", ""),
        ("model.source.hub=zai-org/GLM-5.2", "GLM107"),
    ],
)
def test_set_takes_text_for_text_keys(run: Run, setting: str, expected: str) -> None:
    codes = [
        d["code"]
        for d in run("plan", *MAIN, "--set", setting, "--format", "json").json["diagnostics"]
        if d["level"] == "error"
    ]
    assert codes == [c for c in [expected.replace("GLM108", "GLM110")] if c and c != "GLM110"]


@pytest.mark.parametrize(
    ("memory", "written"),
    [("1507GB", "1507 GB"), ("1 TiB", "1 TiB"), ("1000000 GiB", "1000000 GiB"), ("768GiB", "768 GiB")],
)
def test_saved_sizes_are_exact(run: Run, tmp_path: Path, memory: str, written: str) -> None:
    saved = tmp_path / "p.yaml"
    assert (
        run("render", *MAIN, "--host-memory", memory, "-o", str(tmp_path / "o"), "--save-profile", str(saved)).code == 0
    )
    assert f'host_memory: "{written}"' in saved.read_text()


def test_json_is_one_object_with_a_final_newline(run: Run) -> None:
    out = run("plan", *MAIN, "--format", "json").out
    assert json.loads(out)["format"] == "glmdeploy-plan/v1"
    assert out.endswith("}\n")
