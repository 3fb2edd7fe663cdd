"""`glmdeploy compare`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from glmdeploy.cli import talk
from glmdeploy.diagnostics import Diagnostic, ProfileError, Span
from glmdeploy.probe import compare, tasks
from glmdeploy.probe.address import in_the_clear, key, parse
from glmdeploy.probe.client import LIMIT, Client
from glmdeploy.probe.compare_render import FORMATS
from glmdeploy.probe.run import unreachable
from glmdeploy.probe.session import Session
from glmdeploy.probe.wire import Deadline

if TYPE_CHECKING:
    from glmdeploy.probe.compare import Comparison

_SECONDS = click.FloatRange(min=0.1, max=86_400)


# `command` is long by its options and its help, which click reads from signature and docstring.
@click.command(name="compare")
@click.argument("url_a", metavar="URL_A")
@click.argument("url_b", metavar="URL_B")
@click.option("--tasks", "tasks_file", metavar="FILE", required=True, help="Tasks: YAML with `tasks`, or JSON Lines.")
@click.option("--key-env-a", metavar="NAME", help="Environment variable that holds the key of A.")
@click.option("--key-file-a", metavar="FILE", help="File that holds the key of A.")
@click.option("--key-env-b", metavar="NAME", help="Environment variable that holds the key of B.")
@click.option("--key-file-b", metavar="FILE", help="File that holds the key of B.")
@click.option("--model-a", metavar="NAME", default="", help="Model to ask A for. Default: the first that it lists.")
@click.option("--model-b", metavar="NAME", default="", help="Model to ask B for. Default: the first that it lists.")
@click.option(
    "--concurrency", type=click.IntRange(1, 64), default=4, show_default=True, help="Tasks that run at a time."
)
@click.option("--timeout", type=_SECONDS, default=600, show_default=True, help="Seconds for the whole run.")
@click.option("--request-timeout", type=_SECONDS, default=300, show_default=True, help="Seconds for one request.")
@click.option(
    "--format", "form", type=click.Choice(list(FORMATS)), default="text", show_default=True, help="What to print."
)
@click.option("--exit-code", is_flag=True, help="End with exit code 3 when any task differs.")
def command(
    url_a: str,
    url_b: str,
    *,
    tasks_file: str,
    key_env_a: str | None,
    key_file_a: str | None,
    key_env_b: str | None,
    key_file_b: str | None,
    model_a: str,
    model_b: str,
    concurrency: int,
    timeout: float,
    request_timeout: float,
    form: str,
    exit_code: bool,
) -> None:
    """Ask two servers the same tasks, and show where they differ.

    Such as one with FP8 and one with BF16 weights. Answers (white space apart),
    finish reasons, expectations and prompt tokens are compared; tokens of the
    answers, times to the first token and tokens/s are shown beside each other.
    Each server has its own key, and neither gets the other's.

    FILE holds tasks: an id, a prompt or messages, max_tokens, temperature (0),
    thinking, and what to expect of the answer (contains, regex, json_schema);
    `glmdeploy schema tasks` describes it. Exit code 0 whether anything differs
    or not, 1 when a task was not answered.

    \b
    Examples:
      glmdeploy compare http://fp8:8000 http://bf16:8000 --tasks tasks.yaml
      glmdeploy compare http://a:8000 http://b:8000 --tasks t.jsonl --format json
      glmdeploy compare https://a.example.com https://b.example.com \\
        --tasks tasks.yaml --key-env-a KEY_A --key-env-b KEY_B
    """
    if (key_env_a is not None and key_file_a is not None) or (key_env_b is not None and key_file_b is not None):
        raise click.UsageError("a key comes from a variable or from a file")
    try:
        questions = tasks.read(Path(tasks_file))
    except ProfileError as error:
        talk.stop(error.diagnostics)
    limit = LIMIT + compare.BYTES_A_TOKEN * max(task.max_tokens for task in questions)
    total = Deadline(timeout)
    try:
        a = Client(parse(url_a), key(key_env_a, key_file_a, "-a"), total, request_timeout, limit)
        b = Client(parse(url_b), key(key_env_b, key_file_b, "-b"), total, request_timeout, limit)
    except ProfileError as error:
        talk.stop(error.diagnostics, talk.USAGE)
    talk.say((*in_the_clear(a.address, a.key), *in_the_clear(b.address, b.key)))
    sessions = Session(a, model_a), Session(b, model_b)
    _reachable(*sessions)
    found = compare.run(*sessions, questions, concurrency=concurrency)
    talk.put(FORMATS[form](found), "backslashreplace")
    _end(found, exit_code=exit_code)


def _reachable(*sessions: Session) -> None:
    if problems := [d for session in sessions for d in unreachable(session)]:
        talk.stop(problems)


def _end(found: Comparison, *, exit_code: bool) -> None:
    if found.failed:
        names = ", ".join(f"`{row.id}`" for row in found.failed[:5]) + (", ..." if len(found.failed) > 5 else "")  # noqa: PLR2004
        message = f"{len(found.failed)} of {len(found.rows)} tasks were not answered by both: {names}"
        talk.stop([Diagnostic("GLM912", message, span=Span("compare"), hint="the report says why")])
    sys.exit(talk.CLOBBER if exit_code and found.different else talk.OK)
