"""Types of the profile's values: what may be written, and what it becomes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from glmdeploy.source import controls
from glmdeploy.units import parse_bandwidth, parse_bytes, parse_tokens

AUTO: Literal["auto"] = "auto"
MAX_GPUS = 1024
# Patterns are written in what Python and ECMA 262 share: validators and schema use the same ones.
_DNS_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DNS_NAME = "[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?"
_SLURM_TIME = "([0-9]+(:[0-9][0-9]){0,2}|[0-9]+-[0-9]+(:[0-9][0-9]){0,2}|UNLIMITED)"
_ENV_NAME = "[A-Za-z_][A-Za-z0-9_]*"
_LABEL_VALUE = "([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?"
_RESOURCE = "([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
# labels by which our selectors and the controllers find pods
_OURS = r"role|job-name|controller-uid|pod-template-hash|controller-revision-hash|glmdeploy/.*|([a-z0-9.-]+\.)?(kubernetes|k8s)\.io/.*"
_WEB = r"https?://[^\s/@]+(/[^\s@]*)?"
_LOGIN = "://[^/@]*:[^/@]*@"
# What `units` reads: an amount with a fraction, a unit of bytes in any case; and that an amount is not zero.
_AMOUNT = r"[0-9]{1,15}(\.[0-9]{1,6})?[ \t]*"
_BYTES = "([kKmMgGtT][iI]?)?[bB]"
_SOME = "(?=[0-9.]*[1-9])"


class Strict(BaseModel):
    """A section of the profile: nothing beside what is declared, nothing converted, nothing changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


# What a schema says of each validator. A validator that is not in here has no schema: `says` puts it in.
KEYWORDS: dict[Any, dict[str, Any]] = {}
_F = TypeVar("_F", bound=Callable[..., Any])


def says(**keywords: Any) -> Callable[[_F], _F]:
    """Keep what JSON Schema can say of a validator, in keywords of its own; nothing, where it can say nothing.

    Control and bidirectional characters are refused in the whole file, before any key is looked at: no pattern
    repeats them.
    """

    def keep(validator: _F) -> _F:
        KEYWORDS[validator] = keywords
        return validator

    return keep


@says()
def clean(text: str) -> str:
    """Text without control characters; ValueError otherwise."""
    if bad := controls(text):
        raise ValueError(f"a control or bidirectional character is not allowed: {bad}")
    return text


@says(pattern=r"\S")
def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return clean(text)


def _bytes(value: Any) -> int:
    if isinstance(value, str):
        return parse_bytes(value)
    raise ValueError("a size needs its unit, such as `2 TiB`")


def _bandwidth(value: Any) -> int:
    if isinstance(value, str):
        return parse_bandwidth(value)
    raise ValueError("a bandwidth needs its unit, such as `2 GB/s`")


def _tokens(value: Any) -> Any:
    if isinstance(value, str) and value != AUTO:
        return parse_tokens(value)
    return value


@says(pattern=f"^{_DNS_NAME}$")
def dns_name(text: str) -> str:
    """A DNS name; ValueError otherwise."""
    if not re.fullmatch(_DNS_NAME, text):
        raise ValueError(
            "must be lower case letters, digits, `-` and `.`, at most 63, and start and end with a letter or digit"
        )
    return text


@says(pattern=f"^{_DNS_LABEL}$")
def dns_label(text: str) -> str:
    """A DNS label; ValueError otherwise."""
    if not re.fullmatch(_DNS_LABEL, text):
        raise ValueError(
            "must be lower case letters, digits and `-`, at most 63, and start and end with a letter or digit"
        )
    return text


@says(pattern=r"^(?!(.*/)?\.\.(/|$))/")
def absolute(text: str) -> str:
    """An absolute path; ValueError otherwise."""
    if not _text(text).startswith("/") or ".." in text.split("/"):
        raise ValueError("must be an absolute path without `..`")
    return text


@says(pattern=r"^[^\s-]\S*$")
def _word(text: str) -> str:
    """A name that a command line takes for a value."""
    if text.startswith("-") or any(c.isspace() for c in _text(text)):
        raise ValueError("must not start with `-` or hold spaces")
    return text


@says(pattern=f"^{_SLURM_TIME}$")
def slurm_time(text: str) -> str:
    """A time limit as `sbatch --time` takes it; ValueError otherwise."""
    if not re.fullmatch(_SLURM_TIME, text):
        raise ValueError("must be minutes, `HH:MM:SS`, `days-hours`, `days-HH:MM:SS` or `UNLIMITED`")
    return text


@says(pattern=f"^{_RESOURCE}$")
def resource_name(text: str) -> str:
    """A name that Kubernetes takes for a label or an extended resource; ValueError otherwise."""
    if not re.fullmatch(_RESOURCE, text):
        raise ValueError("must be letters, digits, `-`, `_` and `.`, with a domain and `/` in front where it has one")
    return text


@says(
    propertyNames={"pattern": f"^{_RESOURCE}$"},
    additionalProperties={"type": "string", "pattern": f"^{_LABEL_VALUE}$"},
)
def labels(pairs: dict[str, str]) -> dict[str, str]:
    """Labels with their values; ValueError otherwise."""
    for key, value in pairs.items():
        if not re.fullmatch(_RESOURCE, key) or not re.fullmatch(_LABEL_VALUE, value):
            raise ValueError(f"`{key}: {value}` is not a label")
    return pairs


@says(
    propertyNames={"pattern": f"^(?!({_OURS})$){_RESOURCE}$"},
    additionalProperties={"type": "string", "pattern": f"^{_LABEL_VALUE}$"},
)
def own_labels(pairs: dict[str, str]) -> dict[str, str]:
    """Labels that select nothing of ours; ValueError otherwise."""
    if taken := next((key for key in pairs if re.fullmatch(_OURS, key)), None):
        raise ValueError(f"`{taken}` is a label that glmdeploy or a controller sets")
    return labels(pairs)


@says(pattern=rf"^(?!.*{_LOGIN}).*\S")
def git_address(text: str) -> str:
    """A repository's address without a password; ValueError otherwise."""
    if re.search(_LOGIN, _text(text)):
        raise ValueError("must not hold a password: give Argo CD or Flux its credentials as a secret")
    return text


@says(pattern=f"^{_WEB}$")
def web_address(text: str) -> str:
    """An http or https address without a user; ValueError otherwise."""
    if not re.fullmatch(_WEB, _text(text)):
        raise ValueError("must be an http or https address, without user and password")
    return text


@says(propertyNames={"pattern": f"^{_ENV_NAME}$"})
def env_names(env: dict[str, str]) -> dict[str, str]:
    """A mapping whose keys name environment variables; ValueError otherwise."""
    for name in env:
        if not re.fullmatch(_ENV_NAME, name):
            raise ValueError(f"`{name}` is not a name for an environment variable")
    return env


Auto = Literal["auto"]
Text = Annotated[str, AfterValidator(_text)]
Word = Annotated[str, AfterValidator(_word)]
Size = Annotated[
    int,
    BeforeValidator(_bytes),
    WithJsonSchema({"type": "string", "pattern": rf"^[ \t]*{_AMOUNT}{_BYTES}[ \t]*$", "examples": ["2 TiB", "141 GB"]}),
]
Bandwidth = Annotated[
    int,
    BeforeValidator(_bandwidth),
    WithJsonSchema(
        {"type": "string", "pattern": rf"^[ \t]*{_SOME}{_AMOUNT}{_BYTES}[ \t]*/s[ \t]*$", "examples": ["2 GB/s"]}
    ),
]
Tokens = Annotated[
    Annotated[int, Field(ge=1, le=10_000_000)] | Auto,
    BeforeValidator(_tokens),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": "auto"},
                {"type": "integer", "minimum": 1, "maximum": 10_000_000},
                {"type": "string", "pattern": rf"^[ \t]*{_SOME}{_AMOUNT}[kKmM]?[ \t]*$"},
            ],
            "examples": ["auto", 131_072, "128K"],
        }
    ),
]
Count = Annotated[int, Field(ge=1, le=MAX_GPUS)]
