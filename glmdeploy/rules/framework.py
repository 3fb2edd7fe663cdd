"""Frameworks: hardware and checkpoints that they run, and settings that they do not take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy import hostram
from glmdeploy.diagnostics import Diagnostic, Level
from glmdeploy.frameworks.common import no_kernels as why_no_kernels
from glmdeploy.frameworks.ktransformers import ASSUMED_ISA
from glmdeploy.frameworks.vllm import kv_refusal
from glmdeploy.rules import advice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.plan import Plan
    from glmdeploy.process import Process

_GPU = ("cluster", "gpu")
_CHECKPOINT = ("model", "checkpoint")
_MTP = ("serving", "mtp")
_ONE_NAME = ("sglang", "ktransformers")


def no_kernels(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The framework has no kernels for this GPU

    GLM-5.2's sparse attention runs on kernels that SGLang and vLLM build for Hopper, Blackwell and recent AMD GPUs
    only. Older and consumer cards can run the model with KTransformers.
    """
    spec = plan.spec
    if why := why_no_kernels(spec):
        hint = advice.nearest(spec)
        source = spec.framework.facts["kernels"].source
        yield Diagnostic("GLM309", why, at=_GPU, notes=(f"source: {source}",), hint=f"use {hint}" if hint else "")


def checkpoint_hardware(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The checkpoint's number format needs other hardware

    NVFP4 needs Blackwell, MXFP4 an MI355X, W4AFP8 Hopper, FP8 compute capability 8.9 or a recent AMD GPU.
    """
    spec = plan.spec
    if spec.checkpoint.compute and spec.cluster.gpu.compute not in spec.checkpoint.compute:
        others = [
            c.id
            for c in spec.model.checkpoints
            if spec.framework.id in c.frameworks and (not c.compute or spec.cluster.gpu.compute in c.compute)
        ]
        yield Diagnostic(
            "GLM310",
            f"checkpoint `{spec.checkpoint.id}` ({spec.checkpoint.precision}) does not run on {spec.cluster.gpu.name} ({spec.cluster.gpu.compute})",
            at=_CHECKPOINT,
            notes=(
                f"it needs {', '.join(spec.checkpoint.compute)}; source: {spec.checkpoint.facts['compute'].source}",
            ),
            hint=f"on this GPU: {', '.join(f'`{c}`' for c in others)}" if others else "",
        )


def checkpoint_framework(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The framework does not load this checkpoint

    `glmdeploy list checkpoints` shows which frameworks load which.
    """
    spec = plan.spec
    if spec.framework.id not in spec.checkpoint.frameworks:
        yield Diagnostic(
            "GLM311",
            f"{spec.framework.name} does not load checkpoint `{spec.checkpoint.id}` ({spec.checkpoint.precision})",
            at=_CHECKPOINT,
            hint=f"it is loaded by {', '.join(spec.checkpoint.frameworks)}",
        )


def unconfirmed_kernels(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """No public run confirms this framework on this GPU

    The code path exists, and nobody has published a working run of GLM-5.2 on it. Try it before you commit to it.
    """
    spec = plan.spec
    status = spec.framework.kernels.get(spec.cluster.gpu.compute, "")
    if status.startswith("unconfirmed"):
        yield Diagnostic(
            "GLM312",
            f"kernels not confirmed: {spec.framework.name} on {spec.cluster.gpu.name}: {status.partition(': ')[2]}",
            Level.WARNING,
            at=_GPU,
            hint="run a short test with these GPUs first",
        )


def mtp_refused(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """Multi-token prediction was asked for and cannot be

    SGLang refuses it with pipeline stages outside disaggregated prefill, vLLM before 0.30 with any stages;
    Transformers and KTransformers have none for this model.
    """
    if plan.spec.request.mtp and plan.settings.mtp.refused and not plan.refusal:
        yield Diagnostic(
            "GLM313",
            f"multi-token prediction cannot be on: {plan.settings.mtp.reason}",
            at=_MTP,
            hint="leave `mtp` at `auto`",
        )


def mtp_doubtful(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """Multi-token prediction with pipeline stages has open correctness reports

    vLLM accepts it from 0.30 on; vllm#49355 and #44697 report wrong output. `mtp: auto` leaves it off there.
    """
    if plan.settings.mtp.enabled and plan.settings.mtp.doubtful:
        yield Diagnostic(
            "GLM314",
            f"multi-token prediction with {plan.layout.pp} pipeline stages has open correctness reports (vllm#49355, #44697)",
            Level.WARNING,
            at=_MTP,
            hint="leave `mtp` at `auto`, or check the output against a run without it",
        )


def kv_cache_dtype(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The KV cache type is not one that this framework, version and GPU take

    SGLang's sparse attention takes bf16 and fp8; vLLM also nvfp4 from 0.33 on Blackwell; Transformers bf16.
    """
    spec, wanted = plan.spec, plan.spec.request.kv_cache_dtype
    why = ""
    if spec.framework.id == "vllm":
        why = kv_refusal(spec)
    elif wanted == "nvfp4" or (wanted == "fp8" and spec.framework.id == "transformers"):
        why = f"{spec.framework.name} has no {wanted} KV cache for this model"
    if why:
        yield Diagnostic("GLM315", why, at=("serving", "kv_cache_dtype"), hint="leave it at `auto`")


def one_served_name(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The server answers to one name only

    SGLang and sglang-kt take one served name, and it must hold no colon; chat completions and messages do not check
    the name, `/v1/models/{id}` and `/v1/responses` do. Transformers answers only to the served path or repository.
    """
    spec = plan.spec
    names = spec.served_names
    at = ("serving", "served_names")
    if spec.framework.id in _ONE_NAME:
        if ":" in names[0]:
            yield Diagnostic("GLM401", f"{spec.framework.name} takes no colon in a served name: `{names[0]}`", at=at)
        if len(names) > 1:
            dropped = ", ".join(f"`{n}`" for n in names[1:])
            yield Diagnostic(
                "GLM401",
                f"{spec.framework.name} takes one served name: {dropped} dropped",
                Level.WARNING,
                at=at,
                notes=(
                    "/v1/chat/completions, /v1/completions and /v1/messages still answer to any name; /v1/models/{id} and /v1/responses do not",
                ),
                hint=f"keep only `{names[0]}`",
            )
    if spec.framework.id == "transformers":
        served = plan.spec.weights.hub or plan.spec.weights.path or "/models"
        yield Diagnostic(
            "GLM401",
            f"`transformers serve` answers only to `{served}`: served names are not used",
            Level.NOTE,
            at=at,
        )


def thinking_default(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The server's default thinking effort cannot be set in this version

    SGLang takes `--default-chat-template-kwargs` from 0.5.16 on, vLLM in all supported versions; Transformers and
    KTransformers have no such option. Clients can send `chat_template_kwargs` with each request.
    """
    spec = plan.spec
    if spec.framework.has("chat_template_kwargs", spec.version):
        return
    asked = {"thinking": spec.thinking if spec.thinking in {"high", "off"} else ""}
    asked["preserve_thinking"] = "preserved" if spec.preserve_thinking else ""
    for key, word in ((key, word) for key, word in asked.items() if word):
        yield Diagnostic(
            "GLM402",
            f"{spec.framework.name} {spec.version} has no server default for thinking: `{word}` is not set",
            Level.WARNING,
            at=("serving", key),
            hint="send `chat_template_kwargs` with each request",
        )


def thinking_is_high(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The server's default thinking effort is `high`, because memory is tight

    GLM-5.2 thinks at effort `max` unless it is told otherwise, and thinking shares the context with prompt and answer.
    Where the plan had to give way to fit, `serving.thinking: auto` means `high`; clients can still ask for `max` with each
    request, and `serving.thinking: max` makes it the default again.
    """
    if plan.launchable and plan.spec.thinking == "auto" and plan.thinking == "high":
        yield Diagnostic(
            "GLM406",
            f"thinking effort `high` is the server's default: the plan is tight, with {plan.settings.context:,} tokens "
            "for prompt, thinking and answer",
            Level.NOTE,
            at=("serving", "thinking"),
            hint="`serving.thinking: max` keeps the model's own default",
        )


def tools_with_mtp(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """Tool calls and multi-token prediction do not go together in this vLLM

    The vLLM recipe for GLM-5.2 (2026-07-12) asks for a newer version than 0.23.0 where tools and MTP are used together.
    Every server of ours parses tool calls. Take 0.24 or newer, or `serving.mtp: false`.
    """
    spec = plan.spec
    if spec.framework.id == "vllm" and spec.version.release[:2] == (0, 23) and plan.settings.mtp.enabled:
        yield Diagnostic(
            "GLM407",
            f"tool calls with MTP are not reliable in vLLM {spec.version}",
            Level.WARNING,
            at=("serving", "mtp"),
            hint="take a newer version, or set `serving.mtp: false`",
        )


def cpu_layout_assumed(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The host's cores, NUMA nodes or instruction set are not given

    KTransformers wants `--kt-cpuinfer` at the number of physical cores (not hyperthreads) and one thread pool a NUMA
    node. Without them the tutorial's host is assumed: 96 threads in two pools. Without `cpu_isa`, AVX-512 with BF16 and
    VBMI is, which kt-kernel's README asks for with FP8 experts.
    """
    cluster = plan.spec.cluster
    keys = {"cpu_cores": cluster.cpu_cores, "numa_nodes": cluster.numa_nodes, "cpu_isa": cluster.cpu_isa}
    missing = [key for key, given in keys.items() if not given]
    if plan.spec.framework.id == "ktransformers" and missing:
        yield Diagnostic(
            "GLM403",
            f"{', '.join(f'`{key}`' for key in missing)} not given: {hostram.threads(cluster)} threads in "
            f"{hostram.pools(cluster)} pools on {cluster.cpu_isa or ASSUMED_ISA} assumed",
            Level.WARNING,
            at=("cluster",),
            hint=f"set {', '.join(f'`cluster.{key}`' for key in missing)} (`lscpu` shows them; cores are physical)",
        )


def revision_not_taken(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The framework has no option for a hub revision

    Download the revision and give the folder as `path`.
    """
    spec = plan.spec
    if spec.weights.revision and not spec.framework.has("revision", spec.version):
        yield Diagnostic(
            "GLM404",
            f"{spec.framework.name} has no option for a revision",
            at=("model", "source", "revision"),
            hint="download it, and give the folder as `path`",
        )


def one_at_a_time(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """Transformers answers one request at a time

    `transformers serve` has no batching that works for this architecture, so a concurrency has no effect.
    """
    if plan.spec.framework.id == "transformers" and (plan.spec.request.concurrency or 1) > 1:
        message = "`transformers serve` answers one request at a time: the concurrency has no effect"
        yield Diagnostic(
            "GLM405", message, Level.WARNING, at=("serving", "concurrency"), hint="use SGLang or vLLM for many clients"
        )
