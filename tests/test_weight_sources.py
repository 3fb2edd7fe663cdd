"""Weights from an OCI image or an object store: what each target makes of them, and a real download.

A test with a number in its name answers that complaint of the users who were heard before this was written.
"""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from test_external import tool
from test_hosts import _checkpoint as write_checkpoint
from test_kubernetes import SITES, TWO_HOSTS, environment, files, of_kind, pods, rendered, server

from glmdeploy import pipeline, report, source
from glmdeploy.diagnostics import render_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def test_57_an_image_volume_is_mounted_by_its_folder_and_checked_before_the_server(tmp_path: Path) -> None:
    objects = rendered(tmp_path, **SITES["image"])
    (pod,) = pods(objects)
    (volume,) = [v for v in pod["spec"]["volumes"] if v["name"] == "weights"]
    assert volume["image"] == {"reference": "registry.example.com/models/glm:fp8-1", "pullPolicy": "IfNotPresent"}
    for container in (*pod["spec"]["initContainers"], server(pod)):
        (mount,) = [m for m in container["volumeMounts"] if m["name"] == "weights"]
        assert mount == {"name": "weights", "mountPath": "/models", "subPath": "models/glm", "readOnly": True}
    assert pod["spec"]["initContainers"][0]["args"] == ["--folder", "/models"]
    assert "/models" in server(pod)["args"]
    assert of_kind(objects, "Job") == []
    assert [c["metadata"]["name"] for c in of_kind(objects, "PersistentVolumeClaim")] == ["t-cache"]


def test_an_image_volume_is_named_by_its_digest_and_from_the_mirror(tmp_path: Path) -> None:
    digest = "sha256:" + "a" * 64
    name = SITES["image"]["model"]["source"]["oci"]
    lock = {"format": "glmdeploy-images/v1", "images": {name: digest}}
    (tmp_path / "images.lock.yaml").write_text(yaml.safe_dump(lock))
    (pod,) = pods(rendered(tmp_path, **SITES["image"], kubernetes={"image_mirror": "mirror.example.com/all"}))
    (volume,) = [v for v in pod["spec"]["volumes"] if v["name"] == "weights"]
    assert volume["image"]["reference"] == f"mirror.example.com/all/{name}@{digest}"


@pytest.mark.parametrize("site", ["image", "s3"])
def test_the_policy_on_digests_asks_for_every_image(site: str) -> None:
    data = {"apiVersion": "glmdeploy/v1", "name": "t", "targets": ["kubernetes"], "framework": {"name": "vllm"}}
    data |= {"cluster": {"gpu": "h200", "gpus": 16}, "policy": {"image_digest": "error"}, **SITES[site]}
    outcome = pipeline.judge(source.parse("p.yaml", yaml.safe_dump(data)))
    asked = [re.findall("`(.*?)`", d.message)[0].partition(":")[0] for d in outcome.found if d.code == "GLM602"]
    assert asked == ["vllm/vllm-openai", "registry.example.com/models/glm" if site == "image" else "rclone/rclone"]


STORES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "s3": (
        {
            "RCLONE_CONFIG_STORE_ENDPOINT": "https://s3.example.com",
            "RCLONE_CONFIG_STORE_ENV_AUTH": "true",
            "RCLONE_CONFIG_STORE_PROVIDER": "Other",
            "RCLONE_CONFIG_STORE_REGION": "eu",
            "RCLONE_CONFIG_STORE_TYPE": "s3",
        },
        {"AWS_ACCESS_KEY_ID": "access-key-id", "AWS_SECRET_ACCESS_KEY": "secret-access-key"},
    ),
    "gs": (
        {"RCLONE_CONFIG_STORE_ENV_AUTH": "true", "RCLONE_CONFIG_STORE_TYPE": "google cloud storage"},
        {"RCLONE_CONFIG_STORE_SERVICE_ACCOUNT_CREDENTIALS": "service-account"},
    ),
}


@pytest.mark.parametrize("site", STORES)
def test_56_the_store_and_its_credentials_are_the_downloads_alone(tmp_path: Path, site: str) -> None:
    settings, credentials = STORES[site]
    objects = rendered(tmp_path, **SITES[site])
    (job,) = of_kind(objects, "Job")
    download, check = (job["spec"]["template"]["spec"][k][0] for k in ("initContainers", "containers"))
    assert environment(download) == {**settings, "HOME": "/tmp", "USER": "glm"}  # noqa: S108
    references = {e["name"]: e["valueFrom"]["secretKeyRef"] for e in download["env"] if "valueFrom" in e}
    assert references == {variable: {"name": "store", "key": key} for variable, key in credentials.items()}
    others = [c for pod in pods(objects) for c in (*pod["spec"]["initContainers"], server(pod))]
    for container in (check, *others):
        assert not {*settings, *credentials} & {e["name"] for e in container.get("env", [])}
    assert of_kind(objects, "Secret") == []


@pytest.mark.parametrize(
    ("source_keys", "mount", "folder"),
    [
        pytest.param({"object_store": "s3://www/glm/fp8"}, "/models", "/models/www--glm--fp8", id="default"),
        pytest.param({"object_store": "gs://www", "path": "/srv/llm/glm/"}, "/srv/llm", "/srv/llm/glm", id="named"),
    ],
)
def test_57_a_download_from_a_store_fills_the_folder_that_every_rank_checks_and_reads(
    tmp_path: Path, source_keys: dict[str, str], mount: str, folder: str
) -> None:
    objects = rendered(tmp_path, cluster=TWO_HOSTS, model={"source": source_keys})
    (job,) = of_kind(objects, "Job")
    spec = job["spec"]["template"]["spec"]
    command = [*spec["initContainers"][0]["command"], *spec["initContainers"][0]["args"]]
    assert command[:4] == ["rclone", "copy", "store:" + source_keys["object_store"][5:], folder]
    assert spec["containers"][0]["args"] == ["--folder", folder]
    assert spec["initContainers"][0]["image"].startswith("rclone/rclone:")
    for pod in pods(objects):
        (check,) = pod["spec"]["initContainers"]
        assert check["args"] == ["--folder", folder, "--wait"]
        assert folder in server(pod)["args"]
        for container in (check, server(pod), spec["initContainers"][0], spec["containers"][0]):
            assert [m["mountPath"] for m in container["volumeMounts"] if m["name"] == "weights"] == [mount]
        (volume,) = [v for v in pod["spec"]["volumes"] if v["name"] == "weights"]
        assert volume["persistentVolumeClaim"] == {"claimName": "t-weights"}
    assert objects["PersistentVolumeClaim/t-weights"]["spec"]["accessModes"] == ["ReadWriteMany"]


def test_57_another_store_is_another_job(tmp_path: Path) -> None:
    stores = ("s3://www/a", "s3://www/b")
    found = [of_kind(rendered(tmp_path, model={"source": {"object_store": s}}), "Job") for s in stores]
    assert len({job["metadata"]["name"] for jobs in found for job in jobs}) == 2


def test_58_the_image_that_downloads_is_the_users_where_they_name_one(tmp_path: Path) -> None:
    site = {"download_image": "registry.example.com/rclone:1", "image_mirror": "mirror.example.com"}
    (job,) = of_kind(rendered(tmp_path, **{**SITES["gs"], "kubernetes": site}), "Job")
    spec = job["spec"]["template"]["spec"]
    assert spec["initContainers"][0]["image"] == "mirror.example.com/registry.example.com/rclone:1"
    assert spec["containers"][0]["image"].startswith("mirror.example.com/vllm/")


@pytest.mark.parametrize(
    ("keys", "code", "at"),
    [
        pytest.param({"oci": "glm"}, "GLM011", "oci", id="image-without-tag"),
        pytest.param({"oci": "a/b:1", "oci_folder": "../x"}, "GLM011", "oci_folder", id="folder-outside"),
        pytest.param({"oci": "a/b:1", "claim": "c"}, "GLM107", "source", id="two-places"),
        pytest.param({"claim": "c", "oci_pull": "Always"}, "GLM107", "oci_pull", id="pull-of-a-claim"),
        pytest.param({"object_store": "https://x/y"}, "GLM011", "object_store", id="scheme"),
        pytest.param({"object_store": "s3://www/../x"}, "GLM011", "object_store", id="dots"),
        pytest.param({"object_store": "s3://www/a b"}, "GLM011", "object_store", id="space"),
        pytest.param({"object_store": "gs://www/x", "region": "eu"}, "GLM107", "region", id="region-of-google"),
        pytest.param({"object_store": "s3://www/x", "path": "/x"}, "GLM107", "path", id="folder-of-the-root"),
        pytest.param({"object_store": "s3://www/x", "hub": "o/m"}, "GLM107", "source", id="store-and-hub"),
        pytest.param({"path": "/a/b", "endpoint": "https://x"}, "GLM107", "endpoint", id="endpoint-of-a-path"),
    ],
)
def test_a_source_that_contradicts_itself_is_refused_at_its_key(keys: dict[str, str], code: str, at: str) -> None:
    data = {"apiVersion": "glmdeploy/v1", "name": "t", "cluster": {"gpu": "h200", "gpus": 8}}
    data |= {"framework": {"name": "vllm"}, "model": {"source": keys}}
    outcome = pipeline.judge(source.parse("p.yaml", yaml.safe_dump(data)))
    assert [(d.code, str(d.at[-1])) for d in outcome.found] == [(code, at)]


def test_56_credentials_in_an_address_are_refused_and_not_shown() -> None:
    data = {"apiVersion": "glmdeploy/v1", "name": "t", "cluster": {"gpu": "h200", "gpus": 8}}
    data |= {"framework": {"name": "vllm"}, "model": {"source": {"object_store": "s3://key:topsecret@www/x"}}}
    outcome = pipeline.judge(source.parse("p.yaml", yaml.safe_dump(data)))
    assert [d.code for d in outcome.found] == ["GLM011"]
    assert "topsecret" not in render_text(outcome.found)


# --- on hosts --------------------------------------------------------------------------------------

STORE = {"object_store": "s3://weights/glm/fp8", "endpoint": "http://127.0.0.1:1"}
HOSTS = ["script", "compose", "systemd", "slurm"]


def on_hosts(folder: Path, weights: Path, endpoint: str = STORE["endpoint"], targets: list[str] = HOSTS) -> Path:
    """The bundle of a profile whose weights come from a store into a folder."""
    model = {"source": {**STORE, "endpoint": endpoint, "path": str(weights)}}
    for path, text in files(folder, targets=targets, model=model, slurm={"cpus_per_task": 8}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        # a disk as large as the checkpoint is not to be had here
        (folder / path).write_text(re.sub(r"-ge \d+ ", "-ge 1 ", text))
    return folder


def test_hosts_read_the_folder_that_the_script_fills(tmp_path: Path) -> None:
    bundle = on_hosts(tmp_path, tmp_path / "w/glm")
    folder = str(tmp_path / "w/glm")
    service = yaml.safe_load((bundle / "compose/compose.yaml").read_text())["services"]["server"]
    assert folder in service["command"]
    assert (service["volumes"][0]["source"], service["volumes"][0]["read_only"]) == (folder, True)
    assert folder in (bundle / "script/serve.sh").read_text()
    assert (bundle / "compose/download.sh").read_text() == (bundle / "script/download.sh").read_text()
    for readme in ("compose", "script", "systemd", "slurm"):
        assert "download.sh" in (bundle / readme / "README.md").read_text()


def test_the_hosts_command_is_the_pods_command(tmp_path: Path) -> None:
    bundle = on_hosts(tmp_path, tmp_path / "w/glm")
    said = subprocess.run(
        ["bash", bundle / "script/download.sh", "--print"], capture_output=True, text=True, check=True
    )
    model = {"source": {**STORE, "path": str(tmp_path / "w/glm")}}
    (job,) = of_kind(rendered(tmp_path, model=model), "Job")
    download = job["spec"]["template"]["spec"]["initContainers"][0]
    assert shlex.split(said.stdout) == [*download["command"], *download["args"]]
    shown = dict(line.removeprefix("with ").split("=", 1) for line in said.stderr.splitlines())
    assert shown.items() <= environment(download).items()
    assert environment(download).keys() - shown.keys() == {"HOME", "USER"}


def test_argv_of_every_target_is_the_plans_with_a_store(tmp_path: Path) -> None:
    weights = tmp_path / "w/glm"
    bundle = on_hosts(tmp_path, weights)
    outcome = pipeline.judge(source.read(tmp_path / "profile.yaml"))
    assert outcome.plan is not None
    planned = report.as_json(outcome.plan, outcome.processes, outcome.found)
    (process,) = yaml.safe_load(planned)["processes"]
    printed = subprocess.run(
        ["bash", bundle / "script/serve.sh", "--print"], capture_output=True, text=True, check=True
    )
    assert shlex.split(printed.stdout) == process["argv"]
    service = yaml.safe_load((bundle / "compose/compose.yaml").read_text())["services"]["server"]
    assert [*service["entrypoint"], *service["command"]] == process["argv"]
    (pod,) = pods(rendered(tmp_path, model={"source": {**STORE, "path": str(weights)}}))
    assert [*server(pod)["command"], *server(pod)["args"]] == process["argv"]


# --- a real download: rclone and an S3 server -------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A server of S3's protocol on loopback, while the tests of this module run."""
    port = free_port()
    words = [tool("moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait()


@pytest.fixture
def download(tmp_path: Path, endpoint: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """download.sh over a bucket that holds a checkpoint and a file beside it."""
    rclone = tool("rclone")
    write_checkpoint(tmp_path / "made")
    (tmp_path / "made/config.json").write_text("{}")
    bundle = on_hosts(tmp_path, tmp_path / "w/glm", endpoint, ["script"])
    env = {"PATH": f"{os.path.dirname(rclone)}:{os.defpath}", "HOME": str(tmp_path)}  # noqa: PTH120  may be relative
    env |= {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "topsecret"}
    store = dict(
        line.removeprefix("with ").split("=", 1)
        for line in subprocess.run(
            ["bash", bundle / "script/download.sh", "--print"], capture_output=True, text=True, check=True
        ).stderr.splitlines()
    )

    def fill() -> None:
        words = [rclone, "sync", "--config", "", str(tmp_path / "made"), "store:weights/glm/fp8"]
        subprocess.run(words, env=env | store, check=True, capture_output=True)

    def start(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        fill()
        script = bundle / "script/download.sh"
        return subprocess.run(
            ["bash", script, *words], env=env | more, capture_output=True, text=True, check=False, timeout=120
        )

    return start


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.external
def test_57_rclone_brings_the_checkpoint_from_a_real_store_and_it_is_checked(
    download: Callable[..., Any], tmp_path: Path
) -> None:
    result = download()
    assert (result.returncode, result.stdout) == (0, f"{tmp_path / 'w/glm'}\n")
    assert names(tmp_path / "w/glm") == names(tmp_path / "made")
    assert "topsecret" not in result.stdout + result.stderr
    # the pods' own check says the same
    scripts = next(d for d in rendered(tmp_path).values() if d["kind"] == "ConfigMap")["data"]["weights.py"]
    (tmp_path / "weights.py").write_text(scripts)
    words = [sys.executable, tmp_path / "weights.py", "--folder", tmp_path / "w/glm"]
    assert subprocess.run(words, capture_output=True, text=True, check=False).stdout.endswith("is whole\n")


@pytest.mark.external
def test_57_a_download_that_was_stopped_goes_on_with_what_is_missing(
    download: Callable[..., Any], tmp_path: Path
) -> None:
    assert download().returncode == 0
    folder = tmp_path / "w/glm"
    kept = (folder / "model-00001-of-00002.safetensors").stat()
    cut = folder / "model-00002-of-00002.safetensors"
    cut.write_bytes(cut.read_bytes()[:-3])
    assert download("--check").returncode == 1
    result = download()
    assert result.returncode == 0
    copied = re.findall(r"INFO +: (\S+): (?:Multi-thread )?Copied", result.stderr)
    assert copied == [cut.name]
    assert (folder / "model-00001-of-00002.safetensors").stat().st_ino == kept.st_ino


@pytest.mark.external
def test_57_a_store_that_lacks_a_shard_is_not_taken_for_a_checkpoint(
    download: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "made/model-00002-of-00002.safetensors").unlink()
    result = download()
    assert result.returncode == 1
    assert "model-00002-of-00002.safetensors is missing or cut short" in result.stderr


@pytest.mark.external
def test_a_store_that_does_not_answer_is_an_error_with_a_way_on(download: Callable[..., Any], tmp_path: Path) -> None:
    script = tmp_path / "script/download.sh"
    port = free_port()
    script.write_text(re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{port}", script.read_text()))
    script.write_text(script.read_text().replace("--retries 5", "--retries 1 --low-level-retries 1"))
    result = download()
    assert result.returncode == 1
    assert "error: the download failed: run this again" in result.stderr


@pytest.mark.parametrize("checker", ["bash", "shellcheck", "shfmt"])
@pytest.mark.parametrize("store", ["s3://weights/glm", "gs://weights/glm"])
@pytest.mark.external
def test_the_script_pleases_the_shells_checkers(tmp_path: Path, store: str, checker: str) -> None:
    found = files(tmp_path, targets=["script"], model={"source": {"object_store": store}})
    script = tmp_path / "download.sh"
    script.write_text(found["script/download.sh"])
    options = {"bash": ["-n"], "shellcheck": ["--norc", "-o", "all"], "shfmt": ["-d", "-i", "2"]}[checker]
    result = subprocess.run([tool(checker), *options, script], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
