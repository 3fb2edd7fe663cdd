"""What other repositories take: the hooks of pre-commit, the template for GitLab, and the workflow of the README."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from junitparser import JUnitXml
from test_action import installed  # noqa: F401  a fixture, asked for by name
from test_external import fail_unless_silent, tool
from test_external import run as tool_run
from test_gitops import DEV, _edit_by_hand, _git, _write, repository  # noqa: F401  as above

from glmdeploy import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
GITLAB = ROOT / "templates/ci/glmdeploy.gitlab-ci.yml"
WORKFLOW = ROOT / "tests/ci/workflow.yaml"
SERVE = "clusters/dev/glm/script/serve.sh"

pytestmark = pytest.mark.usefixtures("repository")


def environment(tool_folder: Path, home: Path) -> dict[str, str]:
    """Nothing of the developer's but where pip looks."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    identity = {f"GIT_{who}_{what}": "a@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    path = os.pathsep.join([str(tool_folder / "bin"), os.defpath])
    return kept | identity | {"PATH": path, "HOME": str(home), "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C.UTF-8"}


# --- pre-commit -------------------------------------------------------------------------------------------


def _edit_without_render() -> None:
    _write("profiles/dev.yaml", DEV.replace("8080", "9090"))


def _delete_and_stage() -> None:
    _git("rm", "-q", SERVE)


def _misspell() -> None:
    _write("profiles/dev.yaml", DEV.replace("serving:", "servng:"))


def _harmless() -> None:
    _write("profiles/dev.yaml", f"# a comment\n{DEV}")


CASES = [
    pytest.param(_harmless, {}, "2 bundles: as rendered", id="clean"),
    pytest.param(_edit_without_render, {"glmdeploy-check"}, f"error[GLM530]: `{SERVE}` is out of date", id="edited"),
    pytest.param(_delete_and_stage, {"glmdeploy-check"}, f"error[GLM532]: `{SERVE}` is missing", id="deleted"),
    pytest.param(_edit_by_hand, {"glmdeploy-check"}, "error[GLM531]", id="by-hand"),
    pytest.param(_misspell, {"glmdeploy-lint", "glmdeploy-check"}, "error[GLM010]", id="misspelt"),
]


def commit(config: object, given: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Install the hooks and commit through them."""
    _write(".pre-commit-config.yaml", json.dumps(config))
    pre_commit = tool("pre-commit")
    for words in ((pre_commit, "install"), ("git", "add", "-A")):
        subprocess.run(words, check=True, capture_output=True, env=given)
    return subprocess.run(
        ["git", "commit", "-m", "x"], check=False, capture_output=True, text=True, env=given, timeout=600
    )


def failed(output: str) -> set[str]:
    """The ids of the hooks that failed."""
    blocks = re.split(r"^(?=glmdeploy (?:lint|check)\.)", output, flags=re.MULTILINE)
    return {re.search(r"hook id: (\S+)", block)[1] for block in blocks if "Failed\n" in block}  # type: ignore[index]


@pytest.mark.external
@pytest.mark.parametrize(("change", "hooks", "said"), CASES)
def test_a_commit_is_stopped_by_the_hook_that_sees_what_is_wrong(
    installed: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
    change: Callable[[], None],
    hooks: set[str],
    said: str,
) -> None:
    given = environment(installed, tmp_path_factory.mktemp("home"))
    change()
    local = [{**hook, "language": "system", "verbose": True} for hook in HOOKS]
    done = commit({"repos": [{"repo": "local", "hooks": local}]}, given)
    assert (done.returncode != 0, failed(done.stderr)) == (bool(hooks), set(hooks)), done.stderr
    assert said in done.stderr


@pytest.mark.external
def test_pre_commit_builds_the_hooks_of_a_clone(
    installed: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """HEAD of this repository, in the environment that pre-commit makes of it."""
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    given = environment(installed, tmp_path_factory.mktemp("home")) | {"PATH": os.defpath}
    ids = [{"id": hook["id"], "verbose": True} for hook in HOOKS]
    config = {"repos": [{"repo": str(ROOT), "rev": head.strip(), "hooks": ids}]}
    _delete_and_stage()
    done = commit(config, given)
    assert failed(done.stderr) == {"glmdeploy-check"}, done.stderr
    assert f"`{SERVE}` is missing" in done.stderr
    _git("checkout", "-q", "HEAD", "--", SERVE)
    done = commit(config, given)
    assert done.returncode == 0, done.stderr


@pytest.mark.external
def test_pre_commit_takes_the_manifest(tmp_path: Path) -> None:
    done = tool_run(tmp_path, tool("pre-commit"), "validate-manifest", ROOT / ".pre-commit-hooks.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


# --- GitLab -----------------------------------------------------------------------------------------------


def test_the_template_for_gitlab_pins_this_version() -> None:
    template = yaml.safe_load(GITLAB.read_text(encoding="utf-8"))
    assert template["variables"]["GLMDEPLOY"] == f"glmdeploy=={__version__}"
    assert '"$GLMDEPLOY"' in template["glmdeploy"]["before_script"][0]
    assert template["glmdeploy"]["artifacts"]["when"] == "always"


@pytest.mark.parametrize("shell", ["bash", "sh"])
@pytest.mark.parametrize(
    ("change", "code", "cases"),
    [(_harmless, 0, set()), (_edit_by_hand, 3, set()), (_misspell, 1, {"GLM010"})],
    ids=["clean", "drift", "error"],
)
def test_the_job_of_the_template_runs_as_it_is(
    installed: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
    shell: str,
    change: Callable[[], None],
    code: int,
    cases: set[str],
) -> None:
    job = yaml.safe_load(GITLAB.read_text(encoding="utf-8"))["glmdeploy"]
    change()
    done = subprocess.run(
        [shutil.which(shell) or shell, "-e", "-c", "\n".join(job["script"])],
        check=False,
        capture_output=True,
        text=True,
        env=environment(installed, tmp_path_factory.mktemp("home")),
    )
    assert done.returncode == code, done.stderr
    reports = job["artifacts"]["reports"]
    assert {f["check_name"] for f in json.loads(Path(reports["codequality"]).read_text())} >= cases
    assert (JUnitXml.fromfile(reports["junit"]).failures > 0) == bool(cases)


@pytest.mark.external
@pytest.mark.parametrize(
    ("schema", "file"),
    [("gitlab-ci", GITLAB), ("github-actions", ROOT / "action.yml"), ("github-workflows", WORKFLOW)],
    ids=["gitlab", "action", "workflow"],
)
def test_the_published_schema_takes_the_file(tmp_path: Path, schema: str, file: Path) -> None:
    done = tool_run(tmp_path, tool("check-jsonschema"), "--builtin-schema", f"vendor.{schema}", file)
    assert done.returncode == 0, done.stdout + done.stderr


# --- the README -------------------------------------------------------------------------------------------


def test_the_readme_shows_the_workflow_that_is_checked() -> None:
    shown = README.partition("```yaml\n# .github/workflows/glmdeploy.yaml\n")[2].partition("```")[0]
    assert shown == WORKFLOW.read_text(encoding="utf-8")


def test_the_readme_shows_hooks_that_there_are() -> None:
    shown = yaml.safe_load(README.partition("```yaml\n# .pre-commit-config.yaml\n")[2].partition("```")[0])
    assert [hook["id"] for hook in shown["repos"][0]["hooks"]] == [hook["id"] for hook in HOOKS]


def test_the_readme_includes_the_template_that_there_is() -> None:
    shown = yaml.safe_load(README.partition("```yaml\n# .gitlab-ci.yml\n")[2].partition("```")[0])
    assert (ROOT / shown["include"][0]["file"].lstrip("/")) == GITLAB


@pytest.mark.external
def test_zizmor_finds_nothing(tmp_path: Path) -> None:
    files = ("action.yml", "tests/ci/workflow.yaml")
    words = ("--offline", "--no-progress", "--quiet", "--persona=pedantic")
    fail_unless_silent(tool_run(tmp_path, tool("zizmor"), *words, *(ROOT / f for f in files)), ["No findings"])
