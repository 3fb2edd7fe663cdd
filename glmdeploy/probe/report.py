"""What a run found, as every format needs it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.forms.probe import CheckResultForm
    from glmdeploy.probe.engine import Server


class Status(StrEnum):
    """How a check ended; ``unsupported`` is said where a server does not offer what is asked, and is no failure."""

    PASS = "pass"  # noqa: S105  no password
    FAIL = "fail"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True)
class Result:
    """The end of one check: a sentence, what to do about it, and how long it took (seconds)."""

    code: str
    status: Status
    message: str
    hint: str = ""
    seconds: float = 0.0

    def as_json(self) -> CheckResultForm:
        """The members of the JSON form, in order."""
        return {
            "code": self.code,
            "status": self.status.value,
            "message": self.message,
            "hint": self.hint,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class Report:
    """All checks in order; ``ttft`` in seconds and ``rate`` in tokens/s, 0 where not measured; no text holds a key."""

    url: str
    server: Server
    model: str
    results: tuple[Result, ...]
    ttft: float = 0.0
    rate: float = 0.0
    found: tuple[Diagnostic, ...] = ()
    connected: bool = True

    def count(self, status: Status) -> int:
        """How many checks ended so."""
        return sum(r.status is status for r in self.results)

    @property
    def failed(self) -> bool:
        """Whether any check failed."""
        return self.count(Status.FAIL) > 0
