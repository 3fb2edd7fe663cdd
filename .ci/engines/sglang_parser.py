"""Ask SGLang: its argument parser, then what the server resolves and checks before it starts a worker; see asked.py.

PYTHONPATH names the release, GLMDEPLOY_CONFIGS a folder with REPOSITORY/config.json for every checkpoint: a model
whose last path component stands there is configured from it, so that nothing is downloaded. There is no GPU: what the
checks ask about it is answered for one that the words fit.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from unittest import mock

import asked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# What only command lines for a kind of GPU hold; then what SGLang calls it, compute capability, MiB. The first that fits.
GPUS = (
    ("NVFP4", "is_cuda", ("is_sm100", "is_sm100_or_sm110", "is_blackwell"), (10, 0), 183_359),
    ("MXFP4|tilelang|aiter", "is_hip", (), (9, 5), 294_896),
    ("", "is_cuda", ("is_sm90", "is_hopper_with_cuda_12_3"), (9, 0), 143_771),
)


def stand_in(name: str) -> None:
    """A module that holds any name, for one that releases import at the top and no parser uses."""
    module = ModuleType(name)
    module.__dict__.update(__path__=[], __getattr__=lambda _: None)
    module.__spec__ = importlib.util.spec_from_loader(name, loader=None)
    sys.modules[name] = module


@contextlib.contextmanager
def gpu_for(words: list[str]) -> Iterator[None]:
    """Answers about the GPU, which are given only to the checks: what is imported must not look for kernels."""
    import torch  # noqa: PLC0415  of the framework's environment
    from sglang.srt import server_args  # noqa: PLC0415

    vendor, names, (major, minor), memory = next(rest for part, *rest in GPUS if re.search(part, " ".join(words)))
    facts: dict[str, Any] = {**dict.fromkeys((vendor, *names), True), "device_capability": (major, minor)}
    facts |= {"device_sm": major * 10 + minor, "has_flashinfer": True} if vendor == "is_cuda" else {}
    answers = {"is_available": True, "device_count": 8, "get_device_capability": (major, minor), "get_device_name": ""}
    holders = [module for name, module in sys.modules.items() if name.startswith("sglang.srt")]
    with contextlib.ExitStack() as stack:
        if hasattr(server_args.ServerArgs, "resolve_once"):
            from sglang.srt.runtime_context import override_platform  # noqa: PLC0415

            stack.enter_context(override_platform(**facts))
        else:
            stack.enter_context(mock.patch.object(server_args, vendor, return_value=True))
        for module in holders:
            if "get_device_memory_capacity" in vars(module):
                stack.enter_context(mock.patch.object(module, "get_device_memory_capacity", return_value=memory))
        for name, value in answers.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, return_value=value))
        yield


def publish(server: Any) -> None:
    """Give the arguments to the process, from 0.5.19 on: widths that do not make up the tensor parallel size stop here."""
    try:
        from sglang.srt.runtime_context import publish  # noqa: PLC0415
    except ImportError:
        return
    publish(server, role="tokenizer")


def configure(given: argparse.Namespace, words: list[str], progress: asked.Progress) -> None:
    """Everything that SGLang computes and checks before it starts a worker, in the order of entrypoints/engine.py."""
    from sglang.srt.server_args import ServerArgs  # noqa: PLC0415

    local = Path(os.environ["GLMDEPLOY_CONFIGS"], Path(given.model_path).name)
    if not (local / "config.json").is_file():
        raise asked.RefusedError(f"no configuration of {given.model_path} to go on with")
    given.served_model_name = given.served_model_name or given.model_path
    given.model_path = str(local)
    with gpu_for(words):
        progress.stage = "ServerArgs"
        server = ServerArgs.from_cli_args(given)
        if hasattr(server, "resolve_once"):  # from 0.5.19 on; before, it is part of __post_init__
            server.resolve_once()
        progress.stage = "check_server_args"
        server.check_server_args()
        progress.stage = "publish"
        publish(server)


def parser() -> argparse.ArgumentParser:
    """The parser of this release."""
    unchecked = ModuleType("transformers.dependency_versions_check")  # see transformers_parser.py
    unchecked.__dict__["dep_version_check"] = lambda *_: None
    sys.modules[unchecked.__name__] = unchecked
    with contextlib.suppress(ImportError):
        from transformers.models.auto.configuration_auto import CONFIG_MAPPING  # noqa: PLC0415

        # old releases register models that newer releases of transformers already hold
        register = CONFIG_MAPPING.register
        CONFIG_MAPPING.register = lambda key, value, exist_ok=False: register(key, value, exist_ok=True)  # noqa: ARG005
    with contextlib.suppress(ImportError):
        from transformers.utils import is_torchvision_available  # noqa: PLC0415

        is_torchvision_available()  # it remembers the answer, which the stand-in would change
    for name in ("", ".io", ".transforms", ".transforms.functional", ".transforms.v2", ".transforms.v2.functional"):
        stand_in(f"torchvision{name}")
    if importlib.util.find_spec("sgl_kernel") is None:
        stand_in("sgl_kernel")
    from sglang.srt.server_args import ServerArgs  # noqa: PLC0415  it takes 10 s, and stdin is read before

    made = argparse.ArgumentParser(prog="sglang serve")
    ServerArgs.add_cli_args(made)
    return made


def prepare() -> asked.Ask:
    """Build the parser of this release."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    made = parser()
    known = list(made._option_string_actions)  # noqa: SLF001  argparse has no public list

    def ask(words: list[str], progress: asked.Progress) -> Iterable[str]:
        given = made.parse_args(words)
        progress.stage = "parsed"
        configure(given, words, progress)
        progress.stage = "configured"
        return known

    return ask


if __name__ == "__main__":
    asked.serve(prepare)
