"""`glmdeploy init`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from glmdeploy import scaffold
from glmdeploy.cli import talk
from glmdeploy.cli.options import described, document
from glmdeploy.diagnostics import Diagnostic, ProfileError, Span, WriteError
from glmdeploy.fields import dns_label
from glmdeploy.frameworks import LAUNCH
from glmdeploy.scaffold import Answers
from glmdeploy.workspace.schema import inside

_GPUS, _FRAMEWORK = "8xH200", "sglang"
_CI: dict[str, scaffold.CI] = {"github": "github", "gitlab": "gitlab", "none": "none"}


# `command` is long by its options and its help, which click reads from signature and docstring.
@click.command(name="init")
@described
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="NAME",
    help="What the bundles hold; repeatable. Default: kubernetes.",
)
@click.option(
    "--environment",
    "environments",
    multiple=True,
    metavar="NAME",
    help="An environment with a bundle of its own; repeatable. Default: prod.",
)
@click.option("--namespace", metavar="NAME", help="Kubernetes namespace. Default: llm; with several, llm-NAME.")
@click.option("--folder", default="clusters", show_default=True, metavar="DIR", help="Folder of the bundles.")
@click.option("--ci", type=click.Choice(["github", "gitlab", "none"]), help="Whose CI. Default: github.")
@click.option(
    "--requirement",
    default=scaffold.REQUIREMENT,
    show_default=True,
    metavar="TEXT",
    help="What pip installs in CI and in hooks: a version, an address or a wheel.",
)
@click.option("-o", "--output", default=".", metavar="DIR", help="Folder of the repository. Default: this one.")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing on a terminal either: options and defaults.")
def command(
    profile: str | None,
    *,
    environments: tuple[str, ...],
    namespace: str | None,
    folder: str,
    ci: scaffold.CI | None,
    requirement: str,
    output: str,
    yes: bool,
    **given: Any,
) -> None:
    """Make a GitOps repository that passes its own checks.

    Writes a workspace, one profile, its bundle in each environment, the lock
    file, and CI, pre-commit and README for them. On a terminal it asks for what
    no option says; elsewhere it never asks. PROFILE starts from a file or a
    shipped profile. A file that is there stays as it is; a workspace that is
    there is exit code 3.

    \b
    Examples:
      glmdeploy init
      glmdeploy init --framework vllm --gpus 16xH100
      glmdeploy init --environment dev --environment prod
      glmdeploy init glm-5.2-fp8-10xh100-sglang --ci gitlab -o deploy
      glmdeploy init --target kubernetes --target argocd \\
        --set git.repository=https://git.example.com/llm/deploy.git \\
        --set git.revision=main
    """
    ask = not yes and sys.stdin.isatty() and sys.stderr.isatty()
    given["targets"] = given["targets"] or (() if profile else ("kubernetes",))
    if not profile:
        given["framework"] = given["framework"] or _answer("Framework", _FRAMEWORK, ask=ask, one_of=sorted(LAUNCH))
        given["gpus"] = given["gpus"] or _answer("GPUs", _GPUS, ask=ask)
    answers = Answers(
        environments=tuple(dict.fromkeys(environments)) or ("prod",),
        namespace=namespace or _answer("Kubernetes namespace", "llm", ask=ask),
        folder=folder,
        ci=ci or _CI[_answer("CI", "github", ask=ask, one_of=list(_CI))],
        requirement=requirement,
    )
    try:
        _refuse(answers)
        made = scaffold.make(Path(output), document(profile, given), answers)
    except ProfileError as error:
        talk.stop(error.diagnostics)
    except WriteError as error:
        talk.stop(error.diagnostics, talk.CLOBBER if error.clobber else talk.REFUSED)
    talk.say(made.found)
    for name in made.written:
        click.echo(str(Path(output) / name))
    click.echo("next: git add -A && glmdeploy check", err=True)


def _answer(question: str, usual: str, *, ask: bool, one_of: list[str] | None = None) -> str:
    kind = click.Choice(one_of) if one_of else str
    answer: str = click.prompt(question, default=usual, type=kind, err=True) if ask else usual
    return answer


def _refuse(answers: Answers) -> None:
    """ProfileError for names that no workspace takes."""
    checks = [("--environment", name, dns_label) for name in answers.environments]
    checks += [("--namespace", answers.namespace, dns_label), ("--folder", answers.folder, inside)]
    for option, text, check in checks:
        try:
            check(text)
        except ValueError as error:
            raise ProfileError([Diagnostic("GLM011", f"`{option}` {error}", span=Span(f"{option} {text!a}"))]) from None
    if not answers.requirement.isprintable():
        message = "a control character is not allowed in `--requirement`"
        raise ProfileError([Diagnostic("GLM014", message, span=Span("--requirement"))])
