"""The profile's own keys for what a framework's options say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glmdeploy.flags import Framework

_KEYS = {
    "context": "serving.context",
    "memory_fraction": "serving.memory_fraction",
    "prefill_chunk": "serving.prefill_chunk",
    "max_running": "serving.concurrency",
    "kv_cache_dtype": "serving.kv_cache_dtype",
    "served_name": "serving.served_names",
    "port": "serving.port",
    "tensor_parallel": "layout.tp",
    "pipeline_parallel": "layout.pp",
    "expert_parallel": "layout.ep",
    "speculative": "serving.mtp",
    "speculative_algorithm": "serving.mtp",
    "chat_template_kwargs": "serving.thinking",
    "model": "model.source",
    "revision": "model.source",
    "api_key": "secrets.api_key",
    "cpu_threads": "cluster.cpu_cores",
    "pools": "cluster.numa_nodes",
}


def key_of(framework: Framework, names: tuple[str, ...]) -> str:
    """What to write in the profile in place of an option."""
    neutral = next((f.name for f in framework.flags if f.option in names), "")
    return f"set `{_KEYS[neutral]}` instead" if neutral in _KEYS else "leave it to the plan"
