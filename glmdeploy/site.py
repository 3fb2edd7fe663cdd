"""The user's keys about the site: Kubernetes, and the Git repository that a bundle is committed to.

The names are the site's own (storage classes, resources, namespaces), so nothing in the catalogue could look them up:
a `Spec` carries these sections as they are written.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from glmdeploy.fields import (
    Size,
    Strict,
    Text,
    Word,
    dns_label,
    dns_name,
    git_address,
    labels,
    own_labels,
    resource_name,
    web_address,
)
from glmdeploy.units import GIB

AccessMode = Literal["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany"]
Transport = Literal["auto", "none", "tcp", "infiniband", "roce", "efa", "mnnvl"]
_Label = Annotated[str, AfterValidator(dns_label)]
_Name = Annotated[str, AfterValidator(dns_name)]
_Resource = Annotated[str, AfterValidator(resource_name)]
_Address = Annotated[str, AfterValidator(web_address)]
_Labels = Annotated[dict[str, str], AfterValidator(labels)]
_OwnLabels = Annotated[dict[str, str], AfterValidator(own_labels)]
_Id = Annotated[int, Field(ge=0, le=2_147_483_647)]


class KubernetesSection(Strict):
    """The Kubernetes cluster's own names and habits."""

    namespace: _Label = Field("llm", description="Namespace of every object.")
    labels: _OwnLabels = Field(
        default_factory=dict, description="Further labels of every object and pod, such as a team or a cost centre."
    )
    storage_class: _Name | None = Field(None, description="StorageClass of the weights' claim that the bundle makes.")
    access_mode: AccessMode | None = Field(
        None,
        description="Access mode of the weights' claim. Default: ReadWriteMany for several pods, else ReadWriteOnce.",
    )
    cache: Literal["claim", "ephemeral"] = Field(
        "claim", description="Where compiled kernels are kept: on a claim, or in the pod, and compiled at each start."
    )
    cache_size: Size = Field(20 * GIB, description="Size of the volume for compiled kernels. Default 20 GiB.")
    cache_storage_class: _Name | None = Field(None, description="StorageClass of the claim for compiled kernels.")
    memory: Size | None = Field(None, description="RAM of one pod, request and limit. Default: from the plan.")
    run_as: Annotated[int, Field(ge=1, le=2_147_483_647)] = Field(
        10001, description="Numeric user and group of the pods; the weights must be readable for it."
    )
    supplemental_groups: Annotated[tuple[_Id, ...], Field(strict=False)] = Field(
        (), description="Further numeric groups, such as the hosts' `render` group for AMD GPUs."
    )
    numa_binding: bool = Field(
        False, description="Add the capability SYS_NICE, which container runtimes ask for to bind memory to NUMA nodes."
    )
    read_only_root: bool = Field(
        False, description="Read-only root of the server's container too; older NVIDIA container hooks write into it."
    )
    priority_class: _Name | None = Field(None, description="Existing PriorityClass of the pods.")
    gpu_products: Annotated[tuple[_Resource, ...], Field(strict=False)] = Field(
        (), description="Values of the nodes' GPU product label, where they differ from the catalogue's."
    )
    node_labels: _Labels = Field(default_factory=dict, description="Further labels that a node must have.")
    topology_key: _Resource | None = Field(
        None, description="Node label of a rack or block: ranks of one group prefer to share its value."
    )
    transport: Transport = Field(
        "auto",
        description="How NCCL talks between hosts. auto: none on one host, mnnvl on rack-scale GPUs, else as "
        "`cluster.fabric` says where its `rdma_resource` is named.",
    )
    rdma_resource: _Resource | None = Field(
        None, description="Extended resource of the RDMA device plugin, as your nodes offer it. efa has its own."
    )
    rdma_count: Annotated[int, Field(ge=1, le=64)] = Field(1, description="How many of it one pod takes.")
    gid_index: Annotated[int, Field(ge=0, le=255)] | None = Field(
        None, description="roce: NCCL_IB_GID_INDEX, where NCCL must not choose it."
    )
    networks: Word | None = Field(None, description="Value of the Multus annotation `k8s.v1.cni.cncf.io/networks`.")
    clients: Annotated[tuple[_Label, ...], Field(strict=False)] = Field(
        (), description="Namespaces whose pods may send requests. Default: the deployment's own."
    )
    monitoring: Annotated[tuple[_Label, ...], Field(strict=False)] = Field(
        (), description="Namespaces whose pods may read `/metrics`; a NetworkPolicy sees ports only, so the whole port."
    )
    monitor: Literal["none", "service", "pod"] = Field(
        "none", description="Also make a ServiceMonitor or PodMonitor of the Prometheus operator."
    )
    image_mirror: Word | None = Field(None, description="Prefix of every image name: your registry's mirror.")
    download_image: Word | None = Field(
        None, description="Image with rclone, for the download from an object store. Default: the catalogue's."
    )
    image_pull_secrets: Annotated[tuple[_Name, ...], Field(strict=False)] = Field(
        (), description="Existing secrets for that registry."
    )
    hub_endpoint: _Address | None = Field(None, description="Address of the hub or its mirror, for the download.")


class GitSection(Strict):
    """Where the bundle is committed: what `--target argocd` and `--target flux` point at."""

    repository: Annotated[str, AfterValidator(git_address)] | None = Field(
        None, description="Address of the repository, without credentials."
    )
    path: Text | None = Field(None, description="Folder of the bundle's `kubernetes` in it.")
    revision: Text | None = Field(None, description="Branch, tag or commit.")
    namespace: _Label | None = Field(
        None, description="Namespace of the Application or Kustomization. Default: argocd or flux-system."
    )
    project: _Name = Field("default", description="Argo CD project.")
