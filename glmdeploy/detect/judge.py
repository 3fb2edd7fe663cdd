"""What is said of a host: what could not be read, and what a plan for it must not overlook."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glmdeploy import catalog
from glmdeploy.detect.match import same_memory
from glmdeploy.diagnostics import Diagnostic, Level, Span
from glmdeploy.units import GIB, MIB, gb, gib, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glmdeploy.detect.seen import Device, Host
    from glmdeploy.hardware import GPU

    Matched = tuple[tuple[Device, GPU | None], ...]

_FAST = 100  # Gbit/s: an RDMA device below that is for storage or management, not for tensors


@dataclass(frozen=True)
class Problem:
    """Something that could not be read, and why."""

    what: str
    why: str


def usable(gpus: Matched) -> tuple[GPU | None, int]:
    """The product of which most whole GPUs answer, and how many; None and 0 without any."""
    counts = Counter(g.id for d, g in gpus if g is not None and _whole(d) and same_memory(d, g))
    if not counts:
        return None, 0
    most, count = max(counts.items(), key=lambda item: item[1])  # the first of equals
    return next(g for _, g in gpus if g is not None and g.id == most), count


def _whole(device: Device) -> bool:
    return not device.trouble and device.parts == 1 and not device.virtual


def fabric(host: Host) -> str:
    """The profile's word for the network between hosts: what fast active ports speak."""
    layers = {p.layer for p in host.ports if p.active and p.rate >= _FAST}
    if "InfiniBand" in layers:
        return "infiniband"
    return "roce" if "Ethernet" in layers else "tcp"


def found(host: Host, gpus: Matched, problems: Sequence[Problem]) -> Iterator[Diagnostic]:
    """Everything, in the order of the section's keys."""
    yield from _presence(host, problems)
    yield from _products(gpus)
    yield from _shares(gpus)
    yield from _lost(host, gpus)
    yield from _links(host, gpus)
    yield from _driver(host, gpus)
    yield from _memory(host)
    yield from _processor(host)
    yield from _network(host)
    yield from _room(host)


def _presence(host: Host, problems: Sequence[Problem]) -> Iterator[Diagnostic]:
    if not host.devices.devices:
        why = tuple(f"{p.what}: {p.why}" for p in problems if not p.what.startswith("/"))
        notes = why or ("a recording without `--nvidia-smi` shows AMD's GPUs only",)
        hint = "give `cluster.gpu` and `cluster.gpus` in the profile that extends the file, or by `--gpus`"
        yield _warn("GLM941", "no GPU was found", "GPUs", hint=hint, notes=notes)
    for problem in problems:
        if problem.what.startswith("/"):
            yield _note("GLM940", f"`{problem.what}` could not be read: {problem.why}", problem.what)
    hint = "measure it (STREAM, Intel MLC) and set the key for an upper bound on decode speed"
    message = "`cluster.memory_bandwidth` is left out: no file of the system says how fast the RAM is"
    yield _note("GLM940", message, "RAM", hint=hint)


def _products(gpus: Matched) -> Iterator[Diagnostic]:
    answering = [(d, g) for d, g in gpus if not d.trouble]
    for name, count in Counter(_shown(d) for d, g in answering if g is None).items():
        near = " or ".join(f"`{n}`" for n in catalog.load().near_gpus(name)[:2])
        hint = f"the nearest in the catalogue: {near}" if near else "`glmdeploy list gpus` shows the catalogue"
        yield _warn("GLM942", f"{plural(count, 'GPU')} not in the catalogue: {name}", "GPUs", hint=hint)
    whole = [(d, g) for d, g in answering if g is not None and _whole(d)]
    for (name, reported, expected), count in Counter(
        (g.name, d.memory, g.memory_bytes) for d, g in whole if not same_memory(d, g)
    ).items():
        figures = f"{reported // MIB:,} MiB, and {name} has {expected // MIB:,} MiB"
        yield _warn("GLM947", f"{plural(count, 'GPU')} with another memory size: {figures}", "GPUs")
    kinds = Counter(g.name for d, g in whole if same_memory(d, g))
    if len(kinds) > 1:
        listed = ", ".join(f"{count} x {name}" for name, count in kinds.items())
        hint = "ranks of one deployment need equal GPUs: give each kind a profile of its own"
        yield _warn("GLM943", f"GPUs of different kinds: {listed}; the most numerous are written", "GPUs", hint=hint)


def _shown(device: Device) -> str:
    """A device that the catalogue does not have, in words."""
    words = [device.name, device.compute, device.pci_id, f"{device.memory // MIB:,} MiB" if device.memory else ""]
    return ", ".join(w for w in words if w) or "without a name"


def _shares(gpus: Matched) -> Iterator[Diagnostic]:
    divided = [d for d, _ in gpus if d.parts > 1]
    if divided:
        amd = any(d.compute for d in divided)
        how = "`amd-smi set --compute-partition SPX`" if amd else "`nvidia-smi -mig 0`"
        message = f"{plural(len(divided), 'GPU')} divided into parts ({'CPX, DPX' if amd else 'MIG'}): not counted"
        yield _warn("GLM944", message, "GPUs", hint=f"{how} makes them whole; the model needs whole GPUs")
    if virtual := sum(d.virtual for d, _ in gpus):
        yield _warn("GLM946", f"{plural(virtual, 'GPU')} shared by a hypervisor (vGPU): not counted", "GPUs")


def _lost(host: Host, gpus: Matched) -> Iterator[Diagnostic]:
    for trouble, count in Counter(d.trouble for d, _ in gpus if d.trouble).items():
        yield _warn("GLM945", f"{plural(count, 'GPU')} not counted: {trouble}", "GPUs", hint=_RESET)
    missing = host.devices.expected - len(gpus)
    if missing > 0:
        message = f"{plural(missing, 'GPU')} not counted: the driver has {host.devices.expected} and lists {len(gpus)}"
        yield _warn("GLM945", message, "GPUs", hint=_RESET)
    hidden = host.on_bus - host.devices.expected
    if gpus and hidden > 0:
        message = f"{plural(hidden, 'GPU')} on the PCI bus that the driver does not show: a container's share, or lost"
        yield _note("GLM952", message, "GPUs")


_RESET = "`dmesg` has the driver's reason (Xid); a reset or a reboot may bring it back"


def _links(host: Host, gpus: Matched) -> Iterator[Diagnostic]:
    states = {d.fabric for d, _ in gpus if d.fabric not in {"", "N/A", "Completed"}}
    if states:
        message = f"the NVSwitch fabric is not up: {', '.join(sorted(states))}"
        yield _warn("GLM953", message, "GPUs", hint="start `nvidia-fabricmanager`: CUDA fails on every GPU until then")
    _, count = usable(gpus)
    kind = next((g for _, g in gpus if g is not None), None)
    if count > 1 and host.devices.linked is False and kind is not None and "Link" in kind.link:
        yield _warn("GLM953", f"no GPU has an active link, and {kind.name} has {kind.link}", "GPUs")


def _driver(host: Host, gpus: Matched) -> Iterator[Diagnostic]:
    """The driver against what the images of the catalogue ask for; AMD's driver has no figure there."""
    gpu, _ = usable(gpus)
    major = host.devices.driver.partition(".")[0]
    if gpu is None or gpu.vendor != "nvidia":
        return
    if not major.isascii() or not major.isdigit():
        yield _note("GLM940", "the driver's version could not be read", "GPUs")
        return
    frameworks = catalog.load().frameworks.values()
    images = [(f, i) for f in frameworks for i in f.images if gpu.compute in i.compute and i.driver > int(major)]
    if images:
        names = ", ".join(dict.fromkeys(f"{f.name} ({i.driver})" for f, i in images))
        message = f"driver {host.devices.driver} is too old for documented images of {names}"
        yield _warn("GLM948", message, "GPUs", hint="update the driver, or use an image of an older CUDA")


def _memory(host: Host) -> Iterator[Diagnostic]:
    memory = host.memory
    if not memory.total:
        yield _note("GLM940", "`/proc/meminfo` does not say how much RAM there is", "/proc/meminfo")
    if memory.limit and memory.limit < memory.total:
        message = f"a control group allows {gib(memory.limit)} of {gib(memory.total)}: that is what is written"
        yield _note("GLM949", message, "RAM", hint="run it outside the container or job for the whole host")


def _processor(host: Host) -> Iterator[Diagnostic]:
    cpu = host.cpu
    if cpu.threads < cpu.online:
        message = (
            f"{cpu.threads} of {plural(cpu.online, 'CPU')} may be used here: {plural(cpu.cores, 'core')} are written"
        )
        yield _note("GLM949", message, "CPU", hint="run it outside the container or job for the whole host")
    if cpu.threads and not cpu.isa:
        message = "the CPU has neither AVX2, AVX-512 nor AMX that KTransformers' kernels are built for"
        yield _note("GLM950", message, "CPU", hint="only KTransformers computes on it: other frameworks do not care")
    elif cpu.missing:
        message = f"`cpu_isa: {cpu.isa}`: the next wider one wants {', '.join(cpu.missing)}"
        yield _note("GLM950", message, "CPU")
    if cpu.memory_only_nodes:
        message = f"{plural(cpu.memory_only_nodes, 'NUMA node')} without CPUs (CXL, or memory of GPUs): not counted"
        yield _note("GLM954", message, "CPU")


def _network(host: Host) -> Iterator[Diagnostic]:
    down = [p for p in host.ports if not p.active]
    if down:
        names = ", ".join(p.name for p in down)
        yield _warn("GLM955", f"{plural(len(down), 'RDMA port')} not active: {names}", "RDMA")
    if not host.ports:
        message = "no RDMA device: `fabric: tcp` is written, and tensor-parallel groups stay inside a host"
        yield _note("GLM956", message, "RDMA")
    elif fabric(host) == "tcp":
        message = f"no active InfiniBand or Ethernet port of {_FAST} Gbit/s or more: `fabric: tcp` is written"
        yield _note("GLM956", message, "RDMA")


def _room(host: Host) -> Iterator[Diagnostic]:
    disk = host.disk
    if disk is None:
        return
    short = [c for c in catalog.load().model.checkpoints if c.total_bytes > disk.free]
    if short:
        names = ", ".join(f"`{c.id}` {gb(c.total_bytes)}" for c in short)
        yield _note("GLM957", f"{gb(disk.free)} free under the weights' folder are less than {names}", "disk")
    if disk.kind in {"hdd", "memory"}:
        what = "a rotating disk" if disk.kind == "hdd" else f"memory ({disk.size / GIB:,.0f} GiB)"
        cost = "loading takes long" if disk.kind == "hdd" else "it takes RAM from the engine"
        yield _warn("GLM957", f"the weights' folder is on {what}: {cost}", "disk")


def _warn(code: str, message: str, what: str, *, hint: str = "", notes: tuple[str, ...] = ()) -> Diagnostic:
    return Diagnostic(code, message, Level.WARNING, span=Span(what), hint=hint, notes=notes)


def _note(code: str, message: str, what: str, *, hint: str = "") -> Diagnostic:
    return Diagnostic(code, message, Level.NOTE, span=Span(what), hint=hint)
