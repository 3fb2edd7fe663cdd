"""Targets: what a container or script needs that the profile must say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Diagnostic, Level
from glmdeploy.transport import transport_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.plan import Plan
    from glmdeploy.process import Process
    from glmdeploy.spec import Spec

_ON_KUBERNETES = ("kubernetes", "argocd", "flux")
_IMAGE = ("framework", "image")


def _in_containers(spec: Spec) -> list[str]:
    """The targets that run the image apart from the host's network and devices: pyxis does not."""
    return [t for t in spec.container_targets if t != "slurm"]


def _undocumented(spec: Spec) -> bool:
    return spec.framework.image(spec.version, spec.cluster.gpu.compute) is None


def image_required(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """No container image is documented for this framework

    Nobody publishes an image of KTransformers or `transformers serve` that is known to serve GLM-5.2, nor a ROCm image
    of every version. For NVIDIA GPUs the bundle carries a Dockerfile that pins the wheels; build it, push it, and give
    its name as `framework.image`. The script target needs no image.
    """
    spec = plan.spec
    targets = spec.container_targets
    no_base = spec.framework.image_required or spec.cluster.gpu.vendor != "nvidia"
    if no_base and not spec.image and targets and _undocumented(spec):
        yield Diagnostic(
            "GLM501",
            f"no image of {spec.framework.name} {spec.version} is documented for {spec.cluster.gpu.compute}, and {' and '.join(targets)} need one",
            at=_IMAGE,
            hint="set `framework.image` to where you push the image of the bundle's Dockerfile, or render `--target script`",
        )


def unauthenticated(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The server has no authentication of its own

    `transformers serve` ignores any key, and `/load_model` and `/reset` are open. It is bound to loopback; in a
    container nothing could reach it, so the container targets need `--expose-unauthenticated` (or
    `serving.expose_unauthenticated: true`), which binds it to every address.
    """
    spec = plan.spec
    if spec.framework.id != "transformers":
        return
    targets = _in_containers(spec)
    if targets and not spec.expose_unauthenticated:
        yield Diagnostic(
            "GLM502",
            f"`transformers serve` has no authentication: {' and '.join(targets)} would expose it",
            at=("serving", "expose_unauthenticated"),
            hint="render `--target script` (loopback), or pass `--expose-unauthenticated`",
        )
    if spec.expose_unauthenticated:
        yield Diagnostic(
            "GLM502",
            "`transformers serve` is bound to every address without authentication",
            Level.WARNING,
            at=("serving", "expose_unauthenticated"),
            hint="let only trusted clients reach its port",
        )


def image_to_build(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The image must be built from the bundle's Dockerfile

    The catalogue holds an image tag only where a source shows that it exists. For this version none does, so the
    bundle carries a Dockerfile that installs the pinned wheel on a documented image. Build it on each host (compose
    does), or push it and give its name as `framework.image`.
    """
    spec = plan.spec
    if spec.framework.image_required or spec.image or not spec.container_targets or plan.refusal:
        return
    if spec.cluster.gpu.vendor == "nvidia" and _undocumented(spec):
        known = sorted({str(v) for v in spec.framework.tested if spec.framework.image(v, spec.cluster.gpu.compute)})
        yield Diagnostic(
            "GLM503",
            f"no image of {spec.framework.name} {spec.version} for {spec.cluster.gpu.compute} is documented: the bundle carries a Dockerfile to build",
            Level.WARNING,
            at=("framework", "version"),
            hint=f"push it and set `framework.image`, or use a version with an image: {', '.join(known) or 'none'}",
        )


def local_weights(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """KTransformers reads its weights from a folder

    `--kt-weight-path` takes a local folder, not a repository.
    """
    if plan.spec.framework.id == "ktransformers" and plan.spec.weights.hub:
        yield Diagnostic(
            "GLM504",
            "KTransformers takes its weights from a folder, not from the hub",
            at=("model", "source"),
            hint="give `path`, `claim`, `oci` or `object_store`",
        )


def claim_outside_kubernetes(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """A Kubernetes claim means nothing to a script or to Compose

    Give `path`, `hub` or `object_store`, or render the Kubernetes target alone.
    """
    others = [t for t in plan.spec.targets if t not in _ON_KUBERNETES]
    if plan.spec.weights.claim and others:
        yield Diagnostic(
            "GLM506",
            f"`claim` names a Kubernetes volume, and {' and '.join(others)} cannot mount it",
            at=("model", "source", "claim"),
            hint="render `--target kubernetes`, or give `path`, `hub` or `object_store`",
        )


def key_in_process_list(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The API key shows in the process list

    SGLang and sglang-kt take their key on the command line only. Whoever can list processes on the host, or in the
    pod, can read it. vLLM reads it from the environment.
    """
    if plan.spec.api_key_secret and plan.spec.framework.id in {"sglang", "ktransformers"}:
        yield Diagnostic(
            "GLM507",
            f"{plan.spec.framework.name} takes its API key on the command line: it shows in the process list",
            Level.NOTE,
            at=("secrets", "api_key"),
        )


def ports_collide(_: Plan, processes: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The HTTP port is also the port where the ranks meet

    Ranks of one host serve on the port of the profile and the next ones; the leader also listens where the others join
    it (20000 for SGLang, 29501 for vLLM).
    """
    taken = {p.meeting_port for p in processes if p.meeting_port}
    ports = {p.port for p in processes} & taken
    if ports:
        yield Diagnostic(
            "GLM509",
            f"port {min(ports)} is where the ranks meet",
            at=("serving", "port"),
            hint="choose a port further away",
        )


def fabric_not_exposed(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """Containers on several hosts get no RDMA devices

    Compose files name no InfiniBand or RoCE device, and pods only the one of `kubernetes.rdma_resource`: what your
    device plugin calls it cannot be guessed. Without, NCCL talks TCP between hosts unless the cluster's own network
    attaches them. Ranks on one host talk through the network as well when they are separate pods. Tensor-parallel
    groups that span hosts suffer most. On GB200 and GB300 racks the pods get a ComputeDomain.
    """
    targets = _in_containers(plan.spec)
    if transport_name(plan) != "none":
        targets = [t for t in targets if t != "kubernetes"]
    hosts = len({p.host for p in plan.ranks})
    if not plan.launchable or hosts == 1 or not targets or plan.spec.cluster.fabric == "tcp":
        return
    what = "IMEX channel" if plan.spec.cluster.gpu.rack_scale else f"{plan.spec.cluster.fabric} devices"
    named = "name `kubernetes.rdma_resource`, " if "kubernetes" in targets else ""
    yield Diagnostic(
        "GLM510",
        f"{' and '.join(targets)} across {hosts} hosts get no {what}: without them NCCL falls back to TCP",
        Level.WARNING,
        at=("cluster", "fabric"),
        hint=f"{named}add your cluster's devices to the rendered files, or set `fabric: tcp` to plan without them",
    )


def one_replica(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The files of a target describe one of several replicas

    Replicas are the same deployment on other GPUs. Kubernetes makes them all; a script or a Compose project is started
    once a replica, on its own hosts or with its own `GLM_GPUS` and `GLM_PORT`.
    """
    targets = [t for t in plan.spec.targets if t not in _ON_KUBERNETES]
    if plan.launchable and plan.layout.replicas > 1 and targets:
        message = f"{' and '.join(targets)} describe one of {plan.layout.replicas} replicas"
        yield Diagnostic(
            "GLM512",
            message,
            Level.WARNING,
            at=("layout", "replicas"),
            hint="start them once a replica, with its own hosts or GLM_GPUS and GLM_PORT",
        )


def slurm_cores(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """Slurm is asked for no cores

    A task that names no cores gets the partition's default, often a single one, and an engine with a process for each
    GPU crawls on it. `slurm.cpus_per_task` says how many; `cluster.cpu_cores` says what a host has, and each of its
    ranks gets its share.
    """
    spec = plan.spec
    if plan.launchable and "slurm" in spec.targets and not (spec.slurm.cpus_per_task or spec.cluster.cpu_cores):
        yield Diagnostic(
            "GLM520",
            "the job asks Slurm for no cores: a rank may get a single one",
            Level.WARNING,
            at=("slurm", "cpus_per_task"),
            hint="set `slurm.cpus_per_task`, or `cluster.cpu_cores`",
        )


def slurm_image(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """Pyxis cannot build an image

    `slurm.container: pyxis` pulls an image on each node (`srun --container-image`). Where the image is the one of the
    bundle's Dockerfile, it must be pushed first, and named as `framework.image`.
    """
    spec = plan.spec
    if "slurm" in spec.targets and spec.slurm.container == "pyxis" and not spec.image and _undocumented(spec):
        yield Diagnostic(
            "GLM521",
            f"no image of {spec.framework.name} {spec.version} is documented for {spec.cluster.gpu.compute}, and pyxis pulls one",
            at=("slurm", "container"),
            hint="set `framework.image` to where you push the image of the bundle's Dockerfile, or leave `slurm.container` out",
        )
