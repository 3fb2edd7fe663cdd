"""What a client must know of a server: address, model, limits, key, thinking. From a plan, or from an address."""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from glmdeploy.diagnostics import Diagnostic, Level, ProfileError, Span
from glmdeploy.frameworks.command import model_word
from glmdeploy.source import controls
from glmdeploy.targets.common import object_name
from glmdeploy.units import parse_tokens, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.models import Model
    from glmdeploy.plan import Plan

KEY = "GLM_API_KEY"
NO_KEY = "unused"  # clients insist on some word; a server without a key reads none
# One answer of 131,072 tokens at 44 tokens/s. The provider's own instructions for Claude Code give 3,000,000 ms.
TIMEOUT = 3000  # seconds
MILLION = "[1m]"

# `transformers serve` 5.23.0, cli/serving/server.py: no /v1/messages, no authentication, and response templates (which
# separate tool calls) for other model families only. All others: entrypoints/anthropic of every catalogued release.
_BARE = frozenset({"transformers"})


@dataclass(frozen=True)
class Endpoint:
    """One server as its clients see it.

    ``root`` is the address without `/v1`; ``context`` and ``output`` are tokens, and an answer of ``output`` leaves
    ``prompt`` for the rest. ``key`` is the name of the variable that holds the key, empty where the server reads none.
    ``effort`` is the server's default thinking effort; ``template`` are chat template arguments that each request must
    carry, since the server cannot be told. ``engine`` is empty where only an address is known.
    """

    name: str
    root: str
    model: str
    context: int
    output: int
    key: str = KEY
    effort: str = "max"
    preserve: bool = False
    template: dict[str, str | bool] = field(default_factory=dict)
    engine: str = ""
    messages: bool = True
    tools: bool = True
    running: int = 0  # requests at a time; 0 where unknown

    @property
    def v1(self) -> str:
        """The base URL of the OpenAI API."""
        return f"{self.root}/v1"

    @property
    def prompt(self) -> int:
        """Tokens of the longest prompt that leaves room for the longest answer."""
        return self.context - self.output

    @property
    def loopback(self) -> bool:
        """Whether only this machine can be meant."""
        host = urlsplit(self.root).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")

    @property
    def thinking(self) -> dict[str, str | bool]:
        """The chat template's arguments for the server's thinking settings, in full: an example to change."""
        effort: dict[str, str | bool] = (
            {"enable_thinking": False} if self.effort == "off" else {"reasoning_effort": self.effort}
        )
        return {**effort, "clear_thinking": False} if self.preserve else effort


def of_plan(plan: Plan, *, url: str = "", in_cluster: bool = False, key: str = KEY) -> Endpoint:
    """The endpoint of a deployment; ``url`` is where it was put, else loopback or the Service's name in the cluster."""
    spec = plan.spec
    context, bare = plan.settings.context, spec.framework.id in _BARE
    inside = f"http://{object_name(spec)}.{spec.namespace}.svc:{spec.port}"
    own = spec.framework.has("chat_template_kwargs", spec.version)
    endpoint = Endpoint(
        name=spec.name,
        root=root_of(url) if url else inside if in_cluster else f"http://localhost:{spec.port}",
        model=_model(spec.served_names) if spec.framework.has("served_name", spec.version) else model_word(spec),
        context=context,
        output=output_of(spec.model, context, spec.request.output_tokens),
        key=key if spec.api_key_secret and not bare else "",
        effort=plan.thinking,
        preserve=spec.preserve_thinking,
        engine=spec.framework.id,
        messages=not bare,
        tools=not bare,
        running=plan.running,
    )
    default = plan.thinking == "max" and not endpoint.preserve
    return endpoint if own or default else replace(endpoint, template=endpoint.thinking)


def of_url(url: str, model: str, limits: tuple[str, str], key: str, catalogued: Model) -> Endpoint:
    """The endpoint of a server of which no profile is at hand; ``limits`` are context and answer as they were written.

    ProfileError with GLM011 and GLM991 to GLM992 for what makes no sense; an empty answer is the default one.
    """
    root = root_of(url)
    if controls(model) or not model.strip():
        raise ProfileError([Diagnostic("GLM011", "`--model` holds no name", span=Span("--model"))])
    context = _tokens("--context", limits[0])
    longest = output_of(catalogued, context, _tokens("--output-tokens", limits[1]) if limits[1] else None)
    if not 0 < longest < context:
        message = f"an answer of {tokens(longest)} leaves no room for a prompt in a context of {tokens(context)}"
        raise ProfileError([Diagnostic("GLM992", message, span=Span("--output-tokens"))])
    return Endpoint(name=model, root=root, model=model, context=context, output=longest, key=key)


def _tokens(option: str, text: str) -> int:
    try:
        return parse_tokens(text)
    except ValueError as error:
        raise ProfileError([Diagnostic("GLM011", f"`{option}`: {error}", span=Span(option))]) from None


def variable(name: str) -> str:
    """The name of a variable; ProfileError with GLM011 for what is none, and does not repeat it: it may be the key."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        message = "`--key-env` takes the name of an environment variable, never the key"
        raise ProfileError([Diagnostic("GLM011", message, span=Span("--key-env"), hint=f"such as `{KEY}`")])
    return name


def output_of(model: Model, context: int, asked: int | None) -> int:
    """The longest answer that clients ask for: what was asked for, else a quarter of the context, up to the model's."""
    return asked or min(model.max_output, context // 4)


def root_of(url: str) -> str:
    """An address without `/v1` and without a slash at its end; ProfileError with GLM991 for what is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _no_address("is not an address") from None
    if not url.isascii() or not url.isprintable() or any(c in " '\"`\\<>|$" for c in url):
        raise _no_address("holds characters that no address has")
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise _no_address("is no http or https address")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise _no_address("holds a user, a query or a fragment")
    path = parts.path.rstrip("/").removesuffix("/v1").rstrip("/")
    return SplitResult(parts.scheme, parts.netloc, path, "", "").geturl()


def _no_address(reason: str) -> ProfileError:
    """The address itself is not shown: it may hold a key."""
    hint = "such as `https://glm.example.com` or `http://10.0.0.7:8000/v1`"
    return ProfileError([Diagnostic("GLM991", f"`--url` {reason}", span=Span("--url"), hint=hint)])


def _model(names: tuple[str, ...]) -> str:
    """The served name for every client: the first without Claude Code's mark for a large window, if there is one."""
    return next((name for name in names if not name.endswith(MILLION)), names[0])


def check(endpoint: Endpoint, *, agents: bool) -> Iterator[Diagnostic]:
    """What the user of these configurations must be told; ``agents`` says whether coding agents are among them."""
    if not endpoint.key and not endpoint.loopback:
        yield Diagnostic(
            "GLM993",
            f"whoever reaches `{endpoint.root}` can use the server: it reads no key",
            Level.WARNING,
            at=("secrets", "api_key"),
            span=None if endpoint.engine else Span("--no-key"),
            hint="name a Secret in `secrets.api_key`; Transformers reads no key and needs a gateway such as LiteLLM"
            if endpoint.engine
            else "leave `--no-key` out where the server has a key",
        )
    if agents and not endpoint.tools:
        yield Diagnostic(
            "GLM994",
            "coding agents work by tool calls, and Transformers does not separate this model's tool calls from its text",
            Level.WARNING,
            at=("framework", "name"),
            hint="SGLang, vLLM and KTransformers do",
        )
    if endpoint.engine == "vllm" and endpoint.model.endswith(MILLION):
        bare = endpoint.model.removesuffix(MILLION)
        yield Diagnostic(
            "GLM995",
            f"Claude Code takes `{MILLION}` off before it asks, and vLLM does not answer to `{bare}`",
            Level.WARNING,
            at=("serving", "served_names"),
            hint=f"serving.served_names: {json.dumps([bare, endpoint.model])}",
        )
