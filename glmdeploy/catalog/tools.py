"""Tools of others that a bundle runs beside the engine: images with source and date."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from glmdeploy import resources
from glmdeploy.catalog import entry
from glmdeploy.hardware import Fact


class _Tool(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    image: str
    source: str
    checked: Annotated[str, BeforeValidator(str), Field(pattern=r"^20\d\d-\d\d-\d\d$")]


class _Tools(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    rclone: _Tool


@dataclass(frozen=True)
class Tool:
    """A container image, and where it was seen."""

    image: str
    fact: Fact


@cache
def rclone() -> Tool:
    """What fetches from object stores. CatalogError where the file is broken."""
    found = entry.read(_Tools, resources.folder("catalog") / "tools.yaml").rclone
    return Tool(found.image, Fact(found.source, found.checked))
