"""`glmdeploy probe`."""

from __future__ import annotations

import difflib
import sys
from dataclasses import replace

import click

from glmdeploy.cli import reports, talk
from glmdeploy.diagnostics import ProfileError
from glmdeploy.probe.address import in_the_clear, key, parse
from glmdeploy.probe.checks import CHECKS, chosen, matches
from glmdeploy.probe.client import Client
from glmdeploy.probe.render import FORMATS
from glmdeploy.probe.run import run
from glmdeploy.probe.session import Expected, Session
from glmdeploy.probe.wire import Deadline

_SECONDS = click.FloatRange(min=0.1, max=86_400)


def _checks(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    del context, parameter
    words = [w for part in value for w in (p.strip() for p in part.split(",")) if w]
    for word in words:
        if not any(matches(name, word) for name in CHECKS):
            near = difflib.get_close_matches(word, CHECKS, n=1)
            known = f"did you mean {near[0]}?" if near else f"known: {', '.join(CHECKS)}"
            raise click.BadParameter(f"no check {word!a}: {known}")
    return tuple(words)


# `command` is long by its options and its help, which click reads from signature and docstring.
@click.command(name="probe")
@click.argument("url", metavar="URL")
@click.option("--key-env", metavar="NAME", help="Environment variable that holds the key.")
@click.option("--key-file", metavar="FILE", help="File that holds the key.")
@click.option(
    "--model", metavar="NAME", default="", help="Model to ask for. Default: the profile's, or the first listed."
)
@click.option("--profile", metavar="PROFILE", help="Profile that the server was started from: its name and context.")
@click.option("--timeout", type=_SECONDS, default=120, show_default=True, help="Seconds for the whole run.")
@click.option("--request-timeout", type=_SECONDS, default=60, show_default=True, help="Seconds for one request.")
@click.option(
    "--select", multiple=True, metavar="CHECKS", callback=_checks, help="Run these alone, such as health,anthropic."
)
@click.option("--skip", multiple=True, metavar="CHECKS", callback=_checks, help="Leave these out, such as ttft.")
@click.option(
    "--format", "form", type=click.Choice(list(FORMATS)), default="text", show_default=True, help="What to print."
)
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="FMT=FILE",
    callback=reports.outputs(FORMATS),
    help="Also write a report in a format, such as junit=probe.xml; - prints; repeatable.",
)
def command(
    url: str,
    *,
    key_env: str | None,
    key_file: str | None,
    model: str,
    profile: str | None,
    timeout: float,
    request_timeout: float,
    select: tuple[str, ...],
    skip: tuple[str, ...],
    form: str,
    outputs: tuple[tuple[str, str], ...],
) -> None:
    """Ask a running server what its users will ask it.

    URL is the server's, with or without /v1. Health, readiness, the model list,
    chat, streams, reasoning apart from the answer, tool calls, structured
    output, the Anthropic API, refusal without a key, metrics, the context and
    the thinking presets are checked; the time to the first token and tokens/s
    of one stream are measured. What a server does not offer is unsupported, and
    no failure. A dozen short requests reach the model.

    The key comes from a variable or a file and goes to URL's host alone: no
    redirect is followed, no proxy asked. Exit code 1 when a check fails.

    \b
    Examples:
      glmdeploy probe http://127.0.0.1:8000
      glmdeploy probe https://glm.example.com --key-env KEY --profile prod.yaml
      glmdeploy probe http://127.0.0.1:8000 --select health,models,chat
      glmdeploy probe http://127.0.0.1:8000 --skip thinking --output junit=p.xml
    """
    if key_env is not None and key_file is not None:
        raise click.UsageError("the key comes from --key-env or from --key-file")
    names = chosen(select, skip)
    if not names:
        raise click.UsageError("--skip leaves no check")
    expected = _expected(profile) if profile else None
    try:
        client = Client(parse(url), key(key_env, key_file), Deadline(timeout), request_timeout)
    except ProfileError as error:
        talk.stop(error.diagnostics, talk.USAGE)
    session = Session(client, model, expected)
    report = run(session, names)
    report = replace(report, found=(*in_the_clear(client.address, client.key), *report.found))
    talk.say(report.found)
    talk.put(FORMATS[form](report), "backslashreplace")
    reports.write(lambda name: FORMATS[name](report), outputs)
    sys.exit(talk.REFUSED if report.failed else talk.OK)


def _expected(name: str) -> Expected:
    from glmdeploy.probe.expected import of_profile  # noqa: PLC0415  the planner is slow to import, and rarely needed

    try:
        return of_profile(name)
    except ProfileError as error:
        talk.stop(error.diagnostics)
