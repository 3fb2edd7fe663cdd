"""The pods of a plan: commands, probes, resources, security and where they may run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy import hostram
from glmdeploy.plan import COMPILE_SECONDS, SHARED_MEMORY
from glmdeploy.podmemory import pod_memory
from glmdeploy.targets.common import PROBE_PERIOD, health_command, object_name, start_failures
from glmdeploy.targets.kubernetes import kubelet
from glmdeploy.targets.kubernetes.storage import Store, mirrored
from glmdeploy.targets.needs import binds_memory
from glmdeploy.transport import transport
from glmdeploy.units import GIB

if TYPE_CHECKING:
    from glmdeploy.plan import Plan
    from glmdeploy.process import Process

GPU_RESOURCES = {"nvidia": "nvidia.com/gpu", "amd": "amd.com/gpu"}
_PRODUCT_LABELS = {"nvidia": "nvidia.com/gpu.product", "amd": "amd.com/gpu.product-name"}
CPUS_PER_GPU = 4  # a busy scheduler or worker thread each, and tokenizers, [est]
SCRATCH = 16  # GiB of /tmp and logs, [est]
PRE_STOP = 15  # seconds until every load balancer has taken the pod out
GRACE = 120  # seconds for the answers that are being written
DOWNLOAD = 6 * 3600  # seconds: 756 GB at 35 MB/s, so that a first roll-out is not called failed meanwhile, [est]
LIVENESS_PERIOD = 60
CAPABILITIES = {
    "SYS_NICE": "SYS_NICE: the runtime's seccomp profile lets mbind and set_mempolicy through only with it",
}
PIN_NOTE = (
    "RDMA pins memory: the node's container runtime must lift its memlock limit (GLM550); IPC_LOCK is root's alone"
)
NUMA_NOTE = "memory is not bound to NUMA nodes: seccomp asks for SYS_NICE, which kubernetes.numa_binding adds"
SLOWEST_PREFILL = 500  # tokens a second below which nobody would serve, [est]


class Group:
    """The pods of one plan: a server, or a leader and its workers."""

    def __init__(self, plan: Plan, processes: tuple[Process, ...]) -> None:
        self.plan = plan
        self.processes = processes
        self.spec = plan.spec
        self.site = plan.spec.kubernetes
        self.store = Store(plan)
        self.several = plan.layout.nodes > 1
        self.transport = transport(plan)
        self.domain = f"{object_name(plan.spec)}-nvlink" if self.transport.name == "mnnvl" else ""

    def members(self) -> list[dict[str, object]]:
        """What differs between the workloads of a plan, by file: one, or one a replica where each has an NVLink domain.

        All groups of a LeaderWorkerSet share one pod template, so they would share one claim template, and with it one
        ComputeDomain and no rule that keeps a group inside a rack.
        """
        name, replicas = object_name(self.spec), self.plan.layout.replicas
        shared = {"suffix": "", "name": name, "replicas": replicas, "domain": self.domain, "replica": ""}
        if not (self.domain and self.several and replicas > 1):
            return [shared]
        # `-g0`, not `-0`: NAME-0 is what the operator calls a group of NAME, which may still be there
        parts = [(f"-g{i}", f"{name}-g{i}", str(i)) for i in range(replicas)]
        return [
            {"suffix": suffix, "name": own, "replicas": 1, "domain": f"{own}-nvlink", "replica": index}
            for suffix, own, index in parts
        ]

    def context(self) -> dict[str, object]:
        """What the templates of the workload take."""
        leader = self.container(self.processes[0], rank="0" if self.several else None)
        return {
            "leader": leader,
            "worker": self.worker() if self.several else None,
            "pod": self.pod(),
            "progress_seconds": progress_seconds(self.plan),
        }

    def pod(self) -> dict[str, object]:
        """What all pods of the group share."""
        label = _PRODUCT_LABELS[self.spec.cluster.gpu.vendor]
        products = list(self.site.gpu_products or self.spec.cluster.gpu.product_labels)
        note = f"gpu.product: no label of {self.spec.cluster.gpu.name} is known; name it in kubernetes.gpu_products"
        required = self.domain and (self.several or self.plan.layout.replicas == 1)
        return {
            "restricted": self.restricted(),
            "capabilities": [(name, CAPABILITIES[name]) for name in self.capabilities()],
            "notes": self.notes(),
            "run_as": self.site.run_as,
            "groups": list(self.site.supplemental_groups),
            "read_only_root": self.site.read_only_root,
            "priority_class": self.site.priority_class or "",
            "pull_secrets": list(self.site.image_pull_secrets),
            "networks": self.site.networks or "",
            "grace": PRE_STOP + GRACE,
            "pre_stop": PRE_STOP,
            "product_label": label,
            "products": products,
            "product_note": "" if products else note,
            "node_labels": sorted(self.site.node_labels.items()),
            "near": [] if required else self.near(),
            "clique": bool(required),
            "transport": self.transport,
        }

    def capabilities(self) -> list[str]:
        """What the server's container may do beside the restricted standard."""
        return ["SYS_NICE"] if self.site.numa_binding else []

    def notes(self) -> list[str]:
        """What the server's container cannot do for want of a capability."""
        unbound = binds_memory(self.plan, self.processes[0]) and not self.site.numa_binding
        return [*([PIN_NOTE] if self.transport.pins_memory else []), *([NUMA_NOTE] if unbound else [])]

    def restricted(self) -> str:
        """Why the pod is outside Kubernetes' restricted Pod Security Standard, or an empty string."""
        folder = ["hostPath, a folder of the host"] if self.spec.weights.path and not self.spec.weights.store else []
        return " and ".join([*folder, *self.capabilities()])

    def near(self) -> list[str]:
        """Node labels whose value the ranks of one group prefer to share, the nearest first."""
        shares = self.plan.layout.nodes > 1 and len({p.host for p in self.plan.ranks}) < self.plan.layout.nodes
        rack = self.site.topology_key or ("nvidia.com/gpu.clique" if self.domain else "")
        return [*(["kubernetes.io/hostname"] if shares else []), *([rack] if self.several and rack else [])]

    def worker(self) -> dict[str, object]:
        """All workers share one template: their commands must differ in the rank alone."""
        made = [self.container(p, rank=kubelet.RANK) for p in self.processes if p.rank > 0]
        if any(other != made[0] for other in made[1:]):
            raise AssertionError("workers of a LeaderWorkerSet differ in more than their rank")
        return made[0]

    def container(self, process: Process, *, rank: str | None) -> dict[str, object]:
        """The container of one rank."""
        port = str(self.spec.port)
        words = kubelet.words(process.words(leader=kubelet.LEADER, rank=rank, port=port, api_key=kubelet.KEY))
        probe = health_command(process, port=int(port), leader="__import__('os').environ['LWS_LEADER_ADDRESS']")
        named = {k for k, _ in process.env}
        own = {**self.store.environment(), **dict(self.transport.env)}
        # the download alone needs the hub's token
        secrets = [s for s in process.secrets if s.variable != "HF_TOKEN"]
        return {
            "image": mirrored(self.plan),
            "command": words[0],
            "args": words[1:],
            "env": kubelet.environment(process.env),
            "own_env": kubelet.environment(sorted((k, v) for k, v in own.items() if k not in named)),
            "secrets": [(s.variable, s.secret, s.key) for s in secrets],
            "port": int(port),
            "http": process.health.path,
            "exec": kubelet.words(probe),
            # a command's own start counts against its time
            "timeout": process.health.timeout + (0 if process.health.path else 5),
            "shared_memory": f"{SHARED_MEMORY // GIB}Gi",
            **self.probes(),
            **self.resources(process),
        }

    def probes(self) -> dict[str, object]:
        """Periods and failures: for loading and compiling, and for the longest prefill step."""
        plan, chunk = self.plan, self.plan.settings.prefill_chunk
        size, speed = self.spec.checkpoint.total_bytes / 1e9, self.spec.storage_bandwidth / 1e9
        longest = -(-chunk // SLOWEST_PREFILL)
        return {
            "period": PROBE_PERIOD,
            "failures": start_failures(plan),
            "start_why": f"{plan.startup_seconds} s: twice {plan.load_seconds} s ({size:,.0f} GB at {speed:g} GB/s), "
            f"and {COMPILE_SECONDS} s to compile with empty caches, in whole minutes",
            "liveness_period": LIVENESS_PERIOD,
            "liveness_failures": max(5, -(-2 * longest // LIVENESS_PERIOD)),
            "liveness_why": f"a prefill step of {chunk:,} tokens takes {longest} s at {SLOWEST_PREFILL} tokens/s: twice that, at least 5 minutes",
        }

    def resources(self, process: Process) -> dict[str, object]:
        """What the container asks for: requests and limits are equal, but for the CPU, which has no limit."""
        gpus, cluster = len(process.placement.gpu_ids), self.spec.cluster
        wanted, why = pod_memory(process)
        memory = self.site.memory or min(wanted, cluster.host_memory or wanted)
        if self.site.memory:
            why = "kubernetes.memory"
        elif memory < wanted:
            why += ", no more than cluster.host_memory"
        # inference threads: of the cores that are known some are left to the host's own services
        threads = cluster.cpu_cores * 9 // 10 or hostram.threads(cluster)
        cpus = threads if process.host_memory else gpus * CPUS_PER_GPU
        scratch = SCRATCH if self.store.makes_cache else SCRATCH + -(-self.site.cache_size // GIB)
        return {
            "gpu_resource": GPU_RESOURCES[cluster.gpu.vendor],
            "gpus": gpus,
            "cpus": min(cpus, cluster.cpu_cores or cpus),
            "memory": f"{memory // GIB}Gi",
            "memory_why": why,
            "scratch": f"{scratch}Gi",
            "devices": list(self.transport.resources),
        }


def progress_seconds(plan: Plan) -> int:
    """Seconds until a first roll-out counts as failed: start-up, and the download where there is one."""
    weights = plan.spec.weights
    return plan.startup_seconds + (DOWNLOAD if weights.fetched or weights.oci else 0)
