"""Open and parse files that nobody vouches for: bounded, regular files only, JSON without duplicate keys."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

from glmdeploy.stored.fault import FaultError
from glmdeploy.units import exact_size

if TYPE_CHECKING:
    from pathlib import Path

MAX_JSON = 64 * 2**20  # the index of the checkpoint with most tensors (NVFP4, 230,000) is half of that
_POINTER = b"version https://git-lfs.github.com/spec/"
_ODD = {*map(chr, range(32)), "\x7f"}


def opened(path: Path) -> tuple[int, int]:
    """A descriptor and the size of a regular file; FaultError otherwise. A pipe of that name is not waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise FaultError("GLM962", _why_not_there(path)) from None
    except PermissionError:
        raise FaultError("GLM968", "cannot be read: permission denied") from None
    except OSError as error:
        raise FaultError("GLM968", f"cannot be read: {error.strerror or error}") from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise FaultError("GLM968", "is not a file")
    return descriptor, status.st_size


def _why_not_there(path: Path) -> str:
    return "is a link that leads nowhere: its blob was not copied or not fetched" if path.is_symlink() else "is missing"


def read(path: Path, limit: int = MAX_JSON) -> bytes:
    """A whole file of at most ``limit`` bytes; FaultError otherwise."""
    descriptor, size = opened(path)
    try:
        if size > limit:
            raise FaultError("GLM961", f"is larger than {exact_size(limit)}, and no such file is")
        data = _exactly(descriptor, min(size, limit), 0)
    finally:
        os.close(descriptor)
    if data.startswith(_POINTER):
        raise FaultError("GLM965", "is a Git LFS pointer, not the file")
    return data


def _exactly(descriptor: int, length: int, offset: int) -> bytes:
    """Up to ``length`` bytes at ``offset``: one read may give less."""
    pieces: list[bytes] = []
    try:
        while length and (piece := os.pread(descriptor, min(length, 2**20), offset)):
            pieces.append(piece)
            length, offset = length - len(piece), offset + len(piece)
    except OSError as error:
        raise FaultError("GLM968", f"cannot be read: {error.strerror or error}") from None
    return b"".join(pieces)


def piece(descriptor: int, length: int, offset: int) -> bytes:
    """Bytes of an open file; FaultError where the disk gives none."""
    return _exactly(descriptor, length, offset)


def is_pointer(start: bytes) -> bool:
    """Whether a file begins as Git LFS pointers do."""
    return start.startswith(_POINTER)


def parse(data: bytes, code: str, what: str = "") -> dict[str, Any]:
    """An object of JSON; FaultError with ``code`` for anything else, for duplicate keys, and for keys with control characters."""
    try:
        found = json.loads(data.decode("utf-8"), object_pairs_hook=lambda pairs: _unique(pairs, code, what))
    except RecursionError:
        raise FaultError(code, f"{what}is nested too deeply") from None
    except ValueError as error:
        detail = " ".join(str(error).split())[:120]
        raise FaultError(code, f"{what}is not JSON: {detail}") from None
    if not isinstance(found, dict):
        raise FaultError(code, f"{what}is not an object")
    return found


def _unique(pairs: list[tuple[str, Any]], code: str, what: str) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise FaultError(code, f"{what}has the key {twice[:80]!a} twice")
    for key in found:
        if not _ODD.isdisjoint(key):
            raise FaultError(code, f"{what}has a control character in the key {key[:80]!a}")
    return found
