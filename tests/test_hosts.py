"""What runs on hosts without Kubernetes: scripts, downloads, systemd, Slurm; one command line and environment."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import struct
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from conftest import ranks

from glmdeploy import pipeline, report, resources, source
from glmdeploy.profile import Profile
from glmdeploy.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Result

    from glmdeploy.pipeline import Outcome

# A claim is Kubernetes' own, and an image is needed only there.
PROFILES = sorted(
    name for name, path in resources.shipped_profiles().items() if "claim" not in path.read_text(encoding="utf-8")
)
UNEVEN = "glm-5.2-fp8-10xh100-sglang-slurm"


def _judged(data: dict[str, Any], **sections: Any) -> Outcome:
    return pipeline.judge(source.parse("p.yaml", yaml.safe_dump({**data, **sections})))


def _hosts(profile: str, **sections: Any) -> Outcome:
    return _judged(pipeline.open_profile(profile).data, targets=["systemd", "slurm"], **sections)


def _one(**sections: Any) -> Outcome:
    base = {"apiVersion": "glmdeploy/v1", "name": "t", "cluster": {"gpu": "h200", "gpus": 8}}
    return _judged({**base, "framework": {"name": "vllm"}}, **sections)


def _written(outcome: Outcome, folder: Path) -> Path:
    pipeline.render(outcome).write(folder)
    return folder


def _planned(outcome: Outcome) -> dict[int, tuple[list[str], dict[str, str]]]:
    """What `plan --format json` says."""
    assert outcome.plan is not None
    data = json.loads(report.as_json(outcome.plan, outcome.processes, outcome.found))
    return {p["node_rank"]: (p["argv"], p["env"]) for p in data["processes"]}


def _read(result: subprocess.CompletedProcess[str]) -> tuple[list[str], dict[str, str], list[str]]:
    """A printed command, its environment, and the GPU ids."""
    with_ = [line.removeprefix("with ").split("=", 1) for line in result.stderr.splitlines()]
    env = dict(with_)
    gpus = next(env.pop(k) for k in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES") if k in env)
    return shlex.split(result.stdout), env, gpus.split(",")


def _run(*words: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **env}
    return subprocess.run(words, capture_output=True, text=True, check=False, env=clean, timeout=60)


@pytest.mark.parametrize("profile", PROFILES)
def test_units_start_the_plans_command(profile: str, tmp_path: Path) -> None:
    outcome = _hosts(profile)
    folder = _written(outcome, tmp_path)
    found = {}
    for unit in folder.glob("systemd/host-*/*.service"):
        start = re.search(r"^ExecStart=/bin/bash /opt/glmdeploy/[^/ ]+/(.*)$", unit.read_text(), re.MULTILINE)
        assert start
        script, *options = shlex.split(start[1])
        argv, env, gpus = _read(_run("bash", folder / "script" / script, *options, "--print"))
        rank = int(options[1]) if options else 0
        assert f"@{rank}.service" in unit.name or len(outcome.processes) == 1
        process = outcome.processes[rank]
        assert (gpus, unit.parent.name) == (
            [str(i) for i in process.placement.gpu_ids],
            f"host-{process.placement.host}",
        )
        found[rank] = (argv, env)
    assert found == _planned(outcome)


@pytest.mark.parametrize("profile", PROFILES)
def test_slurm_starts_the_plans_command(profile: str, tmp_path: Path) -> None:
    outcome = _hosts(profile)
    folder = _written(outcome, tmp_path)
    visible = "CUDA_VISIBLE_DEVICES" if "mi300x" not in profile else "ROCR_VISIBLE_DEVICES"
    found = {}
    for process in outcome.processes:
        gpus = ",".join(map(str, process.placement.gpu_ids))
        env = {"GLM_BUNDLE": str(folder), "SLURM_PROCID": str(process.rank), visible: gpus}
        result = _run("bash", folder / "slurm/rank.sh", "--print", SLURM_LOCALID=str(process.placement.slot), **env)
        argv, variables, seen = _read(result)
        assert seen == gpus.split(",")
        found[process.rank] = (argv, variables)
    assert found == _planned(outcome)


def test_the_job_takes_the_leader_from_the_allocation(tmp_path: Path) -> None:
    folder = _written(_hosts(UNEVEN), tmp_path)
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    for name, text in (
        ("scontrol", '[[ "$*" == "show hostnames n[3-4]" ]] && printf "n3\\nn4\\n"'),
        ("srun", 'printf "%s\\n" "${GLM_LEADER_ADDRESS}" "$@"'),
    ):
        (stubs / name).write_text(f"#!/bin/bash\n{text}\n")
        (stubs / name).chmod(0o755)
    env = {"PATH": f"{stubs}:/usr/bin:/bin", "SLURM_JOB_NODELIST": "n[3-4]", "SLURM_SUBMIT_DIR": str(folder)}
    said = _run("bash", folder / "slurm/job.sh", "--print", **env).stdout.splitlines()
    assert said[0] == "n3"
    assert said[1:] == [
        "--kill-on-bad-exit=1",
        "--ntasks=5",
        "--gpus-per-task=2",
        "--cpus-per-task=24",
        "bash",
        f"{folder}/slurm/rank.sh",
        "--print",
    ]


def _asked(outcome: Outcome) -> list[str]:
    text = next(a.text for a in pipeline.render(outcome).artifacts if a.path == "slurm/job.sh")
    return [line.removeprefix("#SBATCH --") for line in text.splitlines() if line.startswith("#SBATCH")]


def test_the_job_asks_by_task_and_names_only_what_the_profile_names() -> None:
    asked = _asked(_one(targets=["slurm"]))
    assert {"nodes=1", "ntasks=1", "gpus-per-task=8", "exclusive"} <= set(asked)
    assert not [a for a in asked if a.partition("=")[0] in {"partition", "account", "qos", "time", "cpus-per-task"}]
    section = {"partition": "big", "account": "a1", "qos": "q", "time": "1-00:00:00", "cpus_per_task": 48}
    asked = _asked(_one(targets=["slurm"], slurm=section))
    assert {"partition=big", "account=a1", "qos=q", "time=1-00:00:00", "cpus-per-task=48"} <= set(asked)


def test_pyxis_is_an_option_and_registries_are_written_its_way() -> None:
    framework = {"name": "vllm", "image": "registry.example.com:5000/team/vllm:1"}
    outcome = _one(targets=["slurm"], framework=framework, slurm={"container": "pyxis"})
    text = next(a.text for a in pipeline.render(outcome).artifacts if a.path == "slurm/job.sh")
    assert "--container-image='registry.example.com:5000#team/vllm:1'" in text
    assert "--container-image" not in next(
        a.text for a in pipeline.render(_one(targets=["slurm"])).artifacts if a.path == "slurm/job.sh"
    )


@pytest.mark.parametrize("time", ["soon", "1:2", "-1", "1-1-1", "10 "])
def test_a_time_that_slurm_would_refuse_is_refused(time: str, run: Callable[..., Result]) -> None:
    result = run("plan", "glm-5.2-fp8-8xh200-vllm", "--set", f"slurm.time={time}")
    assert result.code != 0


def test_complaints_54_a_unit_may_start_as_long_as_the_plan_says_and_is_active_only_when_it_serves() -> None:
    outcome = _hosts("glm-5.2-bf16-16xh200-sglang")
    assert outcome.plan is not None
    for unit in (a.text for a in pipeline.render(outcome).artifacts if a.path.endswith(".service")):
        assert f"TimeoutStartSec={outcome.plan.startup_seconds}\n" in unit
        assert re.search(r"^ExecStartPost=.* --wait$", unit, re.MULTILINE)


@pytest.mark.parametrize("profile", PROFILES)
def test_complaints_55_each_container_has_a_large_shm(profile: str) -> None:
    outcome = _judged(
        pipeline.open_profile(profile).data, targets=["compose"], serving={"expose_unauthenticated": True}
    )
    if any(d.level == "error" for d in outcome.found):
        # without an image, Compose is refused: there is no container to look at
        pytest.skip("the profile has no image")
    for artifact in pipeline.render(outcome).artifacts:
        if artifact.path.endswith("compose.yaml"):
            services = ranks(yaml.safe_load(artifact.text)["services"])
            first = next(iter(services.values()))
            assert first["shm_size"] == "32gb"
            for service in list(services.values())[1:]:
                assert service["ipc"] == f"service:{next(iter(services))}"


def test_complaints_56_no_file_holds_a_token_and_each_names_where_it_comes_from(tmp_path: Path) -> None:
    outcome = _one(
        framework={"name": "sglang"},
        secrets={"api_key": "k", "hub_token": "h"},
        targets=["script", "compose", "systemd", "slurm"],
    )
    folder = _written(outcome, tmp_path)
    key = tmp_path / "key"
    key.write_text("topsecret\n")
    printed = _run("bash", folder / "script/serve.sh", "--print", GLMDEPLOY_API_KEY_FILE=str(key))
    assert "topsecret" not in printed.stdout + printed.stderr
    assert shlex.split(printed.stdout) == _planned(outcome)[0][0]
    assert "`GLMDEPLOY_API_KEY`" in (folder / "systemd/README.md").read_text()
    assert "GLMDEPLOY_API_KEY" in (folder / "slurm/README.md").read_text()


@pytest.mark.parametrize("framework", ["sglang", "vllm"])
def test_the_containers_shell_puts_the_key_where_the_engine_wants_it(framework: str, tmp_path: Path) -> None:
    outcome = _one(framework={"name": framework}, secrets={"api_key": "k"}, targets=["compose"])
    files = {a.path: a.text for a in pipeline.render(outcome).artifacts}
    service = yaml.safe_load(files["compose/compose.yaml"])["services"]["server"]
    key, stub = tmp_path / "key", tmp_path / "python3"
    key.write_text("it's $HOME\n")
    stub.write_text('#!/bin/sh\nprintf "%s\\n" "$@" "VLLM=${VLLM_API_KEY:-}"\n')
    stub.chmod(0o755)
    (tmp_path / "vllm").write_text(stub.read_text())
    (tmp_path / "vllm").chmod(0o755)
    shell = [w.replace("$$", "$").replace("/run/secrets/api-key", str(key)) for w in service["entrypoint"]]
    words = [w.replace("$$", "$") for w in service["command"]]
    assert words == _planned(outcome)[0][0]
    said = _run(*shell, *words, PATH=f"{tmp_path}:/usr/bin:/bin").stdout.splitlines()
    assert said[:-1] == [w.replace("<GLMDEPLOY_API_KEY>", "it's $HOME") for w in words[1:]]
    assert said[-1] == ("VLLM=it's $HOME" if framework == "vllm" else "VLLM=")


def _shard(path: Path, size: int = 16, cut: int = 0) -> None:
    header = json.dumps({"a": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    path.write_bytes((struct.pack("<Q", len(header)) + header + bytes(size))[: -cut or None])


def _checkpoint(folder: Path) -> None:
    folder.mkdir(parents=True)
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    index = {"metadata": {}, "weight_map": {f"w{i}": name for i, name in enumerate(names)}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    for name in names:
        _shard(folder / name)


@pytest.fixture
def download(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run download.sh with a stub for the hub's tool that brings a checkpoint."""
    outcome = _one(targets=["script"], model={"source": {"hub": "zai-org/GLM-5.2-FP8", "revision": "v1"}})
    script = _written(outcome, tmp_path / "bundle") / "script/download.sh"
    # a disk as large as the checkpoint is not to be had here
    script.write_text(re.sub(r"-ge \d+ ", "-ge 1 ", script.read_text()))
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    (stubs / "hf").write_text(f'#!/bin/bash\nprintf "%s\\n" "$*" >>{tmp_path}/asked\n')
    (stubs / "hf").chmod(0o755)

    def start(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
        return _run("bash", script, *words, PATH=f"{stubs}:/usr/bin:/bin", HF_HOME=str(tmp_path / "hf"), **env)

    return start


def _snapshot(tmp_path: Path) -> Path:
    hub = tmp_path / "hf/hub/models--zai-org--GLM-5.2-FP8"
    (hub / "refs").mkdir(parents=True)
    (hub / "refs/v1").write_text("abc")
    _checkpoint(hub / "snapshots/abc")
    return hub / "snapshots/abc"


def test_a_download_is_pinned_and_says_where_it_is(download: Callable[..., Any], tmp_path: Path) -> None:
    snapshot = _snapshot(tmp_path)
    assert download().stdout == f"{snapshot}\n"
    assert (tmp_path / "asked").read_text() == "download zai-org/GLM-5.2-FP8 --revision v1\n"


def _cut(snapshot: Path) -> None:
    _shard(snapshot / "model-00002-of-00002.safetensors", cut=1)


def _pointer(snapshot: Path) -> None:
    (snapshot / "model-00002-of-00002.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid x\n")


def _absent(snapshot: Path) -> None:
    (snapshot / "model-00002-of-00002.safetensors").unlink()


def _empty(snapshot: Path) -> None:
    (snapshot / "model-00002-of-00002.safetensors").write_text("")


@pytest.mark.parametrize("damage", [_cut, _pointer, _absent, _empty])
def test_complaints_57_a_failed_download_is_not_taken_for_a_whole_one(
    damage: Callable[[Path], None], download: Callable[..., Any], tmp_path: Path
) -> None:
    damage(_snapshot(tmp_path))
    result = download()
    assert result.returncode == 1
    assert "model-00002-of-00002.safetensors is missing or cut short" in result.stderr


def test_complaints_58_nothing_is_downloaded_offline(download: Callable[..., Any], tmp_path: Path) -> None:
    _snapshot(tmp_path)
    assert download(HF_HUB_OFFLINE="1").returncode == 0
    assert not (tmp_path / "asked").exists()


def _function(script: str, name: str) -> str:
    return script.partition(f"\n{name}() {{\n")[2].partition("\n}\n")[0]


def _check(script: str, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    fail = 'fail() { printf "error: %s\\n" "$1"; exit 1; }'
    return _run("bash", "-c", f"{fail}\nf() {{\n{_function(script, name)}\n}}\nf {shlex.join(words)}")


def _script(outcome: Outcome) -> str:
    return next(a.text for a in pipeline.render(outcome).artifacts if a.path.startswith("script/") and "rank" in a.text)


def test_a_taken_port_is_found_before_the_start() -> None:
    script = _script(_one(targets=["script"]))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = str(listener.getsockname()[1])
        assert f"port {port} is taken" in _check(script, "check_port", port).stdout
    assert _check(script, "check_port", port).returncode == 0


@pytest.mark.parametrize(("isa", "flag"), [("amx", "amx_tile"), ("avx512", "avx512_bf16"), ("avx2", "avx2")])
def test_the_cpus_flags_are_those_that_the_plans_kernels_need(isa: str, flag: str) -> None:
    cluster = {"gpu": "h100", "gpus": 8, "host_memory": "1 TiB", "cpu_cores": 96, "numa_nodes": 2, "cpu_isa": isa}
    script = _script(_one(framework={"name": "ktransformers"}, cluster=cluster, targets=["script"]))
    assert flag in _function(script, "check_cpu").split("for flag in ")[1].split(";")[0].split()
    assert "-eq 2" in _function(script, "check_numa")


def test_targets_are_the_same_in_the_profile_the_table_and_the_help(run: Callable[..., Result]) -> None:
    schema = Profile.model_json_schema()
    assert set(schema["properties"]["targets"]["items"]["enum"]) == set(TARGETS)
    assert all(name in run("render", "--help").out for name in TARGETS)


def test_waiting_ends_when_the_rank_answers(tmp_path: Path) -> None:
    folder = _written(_one(targets=["script"]), tmp_path)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = str(listener.getsockname()[1])
        with subprocess.Popen(
            ["bash", folder / "script/serve.sh", "--wait"], env={**os.environ, "GLM_PORT": port}
        ) as waiting:
            client, _ = listener.accept()
            with client:
                assert client.recv(100).startswith(b"GET /health HTTP/1.0\r\n")
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            assert waiting.wait(20) == 0
