"""`check` for pull requests: annotations, the comment, reports in files, and bundles against those of a revision."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator
from test_gitops import (  # the fixture is asked for by name
    DEPLOYED_TWICE,
    DEV,
    WORKSPACE,
    _commit,
    _delete,
    _edit_by_hand,
    _edit_profile,
    _git,
    _write,
    repository,  # noqa: F401
)

from glmdeploy.schemas import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Result

    Run = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("repository")

ROOT = Path(__file__).parent.parent
MARK = "<!-- glmdeploy-check -->"
HEAD = f"{MARK}\n\n"
SERVE = "clusters/dev/glm/script/serve.sh"


def _refuse() -> None:
    _write("profiles/dev.yaml", DEV.replace("gpus: 8", "gpus: 1"))


def _states(result: Result) -> list[tuple[str, str]]:
    return [(a["folder"], a["state"]) for a in result.json["compared"]]


# --- formats ----------------------------------------------------------------------------------------------


def test_annotations_are_those_of_lint_byte_for_byte(run: Run) -> None:
    _delete()
    _edit_by_hand()
    result = run("check", "--format", "github")
    assert (result.code, result.err) == (3, "")
    assert result.out == (
        f"::error file={SERVE},title=GLM532::`{SERVE}` is missing%0Ahint: render again, or restore it\n"
        "::error file=clusters/prod/glm/kubernetes/kustomization.yaml,title=GLM531::"
        "`clusters/prod/glm/kubernetes/kustomization.yaml` was edited by hand%0Ahint: make the change in the profile; "
        "`check --fix` rewrites the file, `git checkout` brings an older one back\n"
    )


def test_annotations_escape_what_the_runner_would_read(run: Run) -> None:
    _write("clusters/dev/glm/50%, a:b.yaml", "x: 1\n")
    out = run("check", "--format", "github").out
    assert out.startswith(
        "::error file=clusters/dev/glm/50%25%2C a%3Ab.yaml,title=GLM534::`clusters/dev/glm/50%25, a:b."
    )


@pytest.mark.parametrize("form", ["text", "json", "github", "markdown"])
def test_every_format_goes_to_files_as_well_as_to_stdout(run: Run, form: str) -> None:
    _edit_by_hand()
    result = run(
        "check", "--format", form, "--output", "markdown=a.md", "--output", "json=a.json", "--output", "text=a.txt"
    )
    assert result.code == 3
    assert Path("a.md").read_text().startswith(HEAD + "**1 of 2 bundles differs from what is rendered**\n")
    assert json.loads(Path("a.json").read_text())["differs"]
    text = Path("a.txt").read_text()
    name = "clusters/prod/glm/kubernetes/kustomization.yaml"
    assert text.startswith(f"diff --git a/{name} b/{name}\n--- a/{name}\n+++ b/{name}\n")
    assert text.endswith("2 bundles: 1 differs\n")
    if form in {"json", "markdown"}:
        assert result.out == Path(f"a.{form.replace('markdown', 'md')}").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--output", "sarif=x"), "no format 'sarif'"),
        (("--output", "markdwn=x"), "did you mean markdown?"),
        (("--output", "json="), "write it as json=FILE"),
        (("--output", "json=x", "--output", "markdown=x"), "two reports"),
    ],
)
def test_an_output_that_makes_no_sense_is_a_usage_error(run: Run, words: tuple[str, ...], said: str) -> None:
    result = run("check", *words)
    assert result.code == 2
    assert said in result.err


def test_a_report_that_cannot_be_written_has_a_code(run: Run) -> None:
    result = run("check", "--output", "json=clusters")
    assert result.code == 1
    assert "GLM508" in result.err


# --- the comment ------------------------------------------------------------------------------------------


def test_a_clean_comment_is_a_sentence_and_a_table(run: Run) -> None:
    assert run("check", "--format", "markdown").out == (
        f"{HEAD}**2 bundles: as rendered**\n\n"
        "| bundle | profile | environment | state |\n|---|---|---|---|\n"
        "| `clusters/dev/glm` | `profiles/dev.yaml` |  | as rendered |\n"
        "| `clusters/prod/glm` | `profiles/prod.yaml` | `prod` | as rendered |\n"
    )


def test_the_comment_names_what_happened_with_the_diff_folded(run: Run) -> None:
    _edit_profile()
    _edit_by_hand()
    _delete()
    out = run("check", "--format", "markdown").out
    assert "| `clusters/dev/glm` | `profiles/dev.yaml` |  | 4 out of date, 1 missing |\n" in out
    assert "**`clusters/prod/glm`** differs, because `profiles/dev.yaml` changed:\n" in out
    assert "- `kubernetes/kustomization.yaml`: edited by hand (+0 -1 lines)\n" in out
    assert "\n```diff\n--- a/kubernetes/deployment.yaml\n" in out
    assert "-# by hand\n" in out
    assert out.count("<details>") == out.count("</details>") == 2
    assert '"kubernetes/service.yaml": "' not in out  # checksums tell a reviewer nothing


def test_the_comment_says_what_is_refused_and_compares_the_rest(run: Run) -> None:
    _refuse()
    _edit_by_hand()
    result = run("check", "--format", "markdown")
    assert result.code == 1
    assert "error[GLM201]" in result.err
    assert "1 of 2 bundles is refused; 1 of 2 bundles differs" in result.out
    assert "| `clusters/dev/glm` | `profiles/dev.yaml` |  | refused |\n" in result.out
    assert "- GLM201 `profiles/dev.yaml:5:9`: below the published floor" in result.out
    assert "edited by hand" in result.out


def test_a_workspace_that_cannot_be_read_is_a_comment_too(run: Run) -> None:
    _write("glmdeploy.yaml", WORKSPACE + "x: 1\n")
    result = run("check", "--format", "markdown")
    assert (result.code, "error[GLM010]" in result.err) == (1, True)
    assert result.out.startswith(f"{HEAD}**Nothing is compared: GLM010, ")
    assert "- GLM010 `glmdeploy.yaml:21:4`: " in result.out


def test_nothing_is_shown_that_looks_like_a_secret(run: Run) -> None:
    path = Path("clusters/dev/glm/kubernetes/deployment.yaml")
    text = path.read_text().replace(
        "          env:\n", "          env:\n            - name: HF_TOKEN\n              value: hf_abcdefghij\n", 1
    )
    assert "hf_" in text
    path.write_text(text)
    assert "hf_abcdefghij" not in run("check", "--format", "markdown").out


def test_the_comment_obeys_nothing_that_stands_in_a_bundle(run: Run) -> None:
    hostile = "`</code><img src=x> @admin #1 | </details>\n```\n<script>\N{RIGHT-TO-LEFT OVERRIDE}"
    _write(SERVE, hostile)
    _write(f"clusters/dev/glm/{hostile.replace('/', '')}", "x\n")
    out = run("check", "--format", "markdown").out
    outside = re.sub(r"^(`{3,})diff\n.*?^\1$", "", out, flags=re.DOTALL | re.MULTILINE)
    shown = re.sub(r"`[^`\n]*`|<code>[^<\n]*</code>", "", outside)
    assert set(re.findall(r"<[^>]*>", shown)) == {MARK, "<details>", "<summary>", "</summary>", "</details>"}
    assert "@admin" not in shown
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in out
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 5 for line in outside.splitlines() if line.startswith("|"))


def test_a_comment_is_never_longer_than_github_takes_and_says_what_was_cut(run: Run) -> None:
    for number in range(3000):
        _write(f"clusters/dev/glm/{number}-{'x' * 40}.yaml", "x: 1\n")
    out = run("check", "--format", "markdown").out
    assert 50_000 < len(out) <= 65_536
    assert re.search(r"Not shown: [\d,]+ of 3000 lines of what differs in `clusters/dev/glm`\.", out)
    assert "`glmdeploy check` shows everything." in out


def test_a_long_diff_takes_no_room_from_what_happened_to_other_bundles(run: Run) -> None:
    _write(SERVE, "".join(f"echo {number}\n" for number in range(20_000)))
    _write("clusters/prod/glm/stray.yaml", "x: 1\n")
    out = run("check", "--format", "markdown").out
    assert len(out) <= 65_536
    assert re.search(r"Not shown: [\d,]+ of \d+ lines of the diff of `clusters/dev/glm`\.", out)
    assert "- `stray.yaml`: not ours\n" in out


# --- against a revision -----------------------------------------------------------------------------------


def test_what_a_pull_request_does_is_said_in_terms_of_the_plan(run: Run) -> None:
    _git("tag", "base")
    _edit_profile()
    assert run("render", "--all").code == 0
    _commit()
    result = run("check", "--against", "base", "--format", "markdown")
    assert result.code == 0
    assert result.out.startswith(f"{HEAD}**2 bundles: as rendered. Rendered against `base`: 2 changed**\n")
    assert "| bundle | profile | environment | state | rendered against `base` |\n" in result.out
    assert "| `clusters/dev/glm` | `profiles/dev.yaml` |  | as rendered | changed |\n" in result.out
    assert "**`clusters/dev/glm` against `base`**: " in result.out
    assert "<details><summary>Kubernetes (2)</summary>\n" in result.out
    assert "| changed | `Service inference/glm` |" in result.out


def test_new_gone_and_unchanged_bundles_are_said_as_such(run: Run) -> None:
    _git("tag", "base")
    _write("glmdeploy.yaml", WORKSPACE[: WORKSPACE.index("  - profile: profiles/prod.yaml")] + DEPLOYED_TWICE)
    _git("rm", "-rqf", "clusters/prod")
    assert run("render", "--all").code == 0
    result = run("check", "--against", "base", "--format", "json")
    assert result.code == 0
    assert _states(result) == [
        ("clusters/dev/glm", "unchanged"),
        ("clusters/spare/glm", "new"),
        ("clusters/prod/glm", "gone"),
    ]
    assert result.json["sentence"] == "2 bundles: as rendered. Rendered against `base`: 1 new, 1 gone, 1 unchanged"
    comment = run("check", "--against", "base", "--format", "markdown").out
    assert "| `clusters/prod/glm` | `profiles/prod.yaml` | `prod` | not listed any more | gone |\n" in comment
    assert "**`clusters/spare/glm` against `base`**: new\n" in comment


def test_a_bundle_that_is_not_listed_is_not_gone_while_its_files_are_there(run: Run) -> None:
    _git("tag", "base")
    _write("glmdeploy.yaml", WORKSPACE[: WORKSPACE.index("  - profile: profiles/prod.yaml")])
    assert run("render", "--all").code == 0
    result = run("check", "--against", "base", "--format", "json")
    assert result.code == 3
    assert _states(result) == [("clusters/dev/glm", "unchanged"), ("clusters/prod/glm", "not listed")]
    assert result.json["compared"][1]["why"] == "its files are still there"


def test_an_edit_that_is_committed_is_compared_as_rendered_and_a_commit_id_is_short(run: Run) -> None:
    _edit_by_hand()
    base = _git("rev-parse", "HEAD").strip()
    out = run("check", "--against", base, "--format", "markdown").out
    assert f". Rendered against `{base[:12]}`: 2 unchanged**" in out
    assert base not in out


def test_an_empty_revision_is_a_usage_error(run: Run) -> None:
    assert run("check", "--against", "").code == 2


def test_text_keeps_the_patch_on_stdout_and_says_the_rest_on_stderr(run: Run) -> None:
    _git("tag", "base")
    _edit_profile()
    plain, result = run("check"), run("check", "--against", "base")
    assert (result.code, result.out) == (3, plain.out)
    assert "clusters/dev/glm@base -> clusters/dev/glm\n" in result.err


def test_before_the_first_workspace_every_bundle_is_new(run: Run) -> None:
    _git("checkout", "-q", "--orphan", "empty")
    _git("commit", "-qm", "x", "--allow-empty", "--only")
    result = run("check", "--against", "empty", "--format", "json")
    assert [state for _, state in _states(result)] == ["new", "new"]


def test_a_bundle_of_a_form_that_is_not_read_is_unknown(run: Run) -> None:
    path = Path("clusters/dev/glm/.glmdeploy.json")
    text = path.read_text()
    path.write_text(text.replace("glmdeploy-bundle/v1", "glmdeploy-bundle/v9"))
    _commit()
    path.write_text(text)
    result = run("check", "--against", "HEAD", "--format", "json")
    assert result.code == 0
    assert _states(result) == [("clusters/dev/glm", "unknown"), ("clusters/prod/glm", "unchanged")]
    assert result.json["compared"][0]["why"].startswith("GLM045: ")


def test_a_workspace_of_the_revision_that_is_refused_is_a_note(run: Run) -> None:
    _write("glmdeploy.yaml", WORKSPACE + "x: 1\n")
    _commit()
    _write("glmdeploy.yaml", WORKSPACE)
    comment = run("check", "--against", "HEAD", "--format", "markdown").out
    assert "Note: bundles that are gone are not known: `glmdeploy.yaml` of `HEAD` is refused (GLM010: " in comment


def test_a_refused_profile_is_unknown_against_a_revision(run: Run) -> None:
    _refuse()
    result = run("check", "--against", "HEAD", "--format", "json")
    assert result.code == 1
    assert dict(_states(result))["clusters/dev/glm"] == "unknown"
    assert [d["code"] for d in result.json["refused"]] == ["GLM201"]


@pytest.mark.parametrize("rev", ["nope", "--help", "HEAD:glmdeploy.yaml"])
def test_a_revision_that_git_does_not_know_is_an_error(run: Run, rev: str) -> None:
    result = run("check", f"--against={rev}", "--format", "json")
    assert (result.code, [d["code"] for d in result.json["refused"]]) == (1, ["GLM042"])


def test_one_profile_is_compared_with_its_folder_in_the_revision(run: Run) -> None:
    _edit_profile()
    result = run("check", "profiles/dev.yaml", "-o", "clusters/dev/glm", "--against", "HEAD", "--format", "json")
    assert (result.code, _states(result)) == (3, [("clusters/dev/glm", "changed")])


def test_fix_writes_and_then_compares(run: Run) -> None:
    _edit_profile()
    result = run("check", "--fix", "--against", "HEAD", "--format", "json")
    assert (result.code, result.json["differs"]) == (0, False)
    assert [state for _, state in _states(result)] == ["changed", "changed"]


@pytest.mark.parametrize("change", [_edit_profile, _refuse, _delete], ids=lambda f: f.__name__[1:])
def test_json_is_as_its_schema_says(run: Run, change: Callable[[], None]) -> None:
    judge = Draft202012Validator(SCHEMAS["check"]())
    change()
    for words in ((), ("--against", "HEAD"), ("--against", "nope")):
        assert [e.message for e in judge.iter_errors(run("check", "--format", "json", *words).json)] == []


# --- the README -------------------------------------------------------------------------------------------


def test_the_readme_shows_the_comment_of_a_change(
    run: Run, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path_factory.mktemp("readme"))
    _git("init", "-q", "-b", "main")
    for file in ("glmdeploy.yaml", "profiles/glm.yaml"):
        _write(file, readme.partition(f"```yaml\n# {file}\n")[2].partition("```")[0])
    assert run("render", "--all").code == 0
    _commit()
    assert run("set", "profiles/glm.yaml", "serving.context=200K").code == 0
    assert run("render", "--all").code == 0
    lines = run("check", "--against", "main", "--format", "markdown").out.splitlines(keepends=True)
    shown = readme.partition("$ glmdeploy check --against main --format markdown | head -n 10\n")[2].partition("```")[0]
    assert shown == "".join(lines[:10])
