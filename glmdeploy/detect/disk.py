"""The file system under the folder of the weights: room, and what kind of device it is on."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from glmdeploy.detect.seen import Disk, plain

if TYPE_CHECKING:
    from pathlib import Path

    from glmdeploy.detect.root import Root

_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "ceph", "lustre", "beegfs", "gpfs", "wekafs", "glusterfs", "9p", "virtiofs"}
_ESCAPE = re.compile(r"\\([0-7]{3})")  # how /proc/self/mountinfo writes a space, a tab, a newline and a backslash


def disk(root: Root, folder: Path) -> Disk:
    """The disk under ``folder`` of this machine; OSError where there is no such folder."""
    there = os.statvfs(folder)
    device = os.stat(folder).st_dev  # noqa: PTH116  the number alone
    number = f"{os.major(device)}:{os.minor(device)}"
    filesystem = _filesystem(root, number)
    return Disk(
        kind=_kind(root, number, filesystem),
        filesystem=filesystem,
        size=there.f_blocks * there.f_frsize,
        free=there.f_bavail * there.f_frsize,
    )


def _filesystem(root: Root, number: str) -> str:
    """The type of the file system on a device, from /proc/self/mountinfo."""
    for line in root.text("/proc/self/mountinfo").splitlines():
        mount, _, rest = line.partition(" - ")
        if f" {number} " in mount:
            return plain(_ESCAPE.sub("?", rest.split(" ")[0]))
    return ""


def _kind(root: Root, number: str, filesystem: str) -> str:
    if filesystem in _NETWORK or filesystem.startswith("fuse."):
        return "network"
    if filesystem in {"tmpfs", "ramfs"}:
        return "memory"
    place = f"/sys/dev/block/{number}"
    # a partition has no queue of its own: its disk is the folder above
    rotational = root.text(f"{place}/queue/rotational", optional=True) or root.text(
        f"{place}/../queue/rotational", optional=True
    )
    try:
        device = (root.folder / place.lstrip("/")).resolve().as_posix()
    except OSError:
        device = ""
    if "/nvme" in device:
        return "nvme"
    if "/virtio" in device:
        return "virtual"  # what it says of itself is not what it stands on
    return {"0": "ssd", "1": "hdd"}.get(rotational, "")
