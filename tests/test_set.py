"""`set`: a profile's file changes only where it is asked to, and never into something that is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import glmdeploy
from glmdeploy import source
from glmdeploy.cli import options
from glmdeploy.diagnostics import ProfileError, WriteError
from glmdeploy.edit import assign, files

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Result

    Run = Callable[..., Result]
    Write = Callable[..., Path]

PROFILE = """\
# prod: ask Anna first
apiVersion: glmdeploy/v1
name: prod   # ours
cluster: {gpu: h200, gpus: 8}

framework:
    name: sglang
    version: '0.5.21'   # pinned
serving:
    context: 64K  # agents
    served_names: ["on", 'b']
extra_args:
-   --log-requests   # Anna's idea
"""


def test_the_keys_change_and_nothing_else(run: Run, write_profile: Write) -> None:
    path = write_profile(PROFILE)
    result = run(
        "set", str(path), "serving.context=128K", "framework.version=0.5.20", "layout.tp=8", "serving.port=8080"
    )
    assert (result.code, result.out) == (0, "")
    assert result.err.endswith(f"wrote {path}\n")
    assert path.read_text() == (
        PROFILE.replace("64K", "128K")
        .replace("'0.5.21'", "'0.5.20'")
        .replace("# pinned\n", "# pinned\nlayout:\n    tp: 8\n")
        .replace("'b']\n", "'b']\n    port: 8080\n")
    )
    again = run("set", "serving.port=8080", str(path), "--check")
    assert (again.code, again.out, again.err) == (0, "", "")
    assert run("set", str(path), "serving.port=8080").err == f"nothing to change in {path}\n"


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("final", [True, False])
def test_bytes_mode_and_links_stay(run: Run, tmp_path: Path, mark: str, newline: str, final: bool) -> None:
    text = PROFILE.replace("\n", newline)
    text = mark + (text if final else text.removesuffix(newline))
    (tmp_path / "real").mkdir()
    path, link = tmp_path / "real" / "p.yaml", tmp_path / "link.yaml"
    path.write_bytes(text.encode())
    path.chmod(0o640)
    link.symlink_to(path)
    assert run("set", str(link), "cluster.gpus=16", "--unset", "extra_args").code == 0
    want = text.replace("gpus: 8", "gpus: 16")
    want = want[: want.index("extra_args")] + f"# Anna's idea{newline if final else ''}"
    assert path.read_bytes() == want.encode()
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert [p.name for p in (tmp_path / "real").iterdir()] == ["p.yaml"]


@pytest.mark.parametrize("order", ["first", "last", "middle"])
def test_the_profile_may_stand_anywhere(run: Run, write_profile: Write, order: str) -> None:
    path = str(write_profile(PROFILE))
    words = {
        "first": [path, "name=a", "layout.tp=8"],
        "last": ["name=a", "layout.tp=8", path],
        "middle": ["name=a", path, "layout.tp=8"],
    }
    assert run("set", *words[order]).code == 0
    assert source.read(Path(path)).data["name"] == "a"


def test_a_name_with_an_equals_sign_is_a_file_if_it_is_one(run: Run, write_profile: Write) -> None:
    path = write_profile(PROFILE, "a=b.yaml")
    assert run("set", "name=a", str(path)).code == 0
    assert "name: a " in path.read_text()


@pytest.mark.parametrize(
    "words",
    [
        ("p.yaml",),
        ("p.yaml", "port", "name=a"),
        ("name=a",),
        ("glm-5.2-fp8-8xh200-vllm", "name=a"),
        ("--unset", "name"),
    ],
)
def test_what_is_not_clear_is_a_usage_error(run: Run, words: tuple[str, ...]) -> None:
    assert run("set", *words).code == 2


@pytest.mark.parametrize(
    ("setting", "written"),
    [
        ("framework.version=0.10", "version: '0.10' "),
        ("serving.served_names=yes", '["yes"]'),
        ("serving.served_names=[a, b]", "[\"a\", 'b']"),
        ("serving.mtp=false", "mtp: false"),
        ("serving.memory_fraction=0.85", "memory_fraction: 0.85"),
        ("env.A=012", 'A: "012"'),
        ("kubernetes.node_labels.a.b/c=1", 'a.b/c: "1"'),
        ("cluster.host_memory=2 TiB", "host_memory: 2 TiB}"),
        ("kubernetes.cache_storage_class=on", 'cache_storage_class: "on"'),
        ("targets=[kubernetes]", "targets: [kubernetes]"),
        ("model.source={path: /models/x}", "source:\n        path: /models/x"),
    ],
)
def test_values_are_what_the_schema_has(run: Run, write_profile: Write, setting: str, written: str) -> None:
    path = write_profile(PROFILE)
    run("set", str(path), setting)
    assert written in path.read_text()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(("serving.port=80",), "GLM011", id="out-of-range"),
        pytest.param(("cluster.gpus=",), "GLM011", id="nothing"),
        pytest.param(("serving.prot=8080",), "GLM010", id="no-such-key"),
        pytest.param(("cluster.gpu=h900",), "GLM101", id="no-such-gpu"),
        pytest.param(("cluster.gpus=1",), "GLM201", id="too-little-memory"),
        pytest.param(("--unset", "cluster"), "GLM012", id="a-key-that-must-be-there"),
        pytest.param(("--unset", "serving.prot"), "GLM010", id="unset-of-no-such-key"),
        pytest.param(("env.HF_TOKEN=abcdefgh",), "GLM601", id="a-secret"),
        pytest.param(("extra_args=[--api-key, abcdefgh]",), "GLM601", id="a-secret-option"),
        pytest.param(("a..b=1",), "GLM015", id="an-empty-key"),
        pytest.param(("serving.port=[1",), "GLM015", id="no-yaml"),
        pytest.param(("serving.port=8080", "serving.port=8081"), "GLM015", id="named-twice"),
        pytest.param(("name=a\u202eb",), "GLM014", id="a-directional-character"),
        pytest.param(("extra_args.0=--x",), "GLM511", id="an-item-has-no-key"),
    ],
)  # fmt: skip
def test_what_is_refused_is_not_written(run: Run, write_profile: Write, words: tuple[str, ...], code: str) -> None:
    path = write_profile(PROFILE)
    result = run("set", str(path), *words)
    assert result.code == 1
    assert f"error[{code}]" in result.err
    assert "abcdefgh" not in result.err + result.out
    assert path.read_text() == PROFILE
    assert run("set", str(path), *words, "--dry-run").out == ""


def test_no_secret_reaches_the_file_where_the_rules_cannot_speak(run: Run, write_profile: Write) -> None:
    text = PROFILE + "typo: 1\n"
    path = write_profile(text)
    result = run("set", str(path), "env.MY_PASSWORD=abcdefgh")
    assert result.code == 1
    assert "error[GLM601]" in result.err
    assert "abcdefgh" not in result.err
    assert path.read_text() == text


def test_a_refused_profile_is_mended_in_steps(run: Run, write_profile: Write) -> None:
    path = write_profile(PROFILE.replace("h200", "h900").replace("    context", "    contxt") + "typo: 1\n")
    first = run("set", str(path), "--unset", "typo")  # another error stays
    assert (first.code, "typo" in path.read_text()) == (1, False)
    assert "error[GLM010]: unknown key `serving.contxt`" in first.err
    second = run("set", str(path), "--unset", "serving.contxt")  # the name is seen only now
    assert (second.code, "contxt" in path.read_text()) == (1, False)
    assert "error[GLM101]" in second.err
    worse = run("set", str(path), "cluster.gpu=h901")
    assert (worse.code, "h901" in path.read_text()) == (1, False)
    assert "unknown GPU `h901`" in worse.err
    third = run("set", str(path), "cluster.gpu=h200")
    assert third.code == 0


def test_a_value_that_is_refused_is_not_written_for_another_one(run: Run, write_profile: Write) -> None:
    path = write_profile(PROFILE.replace("    context: 64K", "    port: 1\n    context: 64K"))
    before = path.read_text()
    assert run("set", str(path), "serving.port=2").code == 1
    assert path.read_text() == before


def test_dry_run_and_check_print_a_diff_and_write_nothing(run: Run, write_profile: Write) -> None:
    path = write_profile(PROFILE.removesuffix("\n"))
    before = path.read_bytes()
    result = run("set", str(path), "serving.context=128K", "env.A=1", "--dry-run")
    assert result.code == 0
    assert result.out == (
        f"--- {path}\n+++ {path}\n@@ -7,7 +7,9 @@\n     name: sglang\n     version: '0.5.21'   # pinned\n serving:\n"
        "-    context: 64K  # agents\n+    context: 128K  # agents\n     served_names: [\"on\", 'b']\n"
        '+env:\n+    A: "1"\n extra_args:\n -   --log-requests   # Anna\'s idea\n\\ No newline at end of file\n'
    )
    assert run("set", str(path), "serving.context=128K", "--check").code == 3
    assert run("set", str(path), "serving.context=64K", "--check").code == 0
    assert path.read_bytes() == before


def test_a_diff_masks_secrets(run: Run, write_profile: Write) -> None:
    path = write_profile(
        PROFILE
        + "- --api-key=abcdefgh\n- --hf-token\n- 'abcdefgh'\n# hf_abcdefghabcdefghabcdefgh\nenv: {A_TOKEN: abcdefgh}\n"
    )
    result = run("set", str(path), "targets=[script]", "--dry-run")
    assert "+targets: [script]" in result.out
    assert "abcdefgh" not in result.out + result.err
    assert "--api-key=***" in result.out


def test_unset_of_what_is_not_there_is_fine(run: Run, write_profile: Write) -> None:
    path = write_profile(PROFILE)
    result = run("set", str(path), "--unset", "serving.port", "--unset", "env.A")
    assert (result.code, result.err) == (0, f"nothing to change in {path}\n")


@pytest.mark.parametrize(
    ("text", "code"), [("a: [1\n", "GLM003"), ("", "GLM005"), ("a: 1\na: 2\n", "GLM004"), ("- 1\n", "GLM006")]
)
def test_a_file_that_is_no_document_is_left_alone(run: Run, write_profile: Write, text: str, code: str) -> None:
    path = write_profile(text)
    result = run("set", str(path), "name=a")
    assert (result.code, f"error[{code}]" in result.err, path.read_text()) == (1, True, text)


def test_an_alias_elsewhere_is_never_changed_along(run: Run, write_profile: Write) -> None:
    text = PROFILE.replace("gpus: 8}", "gpus: &n 8}") + "layout: {tp: *n}\n"
    path = write_profile(text)
    refused = run("set", str(path), "cluster.gpus=16")
    assert (refused.code, path.read_text()) == (1, text)
    assert "error[GLM511]: cannot change `cluster.gpus` in place" in refused.err
    assert run("set", str(path), "layout.tp=4").code == 0
    assert path.read_text() == text.replace("*n", "4")


def test_what_somebody_else_wrote_meanwhile_is_kept(write_profile: Write) -> None:
    path = write_profile(PROFILE)
    result = assign.edit(files.read(path), ["serving.context=128K"])
    path.write_text("theirs: 1\n")
    with pytest.raises(WriteError) as caught:
        result.file.write(result.text)
    assert [d.code for d in caught.value.diagnostics] == ["GLM051"]
    assert path.read_text() == "theirs: 1\n"


def test_a_file_that_cannot_be_written_is_coded(write_profile: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    file = files.read(write_profile(PROFILE))
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(WriteError) as caught:
        file.write("x")
    assert [d.code for d in caught.value.diagnostics] == ["GLM508"]


def test_a_file_of_the_package_is_refused(run: Run) -> None:
    path = Path(glmdeploy.__file__).parent / "catalog" / "models" / "glm-5.2.yaml"
    before = path.read_bytes()
    result = run("set", str(path), "name=a")
    assert (result.code, path.read_bytes()) == (1, before)
    assert "error[GLM050]: `glm-5.2` ships with the tool" in result.err


def test_set_and_the_option_of_render_read_values_alike() -> None:
    for at, text in ((("serving", "mtp"), "true"), (("framework", "version"), "0.10"), (("targets",), "script")):
        setting = f"{'.'.join(at)}={text}"
        made = options.document(None, {"gpus": "8xH200", "framework": "sglang", "settings": (setting,)})
        value: object = made.data
        for key in at:
            assert isinstance(value, dict)
            value = value[key]
        assert assign.assignment(setting) == (at, value)


def test_no_message_shows_a_value() -> None:
    with pytest.raises(ProfileError) as caught:
        assign.assignment("serving.port=[abcdefgh")
    assert "abcdefgh" not in str(caught.value)
