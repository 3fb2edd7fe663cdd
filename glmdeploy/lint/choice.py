"""Which findings are said and counted: `--select`, `--ignore` and `--severity`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Level
from glmdeploy.ignores import near

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.lint.report import Report

_ORDER = (Level.ERROR, Level.WARNING, Level.NOTE)
_ALWAYS = ("GLM0", "GLM1")  # errors that keep the rules from running: without them, a check of nothing would be green


@dataclass(frozen=True)
class Choice:
    """Beginnings of codes to say alone and to leave out, and the least level."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    least: Level = Level.NOTE

    def narrow(self, report: Report) -> Report:
        """The report without what was not chosen."""
        found = tuple(d for d in report.found if self.keeps(d))
        return replace(report, found=found, silenced=tuple(s for s in report.silenced if self.keeps(s.diagnostic)))

    def keeps(self, d: Diagnostic) -> bool:
        """Whether a finding is said. No option takes out an error that was selected."""
        error = d.level is Level.ERROR
        if error and d.code.startswith(_ALWAYS):
            return True
        if self.select and not d.code.startswith(self.select):
            return False
        return error or (_ORDER.index(d.level) <= _ORDER.index(self.least) and not _starts(d.code, self.ignore))


def _starts(code: str, beginnings: tuple[str, ...]) -> bool:
    return bool(beginnings) and code.startswith(beginnings)


def codes(texts: Iterable[str], known: Collection[str]) -> tuple[str, ...]:
    """The codes, or beginnings of codes, in comma-separated lists; ValueError with a sentence for an unknown one."""
    found = tuple(c.strip().upper() for text in texts for c in text.split(","))
    for code in found:
        if not re.fullmatch(r"GLM\d{0,3}", code) or not any(k.startswith(code) for k in known):
            guess = near(code, known)
            hint = f"did you mean {guess}?" if guess else "`glmdeploy list rules` shows all codes"
            raise ValueError(f"no code is or begins with {code!a}: {hint}")
    return found
