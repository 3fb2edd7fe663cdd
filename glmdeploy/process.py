"""What a plan becomes: processes with their command lines, before any target writes them down."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glmdeploy.layout import Placement


EVERYWHERE = "0.0.0.0"  # noqa: S104  a server in a container; the targets narrow it where they can


class Slot(StrEnum):
    """A word of a command line that only a target can fill in."""

    RANK = "rank"
    LEADER = "leader"
    PORT = "port"
    HOST = "host"
    API_KEY = "api-key"


@dataclass(frozen=True)
class Hole:
    """A word with a slot in it, such as the leader's address with ``:20000`` after it."""

    slot: Slot
    suffix: str = ""


Word = str | Hole


@dataclass(frozen=True)
class SecretRef:
    """An environment variable whose value is key ``key`` of the existing secret ``secret``."""

    variable: str
    secret: str
    key: str


@dataclass(frozen=True)
class Health:
    """How to ask a process whether it serves: HTTP ``path`` on its port, or a TCP port of the leader.

    ``timeout`` is the seconds one answer may take.
    """

    path: str = ""
    leader_port: int = 0
    timeout: int = 5


@dataclass(frozen=True)
class CPUNeeds:
    """What a process that computes on the CPU counts on; empty and 0 when any host will do.

    ``flags`` are spelt as /proc/cpuinfo spells them.
    """

    flags: tuple[str, ...] = ()
    cores: int = 0
    numa_nodes: int = 0


@dataclass(frozen=True)
class Process:
    """What one rank's node process starts."""

    role: str
    rank: int
    placement: Placement
    argv: tuple[Word, ...]
    env: tuple[tuple[str, str], ...]
    secrets: tuple[SecretRef, ...]
    port: int
    health: Health
    meeting_port: int = 0  # where the ranks find the leader; 0 for a single rank
    host_memory: int = 0  # RAM that this process fills, bytes; 0 when it is a small part of any host
    cpu: CPUNeeds = CPUNeeds()

    def has(self, slot: Slot) -> bool:
        """Whether the command line has a hole of that kind."""
        return any(not isinstance(w, str) and w.slot is slot for w in self.argv)

    def words(
        self,
        *,
        leader: str,
        rank: str | None = None,
        port: str | None = None,
        host: str = EVERYWHERE,
        api_key: str = "",
    ) -> list[str]:
        """The command line with its holes filled in; ``host`` is the address to listen on."""
        fill = {
            Slot.RANK: str(self.rank) if rank is None else rank,
            Slot.PORT: str(self.port) if port is None else port,
            Slot.HOST: host,
            Slot.LEADER: leader,
            Slot.API_KEY: api_key,
        }
        return [w if isinstance(w, str) else fill[w.slot] + w.suffix for w in self.argv]
