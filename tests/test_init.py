"""`init`: a repository that passes its own checks at once, with nothing edited."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft202012Validator

import glmdeploy
from glmdeploy import scaffold

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Result

    Run = Callable[..., Result]

ROOT = Path(__file__).parent.parent
NAME = "glm-5.2-fp8-8xh200-sglang"
FILES = {
    ".gitattributes",
    ".github/workflows/glmdeploy.yaml",
    ".pre-commit-config.yaml",
    "README.md",
    "glmdeploy.lock",
    "glmdeploy.yaml",
    f"profiles/{NAME}.yaml",
    "profiles/glmdeploy-workspace.schema.json",
    "profiles/glmdeploy.schema.json",
}


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_empty_folder_becomes_a_repository_that_passes_its_own_checks(here: Path, run: Run) -> None:
    result = run("init")
    assert result.code == 0, result.err
    made = _files(here)
    assert {p for p in made if not p.startswith("clusters/")} == FILES
    assert any(p.startswith(f"clusters/prod/{NAME}/kubernetes/") for p in made)
    assert set(result.out.splitlines()) == FILES | {f"clusters/prod/{NAME}"}
    linted = run("lint", "--format", "json")
    assert (linted.code, [d for d in linted.json["diagnostics"] if d["level"] != "note"]) == (0, [])
    assert run("check").code == 0
    assert run("render", "--all").code == 0
    assert _files(here) == made
    assert run("init").code == 0
    assert _files(here) == made


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("--framework", "vllm", "--gpus", "16xH100", "--target", "script", "--ci", "none"), id="scripts"),
        pytest.param(("glm-5.2-fp8-10xh100-sglang", "--ci", "none"), id="a-shipped-profile"),
        pytest.param(("--environment", "dev", "--environment", "prod", "--namespace", "x"), id="environments"),
        pytest.param(
            (
                "--target", "kubernetes", "--target", "argocd", "--target", "flux",
                "--set", "git.repository=https://git.example.com/a/b.git", "--set", "git.revision=main",
            ),
            id="appliers",
        ),
        pytest.param(("--folder", "a/b c", "--set", "name=n", "--requirement", 'x: ["y" # ${{ z }}'), id="odd-words"),
    ],
)  # fmt: skip
def test_every_answer_is_an_option(here: Path, run: Run, words: tuple[str, ...]) -> None:
    result = run("init", *words)
    assert result.code == 0, result.err
    assert run("lint").code == 0
    assert run("check").code == 0
    for path in here.rglob("*.y*ml"):
        list(yaml.safe_load_all(path.read_text()))


def test_each_environment_has_a_bundle_a_namespace_and_a_place_in_git(here: Path, run: Run) -> None:
    words = ("--set", "git.repository=https://git.example.com/a/b.git", "--set", "git.revision=main")
    assert run("init", "--environment", "dev", "--environment", "prod", "--target", "kubernetes", "--target", "argocd",
               *words).code == 0  # fmt: skip
    for name in ("dev", "prod"):
        folder = here / f"clusters/{name}/{NAME}"
        application = yaml.safe_load((folder / "argocd/application.yaml").read_text())
        assert application["spec"]["source"]["path"] == f"clusters/{name}/{NAME}/kubernetes"
        assert (
            yaml.safe_load((folder / "kubernetes/service.yaml").read_text())["metadata"]["namespace"] == f"llm-{name}"
        )


def test_what_is_there_stays(here: Path, run: Run) -> None:
    (here / "README.md").write_text("ours\n")
    (here / ".gitattributes").write_text("ours\n")
    result = run("init")
    assert result.code == 0
    assert result.err.count("note[GLM571]") == 2
    assert ((here / "README.md").read_text(), (here / ".gitattributes").read_text()) == ("ours\n", "ours\n")
    assert "README.md" not in result.out


@pytest.mark.parametrize("name", ["glmdeploy.yaml", f"profiles/{NAME}.yaml"])
def test_another_workspace_or_profile_is_in_the_way(here: Path, run: Run, name: str) -> None:
    (here / name).parent.mkdir(exist_ok=True)
    (here / name).write_text("ours\n")
    before = _files(here)
    result = run("init")
    assert (result.code, "error[GLM570]" in result.err) == (3, True)
    assert _files(here) == before


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(("--gpus", "4xH100"), "GLM201", id="too-little-memory"),
        pytest.param(("--environment", "Prod"), "GLM011", id="environment"),
        pytest.param(("--namespace", "a b"), "GLM011", id="namespace"),
        pytest.param(("--folder", "../x"), "GLM011", id="folder"),
        pytest.param(("--folder", "/x"), "GLM011", id="absolute-folder"),
        pytest.param(("--folder", "a/.git/x"), "GLM011", id="folder-of-git"),
        pytest.param(("--requirement", "a\nb"), "GLM014", id="requirement"),
        pytest.param(("--set", "git.path=x", "--target", "argocd"), "GLM543", id="argocd-without-a-repository"),
    ],
)
def test_what_is_refused_writes_nothing(here: Path, run: Run, words: tuple[str, ...], code: str) -> None:
    result = run("init", *words)
    assert (result.code, f"error[{code}]" in result.err, _files(here)) == (1, True, {})


def test_below_the_root_of_a_repository_paths_start_at_it_and_ci_is_left_out(here: Path, run: Run) -> None:
    subprocess.run(["git", "init", "-q"], check=True)
    words = ("--set", "git.repository=https://git.example.com/a/b.git", "--set", "git.revision=main")
    result = run("init", "-o", "deploy/glm", "--target", "kubernetes", "--target", "argocd", *words)
    assert (result.code, result.err.count("warning[GLM572]")) == (0, 1)
    application = yaml.safe_load((here / f"deploy/glm/clusters/prod/{NAME}/argocd/application.yaml").read_text())
    assert application["spec"]["source"]["path"] == f"deploy/glm/clusters/prod/{NAME}/kubernetes"
    assert not any(p.name in {".github", ".pre-commit-config.yaml"} for p in here.rglob("*"))


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("folder", ["clusters", "a b/\u00fc", "a[b]", 'a"b'])
def test_git_reads_the_attributes(run: Run, folder: str) -> None:
    subprocess.run(["git", "init", "-q"], check=True)
    assert run("init", "--folder", folder).code == 0
    words = ["git", "check-attr", "eol", f"{folder}/prod/x.yaml", "README.md"]
    told = subprocess.run(words, check=True, capture_output=True, text=True)
    assert told.stderr == ""
    assert [line.rpartition(": ")[2] for line in told.stdout.splitlines()] == ["lf", "unspecified"]


def test_what_cannot_be_written_is_said(here: Path, run: Run) -> None:
    (here / "profiles").write_text("a file")
    result = run("init")
    assert (result.code, "GLM508" in result.err) == (1, True)


def test_the_schemas_take_what_is_written(here: Path, run: Run) -> None:
    assert run("init", "--environment", "dev", "--environment", "prod").code == 0
    for file, schema in (
        ("glmdeploy.yaml", "profiles/glmdeploy-workspace.schema.json"),
        (f"profiles/{NAME}.yaml", "profiles/glmdeploy.schema.json"),
    ):
        text = (here / file).read_text()
        assert text.startswith("# yaml-language-server: $schema=")
        named = text.split("\n")[0].partition("$schema=")[2]
        assert (here / file).parent / named == here / schema
        Draft202012Validator(yaml.load((here / schema).read_text(), yaml.CSafeLoader)).validate(yaml.safe_load(text))


@pytest.mark.parametrize(("file", "_"), scaffold.WORKFLOWS.values())
def test_ci_installs_this_version(file: str, _: str) -> None:
    template = dict(scaffold.WORKFLOWS.values())[file]
    assert (ROOT / "templates" / template).read_text().count(f'"glmdeploy=={glmdeploy.__version__}"') == 1


def _typed(words: list[str], answers: dict[str, str], folder: Path) -> str:
    """What a terminal shows while each question gets its answer."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb"}
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "glmdeploy", "init", *words]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=environment) as process:
        os.close(theirs)
        shown, open_questions = "", dict(answers)
        while select.select([ours], [], [], 60)[0]:
            try:
                shown += os.read(ours, 4096).decode()
            except OSError:  # how Linux says that the other end is closed
                break
            for question in [q for q in open_questions if f"{q} [" in shown or f"{q} (" in shown]:
                os.write(ours, open_questions.pop(question).encode() + b"\n")
        os.close(ours)
        assert process.wait(60) == 0, shown
    assert open_questions == {}, shown
    return shown


def test_a_terminal_is_asked_for_what_no_option_says(tmp_path: Path) -> None:
    answers = {"Framework": "vllm", "GPUs": "", "Kubernetes namespace": "mine", "CI": "none"}
    shown = _typed([], answers, tmp_path)
    assert "8xH200" in shown
    assert "mine" in (tmp_path / "glmdeploy.yaml").read_text()
    assert (tmp_path / "profiles/glm-5.2-fp8-8xh200-vllm.yaml").exists()
    assert not (tmp_path / ".github").exists()


def test_a_terminal_is_not_asked_what_options_say(tmp_path: Path) -> None:
    assert "[" not in _typed(["--yes"], {}, tmp_path)


def workflow(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((folder / ".github/workflows/glmdeploy.yaml").read_text())
    return found
