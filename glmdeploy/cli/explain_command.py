"""`glmdeploy explain`."""

from __future__ import annotations

import difflib
import textwrap

import click

from glmdeploy import rules
from glmdeploy.cli import talk
from glmdeploy.diagnostics import Diagnostic


@click.command(name="explain")
@click.argument("code")
def command(code: str) -> None:
    """Explain a diagnostic code.

    \b
    Example:
      glmdeploy explain GLM201
    """
    pages = rules.pages()
    page = pages.get(code.upper())
    if page is None:
        near = difflib.get_close_matches(code.upper(), pages, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "`glmdeploy list rules` shows all codes"
        talk.stop([Diagnostic("GLM015", f"unknown code {code!a}", hint=hint)])
    title, *paragraphs = page.text.split("\n\n")
    click.echo("\n\n".join([f"{page.code}: {title}", *(textwrap.fill(" ".join(p.split()), 80) for p in paragraphs)]))
