"""Types of the profile's values: what may be written, and what it becomes."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from glmdeploy.source import controls
from glmdeploy.units import parse_bandwidth, parse_bytes, parse_tokens

AUTO: Literal["auto"] = "auto"
MAX_GPUS = 1024
_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
_DNS_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?\Z")
_SLURM_TIME = re.compile(r"(\d+(:\d\d){0,2}|\d+-\d+(:\d\d){0,2}|UNLIMITED)\Z")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?\Z")
_RESOURCE = re.compile(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?\Z")
_GIT = re.compile(r"(?:https?|ssh)://[^\s/]+/\S+\Z|[^\s/:@]+@[^\s/:@]+:\S+\Z")
_DEVICE = re.compile(r"/dev/[A-Za-z0-9._/-]+\Z")
_WEB = re.compile(r"https?://[^\s/@]+(/[^\s@]*)?\Z")


class Strict(BaseModel):
    """A section of the profile: nothing beside what is declared, nothing converted, nothing changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def clean(text: str) -> str:
    """Text without control characters; ValueError otherwise."""
    if bad := controls(text):
        raise ValueError(f"a control or bidirectional character is not allowed: {bad}")
    return text


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


def dns_name(text: str) -> str:
    """A DNS name; ValueError otherwise."""
    if not _DNS_NAME.match(text):
        raise ValueError(
            "must be lower case letters, digits, `-` and `.`, at most 63, and start and end with a letter or digit"
        )
    return text


def dns_label(text: str) -> str:
    """A DNS label; ValueError otherwise."""
    if not _DNS_LABEL.match(text):
        raise ValueError(
            "must be lower case letters, digits and `-`, at most 63, and start and end with a letter or digit"
        )
    return text


def absolute(text: str) -> str:
    """An absolute path; ValueError otherwise."""
    if not _text(text).startswith("/") or ".." in text.split("/"):
        raise ValueError("must be an absolute path without `..`")
    return text


def _word(text: str) -> str:
    """A name that a command line takes for a value."""
    if text.startswith("-") or any(c.isspace() for c in _text(text)):
        raise ValueError("must not start with `-` or hold spaces")
    return text


def slurm_time(text: str) -> str:
    """A time limit as `sbatch --time` takes it; ValueError otherwise."""
    if not _SLURM_TIME.match(text):
        raise ValueError("must be minutes, `HH:MM:SS`, `days-hours`, `days-HH:MM:SS` or `UNLIMITED`")
    return text


def resource_name(text: str) -> str:
    """A name that Kubernetes takes for a label or an extended resource; ValueError otherwise."""
    if not _RESOURCE.match(text):
        raise ValueError("must be letters, digits, `-`, `_` and `.`, with a domain and `/` in front where it has one")
    return text


def labels(pairs: dict[str, str]) -> dict[str, str]:
    """Labels with their values; ValueError otherwise."""
    for key, value in pairs.items():
        if not _RESOURCE.match(key) or not _LABEL_VALUE.match(value):
            raise ValueError(f"`{key}: {value}` is not a label")
    return pairs


def git_address(text: str) -> str:
    """A repository's address without a password, by https, http or ssh; ValueError otherwise."""
    if re.search(r"://[^/@]*:[^/@]*@", _text(text)):
        raise ValueError("must not hold a password: give Argo CD or Flux its credentials as a secret")
    if not _GIT.match(text):
        raise ValueError("must be an https, http or ssh address, or `git@HOST:PATH`")
    return text


def device_file(text: str) -> str:
    """A device file, or a folder of them; ValueError otherwise."""
    if ".." in text.split("/") or not _DEVICE.match(text):
        raise ValueError("must be a path below `/dev`, such as `/dev/infiniband`")
    return text


def folder(text: str) -> str:
    """A folder inside a repository; ValueError otherwise."""
    if ".." in _text(text).split("/"):
        raise ValueError("must be a folder of the repository, without `..`")
    return text


def web_address(text: str) -> str:
    """An http or https address without a user; ValueError otherwise."""
    if not _WEB.match(_text(text)):
        raise ValueError("must be an http or https address, without user and password")
    return text


def env_names(env: dict[str, str]) -> dict[str, str]:
    """A mapping whose keys name environment variables; ValueError otherwise."""
    for name in env:
        if not _ENV_NAME.match(name):
            raise ValueError(f"`{name}` is not a name for an environment variable")
    return env


Auto = Literal["auto"]
Text = Annotated[str, AfterValidator(_text)]
Word = Annotated[str, AfterValidator(_word)]
Size = Annotated[
    int,
    BeforeValidator(_bytes),
    WithJsonSchema({"type": "string", "pattern": "^[0-9.]+ ?[kKMGT]i?B$", "examples": ["2 TiB"]}),
]
Bandwidth = Annotated[
    int,
    BeforeValidator(_bandwidth),
    WithJsonSchema({"type": "string", "pattern": "^[0-9.]+ ?[kKMGT]i?B/s$", "examples": ["2 GB/s"]}),
]
Tokens = Annotated[
    Annotated[int, Field(ge=1, le=10_000_000)] | Auto,
    BeforeValidator(_tokens),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": "auto"},
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": "^[0-9.]+[kKmM]?$"},
            ]
        }
    ),
]
Count = Annotated[int, Field(ge=1, le=MAX_GPUS)]
