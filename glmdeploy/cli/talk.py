"""What every command says on stderr, and how it ends."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, NoReturn, TextIO

from glmdeploy.diagnostics import render_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glmdeploy.diagnostics import Diagnostic

OK, REFUSED, USAGE, CLOBBER = 0, 1, 2, 3


def colour(stream: TextIO) -> bool:
    """Whether a stream is a terminal that may be coloured (https://no-color.org)."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()


def writes(text: str) -> bool:
    """Whether stdout's encoding has every character of ``text``."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def width() -> int:
    """Columns to break sentences at: the terminal's, or 0 for a pipe, whose reader may search for a sentence."""
    return shutil.get_terminal_size().columns if sys.stderr.isatty() else 0


def put(text: str, instead: str) -> None:
    """Write data to stdout; ``instead`` is the codec's way with characters that the encoding lacks."""
    encoding = sys.stdout.encoding or "ascii"
    sys.stdout.write(text.encode(encoding, instead).decode(encoding))


def say(found: Sequence[Diagnostic]) -> None:
    """Print diagnostics to stderr."""
    if found:
        sys.stderr.write(render_text(found, colour=colour(sys.stderr), width=width()))


def stop(found: Sequence[Diagnostic], code: int = REFUSED) -> NoReturn:
    """Print diagnostics and end with ``code``."""
    say(found)
    sys.exit(code)
