"""What Compose refuses of services that name each other, and of fields beside each other.

GLM817, GLM828, GLM832, GLM836, GLM839. Compared with what `docker compose config` says: compose-go makes a dependency of
each of `_SHARED`, and refuses those that wait for each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.manifests.objects import number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.manifests.document import File, Key, Node

_PREFIX = "service:"
_SHARED = ("network_mode", "ipc", "pid", "uts")
_TESTS = ("NONE", "CMD", "CMD-SHELL")


def check(file: File, root: Node) -> Iterator[Diagnostic]:
    """The services of one file."""
    services = root.get("services").items
    for service in services.values():
        if not root.get("include"):  # whose files may define them
            yield from _missing(file, service, services)
        yield from _tested(file, service)
        yield from _bounds(file, service)
        yield from _mounts(file, service)
        yield from _unique(file, service)
    yield from _cycles(file, root.get("services"))


def _others(service: Node) -> Iterator[tuple[str, Node]]:
    """The services that one names, but for `depends_on`."""
    for field in _SHARED:
        node = service.get(field)
        if node.text.startswith(_PREFIX):
            yield node.text.removeprefix(_PREFIX), node
    for node in service.get("volumes_from").list:
        if not node.text.startswith("container:"):
            yield node.text.partition(":")[0], node
    for node in service.get("links").list:
        yield node.text.partition(":")[0], node


def _missing(file: File, service: Node, services: dict[str, Node]) -> Iterator[Diagnostic]:
    for name, node in _others(service):
        if name and "$" not in name and name not in services:
            yield file.say("GLM832", f"no `{name}` under `services`", node)


def _tested(file: File, service: Node) -> Iterator[Diagnostic]:
    test = service.get("healthcheck", "test")
    first = next(iter(test.list), test)
    if test.list and first.text and "$" not in first.text and first.text not in _TESTS:
        hint = f"{', '.join(_TESTS)}; a text alone is for the shell"
        yield file.say("GLM828", f"`test` cannot begin with `{first.text}`", first, hint=hint)


def _bounds(file: File, service: Node) -> Iterator[Diagnostic]:
    for name, limit in service.get("ulimits").items.items():
        missing = [k for k in ("soft", "hard") if isinstance(limit.value, dict) and not limit.get(k)]
        if missing:
            yield file.say("GLM817", f"`{missing[0]}` of the limit `{name}` is missing", limit)


def _mounts(file: File, service: Node) -> Iterator[Diagnostic]:
    for volume in service.get("volumes").list:
        if volume.get("type").text == "bind" and not volume.get("source"):
            yield file.say("GLM817", "`source` of a bind mount is missing", volume)


def _unique(file: File, service: Node) -> Iterator[Diagnostic]:
    name, scale, replicas = service.get("container_name"), service.get("scale"), service.get("deploy", "replicas")
    for what, node in (("scale", scale), ("deploy.replicas", replicas)):
        if name and (number(node) or 0) > 1:
            message = f"`container_name` and `{what}: {number(node)}` exclude each other: names are unique"
            yield file.say("GLM836", message, name, hint="leave `container_name` out")
            return


def _cycles(file: File, services: Node) -> Iterator[Diagnostic]:
    """The first circle of services that wait for each other: one is said, as Compose does."""
    waits = {name: _waits(service) for name, service in services.items.items()}
    done: set[str] = set()
    for name in waits:
        circle = _circle(name, waits, done, [])
        if circle:
            words = " -> ".join(circle)
            yield file.say("GLM839", f"services wait for each other: {words}", waits[circle[0]][circle[1]])
            return


def _circle(name: str, waits: dict[str, dict[str, Node | Key]], done: set[str], way: list[str]) -> list[str]:
    if name in way:
        return [*way[way.index(name) :], name]
    if name not in done:
        done.add(name)
        for other in waits.get(name, {}):
            if found := _circle(other, waits, done, [*way, name]):
                return found
    return []


def _waits(service: Node) -> dict[str, Node | Key]:
    depends = service.get("depends_on")
    found: dict[str, Node | Key] = {node.text: node for node in depends.list}
    found |= {name: depends.keys.get(name) or node for name, node in depends.items.items()}
    return found | dict(_others(service))
