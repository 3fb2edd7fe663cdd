"""A profile with every name looked up: objects instead of names, defaults filled in.

Unknown and ambiguous names end here as GLM1xx diagnostics that list the nearest ones.
"""

# Over 300 lines: one resolution, a step for each section of the profile.

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.version import Version

from glmdeploy.diagnostics import Diagnostic, Fix, Level, ProfileError, Put
from glmdeploy.fields import AUTO
from glmdeploy.hardware import Cluster
from glmdeploy.site import ComposeSection, GitSection, KubernetesSection
from glmdeploy.slurm import SlurmSection
from glmdeploy.units import tokens
from glmdeploy.weights import Weights, misplaced, placed

if TYPE_CHECKING:
    from glmdeploy.catalog import Catalog
    from glmdeploy.diagnostics import KeyPath
    from glmdeploy.flags import Framework
    from glmdeploy.hardware import GPU
    from glmdeploy.models import Checkpoint, Model
    from glmdeploy.profile import Profile

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_NO_SLURM = SlurmSection()
# Organisations that GLM repositories moved away from, and where they are now.
_OLD_ORGANISATIONS = {"thudm": "zai-org"}


@dataclass(frozen=True)
class Request:
    """What the user asked the planner for; None and empty mean that the planner chooses."""

    context: int | None
    tp: int | None
    pp: int | None
    ep: int | None
    mtp: bool | None
    kv_cache_dtype: str
    memory_fraction: float | None
    prefill_chunk: int | None
    concurrency: int | None
    strategy: str
    dp: int | None = None
    attn_dp: int | None = None
    cp: int | None = None
    dcp: int | None = None
    replicas: int | None = None
    gpu_experts: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True)
class Spec:
    """Everything a plan is made of."""

    name: str
    model: Model
    checkpoint: Checkpoint
    cluster: Cluster
    framework: Framework
    version: Version
    request: Request
    weights: Weights
    storage_bandwidth: int
    image: str
    thinking: str
    preserve_thinking: bool
    served_names: tuple[str, ...]
    port: int
    expose_unauthenticated: bool
    targets: tuple[str, ...]
    namespace: str
    storage_class: str
    api_key_secret: str
    hub_token_secret: str
    env: tuple[tuple[str, str], ...]
    extra_args: tuple[str, ...]
    store_secret: str = ""  # for the download from an object store
    accept_floor_only: bool = False
    image_digest: str = "off"
    digests: tuple[tuple[str, str], ...] = ()  # of images, by reference
    slurm: SlurmSection = _NO_SLURM
    kubernetes: KubernetesSection = field(default_factory=KubernetesSection, hash=False)  # the site's own names
    compose: ComposeSection = field(default_factory=ComposeSection)
    git: GitSection = field(default_factory=GitSection, hash=False)
    found: tuple[Diagnostic, ...] = ()

    @property
    def container_targets(self) -> tuple[str, ...]:
        """The targets that run an image."""
        images = {"compose", "kubernetes", *(["slurm"] if self.slurm.container == "pyxis" else [])}
        return tuple(t for t in self.targets if t in images)


def resolve(profile: Profile, catalog: Catalog) -> Spec:
    """Look every name up. ProfileError with all GLM1xx diagnostics at once."""
    resolver = _Resolver(profile, catalog)
    spec = resolver.spec()
    if spec is None:
        raise ProfileError(resolver.found)
    return spec


class _Resolver:
    def __init__(self, profile: Profile, catalog: Catalog) -> None:
        self.profile = profile
        self.catalog = catalog
        self.found: list[Diagnostic] = []

    def say(self, code: str, message: str, at: KeyPath, hint: str = "", level: Level = Level.ERROR) -> None:
        self.found.append(Diagnostic(code, message, level, at=at, hint=hint))

    def spec(self) -> Spec | None:
        profile = self.profile
        gpu, framework, checkpoint = self.gpu(), self.framework(), self.checkpoint()
        weights = self.weights(checkpoint, framework)
        version = self.version(framework, gpu)
        request = self.request()
        if gpu is None or framework is None or checkpoint is None or version is None or weights is None:
            return None
        if any(d.level is Level.ERROR for d in self.found):
            return None
        serving = profile.serving
        return Spec(
            name=profile.name,
            model=self.catalog.model,
            checkpoint=checkpoint,
            cluster=self.cluster(gpu),
            framework=framework,
            version=version,
            request=request,
            weights=weights,
            storage_bandwidth=profile.model.storage_bandwidth,
            image=profile.framework.image or "",
            thinking=serving.thinking,
            preserve_thinking=serving.preserve_thinking,
            served_names=serving.served_names,
            port=serving.port or framework.port,
            expose_unauthenticated=serving.expose_unauthenticated,
            targets=tuple(dict.fromkeys(profile.targets)),
            namespace=profile.kubernetes.namespace,
            storage_class=profile.kubernetes.storage_class or "",
            api_key_secret=profile.secrets.api_key or "",
            hub_token_secret=profile.secrets.hub_token or "",
            store_secret=profile.secrets.object_store or "",
            env=tuple(profile.env.items()),
            extra_args=profile.extra_args,
            accept_floor_only="floor-only" in profile.accept,
            image_digest=profile.policy.image_digest,
            slurm=profile.slurm,
            kubernetes=profile.kubernetes,
            compose=profile.compose,
            git=profile.git,
            found=tuple(self.found),
        )

    def gpu(self) -> GPU | None:
        name = self.profile.cluster.gpu
        matches = self.catalog.find_gpus(name)
        at = ("cluster", "gpu")
        if len(matches) == 1:
            return matches[0]
        if matches:
            names = " or ".join(f"`{g.id}`" for g in matches)
            self.say(
                "GLM102",
                f"GPU `{name}` is ambiguous: {' and '.join(g.name for g in matches)} go by that name",
                at,
                f"write {names}",
            )
            return None
        near = self.catalog.near_gpus(name)
        known = f"known: {', '.join(g.short for g in self.catalog.gpus.values())}"
        hint = f"did you mean {', '.join(f'`{n}`' for n in near)}?" if near else known
        self.say("GLM101", f"unknown GPU `{name}`", at, hint)
        return None

    def cluster(self, gpu: GPU) -> Cluster:
        section = self.profile.cluster
        return Cluster(
            gpu=gpu,
            gpus=section.gpus,
            gpus_per_node=section.gpus_per_node or gpu.gpus_per_node,
            host_memory=section.host_memory or 0,
            cpu_cores=section.cpu_cores or 0,
            numa_nodes=section.numa_nodes or 0,
            fabric=section.fabric,
            cpu_isa=section.cpu_isa or "",
            memory_bandwidth=section.memory_bandwidth or 0,
        )

    def framework(self) -> Framework | None:
        name = self.profile.framework.name
        known = self.catalog.frameworks
        if name.lower() in known:
            return known[name.lower()]
        self.say("GLM105", f"unknown framework `{name}`", ("framework", "name"), _near(name, list(known)))
        return None

    def checkpoint(self) -> Checkpoint | None:
        name = self.profile.model.checkpoint
        at = ("model", "checkpoint")
        if not self.repository(name, at):
            return None
        for checkpoint in self.catalog.model.checkpoints:
            if name.lower() in {checkpoint.id, checkpoint.repo.lower()}:
                return checkpoint
        self.say(
            "GLM104",
            f"unknown checkpoint `{name}`",
            at,
            _near(name, [c.id for c in self.catalog.model.checkpoints]),
        )
        return None

    def repository(self, name: str, at: KeyPath) -> bool:
        organisation, _, repository = name.partition("/")
        now = _OLD_ORGANISATIONS.get(organisation.lower())
        if now and repository:
            message, new = f"`{name}`: the organisation {organisation} moved", f"{now}/{repository}"
            fix = Fix(f"`{name}` becomes `{new}`", (Put(at, new),))
            self.found.append(Diagnostic("GLM106", message, at=at, hint=f"write `{new}`", fix=fix))
            return False
        return True

    def weights(self, checkpoint: Checkpoint | None, framework: Framework | None) -> Weights | None:
        source = self.profile.model.source
        if checkpoint is None:
            return None
        if source is None:
            # kt-kernel reads the expert weights itself and takes a local folder only
            local = framework is not None and framework.id == "ktransformers"
            return (
                Weights(path=f"/models/{checkpoint.repo.partition('/')[2]}") if local else Weights(hub=checkpoint.repo)
            )
        if source.revision_alone:
            return Weights(hub=checkpoint.repo, revision=source.revision or "")
        wrong = list(misplaced(source))
        for key, message in wrong:
            self.say("GLM107", message, ("model", "source", *([key] if key else [])))
        if wrong or (source.hub and not self.hub(source.hub, checkpoint)):
            return None
        return placed(source)

    def hub(self, name: str, checkpoint: Checkpoint) -> bool:
        """Whether the repository may hold the checkpoint: well formed, not moved, not another checkpoint's."""
        at = ("model", "source", "hub")
        if not _REPOSITORY.match(name):
            self.say("GLM107", f"`{name}` is not a repository of the hub", at, "write `organisation/name`")
            return False
        other = next(
            (c for c in self.catalog.model.checkpoints if c.repo.lower() == name.lower() and c is not checkpoint), None
        )
        if other:
            message = f"`{name}` holds checkpoint `{other.id}`, and the profile says `{checkpoint.id}`"
            self.say("GLM107", message, at, f"set `model.checkpoint` to `{other.id}`")
            return False
        return self.repository(name, at)

    def version(self, framework: Framework | None, gpu: GPU | None) -> Version | None:
        if framework is None:
            return None
        text = self.profile.framework.version
        at = ("framework", "version")
        if text is None:
            return framework.default_for(gpu.compute) if gpu else framework.default
        try:
            version = Version(text)
        except ValueError:  # InvalidVersion, and more digits than Python takes
            self.say("GLM108", f"`{text[:40]}` is not a version", at, f"such as `{framework.default}`")
            return None
        if version < framework.floor:
            self.say(
                "GLM109",
                f"{framework.name} {version} cannot serve GLM-5.2: it needs {framework.floor} or newer",
                at,
                f"source: {framework.facts['floor'].source}",
            )
            return None
        if version > max(framework.tested):
            self.say(
                "GLM110",
                f"{framework.name} {version} is newer than the catalogue: rendered with what {max(framework.tested)} knows",
                at,
                "read the release notes, or name a known version",
                Level.WARNING,
            )
        elif version not in framework.tested:
            message = (
                f"the catalogue knows no release {version} of {framework.name}: rendered with what its neighbours take"
            )
            self.say("GLM110", message, at, "check that it exists, or name a known version", Level.WARNING)
        return version

    def request(self) -> Request:
        serving, layout = self.profile.serving, self.profile.layout
        limit = self.catalog.model.max_context
        if serving.context != AUTO and serving.context > limit:
            self.say(
                "GLM112",
                f"a context of {tokens(serving.context)} is above the model's {tokens(limit)} (prompt plus output)",
                ("serving", "context"),
                "write `1M` for the whole context",
            )
        self.output(None if serving.context == AUTO else serving.context, serving.output_tokens or 0)
        return Request(
            context=None if serving.context == AUTO else serving.context,
            tp=layout.tp,
            pp=layout.pp,
            ep=layout.ep,
            mtp=None if serving.mtp == AUTO else bool(serving.mtp),
            kv_cache_dtype=serving.kv_cache_dtype,
            memory_fraction=None if serving.memory_fraction == AUTO else serving.memory_fraction,
            prefill_chunk=None if serving.prefill_chunk == AUTO else serving.prefill_chunk,
            concurrency=None if serving.concurrency == AUTO else serving.concurrency,
            strategy=serving.strategy,
            dp=layout.dp,
            attn_dp=layout.attn_dp,
            cp=layout.cp,
            dcp=layout.dcp,
            replicas=layout.replicas,
            gpu_experts=layout.gpu_experts,
            output_tokens=serving.output_tokens,
        )

    def output(self, context: int | None, output: int) -> None:
        """Whether an answer of ``output`` tokens is possible, and leaves room for a prompt."""
        at, most = ("serving", "output_tokens"), self.catalog.model.max_output
        if output > most:
            self.say("GLM113", f"an answer of {tokens(output)} is above the model's {tokens(most)}", at)
        elif context and output >= context:
            message = f"an answer of {tokens(output)} leaves no room for a prompt in a context of {tokens(context)}"
            self.say("GLM113", message, at, "prompt and answer share the context: raise `serving.context`")


def _near(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name.lower(), known, n=2)
    if close:
        return f"did you mean {' or '.join(f'`{c}`' for c in close)}?"
    return f"known: {', '.join(known)}"
