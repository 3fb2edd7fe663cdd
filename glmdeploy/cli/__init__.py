"""The command line: options in, text and exit code out.

Exit codes: 0 fine, 1 something was refused, 2 usage, 3 a file would be clobbered. Data goes to stdout,
talk to stderr. Each command is a module that is imported only when it runs.
"""

from __future__ import annotations

import importlib
import os
import sys

import click

from glmdeploy import __version__

# command -> one line of help; the module of the same name holds it
COMMANDS = {
    "init": "Make a GitOps repository: workspace, profile, bundles and CI.",
    "render": "Write launch scripts, Compose files and Kubernetes manifests.",
    "plan": "Show the layout, the memory and the verdict, and write nothing.",
    "check": "Compare committed bundles with what their profiles render to now.",
    "lint": "Run every rule over profiles, or check the files of a bundle.",
    "set": "Change keys of a profile's file, and nothing else in it.",
    "upgrade": "Show what another version of the framework changes, and why.",
    "diff": "Compare two profiles, revisions or bundles in terms of the plan.",
    "recommend": "Choose framework, checkpoint and layout for what you need.",
    "cost": "Show what a plan costs, and where hosted seats cost more.",
    "bound": "Show upper bounds on speed, beside what was measured.",
    "probe": "Ask a running server what its users will ask it.",
    "compare": "Ask two servers the same tasks, and show where they differ.",
    "detect": "Read this host, and write the cluster section of a profile.",
    "validate-weights": "Check a folder of weights before a server loads them.",
    "images": "List container images, and look their digests up in the registries.",
    "list": "List GPUs, models, checkpoints, frameworks, profiles or rules.",
    "explain": "Explain a diagnostic code.",
    "schema": "Print the JSON Schema of profiles, or of what is written.",
    "completion": "Print a shell completion script.",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"glmdeploy.cli.{cmd_name.replace('-', '_')}_command")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(__version__, "-V", "--version", prog_name="glmdeploy", message="%(prog)s %(version)s")
def main() -> None:
    """Name the hardware and the framework, get a GLM-5.2 deployment that is right.

    \b
    Examples:
      glmdeploy render --framework sglang --gpus 10xH100
      glmdeploy plan --framework vllm --gpus 8xH200 --context 1M
      glmdeploy lint profiles/
    """


def entry() -> None:
    """What the console script runs: an output that cannot be written is a message, not a traceback."""
    try:
        main()
    except OSError as error:
        sys.stderr.write(f"error[GLM508]: cannot write the output: {error.strerror or error}\n")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to be flushed at exit
        sys.exit(1)
