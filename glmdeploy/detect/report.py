"""A host as YAML for a profile, as JSON, and for people. YAML holds words of ours and numbers, never a driver's string."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from glmdeploy import pipeline, source
from glmdeploy.profile import API_VERSION
from glmdeploy.tables import Listing, as_text
from glmdeploy.units import MIB, gb, gib, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.detect import Report
    from glmdeploy.detect.seen import Device, Host
    from glmdeploy.forms.detect import ClusterForm, DetectForm, HostForm
    from glmdeploy.hardware import GPU

_HEADER = """\
# One host, as `glmdeploy detect` read it. A profile beside this file takes it with `extends: FILE`,
# or put the section into a profile. `gpus` counts all hosts: with several like this one, it is their sum.
"""


def as_yaml(report: Report, name: str = "", framework: str = "") -> str:
    """The section alone, or with ``name`` and ``framework`` a whole profile."""
    if not framework:
        return source.dump({"cluster": report.cluster}, _HEADER)
    header = f"# yaml-language-server: $schema={pipeline.SCHEMA_FILE}\n"
    return source.dump(document(report, name, framework), header)


def document(report: Report, name: str, framework: str) -> dict[str, Any]:
    """The profile that the host and a framework make."""
    return {"apiVersion": API_VERSION, "name": name, "cluster": report.cluster, "framework": {"name": framework}}


def as_json(report: Report) -> str:
    """Everything, for programs."""
    form: DetectForm = {
        "format": "glmdeploy-detect/v1",
        "cluster": cast("ClusterForm", report.cluster),  # the profile's keys, of which these are some
        "host": _host(report),
        "diagnostics": [d.as_json() for d in report.found],
    }
    return json.dumps(form, indent=2, ensure_ascii=False) + "\n"


def _host(report: Report) -> HostForm:
    host = report.host
    form: HostForm = {
        "driver": host.devices.driver,
        "via": host.devices.via,
        "linked": _linked(host),
        "gpus": [
            {
                "name": d.name,
                "gpu": g.id if g else "",
                "memory_mib": d.memory // MIB,
                "parts": d.parts,
                "virtual": d.virtual,
                "trouble": d.trouble,
            }
            for d, g in report.gpus
        ],
        "cpu_isa": host.cpu.isa,
        "cores": host.cpu.cores,
        "threads": host.cpu.threads,
        "numa_nodes": host.cpu.numa_nodes,
        "memory_bytes": host.memory.total,
        "memory_limit_bytes": host.memory.limit,
        "rdma": [{"name": p.name, "layer": p.layer, "gbit_s": p.rate, "active": p.active} for p in host.ports],
    }
    if disk := host.disk:
        form["disk"] = {
            "kind": disk.kind,
            "filesystem": disk.filesystem,
            "bytes": disk.size,
            "free_bytes": disk.free,
        }
    return form


def _linked(host: Host) -> str:
    return {True: "yes", False: "no", None: "unknown"}[host.devices.linked]


def for_people(report: Report) -> str:
    """The host in a few lines."""
    return as_text([Listing(tuple(_lines(report)))])


def _lines(report: Report) -> Iterator[tuple[str, str]]:
    host, cpu = report.host, report.host.cpu
    kinds = dict.fromkeys(_kind(d, g) for d, g in report.gpus)
    for kind in kinds:
        yield "GPUs", f"{sum(_kind(d, g) == kind for d, g in report.gpus)} x {kind}"
    if not kinds:
        yield "GPUs", "none found"
    elif host.devices.driver:
        yield "driver", f"{host.devices.driver}, read by {host.devices.via}; links: {_linked(host)}"
    nodes = plural(cpu.numa_nodes, "NUMA node")
    cores = f"{plural(cpu.cores, 'core')}, {plural(cpu.threads, 'thread')}, {nodes}, {cpu.isa or 'below AVX2'}"
    yield "CPU", cores if cpu.threads else "unknown"
    limit = f", of which {gib(host.memory.limit)} may be used" if 0 < host.memory.limit < host.memory.total else ""
    yield "RAM", f"{gib(host.memory.total)}{limit}" if host.memory.total else "unknown"
    for port in host.ports:
        yield "RDMA", f"{port.name}: {port.layer}, {port.rate} Gbit/s, {'active' if port.active else 'down'}"
    if not host.ports:
        yield "RDMA", "no device"
    if disk := host.disk:
        kind = disk.kind or "kind unknown"
        yield "disk", f"{kind}, {disk.filesystem}: {gb(disk.free)} free of {gb(disk.size)}"
    section = ", ".join(f"{key}: {value}" for key, value in report.cluster.items())
    yield "cluster", section


def _kind(device: Device, gpu: GPU | None) -> str:
    words = [device.name or device.pci_id or "without a name"]
    words += [f"{device.memory // MIB:,} MiB"] if device.memory else []
    words += ["divided"] if device.parts > 1 else []
    words += ["vGPU"] if device.virtual else []
    words += [device.trouble] if device.trouble else []
    return ", ".join([*words, f"`{gpu.id}`" if gpu else "not in the catalogue"])
