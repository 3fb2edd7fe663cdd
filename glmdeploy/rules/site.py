"""The site: what its nodes, storage, namespaces and Git server must allow, and the bundle cannot bring."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Diagnostic, Level
from glmdeploy.plan import SHARED_MEMORY
from glmdeploy.podmemory import pod_memory
from glmdeploy.transport import transport
from glmdeploy.units import gib

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.plan import Plan
    from glmdeploy.process import Process

_LIKE_A_TAG = re.compile(r"v?\d+\.\d+(\.\d+)*([-+.][0-9A-Za-z.+-]*)?\Z")


def _on_kubernetes(plan: Plan) -> bool:
    return "kubernetes" in plan.spec.targets and plan.launchable


def pinned_memory(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """RDMA pins memory, and a node's container runtime limits it

    An RDMA device registers gigabytes of pinned memory. Kubernetes has no field for that limit: a container inherits it
    from its runtime, which systemd starts with 8 MiB. The capability IPC_LOCK lifts it for root alone (Kubernetes gives
    other users no ambient capabilities), and would take the pods out of the restricted Pod Security Standard, so the
    bundle does not ask for it. On each GPU node put `LimitMEMLOCK=infinity` into a drop-in of containerd's unit and
    restart it; CRI-O has `default_ulimits = ["memlock=-1:-1"]`. `ulimit -l` in a pod then says `unlimited`. Images for
    GPU nodes of some clouds come so. Without it, NCCL fails with `ibv_reg_mr ... Cannot allocate memory`.
    """
    if _on_kubernetes(plan) and transport(plan).pins_memory:
        at = (
            ("kubernetes", "transport") if plan.spec.kubernetes.transport != "auto" else ("kubernetes", "rdma_resource")
        )
        yield Diagnostic(
            "GLM550",
            f"transport `{transport(plan).name}` pins memory, and a pod of user {plan.spec.kubernetes.run_as} may pin what its node's runtime allows",
            Level.WARNING,
            at=at,
            hint="`LimitMEMLOCK=infinity` for containerd on each GPU node; `ulimit -l` in a pod shows the limit",
        )


def open_to_namespaces(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """Other namespaces may use a server without an API key

    `kubernetes.clients` opens the NetworkPolicy to every pod of the namespaces that it names. Where the server asks for
    no key, whoever runs a pod there can use it, and can call what else it answers.
    """
    spec = plan.spec
    others = [n for n in spec.kubernetes.clients if n != spec.namespace]
    # of a server that takes no key, GLM502 speaks
    if _on_kubernetes(plan) and others and not spec.api_key_secret and not spec.expose_unauthenticated:
        yield Diagnostic(
            "GLM551",
            f"pods of {', '.join(f'`{n}`' for n in others)} may use the server without an API key",
            Level.WARNING,
            at=("kubernetes", "clients"),
            hint="name an existing secret in `secrets.api_key`",
        )


def tag_or_branch(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """Flux takes a bare name for a branch

    A GitRepository says whether its reference is a branch, a tag or a commit. Forty hexadecimal digits are a commit, and
    a name that starts with `refs/` is taken as it is; any other is a branch. A version number is more often a tag. Argo
    CD takes full names too.
    """
    revision = plan.spec.git.revision or ""
    if "flux" in plan.spec.targets and _LIKE_A_TAG.match(revision):
        yield Diagnostic(
            "GLM552",
            f"Flux takes `{revision}` for a branch",
            Level.WARNING,
            at=("git", "revision"),
            hint=f"write `refs/tags/{revision}` for a tag, `refs/heads/{revision}` for a branch",
        )


def ssh_without_secret(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """Flux cannot read a repository by ssh without a secret

    Its source controller asks for a key (`identity`) and the server's host keys (`known_hosts`) in a secret beside the
    GitRepository. Name it in `git.secret`; `flux create secret git` makes one. Argo CD finds credentials by itself.
    """
    git = plan.spec.git
    web = (git.repository or "https:").startswith(("http:", "https:"))
    if "flux" in plan.spec.targets and not web and not git.secret:
        yield Diagnostic(
            "GLM553",
            "Flux reads a repository by ssh only with a secret",
            at=("git", "repository"),
            hint="name the secret with `identity` and `known_hosts` in `git.secret`, or give an https address",
        )


def too_little_memory(plan: Plan, processes: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """A pod's memory is less than what certainly goes into it

    `/dev/shm` counts against the memory limit of a container, and so do experts that KTransformers keeps in RAM. A limit
    that these alone exceed ends in an out-of-memory kill while the server loads.
    """
    memory = plan.spec.kubernetes.memory
    if not _on_kubernetes(plan) or not memory or not processes:
        return
    experts = processes[0].host_memory
    needed = SHARED_MEMORY + experts
    if memory <= needed:
        parts = f" and {gib(experts)} of experts" if experts else ""
        yield Diagnostic(
            "GLM554",
            f"a pod of {gib(memory)} cannot hold {gib(SHARED_MEMORY)} of /dev/shm{parts} and a server",
            at=("kubernetes", "memory"),
            hint=f"give more than {gib(needed)}, or leave it out for the plan's figure",
        )


def class_of_shared_claim(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """A claim of many nodes from the cluster's default StorageClass

    Pods on several nodes share the weights' claim, and several servers that claim and the one of compiled kernels, so
    these ask for ReadWriteMany. The default StorageClass of most clusters is block storage, which has no such mode: the
    claim then stays `Pending`, and all pods with it. Each claim has a key of its own, since kernels are better kept on
    faster storage than weights.
    """
    site, layout = plan.spec.kubernetes, plan.layout
    if not _on_kubernetes(plan):
        return
    pods = layout.nodes * layout.replicas
    many = site.access_mode == "ReadWriteMany" or (not site.access_mode and pods > 1)
    if plan.spec.weights.fetched and many and not site.storage_class:
        yield _no_class(pods, "storage_class", "use `model.source.path`, `claim` or `oci`")
    # a LeaderWorkerSet makes a claim for each pod
    if site.cache == "claim" and layout.nodes == 1 and layout.replicas > 1 and not site.cache_storage_class:
        yield _no_class(pods, "cache_storage_class", "set `kubernetes.cache: ephemeral`")


def _no_class(pods: int, key: str, instead: str) -> Diagnostic:
    return Diagnostic(
        "GLM555",
        f"{pods} pods share a ReadWriteMany claim, and no `{key}` is named: few default classes have that mode",
        Level.WARNING,
        at=("kubernetes", key),
        hint=f"name a class of shared files, or {instead}",
    )


def monitor_shut_out(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The NetworkPolicy does not let the monitoring in

    `kubernetes.monitor` makes a ServiceMonitor or PodMonitor, and the bundle's own NetworkPolicy lets in only the
    namespaces that `kubernetes.clients` and `kubernetes.monitoring` name, by default the deployment's own. Prometheus
    in another namespace sees the target as down. Name its namespace in `kubernetes.monitoring`.
    """
    spec = plan.spec
    if _on_kubernetes(plan) and spec.kubernetes.monitor != "none" and not spec.kubernetes.monitoring:
        allowed = ", ".join(f"`{n}`" for n in spec.kubernetes.clients or (spec.namespace,))
        yield Diagnostic(
            "GLM557",
            f"a {spec.kubernetes.monitor} monitor, and the NetworkPolicy lets only pods of {allowed} read `/metrics`",
            Level.WARNING,
            at=("kubernetes", "monitor"),
            hint="name the namespace of Prometheus in `kubernetes.monitoring`, that one too",
        )


def less_memory_than_planned(plan: Plan, processes: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """A pod's memory is less than the plan's figure

    The plan counts `/dev/shm`, 32 GiB for each GPU's process (its pinned buffers, and the page cache of what it reads:
    an estimate), and experts in RAM with 64 GiB beside them. Less may do, and may also end in an out-of-memory kill
    while the server loads or answers. Measure a running pod's `container_memory_working_set_bytes` before you go below.
    """
    memory = plan.spec.kubernetes.memory
    if not _on_kubernetes(plan) or not memory or not processes:
        return
    planned, why = pod_memory(processes[0])
    planned = min(planned, plan.spec.cluster.host_memory or planned)
    if SHARED_MEMORY + processes[0].host_memory < memory < planned:  # of less, GLM554 speaks
        yield Diagnostic(
            "GLM558",
            f"a pod of {gib(memory)}, and the plan counts on {gib(planned)}: {why}",
            Level.WARNING,
            at=("kubernetes", "memory"),
            hint="leave it out for the plan's figure, or measure a pod before going below it",
        )


def one_efa(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """One EFA interface for a pod of several GPUs

    An instance for GPUs has many EFA interfaces, each a resource of its own (32 on p5.48xlarge, 16 on p5en.48xlarge, 8 on
    p6-b200.48xlarge), and a pod gets as many as it asks for. NCCL is as fast as these. `kubernetes.rdma_count` says how
    many, 1 too.
    """
    site = plan.spec.kubernetes
    gpus = plan.layout.gpus_per_rank
    if _on_kubernetes(plan) and transport(plan).name == "efa" and site.rdma_count is None and gpus > 1:
        yield Diagnostic(
            "GLM556",
            f"a pod of {gpus} GPUs asks for 1 EFA interface",
            Level.WARNING,
            at=("kubernetes", "rdma_count"),
            hint="set `kubernetes.rdma_count` to the interfaces of a node, shared among its pods",
        )
