"""Weigh SGLang's own model classes; see weighed.py. PYTHONPATH names the release."""

# ruff: noqa: SLF001  a release has no public way into a world that is not there

from __future__ import annotations

import importlib
import importlib.metadata
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asked
import sglang_parser
import weighed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

# Compiled for a GPU: stand-ins, even where a part of it can be installed without one.
COMPILED = (
    *("sgl_kernel", "deep_gemm", "deep_ep", "flashinfer", "flash_mla", "flash_attn", "sgl_flash_attn", "cutlass"),
    *("cuda", "tilelang", "quack", "torchao", "triton_kernels", "torch_memory_saver", "aiter", "pynvml"),
    *("amdsmi", "mooncake", "quark"),
)
# Servers, clients and file formats that releases import and no model uses.
UNUSED = (
    *("accelerate", "anthropic", "av", "blobfile", "datasets", "decord", "grpc", "kernels", "modelscope", "msgpack"),
    *("openai_harmony", "opentelemetry", "outlines", "pandas", "peft", "prometheus_client", "py_spy", "scipy"),
    *("smg_grpc_proto", "soundfile", "timm", "torchaudio", "torchcodec", "uvloop", "watchfiles", "xxhash"),
)


def versions() -> None:
    """Let every package have a version: releases compare those of packages that are stand-ins here."""
    own = importlib.metadata.version

    def version(name: str) -> str:
        try:
            return own(name)
        except importlib.metadata.PackageNotFoundError:
            return "99.0.0"

    importlib.metadata.version = version


def prepare(gpu: weighed.Gpu) -> weighed.Build:
    """Import SGLang in a world with these GPUs."""
    importlib.import_module("xgrammar")  # its compiled part looks at torch.cuda
    weighed.pretended_cuda(gpu)
    sys.meta_path.insert(0, weighed.StandIns(*COMPILED))
    sys.meta_path.append(weighed.StandIns(*UNUSED))
    if gpu.amd:
        importlib.import_module("triton").runtime.driver.set_active(weighed.Nothing("driver"))
    importlib.import_module("deep_gemm").get_num_sms = lambda: 132
    versions()
    parser = sglang_parser.parser()
    common: Any = importlib.import_module("sglang.srt.utils.common")
    common.get_amdgpu_memory_capacity = lambda: gpu.memory / 2**20  # it asks a program that AMD's driver brings
    for module in ("model_loader.loader", "models.registry"):
        importlib.import_module(f"sglang.srt.{module}")

    def build(argv: list[str], rank: int) -> tuple[Sequence[torch.nn.Module], tuple[int, int]]:
        given = parser.parse_args(asked.words(argv))
        given.model_path = str(Path(os.environ["GLMDEPLOY_CONFIGS"], Path(given.model_path).name))
        given.skip_tokenizer_init, given.device = True, "cuda"
        arguments = importlib.import_module("sglang.srt.server_args").ServerArgs.from_cli_args(given)
        join(arguments, rank)
        built = [model(arguments, draft=False)]
        if arguments.speculative_algorithm:
            built.append(model(arguments, draft=True))
            built[1].set_embed_and_head(*built[0].get_embed_and_head())
        return built, (built[0].model.start_layer, built[0].model.end_layer)

    return build


def join(arguments: Any, rank: int) -> None:
    """Make SGLang's own groups of ranks, without anything to talk over."""
    context = importlib.import_module("sglang.srt.runtime_context")
    state = importlib.import_module("sglang.srt.distributed.parallel_state")
    size = arguments.tp_size * arguments.pp_size
    context.publish(arguments, role="scheduler", ranks=context.SpawnRanks(world_rank=rank, gpu_id=0))
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
    context.get_parallel().override_permanently(world_group=state._WORLD)
    state.initialize_model_parallel()
    importlib.import_module("sglang.srt.layers.dp_attention").initialize_dp_attention(arguments)
    importlib.import_module("sglang.srt.layers.moe.utils").initialize_moe_config()


def model(arguments: Any, *, draft: bool) -> Any:
    """The model, or the draft model that the same checkpoint holds."""
    loader = importlib.import_module("sglang.srt.model_loader.loader")
    config = importlib.import_module("sglang.srt.configs.model_config").ModelConfig.from_server_args(
        arguments, is_draft_model=draft
    )
    load = importlib.import_module("sglang.srt.configs.load_config").LoadConfig()
    with weighed.on_meta():
        return loader._initialize_model(config, load, loader._get_quantization_config(config, load))


if __name__ == "__main__":
    weighed.serve(prepare)
