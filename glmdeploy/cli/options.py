"""The options that describe a deployment, and how they become the same document as a profile."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from glmdeploy import catalog, pipeline
from glmdeploy.diagnostics import Diagnostic, ProfileError, Span
from glmdeploy.edit.assign import value_of
from glmdeploy.fields import MAX_GPUS
from glmdeploy.profile import API_VERSION, is_text
from glmdeploy.source import controls, from_options
from glmdeploy.workspace import FILE, find, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmdeploy.diagnostics import KeyPath
    from glmdeploy.source import Source
    from glmdeploy.workspace import Workspace

F = TypeVar("F", bound="Callable[..., Any]")

_GPUS = re.compile(r"\s*([+-]?\d{1,9})\s*[xX*\u00d7]\s*(\S.*?)\s*\Z")

# option -> (profile key, help); values are judged by the profile's schema, with a code
_PLAIN: dict[str, tuple[KeyPath, str, str]] = {
    "--framework": (("framework", "name"), "NAME", "sglang, vllm, transformers or ktransformers."),
    "--framework-version": (
        ("framework", "version"),
        "VERSION",
        "Release. Default: the newest with a documented image.",
    ),
    "--gpus-per-node": (
        ("cluster", "gpus_per_node"),
        "N",
        "GPUs of one host. Default: as the product is sold.",
    ),
    "--host-memory": (
        ("cluster", "host_memory"),
        "SIZE",
        "RAM of one host, such as 1TiB. KTransformers needs it.",
    ),
    "--checkpoint": (("model", "checkpoint"), "ID", "fp8 (default), bf16, nvfp4, mxfp4 or w4afp8."),
    "--context": (
        ("serving", "context"),
        "TOKENS",
        "Prompt plus output: 131072, 128K, 1M, or auto (default).",
    ),
    "--output-tokens": (
        ("serving", "output_tokens"),
        "TOKENS",
        "Longest answer that must fit beside the prompt.",
    ),
    "--concurrency": (("serving", "concurrency"), "N", "Most requests that run at a time, or auto."),
    "--strategy": (("serving", "strategy"), "NAME", "low-latency (default), balanced or high-throughput."),
    "--kv-cache-dtype": (("serving", "kv_cache_dtype"), "TYPE", "auto (default), bf16, fp8 or nvfp4."),
    "--tp": (("layout", "tp"), "N", "Tensor parallel size. Default: the planner chooses."),
    "--pp": (("layout", "pp"), "N", "Pipeline stages. Default: the planner chooses."),
    "--ep": (("layout", "ep"), "N", "Expert parallel size: 1, or the GPUs that share the experts."),
    "--dp": (("layout", "dp"), "N", "vLLM: data-parallel ranks with a KV cache each."),
    "--attn-dp": (("layout", "attn_dp"), "N", "SGLang: attention data parallel groups inside --tp."),
    "--cp": (("layout", "cp"), "N", "SGLang: prefill context parallel inside --tp."),
    "--dcp": (("layout", "dcp"), "N", "Decode context parallel inside --tp: one request's KV cache over N GPUs."),
    "--replicas": (("layout", "replicas"), "N", "Whole deployments beside each other."),
}


environment_option = click.option(
    "--environment", metavar="NAME", help="Lay this environment of the workspace over the profile."
)
workspace_option = click.option(
    "--workspace",
    metavar="FILE",
    callback=lambda _context, _option, path: str(Path(path) / FILE) if path and Path(path).is_dir() else path,
    help=f"Workspace file, or its folder. Default: {FILE} in the profile's folder, or above in its repository.",
)


def deployment(function: F) -> F:
    """Add the profile argument and the options that describe a deployment to a command, a workspace's among them."""
    return described(environment_option(workspace_option(function)))


def described(function: F) -> F:
    """Add the profile argument and the options that describe a deployment without a workspace."""
    decorators = [
        click.argument("profile", required=False, metavar="[PROFILE]"),
        click.option("--gpus", metavar="NxGPU", help="GPUs in all, such as 10xH100 or 4xGB300."),
        *(
            click.option(name, _destination(name), metavar=metavar, help=text)
            for name, (_, metavar, text) in _PLAIN.items()
        ),
        click.option("--mtp/--no-mtp", default=None, help="Insist on multi-token prediction, or switch it off."),
        click.option("--accept", multiple=True, metavar="floor-only", help="Render a plan below the useful minimum."),
        click.option(
            "--expose-unauthenticated",
            is_flag=True,
            default=None,
            help="Let Transformers listen on every address.",
        ),
        click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="KEY=VALUE",
            help="Set any profile key, such as serving.port=8080.",
        ),
    ]
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


def workspace_of(given: dict[str, Any]) -> Workspace:
    """The workspace that `--workspace` names, or the nearest; ProfileError with GLM019 when there is none.

    click.UsageError for options that describe one deployment.
    """
    one = [option for option in (*_PLAIN, *_OTHERS) if given.get(_destination(option)) not in {None, ()}]
    if one:
        raise click.UsageError(f"{one[0]} goes with a PROFILE: a workspace's profiles say it themselves")
    path = given.get("workspace") or find(FILE)
    if path is None:
        hint = f"`glmdeploy explain GLM019` says what `{FILE}` holds; or give a PROFILE"
        raise ProfileError([Diagnostic("GLM019", f"no `{FILE}` here or above", span=Span(FILE), hint=hint)])
    return load(path)


_OTHERS = ("--gpus", "--mtp", "--accept", "--expose-unauthenticated", "--settings", "--environment", "--targets")


def _destination(name: str) -> str:
    return name.lstrip("-").replace("-", "_")


def document(profile: str | None, given: dict[str, Any]) -> Source:
    """The document that a profile and options describe; options win over the profile's keys.

    ProfileError with coded diagnostics for options that make no sense; click.UsageError for missing ones.
    """
    environment, workspace = given.get("environment") or "", given.get("workspace")
    if not profile and (environment or workspace):
        raise click.UsageError("--environment and --workspace go with a PROFILE")
    base = pipeline.open_profile(profile, environment=environment, workspace=workspace) if profile else None
    if base is None and not (given.get("gpus") and given.get("framework")):
        raise click.UsageError("give a PROFILE, or --framework and --gpus")
    builder = _Builder(base)
    builder.options(given)
    return builder.source()


def count_and_gpu(text: str) -> tuple[int, str]:
    """What `--gpus 10xH100` says; ProfileError with GLM015 or GLM103 otherwise."""
    found = _GPUS.match(text)
    place = f"--gpus {text}"
    if not found:
        raise _refused("GLM015", f"`{text}` is not a count and a GPU", place, "write it as `10xH100`")
    count = int(found[1])
    if not 1 <= count <= MAX_GPUS:
        raise _refused("GLM103", f"{count} GPUs: the number is between 1 and {MAX_GPUS:,}", place)
    return count, found[2].lower()


class _Builder:
    def __init__(self, base: Source | None) -> None:
        self.base = base
        self.data: dict[str, Any] = _copy(base.data) if base else {"apiVersion": API_VERSION}
        self.places: dict[KeyPath, str] = {}

    def options(self, given: dict[str, Any]) -> None:
        for option, (at, _, _) in _PLAIN.items():
            value = given.get(_destination(option))
            if value is not None:
                self.put(at, _typed(at, _checked(value, option)), f"{option} {value}")
        if given.get("gpus") is not None:
            self.gpus(_checked(given["gpus"], "--gpus"))
        if given.get("mtp") is not None:
            self.put(("serving", "mtp"), given["mtp"], "--mtp" if given["mtp"] else "--no-mtp")
        if given.get("accept"):
            self.put(("accept",), list(given["accept"]), f"--accept {given['accept'][0]}")
        if given.get("expose_unauthenticated"):
            self.put(("serving", "expose_unauthenticated"), True, "--expose-unauthenticated")
        if given.get("targets"):
            self.put(("targets",), list(given["targets"]), f"--target {given['targets'][0]}")
        if not self.base:
            self.data["name"] = self.name(given)
        for setting in given.get("settings") or ():
            self.set(setting)

    def gpus(self, text: str) -> None:
        count, gpu = count_and_gpu(text)
        place = f"--gpus {text}"
        self.put(("cluster", "gpu"), gpu, place)
        self.put(("cluster", "gpus"), count, place)

    def name(self, given: dict[str, Any]) -> str:
        cluster = self.data["cluster"]
        gpu = re.sub(r"[^a-z0-9-]", "", cluster["gpu"].replace(" ", "-"))
        framework = re.sub(r"[^a-z0-9-]", "", str(given["framework"]).lower())
        checkpoint = re.sub(r"[^a-z0-9-]", "", _checkpoint_id(str(given.get("checkpoint") or "fp8")))
        return f"glm-5.2-{checkpoint}-{cluster['gpus']}x{gpu}-{framework}"[:63].strip("-.")

    def set(self, text: str) -> None:
        key, equals, value = text.partition("=")
        place = f"--set {ascii(key)[1:-1]}"  # never the value: it may be a secret
        if not equals or not all(key.split(".")):
            raise _refused(
                "GLM015",
                "`--set` takes KEY=VALUE with a dotted profile key",
                place,
                "such as `--set serving.port=8080`",
            )
        _checked(text, "--set")
        at: KeyPath = tuple(key.split("."))
        if at[0] == "extends":
            raise _refused("GLM015", "`extends` is a key of a profile's file", place)
        self.put(at, value_of(at, value, place), place)

    def put(self, at: KeyPath, value: Any, place: str) -> None:
        node = self.data
        for key in at[:-1]:
            child = node.setdefault(str(key), {})
            if not isinstance(child, dict):
                child = node[str(key)] = {}
            node = child
        node[str(at[-1])] = value
        self.places[at] = place

    def source(self) -> Source:
        if self.base is None:
            return from_options(self.data, self.places)
        spans = {**self.base.spans, **{at: Span(text) for at, text in self.places.items()}}
        return replace(self.base, data=self.data, spans=spans)


def _checkpoint_id(name: str) -> str:
    """The catalogue's id for a checkpoint that was named by its repository."""
    found = (c.id for c in catalog.load().model.checkpoints if c.repo.lower() == name.lower())
    return next(found, name.lower())


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _checked(value: str, option: str) -> str:
    if bad := controls(value):
        raise _refused("GLM014", f"a control or bidirectional character is not allowed: {bad}", option)
    return value


def _typed(at: KeyPath, value: str) -> Any:
    """An option's text as YAML would have it: a number where the key is one, else the text."""
    return int(value) if not is_text(at) and re.fullmatch(r"[+-]?\d{1,12}", value) else value


def _refused(code: str, message: str, place: str, hint: str = "") -> ProfileError:
    return ProfileError([Diagnostic(code, message, span=Span(place), hint=hint)])
