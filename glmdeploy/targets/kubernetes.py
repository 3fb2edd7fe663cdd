"""Plain Kubernetes manifests under a kustomization: a Deployment for one rank, a LeaderWorkerSet for several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.bundle import Artifact
from glmdeploy.targets.common import (
    HUB_CACHE,
    PROBE_PERIOD,
    SHARED_MEMORY,
    header,
    health_command,
    image,
    object_name,
    start_failures,
)
from glmdeploy.templating import render as render_template
from glmdeploy.units import GIB

if TYPE_CHECKING:
    from glmdeploy.plan import Plan
    from glmdeploy.process import Process

_LEADER = "$(LWS_LEADER_ADDRESS)"
_GPU_RESOURCES = {"nvidia": "nvidia.com/gpu", "amd": "amd.com/gpu"}


def render(plan: Plan, processes: tuple[Process, ...]) -> tuple[Artifact, ...]:
    """The workload, the service on the leader, the claim that it needs, and the kustomization."""
    several = plan.layout.nodes > 1
    workload = "leaderworkerset" if several else "deployment"
    names = [workload, "service", *(["persistentvolumeclaim"] if plan.spec.weights.hub else [])]
    context = _context(plan, processes)
    files = [Artifact(f"kubernetes/{n}.yaml", render_template(f"kubernetes/{n}.yaml.j2", **context)) for n in names]
    kustomization = render_template(
        "kubernetes/kustomization.yaml.j2", resources=[f"{n}.yaml" for n in names], **context
    )
    return (*files, Artifact("kubernetes/kustomization.yaml", kustomization))


def _context(plan: Plan, processes: tuple[Process, ...]) -> dict[str, object]:
    spec = plan.spec
    several = plan.layout.nodes > 1
    return {
        "header": header(spec),
        "name": object_name(spec),
        "namespace": spec.namespace,
        "labels": [
            ("app.kubernetes.io/name", "glm-5.2"),
            ("app.kubernetes.io/instance", object_name(spec)),
            ("app.kubernetes.io/managed-by", "glmdeploy"),
        ],
        "replicas": plan.layout.replicas,
        "size": plan.layout.nodes,
        "leader": _container(plan, processes[0], rank="0" if several else None, port=str(spec.port)),
        "worker": _worker(plan, processes) if several else None,
        "service_port": spec.port,
        "claim": spec.weights.claim or (f"{object_name(spec)}-weights" if spec.weights.hub else ""),
        "claim_mount": HUB_CACHE if spec.weights.hub else "/models",
        "claim_read_only": bool(spec.weights.claim),
        "claim_mode": "ReadWriteMany" if several or plan.layout.replicas > 1 else "ReadWriteOnce",
        "claim_size": f"{-(-spec.checkpoint.total_bytes * 11 // 10 // GIB)}Gi",
        "storage_class": spec.storage_class,
        "host_path": spec.weights.path,
    }


def _worker(plan: Plan, processes: tuple[Process, ...]) -> dict[str, object]:
    """All workers share one template: their commands must differ in the rank alone."""
    workers = [p for p in processes if p.rank > 0]
    made = [_container(plan, p, rank="$(LWS_WORKER_INDEX)", port=str(plan.spec.port)) for p in workers]
    if any(other != made[0] for other in made[1:]):
        raise AssertionError("workers of a LeaderWorkerSet differ in more than their rank")
    return made[0]


def _container(plan: Plan, process: Process, *, rank: str | None, port: str) -> dict[str, object]:
    words = process.words(
        leader="\0leader", rank="\0rank" if rank and "$" in rank else rank, port=port, api_key="\0key"
    )
    words = [_escape(w) for w in words]
    probe = health_command(process, port=int(port), leader="__import__('os').environ['LWS_LEADER_ADDRESS']")
    # the weights, with shared memory and buffers beside them where the host has it
    wanted = process.host_memory + 64 * GIB if process.host_memory else 0
    memory = min(wanted, plan.spec.cluster.host_memory or wanted) // GIB
    return {
        "image": image(plan.spec),
        "command": words[0],
        "args": words[1:],
        "env": [(k, _escape(v)) for k, v in process.env],
        "secrets": [(s.variable, s.secret, s.key) for s in process.secrets],
        "port": int(port),
        "http": process.health.path,
        "exec": [_escape(w) for w in probe],
        # a command's own start counts against its time
        "timeout": process.health.timeout + (0 if process.health.path else 5),
        "period": PROBE_PERIOD,
        "failures": start_failures(plan),
        "gpu_resource": _GPU_RESOURCES[plan.spec.cluster.gpu.vendor],
        "gpus": len(process.placement.gpu_ids),
        "memory": f"{memory}Gi" if memory else "",
        "shared_memory": f"{SHARED_MEMORY // GIB}Gi",
    }


def _escape(word: str) -> str:
    """A word as the kubelet reads it: `$(` is doubled, the placeholders become its own expansion."""
    word = word.replace("$(", "$$(")
    return (
        word.replace("\0leader", _LEADER)
        .replace("\0rank", "$(LWS_WORKER_INDEX)")
        .replace("\0key", "$(GLMDEPLOY_API_KEY)")
    )
