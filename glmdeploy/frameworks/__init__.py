"""The frameworks: each turns a plan into processes and tells the planner how it uses memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.frameworks import ktransformers, sglang, transformers, vllm

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmdeploy.frameworks.common import Adapter
    from glmdeploy.plan import Plan, Process

ENGINES: dict[str, Adapter] = {
    "sglang": sglang.SGLang(),
    "vllm": vllm.VLLM(),
    "transformers": transformers.Transformers(),
    "ktransformers": ktransformers.KTransformers(),
}

LAUNCH: dict[str, Callable[[Plan], tuple[Process, ...]]] = {
    "sglang": sglang.launch,
    "vllm": vllm.launch,
    "transformers": transformers.launch,
    "ktransformers": ktransformers.launch,
}
