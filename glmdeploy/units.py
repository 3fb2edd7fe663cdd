"""Bytes and tokens: the only place that reads or writes a unit.

GB is decimal (10**9 bytes), GiB is binary (2**30 bytes). Memory is ``int`` bytes everywhere inside.
"""

from __future__ import annotations

import re
from typing import Final

KIB: Final = 2**10
MIB: Final = 2**20
GIB: Final = 2**30
GB: Final = 10**9

_BYTES: Final = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_SIZE = re.compile(r"\s*(\d{1,15}(?:\.\d{1,6})?)\s*([A-Za-z]{1,3})\s*(/s)?\s*\Z", re.ASCII)
_TOKENS = re.compile(r"\s*(\d{1,15}(?:\.\d{1,6})?)\s*([kKmM]?)\s*\Z", re.ASCII)
# As `vllm serve` reads them: a small letter is decimal, a capital one binary
# (vllm 0.33.0 utils/argparse_utils.py, read 2026-11-23).
_TOKEN_FACTORS: Final = {"": 1, "k": 10**3, "m": 10**6, "K": 2**10, "M": 2**20}


def parse_bytes(text: str) -> int:
    """Bytes of ``"141 GB"`` or ``"80 GiB"``; ValueError when the unit is missing or unknown."""
    found = _SIZE.match(text)
    if not found or found[3] or found[2].lower() not in _BYTES:
        raise ValueError(f"`{text}` is not a size; write a number and a unit, such as `141 GB` or `80 GiB`")
    return round(float(found[1]) * _BYTES[found[2].lower()])


def exact_size(size: int) -> str:
    """``size`` bytes in the largest unit that leaves a whole number."""
    for unit in ("TiB", "GiB", "MiB", "KiB", "TB", "GB", "MB", "kB"):
        factor = _BYTES[unit.lower()]
        if size and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} B"


def parse_bandwidth(text: str) -> int:
    """Bytes per second of ``"2 GB/s"``; ValueError otherwise."""
    found = _SIZE.match(text)
    if not found or not found[3] or found[2].lower() not in _BYTES:
        raise ValueError(f"`{text}` is not a bandwidth; write a number and a unit, such as `2 GB/s`")
    value = round(float(found[1]) * _BYTES[found[2].lower()])
    if value <= 0:
        raise ValueError(f"`{text}` is not a bandwidth: it must be above zero")
    return value


def parse_tokens(text: str) -> int:
    """Tokens of ``"131072"``, ``"128K"`` (131,072) or ``"1m"`` (1,000,000); ValueError otherwise."""
    found = _TOKENS.match(text)
    if not found:
        raise ValueError(f"`{text}` is not a number of tokens; write `131072`, `128K` (131,072) or `1m` (1,000,000)")
    return round(float(found[1]) * _TOKEN_FACTORS[found[2]])


def gib(size: float) -> str:
    """``size`` bytes in GiB with two decimals, unit included."""
    return f"{size / GIB:.2f} GiB"


def gb(size: float) -> str:
    """``size`` bytes in whole decimal GB, unit included."""
    return f"{size / GB:,.0f} GB"


def tokens(count: int) -> str:
    """A number of tokens with thousands separators."""
    return f"{count:,} tokens"


def plural(count: int, noun: str) -> str:
    """``1 GPU`` or ``2 GPUs``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
