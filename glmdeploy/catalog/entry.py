"""Read one file of the catalogue against its schema; a broken file is a bug of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from glmdeploy.catalog import CatalogError

if TYPE_CHECKING:
    from pathlib import Path

E = TypeVar("E", bound=BaseModel)


def read(kind: type[E], path: Path) -> E:
    """The entry at ``path``; CatalogError with file and key otherwise."""
    from ruamel.yaml import YAML  # noqa: PLC0415  slow to import

    try:
        return kind.model_validate(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise CatalogError(f"{path}: {error}") from error
