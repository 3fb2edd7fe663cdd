"""What vLLM says to words beyond its options' types and choices, from where they stand in 0.33.0."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from glmdeploy.commandline import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.commandline import CommandLine

# Options whose names another option adds to: beside it any word may be right.
_PLUGINS = {"--tool-call-parser": "--tool-parser-plugin", "--reasoning-parser": "--reasoning-parser-plugin"}
# JSON that may be absent: an empty value and `None` say so (engine/arg_utils.py:173).
_OPTIONAL = {
    *("--custom-histogram-buckets", "--default-mm-loras", "--diffusion-config", "--ec-transfer-config"),
    *("--engram-config", "--kv-events-config", "--kv-transfer-config", "--mm-processor-kwargs", "--pooler-config"),
    *("--quantization-config", "--reasoning-config", "--speculative-config", "--watermark-config"),
    "--weight-transfer-config",
}
UNUSED = "it is used with `--enable-auto-tool-choice` only"


def judge(line: CommandLine) -> list[Problem]:
    """The problems of a command line."""
    return [*_names(line), *_models(line), *_adapters(line)]


def _names(line: CommandLine) -> Iterator[Problem]:
    """The parsers are looked up by name when the server starts (entrypoints/common/cli_args.py:618)."""
    auto = line.last("--enable-auto-tool-choice")
    for problem in line.problems:
        given = next((g for g in line.given if g.index == problem.index and problem.kind == "choice"), None)
        name = given.option.name if given else ""
        if name == "--tool-call-parser" and (auto is None or auto.off):
            problem = replace(problem, kind="unused")  # noqa: PLW2901  it is never looked up
        absent = name in _OPTIONAL and given is not None and given.value in {"", "None"}
        if not absent and not line.last(_PLUGINS.get(name, "")):
            yield problem


def _models(line: CommandLine) -> Iterator[Problem]:
    """`vllm serve` puts the model of `--model` first (utils/argparse_utils.py:325-355)."""
    if line.positional and line.last("--model"):
        yield Problem(line.positional[0][0], "positional", line.positional[0][1], "`--model` names the model")


def _adapters(line: CommandLine) -> Iterator[Problem]:
    """`--lora-modules` has an action of its own (entrypoints/common/cli_args.py:38)."""
    for given in line.given:
        if given.option.name == "--lora-modules" and given.known:
            for value in given.values:
                if not _is_adapter(value):
                    detail = f"`{value}` is neither name=path nor JSON with a name and a path"
                    yield Problem(given.index, "value", given.written, detail)


def _is_adapter(value: str) -> bool:
    if not value or ("=" in value and "," not in value):
        return True
    try:
        adapter = json.loads(value)
    except (ValueError, RecursionError):
        return False
    known = {"name", "path", "base_model_name", "is_3d_lora_weight"}
    return isinstance(adapter, dict) and {"name", "path"} <= set(adapter) <= known
