"""References of container images: `[HOST/]NAME[:TAG][@sha256:...]`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PATTERN = re.compile(
    r"(?P<name>(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
    r"(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?\Z"
)
# An image with a tag, a digest or both, as `parse` takes it, in what Python and ECMA 262 share: only a host, which has a
# dot or a port, may hold capitals.
_PART = "[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*"
_HOST = "((?=[^/]*[.:])[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)/"
_DIGEST = "@sha256:[0-9a-f]{64}"
TAGGED = f"(?=.{{1,512}}$)({_HOST})?{_PART}(/{_PART})*(:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}({_DIGEST})?|{_DIGEST})"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
DOCKER_HUB = "docker.io"  # what a name without a host means
_LONGEST = 512


@dataclass(frozen=True)
class Reference:
    """The parts of an image's name; ``tag`` and ``digest`` may be empty."""

    name: str
    tag: str = ""
    digest: str = ""

    @property
    def host(self) -> str:
        """The registry: a first component with a dot or a port, or Docker Hub."""
        first, slash, _ = self.name.partition("/")
        return first if slash and ("." in first or ":" in first or first == "localhost") else DOCKER_HUB

    @property
    def repository(self) -> str:
        """The name inside the registry."""
        if self.host == DOCKER_HUB:
            name = self.name.removeprefix(f"{DOCKER_HUB}/")
            return name if "/" in name else f"library/{name}"
        return self.name.partition("/")[2]


def parse(text: str) -> Reference | None:
    """The parts of a reference, or None where it is none."""
    match = _PATTERN.match(text) if len(text) <= _LONGEST else None
    found = Reference(match["name"], match["tag"] or "", match["digest"] or "") if match else None
    return found if found and found.repository == found.repository.lower() else None
