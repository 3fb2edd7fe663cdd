"""The Kubernetes bundle: what an API server and an operations team would ask of it.

A test with a number in its name answers that complaint of the users who were heard before this was written.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from conftest import BUNDLES
from kubernetes_validate.utils import all_versions
from packaging.version import Version
from test_external import CRD_FOLDER, CRDS, custom_objections, kubernetes_versions, schema_objection, tool
from test_external import run as run_tool
from test_targets import LEADER, OF_THE_POD

from glmdeploy import pipeline, report, source
from glmdeploy.diagnostics import ProfileError

if TYPE_CHECKING:
    from pathlib import Path

PROFILES = sorted(p.parent.name for p in BUNDLES.glob("*/kubernetes"))
GROUPS = [p for p in PROFILES if (BUNDLES / p / "kubernetes/leaderworkerset.yaml").exists()]
TWO_HOSTS = {"gpu": "h100", "gpus": 16}
RACK = {"gpu": "gb300", "gpus": 8}
RACKS = {"gpu": "gb300", "gpus": 16}
Objects = dict[str, dict[str, Any]]


@cache
def shipped(profile: str) -> Objects:
    """The objects of a golden bundle, by kind and name."""
    files = sorted((BUNDLES / profile / "kubernetes").glob("*.yaml"))
    return by_name([yaml.safe_load(f.read_text()) for f in files if f.name != "kustomization.yaml"])


def by_name(documents: list[dict[str, Any]]) -> Objects:
    return {f"{d['kind']}/{d['metadata']['name']}": d for d in documents}


def rendered(folder: Path, **sections: Any) -> Objects:
    """The objects that a profile of the test renders."""
    return by_name([yaml.safe_load(text) for path, text in files(folder, **sections).items() if _object(path)])


def _object(path: str) -> bool:
    return path.startswith("kubernetes/") and not path.endswith("/kustomization.yaml")


def files(folder: Path, **sections: Any) -> dict[str, str]:
    data = {"apiVersion": "glmdeploy/v1", "name": "t", "targets": ["kubernetes"], **sections}
    path = folder / "profile.yaml"
    path.write_text(yaml.safe_dump({"framework": {"name": "vllm"}, "cluster": {"gpu": "h200", "gpus": 8}} | data))
    outcome = pipeline.judge(source.read(path))
    return {a.path: a.text for a in pipeline.render(outcome).artifacts}


def of_kind(objects: Objects, kind: str) -> list[dict[str, Any]]:
    return [d for d in objects.values() if d["kind"] == kind]


def pods(objects: Objects) -> list[dict[str, Any]]:
    """The pod templates of the servers: one, or leader and worker."""
    for group in of_kind(objects, "LeaderWorkerSet"):
        template = group["spec"]["leaderWorkerTemplate"]
        return [template["leaderTemplate"], template["workerTemplate"]]
    return [d["spec"]["template"] for d in of_kind(objects, "Deployment")]


def every_pod(objects: Objects) -> list[dict[str, Any]]:
    return [*pods(objects), *(d["spec"]["template"] for d in of_kind(objects, "Job"))]


def environment(container: dict[str, Any]) -> dict[str, str]:
    return {e["name"]: e["value"] for e in container["env"] if "value" in e}


def server(pod: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = pod["spec"]["containers"][0]
    return found


# --- what every shipped bundle keeps ------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
def test_pods_hold_argv_and_environment_of_the_plans_json_word_for_word(profile: str) -> None:
    outcome = pipeline.judge(pipeline.open_profile(profile))
    assert outcome.plan is not None
    data = json.loads(report.as_json(outcome.plan, outcome.processes, outcome.found))
    for process in data["processes"]:
        container = server(pods(shipped(profile))[min(process["node_rank"], 1)])
        words = [container["command"][0], *container["args"]]
        rank = str(process["node_rank"])
        filled = [w.replace("$(LWS_LEADER_ADDRESS)", LEADER).replace("$(LWS_WORKER_INDEX)", rank) for w in words]
        expected = [w.replace(report.LEADER, LEADER) for w in process["argv"]]
        expected[expected.index("--port") + 1] = str(outcome.plan.spec.port)  # a pod has an address of its own
        key = {"$(GLMDEPLOY_API_KEY)": report.API_KEY}
        assert [key.get(w, w) for w in filled] == expected
        found = environment(container)
        assert {k: found[k] for k in process["env"]} == process["env"]
        assert found.keys() - process["env"].keys() <= OF_THE_POD


@pytest.mark.parametrize("profile", PROFILES)
def test_pods_are_restricted_but_for_host_folders(profile: str) -> None:
    for pod in every_pod(shipped(profile)):
        spec, context = pod["spec"], pod["spec"]["securityContext"]
        assert (context["runAsNonRoot"], context["seccompProfile"]) == (True, {"type": "RuntimeDefault"})
        assert context["runAsUser"] > 0
        assert spec["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        for container in (*spec["initContainers"], *spec["containers"]):
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert "privileged" not in container["securityContext"]
            assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"


@pytest.mark.parametrize("profile", PROFILES)
def test_a_pod_outside_the_restricted_standard_says_why(profile: str) -> None:
    text = next((BUNDLES / profile / "kubernetes").glob("[dl]e*t.yaml")).read_text()
    assert ("Outside the restricted" in text) == ("hostPath:" in text)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_user_has_a_home_a_name_and_writable_caches(profile: str) -> None:
    for pod in pods(shipped(profile)):
        container = server(pod)
        env, mounts = environment(container), {m["mountPath"]: m for m in container["volumeMounts"]}
        assert env["USER"]
        assert env["HOME"] == "/cache"
        caches = [v for k, v in env.items() if re.search("CACHE_DIR|CACHE_ROOT|CACHE_PATH|WORKSPACE_BASE", k)]
        assert all(folder.startswith("/cache/") for folder in caches)
        assert len(caches) >= 4
        assert all("readOnly" not in mounts[folder] for folder in ("/cache", "/tmp", "/dev/shm"))  # noqa: S108


@pytest.mark.parametrize("profile", PROFILES)
def test_references_inside_the_bundle_resolve(profile: str) -> None:
    objects = shipped(profile)
    for pod in every_pod(objects):
        volumes = {v["name"]: v for v in pod["spec"]["volumes"]}
        templates = {
            t["metadata"]["name"]
            for g in of_kind(objects, "LeaderWorkerSet")
            for t in g["spec"]["leaderWorkerTemplate"].get("volumeClaimTemplates", [])
        }
        for container in (*pod["spec"]["initContainers"], *pod["spec"]["containers"]):
            assert {m["name"] for m in container["volumeMounts"]} <= volumes.keys() | templates
        for volume in volumes.values():
            if "configMap" in volume:
                assert f"ConfigMap/{volume['configMap']['name']}" in objects
            if (
                volume.get("persistentVolumeClaim", {}).get("claimName", "").startswith("glm-5-2-")
            ):  # the others are the user's
                assert f"PersistentVolumeClaim/{volume['persistentVolumeClaim']['claimName']}" in objects


@pytest.mark.parametrize("profile", PROFILES)
def test_the_service_reaches_the_server_that_answers_and_never_the_download(profile: str) -> None:
    objects = shipped(profile)
    (service,) = of_kind(objects, "Service")
    selected = [p for p in every_pod(objects) if service["spec"]["selector"].items() <= p["metadata"]["labels"].items()]
    assert [server(p)["name"] for p in selected] == ["leader" if profile in GROUPS else "server"]
    assert service["spec"]["ports"][0]["targetPort"] in {p["name"] for p in server(selected[0])["ports"]}


@pytest.mark.parametrize("profile", PROFILES)
def test_the_network_policy_lets_clients_and_ranks_in(profile: str) -> None:
    (policy,) = of_kind(shipped(profile), "NetworkPolicy")
    clients, *others = policy["spec"]["ingress"]
    assert clients["ports"] == [{"protocol": "TCP", "port": "http"}]
    assert clients["from"][0]["namespaceSelector"]["matchExpressions"][0]["values"] == ["llm"]
    assert [bool(rule.get("ports")) for rule in others] == ([False] if profile in GROUPS else [])
    labels = policy["spec"]["podSelector"]["matchLabels"]
    assert all(labels.items() <= p["metadata"]["labels"].items() for p in pods(shipped(profile)))


@pytest.mark.parametrize("profile", PROFILES)
def test_objects_say_their_labels_and_licences(profile: str) -> None:
    for document in shipped(profile).values():
        labels = document["metadata"]["labels"]
        assert {"name", "instance", "version", "component", "part-of", "managed-by"} == {
            k.removeprefix("app.kubernetes.io/") for k in labels
        }
        assert all(re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", v) for v in labels.values())
        annotations = document["metadata"]["annotations"]
        assert annotations["glmdeploy/license-of-weights"] == "MIT"
        assert annotations["glmdeploy/license-of-code"] == "Apache-2.0"


@pytest.mark.parametrize("profile", PROFILES)
def test_one_replica_has_no_disruption_budget(profile: str) -> None:
    assert of_kind(shipped(profile), "PodDisruptionBudget") == []


@pytest.mark.parametrize("profile", PROFILES)
def test_a_pod_leaves_the_balancers_before_it_stops(profile: str) -> None:
    for pod in pods(shipped(profile)):
        sleep = server(pod)["lifecycle"]["preStop"]["exec"]["command"]
        assert int(sleep[1]) < pod["spec"]["terminationGracePeriodSeconds"]


# --- the complaints -----------------------------------------------------------------------------


@pytest.mark.parametrize("profile", GROUPS)
def test_46_every_pod_of_a_group_tells_whether_it_is_ready(profile: str) -> None:
    (group,) = of_kind(shipped(profile), "LeaderWorkerSet")
    assert group["spec"]["startupPolicy"] == "LeaderCreated"
    assert all("readinessProbe" in server(pod) for pod in pods(shipped(profile)))


@pytest.mark.parametrize("profile", [p for p in GROUPS if "vllm" in p])
def test_47_vllm_groups_need_no_ray(profile: str) -> None:
    for pod in pods(shipped(profile)):
        assert not [w for w in server(pod)["args"] if "ray" in w.lower()]
        assert "--nnodes" in server(pod)["args"]


@pytest.mark.parametrize("profile", [p for p in GROUPS if "vllm" in p])
def test_48_leader_and_worker_have_templates_of_their_own(profile: str) -> None:
    leader, worker = (server(p) for p in pods(shipped(profile)))
    assert ("--headless" in worker["args"], "--headless" in leader["args"]) == (True, False)
    assert leader["startupProbe"] != worker["startupProbe"]


@pytest.mark.parametrize("profile", GROUPS)
def test_49_the_group_is_as_large_as_the_plan(profile: str) -> None:
    plan = pipeline.judge(pipeline.open_profile(profile)).plan
    assert plan is not None
    (group,) = of_kind(shipped(profile), "LeaderWorkerSet")
    assert group["spec"]["leaderWorkerTemplate"]["size"] == plan.layout.nodes > 1
    assert group["spec"]["replicas"] == plan.layout.replicas


@pytest.mark.parametrize("profile", GROUPS)
def test_50_a_worker_whose_leader_is_gone_does_not_stay_alive(profile: str) -> None:
    worker = server(pods(shipped(profile))[1])
    probe = worker["livenessProbe"]
    if "--headless" in worker["args"]:
        assert "LWS_LEADER_ADDRESS" in probe["exec"]["command"][-1]
        assert worker["args"][worker["args"].index("--master-port") + 1] in probe["exec"]["command"][-1]
    else:
        assert probe["httpGet"]["path"] == "/health"
    group = of_kind(shipped(profile), "LeaderWorkerSet")[0]["spec"]["leaderWorkerTemplate"]
    assert group["restartPolicy"] == "RecreateGroupOnPodRestart"


@pytest.mark.parametrize("profile", GROUPS)
def test_51_waiting_for_the_leader_may_take_as_long_as_loading(profile: str) -> None:
    plan = pipeline.judge(pipeline.open_profile(profile)).plan
    assert plan is not None
    for pod in pods(shipped(profile)):
        container = server(pod)
        said = [*container["args"], *environment(container).values()]
        assert str(plan.startup_seconds) in said  # --dist-timeout, VLLM_ENGINE_READY_TIMEOUT_S
        probe = container["startupProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] >= plan.startup_seconds


@pytest.mark.parametrize(
    ("transport", "expected"),
    [
        pytest.param({"transport": "tcp"}, {"NCCL_IB_DISABLE": "1"}, id="tcp"),
        pytest.param({"rdma_resource": "rdma/hca"}, {"NCCL_NET": "IB"}, id="infiniband"),
        pytest.param(
            {"transport": "roce", "rdma_resource": "rdma/hca", "gid_index": 3},
            {"NCCL_NET": "IB", "NCCL_IB_GID_INDEX": "3"},
            id="roce",
        ),
        pytest.param({"transport": "efa"}, {"NCCL_NET": "AWS Libfabric"}, id="efa"),
        pytest.param({"transport": "none"}, {}, id="none"),
    ],
)
def test_52_a_named_transport_sets_nccl_and_guesses_no_nic(
    tmp_path: Path, transport: dict[str, Any], expected: dict[str, str]
) -> None:
    for pod in pods(rendered(tmp_path, cluster=TWO_HOSTS, kubernetes=transport)):
        env = environment(server(pod))
        assert {k: v for k, v in env.items() if k.startswith("NCCL")} == expected
        assert not {"NCCL_IB_HCA", "NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME", "UCX_NET_DEVICES"} & env.keys()


@pytest.mark.parametrize(
    ("transport", "resource", "count"),
    [
        pytest.param({"transport": "infiniband", "rdma_resource": "rdma/hca", "rdma_count": 8}, "rdma/hca", 8, id="ib"),
        pytest.param({"transport": "efa", "rdma_count": 32}, "vpc.amazonaws.com/efa", 32, id="efa"),
    ],
)
def test_53_rdma_transports_ask_for_devices_and_stay_restricted(
    tmp_path: Path, transport: dict[str, Any], resource: str, count: int
) -> None:
    for pod in pods(rendered(tmp_path, cluster=TWO_HOSTS, kubernetes=transport)):
        container = server(pod)
        assert container["resources"]["requests"][resource] == container["resources"]["limits"][resource] == count
        # not root: IPC_LOCK would not be effective, and the limit of the node's runtime counts (GLM550)
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["securityContext"]["allowPrivilegeEscalation"] is False


@pytest.mark.parametrize("profile", PROFILES)
def test_54_liveness_waits_for_loading_and_for_the_longest_prefill(profile: str) -> None:
    plan = pipeline.judge(pipeline.open_profile(profile)).plan
    assert plan is not None
    for pod in pods(shipped(profile)):
        container = server(pod)
        startup, liveness = container["startupProbe"], container["livenessProbe"]
        budget = startup["periodSeconds"] * startup["failureThreshold"]
        assert budget >= plan.spec.checkpoint.total_bytes / plan.spec.storage_bandwidth + 1200
        patience = liveness["periodSeconds"] * liveness["failureThreshold"]
        assert patience >= max(300, plan.settings.prefill_chunk / 500)
        if "sglang" in profile and container["name"] != "worker":
            assert {p["timeoutSeconds"] >= 25 for p in (startup, liveness, container["readinessProbe"])} == {True}
    for deployment in of_kind(shipped(profile), "Deployment"):
        assert deployment["spec"]["progressDeadlineSeconds"] >= plan.startup_seconds


@pytest.mark.parametrize("profile", PROFILES)
def test_55_shared_memory_is_large_and_inside_the_memory_limit(profile: str) -> None:
    for pod in pods(shipped(profile)):
        (shm,) = [v["emptyDir"] for v in pod["spec"]["volumes"] if v["name"] == "shm"]
        assert shm["medium"] == "Memory"
        size, limit = (
            int(q.removesuffix("Gi")) for q in (shm["sizeLimit"], server(pod)["resources"]["limits"]["memory"])
        )
        assert 20 <= size < limit


def test_56_secrets_are_references_and_the_hub_token_is_the_downloads_alone(tmp_path: Path) -> None:
    objects = rendered(tmp_path, secrets={"api_key": "keys", "hub_token": "hub"})
    (pod,), (job,) = pods(objects), of_kind(objects, "Job")
    containers = [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]
    assert "HF_TOKEN" not in {e["name"] for c in containers for e in c.get("env", [])}
    download, check = (job["spec"]["template"]["spec"][k][0] for k in ("initContainers", "containers"))
    token = next(e for e in download["env"] if e["name"] == "HF_TOKEN")
    assert token["valueFrom"] == {"secretKeyRef": {"name": "hub", "key": "token"}}
    assert "HF_TOKEN" not in {e["name"] for e in check["env"]}
    assert of_kind(objects, "Secret") == []


@pytest.mark.parametrize("profile", PROFILES)
def test_57_every_rank_mounts_the_weights_and_checks_them_first(profile: str) -> None:
    for pod in pods(shipped(profile)):
        (check,) = pod["spec"]["initContainers"]
        for container in (check, server(pod)):
            (mount,) = [m for m in container["volumeMounts"] if m["name"] == "weights"]
            assert mount["readOnly"] is True
        assert check["command"] == ["python3", "/scripts/weights.py"]


def _shard(size: int) -> bytes:
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(size)


@pytest.mark.parametrize(
    ("shards", "code", "says"),
    [
        pytest.param({"a": _shard(9), "b": _shard(5)}, 0, "is whole", id="whole"),
        pytest.param({"a": _shard(9)}, 1, "b is missing", id="missing"),
        pytest.param({"a": _shard(9), "b": _shard(5)[:-1]}, 1, "b has", id="cut-off"),
        pytest.param({"a": _shard(9), "b": b"\x05"}, 1, "b is cut off", id="cut-off-early"),
        pytest.param({"a": _shard(9), "b": b"\x02" + bytes(7) + b"<html>"}, 1, "not a safetensors", id="another-file"),
    ],
)
@pytest.mark.parametrize("hub", [False, True], ids=["folder", "hub-cache"])
def test_57_a_folder_that_is_not_empty_is_not_yet_a_checkpoint(
    tmp_path: Path, shards: dict[str, bytes], code: int, says: str, *, hub: bool
) -> None:
    (scripts,) = of_kind(shipped("glm-5.2-fp8-8xh200-vllm"), "ConfigMap")
    script = tmp_path / "weights.py"
    script.write_text(scripts["data"]["weights.py"])
    repository = tmp_path / "models--o--m"
    folder = repository / "snapshots/0123" if hub else tmp_path / "m"
    folder.mkdir(parents=True)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": "a", "y": "b", "z": "a"}}))
    for name, content in shards.items():
        (folder / name).write_bytes(content)
    where = ["--folder", str(folder)]
    if hub:
        (repository / "refs").mkdir()
        (repository / "refs/main").write_text("0123\n")
        where = ["--repository", "o/m", "--revision", "main"]
    result = subprocess.run(
        [sys.executable, str(script), *where],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_CACHE": str(tmp_path)},
    )
    assert (result.returncode, result.stderr) == (code, "")
    assert says in result.stdout


def test_57_the_download_is_pinned_resumed_and_checked(tmp_path: Path) -> None:
    hub = {"hub": "zai-org/GLM-5.2-FP8", "revision": "a" * 40}
    (job,) = of_kind(rendered(tmp_path, model={"source": hub}), "Job")
    spec = job["spec"]["template"]["spec"]
    assert spec["initContainers"][0]["command"] == ["hf", "download"]
    assert spec["initContainers"][0]["args"] == ["zai-org/GLM-5.2-FP8", "--revision", "a" * 40]
    assert spec["containers"][0]["args"] == ["--repository", "zai-org/GLM-5.2-FP8", "--revision", "a" * 40]
    assert (spec["restartPolicy"], job["spec"]["backoffLimit"]) == ("Never", 20)


def test_57_another_download_is_another_job(tmp_path: Path) -> None:
    names = set()
    for revision in ("main", "a" * 40):
        hub = {"hub": "zai-org/GLM-5.2-FP8", "revision": revision}
        names |= {d["metadata"]["name"] for d in of_kind(rendered(tmp_path, model={"source": hub}), "Job")}
    assert len(names) == 2
    assert all(re.fullmatch(r"t-download-[0-9a-f]{8}", n) for n in names)


@pytest.mark.parametrize(
    ("cluster", "mode", "beside"),
    [
        pytest.param({"gpu": "h200", "gpus": 8}, "ReadWriteOnce", True, id="one-host"),
        pytest.param(TWO_HOSTS, "ReadWriteMany", False, id="two-hosts"),
    ],
)
def test_57_a_claim_of_one_node_is_filled_on_the_servers_node(
    tmp_path: Path, cluster: dict[str, Any], mode: str, *, beside: bool
) -> None:
    objects = rendered(tmp_path, cluster=cluster)
    assert objects["PersistentVolumeClaim/t-weights"]["spec"]["accessModes"] == [mode]
    spec = of_kind(objects, "Job")[0]["spec"]["template"]["spec"]
    assert ("affinity" in spec) == beside
    if beside:
        (term,) = spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert term["labelSelector"]["matchLabels"].items() <= pods(objects)[0]["metadata"]["labels"].items()


@pytest.mark.parametrize("profile", PROFILES)
def test_58_servers_never_ask_the_hub(profile: str) -> None:
    for pod in pods(shipped(profile)):
        env = environment(server(pod))
        assert (env["HF_HUB_OFFLINE"], env["TRANSFORMERS_OFFLINE"]) == ("1", "1")


def test_58_an_air_gapped_site_names_its_mirrors(tmp_path: Path) -> None:
    site = {
        "image_mirror": "mirror.example.com/hub",
        "image_pull_secrets": ["mirror"],
        "hub_endpoint": "https://hub.example.com",
    }
    objects = rendered(tmp_path, kubernetes=site)
    for pod in every_pod(objects):
        images = {c["image"] for c in (*pod["spec"]["initContainers"], *pod["spec"]["containers"])}
        assert all(i.startswith("mirror.example.com/hub/vllm/") for i in images)
        assert pod["spec"]["imagePullSecrets"] == [{"name": "mirror"}]
    download = of_kind(objects, "Job")[0]["spec"]["template"]["spec"]["initContainers"][0]
    assert environment(download)["HF_ENDPOINT"] == "https://hub.example.com"


# --- labels of the site's own -------------------------------------------------------------------


def test_labels_reach_every_object_and_pod_and_no_selector(tmp_path: Path) -> None:
    own = {"example.com/team": "inference", "y": "1"}
    objects = rendered(tmp_path, cluster=TWO_HOSTS, kubernetes={"labels": own})
    plain = rendered(tmp_path, cluster=TWO_HOSTS)
    assert [o["metadata"]["labels"].items() >= own.items() for o in objects.values()] == [True] * len(plain)
    assert [p["metadata"]["labels"].items() >= own.items() for p in every_pod(objects)] == [True] * 3
    for found in (*objects.values(), *every_pod(objects)):
        for key in own:
            del found["metadata"]["labels"][key]
    assert _without_jobs(objects) == _without_jobs(plain)  # a job that differs has a name of its own


def _without_jobs(objects: Objects) -> Objects:
    return {name: found for name, found in objects.items() if found["kind"] != "Job"}


@pytest.mark.parametrize(
    "key", ["role", "app.kubernetes.io/name", "glmdeploy/replica", "job-name", "batch.kubernetes.io/x"]
)
def test_labels_that_select_pods_are_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(ProfileError) as refused:
        rendered(tmp_path, kubernetes={"labels": {key: "x"}})
    assert [(d.code, d.at) for d in refused.value.diagnostics] == [("GLM011", ("kubernetes", "labels"))]


# --- what the site's keys change ----------------------------------------------------------------

SITES: dict[str, dict[str, Any]] = {
    "everything": {
        "cluster": TWO_HOSTS,
        "kubernetes": {
            "storage_class": "fast",
            "cache_storage_class": "local",
            "cache_size": "30 GiB",
            "memory": "512 GiB",
            "run_as": 2000,
            "supplemental_groups": [44],
            "read_only_root": True,
            "priority_class": "serving",
            "gpu_products": ["NVIDIA-H100"],
            "node_labels": {"pool": "llm"},
            "labels": {"example.com/team": "inference", "y": "1"},
            "topology_key": "example.com/rack",
            "transport": "roce",
            "rdma_resource": "rdma/hca",
            "networks": "roce/a",
            "clients": ["gateway"],
            "monitoring": ["monitoring"],
            "monitor": "service",
            "image_pull_secrets": ["mirror"],
        },
    },
    "replicas": {
        "cluster": {"gpu": "h200", "gpus": 16},
        "layout": {"replicas": 2},
        "kubernetes": {"monitor": "pod"},
    },
    "rack": {"cluster": RACK, "layout": {"tp": 8}, "framework": {"name": "sglang"}},
    "ephemeral": {"kubernetes": {"cache": "ephemeral"}},
    "claim": {"model": {"source": {"claim": "weights"}}},
    "folder": {"model": {"source": {"path": "/srv/glm"}}},
    "image": {"model": {"source": {"oci": "registry.example.com/models/glm:fp8-1", "oci_folder": "models/glm"}}},
    "s3": {
        "cluster": TWO_HOSTS,
        "model": {
            "source": {"object_store": "s3://weights/glm/fp8", "endpoint": "https://s3.example.com", "region": "eu"}
        },
        "secrets": {"object_store": "store"},
    },
    "gs": {"model": {"source": {"object_store": "gs://weights/glm"}}, "secrets": {"object_store": "store"}},
    "racks": {"cluster": RACKS, "layout": {"tp": 8, "replicas": 2}, "framework": {"name": "sglang"}},
}


def site_versions(site: str) -> list[str]:
    """The oldest, the middle and the newest version of the API that knows what the site uses."""
    # volumes of images; how a disruption budget treats broken pods (the other new key, matchLabelKeys, is for groups)
    since = {"image": "1.33", "replicas": "1.31", "racks": "1.27"}.get(site)
    if not since:
        return kubernetes_versions()
    carried = [v for v in dict.fromkeys(all_versions()) if Version(v) >= Version(since)]
    return [carried[0], carried[len(carried) // 2], carried[-1]]


@pytest.mark.parametrize(("site", "version"), [(site, version) for site in SITES for version in site_versions(site)])
def test_schemas_take_what_the_keys_render(tmp_path: Path, site: str, version: str) -> None:
    custom = {*CRDS, "ComputeDomain"}
    objects = [d for d in rendered(tmp_path, **SITES[site]).values() if d["kind"] not in custom]
    assert [said for d in objects if (said := schema_objection(d, version))] == []


@pytest.mark.parametrize("site", SITES)
def test_custom_resource_definitions_take_what_the_keys_render(tmp_path: Path, site: str) -> None:
    custom = [d for d in rendered(tmp_path, **SITES[site]).values() if d["kind"] in CRDS]
    if not CRD_FOLDER.is_dir():
        # The published CRDs are data of others, which this repository does not ship.
        pytest.skip("NOT CHECKED: no published CRDs in ../shared/crds beside this checkout")
    assert [said for d in custom for said in custom_objections(d)] == []


@pytest.mark.external
def test_checkov_finds_nothing_that_is_not_explained(tmp_path: Path) -> None:
    checkov = tool("checkov")
    (tmp_path / "site").mkdir()
    sites = {site: rendered(tmp_path / "site", **SITES[site]) for site in ("image", "s3", "gs", "racks")}
    shutil.rmtree(tmp_path / "site")
    for profile, found in ({p: shipped(p) for p in PROFILES} | sites).items():
        objects = [*found.values()]
        # checkov knows no LeaderWorkerSet: its pods are shown to it as they would be made
        for pod, role in zip(pods(found), ("leader", "worker"), strict=False):
            metadata = {**pod["metadata"], "name": f"{profile}-{role}".replace(".", "-"), "namespace": "llm"}
            objects.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]})
        folder = tmp_path / profile
        folder.mkdir()
        (folder / "all.yaml").write_text(yaml.safe_dump_all(objects))
    config = BUNDLES.parents[1] / ".ci/checkov.yaml"
    result = run_tool(tmp_path, checkov, "-d", tmp_path, "--config-file", config, "-o", "json")
    summary = json.loads(result.stdout)
    assert summary["summary"]["parsing_errors"] == 0
    assert summary["summary"]["passed"] > 100 * len(PROFILES)
    failed = [f"{c['check_id']} {c['resource']}" for c in summary.get("results", {}).get("failed_checks", [])]
    assert (failed, result.returncode) == ([], 0)


@pytest.mark.external
def test_checkov_with_our_exceptions_still_refuses_a_privileged_container(tmp_path: Path) -> None:
    checkov = tool("checkov")
    (pod,) = pods(rendered(tmp_path))
    server(pod)["securityContext"]["privileged"] = True
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "llm"}, "spec": pod["spec"]}
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/pod.yaml").write_text(yaml.safe_dump(manifest))
    config = BUNDLES.parents[1] / ".ci/checkov.yaml"
    result = run_tool(tmp_path, checkov, "-d", tmp_path / "bad", "--config-file", config, "-o", "json")
    failed = {c["check_id"] for c in json.loads(result.stdout)["results"]["failed_checks"]}
    assert failed == {"CKV2_K8S_6", "CKV_K8S_16"}  # no NetworkPolicy beside it, and the privilege
    assert result.returncode == 1


@pytest.mark.external
@pytest.mark.parametrize("site", SITES)
def test_kustomize_builds_what_the_keys_render(tmp_path: Path, site: str) -> None:
    found = files(tmp_path, **SITES[site])
    for path, text in found.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    built = run_tool(tmp_path, tool("kubectl"), "kustomize", tmp_path / "kubernetes")
    assert (built.returncode, built.stderr) == (0, "")
    assert len(list(yaml.safe_load_all(built.stdout))) == len([p for p in found if _object(p)])


def test_keys_of_the_site_are_in_every_pod(tmp_path: Path) -> None:
    objects = rendered(tmp_path, **SITES["everything"])
    for pod in pods(objects):
        spec = pod["spec"]
        assert spec["priorityClassName"] == "serving"
        assert spec["securityContext"]["supplementalGroups"] == [44]
        assert spec["securityContext"]["runAsUser"] == 2000
        terms = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
        assert {e["key"]: e["values"] for e in terms[0]["matchExpressions"]} == {
            "nvidia.com/gpu.product": ["NVIDIA-H100"],
            "pool": ["llm"],
        }
        (near,) = spec["affinity"]["podAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
        assert near["podAffinityTerm"]["topologyKey"] == "example.com/rack"
        assert pod["metadata"]["annotations"]["k8s.v1.cni.cncf.io/networks"] == "roce/a"
        assert server(pod)["securityContext"]["readOnlyRootFilesystem"] is True
        assert server(pod)["resources"]["limits"]["memory"] == "512Gi"
    (claim,) = of_kind(objects, "LeaderWorkerSet")[0]["spec"]["leaderWorkerTemplate"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "30Gi"
    (policy,) = of_kind(objects, "NetworkPolicy")
    named = [r["from"][0].get("namespaceSelector") for r in policy["spec"]["ingress"]]
    assert [n["matchExpressions"][0]["values"] for n in named if n] == [["gateway"], ["monitoring"]]


def test_replicas_have_a_disruption_budget_and_a_monitor(tmp_path: Path) -> None:
    objects = rendered(tmp_path, **SITES["replicas"])
    (budget,), (monitor,) = of_kind(objects, "PodDisruptionBudget"), of_kind(objects, "PodMonitor")
    assert budget["spec"]["maxUnavailable"] == 1
    for selector in (budget["spec"]["selector"], monitor["spec"]["selector"]):
        assert selector["matchLabels"].items() <= pods(objects)[0]["metadata"]["labels"].items()


def test_numa_binding_is_a_capability_that_the_pod_explains(tmp_path: Path) -> None:
    host = {"host_memory": "2 TiB", "cpu_cores": 96, "numa_nodes": 2}
    sections = {
        "framework": {"name": "ktransformers", "image": "registry.example.com/kt:1"},
        "cluster": {"gpu": "h100", "gpus": 8, **host},
        "model": {"source": {"claim": "weights"}},
    }
    text = files(tmp_path, **sections)["kubernetes/deployment.yaml"]
    assert ("kubernetes.numa_binding adds" in text, "add:" in text) == (True, False)
    text = files(tmp_path, **sections, kubernetes={"numa_binding": True})["kubernetes/deployment.yaml"]
    assert "# Outside the restricted Pod Security Standard: SYS_NICE." in text
    assert 'add: ["SYS_NICE"]' in text


def test_trays_of_a_rack_share_a_compute_domain(tmp_path: Path) -> None:
    objects = rendered(tmp_path, **SITES["rack"])
    domain = objects["ComputeDomain/t-nvlink"]
    assert domain["spec"] == {"numNodes": 0, "channel": {"resourceClaimTemplate": {"name": "t-nvlink"}}}
    for pod in pods(objects):
        assert pod["spec"]["resourceClaims"] == [{"name": "nvlink", "resourceClaimTemplateName": "t-nvlink"}]
        assert server(pod)["resources"]["claims"] == [{"name": "nvlink"}]
        assert environment(server(pod))["NCCL_MNNVL_ENABLE"] == "1"


def test_a_gpu_without_a_known_label_is_left_to_the_user(tmp_path: Path) -> None:
    sections = {"cluster": {"gpu": "mi325x", "gpus": 8}, "kubernetes": {"supplemental_groups": [44]}}
    text = files(tmp_path, **sections)["kubernetes/deployment.yaml"]
    assert "nodeAffinity" not in text
    assert "name it in kubernetes.gpu_products" in text


GIT = {"repository": "https://git.example.com/llm.git", "path": "glm/kubernetes/", "revision": "main"}


def test_argo_cd_and_flux_point_at_the_bundle(tmp_path: Path) -> None:
    found = files(tmp_path, targets=["kubernetes", "argocd", "flux"], git=GIT)
    application = yaml.safe_load(found["argocd/application.yaml"])["spec"]
    assert application["source"] == {"repoURL": GIT["repository"], "path": "glm/kubernetes", "targetRevision": "main"}
    assert application["destination"]["namespace"] == "llm"
    kustomization = yaml.safe_load(found["flux/kustomization.yaml"])["spec"]
    assert kustomization["path"] == "./glm/kubernetes"
    assert yaml.safe_load(found["flux/gitrepository.yaml"])["spec"]["ref"] == {"branch": "main"}
    documents = [yaml.safe_load(t) for p, t in found.items() if _object(p)]
    kept = [d["metadata"]["annotations"] for d in documents if d["kind"] == "PersistentVolumeClaim"]
    assert {a["kustomize.toolkit.fluxcd.io/prune"] for a in kept} == {"disabled"}
    assert all("Prune=false" in a["argocd.argoproj.io/sync-options"] for a in kept)


@pytest.mark.parametrize(
    ("revision", "word"), [("main", "branch"), ("refs/tags/v1", "name"), ("0" * 40, "commit")], ids=str
)
def test_flux_takes_branches_tags_and_commits(tmp_path: Path, revision: str, word: str) -> None:
    found = files(tmp_path, targets=["flux"], git={**GIT, "revision": revision})
    assert yaml.safe_load(found["flux/gitrepository.yaml"])["spec"]["ref"] == {word: revision}


@pytest.mark.parametrize("site", SITES)
def test_no_site_renders_what_flux_would_substitute(tmp_path: Path, site: str) -> None:
    found = files(tmp_path, **{**SITES[site], "targets": ["kubernetes", "argocd", "flux"], "git": GIT})
    assert all("${" not in text for path, text in found.items() if not path.startswith("Dockerfile"))


def test_each_replica_on_racks_has_a_domain_and_a_rule_that_keeps_it_in_one_rack(tmp_path: Path) -> None:
    objects = rendered(tmp_path, **SITES["racks"])
    groups = of_kind(objects, "LeaderWorkerSet")
    assert [g["metadata"]["name"] for g in groups] == ["t-g0", "t-g1"]
    for index, group in enumerate(groups):
        domain = f"t-g{index}-nvlink"
        channel = {"resourceClaimTemplate": {"name": domain}}
        assert objects[f"ComputeDomain/{domain}"]["spec"] == {"numNodes": 0, "channel": channel}
        assert group["spec"]["replicas"] == 1
        template = group["spec"]["leaderWorkerTemplate"]
        for pod in (template["leaderTemplate"], template["workerTemplate"]):
            assert pod["spec"]["resourceClaims"] == [{"name": "nvlink", "resourceClaimTemplateName": domain}]
            (term,) = pod["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            assert term["topologyKey"] == "nvidia.com/gpu.clique"
            selected = term["labelSelector"]["matchLabels"]
            assert selected.items() <= pod["metadata"]["labels"].items()
            other = groups[1 - index]["spec"]["leaderWorkerTemplate"]["leaderTemplate"]
            assert not selected.items() <= other["metadata"]["labels"].items()
    assert len(of_kind(objects, "ComputeDomain")) == 2


def test_one_service_and_one_budget_reach_the_groups_of_all_racks(tmp_path: Path) -> None:
    objects = rendered(tmp_path, **SITES["racks"])
    leaders = [g["spec"]["leaderWorkerTemplate"]["leaderTemplate"] for g in of_kind(objects, "LeaderWorkerSet")]
    (service,), (budget,) = of_kind(objects, "Service"), of_kind(objects, "PodDisruptionBudget")
    for selector in (service["spec"]["selector"], budget["spec"]["selector"]["matchLabels"]):
        assert all(selector.items() <= pod["metadata"]["labels"].items() for pod in leaders)
