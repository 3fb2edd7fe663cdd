"""The user's YAML: names as written, nothing looked up, nothing computed.

The same object is built from command-line options, so that both mean the same thing. Field descriptions
are the documentation: `glmdeploy schema` prints them.
"""

# Over 300 lines: one schema, read from top to bottom, and how its errors become diagnostics.

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    ValidationError,
)

from glmdeploy.diagnostics import Diagnostic, Fix, ProfileError, Quote, Rekey
from glmdeploy.fields import (
    AUTO,
    Auto,
    Bandwidth,
    Count,
    Size,
    Strict,
    Text,
    Tokens,
    Word,
    clean,
    dns_name,
    env_names,
)
from glmdeploy.site import ComposeSection, GitSection, KubernetesSection
from glmdeploy.slurm import SlurmSection
from glmdeploy.units import exact_size
from glmdeploy.weights import WeightSource  # noqa: TC001  pydantic reads the annotation

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from glmdeploy.diagnostics import KeyPath
    from glmdeploy.source import Source

API_VERSION = "glmdeploy/v1"
Target = Literal["script", "compose", "kubernetes", "systemd", "slurm", "argocd", "flux"]


class ModelSection(Strict):
    """What to serve."""

    checkpoint: Text = Field("fp8", description="Catalogue id of the weights: fp8, bf16, nvfp4, mxfp4 or w4afp8.")
    source: WeightSource | None = Field(None, description="Default: the checkpoint's hub repository.")
    storage_bandwidth: Bandwidth = Field(
        2_000_000_000,
        description="What one host reads from weight storage; start-up time-outs follow from it. Default 2 GB/s.",
    )


class ClusterSection(Strict):
    """What to serve it on."""

    gpu: Text = Field(description="GPU by any of its names: h100, h200, b200, gb300, mi300x, rtx4090 ...")
    gpus: Count = Field(description="GPUs in all.")
    gpus_per_node: Count | None = Field(None, description="GPUs of one host. Default: as the product is sold, 8 or 4.")
    host_memory: Size | None = Field(None, description="RAM of one host. KTransformers needs it.")
    cpu_cores: Annotated[int, Field(ge=1, le=4096)] | None = Field(None, description="Physical cores of one host.")
    numa_nodes: Annotated[int, Field(ge=1, le=64)] | None = Field(None, description="NUMA nodes of one host.")
    cpu_isa: Literal["amx", "avx512", "avx2"] | None = Field(
        None,
        description="KTransformers: the CPU's widest instructions. avx512 means with BF16 and VBMI (Zen 4, Sapphire "
        "Rapids); older AVX-512 is avx2. Default: avx512, with a warning.",
    )
    memory_bandwidth: Bandwidth | None = Field(
        None, description="KTransformers: RAM bandwidth of one host, such as `400 GB/s`. It bounds the decode speed."
    )
    fabric: Literal["infiniband", "roce", "tcp"] = Field(
        "infiniband", description="Network between hosts. On tcp, tensor-parallel groups stay inside a host."
    )


class FrameworkSection(Strict):
    """What serves it."""

    name: Text = Field(description="sglang, vllm, transformers or ktransformers.")
    version: Text | None = Field(
        None, description="Release, in quotes. Default: the newest with a documented image for the GPU."
    )
    image: Word | None = Field(None, description="Container image to use instead of the documented one.")


class LayoutSection(Strict):
    """Sizes that the planner must keep; what is left out it chooses."""

    tp: Count | None = Field(None, description="Tensor parallel size.")
    pp: Count | None = Field(None, description="Pipeline stages.")
    ep: Count | None = Field(
        None, description="Expert parallel size: 1, or the GPUs that share the experts (tp; for vLLM tp x dp)."
    )
    dp: Count | None = Field(
        None, description="vLLM: data-parallel ranks, each with attention and KV cache of its own."
    )
    attn_dp: Count | None = Field(
        None, description="SGLang: attention data parallel groups inside the tensor parallel size."
    )
    cp: Count | None = Field(None, description="SGLang: prefill context parallel inside the tensor parallel size.")
    dcp: Count | None = Field(
        None, description="Decode context parallel: GPUs of a tensor-parallel group that share one request's KV cache."
    )
    replicas: Count | None = Field(None, description="Whole deployments beside each other. Default 1.")
    gpu_experts: Annotated[int, Field(ge=0, le=256)] | None = Field(
        None, description="KTransformers: routed experts of each layer on the GPUs. Default: as many as fit."
    )


class ServingSection(Strict):
    """How to serve it."""

    context: Tokens = Field(
        AUTO,
        description="Prompt plus output of one request, tokens. auto: 131,072, or less where memory asks for it.",
    )
    output_tokens: Annotated[int, Field(ge=1, le=10_000_000)] | None = Field(
        None, description="Longest answer that must fit beside the prompt, thinking included, tokens."
    )
    strategy: Literal["low-latency", "balanced", "high-throughput"] = Field(
        "low-latency", description="What to optimise for."
    )
    mtp: bool | Auto = Field(
        AUTO, description="Multi-token prediction (speculative decoding with the model's own draft layer)."
    )
    kv_cache_dtype: Literal["auto", "bf16", "fp8", "nvfp4"] = Field(AUTO, description="Element type of the KV cache.")
    memory_fraction: Annotated[float, Field(gt=0.1, lt=1.0)] | Auto = Field(
        AUTO,
        description="SGLang: static fraction of the memory that is free before loading. vLLM: utilisation of the whole GPU.",
    )
    prefill_chunk: Annotated[int, Field(ge=64, le=1_048_576, multiple_of=64)] | Auto = Field(
        AUTO, description="Tokens of one prefill step (a multiple of the KV page of 64)."
    )
    concurrency: Annotated[int, Field(ge=1, le=65536)] | Auto = Field(
        AUTO, description="Most requests that run at a time."
    )
    thinking: Literal["auto", "max", "high", "off"] = Field(
        AUTO, description="Default thinking effort of the server. auto: max, or high where memory is tight."
    )
    preserve_thinking: bool = Field(
        False, description="Keep the thinking of earlier turns in the prompt, for agents that send it back."
    )
    served_names: Annotated[tuple[Word, ...], Field(min_length=1, max_length=32, strict=False)] = Field(
        ("glm-5.2",), description="Model names that clients may send. SGLang and KTransformers take one."
    )
    port: Annotated[int, Field(ge=1024, le=65000)] | None = Field(
        None, description="HTTP port. Default: the framework's own."
    )
    expose_unauthenticated: bool = Field(
        False, description="Allow a server without authentication of its own (Transformers) in containers."
    )


class SecretsSection(Strict):
    """Names of existing secrets; a value is never written anywhere."""

    api_key: Annotated[str, AfterValidator(dns_name)] | None = Field(
        None, description="Secret whose key `api-key` is the server's API key."
    )
    hub_token: Annotated[str, AfterValidator(dns_name)] | None = Field(
        None, description="Secret whose key `token` is the hub token."
    )
    object_store: Annotated[str, AfterValidator(dns_name)] | None = Field(
        None,
        description="Secret for the download from an object store. Its keys: `access-key-id` and `secret-access-key` for "
        "s3, `service-account` (JSON) for gs. Default: what the node's own role allows.",
    )


class PolicySection(Strict):
    """What your house asks of every deployment."""

    image_digest: Literal["off", "warn", "error"] = Field(
        "off",
        description="What to say of an image whose digest `images.lock.yaml` does not know: nothing, a warning, an error.",
    )


class Profile(Strict):
    """One deployment of GLM-5.2."""

    apiVersion: Literal["glmdeploy/v1"] = Field(description="Version of this format.")  # noqa: N815  the key's own spelling
    name: Annotated[str, AfterValidator(dns_name)] = Field(description="Name of the deployment and of its folder.")
    extends: Text | None = Field(
        None,
        description="Another profile's file, relative to this one: its keys count wherever this one does not set them. "
        "It may not extend a third.",
    )
    model: ModelSection = Field(default_factory=ModelSection)
    cluster: ClusterSection
    framework: FrameworkSection
    layout: LayoutSection = Field(default_factory=LayoutSection)
    serving: ServingSection = Field(default_factory=ServingSection)
    targets: Annotated[tuple[Target, ...], Field(min_length=1, strict=False)] = Field(
        ("script", "compose", "kubernetes"), description="What to render."
    )
    kubernetes: KubernetesSection = Field(default_factory=KubernetesSection)
    slurm: SlurmSection = Field(default_factory=SlurmSection)
    compose: ComposeSection = Field(default_factory=ComposeSection)
    git: GitSection = Field(default_factory=GitSection)
    secrets: SecretsSection = Field(default_factory=SecretsSection)
    policy: PolicySection = Field(default_factory=PolicySection)
    accept: Annotated[tuple[Literal["floor-only"], ...], Field(strict=False)] = Field(
        (),
        description="Refusals that you take on yourself: `floor-only` renders a plan that serves less than 32,768 tokens.",
    )
    env: Annotated[dict[str, Annotated[str, AfterValidator(clean)]], AfterValidator(env_names)] = Field(
        default_factory=dict,
        description="Further environment variables of the server, as strings. No secrets.",
    )
    extra_args: Annotated[tuple[Text, ...], Field(strict=False)] = Field(
        (), description="Further words of the server's command line, as they are."
    )


def parse(source: Source) -> Profile:
    """The profile in ``source``; ProfileError with a GLM01x diagnostic for each thing that is wrong."""
    return validated(Profile, source)


M = TypeVar("M", bound=BaseModel)


def validated(root: type[M], source: Source) -> M:
    """The document as ``root`` has it; ProfileError with a GLM01x diagnostic for each thing that is wrong."""
    try:
        return root.model_validate(source.data)
    except ValidationError as error:
        found = (_explain(e, root, source.data) for e in error.errors(include_url=False))
        raise ProfileError(source.place(_dedupe(found))) from None


def _dedupe(found: Any) -> list[Diagnostic]:
    """One diagnostic a place: a union reports each of its members."""
    kept: dict[KeyPath, Diagnostic] = {}
    for d in found:
        kept.setdefault(d.at, d)
    return [d for at, d in kept.items() if not any(other != at and other[: len(at)] == at for other in kept)]


def _explain(error: ErrorDetails, root: type[BaseModel], data: dict[str, Any]) -> Diagnostic:
    at = _keys(error["loc"])
    dotted = ".".join(str(k) for k in at) or "the document"
    kind = error["type"]
    if kind == "extra_forbidden":
        fix = _renamed(at, data, root)
        return Diagnostic("GLM010", f"unknown key `{dotted}`", at=at, hint=_near(at, root), fix=fix)
    if kind == "missing":
        return Diagnostic("GLM012", f"`{dotted}` is missing", at=at)
    if at == ("apiVersion",):
        return Diagnostic("GLM013", f"apiVersion must be `{error['ctx']['expected'].strip(chr(39))}`", at=at)
    reason = error["msg"].removeprefix("Value error, ")
    if "bidirectional" in reason:
        return Diagnostic("GLM014", f"`{dotted}`: {reason}", at=at)
    hint = _QUOTES if kind == "string_type" and isinstance(error["input"], int | float) else ""
    fix = Fix(f"`{dotted}` is a string: what was written, in quotes", (Quote(at),)) if hint == _QUOTES else None
    if error["input"] is None:
        hint = "give a value, or leave the key out"
    # an address may hold a user and a password
    hide = isinstance(error["input"], str) and "@" in error["input"].partition("://")[2]
    message = f"`{dotted}`: {reason[:1].lower()}{reason[1:]}"
    return Diagnostic("GLM011", message, at=at, hint=hint, hide=hide, fix=fix)


def _renamed(at: KeyPath, data: Any, root: type[BaseModel]) -> Fix | None:
    """Another name for an unknown key, where only one is near, nothing has it, and no other key could want it."""
    for key in at[:-1]:
        data = data[key]
    known = _fields(at[:-1], root)
    wanted = {key: _close(str(key), known, 2) for key in data if key not in known}
    near = wanted.get(at[-1], [])
    if len(near) != 1 or near[0] in data or sum(near[0] in names for names in wanted.values()) > 1:
        return None
    dotted = ".".join(map(str, at))
    return Fix(f"`{dotted}` becomes `{near[0]}`", (Rekey(at, near[0]),))


_QUOTES = "write it in quotes"

# What pydantic adds to a place for the members of a union or a validator.
_INNER = re.compile(
    r"(?:int|float|bool|str|none|(?:literal|constrained-|function-|lax-or|tuple|dict|is-instance)\b.*|\[key\])\Z"
)


def _keys(loc: tuple[int | str, ...]) -> KeyPath:
    return tuple(k for k in loc if isinstance(k, int) or not _INNER.match(k))


def _close(text: str, names: list[str], most: int) -> list[str]:
    import difflib  # noqa: PLC0415  only for a mistake

    return difflib.get_close_matches(text, names, n=most)


def _near(at: KeyPath, root: type[BaseModel]) -> str:
    names = _fields(at[:-1], root)
    close = _close(str(at[-1]), names, 1)
    if close:
        return f"did you mean `{close[0]}`?"
    return f"known here: {', '.join(names)}" if names else ""


def _fields(at: KeyPath, root: type[BaseModel]) -> list[str]:
    kind: Any = root
    keys = iter(at)
    for key in keys:
        field = kind.model_fields.get(key) if hasattr(kind, "model_fields") else None
        if field is None:
            return []
        if getattr(field.annotation, "__origin__", None) in {dict, tuple}:
            next(keys, None)  # a name or a number of the user's stands between
        options = [field.annotation, *getattr(field.annotation, "__args__", ())]
        kind = next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)
    return list(kind.model_fields) if kind is not None else []


def keys(at: KeyPath) -> list[str]:
    """The keys of the section at ``at`` in the schema's order; none where the names are the user's own."""
    return _fields(at, Profile)


def is_map(at: KeyPath) -> bool:
    """Whether the profile key at ``at`` maps names of the user's own, which may hold dots."""
    return at in {("env",), ("kubernetes", "labels"), ("kubernetes", "node_labels")}


def _flat(annotation: Any) -> set[Any]:
    """The types that an annotation is made of."""
    parts = getattr(annotation, "__args__", ())
    if not parts or getattr(annotation, "__origin__", None) in {tuple, dict, Literal}:
        return {annotation}
    inner = getattr(annotation, "__origin__", None)
    return {t for p in (*parts, *([inner] if isinstance(inner, type) else [])) for t in _flat(p)}


def is_text(at: KeyPath) -> bool:
    """Whether the profile key at ``at`` is a plain string, so that `--set` must not read it as YAML."""
    kind: Any = Profile
    for depth, key in enumerate(at):
        if kind is None or not hasattr(kind, "model_fields") or key not in kind.model_fields:
            return is_map(at[:depth])
        annotation = kind.model_fields[key].annotation
        options = [annotation, *getattr(annotation, "__args__", ())]
        kind = next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)
        if depth == len(at) - 1:
            return str in _flat(annotation)
    return False


def is_list(at: KeyPath) -> bool:
    """Whether the profile key at ``at`` is a list, so that one string means one item."""
    if at[:1] == ("kubernetes",) and len(at) == 2:  # noqa: PLR2004  the section and its key
        field = KubernetesSection.model_fields.get(str(at[1]))
        return field is not None and getattr(field.annotation, "__origin__", None) is tuple
    return at in {("targets",), ("extra_args",), ("accept",), ("serving", "served_names"), ("compose", "devices")}


def as_yaml(profile: Profile) -> dict[str, Any]:
    """The profile as plain data in the schema's order, without what is left at its default."""
    data = profile.model_dump(exclude_defaults=True, mode="python")
    data["apiVersion"] = profile.apiVersion
    data.pop("extends", None)  # its keys are all here
    data.setdefault("serving", {})
    data["serving"] = {"context": profile.serving.context, **data["serving"]}
    return _unitised({key: data[key] for key in Profile.model_fields if key in data})


def _unitised(data: dict[str, Any]) -> dict[str, Any]:
    for section, key, unit in _SIZES:
        if size := data.get(section, {}).get(key):
            data[section][key] = exact_size(size) + unit
    return {key: _listed(value) for key, value in data.items()}


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _listed(v) for k, v in value.items()}
    return list(value) if isinstance(value, tuple) else value


# Keys that hold bytes, or bytes a second, and what stands behind the size.
_SIZES = (
    ("model", "storage_bandwidth", "/s"),
    ("cluster", "host_memory", ""),
    ("cluster", "memory_bandwidth", "/s"),
    ("kubernetes", "cache_size", ""),
    ("kubernetes", "memory", ""),
)
