"""A GitOps repository: workspace, `render --all`, `check`, through real git."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from glmdeploy import pipeline
from glmdeploy.workspace import find, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Result

ROOT = Path(__file__).parent.parent

WORKSPACE = """\
apiVersion: glmdeploy-workspace/v1
defaults:
  kubernetes:
    namespace: inference
    image_mirror: registry.example.com/mirror
environments:
  prod:
    kubernetes:
      namespace: prod
    layout:
      replicas: 2
    cluster:
      gpus: 16
deployments:
  - profile: profiles/dev.yaml
    output: clusters/dev/glm
    keep: ["patches/*.yaml"]
  - profile: profiles/prod.yaml
    environment: prod
    output: clusters/prod/glm
"""
DEPLOYED_TWICE = """\
  - profile: profiles/prod.yaml
    output: clusters/spare/glm
"""
DEV = """\
apiVersion: glmdeploy/v1
name: glm
cluster:
  gpu: h200
  gpus: 8
framework:
  name: sglang
serving:
  port: 8080
targets: [script, kubernetes]
"""
PROD = """\
apiVersion: glmdeploy/v1
name: glm-prod
extends: dev.yaml
kubernetes:
  namespace: overridden  # the environment wins
  clients: [agents]
"""


def _git(*words: str) -> str:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "core.hooksPath=/dev/null")
    return subprocess.run(
        ["git", *identity, *words], check=True, capture_output=True, text=True, env=environment
    ).stdout


def _write(path: str, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")


def _commit() -> None:
    _git("add", "-A")
    _git("commit", "-qm", "x", "--allow-empty")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[..., Result]) -> Path:
    """A repository with two rendered, committed bundles."""
    monkeypatch.chdir(tmp_path)
    _git("init", "-q")
    _write("glmdeploy.yaml", WORKSPACE)
    _write("profiles/dev.yaml", DEV)
    _write("profiles/prod.yaml", PROD)
    assert run("render", "--all").code == 0
    _commit()
    return tmp_path


def _codes(result: Result) -> list[str]:
    return [word.partition("]")[0] for word in result.err.split("error[")[1:]]


# --- layers -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("repository")
def test_each_layer_wins_over_the_weaker_ones() -> None:
    space = load("glmdeploy.yaml")
    document = pipeline.open_profile("profiles/prod.yaml", environment="prod")
    assert [name for name, _ in document.layers] == [
        "glmdeploy.yaml defaults",
        "profiles/dev.yaml",
        "profiles/prod.yaml",
        "glmdeploy.yaml environments.prod",
    ]
    assert document.data["kubernetes"] == {
        "namespace": "prod",
        "image_mirror": "registry.example.com/mirror",
        "clients": ["agents"],
    }
    assert (document.data["cluster"], document.data["name"]) == ({"gpu": "h200", "gpus": 16}, "glm-prod")
    assert space.environments == ("prod",)


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    ("key", "place"),
    [
        (("kubernetes", "namespace"), ("glmdeploy.yaml", 9)),
        (("kubernetes", "clients"), ("profiles/prod.yaml", 6)),
        (("kubernetes", "image_mirror"), ("glmdeploy.yaml", 5)),
        (("cluster", "gpus"), ("glmdeploy.yaml", 13)),
        (("cluster", "gpu"), ("profiles/dev.yaml", 4)),
        (("serving", "port"), ("profiles/dev.yaml", 9)),
        (("name",), ("profiles/prod.yaml", 2)),
    ],
    ids=lambda value: ".".join(map(str, value)),
)
def test_every_key_keeps_the_place_where_it_was_written(key: tuple[str, ...], place: tuple[str, int]) -> None:
    span = pipeline.open_profile("profiles/prod.yaml", environment="prod").spans[key]
    assert (span.path, span.line) == place


@pytest.mark.usefixtures("repository")
def test_a_list_is_replaced_whole_and_so_is_a_mapping_by_a_value() -> None:
    _write("profiles/child.yaml", PROD + "targets: [compose]\nserving: no\n")
    document = pipeline.open_profile("profiles/child.yaml")
    assert (document.data["targets"], document.data["serving"]) == (["compose"], "no")
    assert ("serving", "port") not in document.spans
    assert ("targets", 1) not in document.spans


@pytest.mark.usefixtures("repository")
def test_an_option_wins_over_the_environment(run: Callable[..., Result]) -> None:
    shown = run("plan", "profiles/prod.yaml", "--environment", "prod", "--set", "kubernetes.namespace=x", "--explain")
    words = " ".join(shown.out.split())
    assert "kubernetes.namespace --set kubernetes.namespace, over glmdeploy.yaml:9, profiles/prod.yaml:5," in words


@pytest.mark.usefixtures("repository")
def test_a_profile_finds_its_workspace_from_any_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("profiles")
    assert find("dev.yaml") == "../glmdeploy.yaml"
    assert pipeline.open_profile("dev.yaml").data["kubernetes"]["namespace"] == "inference"


@pytest.mark.usefixtures("repository")
def test_the_search_ends_at_the_root_of_the_git_repository() -> None:
    _write("inner/profile.yaml", DEV)
    _git("init", "-q", "inner")
    assert find("inner/profile.yaml") is None


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    ("file", "text", "code", "place"),
    [
        pytest.param("glmdeploy.yaml", WORKSPACE + "x: 1\n", "GLM010", "glmdeploy.yaml:21:4", id="unknown-key"),
        pytest.param(
            "glmdeploy.yaml",
            WORKSPACE.replace("namespace: inference", "namespac: inference"),
            "GLM010",
            "glmdeploy.yaml:4:15",
            id="unknown-key-of-a-profile",
        ),
        pytest.param(
            "glmdeploy.yaml",
            WORKSPACE.replace("  kubernetes:\n    namespace: inf", "  cluster:\n    gpu: inf"),
            "GLM010",
            "glmdeploy.yaml:3:3",
            id="a-key-that-defaults-do-not-take",
        ),
        pytest.param(
            "glmdeploy.yaml",
            WORKSPACE.replace("gpus: 16", "gpus: many"),
            "GLM011",
            "glmdeploy.yaml:13:13",
            id="wrong-type-in-an-environment",
        ),
        pytest.param(
            "glmdeploy.yaml",
            WORKSPACE.replace("environment: prod", "environment: production"),
            "GLM021",
            "glmdeploy.yaml:19:18",
            id="unknown-environment",
        ),
        pytest.param(
            "glmdeploy.yaml",
            WORKSPACE.replace("clusters/prod/glm", "clusters/dev/glm/prod"),
            "GLM022",
            "glmdeploy.yaml:20:13",
            id="one-bundle-inside-another",
        ),
        pytest.param(
            "glmdeploy.yaml",
            WORKSPACE.replace("clusters/prod/glm", "../elsewhere"),
            "GLM011",
            "glmdeploy.yaml:20:13",
            id="outside",
        ),
        pytest.param(
            "glmdeploy.yaml",
            WORKSPACE.replace("glmdeploy-workspace/v1", "glmdeploy-workspace/v2"),
            "GLM013",
            "glmdeploy.yaml:1:13",
            id="version",
        ),
        pytest.param(
            "profiles/dev.yaml", DEV + "extends: prod.yaml\n", "GLM020", "profiles/dev.yaml:11:10", id="two-levels"
        ),
        pytest.param(
            "profiles/prod.yaml", PROD.replace("dev.yaml", "no.yaml"), "GLM020", "profiles/prod.yaml:3:10", id="no-file"
        ),
        pytest.param(
            "profiles/prod.yaml",
            PROD.replace("dev.yaml", "[dev.yaml]"),
            "GLM011",
            "profiles/prod.yaml:3:1",
            id="not-a-name",
        ),
        pytest.param(
            "profiles/dev.yaml",
            DEV.replace("8080", "80"),
            "GLM011",
            "profiles/dev.yaml:9:9",
            id="in-the-extended-profile",
        ),
        pytest.param(
            "profiles/prod.yaml", PROD.replace("name: glm-prod\n", ""), "GLM012", "profiles/prod.yaml", id="no-name"
        ),
    ],
)
def test_what_is_wrong_has_a_code_and_a_place(
    run: Callable[..., Result], file: str, text: str, code: str, place: str
) -> None:
    before = _git("status", "--short")
    _write(file, text)
    for words in (("check",), ("render", "--all")):
        result = run(*words)
        assert result.code == 1
        assert code in _codes(result)
        assert f"--> {place}" in result.err
    _git("checkout", "-q", ".")
    assert _git("status", "--short") == before


def test_without_a_workspace_file_there_is_a_code(
    run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert [(r.code, _codes(r)) for r in (run("check"), run("render", "--all"))] == [(1, ["GLM019"])] * 2


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    "words",
    [
        ("render", "--all", "profiles/dev.yaml"),
        ("render", "--all", "-o", "x"),
        ("render", "--all", "--set", "serving.port=9000"),
        ("render", "--all", "--environment", "prod"),
        ("check", "--context", "1M"),
        ("check", "-o", "x"),
        ("plan", "--environment", "prod", "--gpus", "8xH200", "--framework", "sglang"),
    ],
    ids=" ".join,
)
def test_options_of_one_deployment_do_not_go_with_all(run: Callable[..., Result], words: tuple[str, ...]) -> None:
    assert run(*words).code == 2


def test_a_shipped_profile_is_in_no_workspace(run: Callable[..., Result]) -> None:
    result = run("plan", "glm-5.2-fp8-8xh200-vllm", "--environment", "prod")
    assert (result.code, _codes(result)) == (1, ["GLM021"])


# --- render --all and check -------------------------------------------------------------------------------


@pytest.mark.usefixtures("repository")
def test_a_fresh_render_is_as_committed(run: Callable[..., Result]) -> None:
    result = run("check")
    assert (result.code, result.out, result.err) == (0, "", "2 bundles: as rendered\n")
    assert run("render", "--all").code == 0
    assert _git("status", "--short") == ""


@pytest.mark.usefixtures("repository")
def test_a_comment_and_another_order_are_no_drift(run: Callable[..., Result]) -> None:
    lines = DEV.splitlines()
    _write("profiles/dev.yaml", "# why\n" + "\n".join([*lines[:2], *lines[5:], *lines[2:5]]) + "\n")
    assert run("check").code == 0


def _edit_profile() -> None:
    _write("profiles/dev.yaml", DEV.replace("8080", "9090"))


def _edit_environment() -> None:
    _write("glmdeploy.yaml", WORKSPACE.replace("namespace: prod", "namespace: production"))


def _edit_by_hand() -> None:
    path = "clusters/prod/glm/kubernetes/kustomization.yaml"
    _write(path, Path(path).read_text(encoding="utf-8") + "# by hand\n")


def _delete() -> None:
    Path("clusters/dev/glm/script/serve.sh").unlink()


def _chmod() -> None:
    Path("clusters/dev/glm/script/serve.sh").chmod(0o644)


def _fewer_targets() -> None:
    _write("profiles/dev.yaml", DEV.replace("[script, kubernetes]", "[kubernetes]"))


def _pin() -> None:
    digest = "sha256:" + "a" * 64
    _write("images.lock.yaml", f"format: glmdeploy-images/v1\nimages:\n  lmsysorg/sglang:v0.5.21: {digest}\n")


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    ("change", "code", "file", "note"),
    [
        pytest.param(_edit_profile, "GLM530", "script/serve.sh", "`profiles/dev.yaml` changed", id="profile"),
        pytest.param(
            _edit_environment,
            "GLM530",
            "clusters/prod/glm/kubernetes/",
            "`glmdeploy.yaml environments.prod` changed",
            id="environment",
        ),
        pytest.param(_edit_by_hand, "GLM531", "kustomization.yaml", "", id="by-hand"),
        pytest.param(_delete, "GLM532", "script/serve.sh", "", id="deleted"),
        pytest.param(_chmod, "GLM535", "script/serve.sh", "", id="mode"),
        pytest.param(_fewer_targets, "GLM533", "script/serve.sh", "`profiles/dev.yaml` changed", id="left-over"),
        pytest.param(
            _pin, "GLM530", "kubernetes/", "the digest of `lmsysorg/sglang:v0.5.21` is sha256:aaa", id="digest"
        ),
    ],
)
def test_check_says_what_happened_and_fix_mends_it(
    run: Callable[..., Result], change: Callable[[], None], code: str, file: str, note: str
) -> None:
    change()
    result = run("check")
    assert result.code == 3
    assert code in _codes(result)
    assert file in result.err
    assert note in result.err
    assert any(file in line for line in result.out.splitlines() if line.startswith("diff --git "))
    inputs = {name: Path(name).read_bytes() for name in ("glmdeploy.yaml", "profiles/dev.yaml", "profiles/prod.yaml")}
    assert run("check", "--fix").code == 0
    assert run("check").code == 0
    assert {name: Path(name).read_bytes() for name in inputs} == inputs


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    "change", [_edit_profile, _edit_environment, _delete, _chmod, _fewer_targets, _pin], ids=lambda f: f.__name__[1:]
)
def test_render_all_mends_what_nobody_edited(run: Callable[..., Result], change: Callable[[], None]) -> None:
    change()
    assert run("render", "--all").code == 0
    assert run("check").code == 0


@pytest.mark.usefixtures("repository")
def test_render_all_stops_at_a_file_that_was_edited_and_writes_nothing(run: Callable[..., Result]) -> None:
    _edit_by_hand()
    _edit_profile()
    before = _git("status", "--short")
    result = run("render", "--all")
    assert (result.code, _codes(result)) == (3, ["GLM505"])
    assert _git("status", "--short") == before
    assert run("render", "--all", "--force").code == 0
    assert run("check").code == 0


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("folder", [".", "profiles"])
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param((_edit_profile, _edit_by_hand, _delete), id="several"),
        pytest.param((_chmod,), id="mode"),
        pytest.param((_fewer_targets,), id="left-over"),
        pytest.param((_edit_environment,), id="environment"),
        pytest.param((Path("glmdeploy.lock").unlink,), id="no-lock"),
    ],
)
def test_the_diff_is_a_patch_that_git_applies(
    run: Callable[..., Result],
    changes: tuple[Callable[[], None], ...],
    folder: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for change in changes:
        change()
    monkeypatch.chdir(folder)
    result = run("check")
    said = "paths of the patch start at the top of the repository: `git -C .. apply`\n"
    assert (said in result.err) == (folder != ".")
    assert run("check", "--workspace", str(tmp_path / "glmdeploy.yaml")).out == result.out
    _apply(result.out, tmp_path)
    assert run("check").code == 0


def _apply(patch: str, top: Path) -> None:
    file = top.parent / f"{top.name}.patch"
    file.write_text(patch, encoding="utf-8", newline="")
    _git("-C", str(top), "apply", str(file))
    file.unlink()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("\u00a0\x0b\x0c\x1c\u2028\r\rend\n".encode(), id="separators-of-lines"),
        pytest.param(b"", id="empty"),
        pytest.param(b"no end of line", id="no-end-of-line"),
    ],
)
def test_git_applies_a_patch_of_any_text(run: Callable[..., Result], repository: Path, data: bytes) -> None:
    Path("clusters/dev/glm/script/serve.sh").write_bytes(data)
    _apply(run("check").out, repository)
    assert run("check").code == 0


def test_git_applies_a_patch_under_any_name(run: Callable[..., Result], repository: Path) -> None:
    folder = 'a "b" \\ \u00e9 c'
    assert run("render", "profiles/dev.yaml", "-o", folder).code == 0
    Path(folder, "script/serve.sh").unlink()
    Path(folder, "kubernetes/kustomization.yaml").write_text("# mine\n", encoding="utf-8")
    _apply(run("check", "profiles/dev.yaml", "-o", folder).out, repository)
    assert run("check", "profiles/dev.yaml", "-o", folder).code == 0


@pytest.mark.parametrize(
    ("put", "why"),
    [
        pytest.param(lambda file: file.write_bytes(b"\xff\n"), "it is not UTF-8 text", id="no-text"),
        pytest.param(lambda file: file.symlink_to("/dev/null"), "it is a link, or below one", id="link"),
        pytest.param(lambda file: file.mkdir(), "it is not a file", id="folder"),
    ],
)
def test_what_is_no_text_is_left_out_of_the_patch_and_said(
    run: Callable[..., Result], repository: Path, put: Callable[[Path], None], why: str
) -> None:
    _edit_profile()
    file = Path("clusters/prod/glm/kubernetes/kustomization.yaml")
    file.unlink()
    put(file)
    result = run("check")
    assert str(file) not in result.out
    assert f"not in the patch: {why}" in result.err
    _apply(result.out, repository)
    assert _codes(run("check")) == ["GLM531"]


@pytest.mark.usefixtures("repository")
def test_a_stray_file_is_named_and_stays(run: Callable[..., Result]) -> None:
    stray = Path("clusters/dev/glm/kubernetes/extra.yaml")
    stray.write_text("kind: Secret\n", encoding="utf-8")
    for words in (("check",), ("check", "--fix")):
        result = run(*words)
        assert (result.code, _codes(result), result.out) == (3, ["GLM534"], "")
    assert stray.read_text(encoding="utf-8") == "kind: Secret\n"


@pytest.mark.usefixtures("repository")
def test_what_git_ignores_is_no_stray_unless_it_is_committed(run: Callable[..., Result]) -> None:
    _write(".gitignore", "*.swp\nserve.sh\n")
    _write("clusters/dev/glm/script/x.swp", "x")
    assert run("check").code == 0
    Path("clusters/dev/glm/script/serve.sh").unlink()
    assert _codes(run("check")) == ["GLM532"]
    _git("checkout", "-q", "clusters")
    _git("add", "-f", "clusters/dev/glm/script/x.swp")
    assert _codes(run("check")) == ["GLM534"]


@pytest.mark.usefixtures("repository")
def test_files_that_are_kept_are_no_strays(run: Callable[..., Result]) -> None:
    _write("clusters/dev/glm/patches/mine.yaml", "x: 1\n")
    assert run("check").code == 0


@pytest.mark.usefixtures("repository")
def test_a_bundle_that_is_not_listed_any_more_is_named(run: Callable[..., Result]) -> None:
    _write("glmdeploy.yaml", WORKSPACE[: WORKSPACE.index("  - profile: profiles/prod.yaml")])
    result = run("check")
    assert (result.code, _codes(result)) == (3, ["GLM537"])
    assert "clusters/prod/glm" in result.err


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("words", [("render", "--all"), ("check", "--fix")], ids=" ".join)
@pytest.mark.parametrize(
    "workspace",
    [
        pytest.param(WORKSPACE[: WORKSPACE.index("  - profile: profiles/prod.yaml")], id="taken-off"),
        pytest.param(WORKSPACE.replace("clusters/prod/glm", "clusters/moved/glm"), id="moved"),
    ],
)
def test_a_bundle_that_is_not_listed_is_said_until_it_is_removed(
    run: Callable[..., Result], words: tuple[str, ...], workspace: str
) -> None:
    _write("glmdeploy.yaml", workspace)
    for _ in range(2):
        written = run(*words)
        assert "[GLM537]: `clusters/prod/glm` was rendered for this workspace" in written.err
        assert written.code == (0 if "--all" in words else 3)
        result = run("check")
        assert (result.code, _codes(result)) == (3, ["GLM537"])
    _git("rm", "-rqf", "clusters/prod")
    assert "GLM537" not in run("render", "--all").err
    assert run("check").code == 0
    assert "clusters/prod" not in Path("glmdeploy.lock").read_text(encoding="utf-8")


@pytest.mark.usefixtures("repository")
def test_a_lock_file_names_no_bundle_outside_the_workspace(run: Callable[..., Result]) -> None:
    lock = json.loads(Path("glmdeploy.lock").read_text(encoding="utf-8"))
    outside = Path("..", "outside-of-it").resolve()
    _write(str(outside / ".glmdeploy.json"), "{}")
    lock["deployments"][1]["output"] = "../outside-of-it"
    _write("glmdeploy.lock", json.dumps(lock))
    assert _codes(run("check")) == ["GLM536"]
    shutil.rmtree(outside)


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("text", ["", "{}", "[" * 100_000, '{"format": "glmdeploy-lock/v1", "deployments": [1]}'])
def test_a_broken_lock_file_has_a_code(run: Callable[..., Result], text: str) -> None:
    _write("glmdeploy.lock", text)
    result = run("check")
    assert (result.code, _codes(result)) == (1, ["GLM023"])
    assert run("render", "--all").code == 0
    assert run("check").code == 0


@pytest.mark.usefixtures("repository")
def test_a_missing_lock_file_is_drift(run: Callable[..., Result]) -> None:
    Path("glmdeploy.lock").unlink()
    result = run("check")
    assert (result.code, _codes(result)) == (3, ["GLM536"])
    assert result.err.endswith("2 bundles: as rendered; `glmdeploy.lock` is missing\n")
    assert run("check", "--fix").code == 0


@pytest.mark.parametrize("link", ["clusters", "clusters/dev", "clusters/dev/glm"])
def test_nothing_is_written_through_a_link_to_or_above_a_bundle(
    run: Callable[..., Result], repository: Path, link: str
) -> None:
    outside = repository / "outside"
    Path(link).rename(outside)
    Path(link).symlink_to(outside)
    _edit_profile()
    before = {file: file.read_bytes() for file in outside.rglob("*") if file.is_file()}
    for words in (("render", "--all"), ("render", "--all", "--force"), ("check", "--fix"), ("check",)):
        result = run(*words)
        assert (result.code, "GLM505" in _codes(result)) == (3, True), words
    assert {file: file.read_bytes() for file in outside.rglob("*") if file.is_file()} == before


def test_a_workspace_is_named_by_its_folder(run: Callable[..., Result], repository: Path) -> None:
    assert run("check", "--workspace", str(repository)).code == 0


@pytest.mark.usefixtures("repository")
def test_fix_overwrites_nothing_in_a_folder_that_is_no_bundle(run: Callable[..., Result]) -> None:
    Path("clusters/dev/glm/.glmdeploy.json").unlink()
    _write("clusters/dev/glm/script/serve.sh", "mine\n")
    result = run("check", "--fix")
    assert (result.code, _codes(result)) == (3, ["GLM505"])
    assert Path("clusters/dev/glm/script/serve.sh").read_text(encoding="utf-8") == "mine\n"


@pytest.mark.usefixtures("repository")
def test_one_profile_is_compared_with_any_folder(run: Callable[..., Result]) -> None:
    assert run("render", "profiles/dev.yaml", "-o", "out").code == 0
    assert run("check", "profiles/dev.yaml", "-o", "out").code == 0
    assert run("check", "profiles/dev.yaml", "-o", "clusters/prod/glm").code == 3


@pytest.mark.usefixtures("repository")
def test_the_json_form_names_every_file(run: Callable[..., Result]) -> None:
    _edit_by_hand()
    _delete()
    result = run("check", "--format", "json")
    found = [(c["path"], c["kind"]) for b in result.json["bundles"] for c in b["changes"]]
    assert found == [
        ("clusters/dev/glm/script/serve.sh", "missing"),
        ("clusters/prod/glm/kubernetes/kustomization.yaml", "edited by hand"),
    ]
    assert result.json["differs"]


@pytest.mark.usefixtures("repository")
def test_a_changed_catalogue_is_the_reason(tmp_path: Path) -> None:
    """Another version of the tool: its catalogue names another image."""
    other = tmp_path / ".other"
    for name in ("glmdeploy", "templates", "profiles"):
        shutil.copytree(ROOT / name, other / name, ignore=shutil.ignore_patterns("__pycache__"))
    entry = other / "glmdeploy/catalog/frameworks/sglang.yaml"
    text = entry.read_text(encoding="utf-8")
    assert "lmsysorg/sglang:v{version}" in text
    entry.write_text(text.replace("lmsysorg/sglang:v{version}", "lmsysorg/sglang:w{version}"), encoding="utf-8")

    def newer(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(other), "NO_COLOR": "1", "PYTHONSAFEPATH": "1"}
        return subprocess.run(
            [sys.executable, "-m", "glmdeploy", *words], check=False, capture_output=True, text=True, env=environment
        )

    result = newer("check")
    assert result.returncode == 3
    assert "the catalogue's `frameworks/sglang.yaml` changed" in result.stderr
    assert "the image is `lmsysorg/sglang:w0.5.21`, was `lmsysorg/sglang:v0.5.21`" in result.stderr
    assert "+++ b/clusters/dev/glm/kubernetes/" in result.stdout
    assert newer("render", "--all").returncode == 0
    assert newer("check").returncode == 0


@pytest.mark.usefixtures("repository")
def test_a_newer_tool_with_the_same_output_is_no_drift(run: Callable[..., Result]) -> None:
    lock = json.loads(Path("glmdeploy.lock").read_text(encoding="utf-8"))
    lock |= {"tool": "0.0.1", "templates": "0" * 64}
    lock["catalogue"] = dict.fromkeys(lock["catalogue"], "0" * 64)
    _write("glmdeploy.lock", json.dumps(lock))
    assert run("check").code == 0


def test_the_readme_shows_what_the_commands_print(
    run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for file in ("glmdeploy.yaml", "profiles/glm.yaml"):
        _write(file, readme.partition(f"```yaml\n# {file}\n")[2].partition("```")[0])

    def shown(command: str) -> str:
        return (
            readme.partition("From the weakest")[2]
            .partition(f"$ {command}\n")[2]
            .partition("```")[0]
            .partition("$ ")[0]
        )

    plan = run("plan", "profiles/glm.yaml", "--environment", "prod", "--explain").out.splitlines(keepends=True)
    assert shown("glmdeploy plan profiles/glm.yaml --environment prod --explain | tail -n 8") == "".join(plan[-8:])
    assert shown("glmdeploy render --all 2>/dev/null") == run("render", "--all").out
    file = "clusters/dev/glm/kubernetes/deployment.yaml"
    _write(file, Path(file).read_text(encoding="utf-8").replace("replicas: 1", "replicas: 4"))
    result = run("check")
    assert shown("glmdeploy check") == result.out + result.err


# --- edits ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("repository")
def test_set_writes_into_the_profile_and_judges_it_with_what_it_extends(run: Callable[..., Result]) -> None:
    assert run("set", "profiles/prod.yaml", "serving.port=9000").code == 0
    assert Path("profiles/prod.yaml").read_text() == PROD.replace("kubernetes:", "serving:\n  port: 9000\nkubernetes:")
    assert Path("profiles/dev.yaml").read_text() == DEV
    refused = run("set", "profiles/prod.yaml", "layout.tp=7", "--environment", "prod")
    assert refused.code == 1
    assert "7" not in Path("profiles/prod.yaml").read_text()


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    ("words", "file"),
    [
        (("set", "profiles/prod.yaml", "--unset", "serving.port"), "profiles/dev.yaml"),
        (("set", "profiles/prod.yaml", "--unset", "kubernetes.image_mirror"), "glmdeploy.yaml"),
        (("upgrade", "profiles/prod.yaml", "--to", "0.5.23", "--write"), "profiles/dev.yaml"),
    ],
)
def test_an_edit_of_another_file_is_refused_and_names_it(
    run: Callable[..., Result], words: tuple[str, ...], file: str
) -> None:
    _write("profiles/dev.yaml", DEV.replace("name: sglang", "name: sglang\n  version: 0.5.21"))
    before = Path("profiles/prod.yaml").read_text()
    result = run(*words)
    assert (result.code, _codes(result)) == (1, ["GLM511"])
    assert f"{file} brings it along" in " ".join(result.err.replace("`", "").split())
    assert Path("profiles/prod.yaml").read_text() == before


@pytest.mark.usefixtures("repository")
def test_upgrade_writes_a_version_of_the_profile_s_own(run: Callable[..., Result]) -> None:
    own = PROD + "framework:\n  version: 0.5.21 # ours\n"
    _write("profiles/prod.yaml", own)
    result = run("upgrade", "profiles/prod.yaml", "--to", "0.5.23", "--write", "--environment", "prod")
    assert result.code == 0, result.err
    assert Path("profiles/prod.yaml").read_text() == own.replace("0.5.21", "0.5.23")


@pytest.mark.usefixtures("repository")
def test_fixes_of_a_file_are_made_through_that_file_alone(run: Callable[..., Result]) -> None:
    wrong = DEV.replace("serving:\n", "serving:\n  contxt: 64K\n")
    _write("profiles/dev.yaml", wrong)
    run("lint", "profiles/prod.yaml", "--fix")
    assert (Path("profiles/dev.yaml").read_text(), Path("profiles/prod.yaml").read_text()) == (wrong, PROD)
    run("lint", "profiles/dev.yaml", "--fix")
    assert Path("profiles/dev.yaml").read_text() == wrong.replace("contxt", "context")


BOTH = """\
  - profile: profiles/dev.yaml
    environment: prod
    output: clusters/both/glm
"""


@pytest.mark.usefixtures("repository")
def test_a_version_that_one_environment_refuses_is_not_written(run: Callable[..., Result]) -> None:
    own = DEV.replace("sglang", "sglang\n  version: 0.5.19")
    _write("profiles/dev.yaml", own)
    _write(
        "glmdeploy.yaml", WORKSPACE.replace("  prod:\n", "  prod:\n    extra_args: [--nsa-decode-backend=fa3]\n") + BOTH
    )
    words = ("upgrade", "profiles/dev.yaml", "--to", "0.5.23", "--write")
    result = run(*words)
    assert (result.code, Path("profiles/dev.yaml").read_text()) == (1, own), result.err
    assert "glmdeploy.yaml:8:" in result.err


@pytest.mark.usefixtures("repository")
def test_a_change_that_one_environment_refuses_is_not_written(run: Callable[..., Result]) -> None:
    small = "gpu: h100\n      gpus: 16\n    layout: {tp: 8, pp: 2}"
    _write(
        "glmdeploy.yaml", WORKSPACE.replace("gpus: 16", small).replace("    layout:\n      replicas: 2\n", "") + BOTH
    )
    result = run("set", "profiles/dev.yaml", "serving.context=1M")
    assert (result.code, Path("profiles/dev.yaml").read_text()) == (1, DEV), result.err
    assert "in environment `prod`" in result.err


@pytest.mark.usefixtures("repository")
def test_a_profile_that_is_whole_only_in_its_environment_is_changed_in_it(run: Callable[..., Result]) -> None:
    own = DEV.replace("cluster:\n  gpu: h200\n  gpus: 8\n", "").replace("sglang", "sglang\n  version: 0.5.21")
    _write("profiles/dev.yaml", own)
    _write("glmdeploy.yaml", WORKSPACE.replace("gpus: 16", "gpu: h200\n      gpus: 16") + BOTH)
    listed = "  - profile: profiles/dev.yaml\n"
    text = Path("glmdeploy.yaml").read_text()
    _write("glmdeploy.yaml", text.replace(listed, f"{listed}    environment: prod\n", 1))
    result = run("set", "profiles/dev.yaml", "serving.context=64K")
    assert (result.code, result.err) == (0, "wrote profiles/dev.yaml\n")
    result = run("upgrade", "profiles/dev.yaml", "--to", "0.5.23", "--write")
    assert result.code == 0, result.err
    assert "version: 0.5.23" in Path("profiles/dev.yaml").read_text()


@pytest.mark.usefixtures("repository")
def test_a_change_that_a_profile_that_extends_it_refuses_is_not_written(run: Callable[..., Result]) -> None:
    _write("profiles/prod.yaml", PROD + "layout:\n  pp: 2\n")
    _write("glmdeploy.yaml", WORKSPACE.replace("gpus: 16", "gpus: 8").replace("    layout:\n      replicas: 2\n", ""))
    refused = run("set", "profiles/dev.yaml", "layout.tp=8")
    assert (refused.code, Path("profiles/dev.yaml").read_text()) == (1, DEV), refused.err
    assert run("set", "profiles/dev.yaml", "layout.tp=4").code == 0


@pytest.mark.usefixtures("repository")
def test_a_key_that_the_environment_sets_too_is_said_to_have_no_effect(run: Callable[..., Result]) -> None:
    result = run("set", "profiles/prod.yaml", "kubernetes.namespace=mine")
    assert (result.code, "namespace: mine" in Path("profiles/prod.yaml").read_text()) == (0, True)
    assert "warning[GLM052]: `kubernetes.namespace` has no effect: `glmdeploy.yaml` sets it too" in result.err
    assert "glmdeploy.yaml:9:18" in result.err
    assert "GLM052" not in run("set", "profiles/prod.yaml", "serving.port=9000").err


# --- lint -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("repository")
def test_lint_without_a_path_judges_what_the_workspace_deploys(run: Callable[..., Result]) -> None:
    result = run("lint", "--format", "json")
    assert result.code == 0, result.out
    said = result.json
    assert (said["workspaces"], said["profiles"]) == (["glmdeploy.yaml"], ["profiles/dev.yaml", "profiles/prod.yaml"])
    assert {f.split("/glm/")[0] for f in said["files"]} == {"clusters/dev", "clusters/prod"}
    assert run("lint", ".", "--format", "json").json["profiles"] == said["profiles"]


@pytest.mark.usefixtures("repository")
def test_a_profile_that_is_whole_only_in_its_environment_is_judged_in_it(run: Callable[..., Result]) -> None:
    _write("profiles/base.yaml", DEV.replace("cluster:\n  gpu: h200\n  gpus: 8\n", ""))
    _write("profiles/prod.yaml", PROD.replace("dev.yaml", "base.yaml"))
    _write("glmdeploy.yaml", WORKSPACE.replace("gpus: 16", "gpu: h200\n      gpus: 16"))
    for words in ((), ("profiles/prod.yaml",), ("profiles",)):
        assert run("lint", *words).code == 0, words
    assert run("plan", "profiles/prod.yaml").code == 1


@pytest.mark.usefixtures("repository")
def test_a_finding_of_some_environments_says_which(run: Callable[..., Result]) -> None:
    _write("glmdeploy.yaml", WORKSPACE.replace("gpus: 16", "gpus: 4") + DEPLOYED_TWICE)
    result = run("lint", "--format", "json")
    assert result.code == 1
    found = [d for d in result.json["diagnostics"] if d["code"] == "GLM201"]
    assert [(d["path"], d["line"], d["notes"][-1]) for d in found] == [("glmdeploy.yaml", 13, "in environment `prod`")]


@pytest.mark.usefixtures("repository")
def test_a_comment_that_no_environment_needs_is_said_and_one_that_some_need_is_not(run: Callable[..., Result]) -> None:
    def stale(*words: str) -> list[tuple[str, int]]:
        found = run("lint", *words, "--format", "json").json["diagnostics"]
        return [(d["path"], d["line"]) for d in found if d["code"] == "GLM030"]

    _write("glmdeploy.yaml", WORKSPACE.replace("gpus: 16", "gpus: 16  # glmdeploy: ignore[GLM305]"))
    _write("profiles/prod.yaml", PROD.replace("agents]", "agents]  # glmdeploy: ignore[GLM305]"))
    assert stale() == [("glmdeploy.yaml", 13), ("profiles/prod.yaml", 6)]
    assert stale("profiles/prod.yaml") == [("profiles/prod.yaml", 6)]  # the workspace may need its own elsewhere
    old = "sglang\n  version: 0.5.19\nextra_args:\n  - --nsa-decode-backend=fa3  # glmdeploy: ignore[GLM417]"
    _write("profiles/dev.yaml", DEV.replace("sglang", old))
    _write("profiles/prod.yaml", PROD + "extra_args: []\n")
    assert stale("profiles") == []  # dev.yaml by itself needs it
    _write("profiles/dev.yaml", DEV.replace("sglang", old.replace("nsa", "dsa")))
    assert stale("profiles") == [("profiles/dev.yaml", 10)]


@pytest.mark.usefixtures("repository")
def test_a_broken_workspace_is_said_once_and_where(run: Callable[..., Result]) -> None:
    _write("glmdeploy.yaml", WORKSPACE.replace("environment: prod", "environment: prd"))
    for words in ((), (".",), ("profiles",)):
        result = run("lint", *words, "--format", "json")
        found = [(d["code"], d["path"], d["line"]) for d in result.json["diagnostics"] if d["level"] == "error"]
        assert (result.code, found) == (1, [("GLM021", "glmdeploy.yaml", 19)]), words


@pytest.mark.usefixtures("repository")
def test_fix_without_a_path_mends_every_file_of_the_workspace(run: Callable[..., Result]) -> None:
    _write("profiles/dev.yaml", DEV.replace("serving:\n", "serving:\n  contxt: 64K\n"))
    assert run("lint", "--fix").code == 0
    assert "  context: 64K\n" in Path("profiles/dev.yaml").read_text()


def test_lint_outside_a_workspace_judges_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[..., Result]
) -> None:
    monkeypatch.chdir(tmp_path)
    _git("init", "-q")
    assert "GLM017" in run("lint").err
    _write("a/b.yaml", DEV)
    assert run("lint").out.startswith("1 profile: ")
