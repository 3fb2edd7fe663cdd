"""Kubernetes objects of a folder, their pods, and what stands beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.manifests.document import File, Node

_QUANTITY = re.compile(r"[+-]?([0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]+)?\Z")
_SCALES = {"": 1.0, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_BINARY = {f"{p}i": 1024.0**i for i, p in enumerate("KMGTPE", 1)}
# Labels that controllers put on pods themselves.
_CONTROLLERS = (
    "leaderworkerset.sigs.k8s.io/",
    "statefulset.kubernetes.io/",
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/",
    "job-name",
    "controller-uid",
    "pod-template-hash",
)
# Where a kind keeps the template of its pods.
_TEMPLATES = {
    "Deployment": (("spec", "template"),),
    "StatefulSet": (("spec", "template"),),
    "DaemonSet": (("spec", "template"),),
    "ReplicaSet": (("spec", "template"),),
    "Job": (("spec", "template"),),
    "CronJob": (("spec", "jobTemplate", "spec", "template"),),
    "LeaderWorkerSet": (
        ("spec", "leaderWorkerTemplate", "leaderTemplate"),
        ("spec", "leaderWorkerTemplate", "workerTemplate"),
    ),
}
LONG_RUNNING = frozenset(["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod", "LeaderWorkerSet"])


@dataclass(frozen=True)
class Object:
    """One Kubernetes object."""

    file: File
    root: Node

    @property
    def kind(self) -> str:
        """Its kind."""
        return self.root.get("kind").text

    @property
    def group(self) -> str:
        """Its API group; empty for the core group."""
        group, slash, _ = self.root.get("apiVersion").text.rpartition("/")
        return group if slash else ""

    @property
    def name(self) -> str:
        """Its name."""
        return self.root.get("metadata", "name").text

    @property
    def label(self) -> str:
        """Kind and name, for messages."""
        return f"{self.kind} `{self.name}`" if self.name else self.kind

    def pods(self) -> Iterator[Pod]:
        """The pods that it makes."""
        if self.kind == "Pod":
            yield Pod(self, self.root)
        for path in _TEMPLATES.get(self.kind, ()):
            if template := self.root.get(*path):
                yield Pod(self, template)


@dataclass(frozen=True)
class Pod:
    """A pod or a template of pods."""

    owner: Object
    root: Node

    @property
    def spec(self) -> Node:
        """Its specification."""
        return self.root.get("spec")

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return {k: v.text for k, v in self.root.get("metadata", "labels").items.items()}

    @property
    def containers(self) -> list[Node]:
        """The containers that serve."""
        return self.spec.get("containers").list

    @property
    def all_containers(self) -> list[Node]:
        """Those that prepare, too."""
        return [*self.spec.get("initContainers").list, *self.containers]

    def matches(self, selector: dict[str, Node]) -> bool:
        """Whether a selector's labels are the pod's, or are of those that its controller adds."""
        labels = self.labels
        return all(labels.get(k) == v.text if k in labels else k.startswith(_CONTROLLERS) for k, v in selector.items())


@dataclass(frozen=True)
class Unit:
    """What is applied together: objects, the paths of all files, what exists elsewhere, and what patches objects."""

    objects: tuple[Object, ...]
    kustomizations: tuple[tuple[File, Node], ...] = ()
    paths: frozenset[str] = frozenset()
    external: frozenset[str] = frozenset()
    image_digest: str = "off"
    names: dict[str, set[str]] = field(default_factory=dict)
    patches: tuple[Object, ...] = ()

    def of(self, *kinds: str) -> list[Object]:
        """The objects of some kinds."""
        return [o for o in self.objects if o.kind in kinds]

    def pods(self) -> list[Pod]:
        """The pods of all objects."""
        return [pod for o in self.objects for pod in o.pods()]


def number(node: Node) -> int | None:
    """The integer at a node, or None."""
    return node.value if isinstance(node.value, int) and not isinstance(node.value, bool) else None


def quantity(node: Node) -> float | None:
    """What a quantity amounts to, or None where it is none."""
    text = node.raw or str(node.value)
    match = _QUANTITY.match(text)
    if not match:
        return None
    suffix = match[2] or ""
    if suffix[:1] in {"e", "E"} and len(suffix) > 1 and suffix != "Ei":
        return float(match[0])
    scale = {**_SCALES, **_BINARY}[suffix]
    return float(match[1]) * scale * (-1 if text.startswith("-") else 1)


def gpus(container: Node) -> int:
    """GPUs that a container asks for by a device plugin; 1 for a claim of the resource API."""
    resources = container.get("resources")
    found = 0
    for kind in ("limits", "requests"):
        for name, node in resources.get(kind).items.items():
            if "/" in name and ("gpu" in name or name.startswith("nvidia.com/mig")):
                found = max(found, number(node) or (int(node.text) if node.text.isdigit() else 1))
    return found or int(bool(resources.get("claims").list))
