"""The targets say the same: one command line and one environment per rank, everywhere."""

from __future__ import annotations

import re
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from conftest import BUNDLES, ranks

from glmdeploy import pipeline, report, resources, source
from glmdeploy.process import EVERYWHERE

if TYPE_CHECKING:
    from pathlib import Path

    from glmdeploy.pipeline import Outcome

PROFILES = sorted(resources.shipped_profiles())
LEADER = "10.0.0.1"
# What selects GPUs is the targets' own: no plan can say it of pods and reservations.
VISIBLE = {"CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"}
OF_COMPOSE = VISIBLE | {"HF_HUB_OFFLINE"}  # the weights are there when a rank starts


def _outcome(profile: str) -> Outcome:
    return pipeline.judge(pipeline.open_profile(profile))


def _with(profile: str, target: str) -> bool:
    return target in (source.read(resources.shipped_profiles()[profile]).data["targets"])


def _expected(profile: str, leader: str = LEADER) -> dict[int, tuple[list[str], dict[str, str]]]:
    return {p.rank: (p.words(leader=leader), dict(p.env)) for p in _outcome(profile).processes}


@pytest.mark.parametrize("profile", [p for p in PROFILES if _with(p, "script")])
def test_scripts_print_the_plans_command(profile: str) -> None:
    printed: dict[int, list[str]] = {}
    for process in _outcome(profile).processes:
        name = {"server": "serve"}.get(process.role, process.role)
        rank = ["--rank", str(process.rank)] if process.role == "worker" else []
        script = BUNDLES / profile / f"script/{name}.sh"
        result = subprocess.run(
            ["bash", str(script), *rank, "--print"],
            capture_output=True,
            text=True,
            check=True,
            env={"GLM_LEADER_ADDRESS": LEADER, "PATH": "/usr/bin:/bin"},
        )
        printed[process.rank] = shlex.split(result.stdout)
    assert printed == {rank: argv for rank, (argv, _) in _expected(profile).items()}


@pytest.mark.parametrize("profile", [p for p in PROFILES if _with(p, "compose")])
def test_compose_files_hold_the_plans_command_and_environment(profile: str) -> None:
    found: dict[int, tuple[list[str], dict[str, str]]] = {}
    expected = _expected(profile)
    services: list[tuple[str, Any]] = [
        s
        for f in (BUNDLES / profile / "compose").rglob("compose.yaml")
        for s in ranks(yaml.safe_load(f.read_text())["services"]).items()
    ]
    for name, service in services:
        rank = int(name.partition("-")[2] or 0)
        entrypoint = [] if service["entrypoint"][0] == "/bin/sh" else service["entrypoint"]  # a shell reads the key
        words = [_interpolated(w) for w in (*entrypoint, *service["command"])]
        own = OF_COMPOSE - expected[rank][1].keys()
        env = {k: v.replace("$$", "$") for k, v in service.get("environment", {}).items() if k not in own}
        found[rank] = (words, env)
    assert found == expected


def _interpolated(word: str) -> str:
    filled = word.replace("${GLM_LEADER_ADDRESS:?address of host 0 that all hosts reach}", LEADER)
    return filled.replace("${GLM_BIND_ADDRESS:-127.0.0.1}", EVERYWHERE).replace("$$", "$")


@pytest.mark.parametrize("profile", [p for p in PROFILES if _with(p, "kubernetes")])
def test_pods_hold_the_plans_command_and_environment(profile: str) -> None:
    plan = _outcome(profile).plan
    assert plan is not None
    expected = _expected(profile)
    for rank, container in _containers(profile).items():
        for worker in [rank] if rank == 0 else range(1, plan.layout.nodes):
            words = [container["command"][0], *container["args"]]
            filled = [
                w.replace("$(LWS_LEADER_ADDRESS)", LEADER).replace("$(LWS_WORKER_INDEX)", str(worker)) for w in words
            ]
            argv = list(expected[worker][0])
            argv[argv.index("--port") + 1] = str(plan.spec.port)  # a pod has an address of its own
            assert filled == argv
            env = {e["name"]: e["value"] for e in container["env"] if "value" in e}
            own = OF_THE_POD - expected[worker][1].keys()
            assert {name: value for name, value in env.items() if name not in own} == expected[worker][1]


# What a pod sets beside the plan: home, user, caches, offline mode and the transport.
OF_THE_POD = {
    "CUDA_CACHE_PATH",
    "FLASHINFER_WORKSPACE_BASE",
    "HF_HUB_CACHE",
    "HF_HUB_OFFLINE",
    "HOME",
    "NCCL_CUMEM_ENABLE",
    "NCCL_IB_DISABLE",
    "NCCL_MNNVL_ENABLE",
    "NCCL_NET",
    "SGLANG_DG_CACHE_DIR",
    "TORCHINDUCTOR_CACHE_DIR",
    "TRANSFORMERS_OFFLINE",
    "TRITON_CACHE_DIR",
    "USER",
    "VLLM_CACHE_ROOT",
}


def _containers(profile: str) -> dict[int, dict[str, Any]]:
    """The container of rank 0 and that of the other ranks."""
    folder = BUNDLES / profile / "kubernetes"
    if (folder / "deployment.yaml").exists():
        pod = yaml.safe_load((folder / "deployment.yaml").read_text())["spec"]["template"]["spec"]
        return {0: pod["containers"][0]}
    template = yaml.safe_load((folder / "leaderworkerset.yaml").read_text())["spec"]["leaderWorkerTemplate"]
    return {
        0: template["leaderTemplate"]["spec"]["containers"][0],
        1: template["workerTemplate"]["spec"]["containers"][0],
    }


def _documents(profile: str) -> list[dict[str, Any]]:
    return [yaml.safe_load(f.read_text()) for f in sorted((BUNDLES / profile / "kubernetes").glob("*.yaml"))]


@pytest.mark.parametrize("profile", [p for p in PROFILES if _with(p, "kubernetes")])
def test_objects_are_in_the_namespace_and_gpus_are_requested_as_limited(profile: str) -> None:
    for document in _documents(profile):
        if document["kind"] != "Kustomization":
            assert document["metadata"]["namespace"] == "llm"
    for container in _containers(profile).values():
        requests, limits = (dict(container["resources"][k]) for k in ("requests", "limits"))
        requests.pop("cpu")  # no limit: it would throttle
        assert requests == limits
        assert {"nvidia.com/gpu", "amd.com/gpu"} & limits.keys()
        assert {"memory", "ephemeral-storage"} <= limits.keys()


def test_ten_gpus_are_five_pods_of_two() -> None:
    lws = next(d for d in _documents("glm-5.2-fp8-10xh100-sglang") if d["kind"] == "LeaderWorkerSet")
    template = lws["spec"]["leaderWorkerTemplate"]
    pods = [template["leaderTemplate"], *[template["workerTemplate"]] * (template["size"] - 1)]
    assert [p["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] for p in pods] == [2] * 5
    assert (lws["spec"]["startupPolicy"], template["restartPolicy"]) == ("LeaderCreated", "RecreateGroupOnPodRestart")
    service = next(d for d in _documents("glm-5.2-fp8-10xh100-sglang") if d["kind"] == "Service")
    assert service["spec"]["selector"]["role"] == "leader"


def test_probes_are_what_each_engine_answers() -> None:
    leader, worker = (_containers("glm-5.2-fp8-10xh100-sglang")[r] for r in (0, 1))
    assert leader["readinessProbe"]["timeoutSeconds"] >= 25  # /health generates a token
    assert worker["livenessProbe"]["httpGet"]["path"] == "/health"
    headless = _containers("glm-5.2-fp8-16xh100-vllm")[1]
    assert "exec" in headless["livenessProbe"]
    assert "ports" not in headless
    assert "29501" in headless["livenessProbe"]["exec"]["command"][-1]


@pytest.mark.parametrize("profile", [p for p in PROFILES if _with(p, "kubernetes")])
def test_start_up_may_take_as_long_as_the_plan_says(profile: str) -> None:
    plan = _outcome(profile).plan
    assert plan is not None
    for container in _containers(profile).values():
        probe = container["startupProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] >= plan.startup_seconds > 2 * plan.load_seconds


@pytest.mark.parametrize("profile", PROFILES)
def test_no_manifest_holds_what_flux_would_substitute(profile: str) -> None:
    for file in (BUNDLES / profile).glob("kubernetes/*.yaml"):
        assert "${" not in file.read_text()


def _judged(tmp_path: Path, **sections: Any) -> Outcome:
    data = {
        "apiVersion": "glmdeploy/v1",
        "name": "t",
        "cluster": {"gpu": "h200", "gpus": 8},
        "framework": {"name": "vllm"},
        **sections,
    }
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump(data))
    return pipeline.judge(source.read(path))


HOSTILE = [
    "$HOME",
    "${HOME}",
    "$(touch x)",
    "`id`",
    "a b",
    "it's",
    'say "no"',
    "yes",
    "1:30",
    "%{x}",
    "{{ x }}",
    "#",
    "\\",
    "*",
    "$$(X)",
    "$$",
    "$$$X",
]


def _as_the_kubelet_reads(word: str) -> str:
    """Two dollars are one, and a dollar before a name in parentheses would be a reference."""
    read = re.sub(r"\$(\$|\(\w+\))", lambda m: "$" if m[1] == "$" else "<reference>", word)
    assert "<reference>" not in read
    return read


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_stay_words_in_every_target(tmp_path: Path, text: str) -> None:
    outcome = _judged(tmp_path, env={"X": text}, extra_args=["--chat-template", text])
    files = {a.path: a.text for a in pipeline.render(outcome).artifacts}
    script = tmp_path / "serve.sh"
    script.write_text(files["script/serve.sh"])
    printed = subprocess.run(["bash", str(script), "--print"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert shlex.split(printed.stdout)[-2:] == ["--chat-template", text]
    compose = yaml.safe_load(files["compose/compose.yaml"])["services"]["server"]
    assert compose["command"][-1].replace("$$", "$") == text
    assert compose["environment"]["X"].replace("$$", "$") == text
    container = yaml.safe_load(files["kubernetes/deployment.yaml"])["spec"]["template"]["spec"]["containers"][0]
    assert _as_the_kubelet_reads(container["args"][-1]) == text
    assert _as_the_kubelet_reads(next(e["value"] for e in container["env"] if e["name"] == "X")) == text
    assert not (tmp_path / "x").exists()


def test_secrets_are_references_and_never_values(tmp_path: Path) -> None:
    outcome = _judged(tmp_path, framework={"name": "sglang"}, secrets={"api_key": "glm-api-key", "hub_token": "hf"})
    files = {a.path: a.text for a in pipeline.render(outcome).artifacts}
    container = yaml.safe_load(files["kubernetes/deployment.yaml"])["spec"]["template"]["spec"]["containers"][0]
    assert container["args"][container["args"].index("--api-key") + 1] == "$(GLMDEPLOY_API_KEY)"
    assert [e["valueFrom"]["secretKeyRef"]["name"] for e in container["env"] if "valueFrom" in e] == ["glm-api-key"]
    services = yaml.safe_load(files["compose/compose.yaml"])["services"]
    assert {name: s.get("secrets") for name, s in services.items()} == {
        "server": ["api-key"],
        "check-weights": None,
        "download": ["hub-token"],
    }
    assert [w for w in services["download"]["environment"].values() if "token" in w] == ["/run/secrets/hub-token"]
    assert "GLMDEPLOY_API_KEY_FILE=\n" in files["compose/.env.example"]
    script = tmp_path / "serve.sh"
    script.write_text(files["script/serve.sh"])
    env = {"GLMDEPLOY_API_KEY": "topsecret", "PATH": "/usr/bin:/bin"}
    printed = subprocess.run(["bash", str(script), "--print"], capture_output=True, text=True, check=True, env=env)
    assert "topsecret" not in printed.stdout
    assert report.API_KEY in report.as_json(outcome.plan, outcome.processes, outcome.found)


def test_kubernetes_names_have_no_dots() -> None:
    names = {d["metadata"]["name"] for d in _documents("glm-5.2-fp8-8xh200-vllm") if d["kind"] != "Kustomization"}
    assert all(re.fullmatch(r"glm-5-2-fp8-8xh200-vllm[a-z0-9-]*", name) for name in names)


def test_a_version_without_an_image_carries_a_dockerfile(tmp_path: Path) -> None:
    outcome = _judged(tmp_path, framework={"name": "sglang", "version": "0.5.23"})
    files = {a.path: a.text for a in pipeline.render(outcome).artifacts}
    assert "RUN pip install --no-cache-dir sglang==0.5.23\n" in files["Dockerfile"]
    service = yaml.safe_load(files["compose/compose.yaml"])["services"]["server"]
    assert (service["image"], service["build"]) == ("glm-5.2-sglang:0.5.23", "..")
