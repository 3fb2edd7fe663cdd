"""Detect: recorded hosts, this machine, and everything that a driver or a container may do to it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import TESTS
from jsonschema import Draft202012Validator

from glmdeploy import catalog, detect, schemas, source
from glmdeploy.detect import Sources, amd, judge, nvidia, system, tools
from glmdeploy.detect.match import gpu_of
from glmdeploy.detect.report import for_people
from glmdeploy.detect.root import Root
from glmdeploy.detect.seen import Cpu, Device, Devices, Disk, Host, Memory, Port
from glmdeploy.diagnostics import ProfileError
from glmdeploy.units import GIB, MIB

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Result

    from glmdeploy.detect import Report

    Run = Callable[..., Result]

HOSTS = TESTS / "data" / "hosts"


def unpack(name: str, folder: Path, **extra: str) -> Path:
    """The files of a recorded tree; extra ones win."""
    pieces = re.split(r"^=== (/\S+)\n", (HOSTS / f"{name}.tree").read_text(), flags=re.MULTILINE)[1:]
    write_tree(folder, dict(zip(pieces[::2], pieces[1::2], strict=True)) | extra)
    return folder


def write_tree(folder: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        file = folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def recorded(name: str, tmp_path: Path) -> Report:
    xml = HOSTS / f"{name}.xml"
    return detect.read(Sources(unpack(name, tmp_path / "root"), xml if xml.exists() else None))


def smi(name: str) -> Report:
    """GPUs of a recording, on a host of which nothing else is known."""
    return detect.read(Sources(HOSTS, HOSTS / name))


def codes(report: Report) -> list[str]:
    return [d.code for d in report.found]


def message(report: Report, code: str) -> str:
    return next(d.message for d in report.found if d.code == code)


# --- recorded hosts ---------------------------------------------------------------------------------------------------

SECTIONS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "h100": (
        {
            "gpu": "h100",
            "gpus": 8,
            "gpus_per_node": 8,
            "host_memory": "2015 GiB",
            "cpu_cores": 112,
            "numa_nodes": 2,
            "cpu_isa": "amx",
            "fabric": "infiniband",
        },
        ["GLM940", "GLM948"],
    ),
    "h200": (
        {
            "gpu": "h200",
            "gpus": 8,
            "gpus_per_node": 8,
            "host_memory": "2015 GiB",
            "cpu_cores": 96,
            "numa_nodes": 2,
            "cpu_isa": "amx",
            "fabric": "roce",
        },
        ["GLM940"],
    ),
    "b200": (
        {
            "gpu": "b200",
            "gpus": 8,
            "gpus_per_node": 8,
            "host_memory": "2015 GiB",
            "cpu_cores": 112,
            "numa_nodes": 4,
            "cpu_isa": "amx",
            "fabric": "infiniband",
        },
        ["GLM940", "GLM954", "GLM955"],
    ),
    "mi300x": (
        {
            "gpu": "mi300x",
            "gpus": 8,
            "gpus_per_node": 8,
            "host_memory": "2015 GiB",
            "cpu_cores": 96,
            "numa_nodes": 2,
            "cpu_isa": "avx512",
            "fabric": "roce",
        },
        ["GLM940", "GLM950"],
    ),
}


@pytest.mark.parametrize("name", SECTIONS)
def test_a_recorded_host_is_the_section_that_it_should_be(name: str, tmp_path: Path) -> None:
    report = recorded(name, tmp_path)
    section, said = SECTIONS[name]
    assert (report.cluster, codes(report)) == (section, said)


@pytest.mark.parametrize("name", SECTIONS)
def test_a_profile_of_a_recorded_host_is_accepted(name: str, tmp_path: Path, run: Run) -> None:
    root, xml = unpack(name, tmp_path / "root"), HOSTS / f"{name}.xml"
    argv = ["--root", str(root), *(["--nvidia-smi", str(xml)] if xml.exists() else [])]
    file = tmp_path / "prod.yaml"
    # one host of eight H100 is below the floor of the FP8 checkpoint, so two
    result = run("detect", *argv, "--profile", "prod", "--framework", "vllm", "--hosts", "2", "-o", str(file))
    assert (result.code, result.out) == (0, f"{file}\n")
    linted = run("lint", str(file))
    assert linted.code == 0, linted.err


@pytest.mark.parametrize("name", [*SECTIONS, "mi300x-cpx"])
def test_json_is_what_its_schema_says(name: str, tmp_path: Path, run: Run) -> None:
    root, xml = unpack(name, tmp_path / "root"), HOSTS / f"{name}.xml"
    argv = ["--root", str(root), *(["--nvidia-smi", str(xml)] if xml.exists() else [])]
    document = run("detect", *argv, "--format", "json").json
    Draft202012Validator(schemas.detect()).validate(document)
    assert len(document["host"]["gpus"]) == (1 if name == "mi300x-cpx" else 8)


def test_the_table_of_nvidia_smi_says_the_same_as_its_xml() -> None:
    assert smi("h200.csv").cluster == smi("h200.xml").cluster


def test_a_table_with_a_heading_and_units_is_read() -> None:
    head = "name, memory.total [MiB], driver_version, mig.mode.current\n"
    found = nvidia.from_text(head + "NVIDIA H200, 143771 MiB, 580.126.09, Disabled\n")
    assert found.devices == (Device("NVIDIA H200", 143771 * MIB),)


def test_people_see_gpus_cpu_ram_and_ports(tmp_path: Path, run: Run) -> None:
    root = unpack("h200", tmp_path / "root")
    shown = run("detect", "--root", str(root), "--nvidia-smi", str(HOSTS / "h200.xml"), "--format", "text").out
    assert "GPUs     8 x NVIDIA H200, 143,771 MiB, `h200-sxm-141gb`\n" in shown
    assert "driver   580.126.09, read by nvidia-smi; links: yes\n" in shown
    assert "CPU      96 cores, 192 threads, 2 NUMA nodes, amx\n" in shown
    assert "RDMA     mlx5_0: Ethernet, 400 Gbit/s, active\n" in shown


# --- GPUs that are not what they seem ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "gpu", "count", "code", "part"),
    [
        pytest.param("mixed.xml", "l40s", 4, "GLM943", "4 x NVIDIA L40S 48 GB, 2 x NVIDIA RTX PRO 6000", id="mixed"),
        pytest.param("mig.xml", "h200", 6, "GLM944", "2 GPUs divided into parts (MIG)", id="mig"),
        pytest.param("lost.xml", "h200", 6, "GLM945", "1 GPU not counted: it does not answer", id="lost"),
        pytest.param("recovery.xml", "h200", 7, "GLM945", "the driver asks for: GPU Reset", id="recovery"),
        pytest.param("vgpu.xml", None, None, "GLM946", "1 GPU shared by a hypervisor", id="vgpu"),
        pytest.param("fabric.xml", "h200", 8, "GLM953", "not up: In Progress", id="fabric"),
    ],
)
def test_what_is_no_whole_working_gpu_is_said_and_not_counted(
    name: str, gpu: str | None, count: int | None, code: str, part: str
) -> None:
    report = smi(name)
    assert (report.cluster.get("gpu"), report.cluster.get("gpus")) == (gpu, count)
    assert part in message(report, code)


def test_a_gpu_that_the_driver_counts_and_does_not_list_is_missed() -> None:
    messages = [d.message for d in smi("lost.xml").found if d.code == "GLM945"]
    assert messages[1] == "1 GPU not counted: the driver has 8 and lists 7"


def test_compute_partitions_are_one_divided_gpu(tmp_path: Path) -> None:
    report = recorded("mi300x-cpx", tmp_path)
    assert [(d.parts, g and g.id) for d, g in report.gpus] == [(8, "mi300x-192gb")]
    assert "gpu" not in report.cluster
    assert "CPX" in message(report, "GLM944")


def test_an_unknown_product_of_a_known_generation_is_not_taken_for_another(tmp_path: Path) -> None:
    report = recorded("mi308x", tmp_path)
    assert "gpu" not in report.cluster
    assert message(report, "GLM942") == "1 GPU not in the catalogue: gfx942, 1002:74a2, 196,608 MiB"


@pytest.mark.parametrize(
    ("device", "gpu"),
    [
        (Device("NVIDIA  h200 ", 143771 * MIB), "h200-sxm-141gb"),
        (Device("NVIDIA H200 NVL", 143771 * MIB), None),
        (Device("NVIDIA H20-3e", 143771 * MIB), "h20-141gb"),
        (Device("", 300000 * MIB, pci_id="1002:75a3", compute="gfx950"), "mi355x-288gb"),
        (Device("", 10 * MIB, pci_id="1002:75a3", compute="gfx950"), None),
        (Device("", 261824 * MIB, pci_id="1002:74b9", compute="gfx942"), "mi325x-256gb"),
    ],
)
def test_products_are_matched_by_name_id_or_generation(device: Device, gpu: str | None) -> None:
    found = gpu_of(device, catalog.load())
    assert (found and found.id) == gpu


@pytest.mark.parametrize(
    ("mib", "count"), [(143771, 1), (139460, 1), (139000, None), (71885, None), (143771 * 103 // 100, 1)]
)
def test_memory_may_differ_by_ecc_and_not_by_a_product(mib: int, count: int | None, tmp_path: Path) -> None:
    file = tmp_path / "smi.csv"
    file.write_text(f"NVIDIA H200, {mib}, 580.1, Disabled\n")
    report = detect.read(Sources(HOSTS, file))
    assert report.cluster.get("gpus") == count
    assert ("GLM947" in codes(report)) == (count is None)


def test_strings_of_a_driver_are_data(tmp_path: Path, run: Run) -> None:
    name = "NVIDIA \x1b[31mH200\u202e\n# cluster: {gpu: b200}" + "x" * 5000
    file = tmp_path / "smi.csv"
    file.write_text(f'"{name}", 143771, "580\x1b[2J", Disabled\nNVIDIA H200, 143771, 580.1, Disabled\n')
    result = run("detect", "--root", str(HOSTS), "--nvidia-smi", str(file))
    assert source.parse("out", result.out).data["cluster"]["gpus"] == 1
    assert "\x1b" not in result.out + result.err
    assert "\u202e" not in result.out + result.err
    assert max(map(len, result.err.splitlines())) < 200
    shown = run("detect", "--root", str(HOSTS), "--nvidia-smi", str(file), "--format", "json").out
    assert "\x1b" not in shown
    assert len(json.loads(shown)["host"]["gpus"][0]["name"]) == 100


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><nvidia_smi_log><gpu>&c;</gpu></nvidia_smi_log>'
EXTERNAL = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><nvidia_smi_log><driver_version>&b;</driver_version></nvidia_smi_log>'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("", "not the table", id="empty"),
        pytest.param("<nvidia_smi_log>", "not the XML of nvidia-smi", id="cut-off"),
        pytest.param("<html/>", "it has no GPU", id="other-xml"),
        pytest.param("No devices were found", "not the table", id="words"),
        pytest.param(BOMB, "declares an entity", id="bomb"),
        pytest.param(EXTERNAL, "declares an entity", id="external"),
        pytest.param("<a>" * 100, "nested too deeply", id="deep"),
        pytest.param("\x00\x01", "not the table", id="binary"),
        pytest.param("<nvidia_smi_log>" + " " * (16 * 2**20), "larger than 16 MiB", id="large"),
    ],
)
def test_a_recording_that_is_none_is_refused(text: str, why: str, tmp_path: Path, run: Run) -> None:
    file = tmp_path / "smi.xml"
    file.write_text(text)
    result = run("detect", "--nvidia-smi", str(file))
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error[GLM951]")
    assert why in result.err


@pytest.mark.parametrize("argv", [("--nvidia-smi", "nowhere.xml"), ("--root", "nowhere")])
def test_a_recording_that_is_not_there_is_refused(argv: tuple[str, ...], run: Run) -> None:
    result = run("detect", *argv)
    assert (result.code, result.err[:13]) == (1, "error[GLM951]")


# --- the system -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        pytest.param({"/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/memory.max": f"{GIB}\n"}, GIB, id="v2-above"),
        pytest.param({"/proc/self/cgroup": "0::/a\n", "/sys/fs/cgroup/a/memory.max": "max\n"}, 0, id="v2-none"),
        pytest.param({"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": f"{GIB}\n"}, GIB, id="v2-container"),
        pytest.param(
            {
                "/proc/self/cgroup": "4:cpu,memory:/docker/x\n1:name=systemd:/\n",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2 * GIB}\n",
                "/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes": f"{GIB}\n",
            },
            GIB,
            id="v1",
        ),
        pytest.param(
            {
                "/proc/self/cgroup": "4:memory:/docker/x\n",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            0,
            id="v1-none",
        ),
        pytest.param(
            {"/proc/self/cgroup": "0::/../../etc\n", "/sys/fs/cgroup/etc/memory.max": "x\n"}, 0, id="climbing"
        ),
        pytest.param({}, 0, id="no-cgroups"),
    ],
)
def test_limits_of_control_groups_are_found(files: dict[str, str], limit: int, tmp_path: Path) -> None:
    write_tree(tmp_path, {"/proc/meminfo": "MemTotal: 8388608 kB\n", **files})
    assert system.memory(Root(tmp_path)) == Memory(8 * GIB, limit)


def test_a_containers_share_is_what_is_written(tmp_path: Path) -> None:
    status = "Cpus_allowed_list:\t0-7,96-103\n"
    unpack("h200", tmp_path, **{"/proc/self/status": status, "/sys/fs/cgroup/memory.max": f"{256 * GIB}\n"})
    report = detect.read(Sources(tmp_path, HOSTS / "h200.xml"))
    assert {k: report.cluster[k] for k in ("host_memory", "cpu_cores", "numa_nodes")} == {
        "host_memory": "256 GiB",
        "cpu_cores": 8,
        "numa_nodes": 1,
    }
    assert codes(report) == ["GLM940", "GLM949", "GLM949"]


@pytest.mark.parametrize(
    ("flags", "isa"),
    [
        ("avx512f avx512bw avx512_bf16 avx512vbmi amx_tile amx_int8 amx_bf16 avx2 fma", "amx"),
        ("avx512f avx512bw avx512_bf16 avx512vbmi amx_tile avx2 fma", "avx512"),
        ("avx512f avx512bw avx512vl avx2 fma", "avx2"),
        ("sse4_2", ""),
        ("", ""),
    ],
)
def test_flags_of_the_cpu_become_the_profiles_words(flags: str, isa: str, tmp_path: Path) -> None:
    write_tree(tmp_path, {"/proc/cpuinfo": f"processor\t: 0\nflags\t\t: {flags}\n"})
    assert system.cpu(Root(tmp_path)).isa == isa


def test_cores_are_counted_by_siblings_where_the_kernel_lists_them(tmp_path: Path) -> None:
    files = {
        f"/sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list": f"{n % 4},{n % 4 + 4}\n" for n in range(8)
    }
    write_tree(tmp_path, {"/proc/cpuinfo": "", "/sys/devices/system/cpu/online": "0-7\n", **files})
    assert (system.cpu(Root(tmp_path)).cores, system.cpu(Root(tmp_path)).threads) == (4, 8)


def test_an_absurd_list_of_cpus_costs_no_memory() -> None:
    assert len(system.cpus_of("0-99999")) == 2**14 + 1


def test_links_that_lead_out_of_a_recording_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "secret"
    outside.write_text("MemTotal: 1048576 kB\n")
    (tmp_path / "root" / "proc").mkdir(parents=True)
    (tmp_path / "root" / "proc" / "meminfo").symlink_to(outside)
    report = detect.read(Sources(tmp_path / "root"))
    assert "host_memory" not in report.cluster
    assert "`/proc/meminfo` could not be read: a link leads out of the recording" in [d.message for d in report.found]


def test_an_empty_recording_says_what_is_missing(tmp_path: Path) -> None:
    report = detect.read(Sources(tmp_path))
    assert report.cluster == {"fabric": "tcp"}
    said = [d.message for d in report.found]
    assert "`/proc/cpuinfo` could not be read: No such file or directory" in said
    assert "`/proc/meminfo` does not say how much RAM there is" in said
    assert "GLM950" not in codes(report)
    assert "CPU      unknown\nRAM      unknown\n" in for_people(report)


def test_gpus_on_the_bus_are_counted_by_class(tmp_path: Path) -> None:
    devices = {"a": ("0x10de", "0x030200"), "b": ("0x10de", "0x068000"), "c": ("0x1002", "0x120000"), "d": ("", "")}
    base = "/sys/bus/pci/devices"
    files = {
        f"{base}/{n}/{k}": f"{v}\n"
        for n, pair in devices.items()
        for k, v in zip(("vendor", "class"), pair, strict=True)
    }
    assert system.gpus_on_bus(Root(write_tree(tmp_path, files))) == 2


HOST = Host(Devices((Device("NVIDIA H200", 143771 * MIB),), "580.1", "NVML", 1), Cpu("amx"), Memory(GIB), ())


@pytest.mark.parametrize(
    ("host", "code", "part"),
    [
        (replace(HOST, on_bus=8), "GLM952", "7 GPUs on the PCI bus that the driver does not show"),
        (replace(HOST, ports=(Port("mlx5_0", "InfiniBand", 10, active=False),)), "GLM955", "1 RDMA port not active"),
        (replace(HOST, ports=(Port("mlx5_0", "Ethernet", 25, active=True),)), "GLM956", "100 Gbit/s or more"),
        (replace(HOST, disk=Disk("nvme", "xfs", 2 * 10**12, 600 * 10**9)), "GLM957", "`fp8` 756 GB"),
        (replace(HOST, disk=Disk("hdd", "ext4", 9 * 10**12, 9 * 10**12)), "GLM957", "rotating disk"),
        (replace(HOST, cpu=Cpu("", threads=8)), "GLM950", "neither AVX2"),
        (replace(HOST, devices=replace(HOST.devices, driver="")), "GLM940", "driver's version"),
    ],
)
def test_what_a_plan_must_not_overlook_is_said(host: Host, code: str, part: str) -> None:
    gpus = tuple((d, gpu_of(d, catalog.load())) for d in host.devices.devices)
    assert any(part in d.message for d in judge.found(host, gpus, ()) if d.code == code)


def test_gpus_without_nvlink_where_the_product_has_it_are_said() -> None:
    devices = replace(HOST.devices, devices=HOST.devices.devices * 2, linked=False)
    gpus = tuple((d, gpu_of(d, catalog.load())) for d in devices.devices)
    found = list(judge.found(replace(HOST, devices=devices), gpus, ()))
    assert "no GPU has an active link, and NVIDIA H200 SXM 141 GB has NVLink4" in [d.message for d in found]


@pytest.mark.parametrize(
    ("ports", "word"),
    [
        ((("InfiniBand", 400, True), ("Ethernet", 200, True)), "infiniband"),
        ((("InfiniBand", 400, False), ("Ethernet", 200, True)), "roce"),
        ((("Ethernet", 25, True),), "tcp"),
        ((), "tcp"),
    ],
)
def test_the_fabric_is_what_fast_active_ports_speak(ports: tuple[tuple[str, int, bool], ...], word: str) -> None:
    made = tuple(Port("x", layer, rate, active=active) for layer, rate, active in ports)
    assert judge.fabric(replace(HOST, ports=made)) == word


# --- ROCm's tool, NVIDIA's library, and a program that fails ----------------------------------------------------------


def test_rocm_smi_is_read_where_the_topology_is_hidden() -> None:
    card = {"VRAM Total Memory (B)": "206141652992", "Card Series": "AMD Instinct MI300X OAM", "Card Model": "0x74a1"}
    found = amd.from_rocm_smi(json.dumps({"card0": card, "card1": card, "system": {}}))
    assert found.devices == (Device("AMD Instinct MI300X OAM", 206141652992, pci_id="1002:74a1"),) * 2


@pytest.mark.parametrize("text", ["", "[]", "{", '{"card0": 1}', "[" * 100_000])
def test_other_output_of_rocm_smi_is_no_gpu(text: str) -> None:
    assert amd.from_rocm_smi(text).devices == ()


# NVIDIA's C interface of one H200 and one GPU that is lost, as nvml.h declares it: the real bindings load it.
LIBRARY = r"""
#include <string.h>
typedef struct { unsigned long long total, free, used; } memory_t;
static int one;
int nvmlInitWithFlags(unsigned f) { return 0; }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int r) { return r == 15 ? "GPU is lost" : "Not Supported"; }
int nvmlDeviceGetCount_v2(unsigned *n) { *n = 2; return 0; }
int nvmlSystemGetDriverVersion(char *v, unsigned n) { strcpy(v, "580.126.09"); return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **d) { *d = &one; return i ? 15 : 0; }
int nvmlDeviceGetName(void *d, char *v, unsigned n) { strcpy(v, "NVIDIA H200"); return 0; }
int nvmlDeviceGetMemoryInfo(void *d, memory_t *m) { m->total = 143771ULL << 20; return 0; }
int nvmlDeviceGetMigMode(void *d, unsigned *a, unsigned *b) { *a = *b = 0; return 0; }
int nvmlDeviceGetVirtualizationMode(void *d, int *m) { return 3; }
int nvmlDeviceGetNvLinkState(void *d, unsigned l, int *s) { *s = l < 18; return l < 18 ? 0 : 2; }
"""


def test_nvml_is_asked_through_the_real_bindings(tmp_path: Path) -> None:
    pytest.importorskip("pynvml")
    (tmp_path / "nvml.c").write_text(LIBRARY)
    library = tmp_path / "libnvidia-ml.so.1"
    try:
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "nvml.c"], check=True)
    except FileNotFoundError:
        # the stand-in for the driver's library is built here: no binary is committed
        pytest.skip("no C compiler")
    code = "from glmdeploy.detect import nvidia; print(nvidia.from_nvml())"
    env = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    devices = (Device("NVIDIA H200", 143771 * MIB), Device("", trouble="NVML: GPU is lost"))
    assert done.stdout.strip() == repr(Devices(devices, "580.126.09", "NVML", 2, None))


def test_nvml_without_a_driver_gives_its_reason() -> None:
    pytest.importorskip("pynvml")
    if Path("/proc/driver/nvidia").exists():
        # NVML answers there, and the test is about a host where it cannot
        pytest.skip("this machine has a driver")
    with pytest.raises(nvidia.NotReadError, match="Not Found"):
        nvidia.from_nvml()


@pytest.mark.parametrize(
    ("script", "gpus", "code"),
    [
        pytest.param(f"cat {HOSTS}/h200.xml", 8, "", id="works"),
        pytest.param(f"cat {HOSTS}/lost.xml; exit 15", 6, "GLM945", id="one-lost"),
        pytest.param('case $1 in -q) echo nonsense;; *) cat "$H";; esac', 8, "", id="xml-broken"),
        pytest.param("echo 'driver mismatch' >&2; exit 18", None, "GLM941", id="fails"),
        pytest.param("exit 0", None, "GLM941", id="silent"),
    ],
)
def test_nvidia_smi_on_path_is_run(
    script: str, gpus: int | None, code: str, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\nH={HOSTS}/h200.csv\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    result = run("detect")
    assert result.code == 0
    assert source.parse("out", result.out).data["cluster"].get("gpus") == gpus
    assert not code or code in result.err
    assert ("driver mismatch" in result.err) == ("mismatch" in script)


def test_a_driver_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(tools, "_SECONDS", 1)
    reasons = [str(e) for name, ask in tools.sources(Root()) if "query" in name for e in [_reason(ask)]]
    assert reasons == ["no answer after 1 s"]


def _reason(ask: Callable[[], object]) -> Exception:
    with pytest.raises(nvidia.NotReadError) as caught:
        ask()
    return caught.value


# --- this machine, and the command ------------------------------------------------------------------------------------


def test_the_part_of_this_machine_is_accepted_by_lint(tmp_path: Path, run: Run) -> None:
    result = run("detect", "-o", str(tmp_path / "host.yaml"), "--weights", str(tmp_path))
    assert result.code == 0
    gpus = "" if "  gpu:" in (tmp_path / "host.yaml").read_text() else "cluster: {gpu: h200, gpus: 8}\n"
    profile = tmp_path / "prod.yaml"
    profile.write_text(f"apiVersion: glmdeploy/v1\nname: prod\nextends: host.yaml\n{gpus}framework: {{name: vllm}}\n")
    linted = run("lint", str(profile))
    assert linted.code == 0, linted.err
    assert "0 errors" in linted.out


def test_this_machine_with_gpus_that_are_named_is_a_whole_profile(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "prod.yaml"
    argv = ("--profile", "prod", "--framework", "vllm", "--gpus", "8xH200")
    assert run("detect", *argv, "-o", str(file)).code == 0
    assert run("lint", str(file)).code == 0
    again = run("detect", *argv, "-o", str(file))
    assert again.code == 0
    file.write_text("mine\n")
    assert run("detect", *argv, "-o", str(file)).code == 3
    assert file.read_text() == "mine\n"
    assert run("detect", *argv, "-o", str(file), "--force").code == 0


def test_nothing_that_names_this_host_is_written(run: Run) -> None:
    shown = "".join(run("detect", "--format", form).out for form in ("yaml", "json", "text"))
    names = {os.uname().nodename, *(p.read_text().strip() for p in [Path("/etc/machine-id")] if p.exists())} - {""}
    assert not any(name in shown for name in names)


@pytest.mark.parametrize(
    ("argv", "code", "part"),
    [
        (("--profile", "x"), 2, "--profile and --framework go together"),
        (("--gpus", "eight"), 1, "GLM015"),
        (("--gpus", "8xH2000"), 1, "GLM101"),
        (("--gpus", "8xH200", "--profile", "X_", "--framework", "vllm"), 1, "GLM011"),
        (("--gpus", "8xH200", "--profile", "x", "--framework", "nope"), 1, "GLM105"),
    ],
)
def test_options_that_make_no_sense_are_refused(argv: tuple[str, ...], code: int, part: str, run: Run) -> None:
    result = run("detect", *argv)
    assert (result.code, result.out) == (code, "")
    assert part in result.err


def test_a_folder_of_weights_that_is_not_there_is_said(run: Run, tmp_path: Path) -> None:
    assert "No such file or directory" in run("detect", "--weights", str(tmp_path / "nowhere")).err


def test_a_reason_of_ours_is_an_error_of_ours() -> None:
    with pytest.raises(ProfileError, match="GLM951"):
        detect.read(Sources(Path("/nowhere")))
