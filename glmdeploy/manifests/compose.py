"""Compose files: GLM802, GLM803, GLM806, GLM808, GLM817, GLM822, GLM825, and of its own GLM830 to GLM833."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Level
from glmdeploy.manifests import compose_links
from glmdeploy.manifests.hygiene import image
from glmdeploy.manifests.names import in_range
from glmdeploy.manifests.pods import SHM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.manifests.document import File, Node

_TOP = ["name", "version", "services", "networks", "volumes", "secrets", "configs", "include", "models", "jobs"]
# Keys of a service: compared on 2026-11-24 with the JSON schema that check-jsonschema carries (compose-spec.json).
# fmt: off
_SERVICE = [
    "annotations", "attach", "blkio_config", "build", "cap_add", "cap_drop", "cgroup", "cgroup_parent", "command",
    "configs", "container_name", "cpu_count", "cpu_percent", "cpu_period", "cpu_quota", "cpu_rt_period",
    "cpu_rt_runtime", "cpu_shares", "cpus", "cpuset", "credential_spec", "depends_on", "deploy", "develop",
    "device_cgroup_rules", "devices", "dns", "dns_opt", "dns_search", "domainname", "entrypoint", "env_file",
    "environment", "expose", "extends", "external_links", "extra_hosts", "gpus", "group_add", "healthcheck",
    "hostname", "image", "init", "ipc", "isolation", "label_file", "labels", "links", "logging", "mac_address",
    "mem_limit", "mem_reservation", "mem_swappiness", "memswap_limit", "models", "network_mode", "networks",
    "oom_kill_disable", "oom_score_adj", "pid", "pids_limit", "platform", "ports", "post_start", "pre_start", "pre_stop",
    "privileged", "profiles", "provider", "pull_policy", "pull_refresh_after", "read_only", "restart", "runtime",
    "scale", "secrets", "security_opt", "shm_size", "stdin_open", "stop_grace_period", "stop_signal", "storage_opt",
    "sysctls", "tmpfs", "tty", "ulimits", "umask", "use_api_socket", "user", "userns_mode", "uts", "volumes", "volumes_from",
    "working_dir",
]
# fmt: on
_INTERPOLATION = re.compile(
    r"\$(?:\$|\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*)(?P<rule>:?[-?+](?:[^{}]|\{[^}]*\})*)?\}|(?P<named>[A-Za-z_][A-Za-z0-9_]*))?"
)
_DURATION = re.compile(r"([0-9]+(\.[0-9]+)?(us|ms|s|m|h))+\Z")
_SIZE = re.compile(r"[0-9]+(\.[0-9]+)? ?([kKmMgGtTpP][iI]?)?[bB]?\Z")
_PORT = re.compile(r"(?<![0-9.])[0-9]{1,10}(?![0-9.])")


# Closed lists: a field, the words that Compose or Docker take, and how the hint lists them.
_WORDS = {
    "restart": (
        re.compile(r"no|always|unless-stopped|on-failure(:[0-9]+)?"),
        "`no`, `always`, `unless-stopped`, `on-failure`",
    ),
    "pull_policy": (
        re.compile(r"always|never|missing|if_not_present|build|refresh|daily|weekly|every_([0-9]+[wdhms])+"),
        "`always`, `never`, `missing`, `build`, `daily`, `weekly`, `every_12h`",
    ),
    "cgroup": (re.compile(r"host|private"), "`host`, `private`"),
}
_CONDITIONS = ("service_started", "service_healthy", "service_completed_successfully")


def looks(root: Node) -> bool:
    """Whether a document is a Compose file."""
    return "services" in root.items and "kind" not in root.items


def check(file: File, root: Node, *, policy: str, known: frozenset[str], seen: set[str]) -> Iterator[Diagnostic]:
    """One Compose file; ``known`` are the variables that an .env file beside it names."""
    yield from _unknown(file, root, _TOP, "")
    yield from _interpolation(file, root, known)
    for name, service in root.get("services").items.items():
        yield from _service(file, root, name, service)
        if "build" not in service.items and "$" not in service.get("image").text:
            yield from image(file, service.get("image"), policy, seen)
    yield from compose_links.check(file, root)


def _unknown(file: File, node: Node, known: list[str], where: str) -> Iterator[Diagnostic]:
    for key, child in node.items.items():
        if key not in known and not key.startswith("x-"):
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean `{near[0]}`?" if near else ""
            yield file.say("GLM802", f"unknown key `{where}{key}`", node.keys.get(key) or child, hint=hint)


def _service(file: File, root: Node, name: str, service: Node) -> Iterator[Diagnostic]:
    at = root.get("services").keys.get(name) or service
    yield from _unknown(file, service, _SERVICE, f"services.{name}.")
    if not {"image", "build", "extends", "provider"} & set(service.items):
        yield file.say("GLM817", f"service `{name}` has neither `image` nor `build`", at)
    if service.get("privileged").value is True:
        hint = "GPUs come from `deploy.resources.reservations.devices` or `devices`"
        message = f"service `{name}` is privileged: it owns the host"
        yield file.say("GLM825", message, service.get("privileged"), hint=hint, level=Level.WARNING)
    yield from _environment(file, service.get("environment"))
    yield from _ports(file, service)
    yield from _amounts(file, service)
    yield from _references(file, root, service)
    yield from _devices(file, service, name)
    yield from _closed(file, service)
    yield from _network(file, service)
    yield from _healthy(file, root, service)
    if not _once(root, name, service):
        test = service.get("healthcheck", "test")
        off = service.get("healthcheck", "disable").value is True or test.text == "NONE"
        if off or not test:
            message = f"service `{name}` has no health check"
            hint = "without one, nobody sees that it still loads or that it hangs"
            yield file.say("GLM831", message, at, hint=hint, level=Level.WARNING)


def _once(root: Node, name: str, service: Node) -> bool:
    """Whether a service runs once: a download, a check."""
    completed = any(
        other.get("depends_on", name, "condition").text == "service_completed_successfully"
        for other in root.get("services").items.values()
    )
    return completed or service.get("restart").text in {"no", "on-failure"} or bool(service.get("profiles").list)


def _environment(file: File, node: Node) -> Iterator[Diagnostic]:
    for name, value in node.items.items():
        changed = isinstance(value.value, int | float) and str(value.value) != value.raw
        if isinstance(value.value, bool) or changed:
            what = "a bool" if isinstance(value.value, bool) else f"the number {value.value}"
            message = f"`{name}`: `{value.raw}` is {what} to some readers"
            yield file.say("GLM803", message, value, hint=f'write "{value.raw}"')
        if node.keys.get(name) and node.keys[name].taken_for:
            key = node.keys[name]
            message = f"key `{name}` is {key.taken_for} to a YAML 1.1 reader"
            yield file.say("GLM803", message, key, hint=f'write "{name}"')


def _ports(file: File, service: Node) -> Iterator[Diagnostic]:
    for port in service.get("ports").list:
        if port.trap:
            message = f"`{port.raw}` is {port.trap} to some YAML readers"
            yield file.say("GLM803", message, port, hint=f'write "{port.raw}"')
        for key in ("target", "published"):
            yield from in_range(file, port.get(key))
        words = [] if "$" in port.text else _PORT.findall(port.text)
        if any(not 1 <= int(w) <= 65535 for w in words):  # noqa: PLR2004  the last port there is
            yield file.say("GLM808", f"`{port.text}`: a port is out of range", port, hint="between 1 and 65535")


def _amounts(file: File, service: Node) -> Iterator[Diagnostic]:
    health = service.get("healthcheck")
    durations = [health.get(k) for k in ("interval", "timeout", "start_period", "start_interval")]
    for node in (*durations, service.get("stop_grace_period")):
        if node and "$" not in node.text and not _DURATION.match(node.raw):
            yield file.say("GLM806", f"`{node.raw}` is not a duration", node, hint="such as `90s` or `1m30s`")
    for key in ("shm_size", "mem_limit", "memswap_limit", "mem_reservation"):
        node = service.get(key)
        if node and "$" not in node.text and not _SIZE.match(node.raw):
            yield file.say("GLM806", f"`{node.raw}` is not a size", node, hint="such as `32gb` (of 1,024 each)")


def _references(file: File, root: Node, service: Node) -> Iterator[Diagnostic]:
    wanted: list[tuple[str, str, Node]] = []
    for volume in service.get("volumes").list:
        source = volume.get("source")
        if volume.get("type").text == "volume" and source:
            wanted.append(("volumes", source.text, source))
        elif volume.text and ":" in volume.text and not volume.text.startswith((".", "/", "~", "$")):
            wanted.append(("volumes", volume.text.partition(":")[0], volume))
    for key in ("secrets", "configs"):
        for item in service.get(key).list:
            node = item.get("source") or item
            wanted.append((key, node.text, node))
    depends = service.get("depends_on")
    wanted += [("services", item.text, item) for item in depends.list]
    wanted += [("services", name, node) for name, node in depends.items.items()]
    networks = service.get("networks")
    wanted += [("networks", item.text, item) for item in networks.list]
    wanted += [("networks", name, node) for name, node in networks.items.items()]
    for key, name, node in wanted:
        if name and name not in {*root.get(key).items, *(["default"] if key == "networks" else [])}:
            yield file.say("GLM832", f"no `{name}` under `{key}`", node)


def _closed(file: File, service: Node) -> Iterator[Diagnostic]:
    for key, (words, hint) in _WORDS.items():
        node = service.get(key)
        if node.text and "$" not in node.text and not words.fullmatch(node.text):
            yield file.say("GLM828", f"`{key}` cannot be `{node.text}`", node, hint=hint)
    for other in service.get("depends_on").items.values():
        node = other.get("condition")
        if node.text and "$" not in node.text and node.text not in _CONDITIONS:
            yield file.say("GLM828", f"`condition` cannot be `{node.text}`", node, hint=", ".join(_CONDITIONS))


def _network(file: File, service: Node) -> Iterator[Diagnostic]:
    """Docker leaves published ports out on the host's network; Compose refuses two networks."""
    mode = service.get("network_mode")
    at = service.keys.get("ports") or service.get("ports")
    if mode.text == "host" and service.get("ports").list:
        message = "`ports` does nothing with `network_mode: host`: the container has the host's ports"
        yield file.say("GLM836", message, at, hint="leave it out", level=Level.WARNING)
    if mode.text and service.get("networks"):
        at = service.keys.get("networks") or service.get("networks")
        yield file.say("GLM836", "`network_mode` and `networks` exclude each other", at, hint="keep one of them")


def _healthy(file: File, root: Node, service: Node) -> Iterator[Diagnostic]:
    """A dependency's health that nobody finds out: `up` fails once it has started."""
    for name, link in service.get("depends_on").items.items():
        other = root.get("services", name)
        if link.get("condition").text != "service_healthy" or not other or "extends" in other.items:
            continue
        health = other.get("healthcheck")
        off = health.get("disable").value is True or _none(health.get("test"))
        if off or not health.get("test"):
            level = Level.ERROR if off else Level.WARNING  # an image may have a health check of its own
            message = f"service `{name}` has no health check: nobody finds out whether it is healthy"
            yield file.say("GLM831", message, link.get("condition"), hint="`service_started`, or a test", level=level)


def _none(test: Node) -> bool:
    return "NONE" in {test.text, *(t.text for t in test.list[:1])}


def _devices(file: File, service: Node, name: str) -> Iterator[Diagnostic]:
    devices = service.get("deploy", "resources", "reservations", "devices").list
    for device in devices:
        if device.get("count") and device.get("device_ids"):
            yield file.say("GLM833", "`count` and `device_ids` exclude each other", device.get("count"))
        elif not device.get("capabilities"):
            yield file.say("GLM833", "`capabilities` of a device is missing", device, hint="`[gpu]`")
    amd = any(d.text.startswith("/dev/kfd") for d in service.get("devices").list)
    if not devices and not amd and not service.get("gpus"):
        return
    mounted = [t.text for t in (service.get("tmpfs"), *service.get("tmpfs").list)]
    mounted += [v.get("target").text or v.text for v in service.get("volumes").list]
    shared = service.get("ipc").text in {"host", "shareable"} or service.get("ipc").text.startswith("service:")
    if not service.get("shm_size") and not shared and not any(SHM in m for m in mounted):
        message = f"service `{name}` has {SHM} of 64 MB"
        yield file.say("GLM822", message, service.get("image") or service, hint="`shm_size: 32gb`, or `ipc: host`")


def _interpolation(file: File, root: Node, known: frozenset[str]) -> Iterator[Diagnostic]:
    for node in root.walk():
        for match in _INTERPOLATION.finditer(node.text) if "$" in node.text else ():
            if match[0] == "$":
                message = "`$` begins no variable: Compose refuses the file"
                yield file.say("GLM830", message, node, hint="write `$$` for a dollar")
                continue
            name = match["braced"] or match["named"]
            if name and not match["rule"] and name not in known:
                message = f"`{match[0]}` becomes an empty string where {name} is not set"
                hint = f"`${{{name}:?what to set}}`, or `${{{name}:-default}}`; `$$` for a dollar of the command's own"
                yield file.say("GLM830", message, node, hint=hint)
