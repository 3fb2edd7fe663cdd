"""The header of a safetensors file: what tensors it holds, and how long it must be. Tensor data is never read.

Format: 8 bytes of length, little endian; a JSON object; the tensors without gaps or overlaps (safetensors documentation).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from glmdeploy.stored.fault import FaultError
from glmdeploy.stored.files import MAX_JSON, is_pointer, opened, parse, piece

if TYPE_CHECKING:
    from pathlib import Path

# dtype -> bits of an element (safetensors 0.8 tensor.rs)
BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}
_LARGEST = 2**62
_MEMBERS = {"dtype", "shape", "data_offsets"}
HOLE = 2**20  # bytes of zeros that a copy may leave out where weights happen to be zero; more are missing data


@dataclass(frozen=True)
class Tensor:
    """A tensor's type and shape."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Its bytes."""
        return prod(self.shape) * BITS[self.dtype] // 8


@dataclass(frozen=True)
class Shard:
    """What a header describes, and what is wrong with the data behind it."""

    tensors: dict[str, Tensor]
    fault: FaultError | None = None


def read(path: Path) -> Shard:
    """The tensors of a file; FaultError where its header cannot be used."""
    descriptor, size = opened(path)
    try:
        length, raw = _raw(descriptor, size)
        tensors, end = _tensors(parse(raw, "GLM966", "its header "))
        return Shard(tensors, _behind(descriptor, size, 8 + length + end))
    finally:
        os.close(descriptor)


def _behind(descriptor: int, size: int, wanted: int) -> FaultError | None:
    """What is wrong with the data, of which no byte is read."""
    if size != wanted:
        more = "more than its header says: " if size > wanted else ""
        return FaultError("GLM963", f"has {more}{size:,} of {wanted:,} bytes")
    missing = _holes(descriptor, size)
    return FaultError("GLM967", f"has holes of {missing:,} bytes that were never written") if missing else None


def _raw(descriptor: int, size: int) -> tuple[int, bytes]:
    """The header's length and text, judged before anything is allocated for it."""
    start = piece(descriptor, 64, 0)
    if is_pointer(start):
        raise FaultError("GLM965", "is a Git LFS pointer, not the weights")
    if size < 8:  # noqa: PLR2004  the length itself
        raise FaultError("GLM963", "is empty" if not size else f"is cut off after {size} bytes")
    length = int.from_bytes(start[:8], "little")
    if not any(start):
        raise FaultError("GLM966", "begins with zeros: space was reserved for it, and nothing written")
    if start[8:9] not in {b"{", b""} or not 2 <= length <= MAX_JSON:  # noqa: PLR2004  `{}`
        raise FaultError("GLM966", f"is not safetensors: it claims a header of {length:,} bytes")
    if size < 8 + length:
        raise FaultError("GLM963", f"is cut off inside its header: {size:,} of at least {8 + length:,} bytes")
    return length, piece(descriptor, length, 8)


def _tensors(header: dict[str, Any]) -> tuple[dict[str, Tensor], int]:
    """The tensors by name, and where the last one ends."""
    header.pop("__metadata__", None)
    placed: list[tuple[int, int, str]] = []
    tensors: dict[str, Tensor] = {}
    for name, entry in header.items():
        tensors[name] = tensor = _tensor(name, entry)
        start, end = _whole(name, entry["data_offsets"])
        if end - start != tensor.size:
            raise FaultError("GLM966", f"says {end - start:,} bytes for {name!a}, whose shape needs {tensor.size:,}")
        placed.append((start, end, name))
    here = 0
    for start, end, name in sorted(placed):
        if start != here:
            how = "overlaps another tensor" if start < here else "leaves a gap before it"
            raise FaultError("GLM966", f"has wrong offsets: {name!a} {how}")
        here = end
    return tensors, here


def _tensor(name: str, entry: Any) -> Tensor:
    if not isinstance(entry, dict) or set(entry) != _MEMBERS:
        raise FaultError("GLM966", f"has an entry {name!a} that describes no tensor")
    dtype, shape = entry["dtype"], entry["shape"]
    if not isinstance(dtype, str) or dtype not in BITS:
        raise FaultError("GLM966", f"has the unknown type {str(dtype)[:40]!a} for {name!a}")
    if not isinstance(shape, list) or len(shape) > 8 or not all(_natural(n) for n in shape):  # noqa: PLR2004  no tensor has more
        raise FaultError("GLM966", f"has no shape for {name!a}")
    if prod(shape) > _LARGEST:
        raise FaultError("GLM966", f"has an absurd shape for {name!a}")
    return Tensor(dtype, tuple(shape))


def _whole(name: str, offsets: Any) -> tuple[int, int]:
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(_natural, offsets)):  # noqa: PLR2004  begin, end
        raise FaultError("GLM966", f"has no offsets for {name!a}")
    return offsets[0], offsets[1]


def _natural(number: Any) -> bool:
    return type(number) is int and 0 <= number <= _LARGEST


def _holes(descriptor: int, size: int) -> int:
    """Bytes that were never written, where they are more than a copy leaves out; 0 where the file system cannot say."""
    here, missing = 0, 0
    for _ in range(10_000):
        hole = _seek(descriptor, here, os.SEEK_HOLE, size)
        if hole >= size:
            break
        here = _seek(descriptor, hole, os.SEEK_DATA, size)
        missing += here - hole
    return missing if missing >= HOLE else 0


def _seek(descriptor: int, here: int, what: int, size: int) -> int:
    """The next hole or data; the end where there is none behind, or the file system does not know."""
    try:
        return os.lseek(descriptor, here, what)
    except OSError:
        return size
