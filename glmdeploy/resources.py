"""Where shipped files are: inside the package in a wheel, beside it in a checkout. Nothing else knows."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder ``templates``, ``profiles`` or ``catalog`` that this installation ships."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


def shipped_profiles() -> dict[str, Path]:
    """Name -> file of every profile that ships with the tool, sorted by name."""
    found = sorted(folder("profiles").glob("*.yaml"))
    return {path.stem: path for path in found if not path.name.endswith(".lock.yaml")}


def is_shipped(path: Path) -> bool:
    """Whether a file is part of the installed package: it is replaced with the next release, and nobody's to edit."""
    return _PACKAGE in path.resolve().parents
