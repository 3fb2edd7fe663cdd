"""Words of the checker: what is wrong with shards, and lists that stay short."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from glmdeploy.stored.header import Tensor

SHOWN = 5  # names in a note; the rest is a number
_LONGEST = 200  # characters of a note: two lines

# What is there with the wrong bytes would be kept by a download.
BROKEN = {"GLM963", "GLM965", "GLM966", "GLM967"}
REMOVE = "remove these files (in the hub's cache, what they link to), then "
WHAT = {
    "GLM961": "cannot be used",
    "GLM962": "missing",
    "GLM963": "not as long as their headers say",
    "GLM965": "are Git LFS pointers, not weights",
    "GLM966": "have a header that cannot be used",
    "GLM967": "with holes where data should be",
    "GLM968": "cannot be read",
}


def some(listed: Iterable[str]) -> tuple[str, ...]:
    """The first of them, and how many more there are."""
    every = [printable(item) for item in listed]
    more = (f"and {len(every) - SHOWN} more",) if len(every) > SHOWN else ()
    return (*(item if len(item) <= _LONGEST else item[: _LONGEST - 3] + "..." for item in every[:SHOWN]), *more)


def modules(tensors: Iterable[str]) -> Mapping[str, set[str]]:
    """The tensors of each module."""
    found: dict[str, set[str]] = defaultdict(set)
    for name in tensors:
        found[name.rpartition(".")[0]].add(name)
    return found


def shape(tensor: Tensor) -> str:
    """A tensor's type and shape."""
    return f"{tensor.dtype} {list(tensor.shape)}"
