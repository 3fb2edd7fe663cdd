"""NVIDIA GPUs: from NVML, from `nvidia-smi -q -x`, or from its table. A driver's output is bounded, and never trusted.

The tags are those of nvsmi_device_v12.dtd and v13; queries as `nvidia-smi --help-query-gpu` names them.
"""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any
from xml.parsers import expat

from glmdeploy.detect.seen import Device, Devices, plain
from glmdeploy.units import MIB

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_BYTES = 16 * 2**20  # eight GPUs with all their clocks are 1 MB
MAX_DEPTH = 32
QUERY = ("name", "memory.total", "driver_version", "mig.mode.current")
# What stands in place of a value when a GPU has fallen off the bus.
_LOST = re.compile(r"gpu is lost|unknown error|err!|unable to determine the device handle", re.IGNORECASE)


class NotReadError(Exception):
    """This source says nothing of use; the text is the reason."""


def from_text(text: str) -> Devices:
    """A recording: the XML of `nvidia-smi -q -x`, or the lines of `nvidia-smi --query-gpu`."""
    if text.lstrip("\ufeff \t\r\n").startswith("<"):
        return from_xml(text)
    return from_table(text.splitlines())


# --- nvidia-smi -q -x ------------------------------------------------------------------------------------------------


class _Reader:
    """Collects the texts of the log itself and of each GPU, by their path below it."""

    def __init__(self) -> None:
        self.path: list[str] = []
        self.log: dict[str, str] = {}
        self.gpus: list[dict[str, str]] = []

    def start(self, name: str, _: dict[str, str]) -> None:
        self.path.append(name)
        if len(self.path) > MAX_DEPTH:
            raise NotReadError("the XML is nested too deeply")
        if self.path == ["nvidia_smi_log", "gpu"]:
            self.gpus.append({})
        if name == "mig_device" and self.gpus:
            self.gpus[-1]["parts"] = str(int(self.gpus[-1].get("parts", "0")) + 1)

    def end(self, _: str) -> None:
        self.path.pop()

    def text(self, data: str) -> None:
        inside = self.path[1:2] == ["gpu"]
        key = "/".join(self.path[2:] if inside else self.path[1:])
        members = self.gpus[-1] if inside and self.gpus else self.log
        if key in _WANTED:
            members[key] = members.get(key, "") + data


_WANTED = {
    "driver_version",
    "attached_gpus",
    "product_name",
    "fb_memory_usage/total",
    "mig_mode/current_mig",
    "gpu_virtualization_mode/virtualization_mode",
    "gpu_recovery_action",
    "fabric/state",
}


def _refuse(*_: object) -> None:
    raise NotReadError("the XML declares an entity, and no driver does")


def from_xml(text: str) -> Devices:
    """The GPUs of `nvidia-smi -q -x`; NotReadError for what is not its output."""
    reader, parser = _Reader(), expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler, parser.EntityDeclHandler = reader.text, _refuse
    try:
        parser.Parse(text.strip().encode("utf-8", "surrogatepass"), True)
    except expat.ExpatError as error:
        raise NotReadError(f"not the XML of nvidia-smi: {error}") from None
    devices = tuple(_device(gpu) for gpu in reader.gpus)
    attached = reader.log.get("attached_gpus", "").strip()
    if not devices and not attached:
        raise NotReadError("not the XML of nvidia-smi: it has no GPU")
    expected = int(attached) if re.fullmatch(r"[0-9]{1,4}", attached, re.ASCII) else 0
    driver = plain(reader.log.get("driver_version", ""))
    return Devices(devices, driver, "nvidia-smi", max(expected, len(devices)), _linked(devices))


def _device(gpu: dict[str, str]) -> Device:
    found = {key: value.strip() for key, value in gpu.items()}
    name = found.get("product_name", "")
    recovery = found.get("gpu_recovery_action", "")
    mig = found.get("mig_mode/current_mig") == "Enabled"
    return Device(
        name=plain(name),
        memory=_mib(found.get("fb_memory_usage/total", "")),
        parts=max(2, int(found.get("parts", "0"))) if mig else 1,
        virtual=found.get("gpu_virtualization_mode/virtualization_mode", "") == "VGPU" or _is_share(name),
        trouble=_trouble(name, recovery),
        fabric=plain(found.get("fabric/state", "")),
    )


def _trouble(name: str, recovery: str) -> str:
    if not name or _LOST.search(name):
        return "it does not answer"
    return "" if recovery in {"", "None", "N/A"} else f"the driver asks for: {plain(recovery)}"


def _is_share(name: str) -> bool:
    """Whether a name is that of a vGPU type: `GRID A100-10C`, `NVIDIA H100-20C`."""
    return name.startswith("GRID ") or bool(re.search(r"-\d+(?:-\d+)?[ABCQ]$", name))


def _mib(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,9})(?: MiB)?", text.strip(), re.ASCII)
    return int(found[1]) * MIB if found else 0


def _linked(devices: tuple[Device, ...]) -> bool | None:
    """Whether NVSwitch connects them all; a fabric that the driver does not report says nothing about bridges."""
    return True if devices and all(d.fabric == "Completed" for d in devices) else None


# --- nvidia-smi --query-gpu ------------------------------------------------------------------------------------------


def from_table(lines: Iterable[str]) -> Devices:
    """The rows of `nvidia-smi --query-gpu=name,memory.total,driver_version,mig.mode.current --format=csv`."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines) if row]
    rows = [row for row in rows if row[0] != QUERY[0]]  # the heading
    devices = tuple(_row(row) for row in rows)
    if not any(d.memory or d.trouble for d in devices):
        raise NotReadError("not the table of nvidia-smi")
    driver = next((plain(row[2]) for row in rows if len(row) > 2), "")  # noqa: PLR2004  the third column
    return Devices(devices, driver, "nvidia-smi", len(devices))


def _row(row: list[str]) -> Device:
    cells = [*row, *[""] * len(QUERY)]
    return Device(
        name=plain(cells[0]),
        memory=_mib(cells[1]),
        parts=2 if cells[3] == "Enabled" else 1,
        virtual=_is_share(cells[0]),
        trouble=_trouble(cells[0], ""),
    )


# --- NVML ------------------------------------------------------------------------------------------------------------


def from_nvml() -> Devices:
    """The GPUs by NVIDIA's own library; NotReadError where its bindings, the library or the driver are missing."""
    try:
        nvml = import_module("pynvml")
    except ImportError:
        raise NotReadError("nvidia-ml-py is not installed (`pip install 'glmdeploy[detect]'`)") from None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        raise NotReadError(plain(str(error))) from None
    try:
        count = nvml.nvmlDeviceGetCount()
        devices = tuple(_ask(nvml, index) for index in range(count))
        driver = plain(_text(nvml.nvmlSystemGetDriverVersion()))
    except nvml.NVMLError as error:
        raise NotReadError(plain(str(error))) from None
    finally:
        nvml.nvmlShutdown()
    linked = {d.fabric == "linked" for d in devices}
    devices = tuple(replace(d, fabric="") for d in devices)
    return Devices(devices, driver, "NVML", count, linked.pop() if len(linked) == 1 else None)


def _ask(nvml: Any, index: int) -> Device:
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        name = _text(nvml.nvmlDeviceGetName(handle))
        memory = int(nvml.nvmlDeviceGetMemoryInfo(handle).total)
    except nvml.NVMLError as error:
        return Device("", trouble=f"NVML: {plain(str(error))}")
    mig, _ = _try(nvml, nvml.nvmlDeviceGetMigMode, (0, 0), handle)
    mode = _try(nvml, nvml.nvmlDeviceGetVirtualizationMode, 0, handle)
    return Device(
        name=plain(name),
        memory=memory,
        parts=2 if mig else 1,
        virtual=mode == nvml.NVML_GPU_VIRTUALIZATION_MODE_VGPU or _is_share(name),
        fabric="linked" if _has_link(nvml, handle) else "",
    )


def _has_link(nvml: Any, handle: Any) -> bool:
    links = range(nvml.NVML_NVLINK_MAX_LINKS)
    return any(_try(nvml, nvml.nvmlDeviceGetNvLinkState, 0, handle, link) for link in links)


def _try(nvml: Any, ask: Any, otherwise: Any, *arguments: Any) -> Any:
    """An answer that not every product has."""
    try:
        return ask(*arguments)
    except nvml.NVMLError:
        return otherwise


def _text(value: str | bytes) -> str:
    """Older bindings answer in bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
