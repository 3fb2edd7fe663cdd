"""A GPU's memory as cells of a bar: every part that has bytes has a cell, and the cells are always as many."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def cells(sizes: Sequence[int], width: int) -> tuple[int, ...]:
    """``width`` cells shared out by size: at least one for each size above zero, the rest to the largest remainders."""
    total = sum(s for s in sizes if s > 0)
    if not total:
        return (0,) * len(sizes)
    shares = [max(0, s) * width for s in sizes]
    found = [max(1, share // total) if share else 0 for share in shares]
    while sum(found) > width:  # small parts were raised to one cell: the longest pays
        found[found.index(max(found))] -= 1
    behind = sorted(range(len(sizes)), key=lambda i: (found[i] * total - shares[i], i))
    for i in behind[: width - sum(found)]:
        found[i] += 1
    return tuple(found)
