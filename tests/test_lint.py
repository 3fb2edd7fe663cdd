"""`lint`: what it finds in trees, what it says in each format, and what options leave out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from conftest import BUNDLES, TESTS
from junitparser import JUnitXml
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as Sarif

from glmdeploy import manifests, pipeline, resources, rules
from glmdeploy.diagnostics import Diagnostic, Level, Span
from glmdeploy.lint import FORMATS
from glmdeploy.lint.report import Report, fingerprints
from glmdeploy.rules import levels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from conftest import Result
    from syrupy.assertion import SnapshotAssertion

    Run = Callable[..., Result]

GOOD = "apiVersion: glmdeploy/v1\nname: t\ncluster: {gpu: h200, gpus: 8}\nframework: {name: sglang}\n"
SHARED = "kubernetes: {storage_class: shared}\nserving: {thinking: max}\n"
TIGHT = GOOD.replace("gpu: h200, gpus: 8", "gpu: h100, gpus: 10, fabric: tcp") + SHARED  # GLM204, a warning
BROKEN = GOOD.replace("gpus: 8", "gpus: 4")  # GLM201, an error
BUNDLE = BUNDLES / "glm-5.2-fp8-8xh200-vllm"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with profiles, a bundle that holds one more, and what is none of ours."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(BUNDLE, tmp_path / "deploy" / "glm")
    files = {
        "profiles/tight.yaml": TIGHT,
        "profiles/mark.yml": f"\ufeff{GOOD}",
        "deploy/glm/saved.yaml": BROKEN,
        "other/app.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  p: |\n    "
        + GOOD.replace("\n", "\n    "),
        ".venv/shipped.yaml": BROKEN,
        "glmdeploy.yaml": "apiVersion: glmdeploy-workspace/v1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


PROFILES = ["deploy/glm/saved.yaml", "profiles/mark.yml", "profiles/tight.yaml"]


@pytest.mark.parametrize(
    "paths",
    [
        pytest.param(["."], id="the-tree"),
        pytest.param(["deploy", "profiles"], id="its-folders"),
        pytest.param(["deploy/glm", "deploy/glm/kubernetes", "profiles"], id="a-folder-inside-the-bundle"),
        pytest.param([".", "profiles/tight.yaml", "./deploy/glm"], id="twice"),
    ],
)
def test_a_tree_holds_profiles_and_bundles_and_each_file_is_judged_once(paths: list[str], tree: Path, run: Run) -> None:
    result = run("lint", *paths, "--format", "json")
    assert result.code == 1
    assert sorted(result.json["profiles"]) == PROFILES
    files = result.json["files"]
    assert sorted(files) == sorted(
        str(p.relative_to(tree)) for p in (tree / "deploy/glm").rglob("*.yaml") if p.name != "saved.yaml"
    )
    found = [(d["code"], d["path"]) for d in result.json["diagnostics"] if d["level"] != "note"]
    assert found == [("GLM201", "deploy/glm/saved.yaml"), ("GLM204", "profiles/tight.yaml")]


def test_the_summary_counts_profiles_and_files(tree: Path, run: Run) -> None:
    files = len(list((tree / "deploy/glm").rglob("*.yaml"))) - 1
    assert run("lint", ".").out == f"1 workspace, 3 profiles, {files} files: 1 error, 1 warning\n"


def test_a_broken_file_in_a_bundle_is_said_once(tree: Path, run: Run) -> None:
    (tree / "deploy/glm/saved.yaml").write_text(f"{GOOD}name: u\n")
    (tree / "deploy/glm/compose/broken.yaml").write_text("a: [\n")
    found = run("lint", "deploy", "--format", "json").json["diagnostics"]
    assert [(d["code"], d["path"]) for d in found if d["level"] == "error"] == [
        ("GLM004", "deploy/glm/saved.yaml"),
        ("GLM003", "deploy/glm/compose/broken.yaml"),
    ]


def test_a_folder_inside_a_bundle_is_judged_with_its_neighbours(tree: Path, run: Run) -> None:
    result = run("lint", "deploy/glm/kubernetes", "--format", "json")
    assert result.code == 0
    assert len(result.json["files"]) == len(list((tree / "deploy/glm/kubernetes").rglob("*.yaml")))


@pytest.mark.parametrize("folder", ["other", "empty", "hidden"])
def test_a_folder_with_neither_is_an_error(folder: str, tree: Path, run: Run) -> None:
    (tree / "empty").mkdir()
    (tree / "hidden/.venv").mkdir(parents=True)
    (tree / "hidden/.venv/p.yaml").write_text(GOOD)
    result = run("lint", folder, "profiles/mark.yml")
    assert (result.code, result.out) == (1, "1 profile: 1 error, 0 warnings\n")
    assert "error[GLM017]" in result.err
    assert run("lint", f"{folder}/.venv").code == (0 if folder == "hidden" else 1)  # named, so not hidden


@pytest.mark.parametrize(
    ("argv", "codes", "code"),
    [
        pytest.param([], ["GLM201", "GLM204"], 1, id="all"),
        pytest.param(["--severity", "error"], ["GLM201"], 1, id="errors"),
        pytest.param(["--select", "GLM204"], ["GLM204"], 0, id="one-code"),
        pytest.param(["--select", "GLM5,glm20"], ["GLM201", "GLM204"], 1, id="beginnings-in-any-case"),
        pytest.param(["--select", "GLM5", "--select", "GLM204"], ["GLM204"], 0, id="repeated"),
        pytest.param(["--select", "GLM3"], [], 0, id="none"),
        pytest.param(["--ignore", "GLM204"], ["GLM201"], 1, id="a-warning-goes"),
        pytest.param(["--ignore", "GLM2"], ["GLM201"], 1, id="an-error-stays"),
        pytest.param(["--ignore", "GLM"], ["GLM201"], 1, id="errors-stay"),
        pytest.param(["--select", "GLM2", "--ignore", "GLM204"], ["GLM201"], 1, id="both"),
    ],
)
def test_options_choose_what_is_said_and_counted(
    argv: list[str], codes: list[str], code: int, tmp_path: Path, run: Run
) -> None:
    (tmp_path / "a.yaml").write_text(BROKEN)
    (tmp_path / "b.yaml").write_text(TIGHT)
    result = run("lint", str(tmp_path), *argv, "--format", "json")
    assert [d["code"] for d in result.json["diagnostics"]] == codes
    assert result.code == code
    errors, warnings = codes.count("GLM201"), codes.count("GLM204")
    counted = f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
    assert run("lint", str(tmp_path), *argv).out == f"2 profiles: {counted}\n"


@pytest.mark.parametrize("option", ["--select", "--ignore"])
def test_what_keeps_rules_from_running_is_always_said(option: str, tmp_path: Path, run: Run) -> None:
    (tmp_path / "a.yaml").write_text(f"{GOOD}nmae: x\n")
    result = run("lint", str(tmp_path), str(tmp_path / "missing.yaml"), option, "GLM204")
    assert result.code == 1
    assert "error[GLM010]" in result.err
    assert "error[GLM001]" in result.err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        pytest.param(["--select", "GLM999"], "no code is or begins with 'GLM999': did you mean GLM995?", id="code"),
        pytest.param(["--select", "GLM204,"], "no code is or begins with ''", id="empty"),
        pytest.param(["--ignore", "RUF100"], "no code is or begins with 'RUF100'", id="another-tool"),
        pytest.param(["--ignore", "GLM2041"], "did you mean GLM204?", id="too-long"),
        pytest.param(["--severity", "info"], "'info' is not one of", id="level"),
        pytest.param(["--format", "xml"], "'xml' is not one of", id="format"),
        pytest.param(["--output", "sarf=x"], "no format 'sarf': did you mean sarif?", id="output-format"),
        pytest.param(["--output", "sarif"], "write it as sarif=FILE", id="output-without-file"),
        pytest.param(["--output", "json=a", "--output", "sarif=a"], "two reports", id="one-file-twice"),
    ],
)
def test_mistakes_in_options_are_usage(
    argv: list[str], said: str, write_profile: Callable[..., Path], run: Run
) -> None:
    result = run("lint", str(write_profile(GOOD)), *argv)
    assert (result.code, result.out) == (2, "")
    assert said in " ".join(result.err.split())


def test_several_reports_of_one_run_are_what_each_format_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(TIGHT)
    outputs = [word for name in FORMATS for word in ("--output", f"{name}=out/{name}")]
    result = run("lint", "a.yaml", *outputs)
    assert (result.code, result.out) == (0, "1 profile: 0 errors, 1 warning\n")
    for name in FORMATS:
        printed = run("lint", "a.yaml", "--format", name)
        assert (tmp_path / "out" / name).read_text() == (printed.err + "\n" if name == "text" else "") + printed.out
    assert run("lint", "a.yaml", "--format", "github", "--output", "json=-").out.startswith("::warning file=a.yaml,")


def test_a_report_goes_through_a_link_and_into_nothing_but_a_file(tmp_path: Path, run: Run) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    assert run("lint", str(tmp_path / "a.yaml"), "--output", f"json={tmp_path / 'link'}").code == 0
    assert (tmp_path / "link").is_symlink()
    assert json.loads((tmp_path / "real").read_text())["format"] == "glmdeploy-lint/v1"
    result = run("lint", str(tmp_path / "a.yaml"), "--output", f"json={tmp_path}")
    assert (result.code, "error[GLM508]" in result.err) == (1, True)


def test_json_holds_ends_and_what_is_silenced(write_profile: Callable[..., Path], run: Run) -> None:
    path = str(write_profile(TIGHT.replace("tcp}", "tcp} # glmdeploy: ignore[GLM204] measured")))
    data = run("lint", path, "--format", "json").json
    assert list(data) == ["format", "workspaces", "profiles", "files", "diagnostics", "silenced"]
    assert (data["format"], data["profiles"], data["files"], data["diagnostics"]) == (
        "glmdeploy-lint/v1", [path], [], [],
    )  # fmt: skip
    (silenced,) = data["silenced"]
    places = {key: silenced[key] for key in ("code", "path", "line", "column", "end_line", "end_column", "reason")}
    assert places == {
        "code": "GLM204", "path": path, "line": 3, "column": 28, "end_line": 3, "end_column": 30, "reason": "measured",
    }  # fmt: skip


@pytest.fixture
def bad_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every bad profile of the rules, from their folder."""
    monkeypatch.chdir(TESTS / "rules")
    return sorted(str(p) for p in Path().glob("*/bad.yaml"))


def test_github_annotations_of_every_bad_file(bad_files: list[str], run: Run, snapshot: SnapshotAssertion) -> None:
    out = run("lint", *bad_files, "--format", "github").out
    assert out == snapshot
    assert len({line.partition("file=")[2].partition(",")[0] for line in out.splitlines()}) == len(bad_files) > 50


@pytest.fixture
def sarif(bad_files: list[str], run: Run) -> dict[str, Any]:
    """The log of a run over every bad file."""
    log: dict[str, Any] = run("lint", *bad_files, "--format", "sarif").json
    return log


def test_sarif_of_every_bad_file_is_what_the_published_model_takes(sarif: dict[str, Any], bad_files: list[str]) -> None:
    model = Sarif.model_validate(sarif)
    assert json.loads(model.model_dump_json(by_alias=True, exclude_unset=True))["runs"][0]["results"]
    (one,) = sarif["runs"]
    uris = {r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in one["results"]}
    assert uris == set(bad_files)
    assert len(uris) > 50


def test_sarif_rules_hold_the_pages_and_results_point_at_them(sarif: dict[str, Any]) -> None:
    (one,) = sarif["runs"]
    listed = one["tool"]["driver"]["rules"]
    assert [r["id"] for r in listed] == list(rules.pages())
    assert len({r["name"] for r in listed}) == len(listed)
    for rule in listed:
        assert rule["help"]["text"].startswith(f"{rule['id']}: {rule['shortDescription']['text']}\n\n")
        assert rule["help"]["markdown"].startswith(f"**{rule['id']}: ")
        assert rule["fullDescription"]["text"]
        assert "helpUri" not in rule
    assert all(listed[r["ruleIndex"]]["id"] == r["ruleId"] for r in one["results"])
    prints = [r["partialFingerprints"]["glmdeployFinding/v1"] for r in one["results"]]
    assert len(set(prints)) == len(prints)


def test_sarif_and_github_say_the_same_of_the_same_places(
    sarif: dict[str, Any], bad_files: list[str], run: Run
) -> None:
    regions = [
        ({"error": "error", "warning": "warning", "note": "notice"}[r["level"]], r["ruleId"], p["artifactLocation"]["uri"], p["region"])
        for r in sarif["runs"][0]["results"]
        for p in [r["locations"][0]["physicalLocation"]]
    ]  # fmt: skip
    expected = [
        f"::{level} file={uri},line={r['startLine']},endLine={r['endLine']},col={r['startColumn']},endColumn={r['endColumn']},title={code}"
        for level, code, uri, r in regions
    ]  # fmt: skip
    lines = run("lint", *bad_files, "--format", "github").out.splitlines()
    assert [
        line.rpartition("::")[0] if line.count("::") == 2 else "::".join(line.split("::")[:2]) for line in lines
    ] == expected


def test_sarif_marks_what_a_comment_silences(write_profile: Callable[..., Path], run: Run) -> None:
    path = str(write_profile(TIGHT.replace("tcp}", "tcp} # glmdeploy: ignore[GLM204, GLM305] measured")))
    (one,) = run("lint", path, "--format", "sarif").json["runs"]
    assert [(r["ruleId"], r["suppressions"]) for r in one["results"]] == [
        ("GLM030", []),
        ("GLM204", [{"kind": "inSource", "justification": "measured"}]),
    ]
    Sarif.model_validate(run("lint", path, "--format", "sarif").json)


NAME = "a b,c:d%é#.yaml"


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("sarif", '"uri": "a%20b%2Cc%3Ad%25%C3%A9%23.yaml"'),
        ("github", "::warning file=a b%2Cc%3Ad%25é#.yaml,line=3,"),
        ("gitlab", '"path": "a b,c:d%é#.yaml"'),
        ("junit", 'classname="a b,c:d%é#.yaml"'),
    ],
)
def test_odd_names_are_escaped(
    form: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / NAME).write_text(TIGHT)
    for path in (NAME, f"./{NAME}", str(tmp_path / NAME)):
        assert shown in run("lint", path, "--format", form).out


def test_names_that_no_terminal_should_see_are_escaped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "a\x1b[31m\n::error::x.yaml"
    (tmp_path / name).write_text(TIGHT)
    for form in FORMATS:
        result = run("lint", name, "--format", form)
        assert result.code == 0
        assert "\x1b" not in result.out + result.err
        assert not any(line.startswith("::error") for line in result.out.splitlines())
    ET.fromstring(run("lint", name, "--format", "junit").out)  # noqa: S314  our own


def test_a_shipped_profile_is_named_without_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("lint", "glm-5.2-fp8-10xh100-sglang", "--format", "sarif")
    (one,) = result.json["runs"]
    place = one["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": "glm-5.2-fp8-10xh100-sglang.yaml", "uriBaseId": "GLMDEPLOY_PROFILES"}
    assert place["uriBaseId"] in one["originalUriBaseIds"]
    assert str(resources.folder("profiles")) not in result.out
    assert all("uri" not in base for base in one["originalUriBaseIds"].values())


def test_a_file_elsewhere_is_named_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.yaml").write_text(TIGHT)
    monkeypatch.chdir(tmp_path / "sub")
    (one,) = run("lint", str(tmp_path / "a.yaml"), "--format", "sarif").json["runs"]
    place = one["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": (tmp_path / "a.yaml").as_uri()}


def test_fingerprints_stay_when_lines_move_and_tell_equal_findings_apart(
    write_profile: Callable[..., Path], run: Run
) -> None:
    def prints(text: str) -> dict[str, list[str]]:
        issues = run("lint", str(write_profile(text)), "--format", "gitlab").json
        return {i["check_name"]: [i["fingerprint"] for i in issues] for i in issues}

    assert prints(f"\n# moved\n{TIGHT}") == prints(TIGHT)
    found = [Diagnostic("GLM809", m, span=Span("p", line, 1, 1, "  name: a")) for line, m in ((3, "x"), (9, "y"))]
    first, second = fingerprints(Report(), found)
    assert first != second


def test_gitlab_issues_have_what_gitlab_asks_for(bad_files: list[str], run: Run) -> None:
    issues = run("lint", *bad_files, "missing.yaml", "--format", "gitlab").json
    for issue in issues:
        assert set(issue) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert issue["severity"] in {"major", "minor", "info"}
        assert issue["location"]["lines"]["begin"] >= 1
        assert not issue["location"]["path"].startswith(("/", "./"))
    assert len({i["fingerprint"] for i in issues}) == len(issues)
    assert next(i for i in issues if i["check_name"] == "GLM001")["location"] == {
        "path": "missing.yaml", "lines": {"begin": 1},
    }  # fmt: skip


# What the schema of Jenkins' xunit plugin (junit-10.xsd) takes, of what is written here, and what it asks for.
_TAKES: dict[str, tuple[set[str], set[str]]] = {
    "testsuites": ({"name", "tests", "failures", "errors", "time"}, {"testsuite"}),
    "testsuite": ({"name", "tests", "failures", "errors", "skipped", "time"}, {"testcase", "system-out"}),
    "testcase": ({"name", "classname", "time"}, {"failure", "error", "skipped", "system-out"}),
    "failure": ({"message", "type"}, set()),
    "skipped": ({"message", "type"}, set()),
    "system-out": (set(), set()),
}
_NEEDS = {"testsuite": {"name", "tests", "failures", "errors"}, "testcase": {"name"}}


def test_junit_is_what_readers_take(bad_files: list[str], run: Run) -> None:
    text = run("lint", *bad_files, "GLM101/good.yaml", "--format", "junit").out
    root = ET.fromstring(text)  # noqa: S314  our own
    for element in root.iter():
        attributes, children = _TAKES[element.tag]
        assert _NEEDS.get(element.tag, set()) <= set(element.attrib) <= attributes
        assert {c.tag for c in element} <= children
    read = JUnitXml.fromstring(text.partition("\n")[2])
    data = run("lint", *bad_files, "GLM101/good.yaml", "--format", "json").json["diagnostics"]
    cases = {(d["path"], d["code"]) for d in data}
    errors = {(d["path"], d["code"]) for d in data if d["level"] == "error"}
    assert {(c.classname, c.name) for s in read for c in s} == cases | {("GLM101/good.yaml", "lint")}
    assert (read.failures, read.tests) == (len(errors), len(cases) + 1)
    assert sum(s.failures for s in read) == len(errors)


def test_junit_skips_what_is_silenced(write_profile: Callable[..., Path], run: Run) -> None:
    path = str(write_profile(TIGHT.replace("tcp}", "tcp} # glmdeploy: ignore[GLM204] <&> \U0001f600")))
    (suite,) = JUnitXml.fromstring(run("lint", path, "--format", "junit").out.partition("\n")[2])
    (case,) = suite
    assert (case.name, case.is_skipped, case.result[0].message) == ("GLM204", True, "<&> \U0001f600")


@pytest.mark.parametrize("form", list(FORMATS))
def test_a_finding_about_an_option_has_no_file(form: str, tmp_path: Path, run: Run) -> None:
    (tmp_path / "run.sh").write_text("vllm serve zai-org/GLM-5.2-FP8 --port x\n")
    argv = ["--framework", "vllm", "--framework-version", "0.99.0", "--argv", str(tmp_path / "run.sh")]
    result = run("lint", *argv, "--format", form)
    assert result.code == 1
    assert "GLM412" in result.out + result.err
    if form == "github":
        assert "::warning title=GLM110::" in result.out
    if form == "sarif":
        Sarif.model_validate(result.json)
        assert [r["locations"] for r in result.json["runs"][0]["results"] if r["ruleId"] == "GLM110"] == [[]]


def _examples() -> Iterable[tuple[str, tuple[Diagnostic, ...]]]:
    for folder in sorted((TESTS / "rules").iterdir()):
        yield folder.name, tuple(pipeline.lint(str(folder / "bad.yaml")))
    for folder in sorted((TESTS / "manifests").iterdir()):
        bad = folder / "bad"
        files = sorted(bad.iterdir()) if bad.is_dir() else [folder / "bad.yaml"]
        yield folder.name[:6], manifests.check((str(p), p.read_text()) for p in files)


def test_the_usual_level_is_the_harshest_that_the_examples_show() -> None:
    order = [Level.NOTE, Level.WARNING, Level.ERROR]
    shown: dict[str, Level] = {}
    for code, found in _examples():
        own = [order.index(d.level) for d in found if d.code == code]
        shown[code] = max(shown.get(code, Level.NOTE), order[max(own)], key=order.index)
    assert {code: levels.usual(code) for code in shown} == shown
