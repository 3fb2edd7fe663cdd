"""The formats of `lint` and `check` on the command line: what is asked for, where it goes."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from glmdeploy import rules
from glmdeploy.bundle import write_file
from glmdeploy.cli import talk
from glmdeploy.diagnostics import Diagnostic, Span, WriteError
from glmdeploy.lint import FORMATS, choice
from glmdeploy.lint.text import summary

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from glmdeploy.lint.report import Report


def codes(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """The codes of a list, or a usage error."""
    del context, parameter
    try:
        return choice.codes(value, rules.pages())
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def outputs(formats: Collection[str]) -> Callable[..., tuple[tuple[str, str], ...]]:
    """A callback that takes `--output FMT=FILE` apart, or refuses a format that the command does not have."""

    def callback(
        context: click.Context, parameter: click.Parameter, value: tuple[str, ...]
    ) -> tuple[tuple[str, str], ...]:
        del context, parameter
        found = [(form, file) for form, _, file in (v.partition("=") for v in value)]
        for form, file in found:
            _known(form, file, formats)
        if len({file for _, file in found}) < len(found):
            raise click.BadParameter("two reports cannot be written to one file")
        return tuple(found)

    return callback


def _known(form: str, file: str, formats: Collection[str]) -> None:
    if form not in formats:
        near = difflib.get_close_matches(form, formats, n=1)
        known = f"did you mean {near[0]}?" if near else f"known: {', '.join(formats)}"
        raise click.BadParameter(f"no format {form!a}: {known}")
    if not file:
        raise click.BadParameter(f"write it as {form}=FILE")


def show(report: Report, form: str, *, talk_only: bool = False) -> None:
    """The main format of `lint`: text speaks on stderr and counts on stdout, or on stderr as well; any other is data."""
    if form != "text":
        talk.put(FORMATS[form](report), "backslashreplace")
        return
    talk.say(report.found)
    sys.stderr.flush()
    click.echo(summary(report), nl=False, err=talk_only)


def write(render: Callable[[str], str], outputs: tuple[tuple[str, str], ...]) -> None:
    """The reports that go to files; the command ends with exit code 1 where one cannot be written."""
    try:
        for form, file in outputs:
            _write(render(form), file)
    except WriteError as error:
        talk.stop(error.diagnostics)


def _write(text: str, file: str) -> None:
    if file == "-":
        talk.put(text, "backslashreplace")
        return
    path = Path(file).resolve()  # a link stays one
    if path.exists() and not path.is_file():
        raise WriteError([Diagnostic("GLM508", f"cannot write `{file}`: it is not a file", span=Span(file))])
    write_file(path, text.encode(errors="backslashreplace").decode())
