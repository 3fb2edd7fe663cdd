"""Ask `vllm serve`: its parser, its own validation, and the engine configuration; see asked.py.

PYTHONPATH names the release, GLMDEPLOY_CONFIGS a folder with REPOSITORY/config.json for every checkpoint: a model
whose last path component stands there is configured from it, so that nothing is downloaded, without its tokenizer.
There is no GPU: the platform is told that its devices are CUDA's, and what a CUDA machine would choose by counting
its GPUs (how workers are started) is given. All questions of one call must have the same environment.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import asked

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

QUIET = {
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1",
}


def first(*modules: str) -> Any:
    """The first of these modules that this release has."""
    for name in modules[:-1]:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name not in {name, name.rpartition(".")[0]}:
                raise
    return importlib.import_module(modules[-1])


def check_names(given: argparse.Namespace) -> None:
    """What the server checks when it starts: the names of the parsers of tools and of reasoning."""
    from vllm.reasoning import ReasoningParserManager  # noqa: PLC0415
    from vllm.tool_parsers import ToolParserManager  # noqa: PLC0415

    tools, thoughts = ToolParserManager.list_registered(), ReasoningParserManager.list_registered()
    if given.enable_auto_tool_choice and given.tool_call_parser not in tools:
        raise asked.RefusedError(f"no tool call parser {given.tool_call_parser}")
    if given.reasoning_parser and given.reasoning_parser not in thoughts:
        raise asked.RefusedError(f"no reasoning parser {given.reasoning_parser}")


def check_modes(given: argparse.Namespace) -> None:
    """What the command checks before it starts servers, none of which starts; oldest releases do not import here."""
    try:
        serve = importlib.import_module("vllm.entrypoints.cli.serve")
    except ImportError:
        return
    with contextlib.ExitStack() as stack:
        for name in ("run_dp_supervisor", "run_headless", "run_multi_api_server", "run_server", "uvloop"):
            stack.enter_context(mock.patch.object(serve, name, mock.Mock()))
        serve.ServeSubcommand.cmd(copy.copy(given))


def engine_arguments(given: argparse.Namespace) -> Any:
    """What vLLM's configuration is made from, the model being read from its folder here."""
    from vllm.engine.arg_utils import AsyncEngineArgs  # noqa: PLC0415

    given.model = given.model_tag or given.model
    local = Path(os.environ["GLMDEPLOY_CONFIGS"], Path(given.model).name)
    if not (local / "config.json").is_file():
        raise asked.RefusedError(f"no configuration of {given.model} to go on with")
    given.served_model_name = given.served_model_name or [given.model]
    given.model, given.skip_tokenizer_init = str(local), True
    given.reasoning_parser = ""  # it was checked by name; to build it takes the tokenizer
    arguments = AsyncEngineArgs.from_cli_args(given)
    arguments.distributed_executor_backend = arguments.distributed_executor_backend or "mp"
    return arguments


def configure(given: argparse.Namespace, progress: asked.Progress) -> None:
    """Everything that vLLM computes before it starts a worker."""
    progress.stage = "AsyncEngineArgs"
    arguments = engine_arguments(given)
    progress.stage = "create_engine_config"
    arguments.create_engine_config(**({"headless": True} if getattr(given, "headless", False) else {}))


def command_line() -> tuple[Any, Any]:
    """The parser as `vllm` makes it, and that of its command `serve`."""
    argparse_utils = importlib.import_module("vllm.utils.argparse_utils")
    top = argparse_utils.FlexibleArgumentParser(prog="vllm")
    commands = top.add_subparsers(dest="subparser")
    return top, cli_args().make_arg_parser(commands.add_parser("serve"))


def cli_args() -> Any:
    """The module of `vllm serve`'s options."""
    return first(*(f"vllm.entrypoints.{folder}.cli_args" for folder in ("common", "launchers", "openai")))


def prepare() -> asked.Ask:
    """Build the parser for machines whose devices are CUDA's."""
    for name, value in QUIET.items():
        os.environ[name] = value
    platforms = importlib.import_module("vllm.platforms")
    platforms.current_platform.device_type = platforms.current_platform.device_type or "cuda"
    # Triton compiles nothing before a worker starts, and is off here only because there is no GPU's driver. Without it
    # VLLM_USE_V2_MODEL_RUNNER=1 is refused, and the other defaults are not those of a machine with GPUs.
    importlib.import_module("vllm.config.vllm").HAS_TRITON = True
    top, parser = command_line()
    known = list(parser._option_string_actions)  # noqa: SLF001  argparse has no public list

    def ask(words: list[str], progress: asked.Progress) -> Iterable[str]:
        given = top.parse_args(["serve", *words])
        progress.stage = "validate_parsed_serve_args"
        cli_args().validate_parsed_serve_args(given)
        progress.stage = "names of parsers"
        check_names(given)
        progress.stage = "modes"
        check_modes(given)
        configure(given, progress)
        progress.stage = "configured"
        return known

    return ask


if __name__ == "__main__":
    asked.serve(prepare)
