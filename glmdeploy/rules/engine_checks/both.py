"""What both engines check in the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.rules.engine_checks.values import pp, tp

if TYPE_CHECKING:
    from glmdeploy.rules.engine_checks.values import Values


def nodes_divide(v: Values) -> str:
    """The ranks share the GPUs evenly."""
    world, nodes = tp(v) * pp(v), v.size("--nnodes")
    if v.framework.id == "vllm":
        world *= v.size("--data-parallel-size") * v.size("--prefill-context-parallel-size")
    return f"{nodes} ranks do not divide {world} GPUs" if world % nodes else ""


def context(v: Values) -> str:
    """The context is at most the model's, or a variable says that this is meant."""
    if v.says("VLLM_ALLOW_LONG_MAX_MODEL_LEN") or v.says("SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN"):
        return ""
    length = v.number("--max-model-len", "--context-length", default=0)
    return (
        f"a context of {length:,} tokens is above the model's {v.model.max_context:,}"
        if length > v.model.max_context
        else ""
    )
