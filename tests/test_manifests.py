"""The checker of manifests: each broken folder is named by the code in its name, its good neighbour passes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import kubernetes_validate
import pytest
import yaml
from conftest import BUNDLES, TESTS
from kubernetes_validate.utils import all_versions

from glmdeploy import manifests, pipeline, resources, rules, targets
from glmdeploy.bundle import MANIFEST, Artifact, Bundle
from glmdeploy.diagnostics import Level, ProfileError, render_text
from glmdeploy.manifests import fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from conftest import Result
    from syrupy.assertion import SnapshotAssertion

    from glmdeploy.diagnostics import Diagnostic

CASES = sorted(p.name for p in (TESTS / "manifests").iterdir())
PROFILES = sorted(resources.shipped_profiles())
NOTES = {"GLM821", "GLM816"}  # said at the level of a note where nothing is wrong
MINIMAL = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: a
data: {}
"""


@pytest.fixture
def _relative(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(TESTS / "manifests")


def judge(case: str, which: str) -> tuple[Diagnostic, ...]:
    folder = Path(case, which)
    files = sorted(folder.iterdir()) if folder.is_dir() else [Path(case, f"{which}.yaml")]
    return manifests.check((str(p), p.read_text()) for p in files)


def spoken(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    return [d for d in found if d.level is not Level.NOTE]


@pytest.mark.usefixtures("_relative")
@pytest.mark.parametrize("case", CASES)
def test_the_broken_one_is_named_by_its_code_and_by_no_other(case: str, snapshot: SnapshotAssertion) -> None:
    code = case[:6]
    found = [d for d in judge(case, "bad") if d.level is not Level.NOTE or d.code == code]
    found = [d for d in found if d.code == code or d.code not in NOTES]
    assert {d.code for d in found} == {code}
    assert all(d.span and d.span.path.startswith(case) and d.span.line and d.span.column for d in found)
    assert render_text(found) == snapshot


@pytest.mark.usefixtures("_relative")
@pytest.mark.parametrize("case", CASES)
def test_the_good_neighbour_passes(case: str) -> None:
    assert spoken(judge(case, "good")) == []


def test_every_code_has_a_broken_example() -> None:
    codes = {code for code in rules.pages() if code.startswith("GLM8")}
    assert codes - {case[:6] for case in CASES} == {"GLM800"}


# What a real API server of 1.36 said to broken samples, and what it passed: each stands among the cases.
SERVER = {
    "a volumeMount that names a missing volume": ("GLM810-mount-without-volume",),
    "a selector that does not match the template's labels": ("GLM811-selector-and-labels",),
    "strategy Recreate with rollingUpdate": ("GLM812-recreate-with-rolling-update",),
    "a GPU request that is not the limit": ("GLM807-gpu-request-and-limit",),
    "memory 256GB": ("GLM806-quantity-with-b",),
    "a label value with a slash": ("GLM805-label-value-with-slash",),
    "the name GLM_5": ("GLM804-name-with-underscore",),
    "a port name twice, and port 80000": ("GLM809-port-name-twice", "GLM808-port-out-of-range"),
    "a targetPort of more than 15 characters": ("GLM808-target-port-name-too-long",),
    "a budget with minAvailable and maxUnavailable": ("GLM813-budget-with-both",),
    "an unknown nested field": ("GLM802-unknown-nested-field",),
    "an env value that is a bool": ("GLM803-env-value-is-a-bool",),
    "root in a restricted namespace": ("GLM827-root-in-a-restricted-namespace",),
    "a probe of a port that does not exist": ("GLM814-probe-port-that-does-not-exist",),
    "references to what does not exist": (
        "GLM816-claim-that-does-not-exist",
        "GLM816-service-account-that-does-not-exist",
        "GLM816-config-map-that-does-not-exist",
        "GLM816-secret-that-does-not-exist",
    ),
}
SEEN_BY_SCHEMAS = {"an unknown nested field", "an env value that is a bool"}


def schema_accepts(case: str) -> bool:
    """Whether the strict schemas have nothing to say about the broken example."""
    try:
        for document in yaml.safe_load_all((TESTS / "manifests" / case / "bad.yaml").read_text()):
            kubernetes_validate.validate(document, all_versions()[-1], strict=True)
    except kubernetes_validate.ValidationError:
        return False
    return True


@pytest.mark.parametrize("row", SERVER)
def test_every_refusal_of_the_server_is_ours_too_and_most_are_not_the_schemas(row: str) -> None:
    assert set(SERVER[row]) <= set(CASES)
    assert {schema_accepts(case) for case in SERVER[row]} == {row not in SEEN_BY_SCHEMAS}


@pytest.mark.parametrize("profile", PROFILES)
def test_an_untouched_bundle_passes(profile: str, run: Callable[..., Result]) -> None:
    result = run("lint", "--bundle", str(BUNDLES / profile), "--format", "json")
    assert result.code == 0
    assert len(result.json["files"]) == len(list((BUNDLES / profile).rglob("*.yaml")))
    assert [d for d in result.json["diagnostics"] if d["level"] != "note"] == []


@pytest.mark.parametrize("profile", ["glm-5.2-fp8-8xh200-vllm", "glm-5.2-bf16-8xh100-ktransformers"])
def test_what_the_profile_says_exists_is_a_note_and_without_the_list_an_error(profile: str, tmp_path: Path) -> None:
    shutil.copytree(BUNDLES / profile, tmp_path / "b")
    _, noted = manifests.folder(str(tmp_path / "b"))
    assert [d.level for d in noted if d.code == "GLM816"] == [Level.NOTE]
    (tmp_path / "b" / MANIFEST).unlink()
    _, refused = manifests.folder(str(tmp_path / "b"))
    assert [d.level for d in refused if d.code == "GLM816"] == [Level.ERROR]


def test_a_bundle_edited_by_hand_is_judged_with_its_place(tmp_path: Path, run: Callable[..., Result]) -> None:
    shutil.copytree(BUNDLES / "glm-5.2-fp8-10xh100-sglang", tmp_path / "b")
    file = tmp_path / "b" / "kubernetes" / "service.yaml"
    file.write_text(file.read_text().replace('targetPort: "http"', 'targetPort: "htttp"'))
    result = run("lint", "--bundle", str(tmp_path / "b"))
    assert result.code == 1
    line = 1 + file.read_text().splitlines().index('      targetPort: "htttp"')
    assert f"{file}:{line}:" in result.err
    assert "error[GLM815]: no container has a port `htttp`" in result.err
    assert " files: 1 error" in result.out


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        pytest.param('name: "shm"\n', 'name: "shmm"\n', "GLM810", id="volume"),
        pytest.param('targetPort: "http"', 'targetPort: "api"', "GLM815", id="target-port"),
        pytest.param("kind: Deployment", "kind: Deployment\nkind: Job", "GLM004", id="yaml"),
        pytest.param("    shm_size", "    shm_sise", "GLM802", id="compose"),
    ],
)
def test_a_broken_template_never_reaches_the_disk(
    old: str, new: str, code: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: Callable[..., Result]
) -> None:
    # what a mistake in a template would render
    whole = targets.render

    def broken(*given: object) -> Bundle:
        bundle = whole(*given)  # type: ignore[arg-type]
        texts = [a.text.replace(old, new, 1) for a in bundle.artifacts]
        return Bundle(tuple(Artifact(a.path, t, a.executable) for a, t in zip(bundle.artifacts, texts, strict=True)))

    monkeypatch.setattr(targets, "render", broken)
    result = run("render", "glm-5.2-fp8-8xh200-sglang", "-o", str(tmp_path / "out"))
    assert result.code == 1
    assert f"error[{code}]" in result.err
    assert not (tmp_path / "out").exists()


def test_lint_bundle_says_when_there_is_nothing(tmp_path: Path, run: Callable[..., Result]) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        result = run("lint", "--bundle", str(path))
        assert (result.code, "error[GLM800]" in result.err) == (1, True)


@pytest.mark.parametrize("argv", [["--bundle", "d", "p.yaml"], ["--bundle", "d", "--argv", "f"]])
def test_lint_takes_one_thing_at_a_time(argv: list[str], run: Callable[..., Result]) -> None:
    assert run("lint", *argv).code == 2


def test_the_policy_of_the_bundle_decides_on_digests(tmp_path: Path) -> None:
    shutil.copytree(BUNDLES / "glm-5.2-fp8-8xh200-vllm", tmp_path / "b")
    listed = json.loads((tmp_path / "b" / MANIFEST).read_text())
    for policy, level in (("off", Level.NOTE), ("warn", Level.WARNING), ("error", Level.ERROR)):
        (tmp_path / "b" / MANIFEST).write_text(json.dumps({**listed, "image_digest": policy}))
        assert {d.level for d in manifests.folder(str(tmp_path / "b"))[1] if d.code == "GLM821"} == {level}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("a: [", "GLM003", id="syntax"),
        pytest.param("a: &a [*a]", "GLM006", id="recursion"),
        pytest.param("a: " + "[" * 600 + "]" * 600, "GLM006", id="depth"),
        pytest.param("a: \x1b[31m", "GLM014", id="control"),
        pytest.param("kind: 1\napiVersion: 2", "GLM801", id="numbers"),
        pytest.param(
            "a: &a [x,x,x,x,x,x,x,x,x]\n"
            + "".join(f"{c}: &{c} [{','.join(['*' + p] * 9)}]\n" for p, c in zip("abcdefg", "bcdefgh", strict=True)),
            "GLM006",
            id="aliases",
        ),
    ],
)
def test_a_file_that_is_no_yaml_is_a_diagnostic(text: str, code: str) -> None:
    assert code in {d.code for d in manifests.check([("kubernetes/a.yaml", text)])}


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n---\n", "- a\n", "plain\n"])
def test_files_of_other_things_are_left_alone(text: str) -> None:
    assert manifests.check([("values.yaml", text)]) == ()


ODD = [None, 1, "x", [], {}, [None], [{"name": 1}]]


@pytest.mark.parametrize("base", ["GLM830-compose-dollar", "GLM815-monitor-of-a-port-that-does-not-exist"])
def test_no_shape_of_a_value_is_a_traceback(base: str) -> None:
    documents = list(yaml.safe_load_all((TESTS / "manifests" / base / "good.yaml").read_text()))
    for document in documents:
        for turn, (holder, key) in enumerate(places(document)):
            kept = holder[key]
            for odd in (ODD[turn % len(ODD)], ODD[(turn + 3) % len(ODD)]):
                holder[key] = odd
                manifests.check([("a.yaml", yaml.safe_dump_all(documents))])
            holder[key] = kept


def places(node: object) -> list[tuple[dict, str]]:  # type: ignore[type-arg]
    if isinstance(node, list):
        return [place for item in node for place in places(item)]
    if not isinstance(node, dict):
        return []
    return [place for key, value in node.items() for place in [(node, key), *places(value)]]


def test_other_folders_may_declare_with_an_annotation() -> None:
    text = (TESTS / "manifests" / "GLM816-secret-that-does-not-exist" / "good.yaml").read_text()
    assert {d.level for d in manifests.check([("a.yaml", text)]) if d.code == "GLM816"} == {Level.NOTE}


def test_names_of_an_env_file_are_known_to_compose() -> None:
    bad = (TESTS / "manifests" / "GLM830-compose-variable-without-a-rule" / "bad.yaml").read_text()
    found = manifests.check([("c/compose.yaml", bad), ("c/.env.example", "# LEADER=192.0.2.1\n")])
    assert spoken(found) == []


def test_a_patch_is_no_object_and_generated_maps_exist() -> None:
    folder = TESTS / "manifests" / "GLM816-config-map-that-does-not-exist"
    kustomization = (
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n"
        "patches: [{path: patch.yaml}]\nconfigMapGenerator: [{name: engine, literals: [a=b]}]\n"
    )
    patch = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: glm}\nspec: {replicas: 2}\n"
    files = {"kustomization.yaml": kustomization, "a.yaml": (folder / "bad.yaml").read_text(), "patch.yaml": patch}
    assert spoken(manifests.check(files.items())) == []


def test_flux_leaves_alone_what_says_so() -> None:
    text = MINIMAL.replace("data: {}", 'data: {x: "${a} $${b}"}')
    assert [d.code for d in manifests.check([("a.yaml", text)])] == ["GLM824"]
    off = "  annotations: {kustomize.toolkit.fluxcd.io/substitute: disabled}\n"
    assert manifests.check([("a.yaml", text.replace("\ndata", f"\n{off}data"))]) == ()


def test_render_raises_what_the_checker_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = pipeline.judge(pipeline.open_profile("glm-5.2-fp8-8xh200-vllm"))
    monkeypatch.setattr(targets, "render", lambda *_: Bundle((Artifact("kubernetes/a.yaml", "a: 1\n"),)))
    with pytest.raises(ProfileError) as caught:
        pipeline.render(outcome)
    assert {d.code for d in caught.value.diagnostics} == {"GLM801"}


def test_a_word_of_the_users_that_flux_would_replace_is_a_warning_of_render(run: Callable[..., Result]) -> None:
    result = run("render", "glm-5.2-fp8-8xh200-vllm", "-o", "-", "--set", "kubernetes.networks=${X}")
    assert (result.code, "warning[GLM824]" in result.err) == (0, True)


def test_words_of_an_engine_are_kept_from_flux_and_from_the_kubelet_by_doubled_dollars(
    run: Callable[..., Result],
) -> None:
    words = ("--set", 'env={A: "${HOME}"}', "--set", 'extra_args=["--chat-template", "${HOME}"]')
    result = run("render", "glm-5.2-fp8-8xh200-vllm", "-o", "-", "--target", "kubernetes", *words)
    assert (result.code, "GLM824" in result.err) == (0, False)
    assert [line.strip() for line in result.out.splitlines() if "HOME}" in line] == [
        '- "$${HOME}"',
        'value: "$${HOME}"',
    ]


def test_good_neighbours_are_good_to_the_schemas_too() -> None:
    kinds = fields.table()["kinds"].keys() - fields.table()["custom"].keys()
    documents = {
        json.dumps(document): document
        for case in CASES
        for path in (TESTS / "manifests" / case).rglob("*.yaml")
        if path.stem == "good" or path.parent.name == "good"
        for document in yaml.safe_load_all(path.read_text())
        if document.get("kind") in kinds
    }
    assert len(documents) > 10
    for document in documents.values():
        kubernetes_validate.validate(document, all_versions()[-1], strict=True)


def test_the_table_of_fields_is_what_the_schemas_say() -> None:
    if f"API {all_versions()[-1]} " not in fields.table()["source"]:
        # the table is of one release: against another, any difference would be right
        pytest.skip("another version of the schemas is installed than the one that was read")
    script = TESTS.parent / ".ci" / "fields" / "kubernetes.py"
    if not script.exists():
        # .ci is for those who build the table, and only a checkout has it
        pytest.skip("the script that reads the schemas is not part of a source distribution")
    assert subprocess.run([sys.executable, str(script), "--check"], check=False).returncode == 0
