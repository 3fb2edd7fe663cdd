"""The event that started a workflow: its pull request, the base of that, and whether it comes from a fork.

`python -I -m glmdeploy.github_event >>"$GITHUB_OUTPUT"` makes them outputs of a step. Without `-I`, Python would look for
modules in the folder that it runs in first, and that folder is the pull request's.
"""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


@dataclass(frozen=True)
class Event:
    """``number`` is 0 and ``base`` empty where there is no pull request; a fork that was deleted is a fork."""

    number: int = 0
    base: str = ""
    fork: bool = False


def read(path: str) -> Event:
    """The event in a file; OSError or ValueError when it cannot be read."""
    event = json.loads(Path(path).read_text(encoding="utf-8"))
    pull = _member(event, "pull_request")
    number, base = _member(pull, "number"), _member(pull, "base", "sha")
    if not isinstance(number, int) or number < 1:
        return Event()
    known = isinstance(base, str) and _SHA.fullmatch(base)
    fork = _member(pull, "head", "repo", "full_name") != _member(pull, "base", "repo", "full_name")
    return Event(number, base if known else "", fork)


def _member(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def main() -> int:
    """Print the members as `name=value`; exit status 1 when the event cannot be read."""
    try:
        event = read(os.environ.get("GITHUB_EVENT_PATH", ""))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"::error title=glmdeploy::GITHUB_EVENT_PATH names no event: {type(error).__name__}\n")
        return 1
    sys.stdout.write(f"number={event.number}\nbase={event.base}\nfork={str(event.fork).lower()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
