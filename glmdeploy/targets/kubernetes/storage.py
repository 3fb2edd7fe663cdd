"""Where the weights and the compiled kernels are kept: claims, mounts, the download and its check."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from glmdeploy import images
from glmdeploy.targets import objectstore
from glmdeploy.targets.common import image, object_name
from glmdeploy.targets.kubernetes import kubelet
from glmdeploy.units import GIB

if TYPE_CHECKING:
    from glmdeploy.plan import Plan

HUB_MOUNT = "/weights"  # the hub's cache, on the claim
CLAIM_MOUNT = "/models"
CACHE_MOUNT = "/cache"
_USER = (("HOME", "/tmp"), ("USER", "glm"))  # noqa: S108  the pod's own emptyDir
JOB_DIGEST = "digest-of-the-job"  # stands in the Job's name until its text is known
# What compiles: CUDA, Triton, torch inductor and FlashInfer for every engine; an engine's own are in the catalogue.
KERNEL_CACHES = {
    "CUDA_CACHE_PATH": "cuda",
    "FLASHINFER_WORKSPACE_BASE": "flashinfer",
    "TORCHINDUCTOR_CACHE_DIR": "inductor",
    "TRITON_CACHE_DIR": "triton",
}


def mirrored(plan: Plan, name: str = "") -> str:
    """An image by its digest where that is known, from the site's mirror where it has one; the engine's by default."""
    prefix = plan.spec.kubernetes.image_mirror
    found = images.pinned(plan.spec, name) if name else image(plan.spec)
    return f"{prefix.rstrip('/')}/{found}" if prefix else found


class Store:
    """Volumes of one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.spec = plan.spec
        self.site = plan.spec.kubernetes
        self.name = object_name(plan.spec)
        self.weights = plan.spec.weights
        self.makes_claim = plan.spec.weights.fetched
        self.makes_cache = self.site.cache == "claim"

    @property
    def pods(self) -> int:
        """Pods that mount the weights."""
        return self.plan.layout.nodes * self.plan.layout.replicas

    @property
    def mode(self) -> str:
        """Access mode of the weights' claim."""
        return self.site.access_mode or ("ReadWriteMany" if self.pods > 1 else "ReadWriteOnce")

    @property
    def mount(self) -> str:
        """Folder of the weights' volume in the container."""
        if self.weights.store:
            # a folder for each store: another one never overwrites what a server reads
            return str(PurePosixPath(self.weights.path).parent)
        return self.weights.path or (HUB_MOUNT if self.weights.hub else CLAIM_MOUNT)

    @property
    def revision(self) -> str:
        """Revision of the hub repository."""
        return self.spec.weights.revision or "main"

    def environment(self) -> dict[str, str]:
        """Home, user, caches and offline mode: a uid without a passwd entry has no home, and torch asks for its name."""
        caches = {**KERNEL_CACHES, **self.spec.framework.caches}
        found = {variable: f"{CACHE_MOUNT}/{folder}" for variable, folder in caches.items()}
        hub = {"HF_HUB_CACHE": HUB_MOUNT, "HF_HUB_OFFLINE": "1"} if self.weights.hub else {}
        return {**found, **hub, "HOME": CACHE_MOUNT, "TRANSFORMERS_OFFLINE": "1", "USER": "glm"}

    def check(self) -> list[str]:
        """Arguments of the script that checks the weights."""
        if self.weights.hub:
            return ["--repository", self.weights.hub, "--revision", self.revision]
        return ["--folder", self.weights.path or self.mount]

    def context(self) -> dict[str, object]:
        """What the templates of volumes, of the download and of the pod's mounts take."""
        total = self.spec.checkpoint.total_bytes
        claim = self.weights.claim or (f"{self.name}-weights" if self.makes_claim else "")
        return {
            "claim": claim,
            "claim_mode": self.mode,
            "claim_size": f"{-(-total * 11 // 10 // GIB)}Gi",
            "claim_why": f"{total / GIB:,.1f} GiB of weights and a tenth more",
            "storage_class": self.site.storage_class or "",
            "weights_mount": self.mount,
            "host_path": "" if self.weights.store else self.weights.path,
            "hub_cache": HUB_MOUNT if self.weights.hub else "",
            "oci": mirrored(self.plan, self.weights.oci) if self.weights.oci else "",
            "oci_folder": self.weights.oci_folder,
            "oci_pull": self.weights.oci_pull,
            "check": kubelet.words(self.check()),
            "waits": self.makes_claim,
            "cache_mount": CACHE_MOUNT,
            "cache_claim": self.makes_cache,
            "cache_mode": "ReadWriteMany" if self.plan.layout.replicas > 1 else "ReadWriteOnce",
            "cache_size": f"{-(-self.site.cache_size // GIB)}Gi",
            "cache_storage_class": self.site.cache_storage_class or "",
            **self.download(),
        }

    def download(self) -> dict[str, object]:
        """The Job that fills the claim."""
        return {
            "job": f"{self.name}-download-{JOB_DIGEST}",
            "unpinned": bool(self.weights.hub and not self.weights.revision),
            "beside_the_server": self.mode == "ReadWriteOnce",
            "job_gpu": "amd.com/gpu" if self.spec.cluster.gpu.vendor == "amd" else "nvidia.com/gpu",
            "fetch": self.from_store() if self.weights.store else self.from_hub(),
        }

    def from_hub(self) -> dict[str, object]:
        """The container that downloads from the hub, with the engine's image."""
        endpoint, token = self.site.hub_endpoint, self.spec.hub_token_secret
        return {
            "image": mirrored(self.plan),
            "command": ["hf", "download"],
            "args": kubelet.words([self.weights.hub, "--revision", self.revision]),
            "env": kubelet.environment(
                [("HF_HUB_CACHE", self.mount), *_USER, *([("HF_ENDPOINT", endpoint)] if endpoint else [])]
            ),
            "secrets": [("HF_TOKEN", token, "token")] if token else [],
        }

    def from_store(self) -> dict[str, object]:
        """The container that downloads from an object store, with rclone's image."""
        command, *args = objectstore.words(self.weights)
        return {
            "image": mirrored(self.plan, images.downloading(self.spec)),
            "command": [command],
            "args": kubelet.words(args),
            "env": kubelet.environment([*objectstore.environment(self.weights), *_USER]),
            "secrets": objectstore.credentials(self.plan),
        }
