"""Weigh vLLM's own model classes; see weighed.py. PYTHONPATH names the release."""

# ruff: noqa: SLF001  a release has no public way into a world that is not there

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from typing import TYPE_CHECKING, Any

import vllm_parser
import weighed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

COMPILED = (
    *(f"vllm.{name}" for name in ("_C_stable_libtorch", "_moe_C_stable_libtorch", "_qutlass_C", "_flashmla_C")),
    *(f"vllm.{name}" for name in ("_C", "_moe_C", "_rocm_C", "_flashmla_extension_C", "_deepselect_C", "_flashkda_C")),
    *(f"vllm.{name}" for name in ("cumem_allocator", "vllm_flash_attn")),
    "vllm.model_executor.layers.mamba.ops",  # Triton's kernels, which without Triton are no kernels at import
    "vllm.compilation.passes.fusion",  # patterns of compiled operations
    "deep_gemm",
    "amdsmi",
    "aiter",
)
# Compiled operations that layers look up when they are made.
OPERATIONS = ("silu_and_mul", "silu_and_mul_quant", "rms_norm", "fused_add_rms_norm", "rotary_embedding")


def platform(gpu: weighed.Gpu) -> Any:
    """The platform's own class with a GPU that is not there."""
    interface = importlib.import_module("vllm.platforms.interface")
    own = importlib.import_module("vllm.platforms.rocm" if gpu.amd else "vllm.platforms.cuda")
    major, minor = gpu.capability

    class Pretended(own.RocmPlatform if gpu.amd else own.CudaPlatformBase):  # type: ignore[misc]
        @classmethod
        def get_device_capability(cls, device_id: int = 0) -> Any:  # noqa: ARG003
            return interface.DeviceCapability(major, minor)

    answers: dict[str, Any] = {
        "has_device_capability": lambda wanted, device_id=0: (  # noqa: ARG005
            (major, minor) >= (wanted if isinstance(wanted, tuple) else divmod(wanted, 10))
        ),
        "get_device_name": lambda device_id=0: gpu.name,  # noqa: ARG005
        "get_device_total_memory": lambda device_id=0: gpu.memory,  # noqa: ARG005
        "device_count": lambda: 8,
        "num_compute_units": lambda device_id=0: 132,  # noqa: ARG005
        "is_fully_connected": lambda _: True,
        "is_integrated_gpu": lambda device_id=0: False,  # noqa: ARG005
        "is_pin_memory_available": lambda: False,
        "set_device": lambda _: None,
    }
    for name, value in answers.items():
        setattr(Pretended, name, staticmethod(value))
    return Pretended()


def prepare(gpu: weighed.Gpu) -> weighed.Build:
    """Import vLLM in a world with these GPUs."""
    for name, value in vllm_parser.QUIET.items():
        os.environ[name] = value
    sys.meta_path.insert(0, weighed.StandIns(*COMPILED))
    weighed.pretended_cuda(gpu)
    platforms: Any = importlib.import_module("vllm.platforms")
    platforms._current_platform = pretended = platform(gpu)
    # the second model runner, which plans ask for on AMD, is refused without Triton: no model takes it here
    importlib.import_module("vllm.config.vllm").HAS_TRITON = True
    operations = importlib.import_module("vllm._custom_ops")
    for name in dir(operations):  # what the compiled kernels say about the GPU
        if name.endswith("_supported") or "_supports_" in name:
            setattr(operations, name, lambda *_, _name=name, **__: "fp4" not in _name or gpu.capability[0] >= 10)  # noqa: PLR2004
    for name in OPERATIONS:
        setattr(importlib.import_module("torch").ops._C, name, weighed.Nothing(name))
    top, _ = vllm_parser.command_line()
    for module in ("vllm.model_executor.model_loader.utils", "vllm.v1.worker.gpu.spec_decode.eagle.utils"):
        importlib.import_module(module)
    for module in ("vllm.models.deepseek_v32", "vllm.model_executor.models.deepseek_v2"):  # once, not in every child
        if importlib.util.find_spec(module):
            importlib.import_module(module)

    def build(argv: list[str], rank: int) -> tuple[Sequence[torch.nn.Module], tuple[int, int]]:
        given = top.parse_args(["serve", *vllm_parser.asked.words(argv)])
        config = vllm_parser.engine_arguments(given).create_engine_config()
        with importlib.import_module("vllm.config").set_current_vllm_config(config):
            join(config, rank)
        pretended.device_type = type(pretended).device_type = "meta"
        return models(config)

    return build


def join(config: Any, rank: int) -> None:
    """Make vLLM's own groups of ranks, without anything to talk over."""
    state = importlib.import_module("vllm.distributed.parallel_state")
    parallel = config.parallel_config
    size = parallel.tensor_parallel_size * parallel.pipeline_parallel_size
    weighed.world(rank, size)

    class Group(state.GroupCoordinator):  # type: ignore[misc, name-defined]
        def __init__(self, group_ranks: Any, local_rank: int, *_: Any, group_name: str = "", **__: Any) -> None:
            self.unique_name = state._get_unique_name(group_name or "anonymous")
            state._register_group(self)
            vars(self).update(weighed.members(rank, group_ranks, local_rank))

        def __getattr__(self, name: str) -> None:
            if name.startswith("__"):
                raise AttributeError(name)

    state.GroupCoordinator = Group
    state._WORLD = Group([range(size)], rank % 8, group_name="world")
    state._NODE_COUNT = parallel.nnodes
    state.initialize_model_parallel(parallel.tensor_parallel_size, parallel.pipeline_parallel_size)


def models(config: Any) -> tuple[Sequence[torch.nn.Module], tuple[int, int]]:
    """The model, and the draft model as the second model runner makes and shares it."""
    workspace = importlib.import_module("vllm.v1.worker.workspace")
    loader = importlib.import_module("vllm.model_executor.model_loader.utils")
    drafts: Any = importlib.import_module("vllm.v1.worker.gpu.spec_decode.eagle.utils")

    def get_model(*, vllm_config: Any, model_config: Any = None, **_: Any) -> Any:
        return loader.initialize_model(vllm_config, model_config=model_config or vllm_config.model_config)

    drafts.get_model = get_model
    with weighed.on_meta(), importlib.import_module("vllm.config").set_current_vllm_config(config):
        workspace.init_workspace_manager("meta")
        built = [get_model(vllm_config=config)]
        if config.speculative_config and importlib.import_module("vllm.distributed").get_pp_group().is_last_rank:
            built.append(drafts.load_eagle_model(built[0], config))
    return built, (built[0].model.start_layer, built[0].model.end_layer)


if __name__ == "__main__":
    weighed.serve(prepare)
