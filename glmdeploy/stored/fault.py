"""Something wrong with one file: a code of ours, and what is wrong, in words that follow the file's name."""

from __future__ import annotations


class FaultError(Exception):
    """One file cannot be used."""

    def __init__(self, code: str, what: str) -> None:
        self.code = code
        self.what = what
        super().__init__(f"{code}: {what}")
