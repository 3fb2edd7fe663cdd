"""The frameworks: each turns a plan into processes and tells the planner how it uses memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.frameworks import ktransformers, sglang, sglang_launch, transformers, vllm, vllm_launch

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmdeploy.engine import Engine
    from glmdeploy.plan import Plan
    from glmdeploy.process import Process

ENGINES: dict[str, Engine] = {
    "sglang": sglang.SGLang(),
    "vllm": vllm.VLLM(),
    "transformers": transformers.Transformers(),
    "ktransformers": ktransformers.KTransformers(),
}

LAUNCH: dict[str, Callable[[Plan], tuple[Process, ...]]] = {
    "sglang": sglang_launch.launch,
    "vllm": vllm_launch.launch,
    "transformers": transformers.launch,
    "ktransformers": ktransformers.launch,
}
