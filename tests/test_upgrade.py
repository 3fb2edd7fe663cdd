"""Upgrades: what another version changes and why, and a file that changes only where it must."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from glmdeploy import catalog, pipeline, source
from glmdeploy.commandline import arguments as words_after
from glmdeploy.diagnostics import WriteError
from glmdeploy.rules import arguments, engine
from glmdeploy.upgrade import edit, report, upgrade
from glmdeploy.upgrade.compare import Change, compare

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Result

    Run = Callable[..., Result]
    Write = Callable[..., Path]

HEAD = "apiVersion: glmdeploy/v1\nname: cp\ncluster: {gpu: h200, gpus: 8}\n"
PROFILE = """\
# prod: ask Anna first
apiVersion: glmdeploy/v1
name: cp   # context parallel
cluster: {gpu: h200, gpus: 8}

framework:
    name: sglang
    version: "0.5.16"   # pinned in July
extra_args:
- --enable-dsa-prefill-context-parallel  # long prompts
- '--dsa-prefill-cp-mode'
-   'round-robin-split'   # even

# two halves
- --attn-cp-size=2
- --enable-dp-attention  # Anna's idea
- --dp-size
- "2"
serving: {context: 64K, served_names: ["on"]}
"""
UPGRADED = """\
# prod: ask Anna first
apiVersion: glmdeploy/v1
name: cp   # context parallel
cluster: {gpu: h200, gpus: 8}

framework:
    name: sglang
    version: "0.5.23"   # pinned in July
extra_args:
- --enable-prefill-cp  # long prompts
- '--cp-strategy'
-   'interleave'   # even

# two halves
- --attn-cp-size=2
# Anna's idea
- --attn-dp-size
- "2"
serving: {context: 64K, served_names: ["on"]}
"""


def test_the_issues_profile_gets_the_new_names_and_what_0_5_23_takes(run: Run, write_profile: Write) -> None:
    path = write_profile(PROFILE)
    result = run("upgrade", str(path), "--to", "0.5.23")
    assert result.code == 0
    assert path.read_text() == PROFILE
    lines = [line.strip() for line in result.out.splitlines()]
    assert lines[0] == "SGLang 0.5.16 -> 0.5.23"
    for line in (
        "renamed      --enable-dsa-prefill-context-parallel -> --enable-prefill-cp",
        "- --dsa-prefill-cp-mode round-robin-split",
        "+ --cp-strategy interleave",
        "renamed      --enable-dp-attention --dp-size -> --attn-dp-size",
        "SGLang 0.5.19 was the last with `--dsa-prefill-cp-mode`",
        "new default  image: lmsysorg/sglang:v0.5.16-cu130 -> glm-5.2-sglang:0.5.23",
    ):
        assert line in lines
    assert max(map(len, lines)) <= 80
    assert "warning[GLM503]" in result.err
    after = upgrade(source.read(path), "0.5.23").after
    words = after.processes[0].words(leader="x", api_key="x")
    framework = catalog.load().frameworks["sglang"]
    own = words_after(words, framework.launch)
    line = arguments.parse(framework, Version("0.5.23"), own)
    assert list(arguments.judge(framework, Version("0.5.23"), line)) == []
    assert list(engine.judge(framework, Version("0.5.23"), line)) == []
    assert "--attn-dp-size" in own
    assert pipeline.render(after).artifacts


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_write_keeps_everything_else(run: Run, tmp_path: Path, newline: str, mark: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes((mark + PROFILE.replace("\n", newline)).encode())
    path.chmod(0o640)
    result = run("upgrade", str(path), "--to", "0.5.23", "--write")
    assert result.code == 0
    assert result.out.endswith(f"\nwrote {path}\n")
    assert path.read_bytes() == (mark + UPGRADED.replace("\n", newline)).encode()
    assert path.stat().st_mode & 0o777 == 0o640
    assert [p.name for p in tmp_path.iterdir()] == ["p.yaml"]
    assert run("lint", str(path)).code == 0
    again = run("upgrade", str(path), "--to", "0.5.23", "--write")
    assert again.out == (
        "SGLang 0.5.23 -> 0.5.23\nnothing changes: plan, image, options and environment are the same\n"
    )


def test_write_goes_through_a_link(run: Run, write_profile: Write, tmp_path: Path) -> None:
    path = write_profile(PROFILE)
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    assert run("upgrade", str(link), "--to", "0.5.23", "--write").code == 0
    assert link.is_symlink()
    assert path.read_text() == UPGRADED


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("framework: {name: sglang}\n", 'framework: {name: sglang, version: "0.5.20"}\n', id="flow"),
        pytest.param(
            "framework:\n  name: sglang  # ours\n", 'framework:\n  name: sglang  # ours\n  version: "0.5.20"\n', id="block"
        ),
        pytest.param("framework:\n  name: sglang", 'framework:\n  name: sglang\n  version: "0.5.20"', id="no-newline"),
        pytest.param("framework: {name: sglang, version: 0.5.19}\n", "framework: {name: sglang, version: 0.5.20}\n", id="plain"),
        pytest.param(
            "framework: {version: '0.5.19', name: sglang}\n", "framework: {version: '0.5.20', name: sglang}\n", id="single"
        ),
        pytest.param("framework: {name: sglang, version: }\n", "framework: {name: sglang, version: 0.5.20 }\n", id="empty"),
        pytest.param(
            'env: {A: &v "0.5.19"}\nframework: {name: sglang, version: *v}\n',
            'env: {A: &v "0.5.19"}\nframework: {name: sglang, version: 0.5.20}\n',
            id="alias",
        ),
        pytest.param(
            "framework: {name: sglang, version: 0.5.19}\nextra_args: [--stream-output, --nsa-decode-backend=fa3]\n",
            "framework: {name: sglang, version: 0.5.20}\nextra_args: [--incremental-streaming-output, --dsa-decode-backend=fa3]\n",
            id="flow-words",
        ),
        pytest.param(
            "framework:\n  name: sglang\n  version:\nserving: {context: 64K}\n",
            "framework:\n  name: sglang\n  version: 0.5.20\nserving: {context: 64K}\n",
            id="empty-block",
        ),
        pytest.param(
            "framework: {name: sglang, version: 0.5.19}\nextra_args:\n- --enable-dsa-prefill-context-parallel # long\n- --attn-cp-size=2\n",
            "framework: {name: sglang, version: 0.5.20}\nextra_args:\n- --enable-prefill-cp # long\n- --cp-strategy=interleave\n- --attn-cp-size=2\n",
            id="a-word-beside",
        ),
    ],
)  # fmt: skip
def test_write_in_every_style(run: Run, write_profile: Write, before: str, after: str) -> None:
    path = write_profile(HEAD + before)
    assert run("upgrade", str(path), "--to", "0.5.20", "--write").code == 0
    assert path.read_text() == HEAD + after


@pytest.mark.parametrize(
    "words",
    ["[--enable-dp-attention, --dp-size, '2']", "[--dp-size=2, --enable-dp-attention]", "[ --dp-size=2 , --enable-dp-attention , ]"],
)  # fmt: skip
def test_a_word_goes_from_a_flow_list(run: Run, write_profile: Write, words: str) -> None:
    path = write_profile(HEAD + f"framework: {{name: sglang, version: 0.5.21}}\nextra_args: {words}\n")
    assert run("upgrade", str(path), "--to", "0.5.22", "--write").code == 0
    assert "enable-dp-attention" not in path.read_text()
    assert source.read(path).data["extra_args"] in (["--attn-dp-size", "2"], ["--attn-dp-size=2"])


@pytest.mark.parametrize(
    "text",
    [
        'framework: {name: sglang, version: &v "0.5.19"}\nenv: {A: *v}\n',
        "framework: {name: sglang, version: &v 0.5.19}\n",
        "framework:\n  name: sglang\n  version: |-\n    0.5.19\n",
    ],
)
def test_what_cannot_be_changed_in_place_is_refused_and_kept(run: Run, write_profile: Write, text: str) -> None:
    path = write_profile(HEAD + text)
    result = run("upgrade", str(path), "--to", "0.5.20", "--write")
    if result.code == 1:
        assert "error[GLM511]" in result.err
        assert path.read_text() == HEAD + text
    else:
        assert source.read(path).data["framework"]["version"] == "0.5.20"
    assert run("upgrade", str(path), "--to", "0.5.20").code == 0


@pytest.mark.parametrize(
    ("words", "to", "expected"),
    [
        ("[--disable-piecewise-cuda-graph]", "0.5.20", ["--cuda-graph-backend-prefill=disabled"]),
        ("[--elastic-ep-rejoin]", "0.5.23", ["--elastic-ep-join-mode=recover"]),
        ("[--cuda-graph-bs, '1', '2', --dp-size, '1']", "0.5.20", ["--cuda-graph-bs-decode", "1", "2", "--dp-size", "1"]),
        ("[--cuda_graph_max_bs=8]", "0.5.20", None),  # SGLang takes no underscores
        ("[--prefill-cp-mode, in-seq-split]", "0.5.20", ["--cp-strategy", "zigzag"]),
        ("[--enable-dp-attention, --dp-size=2]", "0.5.21", ["--enable-dp-attention", "--dp-size=2"]),
        ("[--enable-dp-attention, --dp-size=2, --attn-dp-size=2]", "0.5.22", None),
        ("[--cuda-graph-bs, '1', --cuda-graph-bs-decode, '2']", "0.5.20", None),
        ("[--enable-dp-attention]", "0.5.22", None),
        ("[--log-requests]", "0.5.23", None),
        (
            "[--enable-dsa-prefill-context-parallel]",
            "0.5.20",
            ["--enable-prefill-cp", "--cp-strategy=interleave"],
        ),
        (
            "[--enable-dsa-prefill-context-parallel, --cp-strategy, zigzag]",
            "0.5.20",
            ["--enable-prefill-cp", "--cp-strategy", "zigzag"],
        ),
    ],
)  # fmt: skip
def test_words_are_renamed_where_the_tables_prove_it(words: str, to: str, expected: list[str] | None) -> None:
    text = f"{HEAD}framework: {{name: sglang, version: 0.5.19}}\nextra_args: {words}\n"
    before = source.parse("p.yaml", text)
    result = upgrade(before, to)
    assert result.after.source.data["extra_args"] == (expected or before.data["extra_args"])
    assert bool(result.renames) == (expected not in (None, before.data["extra_args"]))


@pytest.mark.parametrize(
    ("words", "to", "code"),
    [
        pytest.param("[--attn-dp-size, '2']", "0.5.21", "GLM411", id="newer-than-the-target"),
        pytest.param("[--enable-prefill-cp]", "0.5.23", "GLM325", id="a-strategy-is-missing"),
        pytest.param("[--dsa-prefill-cp-mode, unheard-of]", "0.5.23", "GLM411", id="value-that-nobody-takes"),
        pytest.param("[--stream-output, --incremental-streaming-output]", "0.5.23", "GLM411", id="successor-is-there"),
        pytest.param("[]", "0.5.12", "GLM109", id="below-the-floor"),
        pytest.param("[]", "newest", "GLM108", id="no-version"),
        pytest.param("[]", "", "GLM011", id="empty-version"),
    ],
)
def test_a_refused_target_writes_nothing(run: Run, write_profile: Write, words: str, to: str, code: str) -> None:
    text = f"{HEAD}framework: {{name: sglang, version: 0.5.16}}\nextra_args: {words}\n"
    path = write_profile(text)
    result = run("upgrade", str(path), "--to", to, "--write")
    assert result.code == 1
    assert f"error[{code}]" in result.err
    assert result.out.startswith(f"refused: 1 error with SGLang {to}\n")
    assert path.read_text() == text
    data = run("upgrade", str(path), "--to", to, "--write", "--format", "json").json
    assert (data["accepted"], data["written"]) == (False, False)
    assert code in [d["code"] for d in data["diagnostics"]]


def test_the_place_of_a_diagnostic_is_the_word_in_the_file(run: Run, write_profile: Write) -> None:
    path = write_profile(PROFILE.replace('- "2"\n', '- "2"\n- --not-an-option\n'))
    result = run("upgrade", str(path), "--to", "0.5.23")
    assert f"{path}:19:3" in result.err


def test_json(run: Run, write_profile: Write) -> None:
    path = write_profile(PROFILE)
    data = run("upgrade", str(path), "--to", "0.5.23", "--format", "json").json
    assert {k: v for k, v in data.items() if k not in {"changes", "diagnostics"}} == {
        "format": "glmdeploy-upgrade/v1", "profile": str(path), "framework": "sglang", "from": "0.5.16", "to": "0.5.23",
        "accepted": True, "compared": True, "written": False,
    }  # fmt: skip
    assert data["changes"][2] == {
        "kind": "extra_args", "name": "--enable-dsa-prefill-context-parallel",
        "before": "--enable-dsa-prefill-context-parallel", "after": "--enable-prefill-cp", "reason": "renamed",
        "why": "SGLang 0.5.19 was the last with `--enable-dsa-prefill-context-parallel`", "ranks": [],
    }  # fmt: skip
    kinds = [c["kind"] for c in data["changes"]]
    assert kinds == sorted(kinds, key=["plan", "image", "extra_args", "argv", "env", "diagnostic"].index)
    broken = run("upgrade", "no-such", "--to", "1", "--format", "json")
    assert (broken.code, broken.json["changes"], broken.json["from"]) == (1, [], "")
    assert [d["code"] for d in broken.json["diagnostics"]] == ["GLM016"]


def test_options_that_come_and_go_say_so(run: Run, write_profile: Write) -> None:
    path = write_profile(HEAD + "framework: {name: sglang, version: 0.5.15}\nserving: {thinking: high}\n")
    out = run("upgrade", str(path), "--to", "0.5.16").out
    assert "`--default-chat-template-kwargs` came with SGLang 0.5.16" in out
    assert "removed      GLM402" in out
    back = run("upgrade", str(path.parent / "profile.yaml"), "--to", "0.5.14", "--format", "json").json
    assert back["accepted"]
    path.write_text(path.read_text().replace("0.5.15", "0.5.16"))
    down = run("upgrade", str(path), "--to", "0.5.15", "--format", "json").json
    assert ["--default-chat-template-kwargs", "removed"] in [[c["name"], c["reason"]] for c in down["changes"]]


def test_a_layout_that_the_older_version_refuses(run: Run, write_profile: Write) -> None:
    text = HEAD.replace("h200, gpus: 8", "h100, gpus: 10") + "framework: {name: sglang, version: 0.5.21}\n"
    result = run("upgrade", str(write_profile(text)), "--to", "0.5.13.post1")
    assert result.code == 1
    assert result.out.startswith("refused: ")
    assert "changed      profile: accepted -> refused" in result.out
    assert "not compared: SGLang 0.5.13.post1 would not start" in result.out
    assert max(map(len, result.out.splitlines())) <= 80


def test_options_that_follow_the_plan_say_so(run: Run) -> None:
    data = run("upgrade", "glm-5.2-fp8-10xh100-sglang", "--to", "0.5.17", "--format", "json").json
    changed = [c for c in data["changes"] if c["kind"] == "argv"]
    assert [(c["name"], c["reason"], c["why"]) for c in changed] == [
        ("--context-length", "changed", "the plan has another context")
    ]


def test_an_upgrade_can_mend_a_profile(run: Run, write_profile: Write) -> None:
    path = write_profile(HEAD + "framework: {name: sglang, version: 0.5.12}\n")
    result = run("upgrade", str(path), "--to", "0.5.20", "--write")
    assert result.code == 0
    assert "changed      profile: refused -> accepted" in result.out
    assert "version: 0.5.20" in path.read_text()


def test_vllm_from_0_23_to_0_31(run: Run, write_profile: Write) -> None:
    path = write_profile(HEAD + 'framework: {name: vllm, version: "0.23"}\n')
    data = run("upgrade", str(path), "--to", "0.31", "--format", "json", "--write").json
    assert (data["from"], data["to"], data["accepted"], data["written"]) == ("0.23", "0.31.0", True, True)
    assert [(c["after"], c["reason"]) for c in data["changes"] if c["name"] == "image"] == [
        ("vllm/vllm-openai:v0.31.0", "new default")
    ]
    assert 'version: "0.31.0"' in path.read_text()


def test_a_version_that_nobody_knows_is_a_warning(run: Run, write_profile: Write) -> None:
    path = write_profile(HEAD + "framework: {name: vllm}\n")
    result = run("upgrade", str(path), "--to", "99.0.0")
    assert result.code == 0
    assert "warning[GLM110]" in result.err
    assert "--> --to 99.0.0" in result.err


def test_an_image_that_the_profile_names_is_kept_and_said(run: Run, write_profile: Write) -> None:
    path = write_profile(HEAD + "framework: {name: vllm, version: 0.30.0, image: 'me/vllm:1'}\n")
    out = run("upgrade", str(path), "--to", "0.31.0").out
    assert "kept         image: me/vllm:1\n" in out
    assert "see that it carries vLLM 0.31.0" in " ".join(out.split())


def test_secrets_are_not_shown(run: Run, write_profile: Write) -> None:
    words = "[--api-key=abcdefgh, --hf-token, abcdefgh, --nsa-decode-backend, sk-abcdefghabcdefghabcdefgh]"
    path = write_profile(HEAD + f"framework: {{name: sglang, version: 0.5.16}}\nextra_args: {words}\n")
    for form in ("text", "json"):
        result = run("upgrade", str(path), "--to", "0.5.23", "--write", "--format", form)
        assert result.code == 1
        assert "abcdefgh" not in result.out + result.err


@pytest.mark.parametrize("name", ["-", "glm-5.2-fp8-8xh200-vllm"])
def test_write_takes_a_file(run: Run, name: str) -> None:
    assert run("upgrade", name, "--to", "0.31.0", "--write").code == 2


@pytest.mark.parametrize("to", ["0.5.\x1b[31m", "0.5\u202e"])
def test_control_characters_are_refused(run: Run, write_profile: Write, to: str) -> None:
    result = run("upgrade", str(write_profile(PROFILE)), "--to", to)
    assert result.code == 1
    assert "error[GLM014]" in result.err
    assert to not in result.err


def test_a_profile_that_is_none_is_refused_as_elsewhere(run: Run, write_profile: Write) -> None:
    assert "error[GLM012]" in run("upgrade", str(write_profile("name: x\n")), "--to", "1").err
    path = write_profile(HEAD + "framework: {name: vlm}\n")
    assert "error[GLM105]" in run("upgrade", str(path), "--to", "1").err


def test_a_file_without_write_permission_is_coded(write_profile: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_profile(PROFILE)
    result = upgrade(source.read(path), "0.5.23")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(WriteError) as caught:
        edit.write(result)
    assert [d.code for d in caught.value.diagnostics] == ["GLM508"]
    assert path.read_text() == PROFILE


def test_equal_changes_of_ranks_are_one_and_others_name_their_ranks() -> None:
    text = HEAD.replace("h200, gpus: 8", "h100, gpus: 10") + "framework: {name: sglang, version: 0.5.21}\n"
    before = pipeline.judge(source.parse("p.yaml", text))
    processes = [
        replace(p, argv=(*p.argv, "--log-requests"), env=(*p.env, ("RANK", str(p.rank % 2)))) for p in before.processes
    ]
    changes = compare(before, replace(before, processes=tuple(processes)))
    assert changes == (
        Change("argv", "--log-requests", "", "--log-requests", "added", "the plan sets it"),
        Change("env", "RANK", "", "0", "added", "the plan sets it", (0, 2, 4)),
        Change("env", "RANK", "", "1", "added", "the plan sets it", (1, 3)),
    )
    result = upgrade(before.source, "0.5.21")
    text = report.as_text(replace(result, changes=changes))
    assert "  added        RANK: 0 (rank 0, 2, 4)\n" in text


def test_renamed_options_of_the_plan_are_matched() -> None:
    before = pipeline.judge(source.parse("p.yaml", HEAD + "framework: {name: sglang, version: 0.5.16}\n"))
    after = pipeline.judge(source.parse("p.yaml", HEAD + "framework: {name: sglang, version: 0.5.23}\n"))
    old = [replace(p, argv=(*p.argv, "--cuda-graph-max-bs", "64", "--tp", "8")) for p in before.processes]
    new = [replace(p, argv=(*p.argv, "--cuda-graph-max-bs-decode", "64")) for p in after.processes]
    changes = compare(replace(before, processes=tuple(old)), replace(after, processes=tuple(new)))
    assert next((c.before, c.after, c.reason, c.why) for c in changes if c.kind == "argv") == (
        "--cuda-graph-max-bs 64", "--cuda-graph-max-bs-decode 64", "renamed",
        "SGLang 0.5.19 was the last with `--cuda-graph-max-bs`",
    )  # fmt: skip


@pytest.mark.parametrize("version", [str(v) for v in catalog.load().frameworks["sglang"].tested])
def test_every_version_takes_what_an_upgrade_to_it_writes(version: str) -> None:
    text = PROFILE.replace('"0.5.16"', '"0.5.14"')
    result = upgrade(source.parse("p.yaml", text), version)
    assert not result.after.refused
    again = source.parse("p.yaml", edit.edited(result, text))
    assert not pipeline.judge(again).refused
    assert upgrade(again, version).changes == ()


def test_a_merge_that_the_plan_makes_is_shown_as_one(run: Run, write_profile: Write) -> None:
    path = write_profile(
        HEAD + "framework: {name: sglang, version: 0.5.16}\nlayout: {tp: 8, attn_dp: 8}\nserving: {thinking: max}\n"
    )
    out = run("upgrade", str(path), "--to", "0.5.23").out
    assert "renamed      --enable-dp-attention --dp-size 8 -> --attn-dp-size 8" in out
    assert "the plan no longer sets it" not in out
