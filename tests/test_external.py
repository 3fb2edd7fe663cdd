"""What real tools say about the golden bundles under tests/bundles.

`.ci/fetch-tools DIR` brings the tools that pip does not, and GLMDEPLOY_TOOLS=DIR shows them to these tests.
A tool that is missing skips its tests; GLMDEPLOY_REQUIRE_TOOLS makes that a failure: `1` for every tool, or
the names of those that must be there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import jsonschema
import kubernetes_validate
import pytest
import yaml
from conftest import ranks
from kubernetes_validate.utils import all_versions
from test_targets import OF_COMPOSE

from glmdeploy import pipeline, report
from glmdeploy.process import EVERYWHERE

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.external

BUNDLES = Path(__file__).parent / "bundles"
CRD_FOLDER = Path(__file__).parents[2] / "shared" / "crds"
CRDS = {
    "InferencePool": "inferencepools.yaml",
    "LeaderWorkerSet": "leaderworkersets.yaml",
    "PodMonitor": "podmonitors.yaml",
    "ServiceMonitor": "servicemonitors.yaml",
}

FETCHED = "run `.ci/fetch-tools DIR` and set GLMDEPLOY_TOOLS=DIR"
HOW_TO_GET = {
    "checkov": "run `pip install checkov` in a virtual environment of its own and put its `bin` on PATH",
    "bash": "install your system's package `bash`",
    "docker-compose": FETCHED,
    "kubectl": FETCHED,
    "moto_server": "run `pip install -e '.[dev]'`",
    "pre-commit": "run `pip install -e '.[dev]'`",
    "rclone": FETCHED,
    "shellcheck": "run `pip install -e '.[test]'`",
    "shfmt": "run `pip install -e '.[dev]'`",
    "check-jsonschema": "run `pip install -e '.[test]'`",
    "compose-lint": "run `pip install -e '.[dev]'`",
    "zizmor": "run `pip install -e '.[dev]'`",
    "systemd-analyze": "install your system's package `systemd`",
}

# What `${NAME:?message}` or `${NAME?message}` makes compulsory; `$$` is how Compose writes a dollar.
REQUIRED_VARIABLE = re.compile(r"(?<!\$)(?:\$\$)*\$\{(\w+):?\?")
TOP_LEVEL_KIND = re.compile(r"^kind: *['\"]?(\w+)", re.MULTILINE)

# Lines that Compose may write on stderr about a good file, as patterns; say beside each why it is harmless.
EXPLAINED: tuple[str, ...] = ()


def listed(pattern: str) -> list[Path]:
    return sorted(path for path in BUNDLES.glob(pattern) if path.is_file())


def kinds(path: Path) -> set[str]:
    return set(TOP_LEVEL_KIND.findall(path.read_text()))


KUSTOMIZATIONS = listed("*/kubernetes/**/kustomization.yaml")
MANIFESTS = [path for path in listed("*/kubernetes/**/*.yaml") if path not in KUSTOMIZATIONS]
FILES = {
    "shell script": listed("**/*.sh"),
    "Compose file": listed("*/compose/**/*.yaml"),
    "unit": listed("*/systemd/**/*.service"),
    "Kustomization": KUSTOMIZATIONS,
    "manifest": [path for path in MANIFESTS if not kinds(path) or kinds(path) - CRDS.keys()],
    "custom resource": [path for path in MANIFESTS if kinds(path) & CRDS.keys()],
}


def each(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", FILES[kind], ids=lambda path: path.relative_to(BUNDLES).as_posix())


def kubernetes_versions() -> list[str]:
    """Give the oldest, the middle and the newest version whose schemas are installed."""
    carried = list(dict.fromkeys(all_versions()))
    return [carried[0], carried[len(carried) // 2], carried[-1]]


def tool(name: str) -> str:
    """Find a tool: first where GLMDEPLOY_TOOLS says, then beside this Python, then on PATH."""
    folders = [os.environ.get("GLMDEPLOY_TOOLS"), str(Path(sys.executable).parent), os.environ.get("PATH")]
    found = shutil.which(name, path=os.pathsep.join(filter(None, folders)))
    return found or report_missing(name)


def report_missing(name: str) -> NoReturn:
    reason = f"TOOL MISSING: {name}: {HOW_TO_GET[name]}"
    if {"1", name} & set(os.environ.get("GLMDEPLOY_REQUIRE_TOOLS", "").split()):
        pytest.fail(reason, pytrace=False)
    # A developer without the tool still runs the other checks; .ci/run requires what it fetched.
    pytest.skip(reason)


def run(home: Path, *argv: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a tool in an environment that holds nothing of the developer's."""
    return subprocess.run(
        argv,
        env={"PATH": os.defpath, "HOME": str(home), "LC_ALL": "C.UTF-8", **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def fail_unless_silent(result: subprocess.CompletedProcess[str], explained: Iterable[str] = ()) -> None:
    lines = [*result.stdout.splitlines(), *result.stderr.splitlines()]
    said = [line for line in lines if not any(re.search(pattern, line) for pattern in explained)]
    if result.returncode or said:
        pytest.fail("\n".join([f"exit status {result.returncode}", *lines]), pytrace=False)


def fail_if(objections: list[str]) -> None:
    if objections:
        pytest.fail("\n".join(objections), pytrace=False)


def documents(text: str) -> list[Any]:
    return [document for document in yaml.safe_load_all(text) if document is not None]


def name_of(document: Any) -> str:
    return f"{document['kind']}/{document['metadata']['name']}"


@pytest.mark.parametrize("kind", FILES)
def test_bundles_hold_at_least_one(kind: str) -> None:
    assert FILES[kind], f"no {kind} found under {BUNDLES}"


@each("shell script")
def test_bash_parses(path: Path, tmp_path: Path) -> None:
    fail_unless_silent(run(tmp_path, tool("bash"), "-n", path))


@each("shell script")
def test_shellcheck_is_silent(path: Path, tmp_path: Path) -> None:
    fail_unless_silent(run(tmp_path, tool("shellcheck"), "--norc", "-o", "all", path))


@each("shell script")
def test_shfmt_would_change_nothing(path: Path, tmp_path: Path) -> None:
    fail_unless_silent(run(tmp_path, tool("shfmt"), "-d", "-i", "2", path))


def dummy(variable: str) -> str:
    """Make up a value that Compose accepts where a variable of that name is likely to stand."""
    if "PORT" in variable:
        return "8000"
    return "192.0.2.1" if re.search(r"(^|_)(IP|ADDR|ADDRESS|HOST)(_|$)", variable) else "/srv/dummy"


@each("Compose file")
def test_compose_accepts(path: Path, tmp_path: Path) -> None:
    compose = tool("docker-compose")
    variables = {name: dummy(name) for name in REQUIRED_VARIABLE.findall(path.read_text())}
    fail_unless_silent(run(tmp_path, compose, "-f", path, "config", "-q", env=variables), EXPLAINED)


def program(entrypoint: list[str]) -> list[str]:
    """Give the entry point without the shell that reads the API key and starts its arguments."""
    return [] if entrypoint[0] == "/bin/sh" else entrypoint


# Exceptions of tests/data/compose-lint.yaml that are for some files alone.
ONLY_FOR = {
    "CL-0008": re.compile(r"/host-\d+/compose\.yaml$"),
    "CL-0020": re.compile(r"-ktransformers/"),
    "CL-0029": re.compile(r"-ktransformers/|mi\d+x"),
}


@each("Compose file")
def test_compose_lint_finds_nothing_that_is_not_explained(path: Path, tmp_path: Path) -> None:
    exceptions = Path(__file__).parent / "data" / "compose-lint.yaml"
    words = ["check", "--config", exceptions, "--strict-config", "--fail-on", "low", "--format", "json", path]
    result = run(tmp_path, tool("compose-lint"), *words)
    assert result.returncode == 0, result.stdout + result.stderr
    ids = {finding["rule_id"] for finding in json.loads(result.stdout)["findings"]}
    assert {i for i in ids if i in ONLY_FOR and not ONLY_FOR[i].search(path.as_posix())} == set()


@each("Compose file")
def test_the_real_compose_reads_the_plans_command_and_environment(path: Path, tmp_path: Path) -> None:
    outcome = pipeline.judge(pipeline.open_profile(path.relative_to(BUNDLES).parts[0]))
    said = run(
        tmp_path,
        tool("docker-compose"),
        "-f",
        path,
        "config",
        "--format",
        "json",
        env={name: dummy(name) for name in REQUIRED_VARIABLE.findall(path.read_text())}
        | {"GLM_LEADER_ADDRESS": report.LEADER, "GLM_BIND_ADDRESS": EVERYWHERE},
    )
    services = json.loads(said.stdout)["services"]
    plan = json.loads(report.as_json(outcome.plan, outcome.processes, outcome.found))
    own = OF_COMPOSE - {name for p in plan["processes"] for name in p["env"]}
    found = {
        name: (
            [w.replace("$$", "$") for w in (*program(service["entrypoint"]), *service["command"])],
            {k: v.replace("$$", "$") for k, v in (service.get("environment") or {}).items() if k not in own},
        )
        for name, service in ranks(services).items()
    }
    host = int(path.parent.name.removeprefix("host-")) if path.parent.name.startswith("host-") else 0
    assert found == {
        p["role"] if p["role"] != "worker" else f"worker-{p['node_rank']}": (p["argv"], p["env"])
        for p in plan["processes"]
        if p["host"] == host
    }


@each("unit")
def test_systemd_says_nothing_about(path: Path, tmp_path: Path) -> None:
    fail_unless_silent(run(tmp_path, tool("systemd-analyze"), "verify", path))


def schema_objection(document: Any, version: str) -> str:
    try:
        kubernetes_validate.validate(document, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{name_of(document)}: {error.json_path}: {error.message}"
    except kubernetes_validate.SchemaNotFoundError as error:
        return f"{name_of(document)}: {error.message}"
    return ""


@each("manifest")
@pytest.mark.parametrize("version", kubernetes_versions())
def test_kubernetes_schema_accepts(path: Path, version: str) -> None:
    built_in = [document for document in documents(path.read_text()) if document.get("kind") not in CRDS]
    assert built_in, "the file holds no object"
    fail_if([said for document in built_in if (said := schema_objection(document, version))])


def close(schema: Any) -> Any:
    """Turn a CRD's openAPIV3Schema into a JSON schema that refuses unknown fields, as the API server does."""
    closed = {key: value for key, value in schema.items() if not key.startswith("x-kubernetes-")}
    if schema.get("x-kubernetes-int-or-string"):
        closed.pop("type", None)
    if "properties" in schema:
        closed["properties"] = {name: close(inner) for name, inner in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            closed["additionalProperties"] = False
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            closed[key] = close(schema[key])
    return closed


@cache
def custom_schemas(kind: str) -> dict[str, Any]:
    """Read the schemas of a custom kind, by apiVersion."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    spec = yaml.load((CRD_FOLDER / CRDS[kind]).read_text(), Loader=loader)["spec"]  # noqa: S506 (both are safe)
    return {
        f"{spec['group']}/{version['name']}": close(version["schema"]["openAPIV3Schema"])
        for version in spec["versions"]
        if version["served"]
    }


def custom_objections(document: Any) -> list[str]:
    schemas = custom_schemas(document["kind"])
    if document["apiVersion"] not in schemas:
        return [f"{name_of(document)}: apiVersion is {document['apiVersion']}, served: {', '.join(schemas)}"]
    errors = jsonschema.Draft202012Validator(schemas[document["apiVersion"]]).iter_errors(document)
    return [f"{name_of(document)}: {error.json_path}: {error.message}" for error in errors]


@each("custom resource")
def test_custom_resource_definition_accepts(path: Path) -> None:
    if not CRD_FOLDER.is_dir():
        # The published CRDs are data of others, which this repository does not ship.
        pytest.skip("NOT CHECKED: no published CRDs in ../shared/crds beside this checkout")
    custom = [document for document in documents(path.read_text()) if document["kind"] in CRDS]
    fail_if([said for document in custom for said in custom_objections(document)])


@each("Kustomization")
def test_kustomize_builds_every_object(path: Path, tmp_path: Path) -> None:
    built = run(tmp_path, tool("kubectl"), "kustomize", path.parent)
    assert (built.returncode, built.stderr) == (0, "")
    kustomization = yaml.safe_load(path.read_text())
    resources = [documents((path.parent / name).read_text()) for name in kustomization["resources"]]
    generated = [*kustomization.get("configMapGenerator", []), *kustomization.get("secretGenerator", [])]
    assert sum(map(len, resources)) + len(generated) == len(documents(built.stdout))


@each("Kustomization")
def test_kustomization_names_every_manifest(path: Path) -> None:
    kustomization = yaml.safe_load(path.read_text())
    patches = [patch["path"] for patch in kustomization.get("patches", []) if "path" in patch]
    beside = {manifest.name for manifest in path.parent.glob("*.yaml")} - {path.name}
    assert beside == {*kustomization["resources"], *patches}
