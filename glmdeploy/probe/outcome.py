"""How a check ends before its last line."""

from __future__ import annotations

from dataclasses import dataclass

from glmdeploy.diagnostics import GlmdeployError


@dataclass(frozen=True)
class Good:
    """The check passed; the sentence says what was seen."""

    message: str


class Unsupported(GlmdeployError):  # noqa: N818  no error: the server does not offer it
    """The server does not offer what is asked, and nothing is wrong with that."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Lacking(GlmdeployError):  # noqa: N818  an error only of engines that have it
    """An answer came without what was asked: wrong, but for an engine that is known not to have it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
