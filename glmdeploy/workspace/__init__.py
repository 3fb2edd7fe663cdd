"""Profiles of a repository together: shared defaults, environments, extended profiles, and where each bundle goes.

Precedence, from the weakest: `defaults` of `glmdeploy.yaml`, the extended profile, the profile, the environment. Options
of the command line win over all of them. The result is one document, whose keys keep the place where they were written.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING

from glmdeploy import source
from glmdeploy.diagnostics import Diagnostic, ProfileError, Span
from glmdeploy.profile import validated
from glmdeploy.workspace.layering import merged, part, without
from glmdeploy.workspace.schema import API_VERSION, WorkspaceFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from glmdeploy.source import Source
    from glmdeploy.workspace.layering import Layer

__all__ = ["API_VERSION", "FILE", "Deployment", "Reader", "Workspace", "document", "find", "load", "retold"]

FILE = "glmdeploy.yaml"
_OWN = ("apiVersion", "name", "extends")  # what a profile never takes from the one that it extends


@dataclass(frozen=True)
class Deployment:
    """One bundle of a workspace; paths are relative to its folder, with `/`."""

    profile: str
    output: str
    environment: str
    keep: tuple[str, ...]


@dataclass(frozen=True)
class Workspace:
    """A workspace file, read and found in order."""

    source: Source
    deployments: tuple[Deployment, ...]
    environments: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Where its paths start."""
        return Path(self.source.path).parent

    def path(self, name: str) -> str:
        """A path of the workspace as a path of this process."""
        return str(self.folder / name)

    def relative(self, path: str) -> str:
        """A path of this process as one of the workspace, with `/`."""
        return PurePath(os.path.relpath(path, self.folder)).as_posix()


def find(name: str) -> str | None:
    """The workspace file of a profile: in its folder or the nearest above, up to the root of its Git repository."""
    start = Path(name).absolute().parent
    for folder in (start, *start.parents):
        if (folder / FILE).is_file():
            return str(folder / FILE) if Path(name).is_absolute() else os.path.relpath(folder / FILE)
        if (folder / ".git").exists():
            return None
    return None


@dataclass(frozen=True)
class Reader:
    """How a file is read, and the workspace's file of a profile found: on disk, or elsewhere under the same paths."""

    read: Callable[[str], Source]
    find: Callable[[str], str | None]


DISK = Reader(lambda path: source.read(Path(path)), find)


def load(path: str, reader: Reader = DISK) -> Workspace:
    """Read a workspace file; ProfileError with GLM0xx diagnostics otherwise."""
    document = reader.read(path)
    file = validated(WorkspaceFile, document)
    entries = (Deployment(d.profile, _tidy(d.output), d.environment or "", d.keep) for d in file.deployments)
    workspace = Workspace(document, tuple(entries), tuple(file.environments))
    if found := document.place(_problems(workspace)):
        raise ProfileError(found)
    return workspace


def _tidy(path: str) -> str:
    return str(PurePosixPath(path))


def _problems(workspace: Workspace) -> Iterator[Diagnostic]:
    taken: dict[str, int] = {}
    for index, entry in enumerate(workspace.deployments):
        at = ("deployments", index)
        if entry.environment and entry.environment not in workspace.environments:
            yield _unknown(workspace, entry.environment, (*at, "environment"))
        for other, number in taken.items():
            if other == entry.output or _below(other, entry.output) or _below(entry.output, other):
                message = f"`{entry.output}` and `{other}` of deployment {number + 1} are one folder, or one is inside"
                yield Diagnostic("GLM022", message, at=(*at, "output"), hint="give each bundle a folder of its own")
        taken[entry.output] = index


def _below(path: str, folder: str) -> bool:
    return PurePosixPath(folder) in PurePosixPath(path).parents


def _unknown(workspace: Workspace, name: str, at: tuple[str | int, ...] = ()) -> Diagnostic:
    known = ", ".join(f"`{e}`" for e in workspace.environments)
    hint = f"`environments` has {known}" if known else "`environments` has none"
    return Diagnostic("GLM021", f"no environment `{name}`", at=at, hint=hint)


def document(
    path: str, *, environment: str = "", workspace: str | None = None, text: str | None = None, reader: Reader = DISK
) -> Source:
    """A profile's file with everything that it takes from its workspace and the profile that it extends.

    ``workspace`` names the workspace's file; else it is the nearest one. ``text`` counts instead of what is in the
    profile's file. ProfileError with GLM0xx diagnostics otherwise.
    """
    profile = reader.read(path) if text is None else source.parse(path, text)
    named = workspace or reader.find(path)
    found = load(named, reader) if named else None
    if environment and (found is None or environment not in found.environments):
        raise ProfileError([_no_environment(found, path, environment)])
    layers = [*_defaults(found), *_extended(profile, found, reader)]
    layers.append((_name(path, found), profile))
    if found and environment:
        at = ("environments", environment)
        layers.append((f"{FILE} {'.'.join(at)}", part(found.source, at)))
    return merged(layers, profile) if len(layers) > 1 else profile


def retold(document: Source, text: str) -> Source:
    """A document with another text of its own file, over and under the same layers; ProfileError when it is none."""
    profile = source.parse(document.path, text)
    layers = [(name, profile if layer.path == profile.path else layer) for name, layer in document.layers]
    return merged(layers, profile) if layers else profile


def _no_environment(found: Workspace | None, path: str, name: str) -> Diagnostic:
    if found:
        return found.source.place([_unknown(found, name, ("environments",))])[0]
    hint = f"environments are keys of a `{FILE}` beside the profile or above it"
    return Diagnostic("GLM021", f"no environment `{name}`: `{path}` is in no workspace", span=Span(path), hint=hint)


def _defaults(found: Workspace | None) -> list[Layer]:
    if found is None or not found.source.data.get("defaults"):
        return []
    return [(f"{FILE} defaults", part(found.source, ("defaults",)))]


def _extended(profile: Source, found: Workspace | None, reader: Reader) -> list[Layer]:
    name = profile.data.get("extends")
    if not isinstance(name, str) or not name.strip():
        return []  # absent, or for the schema to refuse
    path = str(Path(profile.path).parent / name)
    base = _base(profile, path, reader)
    if "extends" in base.data:
        message = f"`{name}` extends another profile itself"
        hint = "one level only: extend that one, or copy its keys"
        raise ProfileError(profile.place([Diagnostic("GLM020", message, at=("extends",), hint=hint)]))
    return [(_name(path, found), without(base, _OWN))]


def _base(profile: Source, path: str, reader: Reader) -> Source:
    try:
        return reader.read(path)
    except ProfileError as error:
        first = error.diagnostics[0]
        if first.code != "GLM001":
            raise
        raise ProfileError(profile.place([Diagnostic("GLM020", first.message, at=("extends",))])) from None


def _name(path: str, found: Workspace | None) -> str:
    return found.relative(path) if found else Path(path).name
