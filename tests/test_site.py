"""What sites differ in and a bundle must not guess: GPUs' device files, addresses, Git servers, storage, node limits."""

from __future__ import annotations

import re
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from conftest import ranks

from glmdeploy import pipeline, source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Result

AMD = {"cluster": {"gpu": "mi300x", "gpus": 8}, "kubernetes": {"supplemental_groups": [44]}}
TWO_HOSTS = {"cluster": {"gpu": "h100", "gpus": 16}, "kubernetes": {"storage_class": "files"}}
FIVE_RANKS = {"cluster": {"gpu": "h100", "gpus": 10}, "framework": {"name": "sglang"}}
GIT = {"repository": "https://git.example.com/llm.git", "path": "glm/kubernetes", "revision": "main"}
KEY = {"secrets": {"api_key": "glm-api-key"}}


def judged(**sections: Any) -> pipeline.Outcome:
    base = {"apiVersion": "glmdeploy/v1", "name": "t", "cluster": {"gpu": "h200", "gpus": 8}}
    return pipeline.judge(source.parse("p.yaml", yaml.safe_dump({**base, "framework": {"name": "vllm"}, **sections})))


def files(**sections: Any) -> dict[str, str]:
    return {a.path: a.text for a in pipeline.render(judged(**sections)).artifacts}


def codes(**sections: Any) -> set[str]:
    return {d.code for d in judged(**sections).found}


def services(text: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = ranks(yaml.safe_load(text)["services"])
    return found


def pod(text: str) -> dict[str, Any]:
    spec = yaml.safe_load(text)["spec"]
    template = spec["template"] if "template" in spec else spec["leaderWorkerTemplate"]["leaderTemplate"]
    found: dict[str, Any] = template["spec"]
    return found


def bash(script: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": "/usr/bin:/bin", **env}
    return subprocess.run(["bash", script, *words], capture_output=True, text=True, check=False, env=clean, timeout=60)


# --- AMD GPUs: device files and what ROCm needs -------------------------------------------------


def topology(folder: Path, sizes: list[int]) -> None:
    """The driver's nodes as a host with two CPUs shows them; an MI300X takes eight render minors."""
    banks = {0: (0, 1 << 40), 1: (0, 1 << 40)} | {i + 2: (1, size) for i, size in enumerate(sizes)}
    for node, (heap, size) in banks.items():
        bank = folder / f"{node}/mem_banks/0"
        bank.mkdir(parents=True)
        (bank / "properties").write_text(f"heap_type {heap}\nsize_in_bytes {size}\nflags 0\nwidth 8192\n")
        minor = 128 + 8 * (node - 2) if heap else -1
        (folder / f"{node}/gpu_id").write_text(f"{40000 + node if heap else 0}\n")
        (folder / f"{node}/properties").write_text(f"drm_render_minor {minor}\n")


def checked_gpus(tmp_path: Path, gpus: str) -> subprocess.CompletedProcess[str]:
    """What the preflight says of a host whose driver shows seven large GPUs and a small one."""
    topology(tmp_path / "nodes", [*[192 << 30] * 7, 64 << 30])
    text = files(**AMD)["script/serve.sh"]
    text = text.replace("/sys/class/kfd/kfd/topology/nodes", str(tmp_path / "nodes")).replace("-e /dev/kfd", "-e /")
    head = text.partition("\ncheck_driver() {")[0].partition("\ncheck_port() {")[0]
    functions = head[head.index("\ngpu_memory() {") : head.index("\n}\n", head.index("\ncheck_gpus() {")) + 3]
    script = tmp_path / "check.sh"
    fail = 'fail() { printf "error: %s\\n" "$1" >&2; exit 1; }'
    needed = len(gpus.split(","))
    functions = functions.replace("-eq 8 ]]", f"-eq {needed} ]]")
    script.write_text(f"set -euo pipefail\n{fail}\ngpus={gpus}\n{functions}\ncheck_gpus\n")
    return bash(script)


@pytest.mark.parametrize(
    ("gpus", "says"),
    [
        pytest.param("0,1,2,3,4,5,6", "", id="all-large"),
        pytest.param("7", "GPU 7 has 65536 MiB", id="another-product"),
        pytest.param("8", "there is no GPU 8", id="absent"),
        pytest.param("GPU-x", "there is no GPU GPU-x", id="no-number"),
    ],
)
def test_the_memory_of_an_amd_gpu_is_read_by_the_drivers_nodes(tmp_path: Path, gpus: str, says: str) -> None:
    result = checked_gpus(tmp_path, gpus)
    assert (result.returncode, says in result.stderr) == (int(bool(says)), True)
    assert says or not result.stderr


def test_no_render_node_is_computed_in_any_target() -> None:
    found = files(**AMD, targets=["script", "compose", "kubernetes", "systemd", "slurm"])
    assert [path for path, text in found.items() if "renderD" in text] == []


def test_compose_gives_rocm_all_device_files_and_selects_gpus_by_number() -> None:
    service = services(files(**AMD)["compose/compose.yaml"])["server"]
    assert service["devices"] == ["/dev/kfd", "/dev/dri"]
    assert service["environment"]["HIP_VISIBLE_DEVICES"] == "0,1,2,3,4,5,6,7"


def test_a_container_names_no_group_that_its_image_may_lack() -> None:
    assert "group_add" not in services(files(**AMD)["compose/compose.yaml"])["server"]


def test_rocm_needs_the_same_in_compose_and_in_pods() -> None:
    sections = {**AMD, "kubernetes": {**AMD["kubernetes"], "numa_binding": True}}
    found = files(**sections)
    service, container = services(found["compose/compose.yaml"])["server"], pod(found["kubernetes/deployment.yaml"])
    capabilities = container["containers"][0]["securityContext"]["capabilities"]
    assert (service["cap_drop"], service["cap_add"]) == (["ALL"], ["SYS_NICE"])
    assert (capabilities["drop"], capabilities["add"]) == (["ALL"], ["SYS_NICE"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert container["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


def test_a_pod_of_amd_gpus_says_what_it_cannot_do_without_the_capability() -> None:
    text = files(**AMD)["kubernetes/deployment.yaml"]
    assert ("kubernetes.numa_binding adds" in text, "add:" in text) == (True, False)


def test_units_do_not_protect_the_clock_which_hides_gpus_from_older_systemd() -> None:
    found = files(targets=["systemd"])
    assert not [p for p, t in found.items() if re.search("^ProtectClock=", t, re.MULTILINE)]


# --- who may reach the server -------------------------------------------------------------------


def test_a_leader_on_its_hosts_network_listens_on_loopback_until_told_otherwise() -> None:
    found = files(**TWO_HOSTS, targets=["compose"])
    for host in (0, 1):
        text = found[f"compose/host-{host}/compose.yaml"]
        (service,) = services(text).values()
        assert service["network_mode"] == "host"
        command = service["command"]
        assert command[command.index("--host") + 1] == "${GLM_BIND_ADDRESS:-127.0.0.1}"
        assert "0.0.0.0" not in text  # noqa: S104  what the test is about
    leader = services(found["compose/host-0/compose.yaml"])["leader"]
    assert "'http://${GLM_BIND_ADDRESS:-127.0.0.1}:8000/health'" in leader["healthcheck"]["test"][-1]


@pytest.mark.parametrize(("sections", "told"), [({}, True), (KEY, False)], ids=["open", "with-key"])
def test_the_leaders_env_file_says_whether_anybody_may_use_the_server(sections: dict[str, Any], *, told: bool) -> None:
    found = files(**TWO_HOSTS, **sections, targets=["compose"])
    leader, worker = (found[f"compose/host-{host}/.env.example"] for host in (0, 1))
    assert ("GLM_BIND_ADDRESS=\n" in leader, "GLM_BIND_ADDRESS" in worker) == (True, False)
    assert ("there is no API key" in leader) == told


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Start serve.sh with a stub for the engine that shows its words."""
    (tmp_path / "vllm").write_text('#!/bin/bash\nprintf "%s\\n" "$@"\n')
    (tmp_path / "vllm").chmod(0o755)

    def run(*words: str, sections: dict[str, Any], **env: str) -> subprocess.CompletedProcess[str]:
        script = tmp_path / "serve.sh"
        script.write_text(files(**sections)["script/serve.sh"])
        return bash(script, *words, PATH=f"{tmp_path}:/usr/bin:/bin", GLM_SKIP_PREFLIGHT="1", **env)

    return run


def test_a_script_listens_where_it_is_told(start: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    words = shlex.split(start("--print", sections={}, GLM_BIND_ADDRESS="10.0.0.5").stdout)
    assert words[words.index("--host") + 1] == "10.0.0.5"


@pytest.mark.parametrize(
    ("sections", "env", "warns"),
    [
        pytest.param({}, {}, True, id="everywhere-without-a-key"),
        pytest.param({}, {"GLM_BIND_ADDRESS": "127.0.0.1"}, False, id="loopback"),
        pytest.param(KEY, {"VLLM_API_KEY": "k"}, False, id="with-a-key"),
    ],
)
def test_a_script_warns_when_it_opens_a_server_without_a_key(
    start: Callable[..., subprocess.CompletedProcess[str]],
    sections: dict[str, Any],
    env: dict[str, str],
    *,
    warns: bool,
) -> None:
    result = start(sections=sections, **env)
    assert (result.returncode, "warning: no API key" in result.stderr) == (0, warns)
    assert "--host" in result.stdout.splitlines()


# --- one rank that dies -------------------------------------------------------------------------


def test_units_of_one_host_are_restarted_together() -> None:
    found = files(**FIVE_RANKS, layout={"pp": 5, "tp": 2}, targets=["systemd"])
    units = {p.rsplit("/", 1)[1]: t for p, t in found.items() if p.endswith(".service")}
    hosts = {p.rsplit("/", 1)[1]: p.split("/")[1] for p in found if p.endswith(".service")}
    for name, text in units.items():
        peers = re.findall(r"^PartOf=(.*)$", text, re.MULTILINE)
        others = sorted(n for n, host in hosts.items() if host == hosts[name] and n != name)
        assert sorted(" ".join(peers).split()) == others
    assert sum("PartOf=" in t for t in units.values()) == 4


@pytest.mark.parametrize("target", ["systemd", "compose"])
def test_the_readme_says_what_to_do_when_a_rank_dies(target: str) -> None:
    texts = [files(**sections, targets=[target])[f"{target}/README.md"] for sections in (TWO_HOSTS, {})]
    assert ["A rank that dies" in t for t in texts] == [True, False]


# --- pods ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("replicas", "keys"), [(2, ["leaderworkerset.sigs.k8s.io/group-key"]), (1, None)], ids=str)
def test_pods_gather_with_those_of_their_own_group(replicas: int, keys: list[str] | None) -> None:
    found = files(
        cluster={"gpu": "h100", "gpus": 16 * replicas},
        layout={"replicas": replicas},
        kubernetes={"storage_class": "files", "topology_key": "example.com/rack"},
        targets=["kubernetes"],
    )
    affinity = pod(found["kubernetes/leaderworkerset.yaml"])["affinity"]["podAffinity"]
    (term,) = affinity["preferredDuringSchedulingIgnoredDuringExecution"]
    assert term["podAffinityTerm"].get("matchLabelKeys") == keys


def test_a_broken_pod_does_not_keep_its_node_from_being_drained() -> None:
    found = files(cluster={"gpu": "h200", "gpus": 16}, layout={"replicas": 2}, targets=["kubernetes"])
    budget = yaml.safe_load(found["kubernetes/poddisruptionbudget.yaml"])
    assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def experts(**cluster: Any) -> dict[str, Any]:
    return {
        "framework": {"name": "ktransformers", "image": "registry.example.com/kt:1"},
        "cluster": {"gpu": "h100", "gpus": 8, "host_memory": "2 TiB", **cluster},
        "model": {"source": {"claim": "weights"}},
        "targets": ["kubernetes"],
    }


@pytest.mark.parametrize(("cores", "cpus"), [(96, "86"), (None, "96")], ids=str)
def test_a_pod_with_experts_in_ram_asks_for_the_threads_that_compute_them(cores: int | None, cpus: str) -> None:
    found = files(**experts(**({"cpu_cores": cores} if cores else {}), numa_nodes=2))
    (container,) = pod(found["kubernetes/deployment.yaml"])["containers"]
    words = container["args"]
    assert int(words[words.index("--kt-cpuinfer") + 1]) >= int(cpus)
    assert container["resources"]["requests"]["cpu"] == cpus


@pytest.mark.parametrize(("memory", "found"), [("500 GiB", True), ("1500 GiB", False)], ids=str)
def test_experts_count_in_the_memory_of_a_pod(memory: str, *, found: bool) -> None:
    sections = experts(cpu_cores=96, numa_nodes=2)
    assert ("GLM554" in codes(**sections, kubernetes={"memory": memory})) == found


# --- RDMA ---------------------------------------------------------------------------------------


def test_compose_containers_get_the_devices_that_the_profile_names() -> None:
    sections = {**TWO_HOSTS, "targets": ["compose"], "compose": {"devices": ["/dev/infiniband"]}}
    (service,) = services(files(**sections)["compose/host-1/compose.yaml"]).values()
    assert service["devices"] == ["/dev/infiniband"]
    assert ("GLM510" in codes(**sections), "GLM510" in codes(**TWO_HOSTS, targets=["compose"])) == (False, True)


@pytest.mark.parametrize("device", ["infiniband", "/dev/../etc", "/dev/a b", "/dev/x:/dev/y"])
def test_a_device_is_one_absolute_path(run: Callable[..., Result], device: str) -> None:
    result = run("plan", "glm-5.2-fp8-16xh100-vllm", "--set", f"compose.devices={device}")
    assert result.code == 1
    assert "compose.devices" in result.err


# --- Git servers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("repository", "address"),
    [
        ("git@git.example.com:llm/deploy.git", "ssh://git@git.example.com/llm/deploy.git"),
        ("git@git.example.com:/srv/deploy.git", "ssh://git@git.example.com/srv/deploy.git"),
        ("ssh://git@git.example.com:2222/llm.git", "ssh://git@git.example.com:2222/llm.git"),
        ("https://git.example.com/llm.git", "https://git.example.com/llm.git"),
    ],
)
def test_flux_gets_an_address_with_a_scheme_and_its_secret(repository: str, address: str) -> None:
    found = files(targets=["argocd", "flux"], git={**GIT, "repository": repository, "secret": "deploy-key"})
    spec = yaml.safe_load(found["flux/gitrepository.yaml"])["spec"]
    assert (spec["url"], spec["secretRef"]) == (address, {"name": "deploy-key"})
    assert re.match("^(http|https|ssh)://.*$", spec["url"])  # the pattern of Flux's own definition
    assert yaml.safe_load(found["argocd/application.yaml"])["spec"]["source"]["repoURL"] == repository


@pytest.mark.parametrize(
    "git", [{"path": "../x"}, {"path": "a/../../b"}, {"repository": "/srv/git"}, {"repository": "git.example.com/x"}]
)
def test_a_place_outside_a_repository_is_refused(run: Callable[..., Result], git: dict[str, str]) -> None:
    words = [w for k, v in {**GIT, **git}.items() for w in ("--set", f"git.{k}={v}")]
    result = run("plan", "glm-5.2-fp8-8xh200-vllm", *words)
    assert result.code == 1
    assert f"git.{next(iter(git))}" in result.err


def test_flux_does_not_wait_hours_for_weights() -> None:
    spec = yaml.safe_load(files(targets=["flux"], git=GIT)["flux/kustomization.yaml"])["spec"]
    assert (spec["wait"], spec["timeout"]) == (False, "5m")


# --- values -------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["null", "~", ""])
def test_null_is_no_value_of_an_option(run: Callable[..., Result], value: str) -> None:
    result = run("plan", "glm-5.2-fp8-8xh200-vllm", "--set", f"kubernetes.storage_class={value}")
    assert (result.code, "error[GLM015]" in result.err) == (1, True)


def test_a_variable_of_the_environment_may_be_called_null(run: Callable[..., Result], tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("render", "glm-5.2-fp8-8xh200-vllm", "-o", str(out), "--set", "env.X=null")
    assert result.code == 0, result.err
    service = services((out / "compose/compose.yaml").read_text())["server"]
    assert service["environment"]["X"] == "null"
