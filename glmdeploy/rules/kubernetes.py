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
    claimed = spec.weights.fetched or spec.weights.claim
    if "kubernetes" not in spec.targets or not plan.launchable or not claimed:
        return
    if spec.kubernetes.access_mode == "ReadWriteOnce" and plan.hosts > 1:
        yield Diagnostic(
            "GLM540",
            f"a ReadWriteOnce claim is mounted on one node, and the pods run on {plan.hosts} hosts",
            at=("kubernetes", "access_mode"),
            hint="use ReadWriteMany with a `storage_class` that has it, or `model.source.path` on every host",
        )
    elif spec.kubernetes.access_mode == "ReadOnlyMany" and spec.weights.fetched:
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


def image_outside_kubernetes(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """An image volume means nothing to a script or to Compose

    `model.source.oci` is mounted by the kubelet. Elsewhere, unpack the image into a folder of every host and give that as
    `path`, give `hub` or `object_store`, or render the Kubernetes target alone.
    """
    others = [t for t in plan.spec.targets if t not in {"kubernetes", "argocd", "flux"}]
    if plan.spec.weights.oci and others:
        yield Diagnostic(
            "GLM545",
            f"`oci` is a Kubernetes image volume, and {' and '.join(others)} cannot mount it",
            at=("model", "source", "oci"),
            hint="render `--target kubernetes`, or give `path`, `hub` or `object_store`",
        )


def image_volume_version(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """Image volumes need a new Kubernetes and container runtime

    The volume source `image` came with Kubernetes 1.31 as alpha, is beta from 1.33 (with sub-folders, behind the feature
    gate ImageVolume of API server and kubelet), on by default from 1.35 and stable from 1.36. With the gate off, the pod is
    refused for a volume without a source. The node's container runtime must know it too: containerd 2.1, or CRI-O 1.33 for
    sub-folders. The whole checkpoint is pulled into each node's image store, which the kubelet's garbage collection
    watches: it must have the room.
    """
    spec = plan.spec
    if spec.weights.oci and "kubernetes" in spec.targets and plan.launchable:
        size = spec.checkpoint.total_bytes / 1e9
        yield Diagnostic(
            "GLM546",
            f"an image volume of {size:,.0f} GB: Kubernetes 1.35, or 1.33 with the feature gate ImageVolume",
            Level.NOTE,
            at=("model", "source", "oci"),
            hint="each node's runtime (containerd 2.1, CRI-O 1.33) pulls it into the image store, which needs the room",
        )


def one_channel_a_tray(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """Several pods of an NVLink group on one tray

    A ComputeDomain gives each pod an IMEX channel by a claim of its own, and NVIDIA's DRA driver prepares one such claim a
    node: the second pod on a tray stays in `ContainerCreating` with "channel 0 already allocated". Each rank must have a
    tray to itself, or the group another transport.
    """
    spec = plan.spec
    if "kubernetes" not in spec.targets or not plan.launchable or transport_name(plan) != "mnnvl":
        return
    pods, trays = len(plan.placement), plan.hosts
    if pods > trays:
        each = spec.cluster.gpus_per_node
        yield Diagnostic(
            "GLM547",
            f"transport `mnnvl`: {pods} pods on {trays} trays, and a tray has one IMEX channel",
            at=("kubernetes", "transport") if spec.kubernetes.transport == "mnnvl" else ("cluster", "gpus"),
            hint=f"use whole trays (`cluster.gpus` a multiple of {each}, `layout.tp` too), or set `kubernetes.transport: none`",
        )
