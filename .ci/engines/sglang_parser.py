"""Ask SGLang's own argument parser, `ServerArgs.add_cli_args`; see asked.py. PYTHONPATH names the release."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import asked

if TYPE_CHECKING:
    from collections.abc import Iterable


def stand_in(name: str) -> None:
    """A module that holds any name, for one that releases import at the top and no parser uses."""
    module = ModuleType(name)
    module.__dict__.update(__path__=[], __getattr__=lambda _: None)
    module.__spec__ = importlib.util.spec_from_loader(name, loader=None)
    sys.modules[name] = module


def parser() -> argparse.ArgumentParser:
    """The parser of this release."""
    unchecked = ModuleType("transformers.dependency_versions_check")  # see transformers_parser.py
    unchecked.__dict__["dep_version_check"] = lambda *_: None
    sys.modules[unchecked.__name__] = unchecked
    with contextlib.suppress(ImportError):
        from transformers.utils import is_torchvision_available  # noqa: PLC0415

        is_torchvision_available()  # it remembers the answer, which the stand-in would change
    for name in ("", ".io", ".transforms", ".transforms.functional", ".transforms.v2", ".transforms.v2.functional"):
        stand_in(f"torchvision{name}")
    from sglang.srt.server_args import ServerArgs  # noqa: PLC0415  it takes 10 s, and stdin is read before

    made = argparse.ArgumentParser(prog="sglang serve")
    ServerArgs.add_cli_args(made)
    return made


def prepare() -> asked.Ask:
    """Build the parser of this release."""
    made = parser()
    known = list(made._option_string_actions)  # noqa: SLF001  argparse has no public list

    def ask(words: list[str], progress: asked.Progress) -> Iterable[str]:
        made.parse_args(words)
        progress.stage = "parsed"
        return known

    return ask


if __name__ == "__main__":
    asked.serve(prepare)
