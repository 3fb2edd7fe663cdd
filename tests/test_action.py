"""The Action: its steps run as they are, with the environment that GitHub documents, in a repository of bundles."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from test_github_comment import MARK, TOKEN, GitHub, github, pull_request  # noqa: F401  a fixture, asked for by name
from test_gitops import DEV, _commit, _delete, _edit_profile, _git, _write, repository  # noqa: F401  as above

from glmdeploy import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Result

    Run = Callable[..., Result]

ROOT = Path(__file__).parent.parent
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = ACTION["runs"]["steps"]
_EXPRESSION = re.compile(r"\$\{\{ *([\w.-]+) *\}\}")
_TERM = re.compile(r"([\w.-]+) (==|!=) '([^']*)'")


@dataclass
class Job:
    """One run of the Action: what each step was given, said and put out."""

    folder: Path
    environment: dict[str, str]
    inputs: dict[str, str]
    used: dict[str, dict[str, str]] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    code: int = 0

    @property
    def summary(self) -> str:
        return (self.folder / "summary").read_text(encoding="utf-8")

    @property
    def log(self) -> str:
        return "".join(self.said.values())

    def value(self, name: str) -> str:
        """A name of an expression; KeyError for one that GitHub would find empty by mistake."""
        if name == "github.token":
            return TOKEN
        root, _, rest = name.partition(".")
        if root == "inputs":
            return self.inputs[rest]
        assert root == "steps"
        step, outputs, output = rest.split(".")
        assert outputs == "outputs"
        assert step in {s.get("id") for s in STEPS}
        return self.outputs.get(f"{step}.{output}", "")

    def text(self, text: str) -> str:
        return _EXPRESSION.sub(lambda found: self.value(found[1]), text)

    def wanted(self, step: dict[str, Any]) -> bool:
        for term in step.get("if", "inputs.lint != 'neither'").split(" && "):
            name, sign, value = _TERM.fullmatch(term).groups()  # type: ignore[union-attr]
            if (self.value(name) == value) != (sign == "=="):
                return False
        return True

    def run(self, steps: list[dict[str, Any]]) -> Job:
        for step in steps:
            if not self.wanted(step):
                continue
            if "uses" in step:
                self.used[step["name"]] = {k: self.text(str(v)) for k, v in step["with"].items()}
                continue
            self.code = self.bash(step)
            if self.code and not step.get("continue-on-error"):
                break
            self.code = 0
        return self

    def bash(self, step: dict[str, Any]) -> int:
        """As `shell: bash` of the documentation: a file, errors end it."""
        assert step["shell"] == "bash"
        assert "${{" not in step["run"]
        script, output = self.folder / "step.sh", self.folder / "output"
        script.write_text(step["run"], encoding="utf-8")
        output.write_text("", encoding="utf-8")
        given = {name: self.text(value) for name, value in step.get("env", {}).items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**self.environment, **given, "GITHUB_OUTPUT": str(output)},
        )
        self.said[step["name"]] = done.stdout
        for line in output.read_text(encoding="utf-8").splitlines():
            name, equals, value = line.partition("=")
            assert equals
            self.outputs[f"{step.get('id')}.{name}"] = value
        return done.returncode


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the install step makes, of the working tree and without a network: an environment that has the tool."""
    folder = tmp_path_factory.mktemp("installed") / "glmdeploy"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "tool.pth").write_text(f"{ROOT}\n{sysconfig.get_path('purelib')}\n")
    script = folder / "bin" / "glmdeploy"
    script.write_text(f"#!{folder}/bin/python\nfrom glmdeploy.cli import entry\nentry()\n")
    script.chmod(0o755)
    return folder


def job(tmp: Path, server: GitHub, event: Any, **inputs: str) -> Job:
    """A job in the folder that the test is in."""
    folder = tmp / ".runner"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "event.json").write_text(json.dumps(event), encoding="utf-8")
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ} | {
        "CI": "true",
        "GITHUB_ACTION_PATH": str(ROOT),
        "GITHUB_ACTIONS": "true",
        "GITHUB_API_URL": server.url,
        "GITHUB_EVENT_PATH": str(folder / "event.json"),
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        "GITHUB_WORKSPACE": str(Path.cwd()),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "RUNNER_TEMP": str(folder),
    }
    defaults = {name: str(entry.get("default", "")) for name, entry in ACTION["inputs"].items()}
    given = {name.replace("_", "-"): value for name, value in inputs.items()}
    assert set(given) <= set(defaults)
    made = Job(folder, environment, defaults | given)
    made.inputs["token"] = made.text(made.inputs["token"])
    return made


@pytest.fixture
def act(
    repository: Path,  # noqa: F811
    github: GitHub,  # noqa: F811
    installed: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Job]:
    """Run the steps behind the installation for a pull request upon the commit that the fixture made."""
    del repository
    base = _git("rev-parse", "HEAD").strip()

    def actor(event: Any = None, **inputs: str) -> Job:
        made = job(tmp_path_factory.mktemp("job"), github, pull_request(sha=base) if event is None else event, **inputs)
        (made.folder / "glmdeploy").symlink_to(installed)
        return made.run([s for s in STEPS if s["name"] != "Install glmdeploy"])

    return actor


# --- the file ---------------------------------------------------------------------------------------------


def test_every_action_is_pinned_to_a_commit_and_says_its_version() -> None:
    lines = [line for line in (ROOT / "action.yml").read_text().splitlines() if "uses:" in line]
    assert len(lines) == 2
    assert all(re.search(r"uses: [\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line) for line in lines)


def test_no_script_holds_an_expression_and_every_script_is_there() -> None:
    scripts = [s["run"] for s in STEPS if "run" in s]
    assert not [s for s in scripts if "${{" in s]
    named = {n for s in scripts for n in re.findall(r"\.github/action/(\w+)", s)}
    assert named == {p.name for p in (ROOT / ".github/action").iterdir() if not p.suffix}
    assert all(len(s.splitlines()) <= 2 for s in scripts)


def test_the_environment_is_pinned_as_a_whole() -> None:
    lines = (ROOT / ".github/action/constraints.txt").read_text().splitlines()
    pinned = {line.partition("==")[0] for line in lines if re.fullmatch(r"[a-z0-9-]+==[\d.]+", line)}
    assert pinned == needed("glmdeploy", set()) - {"glmdeploy"}


def needed(name: str, found: set[str]) -> set[str]:
    """A distribution and all that it requires, without extras."""
    found.add(name)
    for line in metadata.requires(name) or ():
        requirement = Requirement(line)
        if canonicalize_name(requirement.name) not in found and (
            requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        ):
            needed(canonicalize_name(requirement.name), found)
    return found


def test_every_input_and_output_is_described_and_used() -> None:
    text = (ROOT / "action.yml").read_text()
    assert all(f"inputs.{name}" in text for name in ACTION["inputs"])
    assert all(entry["description"] for kind in ("inputs", "outputs") for entry in ACTION[kind].values())


# --- its runs ---------------------------------------------------------------------------------------------


def test_a_clean_pull_request_passes_and_says_what_it_changes(
    act: Callable[..., Job],
    run: Run,
    github: GitHub,  # noqa: F811
) -> None:
    _edit_profile()
    assert run("render", "--all").code == 0
    _commit()
    done = act()
    assert done.code == 0, done.log
    assert {k: v for k, v in done.outputs.items() if k.endswith("status")} == {"lint.status": "0", "check.status": "0"}
    base = done.outputs["event.base"]
    assert f"**2 bundles: as rendered. Rendered against `{base[:12]}`: 2 changed**" in done.summary
    assert github.bodies() == [done.summary]
    sarif = Path(done.used["Upload SARIF"]["sarif_file"])
    assert json.loads(sarif.read_text())["version"] == "2.1.0"
    assert "::error" not in done.log
    assert TOKEN not in done.log


def test_drift_fails_with_annotations_and_in_the_same_comment(act: Callable[..., Job], github: GitHub) -> None:  # noqa: F811
    assert act().code == 0
    _delete()
    done = act()
    assert done.code == 3
    assert "::error file=clusters/dev/glm/script/serve.sh,title=GLM532::" in done.said["Check"]
    assert done.said["Decide"].startswith("lint: 0, check: 3 ")
    assert [c.split()[0] for c in github.calls if not c.startswith("GET")] == ["POST", "PATCH"]
    assert "`script/serve.sh`: missing" in github.bodies()[0]


def test_an_error_of_lint_fails_after_its_findings_are_uploaded_and_check_has_run(
    act: Callable[..., Job],
    github: GitHub,  # noqa: F811
) -> None:
    _write("profiles/dev.yaml", DEV.replace("serving:", "servin:"))
    done = act()
    assert done.code == 1
    assert re.search(r"^::error file=profiles/dev\.yaml,line=8,.*title=GLM010::", done.said["Lint"], re.MULTILINE)
    results = json.loads(Path(done.used["Upload SARIF"]["sarif_file"]).read_text())["runs"][0]["results"]
    assert "GLM010" in {r["ruleId"] for r in results}
    assert done.said["Decide"].startswith("lint: 1, check: 1 ")
    assert "refused" in github.bodies()[0]


def test_a_pull_request_from_a_fork_uploads_and_comments_nothing_and_says_so(
    act: Callable[..., Job],
    github: GitHub,  # noqa: F811
) -> None:
    github.answers["POST"] = 403
    done = act(pull_request(head="fork/r", sha=_git("rev-parse", "HEAD").strip()))
    assert done.code == 0, done.log
    assert "Upload SARIF" not in done.used
    assert "::notice title=glmdeploy::SARIF is not uploaded: " in done.said["Lint"]
    assert done.said["Comment"].startswith("::notice title=glmdeploy::The pull request has no comment: ")
    assert MARK in done.summary


def test_a_comment_that_fails_decides_nothing(act: Callable[..., Job], github: GitHub) -> None:  # noqa: F811
    github.answers["POST"] = 500
    done = act()
    assert done.code == 0
    assert "::warning " in done.said["Comment"]


def test_a_push_has_no_comment_and_no_base(act: Callable[..., Job], github: GitHub) -> None:  # noqa: F811
    done = act({"ref": "refs/heads/main"})
    assert done.code == 0, done.log
    assert github.calls == []
    assert "**2 bundles: as rendered**" in done.summary
    assert "Upload SARIF" in done.used


@pytest.mark.parametrize(
    ("inputs", "steps"),
    [
        ({"lint": "false"}, {"Check", "Comment"}),
        ({"check": "false"}, {"Lint"}),
        ({"comment": "false"}, {"Lint", "Check"}),
        ({"sarif": "false", "comment": "false"}, {"Lint", "Check"}),
    ],
    ids=lambda value: "-".join(sorted(value)),
)
def test_what_is_switched_off_does_not_run(act: Callable[..., Job], inputs: dict[str, str], steps: set[str]) -> None:
    done = act(**inputs)
    assert done.code == 0, done.log
    assert set(done.said) == {"Read the event", "Decide", *steps}
    assert ("Upload SARIF" in done.used) == ("sarif" not in inputs and "Lint" in steps)


def test_a_revision_that_is_asked_for_wins_over_the_base(act: Callable[..., Job]) -> None:
    _git("tag", "release")
    assert "Rendered against `release`: 2 unchanged" in act(against="release").summary
    done = act(against="--nope")
    assert done.code == 1
    assert "GLM042" in done.summary


def test_a_workspace_in_a_folder_has_the_paths_of_the_repository(
    act: Callable[..., Job],
    run: Run,
    github: GitHub,  # noqa: F811
) -> None:
    Path("deploy").mkdir()
    for name in ("glmdeploy.yaml", "glmdeploy.lock", "profiles", "clusters"):
        Path(name).rename(f"deploy/{name}")
    assert run("check", "--workspace", "deploy/glmdeploy.yaml").code == 0
    Path("deploy/clusters/dev/glm/script/serve.sh").unlink()
    _write("deploy/profiles/dev.yaml", DEV + "extra: 1\n")
    done = act(working_directory="deploy")
    assert done.code == 1
    assert "::error file=deploy/profiles/dev.yaml,line=11," in done.said["Lint"]
    assert done.used["Upload SARIF"]["category"] == "glmdeploy/deploy"
    assert github.bodies()[0].startswith(f"{MARK}\n<!-- of deploy -->\n")


def test_the_base_is_fetched_where_the_checkout_has_one_commit(
    act: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    _write("README.md", "x\n")
    _commit()
    url = Path.cwd().as_uri()
    _git("clone", "-q", "--depth=1", url, "shallow")
    monkeypatch.chdir("shallow")
    done = act()
    assert done.code == 0, done.log
    assert f"Rendered against `{done.outputs['event.base'][:12]}`: 2 unchanged" in done.summary
    unknown = act(pull_request(sha="b" * 40))
    assert unknown.code == 0, unknown.log
    assert "::notice title=glmdeploy::The base of the pull request is not here: " in unknown.said["Check"]
    assert "**2 bundles: as rendered**" in unknown.summary


def test_nothing_of_the_pull_request_is_run(act: Callable[..., Job]) -> None:
    ran = Path("ran").absolute()
    hostile = f"from pathlib import Path\nPath({str(ran)!r}).touch()\nraise SystemExit(0)\n"
    for name in ("glmdeploy/__init__.py", "glmdeploy/github_comment.py", "json.py", "sitecustomize.py", "click.py"):
        _write(name, hostile)
    done = act()
    assert done.code == 0, done.log
    assert not ran.exists()
    assert done.said["Comment"] == "comment of pull request 7: created\n"


# --- real tools -------------------------------------------------------------------------------------------


@pytest.mark.external
def test_the_install_step_makes_the_environment_that_the_others_use(
    repository: Path,  # noqa: F811
    github: GitHub,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    del repository
    made = job(tmp_path_factory.mktemp("job"), github, pull_request(sha=_git("rev-parse", "HEAD").strip()))
    made.environment |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    assert made.run(STEPS).code == 0, made.log
    assert made.said["Install glmdeploy"].splitlines()[-1] == f"glmdeploy {__version__}"
    assert set(made.used) == {"Set up Python", "Upload SARIF"}
