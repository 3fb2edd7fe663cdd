"""`lint --fix` and `lint --diff`: what the fixes did, on stderr; what they would change, on stdout."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from glmdeploy.cli import talk
from glmdeploy.diagnostics import printable
from glmdeploy.edit.diff import unified
from glmdeploy.edit.fix import mend
from glmdeploy.units import plural

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glmdeploy.diagnostics import Diagnostic


def fix(names: Iterable[str], *, write: bool) -> list[Diagnostic]:
    """Fix the profiles in place, or print the difference; the diagnostics of what could not be fixed or written."""
    mended, found = mend(names, write=write)
    done = 0
    for fixed in mended:
        if not write:
            talk.put(unified(str(fixed.file.path), fixed.file.text, fixed.text), "backslashreplace")
        for code, message in fixed.done:
            click.echo(printable(f"{fixed.file.path}: {code}: {message}"), err=True)
        done += len(fixed.done)
    sys.stdout.flush()
    what = "fixed" if write else "could fix"
    click.echo(f"{what} {plural(done, 'problem')} in {plural(sum(bool(f.done) for f in mended), 'file')}", err=True)
    return found
