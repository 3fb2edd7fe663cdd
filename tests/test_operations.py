"""What a team meets in operation: names, roll-outs, starts that fail, half a checkpoint, GitOps tools that compare."""

from __future__ import annotations

import json
import re
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from conftest import ranks
from test_external import CRD_FOLDER
from test_site import KEY, TWO_HOSTS, bash, files, judged, pod

from glmdeploy.targets.common import object_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Result

TWO_REPLICAS = {"cluster": {"gpu": "h200", "gpus": 16}, "layout": {"replicas": 2}, "targets": ["kubernetes"]}
COMMIT = "a" * 40


# --- names --------------------------------------------------------------------------------------


def name_of(profile: str) -> str:
    plan = judged(name=profile).plan
    assert plan is not None
    return object_name(plan.spec)


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("a" * 50, "a" * 51), id="cut"),
        pytest.param(("glm-5.2-" + "a" * 50, "glm-5.2-" + "a" * 49 + "b"), id="cut-and-the-models-dot"),
        pytest.param(("a.b", "a-b"), id="a-dot"),
        pytest.param(("5x", "glm-5x"), id="a-digit-first"),
    ],
)
def test_two_names_are_not_the_same_objects(names: tuple[str, str]) -> None:
    first, second = (name_of(n) for n in names)
    assert first != second
    assert all(re.fullmatch("[a-z]([a-z0-9-]{0,43}[a-z0-9])?", name) for name in (first, second))


@pytest.mark.parametrize(
    ("profile", "name"),
    [("glm-5.2-fp8-8xh200-vllm", "glm-5-2-fp8-8xh200-vllm"), ("prod", "prod"), ("a" * 45, "a" * 45)],
)
def test_a_name_that_need_not_be_changed_stays(profile: str, name: str) -> None:
    assert name_of(profile) == name


SPACE = """\
apiVersion: glmdeploy-workspace/v1
environments:
  dev: {}
  prod: {}
deployments:
  - profile: one.yaml
    output: out/one
    environment: dev
  - profile: two.yaml
    output: out/two
    environment: dev
"""
PROFILE = """\
apiVersion: glmdeploy/v1
name: glm-5.2-prod
cluster: {gpu: h200, gpus: 8}
framework: {name: vllm}
targets: [kubernetes]
"""


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with two profiles whose objects have one name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "glmdeploy.yaml").write_text(SPACE)
    (tmp_path / "one.yaml").write_text(PROFILE)
    (tmp_path / "two.yaml").write_text(PROFILE.replace("glm-5.2-prod", "glm-5-2-prod"))
    return tmp_path


@pytest.mark.usefixtures("space")
@pytest.mark.parametrize("words", [("render", "--all"), ("check",), ("lint",)], ids=" ".join)
def test_bundles_that_are_the_same_objects_are_refused(run: Callable[..., Result], words: tuple[str, ...]) -> None:
    result = run(*words)
    said = result.err + result.out
    assert (result.code, "error[GLM024]: `out/two` and `out/one` are the same objects" in said) == (1, True)
    assert "`glm-5-2-prod` in namespace `llm`" in said
    assert "--> glmdeploy.yaml:10:" in said
    assert "listed in glmdeploy.yaml:7" in said
    assert not Path("out").exists()


def test_bundles_of_other_namespaces_or_targets_are_not_the_same_objects(
    run: Callable[..., Result], space: Path
) -> None:
    for text in ("targets: [kubernetes]\nkubernetes: {namespace: other}", "targets: [script]"):
        (space / "two.yaml").write_text(PROFILE.replace("targets: [kubernetes]", text))
        assert "GLM024" not in run("lint").err


def test_environments_may_have_a_cluster_each(run: Callable[..., Result], space: Path) -> None:
    text = SPACE.replace("two.yaml", "one.yaml").replace(
        "out/two\n    environment: dev", "out/two\n    environment: prod"
    )
    (space / "glmdeploy.yaml").write_text(text)
    assert "warning[GLM025]" in run("lint").err
    rendered = run("render", "--all")
    assert (rendered.code, "warning[GLM025]" in rendered.err) == (0, True)
    silenced = text.replace("out/two", "out/two  # glmdeploy: ignore[GLM025] a cluster each")
    (space / "glmdeploy.yaml").write_text(silenced)
    assert "GLM025" not in run("lint").err
    assert run("check").code == 0


# --- roll-outs ----------------------------------------------------------------------------------


def test_servers_are_replaced_one_after_another_and_a_single_one_at_once() -> None:
    several, one = (files(**s)["kubernetes/deployment.yaml"] for s in (TWO_REPLICAS, {"targets": ["kubernetes"]}))
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    assert yaml.safe_load(several)["spec"]["strategy"] == rolling
    assert yaml.safe_load(one)["spec"]["strategy"] == {"type": "Recreate"}


# Defaults that the published CRD of LeaderWorkerSet 0.9 fills in below a list, where ours have the parent. Argo CD
# compares lists of custom resources as a whole (argo-cd issue 11074), so what is not written stays OutOfSync.
DEFAULTS = {
    "containers[].ports[].protocol",
    "initContainers[].ports[].protocol",
    "containers[].env[].valueFrom.secretKeyRef.name",
    "imagePullSecrets[].name",
    "volumes[].configMap.name",
}
MANY = {
    **TWO_HOSTS,
    **KEY,
    "kubernetes": {"storage_class": "files", "image_pull_secrets": ["registry"], "monitor": "pod"},
    "targets": ["kubernetes"],
}


def unwritten(value: Any, schema: dict[str, Any], path: str, *, in_list: bool = False) -> Iterator[str]:
    """Defaults of a schema below a list that an object leaves to the API server."""
    if isinstance(value, list):
        for item in value:
            yield from unwritten(item, schema["items"], f"{path}[]", in_list=True)
    elif isinstance(value, dict):
        for key, below in schema.get("properties", {}).items():
            if key in value:
                yield from unwritten(value[key], below, f"{path}.{key}", in_list=in_list)
            elif in_list and "default" in below:
                yield f"{path}.{key}"


def parents(value: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, list):
        for item in value:
            yield from parents(item, f"{path}[]")
    elif isinstance(value, dict):
        yield path, value
        for key, below in value.items():
            yield from parents(below, f"{path}.{key}".removeprefix("."))


def test_defaults_inside_lists_of_a_custom_resource_are_written() -> None:
    group = yaml.safe_load(files(**MANY)["kubernetes/leaderworkerset.yaml"])["spec"]["leaderWorkerTemplate"]
    met = set()
    for template in (group["leaderTemplate"], group["workerTemplate"]):
        for path, mapping in parents(template["spec"]):
            for default in (d for d in DEFAULTS if d.rpartition(".")[0] == path):
                met.add(default)
                assert default.rpartition(".")[2] in mapping, default
    assert met == DEFAULTS - {"initContainers[].ports[].protocol"}


def test_the_published_definitions_fill_in_nothing_inside_lists() -> None:
    if not CRD_FOLDER.is_dir():
        pytest.skip("NOT CHECKED: no published CRDs in ../shared/crds beside this checkout")
    found = files(**MANY)
    for name in ("leaderworkerset", "podmonitor"):
        definition = yaml.safe_load((CRD_FOLDER / f"{name}s.yaml").read_text())
        (version,) = definition["spec"]["versions"]
        value = yaml.safe_load(found[f"kubernetes/{name}.yaml"])
        assert list(unwritten(value, version["schema"]["openAPIV3Schema"], name)) == []


# --- words that the kubelet expands -------------------------------------------------------------


def expanded(word: str) -> str:
    """What the kubelet makes of a word in a container without variables: unknown ones stay as they are."""
    return re.sub(r"\$\$", "$", word)


AWKWARD = "/srv/$$a/$(HOME)/$b"


@pytest.mark.parametrize(
    "sections",
    [
        pytest.param({"model": {"source": {"path": AWKWARD}}}, id="path"),
        pytest.param({"model": {"source": {"object_store": "s3://bucket/x", "path": AWKWARD}}}, id="store"),
    ],
)
def test_no_dollar_is_lost_on_the_way_through_the_kubelet(sections: dict[str, Any]) -> None:
    found = files(**sections, env={"X": AWKWARD}, targets=["kubernetes"])
    server = pod(found["kubernetes/deployment.yaml"])
    (check,), (container,) = server["initContainers"], server["containers"]
    assert expanded(check["args"][1]) == AWKWARD
    assert AWKWARD in [expanded(word) for word in container["args"]]
    assert AWKWARD in [expanded(e["value"]) for e in container["env"] if e["name"] == "X"]
    for path, text in found.items():
        if path.endswith("download.yaml"):
            job = pod(text)
            words = [w for c in (*job["initContainers"], *job["containers"]) for w in c["args"]]
            assert [expanded(w) for w in words].count(AWKWARD) == 2


def test_an_address_cannot_ask_the_kubelet_for_the_token() -> None:
    address = "https://hub.example.com/$(HF_TOKEN)"
    found = files(secrets={"hub_token": "hub"}, kubernetes={"hub_endpoint": address}, targets=["kubernetes"])
    (download,) = pod(found["kubernetes/download.yaml"])["initContainers"]
    values = {e["name"]: e.get("value", "") for e in download["env"]}
    assert values["HF_ENDPOINT"] == "https://hub.example.com/$$(HF_TOKEN)"


# --- starts that fail ---------------------------------------------------------------------------


@pytest.mark.parametrize("script", ["serve", "worker"])
def test_waiting_ends_when_the_servers_process_is_gone(tmp_path: Path, script: str) -> None:
    sections = {} if script == "serve" else TWO_HOSTS
    path = tmp_path / "rank.sh"
    path.write_text(files(**sections, targets=["script"])[f"script/{script}.sh"])
    rank = () if script == "serve" else ("--rank", "1")
    gone = bash_pid(tmp_path)
    started = time.monotonic()
    result = bash(path, *rank, "--wait", MAINPID=gone, GLM_LEADER_ADDRESS="127.0.0.1", GLM_PORT="9")
    assert (result.returncode, result.stderr) == (1, f"error: the server (process {gone}) is gone\n")
    assert time.monotonic() - started < 30


def bash_pid(folder: Path) -> str:
    """The number of a process that has ended."""
    script = folder / "pid.sh"
    script.write_text("echo $$\n")
    return bash(script).stdout.strip()


# --- the plan's revision ------------------------------------------------------------------------


def shard(path: Path, *, whole: bool) -> None:
    """A checkpoint with one shard of four bytes."""
    path.mkdir(parents=True)
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"w": "a.safetensors"}}))
    header = json.dumps({"w": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}).encode()
    data = struct.pack("<Q", len(header)) + header + b"1234"
    (path / "a.safetensors").write_bytes(data if whole else data[:-1])


@pytest.mark.parametrize(
    ("revision", "snapshot", "accepted"),
    [
        pytest.param(COMMIT, COMMIT, True, id="the-pinned-commit"),
        pytest.param(COMMIT, "b" * 40, False, id="another-commit"),
        pytest.param(None, "b" * 40, True, id="the-branchs-commit"),
        pytest.param(None, COMMIT, False, id="not-the-branchs-commit"),
    ],
)
def test_a_script_takes_only_the_snapshot_of_its_revision(
    tmp_path: Path, revision: str | None, snapshot: str, *, accepted: bool
) -> None:
    source = {"hub": "zai-org/GLM-5.2-FP8", **({"revision": revision} if revision else {})}
    text = files(model={"source": source}, targets=["script"])["script/serve.sh"]
    folder = tmp_path / "hub/models--zai-org--GLM-5.2-FP8"
    shard(folder / f"snapshots/{snapshot}", whole=True)
    (folder / "refs").mkdir()
    (folder / "refs/main").write_text("b" * 40)
    result = weights_checked(tmp_path, text)
    assert result == (int(not accepted), accepted)


def weights_checked(folder: Path, text: str) -> tuple[int, bool]:
    """Exit status of the script's own check of the weights, offline, and whether it was silent."""
    head = text[: text.index("\npreflight() {")]
    functions = head[head.index("\n# Whether a shard is as long") :]
    script = folder / "check.sh"
    fail = 'fail() { printf "error: %s\\n" "$1" >&2; exit 1; }'
    script.write_text(f"set -euo pipefail\n{fail}\n{functions}\ncheck_weights\n")
    result = bash(script, HF_HUB_CACHE=str(folder / "hub"), HF_HUB_OFFLINE="1")
    return result.returncode, result.stderr == ""


# --- half a checkpoint, in Compose --------------------------------------------------------------


def composed(found: dict[str, str], folder: str = "compose") -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load(found[f"{folder}/compose.yaml"])["services"]
    return services


@pytest.mark.parametrize(
    "source",
    [
        pytest.param({"hub": "zai-org/GLM-5.2-FP8", "revision": COMMIT}, id="hub"),
        pytest.param({"path": "/srv/glm"}, id="path"),
        pytest.param({"object_store": "s3://bucket/glm"}, id="store"),
    ],
)
@pytest.mark.parametrize("hosts", [1, 2])
def test_no_rank_of_compose_starts_before_its_weights_are_whole(source: dict[str, str], hosts: int) -> None:
    found = files(**(TWO_HOSTS if hosts > 1 else {}), model={"source": source}, targets=["compose", "kubernetes"])
    workload = found["kubernetes/leaderworkerset.yaml" if hosts > 1 else "kubernetes/deployment.yaml"]
    pods = [word for word in pod(workload)["initContainers"][0]["args"] if word != "--wait"]
    for folder in ("compose",) if hosts == 1 else ("compose/host-0", "compose/host-1"):
        services = composed(found, folder)
        check = services["check-weights"]
        for name in ranks(services):
            assert services[name]["depends_on"]["check-weights"] == {"condition": "service_completed_successfully"}
        assert (check["entrypoint"], check["command"]) == (["python3", "/scripts/weights.py"], pods)
        assert all(volume["read_only"] for volume in check["volumes"])
        assert check["volumes"][0]["source"] == "./weights.py"
        assert f"{folder}/weights.py" in found
        assert found[f"{folder}/weights.py"].partition("\n")[2] in text_of(found["kubernetes/scripts.yaml"])
        assert ("download" in services) == ("hub" in source)


def text_of(scripts: str) -> str:
    return str(yaml.safe_load(scripts)["data"]["weights.py"])


def test_compose_downloads_the_pinned_commit_into_the_volume_and_serves_offline() -> None:
    source = {"hub": "zai-org/GLM-5.2-FP8", "revision": COMMIT}
    services = composed(files(model={"source": source}, targets=["compose"]))
    download, server = services["download"], services["server"]
    assert [*download["entrypoint"], *download["command"]] == ["hf", "download", source["hub"], "--revision", COMMIT]
    assert download["environment"]["HF_HUB_CACHE"] == services["check-weights"]["environment"]["HF_HUB_CACHE"]
    assert download["volumes"] == [v for v in server["volumes"] if v["source"] == "cache"]
    assert server["environment"]["HF_HUB_OFFLINE"] == "1"
    assert download["profiles"] == ["download"]
