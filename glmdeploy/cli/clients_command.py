"""`glmdeploy clients`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from glmdeploy import catalog, clients, pipeline
from glmdeploy.cli import talk
from glmdeploy.cli.options import deployment, document
from glmdeploy.clients import endpoint, json_form
from glmdeploy.diagnostics import ProfileError, WriteError, has_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from glmdeploy.clients import Clients
    from glmdeploy.clients.endpoint import Endpoint
    from glmdeploy.diagnostics import Diagnostic


@click.command(name="clients")
@deployment
@click.option("--url", metavar="URL", help="Address of the server. Default: http://localhost:PORT.")
@click.option("--in-cluster", is_flag=True, help="The address is the Service's name in the cluster.")
@click.option("--model", metavar="NAME", help="With --url and no profile: the served name. Default: glm-5.2.")
@click.option("--no-key", is_flag=True, help="With --url and no profile: the server reads no key.")
@click.option(
    "--key-env",
    default=endpoint.KEY,
    show_default=True,
    metavar="NAME",
    help="Variable that holds the key where the clients run.",
)
@click.option(
    "--agent",
    "agents",
    multiple=True,
    type=click.Choice(clients.NAMES),
    metavar="NAME",
    help=f"{', '.join(clients.NAMES)}; repeatable. Default: all.",
)
@click.option("-o", "--output", metavar="DIR", help="Folder to write. Default: print.")
@click.option("--force", is_flag=True, help="Overwrite files that differ.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or for programs.",
)
def command(
    profile: str | None,
    *,
    agents: tuple[str, ...],
    output: str | None,
    force: bool,
    form: str,
    **given: Any,
) -> None:
    """Write what coding agents and SDKs need to use the server.

    For each agent: the file that it reads, or its dialog field by field, and a
    page; programs with the OpenAI and Anthropic SDKs; what migrating from the
    hosted endpoint changes. Limits are those of the plan; the key is only ever
    the name of a variable. PROFILE is a file, or the name of a shipped profile;
    --url with --context does without one.

    \b
    Examples:
      glmdeploy clients glm-5.2-fp8-8xh200-vllm --agent opencode
      glmdeploy clients prod.yaml --url https://glm.example.com -o clients
      glmdeploy clients prod.yaml --in-cluster --agent openclaw
      glmdeploy clients --url http://10.0.0.7:8000 --context 128K --no-key
    """
    made: Clients | None = None
    found: Sequence[Diagnostic] = ()
    written: tuple[Path, ...] = ()
    try:
        made, found = _made(profile, given, agents)
        if output and output != "-" and not has_errors(found):
            written = made.write(Path(output), force=force)
    except ProfileError as error:
        found = error.diagnostics
    except WriteError as error:
        talk.stop(error.diagnostics, talk.CLOBBER if error.clobber else talk.REFUSED)
    if form == "json":
        sys.stdout.write(json_form.as_json(made, found))
    else:
        if written:
            sys.stdout.write("".join(f"{path}\n" for path in written))
        elif made is not None and not has_errors(found):
            talk.put(made.text(), "backslashreplace")
        sys.stdout.flush()
        talk.say(found)
    sys.exit(talk.REFUSED if has_errors(found) else talk.OK)


def _made(profile: str | None, given: dict[str, Any], agents: Sequence[str]) -> tuple[Clients, Sequence[Diagnostic]]:
    """The configurations; ProfileError when the plan is refused or an option makes no sense."""
    key = endpoint.variable(given["key_env"])
    if profile is None and not (given["framework"] or given["gpus"]):
        made = clients.make(_of_url(given, key), agents)
        return made, made.found
    _refuse(given, ("model", "no_key"), "goes without a profile, which says it itself")
    if given["url"] and given["in_cluster"]:
        raise click.UsageError("give --url or --in-cluster, not both")
    source = document(profile, given)
    outcome = pipeline.judge(source, for_targets=False)
    if outcome.plan is None or outcome.refused:
        raise ProfileError(outcome.found)
    server = endpoint.of_plan(outcome.plan, url=given["url"] or "", in_cluster=given["in_cluster"], key=key)
    made = clients.make(server, agents)
    return made, source.place(made.found)


def _of_url(given: dict[str, Any], key: str) -> Endpoint:
    if not given["url"] or not given["context"]:
        raise click.UsageError("give a PROFILE, or --framework and --gpus, or --url and --context")
    _refuse(given, sorted(set(given) - _WITHOUT_PROFILE), "goes with a PROFILE")
    limits = (given["context"], given["output_tokens"] or "")
    model = given["model"] or "glm-5.2"
    return endpoint.of_url(given["url"], model, limits, "" if given["no_key"] else key, catalog.load().model)


_WITHOUT_PROFILE = {"url", "model", "no_key", "key_env", "context", "output_tokens"}


def _refuse(given: dict[str, Any], options: Iterable[str], why: str) -> None:
    for option in options:
        if given[option] not in {None, False, ()}:
            raise click.UsageError(f"--{option.replace('_', '-')} {why}")
