"""The folder with a checkpoint: in the hub's cache or plain, its index, and what else lies there."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glmdeploy.stored.fault import FaultError
from glmdeploy.stored.files import parse, read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INDEX = "model.safetensors.index.json"
_MOST = 10_000  # names that are looked at: a folder of weights has a few hundred
# What downloads leave behind: the hub's, aria2's, rclone's, curl's and browsers', rsync's.
_UNFINISHED = re.compile(r".*\.(incomplete|aria2|partial|part|crdownload|tmp|temp|download)\Z|\..+\.[A-Za-z0-9]{6}\Z")


@dataclass(frozen=True)
class Index:
    """What the index says: tensor -> shard, the shards in order, and the bytes of all tensors (0: it says none)."""

    tensors: dict[str, str]
    shards: tuple[str, ...]
    total: int


def located(given: Path) -> Path:
    """The folder with the index: ``given`` itself, or the snapshot that a folder of the hub's cache means.

    FaultError where there is none, or more than one.
    """
    if not given.is_dir():
        raise FaultError("GLM960", "is not a folder" if given.exists() else "does not exist")
    snapshots = given / "snapshots"
    if (given / INDEX).exists() or not snapshots.is_dir():
        return given
    reference = given / "refs" / "main"
    if reference.is_file():
        commit = read(reference, 200).decode("ascii", "replace").strip()
        if re.fullmatch(r"[0-9a-f]{4,64}", commit):
            return snapshots / commit
    found = sorted(p for p in snapshots.iterdir() if p.is_dir())
    if len(found) == 1:
        return found[0]
    raise FaultError("GLM960", f"holds {len(found)} snapshots and no `refs/main`: name one of them")


def index(folder: Path) -> Index:
    """The index; FaultError for one that cannot be used."""
    try:
        data = parse(read(folder / INDEX), "GLM961")
    except FaultError as fault:
        raise FaultError("GLM961" if fault.code == "GLM962" else fault.code, fault.what) from None
    tensors = data.get("weight_map")
    if not isinstance(tensors, dict) or not tensors:
        raise FaultError("GLM961", "has no `weight_map`")
    for shard in set(map(str, tensors.values())):
        # a path would let an index reach for files elsewhere
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}\.safetensors", shard):
            raise FaultError("GLM961", f"names {shard[:80]!a}, which is no file of this folder")
    metadata = data.get("metadata")
    total = metadata.get("total_size") if isinstance(metadata, dict) else 0
    shards = tuple(sorted({str(s) for s in tensors.values()}))
    return Index({str(k): str(v) for k, v in tensors.items()}, shards, total if type(total) is int else 0)


def unfinished(folder: Path) -> list[str]:
    """Names that downloads leave behind: beside the weights, in the hub's `.cache`, among the blobs of its cache."""
    places = [folder, folder / ".cache" / "huggingface" / "download"]
    if folder.parent.name == "snapshots":
        places.append(folder.parents[1] / "blobs")
    return sorted(name for place in places for name in _names(place) if _UNFINISHED.match(name))


def others(folder: Path, shards: tuple[str, ...]) -> list[str]:
    """Files of weights that the index does not name."""
    return sorted(n for n in _names(folder) if n.endswith((".safetensors", ".bin", ".gguf")) and n not in set(shards))


def _names(place: Path) -> Iterator[str]:
    try:
        with os.scandir(place) as entries:
            for entry, _ in zip(entries, range(_MOST), strict=False):
                yield entry.name
    except OSError:
        return
