"""Policy: what must not be in a file that people commit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glmdeploy import catalog, images
from glmdeploy.diagnostics import Diagnostic, Level

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from glmdeploy.diagnostics import KeyPath
    from glmdeploy.flags import Option
    from glmdeploy.plan import Plan
    from glmdeploy.process import Process

_SECRET_NAME = re.compile(r"(TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|CREDENTIAL)", re.IGNORECASE)
_NOT_SECRET = re.compile(r"(TOKENIZER|TOKENIZERS|_TOKENS$|MAX_TOKEN)", re.IGNORECASE)
_SECRET_VALUE = re.compile(
    r"(?i:bearer )\S{8,}|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)|\b(hf_[A-Za-z0-9]{16,}|sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|AKIA[0-9A-Z]{16})\b"
)
# Any spelling that argparse could take for an option with a secret: --api-k, --hf-token, --admin-api-key ...
_SECRET_OPTION = re.compile(r"--(api[-_]k|admin[-_]a)|--.*(token|secret|passw|api[-_]?key|credential)", re.IGNORECASE)
_NO_SECRET_OPTION = re.compile(r"--.*(token(s|izer|[-_])|(per|first)[-_]token$)", re.IGNORECASE)
_OWNED = re.compile(
    r"(SGLANG|VLLM)_PP_LAYER_PARTITION|(CUDA|HIP|ROCR|GPU)_VISIBLE_DEVICES|GLMDEPLOY_API_KEY|VLLM_API_KEY"
)


def secret_variable(name: str, value: str) -> bool:
    """Whether a variable holds a secret, by its name or its value."""
    named = _SECRET_NAME.search(name) and not _NOT_SECRET.search(name)
    return bool(value and (named or _SECRET_VALUE.search(value)))


def secret_option(word: str, options: Mapping[str, Option]) -> bool:
    """Whether a word names an option whose value is a secret, in full or as any abbreviation that means only such."""
    head = word.partition("=")[0]
    if head in options or not head.startswith("--"):
        return _named_secret(head)
    meant = [name for name in options if name.startswith(head.replace("_", "-"))]
    return _named_secret(head) or (bool(meant) and all(map(_named_secret, meant)))


def _named_secret(option: str) -> bool:
    return bool(_SECRET_OPTION.match(option) and not _NO_SECRET_OPTION.match(option))


def secret_in(word: str) -> str:
    """The key or the token that a word holds, by its form; an empty string when it holds none."""
    match = _SECRET_VALUE.search(word)
    return match[0] if match else ""


def secret_in_profile(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """A secret stands in the profile

    What is rendered is committed, so a secret value is never written: not from `env`, not from `extra_args`. Name an
    existing secret under `secrets` instead (`api_key`, `hub_token`); the files then refer to it. On a command line that
    `lint --argv` judges it is a warning: everybody on the machine reads it in the process list.
    """
    spec = plan.spec
    for name, value in spec.env:
        if secret_variable(name, value):
            yield _found(f"environment variable `{name}` looks like a secret", ("env", name))
    options = catalog.options(spec.framework.id).at(spec.version) if spec.extra_args else {}
    for index, word in enumerate(spec.extra_args):
        named = secret_option(word, options)
        if named or secret_in(word):
            shown = f"`{word.partition('=')[0]}`" if named else "a word of `extra_args`"
            yield _found(f"{shown} carries a secret", ("extra_args", index))


def _found(message: str, at: KeyPath) -> Diagnostic:
    return Diagnostic(
        "GLM601", message, at=at, hint="name an existing secret under `secrets`: `api_key` or `hub_token`", hide=True
    )


def image_without_digest(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """An image is not pinned by digest

    A tag can be moved to another image. `glmdeploy images lock` asks the registry for the digest that the tag has now and
    writes it to `images.lock.yaml`; a bundle then names both. The profile's `policy.image_digest` says what happens where
    no digest is known: nothing (`off`, the default), a warning or an error. Where the bundle carries a Dockerfile, the
    image that it builds on is meant. The image with the weights and the one that downloads count too.
    """
    spec = plan.spec
    if spec.image_digest == "off" or not {"compose", "kubernetes"} & set(spec.targets):
        return
    level = Level.ERROR if spec.image_digest == "error" else Level.WARNING
    for name in images.all_pulled(spec):
        if "@" not in images.pinned(spec, name):
            message = f"no digest of `{name}` is known, and the policy asks for one"
            key = "model.source.oci" if name == spec.weights.oci else "framework.image"
            key = "kubernetes.download_image" if name == images.downloading(spec) else key
            hint = f"`glmdeploy images lock {name}`, or `{key}: NAME@sha256:...`"
            yield Diagnostic("GLM602", message, level, at=("policy", "image_digest"), hint=hint)


def owned_variable(plan: Plan, _: tuple[Process, ...]) -> Iterator[Diagnostic]:
    """The plan owns this environment variable

    Another value would contradict the layout: a vLLM stage that starts on the wrong layer, for instance, reads a stale
    buffer without any error. Set the layout in the profile, or the GPU ids when you start the script.
    """
    for name, _value in plan.spec.env:
        if _OWNED.fullmatch(name):
            yield Diagnostic(
                "GLM418", f"environment variable `{name}` is the plan's own", at=("env", name), hint="leave it out"
            )
