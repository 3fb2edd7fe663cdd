"""Kubernetes: what a cluster would accept and what then would not start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Diagnostic, Level
from glmdeploy.transport import RDMA, transport_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.plan import Plan
    from glmdeploy.process import Process

LOAD_BARRIER = 480  # seconds, fixed in SGLang's model loader (load_model_utils.py, 0.5.23)


def claim_of_one_node(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """A ReadWriteOnce claim is shared by pods on several hosts

    Kubernetes mounts a ReadWriteOnce volume on one node at a time. Pods of a group that spans hosts, and further
    replicas, wait for ever in `ContainerCreating` with "Multi-Attach error". The weights need a volume that many
    nodes mount (ReadWriteMany, or ReadOnlyMany for an existing claim), or a folder on every host.
    """
    spec = plan.spec
    claimed = spec.weights.hub or spec.weights.claim
    if "kubernetes" not in spec.targets or not plan.launchable or not claimed:
        return
    if spec.kubernetes.access_mode == "ReadWriteOnce" and plan.hosts > 1:
        yield Diagnostic(
            "GLM540",
            f"a ReadWriteOnce claim is mounted on one node, and the pods run on {plan.hosts} hosts",
            at=("kubernetes", "access_mode"),
            hint="use ReadWriteMany with a `storage_class` that has it, or `model.source.path` on every host",
        )
    elif spec.kubernetes.access_mode == "ReadOnlyMany" and spec.weights.hub:
        yield Diagnostic(
            "GLM540",
            "the download cannot write into a ReadOnlyMany claim",
            at=("kubernetes", "access_mode"),
            hint="use ReadWriteMany, or fill a claim yourself and name it in `model.source.claim`",
        )


def transport_lacks(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """A transport lacks what it needs

    `infiniband` and `roce` need the name under which your nodes offer RDMA devices, since every site calls it
    otherwise: `kubectl get node -o jsonpath='{.items[0].status.allocatable}'` shows it. `mnnvl` is NVLink between the
    trays of a GB200 or GB300 rack; other GPUs have no such link.
    """
    spec = plan.spec
    if "kubernetes" not in spec.targets or not plan.launchable:
        return
    name = transport_name(plan)
    if name in RDMA and not spec.kubernetes.rdma_resource:
        yield Diagnostic(
            "GLM541",
            f"transport `{name}` needs the name of your nodes' RDMA resource",
            at=("kubernetes", "transport"),
            hint="set `kubernetes.rdma_resource`, such as `rdma/hca_shared_devices_a`",
        )
    if name == "mnnvl" and not spec.cluster.gpu.rack_scale:
        yield Diagnostic(
            "GLM541",
            f"transport `mnnvl`: {spec.cluster.gpu.name} has no NVLink between hosts",
            at=("kubernetes", "transport"),
            hint="use `infiniband`, `roce`, `efa` or `tcp`",
        )


def load_barrier(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """Storage is too slow for SGLang's load barrier

    After loading, the ranks of a tensor-parallel group wait for each other 480 s, and no option of the released
    versions changes that (load_model_utils.py). Where reading the whole checkpoint takes longer at the declared
    bandwidth, a rank that reads cold while another finds its part in the page cache can be that late, and the start
    fails with a message about unbalanced loading, whatever the probes allow.
    """
    spec = plan.spec
    if spec.framework.id != "sglang" or not plan.launchable or plan.layout.tp == 1 or plan.load_seconds <= LOAD_BARRIER:
        return
    size, speed = spec.checkpoint.total_bytes / 1e9, spec.storage_bandwidth / 1e9
    needed = -(-spec.checkpoint.total_bytes // LOAD_BARRIER) / 1e9
    yield Diagnostic(
        "GLM542",
        f"loading takes {plan.load_seconds} s ({size:,.0f} GB at {speed:g} GB/s), and SGLang's tensor-parallel load barrier is {LOAD_BARRIER} s, fixed",
        Level.WARNING,
        at=("model", "storage_bandwidth"),
        hint=f"keep the weights on storage of {needed:.1f} GB/s or more, such as local NVMe, and say so in `model.storage_bandwidth`",
    )


def git_missing(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """Argo CD and Flux need to know where the bundle is committed

    An Application or Kustomization points at a repository, a folder and a revision. They are the user's, so that
    `git.repository`, `git.path` and `git.revision` have no defaults.
    """
    targets = [t for t in plan.spec.targets if t in {"argocd", "flux"}]
    if not targets:
        return
    for key in ("repository", "path", "revision"):
        if not getattr(plan.spec.git, key):
            yield Diagnostic(
                "GLM543",
                f"{' and '.join(targets)}: `git.{key}` is missing",
                at=("git", key),
                hint="name the repository, the folder of the bundle's `kubernetes` in it, and the revision",
            )


def device_group(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The pods' user may not open AMD GPUs

    The pods do not run as root. On the host, `/dev/kfd` and `/dev/dri/render*` belong to the group `render` (or
    `video`), whose number differs from site to site: `getent group render video` on a node shows it.
    """
    spec = plan.spec
    if "kubernetes" not in spec.targets or not plan.launchable or spec.cluster.gpu.vendor != "amd":
        return
    if not spec.kubernetes.supplemental_groups:
        yield Diagnostic(
            "GLM544",
            f"user {spec.kubernetes.run_as} of the pods may not open /dev/kfd",
            Level.WARNING,
            at=("kubernetes", "supplemental_groups"),
            hint="name the hosts' groups `render` and `video` by number",
        )
