"""AMD GPUs: the driver's topology in `/sys/class/kfd`, which needs no tool, and `rocm-smi` where it is hidden.

Files: ROCm's documentation of the KFD topology; which heaps are the GPU's own: hsakmttypes.h.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING

from glmdeploy.detect.seen import Device, Devices, plain

if TYPE_CHECKING:
    from glmdeploy.detect.root import Root

_NODES = "/sys/class/kfd/kfd/topology/nodes"
_OWN_HEAPS = {1, 2}  # frame buffer, visible to the host or not
_XGMI = 11  # type of an io_link


def from_topology(root: Root) -> Devices:
    """The GPUs of the KFD topology; none where the driver is not loaded."""
    nodes = [(n, _properties(root, f"{_NODES}/{n}/properties")) for n in root.names(_NODES, r"\d+")]
    gpus = [(n, p) for n, p in nodes if p.get("simd_count")]
    shares = Counter(_board(p) for _, p in gpus)
    boards: dict[tuple[int, ...], Device] = {}
    for node, properties in gpus:
        board = _board(properties)
        boards.setdefault(board, _device(root, node, properties, shares[board]))
    version = root.text("/sys/module/amdgpu/version", optional=True)
    return Devices(tuple(boards.values()), plain(version), "KFD", len(boards), _linked(root, [n for n, _ in gpus]))


def _board(properties: dict[str, int]) -> tuple[int, ...]:
    """What the compute partitions of one GPU share: its own number, else its place on the bus without the function."""
    if unique := properties.get("unique_id"):
        return (unique,)
    return properties.get("domain", 0), properties.get("location_id", 0) >> 3


def _device(root: Root, node: str, properties: dict[str, int], parts: int) -> Device:
    minor = properties.get("drm_render_minor", 0)
    name = root.text(f"/sys/class/drm/renderD{minor}/device/product_name", optional=True)
    return Device(
        name=plain(name),
        memory=_memory(root, node),
        parts=parts,
        pci_id=f"{properties.get('vendor_id', 0):04x}:{properties.get('device_id', 0):04x}",
        compute=_compute(properties.get("gfx_target_version", 0)),
    )


def _compute(version: int) -> str:
    """`gfx942` of 90402: major, minor and step of two decimal digits each, the last two written in hexadecimal."""
    return f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}" if version else ""


def _memory(root: Root, node: str) -> int:
    base = f"{_NODES}/{node}/mem_banks"
    banks = (_properties(root, f"{base}/{bank}/properties") for bank in root.names(base, r"\d+"))
    return sum(b.get("size_in_bytes", 0) for b in banks if b.get("heap_type") in _OWN_HEAPS)


def _linked(root: Root, gpus: list[str]) -> bool | None:
    """Whether every GPU has an Infinity Fabric link."""
    kinds = [
        {
            _properties(root, f"{_NODES}/{node}/io_links/{link}/properties").get("type")
            for link in root.names(f"{_NODES}/{node}/io_links", r"\d+")
        }
        for node in gpus
    ]
    return all(_XGMI in found for found in kinds) if any(kinds) else None


def _properties(root: Root, path: str) -> dict[str, int]:
    lines = re.findall(r"^(\w+) (\d{1,20})$", root.text(path, optional=True), re.MULTILINE | re.ASCII)
    return {name: int(value) for name, value in lines}


def from_rocm_smi(text: str) -> Devices:
    """The JSON of `rocm-smi --showproductname --showmeminfo vram --json`; none where it is something else."""
    try:
        cards = json.loads(text)
    except (ValueError, RecursionError):
        return Devices()
    if not isinstance(cards, dict):
        return Devices()
    found = [card for name, card in cards.items() if re.fullmatch(r"card\d+", name) and isinstance(card, dict)]
    devices = tuple(_card({str(k).lower(): str(v) for k, v in card.items()}) for card in found)
    return Devices(devices, "", "rocm-smi", len(devices))


def _card(card: dict[str, str]) -> Device:
    total = card.get("vram total memory (b)", "")
    return Device(
        name=plain(card.get("card series", "")),
        memory=int(total) if re.fullmatch(r"\d{1,15}", total, re.ASCII) else 0,
        pci_id=f"1002:{card.get('card model', '').lower().removeprefix('0x')}",
        compute=plain(card.get("gfx version", "")),
    )
