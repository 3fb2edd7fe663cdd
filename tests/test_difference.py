"""Two deployments compared: through real git, option by option, object by object, and inert whatever stands in them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmdeploy import pipeline, source
from glmdeploy.bundle import MANIFEST
from glmdeploy.difference import Files, compare, json_form, markdown, text
from glmdeploy.difference.change import ADDED, CHANGED, REMOVED, RENAMED
from glmdeploy.difference.revisions import split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from conftest import Result
    from syrupy.assertion import SnapshotAssertion

    from glmdeploy.difference import Difference
    from glmdeploy.pipeline import Outcome

    Run = Callable[..., Result]

ROOT = Path(__file__).parent.parent
FORMS = {"text": text.render, "markdown": markdown.render, "json": json_form.render}
HEAD = "apiVersion: glmdeploy/v1\nname: t\n"
H200 = HEAD + "cluster: {gpu: h200, gpus: 8}\n"
SGLANG = H200 + "framework: {name: sglang, version: 0.5.21}\n"
VLLM = H200 + "framework: {name: vllm, version: 0.31.0}\n"
EDITED = SGLANG + 'serving: {context: 64K}\nenv: {NCCL_DEBUG: INFO}\nextra_args: ["--log-requests"]\n'


class Repository:
    """A git repository in a temporary folder, driven through the real git."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *words: str) -> str:
        done = subprocess.run(["git", *words], cwd=self.folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def write(self, path: str, content: str) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
        return file

    def commit(self, **files: str) -> str:
        for path, content in files.items():
            self.write(f"{path}.yaml", content)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "a commit")
        return self.git("rev-parse", "HEAD")


@pytest.fixture(autouse=True)
def _git_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "a")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "a@example.com")


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = Repository(tmp_path / "repo")
    monkeypatch.chdir(made.folder)
    return made


@cache
def judged(profile: str) -> Outcome:
    return pipeline.judge(source.parse("p.yaml", profile))


@cache
def difference(before: str, after: str) -> Difference:
    return compare(judged(before), judged(after))


def rows(deltas: Iterable[Any]) -> list[tuple[str, str, str, str]]:
    return [(d.name, d.change, d.before, d.after) for d in deltas]


def manifests(**texts: str) -> Files:
    return Files("x", {f"kubernetes/{name}.yaml": content for name, content in texts.items()})


# --- profiles ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", list(FORMS))
def test_a_profile_and_its_revision_in_every_format(
    repo: Repository, run: Run, form: str, snapshot: SnapshotAssertion
) -> None:
    repo.commit(prod=SGLANG)
    repo.write("prod.yaml", EDITED)
    result = run("diff", "prod.yaml@main", "--format", form, "--text")
    assert (result.code, result.err) == (0, "")
    assert result.out == snapshot


def test_exit_code_is_0_unless_asked(repo: Repository, run: Run) -> None:
    repo.commit(prod=SGLANG)
    assert run("diff", "prod.yaml@main", "--exit-code").code == 0
    assert "No difference" in run("diff", "prod.yaml@main").out
    repo.write("prod.yaml", EDITED)
    assert run("diff", "prod.yaml@main").code == 0
    assert run("diff", "prod.yaml@main", "--exit-code").code == 3
    assert run("diff", "prod.yaml").code == 2


def test_shipped_profiles_are_named_as_they_were_typed(run: Run) -> None:
    data = run("diff", "glm-5.2-fp8-8xh200-sglang", "glm-5.2-fp8-8xb200-sglang", "--format", "json").json
    assert (data["format"], data["different"]) == ("glmdeploy-diff/v1", True)
    assert data["before"] == {
        "name": "glm-5.2-fp8-8xh200-sglang", "kind": "profile", "verdict": "fits", "refused": False,
    }  # fmt: skip
    assert "null" not in json.dumps(data)
    assert str(ROOT) not in json.dumps(data)


def test_comments_and_order_are_no_difference() -> None:
    again = "# a comment\nframework: {version: '0.5.21', name: sglang}\ncluster: {gpus: 8, gpu: h200}\n" + HEAD
    assert not difference(SGLANG, again).different


def test_a_default_that_is_written_out_means_the_same() -> None:
    found = difference(SGLANG, SGLANG + "serving: {strategy: low-latency, context: 128K}\n")
    assert [(k.name, k.why) for k in found.keys] == [("serving.strategy", "means the same"), ("serving.context", "")]
    assert (found.plan, found.argv, found.files) == ((), (), ())


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(
            SGLANG, SGLANG + "serving: {context: 64K}\n",
            [("--context-length", CHANGED, "--context-length 131072", "--context-length 65536")], id="changed",
        ),
        pytest.param(
            SGLANG, SGLANG + "extra_args: [--log-requests]\n", [("--log-requests", ADDED, "", "--log-requests")], id="added",
        ),
        pytest.param(
            SGLANG + "extra_args: [--log-requests, --decode-log-interval, '10']\n",
            SGLANG + "extra_args: [--decode-log-interval=10, --log-requests]\n", [], id="order-and-equals-sign",
        ),
        pytest.param(
            VLLM + "extra_args: ['--override-generation-config={\"a\": 1, \"b\": 2}']\n",
            VLLM + "extra_args: ['--override-generation-config', '{\"b\":2,\"a\":1}']\n", [], id="json-is-json",
        ),
        pytest.param(
            VLLM + "extra_args: [--enable-prefix-caching]\n", VLLM + "extra_args: [--no-enable-prefix-caching]\n",
            [("--enable-prefix-caching", CHANGED, "--enable-prefix-caching", "--no-enable-prefix-caching")], id="switch",
        ),
        pytest.param(
            SGLANG.replace("0.5.21", "0.5.16") + "extra_args: [--nsa-decode-backend, fa3]\n",
            SGLANG + "extra_args: [--dsa-decode-backend, fa3]\n",
            [("--nsa-decode-backend", RENAMED, "--nsa-decode-backend fa3", "--dsa-decode-backend fa3")], id="renamed",
        ),
        pytest.param(
            SGLANG + "extra_args: [--dsa-decode-backend, fa3]\n",
            SGLANG.replace("0.5.21", "0.5.16") + "extra_args: [--nsa-decode-backend, fa3]\n",
            [("--dsa-decode-backend", RENAMED, "--dsa-decode-backend fa3", "--nsa-decode-backend fa3")], id="renamed-back",
        ),
        pytest.param(
            VLLM, VLLM + "model: {source: {path: /models/x}}\n",
            [("words without an option", CHANGED, "zai-org/GLM-5.2-FP8", "/models/x")], id="the-model-of-vllm",
        ),
    ],
)  # fmt: skip
def test_options(before: str, after: str, expected: list[tuple[str, str, str, str]]) -> None:
    assert not judged(before).refused
    assert not judged(after).refused
    found = [row for row in rows(difference(before, after).argv) if row[0] != "--served-model-name"]
    assert found == expected


def test_options_of_another_framework_are_matched_by_what_they_mean() -> None:
    found = {name: (change, old, new) for name, change, old, new in rows(difference(SGLANG, VLLM).argv)}
    assert found["--tp-size"] == (RENAMED, "--tp-size 8", "--tensor-parallel-size 8")
    assert found["program"] == (CHANGED, "python3 -m sglang.launch_server", "vllm serve")
    assert found["--watchdog-timeout"][0] == REMOVED


def test_a_change_says_which_role_it_is_of() -> None:
    text_ = HEAD + "cluster: {gpu: h100, gpus: 16}\nframework: {name: sglang, version: 0.5.21}\n"
    found = difference(text_, text_ + "serving: {port: 8080}\nenv: {NCCL_DEBUG: INFO}\n")
    assert [(e.name, e.where) for e in found.env] == [("NCCL_DEBUG", "")]
    assert rows(found.ports) == [("HTTP", CHANGED, "30000", "8080")]
    one = difference(text_, SGLANG)
    assert ("ranks meet", REMOVED, "20000", "") in rows(one.ports)
    assert ("processes", CHANGED, "1 leader, 1 worker", "1 server") in rows(one.plan)


def test_memory_is_signed_bytes_a_stage() -> None:
    ten = HEAD + "cluster: {gpu: h100, gpus: 10}\nframework: {name: sglang, version: 0.5.21}\n"
    fp8 = ten + "serving: {kv_cache_dtype: fp8}\n"
    found = difference(ten, fp8)
    plans = [judged(profile).plan for profile in (ten, fp8)]
    assert {n for m in found.memory for n in m.stages} == set(range(5))
    for m in found.memory:
        for number in m.stages:
            stages = [p.memory.stages[number] for p in plans if p]
            part = {"KV": "kv_cache"}.get(m.part, m.part)
            assert [getattr(s, part) for s in stages] == [m.before, m.after]
    assert sum(m.after - m.before for m in found.memory if 0 in m.stages) == 0  # a GPU stays as large as it is
    wide = difference(ten, SGLANG)
    assert {m.change for m in wide.memory if 0 not in m.stages} == {REMOVED}


def test_a_refused_profile_is_compared_as_far_as_it_gets() -> None:
    found = difference(SGLANG, SGLANG.replace("gpus: 8", "gpus: 2"))
    assert found.after.refused
    assert (found.kubernetes, found.files, found.argv) == ((), (), ())
    assert text.render(found).splitlines()[2].startswith("Refused now: GLM201, ")
    assert "options, environment and files are not compared" in " ".join(text.render(found).split())
    back = difference(SGLANG.replace("gpus: 8", "gpus: 2"), SGLANG)
    assert "Accepted now, and was refused" in text.render(back)
    misspelt = difference(SGLANG, SGLANG + "servng: {context: 64K}\n")
    assert [(d.name, d.change) for d in misspelt.diagnostics] == [("GLM010", ADDED)]


def test_what_becomes_of_secrets_is_said_by_name() -> None:
    found = difference(SGLANG, SGLANG + "secrets: {api_key: glm-key}\n")
    assert ("secrets.api_key", ADDED, "", "glm-key") in rows(found.keys)
    assert ("--api-key", ADDED, "", "--api-key <GLMDEPLOY_API_KEY>") in rows(found.argv)
    assert ("GLMDEPLOY_API_KEY", ADDED, "", "key api-key of secret glm-key") in rows(found.env)


# --- git -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rev", ["main", "HEAD", "@", "HEAD@{0}", "HEAD~0", "v1", "HEAD^{/a commit}", "short"])
def test_a_revision_in_any_spelling(repo: Repository, run: Run, rev: str) -> None:
    oid = repo.commit(prod=SGLANG)
    repo.git("tag", "-a", "v1", "-m", "annotated")
    repo.write("prod.yaml", EDITED)
    result = run("diff", f"prod.yaml@{oid[:8] if rev == 'short' else rev}", "--format", "json")
    assert result.code == 0
    assert [k["name"] for k in result.json["profile"]] == ["serving.context", "env.NCCL_DEBUG", "extra_args"]


def test_two_revisions_and_a_file_that_is_gone_on_disk(repo: Repository, run: Run) -> None:
    (repo.folder / "deep/er").mkdir(parents=True)
    repo.commit(**{"deep/er/prod": SGLANG})
    repo.commit(**{"deep/er/prod": EDITED})
    shutil.rmtree(repo.folder / "deep")
    result = run("diff", "deep/er/prod.yaml@HEAD~1", "deep/er/prod.yaml@HEAD")
    assert result.code == 0
    assert result.out.startswith(
        "deep/er/prod.yaml@HEAD~1 -> deep/er/prod.yaml@HEAD\n\nContext 131,072 -> 65,536 tokens;"
    )


def test_paths_are_relative_to_the_current_folder(
    repo: Repository, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    repo.commit(prod=SGLANG, **{"sub/other": SGLANG})
    repo.write("prod.yaml", EDITED)
    monkeypatch.chdir(repo.folder / "sub")
    assert run("diff", "../prod.yaml@main", "--exit-code").code == 3
    monkeypatch.chdir(tmp_path)
    assert run("diff", "repo/prod.yaml@main", "--exit-code").code == 3
    assert run("diff", f"{repo.folder}/prod.yaml@main", "--exit-code").code == 3


@pytest.mark.parametrize(
    ("text_", "expected"),
    [
        ("prod.yaml", ("prod.yaml", "")),
        ("prod.yaml@HEAD@{1}", ("prod.yaml", "HEAD@{1}")),
        ("a@b/prod.yaml@main", ("a@b/prod.yaml", "main")),
        ("x@y.yaml@v1", ("x@y.yaml", "v1")),
        ("x@y.yaml", ("x@y.yaml", "")),
        ("deploy/glm@main", ("deploy/glm", "main")),
        ("@main", ("@main", "")),
    ],
)
def test_where_a_path_ends_and_a_revision_begins(
    text_: str, expected: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x@y.yaml").write_text("")
    assert split(text_) == expected


@pytest.mark.parametrize(
    ("spelled", "code"),
    [
        ("prod.yaml@nope", "GLM042"),
        ("prod.yaml@--help", "GLM042"),
        ("prod.yaml@-", "GLM042"),
        ("prod.yaml@main..main", "GLM042"),
        ("prod.yaml@HEAD:prod.yaml", "GLM042"),
        ("prod.yaml@$(touch pwned)", "GLM042"),
        ("other.yaml@main", "GLM043"),
        ("--exit.yaml@main", "GLM043"),
        ("out.yaml@main", "GLM043"),
        (".@main", "GLM045"),
        ("prod.yaml@", "GLM046"),
        ("prod.yaml@ma\x1b[31min", "GLM014"),
        ("prod.yaml@main\nHEAD", "GLM014"),
        ("bad.yaml@main", "GLM003"),
        ("latin.yaml@main", "GLM002"),
    ],
)
def test_a_revision_that_cannot_be_read_has_its_code(repo: Repository, run: Run, spelled: str, code: str) -> None:
    (repo.folder / "out.yaml").symlink_to("/etc/hostname")
    (repo.folder / "latin.yaml").write_bytes(b"name: \xff\n")
    repo.commit(prod=SGLANG, bad="a: [\n")
    result = run("diff", "--", spelled, "prod.yaml")
    assert result.code == 1
    assert f"error[{code}]" in result.err
    assert "\x1b" not in result.err
    assert not (repo.folder / "pwned").exists()


def test_outside_a_repository(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    result = run("diff", f"{tmp_path}/prod.yaml@main")
    assert result.code == 1
    assert "error[GLM041]" in result.err
    assert "not a git repository" in result.err


def test_without_git(repo: Repository, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.commit(prod=SGLANG)
    monkeypatch.setenv("PATH", str(repo.folder))
    result = run("diff", "prod.yaml@main")
    assert result.code == 1
    assert "error[GLM040]" in result.err


def test_a_shallow_clone_says_so(repo: Repository, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = repo.commit(prod=SGLANG)
    repo.commit(prod=EDITED)
    clone = tmp_path / "clone"
    repo.git("clone", "-q", "--depth", "1", f"file://{repo.folder}", str(clone))
    monkeypatch.chdir(clone)
    assert run("diff", "prod.yaml@HEAD").code == 0
    for rev in (first, "HEAD~1"):
        result = run("diff", f"prod.yaml@{rev}")
        assert result.code == 1
        assert "error[GLM044]" in result.err
        assert "fetch-depth: 0" in result.err


def test_a_repository_that_is_broken(repo: Repository, run: Run) -> None:
    repo.commit(prod=SGLANG)
    blob = repo.git("rev-parse", "HEAD:prod.yaml")
    file = repo.folder / ".git/objects" / blob[:2] / blob[2:]
    file.chmod(0o644)
    file.write_bytes(b"broken")
    result = run("diff", "prod.yaml@main")
    assert result.code == 1
    assert "error[GLM047]" in result.err


def test_git_variables_of_a_hook_are_respected(repo: Repository, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.commit(**{"sub/prod": SGLANG})
    repo.write("sub/prod.yaml", EDITED)
    monkeypatch.setenv("GIT_DIR", ".git")  # as git sets it: relative to the top of the working tree
    assert run("diff", "sub/prod.yaml@main", "--exit-code").code == 3


def test_no_filter_of_the_repository_runs(repo: Repository, run: Run) -> None:
    repo.git("config", "diff.evil.textconv", f"touch {repo.folder}/pwned; cat")
    repo.git("config", "core.fsmonitor", f"touch {repo.folder}/pwned; false")
    repo.write(".gitattributes", "*.yaml diff=evil\n")
    repo.commit(prod=SGLANG)
    (repo.folder / "pwned").unlink(missing_ok=True)
    assert run("diff", "prod.yaml@main").code == 0
    assert not (repo.folder / "pwned").exists()


def test_a_link_inside_the_repository_is_followed(repo: Repository, run: Run) -> None:
    (repo.folder / "link.yaml").symlink_to("prod.yaml")
    repo.commit(prod=SGLANG)
    repo.write("prod.yaml", EDITED)
    assert run("diff", "link.yaml@main", "--exit-code").code == 3


def test_digests_are_those_of_the_revision(repo: Repository, run: Run) -> None:
    lock = "format: glmdeploy-images/v1\nimages: {'lmsysorg/sglang:v0.5.21': 'sha256:%s'}\n"
    repo.commit(prod=SGLANG, **{"images.lock": lock % ("a" * 64)})
    repo.write("images.lock.yaml", lock % ("b" * 64))
    data = run("diff", "prod.yaml@main", "--format", "json").json
    assert [(p["name"], p["before"][-4:], p["after"][-4:]) for p in data["plan"]] == [("image", "aaaa", "bbbb")]
    (repo.folder / "images.lock.yaml").unlink()
    data = run("diff", "prod.yaml@main", "--format", "json").json
    assert data["plan"][0]["after"] == "lmsysorg/sglang:v0.5.21"
    repo.commit(**{"images.lock": "format: other\n"})
    assert "error[GLM610]" in run("diff", "prod.yaml@HEAD").err


WORKSPACE = """\
apiVersion: glmdeploy-workspace/v1
defaults: {serving: {context: %s}}
environments: {staging: {serving: {port: 9000}}}
deployments: [{profile: sub/prod.yaml, output: out}]
"""


def test_a_revision_has_the_workspace_and_the_base_of_its_time(
    repo: Repository, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = "extends: ../base.yaml\n" + HEAD
    repo.commit(glmdeploy=WORKSPACE % "64K", base=SGLANG.replace("name: t", "name: base"), **{"sub/prod": profile})
    repo.git("update-ref", "refs/remotes/origin/main", "HEAD")  # a revision whose name holds a slash
    for rev in ("main", "origin/main"):
        assert run("diff", f"sub/prod.yaml@{rev}", "--exit-code").code == 0
    assert run("diff", "sub/prod.yaml@main", "--environment", "staging", "--exit-code").code == 0
    plain = run("diff", "sub/prod.yaml@main", "base.yaml@main", "--format", "json").json
    assert "context" not in [p["name"] for p in plain["plan"]]
    repo.write("glmdeploy.yaml", WORKSPACE % "32K")
    repo.write("base.yaml", (repo.folder / "base.yaml").read_text() + "env: {NCCL_DEBUG: INFO}\n")
    monkeypatch.chdir(repo.folder / "sub")
    found = run("diff", "prod.yaml@main", "--format", "json").json
    assert [(k["name"], k["before"], k["after"]) for k in found["profile"]] == [
        ("serving.context", "64K", "32K"),
        ("env.NCCL_DEBUG", "", "INFO"),
    ]
    assert found["plan"][0]["name"] == "context"
    (repo.folder / "sub/prod.yaml").unlink()
    assert run("diff", "prod.yaml@main", "prod.yaml@origin/main", "--exit-code").code == 0


def test_an_error_of_a_revision_names_it(repo: Repository, run: Run) -> None:
    repo.commit(glmdeploy=WORKSPACE % "64K", prod=f"extends: gone.yaml\n{HEAD}", ok=SGLANG)
    repo.write("gone.yaml", SGLANG)  # on disk, and not in the revision
    missing = run("diff", "prod.yaml@main")
    assert (missing.code, "error[GLM020]" in missing.err, "prod.yaml@main:1:" in missing.err) == (1, True, True)
    unknown = run("diff", "ok.yaml@main", "--environment", "nope")
    assert (unknown.code, "error[GLM021]" in unknown.err, "glmdeploy.yaml@main:" in unknown.err) == (1, True, True)
    pipeline.render(judged(SGLANG)).write(repo.folder / "out")
    repo.commit()
    for side in ("out", "out@main"):
        refused = run("diff", side, "out", "--environment", "staging")
        assert (refused.code, "error[GLM021]" in refused.err) == (1, True)


# --- bundles -------------------------------------------------------------------------------------------


@pytest.fixture
def bundles(repo: Repository) -> tuple[Path, Path]:
    folders = repo.folder / "old", repo.folder / "new"
    for folder, profile in zip(folders, (SGLANG, EDITED), strict=True):
        pipeline.render(judged(profile)).write(folder)
    return folders


def test_two_bundles_are_compared_in_terms_of_the_plan(bundles: tuple[Path, Path], run: Run) -> None:
    old, new = bundles
    data = run("diff", str(old), str(new), "--format", "json").json
    assert [(p["name"], p["by"]) for p in data["plan"]] == [("context", -65536)]
    assert [k["name"] for k in data["kubernetes"]] == ["Deployment llm/t"]
    assert data["kubernetes"][0]["why"] == "its pods are replaced"
    assert {f["name"]: f["change"] for f in data["kubernetes"][0]["fields"]} == {
        "spec.template.spec.containers[server].args[--context-length]": CHANGED,
        "spec.template.spec.containers[server].args[--log-requests]": ADDED,
        "spec.template.spec.containers[server].env[NCCL_DEBUG]": ADDED,
    }
    assert data["uncompared"] == []


def test_a_bundle_of_an_older_version_is_compared_by_its_files(bundles: tuple[Path, Path], run: Run) -> None:
    old, new = bundles
    manifest = json.loads((old / MANIFEST).read_text())
    del manifest["plan"]
    (old / MANIFEST).write_text(json.dumps(manifest))
    data = run("diff", str(old), str(new), "--format", "json").json
    assert data["plan"] == []
    assert [f["path"] for f in data["files"]] == [
        "compose/compose.yaml",
        "kubernetes/deployment.yaml",
        "script/serve.sh",
    ]
    assert "render it again" in data["uncompared"][0]


@pytest.mark.parametrize("plan", ["x", ["x"], {"gpus": "many", "stages": "x", "verdict": 3, "context": None, "y": {}}])
def test_a_summary_that_anybody_edited_is_data(bundles: tuple[Path, Path], run: Run, plan: Any) -> None:
    old, new = bundles
    manifest = json.loads((old / MANIFEST).read_text())
    (old / MANIFEST).write_text(json.dumps({**manifest, "plan": plan}))
    assert run("diff", str(old), str(new)).code == 0


def test_a_bundle_and_its_revision(bundles: tuple[Path, Path], repo: Repository, run: Run) -> None:
    old, new = bundles
    repo.commit()
    shutil.rmtree(old)
    new.rename(old)
    result = run("diff", "old@main", "--exit-code", "--format", "json")
    assert result.code == 3
    assert [p["name"] for p in result.json["plan"]] == ["context"]
    assert run("diff", "old@main", "new@main", "--exit-code").code == 3
    assert run("diff", "old", "new@main", "--exit-code").code == 0


def test_a_profile_and_what_was_rendered_of_it(bundles: tuple[Path, Path], repo: Repository, run: Run) -> None:
    old, new = bundles
    profile = repo.write("prod.yaml", SGLANG)
    assert run("diff", str(profile), str(old), "--exit-code").code == 0
    result = run("diff", str(profile), str(new), "--exit-code", "--format", "json")
    assert result.code == 3
    assert [p["name"] for p in result.json["plan"]] == ["context"]


@pytest.mark.parametrize(
    "content", [None, "{", "[]", '{"format": "other/v9", "files": {}}', '{"files": {}}', '{"format": 1}']
)
def test_a_folder_that_is_no_bundle(repo: Repository, run: Run, content: str | None) -> None:
    (repo.folder / "b").mkdir()
    if content is not None:
        repo.write(f"b/{MANIFEST}", content)
    result = run("diff", "b", "b")
    assert result.code == 1
    assert "error[GLM045]" in result.err


def test_files_come_go_and_change(bundles: tuple[Path, Path], run: Run) -> None:
    old, new = bundles
    (new / "script/serve.sh").unlink()
    (new / "compose/README.md").write_bytes(b"\xff\xfe")
    (old / ".env").write_text("PASSWORD=mine\n")
    data = run("diff", str(old), str(new), "--format", "json").json
    files = {f["path"]: (f["change"], f["added_lines"]) for f in data["files"]}
    assert files["script/serve.sh"] == (REMOVED, 0)
    assert files["compose/README.md"] == (CHANGED, 0)
    assert ".env" not in files
    back = run("diff", str(new), str(old), "--format", "json").json
    assert {f["path"]: f["change"] for f in back["files"]}["script/serve.sh"] == ADDED


def test_line_ends_alone(bundles: tuple[Path, Path], run: Run) -> None:
    old, _ = bundles
    copy = old.parent / "copy"
    shutil.copytree(old, copy)
    file = copy / "script/serve.sh"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    data = run("diff", str(old), str(copy), "--format", "json").json
    assert [(f["path"], f["why"]) for f in data["files"]] == [("script/serve.sh", "line ends alone")]


def test_a_link_in_a_bundle_is_not_read(bundles: tuple[Path, Path], run: Run, tmp_path: Path) -> None:
    old, new = bundles
    (tmp_path / "private").write_text("of the machine\n")
    (new / "script/serve.sh").unlink()
    (new / "script/serve.sh").symlink_to(tmp_path / "private")
    manifest = json.loads((new / MANIFEST).read_text())
    manifest["files"]["../../private"] = "0" * 64
    (new / MANIFEST).write_text(json.dumps(manifest))
    out = run("diff", str(old), str(new), "--text").out
    assert "of the machine" not in out
    assert "private" not in out


# --- objects -------------------------------------------------------------------------------------------

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: a, namespace: ns, labels: {app.kubernetes.io/name: x}}
spec:
  replicas: 1
  selector: {matchLabels: {app: a}}
  template:
    metadata: {labels: {app: a}}
    spec:
      containers:
        - name: server
          image: i:1
          args: ["-m", "x", "--port", "1", "--flag"]
          env: [{name: A, value: "1"}, {name: B, value: "2"}]
          ports: [{name: http, containerPort: 80}]
          volumeMounts: [{name: v, mountPath: /a}, {name: v, mountPath: /b}]
        - {name: side, image: s:1}
      volumes: [{name: v, emptyDir: {}}]
"""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param("replicas: 1", "replicas: 2", [("spec.replicas", CHANGED, "1", "2")], id="a-number"),
        pytest.param("replicas: 1", 'replicas: "1"', [("spec.replicas", CHANGED, "1", '"1"')], id="a-type"),
        pytest.param("image: i:1", "image: i:2", [("spec.template.spec.containers[server].image", CHANGED, "i:1", "i:2")], id="named"),
        pytest.param(
            '{name: A, value: "1"}, {name: B, value: "2"}', '{name: B, value: "2"}, {name: A, value: "1"}', [], id="env-order"
        ),
        pytest.param(
            '{name: A, value: "1"}, ', "", [("spec.template.spec.containers[server].env[A]", REMOVED, '"1"', "")], id="env"
        ),
        pytest.param(
            '"--port", "1", "--flag"', '"--flag", "--port", "2"',
            [("spec.template.spec.containers[server].args[--port]", CHANGED, "1", "2")], id="args-by-option",
        ),
        pytest.param(
            "mountPath: /b", "mountPath: /c",
            [
                ("spec.template.spec.containers[server].volumeMounts[/b].name", REMOVED, "v", ""),
                ("spec.template.spec.containers[server].volumeMounts[/b].mountPath", REMOVED, "/b", ""),
                ("spec.template.spec.containers[server].volumeMounts[/c].name", ADDED, "", "v"),
                ("spec.template.spec.containers[server].volumeMounts[/c].mountPath", ADDED, "", "/c"),
            ], id="mounts-by-path",
        ),
        pytest.param(
            "app.kubernetes.io/name: x", "app.kubernetes.io/name: z",
            [('metadata.labels["app.kubernetes.io/name"]', CHANGED, "x", "z")], id="a-key-with-dots",
        ),
        pytest.param("emptyDir: {}", "emptyDir: {medium: Memory}", [
            ("spec.template.spec.volumes[v].emptyDir", REMOVED, "{}", ""),
            ("spec.template.spec.volumes[v].emptyDir.medium", ADDED, "", "Memory"),
        ], id="an-empty-mapping"),
        pytest.param("apps/v1", "apps/v2", [("apiVersion", CHANGED, "apps/v1", "apps/v2")], id="the-version"),
    ],
)  # fmt: skip
def test_fields_of_objects(old: str, new: str, expected: list[tuple[str, str, str, str]]) -> None:
    assert old in DEPLOYMENT
    found = compare(manifests(a=DEPLOYMENT), manifests(b=DEPLOYMENT.replace(old, new))).kubernetes
    assert [row for thing in found for row in rows(thing.fields)] == expected
    back = compare(manifests(b=DEPLOYMENT.replace(old, new)), manifests(a=DEPLOYMENT)).kubernetes
    assert sorted(row for thing in back for row in rows(thing.fields)) == sorted(map(swapped, expected))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("replicas: 1", "replicas: 2", ""),
        ("image: i:1", "image: i:2", "its pods are replaced"),
        (
            "matchLabels: {app: a}",
            "matchLabels: {app: b}",
            "the API server refuses this change: delete the object first",
        ),
        ("kubernetes.io/name: x", "kubernetes.io/name: y", ""),
    ],
)
def test_what_applying_a_change_does(old: str, new: str, why: str) -> None:
    found = compare(manifests(a=DEPLOYMENT), manifests(a=DEPLOYMENT.replace(old, new)))
    assert [t.why for t in found.kubernetes] == [why]
    first = text.render(found).split("\n\n")[1].replace("\n", " ")
    assert ("are replaced" in first) == ("replaced" in why)
    assert ("refuses" in first) == ("refuses" in why)


def test_objects_are_known_by_kind_namespace_and_name_wherever_they_stand() -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: ns}\n"
    both = manifests(all=f"{service}---\n{DEPLOYMENT}")
    listed = manifests(l=json.dumps({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "ns"}}]}), d=DEPLOYMENT)  # fmt: skip
    assert compare(both, listed).kubernetes == ()
    assert [f.change for f in compare(both, listed).files] == [REMOVED, ADDED, ADDED]
    other = manifests(all=service.replace("namespace: ns", "namespace: other") + "---\n" + DEPLOYMENT)
    assert [(t.name, t.change) for t in compare(both, other).kubernetes] == [
        ("Service ns/a -> Service other/a", RENAMED)
    ]


def test_objects_of_a_deployment_with_another_name_are_matched() -> None:
    found = difference(SGLANG, SGLANG.replace("name: t", "name: u"))
    assert {(t.name, t.change) for t in found.kubernetes if t.name.startswith(("Dep", "Config"))} == {
        ("Deployment llm/t -> Deployment llm/u", RENAMED),
        ("ConfigMap llm/t-scripts -> ConfigMap llm/u-scripts", RENAMED),
    }
    assert {t.change for t in found.kubernetes} <= {RENAMED, CHANGED}
    claims = [t for t in found.kubernetes if t.name.startswith("PersistentVolumeClaim")]
    assert {t.why for t in claims} == {"applied as a new object: the old one stays with its data until it is deleted"}


def test_a_claim_for_something_else_is_another_claim() -> None:
    claim = (
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a-%s, labels: {app.kubernetes.io/instance: a}}\n"
    )
    found = compare(manifests(a=claim % "cache"), manifests(a=claim % "weights")).kubernetes
    assert [(t.name.partition(" ")[2], t.change) for t in found] == [("a-cache", REMOVED), ("a-weights", ADDED)]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param("environment: {A: '1'}", "environment: [A=1]", [], id="environment-in-either-form"),
        pytest.param(
            "environment: {A: '1'}", "environment: [A, 'B=2']",
            [("environment.A", CHANGED, '"1"', "of the host"), ("environment.B", ADDED, "", "2")], id="environment",
        ),
        pytest.param(
            "source: /a, target: /x", "source: /b, target: /x", [("volumes[/x].source", CHANGED, "/a", "/b")], id="volumes-by-target"
        ),
        pytest.param("init: true", "init: 1", [("init", CHANGED, "true", "1")], id="true-is-not-1"),
    ],
)  # fmt: skip
def test_fields_of_services(old: str, new: str, expected: list[tuple[str, str, str, str]]) -> None:
    compose = """\
services:
  server:
    image: i
    init: true
    environment: {A: '1'}
    volumes: [{type: bind, source: /a, target: /x}, {type: bind, source: /a, target: /y}]
volumes: {v: {}}
"""
    assert old in compose
    sides = [Files("x", {"compose/compose.yaml": content}) for content in (compose, compose.replace(old, new))]
    found = compare(*sides).compose
    shown = [r for thing in found for r in rows(thing.fields)]
    assert [r for r in shown if (r[2].strip('"'), r[3].strip('"')) != ("1", "1") or r[0] == "init"] == expected
    assert {t.name for t in found} <= {"compose/compose.yaml: service server"}


def test_a_file_that_is_no_yaml_is_compared_as_a_file() -> None:
    found = compare(manifests(a="{"), manifests(a="[\x1b"))
    assert (found.kubernetes, [f.change for f in found.files]) == ((), [CHANGED])


# --- secrets and hostile content -----------------------------------------------------------------------

SECRET = "hunter2-hunter2"  # noqa: S105  the one that must not be shown


@pytest.mark.parametrize("form", list(FORMS))
@pytest.mark.parametrize(
    "extra",
    [
        f"env: {{HF_TOKEN: {SECRET}}}\n",
        f"extra_args: [--admin-api-key, {SECRET}]\n",
        f"extra_args: [--api-key={SECRET}]\n",
        f"servng: {{my_password: {SECRET}}}\n",
        f"servng: [--api-key, {SECRET}]\n",
        f"env: {{URL: 'https://me:{SECRET}@example.com'}}\n",
        f"secrets: {{api_key: {SECRET.upper()}}}\n",
    ],
)
def test_a_secret_in_a_profile_is_never_shown(form: str, extra: str) -> None:
    for pair in ((SGLANG, SGLANG + extra), (SGLANG + extra, SGLANG)):
        shown = FORMS[form](difference(*pair), text=True)
        assert SECRET not in shown.lower() if "servng" not in extra else SECRET not in shown
        assert difference(*pair).different


@pytest.mark.parametrize("form", list(FORMS))
def test_a_secret_in_a_bundle_is_never_shown(form: str) -> None:
    edits = {
        "kubernetes/d.yaml": DEPLOYMENT.replace('value: "1"', f"value: '{SECRET}'").replace(
            "name: A", "name: DB_PASSWORD"
        ),
        "kubernetes/e.yaml": DEPLOYMENT.replace("name: a,", "name: b,").replace(
            '"--flag"', f'"--hf-token", "{SECRET}"'
        ),
        "kubernetes/s.yaml": f"apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{k: {SECRET}}}\n",
        "compose/compose.yaml": f"services: {{s: {{environment: {{API_KEY: {SECRET}}}, command: [x, --api-key={SECRET}]}}}}\n",
        "kubernetes/t.yaml": f"kind: Secret\napiVersion: v1\nmetadata: {{name: t}}\ndata:\n  k: |\n    {SECRET}\n    {SECRET}\n",
        "kubernetes/broken.yaml": f"'kind' : 'Secret'\nstringData: {{k: >-\n    {SECRET}\n",
        "kubernetes/v.yaml": DEPLOYMENT.replace("name: a,", "name: c,").replace(
            '{name: A, value: "1"}', f'{{name: TLS_PASSWORD, value: "begin\\n{SECRET}"}}'
        ),
        "compose/b.yaml": f"services:\n  s:\n    environment:\n      API_KEY: |\n        begin\n        {SECRET}\n",
        "script/a.sh": f"export HF_TOKEN='{SECRET}'\nrun --api-key {SECRET}\n",
    }
    before = Files("x", dict.fromkeys(edits, "a: 1\n"))
    other = Files("x", {path: content.replace(SECRET, SECRET[::-1]) for path, content in edits.items()})
    for old, new in ((before, Files("x", edits)), (Files("x", edits), before), (Files("x", edits), other)):
        found = compare(old, new)
        assert SECRET not in FORMS[form](found, text=True)
        assert SECRET[::-1] not in FORMS[form](found, text=True)
    changed = compare(Files("x", edits), other)
    assert {t.name for t in changed.kubernetes} == {
        "Deployment ns/a",
        "Deployment ns/b",
        "Deployment ns/c",
        "Secret s",
        "Secret t",
    }  # fmt: skip  that a secret changed is said
    (secret,) = (t for t in changed.kubernetes if t.name == "Secret s")
    assert rows(secret.fields) == [("stringData.k", CHANGED, "***", "***")]


HOSTILE = "</details>\n| a | `b` | <img src=x> [x](javascript:y) @admin <!-- glmdeploy-diff --> \x1b[31m \u202e ```"


def hostile() -> tuple[Files, Files]:
    name = json.dumps(HOSTILE.replace("\x1b", "").replace("\u202e", ""))
    texts = {
        f"{HOSTILE}.sh": f"x\n{HOSTILE}\n````\n</details>",
        "kubernetes/a.yaml": f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{{name}: {name}}}\n",
        "compose/a.yaml": f"services: {{{name}: {{image: {name}}}}}\n",
    }
    later = {path: content.replace("<img", "<svg") for path, content in texts.items()}
    figures: dict[str, Any] = {"verdict": HOSTILE, "layout": HOSTILE, "image": HOSTILE}
    other: dict[str, Any] = {"verdict": "fits", "layout": "TP8", "image": "i"}
    return Files(HOSTILE, texts, {}, figures), Files("after", later, {HOSTILE: "0"}, other)


def test_hostile_content_is_inert_in_markdown() -> None:
    out = markdown.render(compare(*hostile()), text=True)
    assert out.startswith("<!-- glmdeploy-diff -->\n")
    outside = re.sub(r"^(`{3,})diff\n.*?^\1$", "", out, flags=re.DOTALL | re.MULTILINE)
    code = re.sub(r"`[^`\n]*`|<code>[^<\n]*</code>", "", outside)
    assert code.count("<details>") == code.count("</details>")
    assert set(re.findall(r"<[^>]*>", code)) == {
        "<!-- glmdeploy-diff -->",
        "<details>",
        "<summary>",
        "</summary>",
        "</details>",
    }
    assert len(re.findall(r"(?<!\\)<!--", code)) == 1
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", out)
    assert "@admin" not in code
    for line in outside.splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 6, line


@pytest.mark.parametrize("form", ["text", "json"])
def test_hostile_content_is_inert_elsewhere(form: str) -> None:
    out = FORMS[form](compare(*hostile()), text=True)
    assert "\x1b" not in out
    assert json.loads(out)["different"] if form == "json" else "\u202e" not in out


@pytest.mark.parametrize("with_text", [False, True])
@pytest.mark.parametrize("sign", ["x", "<", "\N{ROCKET}", "\u202e"])
def test_a_comment_is_never_longer_than_github_takes(with_text: bool, sign: str) -> None:
    texts = {f"{n}{sign * 90}.sh": f"{sign * 50}\n" * 400 for n in range(60)}
    texts |= {f"k{n}.yaml": f"apiVersion: v1\nkind: Service\nmetadata: {{name: a{n}}}\n" for n in range(900)}
    found = compare(Files("a", {}), Files("b", texts))
    out = markdown.render(found, text=with_text)
    assert 20_000 < len(out.encode("utf-16-le")) // 2 <= 65_536
    assert "Cut to fit 65,536 characters. Not shown: " in out
    assert out.count("<details>") == out.count("</details>")
    assert len(re.findall("^`{3,}", out, re.MULTILINE)) % 2 == 0


def test_a_short_comment_says_nothing_of_a_cut() -> None:
    assert "Cut to fit" not in markdown.render(difference(SGLANG, EDITED))


# --- properties ----------------------------------------------------------------------------------------

POOL = [
    SGLANG,
    EDITED,
    VLLM,
    SGLANG.replace("gpus: 8", "gpus: 2"),
    SGLANG.replace("0.5.21", "0.5.16"),
    SGLANG + "serving: {port: 8080, kv_cache_dtype: fp8}\nsecrets: {api_key: k}\n",
    SGLANG + "servng: {}\n",
    HEAD + "cluster: {gpu: h100, gpus: 10}\nframework: {name: sglang, version: 0.5.21}\nenv: {A: b}\n",
    HEAD + "cluster: {gpu: h100, gpus: 16}\nframework: {name: vllm}\ntargets: [script, systemd]\n",
]
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(["-x", "--a", "--a=1"]),
)
keys = st.sampled_from(["name", "env", "args", "ports", "containerPort", "value", "data", "a.b", "spec", "command", ""])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)
objects = st.builds(
    lambda kind, name, spec: json.dumps(
        {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "spec": spec, "services": spec}
        | ({} if kind else {"kind": 0})
    ),
    st.sampled_from(["Service", "ConfigMap", "Secret", ""]),
    st.sampled_from(["a", "b"]),
    values,
)
folders = st.builds(
    lambda texts: Files("x", texts),
    st.dictionaries(st.sampled_from(["a.yaml", "b.yaml", "c.sh"]), objects | st.text(max_size=20), max_size=3),
)
SWAPS = {ADDED: REMOVED, REMOVED: ADDED}
QUICK = settings(max_examples=80, deadline=None, derandomize=True)


def swapped(row: tuple[str, str, str, str]) -> tuple[str, str, str, str]:
    name, change, before, after = row
    return name, SWAPS.get(change, change), after, before


def everything(found: Difference) -> list[tuple[str, ...]]:
    """Every difference as comparable rows; options that have two names go by their values."""
    flat = [*found.plan, *found.env, *found.ports, *found.keys, *found.diagnostics, *found.argv]
    things = [*found.kubernetes, *found.compose]
    named = [("" if d.change == RENAMED else d.name, d.change, d.before, d.after) for d in flat]
    fields = [row for thing in things for row in rows(thing.fields)]
    memory = [(f"{m.stages} {m.part}", m.change, str(m.before), str(m.after)) for m in found.memory]
    whole = [(t.name, t.change, "", "") for t in things if t.change != RENAMED]
    files = [(f.path, f.change, str(f.minus), str(f.plus)) for f in found.files]
    return sorted([*named, *fields, *memory, *whole, *files])


@pytest.mark.parametrize("one", range(len(POOL)))
def test_a_profile_does_not_differ_from_itself(one: int) -> None:
    again = pipeline.judge(source.parse("p.yaml", POOL[one]))
    assert not compare(judged(POOL[one]), again).different


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.sampled_from(POOL), st.sampled_from(POOL))
def test_what_is_added_one_way_is_removed_the_other_way(one: str, other: str) -> None:
    there, back = difference(one, other), difference(other, one)
    assert everything(back) == sorted(map(swapped, everything(there)))  # type: ignore[arg-type]


@QUICK
@given(folders)
def test_a_folder_does_not_differ_from_itself(folder: Files) -> None:
    assert not compare(folder, Files("x", dict(folder.texts))).different


@QUICK
@given(folders, folders)
def test_folders_differ_the_same_way_both_ways(one: Files, other: Files) -> None:
    there, back = compare(one, other), compare(other, one)
    assert there.different == (one.texts != other.texts)
    assert sorted(map(swapped, everything(there))) == everything(back)  # type: ignore[arg-type]
    for render in FORMS.values():
        assert render(there, text=True)


# --- the README ----------------------------------------------------------------------------------------


def test_the_readme_shows_what_the_command_prints(repo: Repository, run: Run) -> None:
    readme = (ROOT / "README.md").read_text()
    profile = readme.partition("```yaml\n# prod.yaml\n")[2].partition("```")[0]
    repo.commit(prod=profile)
    edit = readme.partition("```yaml\n# added to prod.yaml\n")[2].partition("```")[0]
    repo.write("prod.yaml", profile + edit)
    shown = readme.partition("```text\n$ glmdeploy diff prod.yaml@main\n")[2].partition("```")[0]
    assert edit
    assert run("diff", "prod.yaml@main").out == shown
