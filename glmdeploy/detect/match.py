"""Which GPU of the catalogue a device is: by the driver's name, by the PCI id, or by generation and memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glmdeploy.catalog import Catalog
    from glmdeploy.detect.seen import Device
    from glmdeploy.hardware import GPU

TOLERANCE = 0.03  # ECC and firmware move the driver's figure a little; the next product is further away


def gpu_of(device: Device, catalog: Catalog) -> GPU | None:
    """The product, or None. The memory may still be another than the catalogue's: `same_memory` says."""
    gpus = tuple(catalog.gpus.values())
    if device.pci_id:
        if by_id := [g for g in gpus if device.pci_id in g.pci_ids]:
            return by_id[0]
        # a generation in which no id is known; where some are, this is a product beside them (MI308X, MI300A)
        kin = [g for g in gpus if g.compute == device.compute]
        if any(g.pci_ids for g in kin):
            return None
        return next((g for g in kin if same_memory(device, g)), None)
    folded = _fold(device.name)
    return next((g for g in gpus if folded in map(_fold, g.driver_names)), None)


def _fold(name: str) -> str:
    return " ".join(name.lower().split())


def same_memory(device: Device, gpu: GPU) -> bool:
    """Whether the driver reports what the catalogue has, bytes."""
    return abs(device.memory - gpu.memory_bytes) <= TOLERANCE * gpu.memory_bytes


def profile_name(gpu: GPU, catalog: Catalog) -> str:
    """The shortest name that means this GPU alone."""
    return next((a for a in gpu.aliases if catalog.find_gpus(a) == (gpu,)), gpu.id)
