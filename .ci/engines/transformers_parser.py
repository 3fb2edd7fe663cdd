"""Ask the parser that typer makes of `transformers serve`; see asked.py. PYTHONPATH names the release."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

import asked

if TYPE_CHECKING:
    from collections.abc import Iterable


def prepare() -> asked.Ask:
    """Build the command of this release; it is parsed, never invoked."""
    # Releases ask for one version each of libraries that no parser uses: one environment serves all of them.
    unchecked = ModuleType("transformers.dependency_versions_check")
    unchecked.__dict__["dep_version_check"] = lambda *_: None
    sys.modules[unchecked.__name__] = unchecked
    import typer  # noqa: PLC0415  of the framework's environment
    from transformers.cli.serve import Serve  # noqa: PLC0415

    app = typer.Typer()
    app.command(name="serve")(Serve)
    command = typer.main.get_command(app)
    known = [name for option in command.params for name in (*option.opts, *option.secondary_opts)]

    def ask(words: list[str], progress: asked.Progress) -> Iterable[str]:
        command.make_context("serve", list(words))
        progress.stage = "parsed"
        return [*known, "--help"]

    return ask


if __name__ == "__main__":
    asked.serve(prepare)
