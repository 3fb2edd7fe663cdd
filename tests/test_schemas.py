"""Schemas: they describe every real output and every profile, and judge profiles as the parser does."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from conftest import BUNDLES, TESTS
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import AfterValidator, Field
from test_external import run as tool_run
from test_external import tool

from glmdeploy import catalog, images, pipeline, resources, schemas, source, spec
from glmdeploy.cli.list_command import LISTS
from glmdeploy.diagnostics import Level, ProfileError
from glmdeploy.difference.change import ADDED, CHANGED, DEFAULT, KEPT, REMOVED, RENAMED
from glmdeploy.examples import EXAMPLES
from glmdeploy.fields import Size, Strict, dns_label
from glmdeploy.forms import compare, diff, listing, plan, probe, upgrade
from glmdeploy.plan import Verdict
from glmdeploy.probe.report import Status
from glmdeploy.profile import parse
from glmdeploy.schemas import SCHEMAS
from glmdeploy.units import parse_bytes, parse_tokens

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from conftest import Result

    Run = Callable[..., Result]

MADE = {name: make() for name, make in SCHEMAS.items()}
JUDGES = {name: Draft202012Validator(schema) for name, schema in MADE.items()}
SHIPPED = sorted(resources.shipped_profiles())
ROOT = TESTS.parent


def complaints(name: str, document: Any) -> list[str]:
    return [f"{'.'.join(map(str, e.absolute_path))}: {e.message[:200]}" for e in JUDGES[name].iter_errors(document)]


def objects(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (o for o in (schema, *schema.get("$defs", {}).values()) if o.get("type") == "object")


def properties(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for found in objects(schema):
        yield from ((f"{found['title']}.{key}", value) for key, value in found.get("properties", {}).items())


# --- the schemas themselves -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one_and_is_the_same_again(name: str) -> None:
    Draft202012Validator.check_schema(MADE[name])
    assert MADE[name]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert MADE[name]["title"] == f"glmdeploy {name}"
    assert len(MADE[name]["description"]) > 10
    assert schemas.text(name) == schemas.text(name)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_property_has_title_description_and_an_example_that_is_right(name: str) -> None:
    found = dict(properties(MADE[name]))
    assert len(found) >= 2
    for key, schema in found.items():
        assert schema["title"], key
        assert len(schema["description"]) > 5, key
        assert schema["examples"], key
        judge = Draft202012Validator({**schema, "$defs": MADE[name].get("$defs", {})})
        for shown in (*schema["examples"], *([schema["default"]] if "default" in schema else [])):
            assert list(judge.iter_errors(shown)) == [], key


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_object_is_closed(name: str) -> None:
    assert [o["title"] for o in objects(MADE[name]) if o["additionalProperties"] is not False] == []


@pytest.mark.parametrize("name", [n for n in SCHEMAS if n not in {"profile", "workspace", "tasks"}])
def test_every_document_names_its_form_and_version(name: str) -> None:
    assert MADE[name]["properties"]["format"]["const"] == f"glmdeploy-{name}/v1"
    assert "format" in MADE[name]["required"]


def test_lists_of_values_are_those_of_the_code() -> None:
    assert set(plan.VERDICTS) == {v.value for v in Verdict}
    assert MADE["lint"]["$defs"]["FindingForm"]["properties"]["level"]["enum"] == [v.value for v in Level]
    assert set(upgrade.REASONS) == {RENAMED, REMOVED, ADDED, CHANGED, DEFAULT, KEPT}
    assert set(diff.CHANGES) == {RENAMED, REMOVED, ADDED, CHANGED, DEFAULT}
    assert set(listing.KINDS) == set(LISTS)
    assert set(probe.STATUSES) == {v.value for v in Status}
    items = MADE["compare"]["$defs"]["TaskForm"]["properties"]["differs"]
    assert {name for shown in items["examples"] for name in shown} <= set(compare.DIFFERENCES)


# Keys that mean something only beside another.
BESIDE = {f"model.source.{key}" for key in ("revision", "oci_folder", "endpoint", "region")}


@pytest.mark.parametrize("key", EXAMPLES)
def test_every_example_of_a_profile_is_understood(key: str) -> None:
    document = put(dict(BASE), key, EXAMPLES[key])
    assert complaints("profile", document) == []
    if key not in BESIDE:
        spec.resolve(parse(source.from_options(document, {})), catalog.load())


def test_every_example_belongs_to_a_key() -> None:
    assert set(EXAMPLES) <= {key for key, _ in KEYS}


class Inner(Strict):
    """One of them."""

    namespace: Annotated[str, AfterValidator(dns_label)] = Field("llm", description="Where it goes.")
    memory: Size | None = Field(None, description="How much of it.")


class Outer(Strict):
    """Some of them."""

    named: dict[Annotated[str, AfterValidator(dns_label)], Inner] = Field(description="By name.")


def test_groups_of_a_map_are_complete_and_its_names_are_checked() -> None:
    found = schemas.of_type("outer", Outer, {"named.memory": "1 GiB"})
    judge = Draft202012Validator(found)
    assert found["$defs"]["Inner"]["properties"]["memory"]["examples"] == ["1 GiB"]
    assert judge.is_valid({"named": {"prod": {"memory": "2 TiB"}}})
    assert not judge.is_valid({"named": {"PROD": {}}})
    assert not judge.is_valid({"named": {"prod": {"memory": 2}}})


# --- what the commands print ----------------------------------------------------------------------------------------

REFUSED = {
    "unknown-framework": ("--framework", "nonsense", "--gpus", "8xH200"),
    "below-the-floor": ("--framework", "vllm", "--gpus", "8xH100", "--checkpoint", "bf16"),
    "no-legal-layout": ("--framework", "sglang", "--gpus", "10xH100", "--tp", "10"),
    "floor-only": ("--framework", "vllm", "--gpus", "10xH100", "--context", "1M"),
    "no-bound": ("--framework", "ktransformers", "--gpus", "8xL40S", "--host-memory", "2TiB"),
    "several-replicas": ("--framework", "vllm", "--gpus", "16xB300", "--replicas", "2"),
    "no-such-profile": ("nonsense",),
}


@pytest.mark.parametrize("argv", [*((name,) for name in SHIPPED), *REFUSED.values()], ids=[*SHIPPED, *REFUSED])
@pytest.mark.parametrize("command", ["plan", "bound", "cost"])
def test_reports_are_what_their_schema_says(command: str, argv: tuple[str, ...], run: Run) -> None:
    document = run(command, *argv, "--format", "json").json
    assert complaints(command, document) == []


@pytest.mark.parametrize("name", SHIPPED)
def test_upgrades_are_what_their_schema_says(name: str, run: Run) -> None:
    framework = source.read(resources.shipped_profiles()[name]).data["framework"]["name"]
    for version in catalog.load().frameworks[framework].tested[-2:]:
        assert complaints("upgrade", run("upgrade", name, "--to", str(version), "--format", "json").json) == []


@pytest.mark.parametrize("extra", [(), ("--text",)])
@pytest.mark.parametrize("sides", list(zip(SHIPPED, [*SHIPPED[1:], SHIPPED[0]], strict=True))[::4])
def test_differences_are_what_their_schema_says(sides: tuple[str, str], extra: tuple[str, ...], run: Run) -> None:
    found = run("diff", *sides, "--format", "json", *extra).json
    assert complaints("diff", found) == []
    assert all(("diff" in file) == bool(extra) for file in found["files"])


def test_differences_of_bundles_are_what_their_schema_says(run: Run) -> None:
    one, other = sorted(p for p in BUNDLES.iterdir() if p.is_dir())[:2]
    assert complaints("diff", run("diff", str(one), str(other), "--format", "json").json) == []


@pytest.mark.parametrize("argv", [("nonsense", "--to", "1"), (SHIPPED[0], "--to", "0.0.1"), (SHIPPED[0], "--to", "x")])
def test_refused_upgrades_are_what_their_schema_says(argv: tuple[str, ...], run: Run) -> None:
    result = run("upgrade", *argv, "--format", "json")
    assert (result.code, complaints("upgrade", result.json)) == (1, [])


@pytest.mark.parametrize(
    "argv",
    [
        ("--gpus", "10xH100"),
        ("--context", "1M", "--concurrency", "4", "--fleet", "vllm"),
        ("--gpus", "1xRTX4090"),
        ("--gpus", "10xNONSENSE"),
        ("--gpus", "8xH200", "--price", "free"),
    ],
    ids=" ".join,
)
def test_recommendations_are_what_their_schema_says(argv: tuple[str, ...], run: Run) -> None:
    assert complaints("recommend", run("recommend", *argv, "--format", "json").json) == []


@pytest.mark.parametrize(
    "argv",
    [
        (str(ROOT / "profiles"),),
        (str(TESTS / "rules"),),
        ("nonsense.yaml",),
        ("--bundle", str(TESTS / "manifests")),
        ("--bundle", "nonsense"),
        ("--framework", "vllm", "--argv", str(TESTS / "rules" / "GLM411" / "bad.yaml")),
    ],
    ids=["profiles", "rules", "no-file", "manifests", "no-bundle", "command-line"],
)
def test_lint_is_what_its_schema_says(argv: tuple[str, ...], run: Run) -> None:
    document = run("lint", *argv, "--format", "json").json
    assert complaints("lint", document) == []
    assert {"files", "profiles"} <= set(document)


@pytest.mark.parametrize("what", LISTS)
def test_lists_are_what_their_schema_says(what: str, run: Run) -> None:
    document = run("list", what, "--format", "json").json
    assert (document["kind"], complaints("list", document)) == (what, [])


def test_files_of_digests_are_what_their_schema_says(run: Run, tmp_path: Path) -> None:
    lock = tmp_path / images.LOCK
    lock.write_text(images.dump({"vllm/vllm-openai:v0.31.0": f"sha256:{'0' * 64}"}))
    assert complaints("images", source.read(lock).data) == []
    listed = run("images", "list", "--file", str(lock), "--format", "json").json
    assert complaints("image-list", listed) == []
    assert complaints("images", {"format": "glmdeploy-images/v1", "images": {"a:1": "sha256:0"}}) != []


@pytest.mark.parametrize("name", SHIPPED)
def test_manifests_of_bundles_are_what_their_schema_says(name: str) -> None:
    assert complaints("bundle", json.loads((BUNDLES / name / ".glmdeploy.json").read_text())) == []


def test_a_manifest_with_everything_is_what_its_schema_says(run: Run, tmp_path: Path) -> None:
    settings_ = ("secrets.api_key=glm", "policy.image_digest=warn")
    argv = ["render", "glm-5.2-fp8-8xh200-vllm", "-o", str(tmp_path), *(w for s in settings_ for w in ("--set", s))]
    assert run(*argv).code == 0
    document = json.loads((tmp_path / ".glmdeploy.json").read_text())
    assert {"external", "image_digest"} <= set(document)
    assert complaints("bundle", document) == []


def test_a_member_without_a_schema_is_found(run: Run) -> None:
    document = run("plan", SHIPPED[0], "--format", "json").json
    document["memory"]["stages"][0]["terms"][0]["unit"] = "B"
    assert complaints("plan", document) != []


# --- profiles: parser and schema ------------------------------------------------------------------------------------

BASE: dict[str, Any] = {
    "apiVersion": "glmdeploy/v1",
    "name": "t",
    "cluster": {"gpu": "h200", "gpus": 8},
    "framework": {"name": "vllm"},
}


def keys(schema: dict[str, Any], at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    definitions = MADE["profile"]["$defs"]
    for key, value in schema.get("properties", {}).items():
        yield at + key, value
        for part in (value, *value.get("anyOf", ())):
            if "$ref" in part:
                yield from keys(definitions[part["$ref"].rpartition("/")[2]], f"{at}{key}.")


KEYS = list(keys(MADE["profile"]))


def put(document: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    first, _, rest = key.partition(".")
    return {**document, first: put(dict(document.get(first) or {}), rest, value) if rest else value}


def parsed(document: dict[str, Any]) -> bool:
    try:
        parse(source.from_options(document, {}))
    except ProfileError:
        return False
    return True


def numbers(value: Any) -> list[float]:
    if isinstance(value, list):
        return [n for item in value for n in numbers(item)]
    return [value] if isinstance(value, float) else []


def amount(key: str, value: Any) -> int:
    """Tokens or bytes of a text that the schema takes; -1 for anything else."""
    if not isinstance(value, str) or value == "auto":
        return -1
    if key == "serving.context":
        return parse_tokens(value)
    return parse_bytes(value.replace("/s", "")) if key.endswith("bandwidth") else -1


# Why the schema may take what the parser refuses; it never refuses what the parser takes. Each with an example.
DIFFERENCES: dict[str, tuple[Callable[[str, Any], bool], str, Any]] = {
    "JSON has one type of number: `8.0` is an integer to a schema": (
        lambda _, value: any(n == int(n) for n in numbers(value) if math.isfinite(n)),
        "cluster.gpus",
        8.0,
    ),
    "the most tokens in a text is arithmetic over digits and a suffix": (
        lambda key, value: key == "serving.context" and amount(key, value) > 10_000_000,
        "serving.context",
        "999M",
    ),
    "a fraction that rounds to zero tokens or bytes is arithmetic too": (
        lambda key, value: amount(key, value) == 0,
        "serving.context",
        "0.3",
    ),
}


@pytest.mark.parametrize("reason", DIFFERENCES)
def test_every_listed_difference_is_one(reason: str) -> None:
    differs, key, value = DIFFERENCES[reason]
    assert differs(key, value)
    document = put(dict(BASE), key, value)
    assert (parsed(document), complaints("profile", document)) == (False, [])


def agree(key: str, value: Any) -> bool:
    """Whether both take the value; a difference that is not listed fails."""
    document = put(dict(BASE), key, value)
    taken, allowed = parsed(document), JUDGES["profile"].is_valid(document)
    if taken != allowed:
        assert not taken, f"the parser takes {key}: {value!r}, and the schema refuses it"
        assert any(differs(key, value) for differs, _, _ in DIFFERENCES.values()), (
            f"the schema takes {key}: {value!r}, and the parser refuses it"
        )
    return taken


ODD: list[Any] = [
    *(None, True, False, 0, 1, -1, 8, 64, 65, 1023, 1024, 1025, 65000, 65537, 2**31, 10**7, 10**7 + 1),
    *(0.5, 1.0, 0.1, 8.0, 1e300, "", " ", "auto", "x", "X", "-x", "a b", "8", "0", "1.5", "a.b", "a-", ".a", "a_b"),
    *(
        "2 TiB",
        "2TiB",
        "2tib",
        " 2 TB ",
        "2",
        "2 TB/s",
        "400 GB/s",
        "0 GB/s",
        "2 XB",
        "1.1234567 GB",
        "-1 GB",
        "1,0 GB",
    ),
    *("128K", "128 k", "1M", "1G", "0K", "128KB", "/models", "models", "/a/../b", "/..", "/a..b", "//", "12:00:00"),
    *(
        "7-00:00:00",
        "7-1",
        "UNLIMITED",
        "1:2",
        "https://a.b/c",
        "https://u@a.b",
        "http://",
        "ftp://a",
        "rdma/x",
        "a/b/c",
    ),
    *("https://u:p@a.b/c", "git@a:b/c.git", "é", "²", "٣", "a" * 63, "a" * 64, "fp8", "bf16", "floor-only", "script"),
    *([], [""], ["x"], [1], [True], [None], ["script"], ["script", "script"], ["floor-only"], [[]], {}, {"a": "b"}),
    *(
        {"a": 1},
        {"a-b": "c"},
        {"A_1": ""},
        {"1a": "x"},
        {"x.io/a": "b"},
        {"x.io/a": "b c"},
        {"path": "/x"},
        {"nope": 1},
    ),
]


@pytest.mark.parametrize(("key", "schema"), KEYS, ids=[key for key, _ in KEYS])
def test_parser_and_schema_agree_on_odd_values(key: str, schema: dict[str, Any]) -> None:
    assert {agree(key, value) for value in (*ODD, *schema["examples"])} == {True, False}


# What no file can hold: refused with GLM014 before any key is looked at.
characters = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]).filter(lambda c: not source.controls(c))
words = st.one_of(
    st.text(characters, max_size=8),
    st.from_regex(r"[ ]?[0-9]{1,4}(\.[0-9]{1,7})?[ ]?[kKmMgGtTxX]?i?[bB]?[ ]?(/s)?[ ]?", fullmatch=True),
    st.from_regex(r"[0-9]{1,17}[kKmM]?", fullmatch=True),
    st.text("aZ09.-_/:@ ", max_size=12),
    st.from_regex(r"(https?|ssh)://[a-c:@/.]{0,8}", fullmatch=True),
    st.from_regex(r"/?[a.]{0,3}(/[a.]{0,3}){0,2}", fullmatch=True),
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(-2, 2**33), st.floats(-2, 3), words)
values = st.one_of(
    scalars, st.lists(scalars, max_size=3), st.dictionaries(words, scalars, max_size=2), st.sampled_from(ODD)
)


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(st.sampled_from([key for key, _ in KEYS]), values)
@example("serving.context", "0.5")
def test_parser_and_schema_agree_on_random_values(key: str, value: Any) -> None:
    agree(key, value)


@pytest.mark.parametrize("path", sorted((TESTS / "rules").glob("*/*.yaml")), ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_parser_and_schema_agree_on_the_files_of_the_rules(path: Path) -> None:
    try:
        document = source.read(path).data
    except ProfileError:
        return  # no tree of values: neither is asked
    assert parsed(document) == JUDGES["profile"].is_valid(document)


@pytest.mark.parametrize("missing", [*BASE, "cluster.gpu", "cluster.gpus", "framework.name"])
def test_what_must_be_there_must_be_there_for_both(missing: str) -> None:
    first, _, rest = missing.partition(".")
    section = {k: v for k, v in BASE[first].items() if k != rest} if rest else None
    document = {k: section if k == first else v for k, v in BASE.items() if rest or k != first}
    assert (parsed(document), JUDGES["profile"].is_valid(document)) == (False, False)


# --- the command and the line in profiles ---------------------------------------------------------------------------


def test_schema_prints_profiles_by_default_and_any_other_by_name(run: Run) -> None:
    assert run("schema").out == run("schema", "profile").out == run("schema", "-o", "-").out == schemas.text("profile")
    assert all(run("schema", name).json == MADE[name] for name in SCHEMAS)
    assert run("schema", "nonsense").code == 2


def test_schema_lists_its_names_which_are_those_of_the_help(run: Run) -> None:
    listed = run("schema", "--list").out.splitlines()
    assert [line.split()[0] for line in listed] == list(SCHEMAS)
    assert all(f" {name}" in " ".join(run("schema", "--help").out.split()) for name in SCHEMAS)
    assert run("schema", "--list", "-o", "x").code == 2


def test_schema_writes_a_file_and_keeps_another_one(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "below" / "s.json"
    first = run("schema", "plan", "-o", str(path))
    assert (first.code, first.out, path.read_text()) == (0, f"{path}\n", schemas.text("plan"))
    assert run("schema", "plan", "-o", str(path)).code == 0
    refused = run("schema", "lint", "-o", str(path))
    assert (refused.code, "error[GLM505]" in refused.err, path.read_text()) == (3, True, schemas.text("plan"))
    assert run("schema", "lint", "-o", str(path), "--force").code == 0
    assert path.read_text() == schemas.text("lint")
    assert [p.name for p in path.parent.iterdir()] == ["s.json"]
    assert run("schema", "-o", str(path / "below")).code == 1


def named_schema(profile: Path) -> Path:
    line = profile.read_text(encoding="utf-8").splitlines()[0]
    return profile.parent / line.removeprefix("# yaml-language-server: $schema=")


@pytest.mark.parametrize("name", SHIPPED)
def test_the_first_line_of_a_shipped_profile_names_the_schema(name: str) -> None:
    assert named_schema(resources.shipped_profiles()[name]).read_text(encoding="utf-8") == schemas.text("profile")


def test_a_saved_profile_has_its_schema_beside_it(run: Run, tmp_path: Path) -> None:
    saved = tmp_path / "deploy" / "prod.yaml"
    argv = ("render", "glm-5.2-fp8-8xh200-vllm", "-o", str(tmp_path / "out"), "--save-profile", str(saved))
    first = run(*argv)
    assert (first.code, named_schema(saved).read_text()) == (0, schemas.text("profile"))
    assert "GLM060" not in first.err
    assert complaints("profile", source.read(saved).data) == []
    assert "GLM060" not in run(*argv).err


def test_another_schema_beside_a_saved_profile_is_kept_and_named_until_forced(run: Run, tmp_path: Path) -> None:
    saved, schema = tmp_path / "prod.yaml", tmp_path / pipeline.SCHEMA_FILE
    schema.write_text("{}\n")
    argv = ("render", "glm-5.2-fp8-8xh200-vllm", "-o", str(tmp_path / "out"), "--save-profile", str(saved))
    result = run(*argv)
    assert (result.code, schema.read_text(), saved.exists()) == (0, "{}\n", True)
    assert f"warning[GLM060]: `{schema}` is not this version's schema" in result.err
    assert "GLM060" not in run(*argv, "--force").err
    assert schema.read_text() == schemas.text("profile")


def test_a_copied_profile_is_whole_after_one_command(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    copy = Path(shutil.copy(resources.shipped_profiles()[SHIPPED[0]], tmp_path))
    assert not named_schema(copy).exists()
    assert run("schema", "-o", pipeline.SCHEMA_FILE).code == 0
    assert complaints("profile", source.read(copy).data) == []
    assert named_schema(copy).is_file()


# --- a real validator, with the regular expressions of ECMA 262 ------------------------------------------------------


def check_jsonschema(tmp_path: Path, *argv: str | Path) -> subprocess.CompletedProcess[str]:
    return tool_run(tmp_path, tool("check-jsonschema"), *argv)


@pytest.mark.external
@pytest.mark.parametrize("name", SCHEMAS)
def test_check_jsonschema_takes_every_schema(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.json"
    path.write_text(schemas.text(name), encoding="utf-8")
    result = check_jsonschema(tmp_path, "--check-metaschema", path)
    assert (result.returncode, result.stderr) == (0, ""), result.stdout


@pytest.mark.external
def test_check_jsonschema_takes_every_shipped_profile(tmp_path: Path) -> None:
    shipped = resources.shipped_profiles()
    result = check_jsonschema(tmp_path, "--schemafile", named_schema(shipped[SHIPPED[0]]), *shipped.values())
    assert (result.returncode, result.stderr) == (0, ""), result.stdout


@pytest.mark.external
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("gpus: 8", 'gpus: "8"'),
        ("context: auto", "contxt: auto"),
        ("context: auto", "context: 128 KB"),
        ("namespace: llm", "namespace: LLM"),
        ("namespace: llm", "cache_size: 20"),
        ("namespace: llm", "cache_size: 20 GX"),
        ("apiVersion: glmdeploy/v1", "apiVersion: glmdeploy/v2"),
    ],
)
def test_check_jsonschema_refuses_what_lint_refuses(old: str, new: str, tmp_path: Path, run: Run) -> None:
    path = resources.shipped_profiles()["glm-5.2-fp8-8xh200-vllm"]
    bad = tmp_path / "bad.yaml"
    bad.write_text(path.read_text().replace(old, new, 1))
    assert bad.read_text() != path.read_text()
    assert run("lint", str(bad)).code == 1
    assert check_jsonschema(tmp_path, "--schemafile", named_schema(path), bad).returncode == 1
