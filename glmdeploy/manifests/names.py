"""Names, labels and ports as the API server takes them: GLM804, GLM805, GLM808, GLM809, GLM818."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Level
from glmdeploy.manifests.objects import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.manifests.document import File, Key, Node
    from glmdeploy.manifests.objects import Object, Pod

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?\Z")
_PORT_NAME = re.compile(r"(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
_SERVICE = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?\Z")
_MAX_LABEL, _MAX_SUBDOMAIN, _MAX_PORT_NAME, _MAX_PORT = 63, 253, 15, 65535
# Kinds whose names end in host names or labels, so that dots are refused.
_NO_DOTS = frozenset(["Namespace"])
# Kinds that become a host's name (RFC 1035): the controller of a LeaderWorkerSet makes a Service of its name.
_HOSTS = frozenset(["Service", "LeaderWorkerSet"])


def check(o: Object) -> Iterator[Diagnostic]:
    """The names of an object, of its pods and of its ports."""
    yield from _metadata(o.file, o.root.get("metadata"), o.kind)
    for pod in o.pods():
        if pod.root is not o.root:
            yield from labels(o.file, pod.root.get("metadata", "labels"))
            yield from _annotations(o.file, pod.root.get("metadata", "annotations"))
        yield from _pod(pod)
    if o.kind == "Service":
        yield from _service(o)


def _metadata(file: File, metadata: Node, kind: str) -> Iterator[Diagnostic]:
    for key in ("name", "namespace"):
        node = metadata.get(key)
        dotted = key == "name" and kind not in _NO_DOTS
        if kind in _HOSTS and key == "name":
            yield from _name(file, node, _SERVICE, _MAX_LABEL, "starts with a letter, without dots")
        elif node.text:
            pattern, longest = (_SUBDOMAIN, _MAX_SUBDOMAIN) if dotted else (_LABEL, _MAX_LABEL)
            yield from _name(file, node, pattern, longest, "" if dotted else "without dots")
    yield from labels(file, metadata.get("labels"))
    yield from _annotations(file, metadata.get("annotations"))


def _name(file: File, node: Node, pattern: re.Pattern[str], longest: int, more: str = "") -> Iterator[Diagnostic]:
    found = _problem(node.text, pattern, longest, more)
    if found:
        yield file.say("GLM804", found[0], node, hint=found[1])


def _problem(text: str, pattern: re.Pattern[str], longest: int, more: str) -> tuple[str, str] | None:
    if not text or (pattern.match(text) and len(text) <= longest):
        return None
    words = "lowercase letters, digits and `-`" + (f", {more}" if more else "")
    hint = f"RFC 1123: {words}, letter or digit at both ends, at most {longest} characters"
    return f"`{text}` is not a name that the API server takes", hint


def labels(file: File, node: Node) -> Iterator[Diagnostic]:
    """Keys and values of labels, or of a selector."""
    for message, at, hint in label_problems(node):
        yield file.say("GLM805", message, at, hint=hint)


def label_problems(node: Node) -> Iterator[tuple[str, Node | Key, str]]:
    """What is wrong with a mapping of labels: message, place and hint."""
    for key, value in node.items.items():
        yield from key_problem(key, node.keys.get(key) or value)
        yield from value_problem(value)


def value_problem(value: Node) -> Iterator[tuple[str, Node | Key, str]]:
    """What is wrong with one value of a label."""
    text = value.text
    if text and (not _QUALIFIED.match(text) or len(text) > _MAX_LABEL):
        hint = "letters, digits, `-`, `_` and `.`, letter or digit at both ends, at most 63 characters: no slash"
        yield f"label value `{text}` is not valid", value, hint


def key_problem(key: str, at: Node | Key) -> Iterator[tuple[str, Node | Key, str]]:
    """What is wrong with the key of a label or of an annotation."""
    prefix, slash, name = key.rpartition("/")
    fits = _QUALIFIED.match(name) and len(name) <= _MAX_LABEL
    if not fits or (slash and (not _SUBDOMAIN.match(prefix.lower()) or len(prefix) > _MAX_SUBDOMAIN)):
        hint = "a name of at most 63 characters, behind `DOMAIN/` if at all"
        yield f"key `{key}` of a label or an annotation is not valid", at, hint


def name_problem(text: str, *, dotted: bool) -> tuple[str, str] | None:
    """What is wrong with a name of RFC 1123, as message and hint; ``dotted``: a subdomain, not a label."""
    pattern, longest, more = (_SUBDOMAIN, _MAX_SUBDOMAIN, "") if dotted else (_LABEL, _MAX_LABEL, "without dots")
    return _problem(text, pattern, longest, more)


def _annotations(file: File, node: Node) -> Iterator[Diagnostic]:
    for key, value in node.items.items():
        for message, at, hint in key_problem(key, node.keys.get(key) or value):
            yield file.say("GLM805", message, at, hint=hint)


def _pod(pod: Pod) -> Iterator[Diagnostic]:
    file = pod.owner.file
    for node in (*pod.all_containers, *pod.spec.get("volumes").list):
        yield from _name(file, node.get("name"), _LABEL, _MAX_LABEL, "without dots")
    yield from unique(file, pod.all_containers, "container")
    yield from unique(file, pod.spec.get("volumes").list, "volume")
    host = pod.spec.get("hostNetwork").value is True
    ports = [p for c in pod.containers for p in c.get("ports").list]
    yield from unique(file, ports, "port")
    for container in pod.all_containers:
        yield from unique(file, container.get("env").list, "environment variable", level=Level.WARNING)
        yield from unique(file, container.get("volumeMounts").list, "mount path", key="mountPath")
        for port in container.get("ports").list:
            yield from in_range(file, port.get("containerPort"))
            yield from in_range(file, port.get("hostPort"))
            yield from _port_name(file, port.get("name"))
            taken, inner = number(port.get("hostPort")), number(port.get("containerPort"))
            if host and taken is not None and taken != inner:
                message = f"with `hostNetwork`, hostPort {taken} must equal containerPort {inner}"
                yield file.say("GLM808", message, port.get("hostPort"))
        for node in _handlers(container):
            yield from port_reference(file, node)


def _handlers(container: Node) -> Iterator[Node]:
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        for kind in ("httpGet", "tcpSocket", "grpc"):
            if found := container.get(probe, kind, "port"):
                yield found


def _service(o: Object) -> Iterator[Diagnostic]:
    ports = o.root.get("spec", "ports").list
    yield from unique(o.file, ports, "port")
    for port in ports:
        yield from in_range(o.file, port.get("port"))
        yield from in_range(o.file, port.get("nodePort"))
        yield from port_reference(o.file, port.get("targetPort"))
        yield from _name(o.file, port.get("name"), _LABEL, _MAX_LABEL, "without dots")
        if len(ports) > 1 and not port.get("name"):
            yield o.file.say("GLM817", "`name` of a port is missing: a Service with several ports names each", port)


def in_range(file: File, node: Node) -> Iterator[Diagnostic]:
    """A port's number is one that exists."""
    value = number(node)
    if value is not None and not 1 <= value <= _MAX_PORT:
        yield file.say("GLM808", f"port {value} is out of range", node, hint=f"between 1 and {_MAX_PORT}")


def port_reference(file: File, node: Node) -> Iterator[Diagnostic]:
    """A port that is given by number or by name."""
    yield from in_range(file, node)
    yield from _port_name(file, node)


def _port_name(file: File, node: Node) -> Iterator[Diagnostic]:
    text = node.text
    fits = _PORT_NAME.match(text) and len(text) <= _MAX_PORT_NAME and any(c.isalpha() for c in text)
    if text and not fits:
        hint = "at most 15 characters: lowercase letters, digits and single `-`, with a letter"
        yield file.say("GLM808", f"`{text}` is not a name of a port", node, hint=hint)


def unique(
    file: File, nodes: Iterable[Node], what: str, *, key: str = "name", level: Level = Level.ERROR
) -> Iterator[Diagnostic]:
    """No two members of a list share a name."""
    seen: set[str] = set()
    for node in nodes:
        name = node.get(key)
        if name.text and name.text in seen:
            yield file.say("GLM809", f"{what} `{name.text}` stands twice", name, level=level)
        seen.add(name.text)


def objects(found: Iterable[Object]) -> Iterator[Diagnostic]:
    """No object stands twice."""
    seen: dict[tuple[str, ...], Object] = {}
    for o in found:
        key = (o.group, o.kind, o.root.get("metadata", "namespace").text, o.name)
        if o.name and key in seen:
            first = seen[key].file.span(seen[key].root.get("metadata", "name"))
            message = f"{o.label} stands twice: also in {first.path}:{first.line}"
            yield o.file.say("GLM818", message, o.root.get("metadata", "name"))
        seen.setdefault(key, o)
