"""Which checkpoint of the catalogue a folder holds, from the types of its tensors."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmdeploy.models import Checkpoint, Model
    from glmdeploy.stored.header import Tensor

_EXPERT = re.compile(r"model\.layers\.(\d{1,4})\.mlp\.experts\.\d{1,4}\.\w+_proj\.(\w+)\Z", re.ASCII)
_LINEAR = re.compile(r"model\.layers\.(\d{1,4})\.self_attn\.o_proj\.(\w+)\Z", re.ASCII)


class Census:
    """The types of the routed experts' and the attention's tensors, by their suffix, of all layers but MTP."""

    def __init__(self, model: Model) -> None:
        self.layers = model.layers
        self.experts: dict[str, set[str]] = defaultdict(set)
        self.linear: dict[str, set[str]] = defaultdict(set)

    def count(self, tensors: Mapping[str, Tensor]) -> None:
        """Take a shard in."""
        for name, tensor in tensors.items():
            for pattern, types in ((_EXPERT, self.experts), (_LINEAR, self.linear)):
                found = pattern.match(name)
                if found and int(found[1]) < self.layers:
                    types[found[2]].add(tensor.dtype)

    def checkpoint(self, model: Model) -> Checkpoint | None:
        """The one whose formats these are."""
        formats = _format(self.linear), _format(self.experts)
        return next((c for c in model.checkpoints if (c.linear, c.experts) == formats), None)

    @property
    def shown(self) -> str:
        """What was found, for a message."""
        parts = (("experts", self.experts), ("attention", self.linear))
        return "; ".join(f"{name}: {_types(types)}" for name, types in parts)


def _types(types: Mapping[str, set[str]]) -> str:
    listed = [f"{suffix} {'/'.join(sorted(found))}" for suffix, found in sorted(types.items())][:6]
    return ", ".join(listed) or "none"


def _format(types: Mapping[str, set[str]]) -> str:
    """The catalogue's word for a projection's tensors; empty where it has none, or they are mixed."""
    if any(len(found) > 1 for found in types.values()):
        return ""
    one = {suffix: next(iter(found)) for suffix, found in types.items()}
    return next((name for name, needed in _SIGNS.items() if all(one.get(k) in v for k, v in needed.items())), "")


# The first whose tensors all are there. MXFP4 and W4AFP8: what vLLM's Quark and SGLang's w4afp8 loaders ask for.
_SIGNS: dict[str, dict[str, tuple[str, ...]]] = {
    "nvfp4": {"weight": ("U8",), "weight_scale": ("F8_E4M3",), "weight_scale_2": ("F32",)},
    "mxfp4": {"weight": ("U8", "F4"), "weight_scale": ("U8", "F8_E8M0")},
    "fp8_block": {"weight": ("F8_E4M3",), "weight_scale_inv": ("F32", "BF16")},
    "int4_group": {"weight": ("I8", "U8"), "weight_scale_inv": ("F32", "BF16")},
    "bf16": {"weight": ("BF16",)},
}
