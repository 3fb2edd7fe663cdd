"""How NCCL talks between the pods of a plan: named transports, and what each asks of a container."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glmdeploy.plan import Plan

EFA_RESOURCE = "vpc.amazonaws.com/efa"  # the name that AWS's device plugin offers, docs.aws.amazon.com/eks node-efa
RDMA = ("infiniband", "roce")


@dataclass(frozen=True)
class Transport:
    """A transport by name: NCCL's variables, extended resources, and whether it pins memory.

    ``note`` says what a reader of the manifest should know.
    """

    name: str
    env: tuple[tuple[str, str], ...] = ()
    resources: tuple[tuple[str, int], ...] = ()
    pins_memory: bool = False
    note: str = ""


def transport_name(plan: Plan) -> str:
    """The transport of the profile; for `auto` what the plan and the profile's resources allow."""
    site, cluster = plan.spec.kubernetes, plan.spec.cluster
    if site.transport != "auto":
        return site.transport
    if plan.layout.nodes == 1:
        return "none"
    if cluster.gpu.rack_scale:
        return "mnnvl" if plan.hosts > 1 else "none"
    if cluster.fabric == "tcp":
        return "tcp"
    return cluster.fabric if site.rdma_resource else "none"


def transport(plan: Plan) -> Transport:
    """The transport with everything that a pod of the plan needs for it. NIC names are never guessed."""
    site, name = plan.spec.kubernetes, transport_name(plan)
    if name == "tcp":
        return Transport(name, (("NCCL_IB_DISABLE", "1"),), note="NCCL talks TCP; no RDMA device is asked for")
    if name in RDMA:
        resource = ((site.rdma_resource, site.rdma_count or 1),) if site.rdma_resource else ()
        gid = (("NCCL_IB_GID_INDEX", str(site.gid_index)),) if name == "roce" and site.gid_index is not None else ()
        note = "NCCL_NET makes a missing device an error instead of a silent fall back to TCP"
        return Transport(name, (*gid, ("NCCL_NET", "IB")), resource, pins_memory=True, note=note)
    if name == "efa":
        env = (("FI_PROVIDER", "efa"), ("NCCL_NET", "AWS Libfabric"))
        resource = ((site.rdma_resource or EFA_RESOURCE, site.rdma_count or 1),)
        return Transport(name, env, resource, pins_memory=True, note="the image must carry the aws-ofi-nccl plugin")
    if name == "mnnvl":
        env = (("NCCL_CUMEM_ENABLE", "1"), ("NCCL_MNNVL_ENABLE", "1"))
        note = "NVLink between trays: the ComputeDomain gives each pod its IMEX channel"
        return Transport(name, env, note=note)
    return Transport(name)
