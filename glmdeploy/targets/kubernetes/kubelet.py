"""Words as the kubelet reads them in `command`, `args`, `env` and probes: `$(NAME)` is a variable, two dollars are one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LEADER, RANK, KEY = "\0leader", "\0rank", "\0key"  # placeholders, which no word of a profile can hold
_VARIABLES = {LEADER: "LWS_LEADER_ADDRESS", RANK: "LWS_WORKER_INDEX", KEY: "GLMDEPLOY_API_KEY"}


def escape(word: str) -> str:
    """A word that the kubelet turns into what it was; placeholders become expansions of the container's variables."""
    word = word.replace("$", "$$")
    for placeholder, variable in _VARIABLES.items():
        word = word.replace(placeholder, f"$({variable})")
    return word


def words(plain: Iterable[str]) -> list[str]:
    """Every word of a command, escaped."""
    return [escape(word) for word in plain]


def environment(plain: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Every value of an environment, escaped."""
    return [(name, escape(value)) for name, value in plain]
