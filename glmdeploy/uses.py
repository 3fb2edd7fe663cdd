"""How each profile is judged: as its workspace deploys it, in every environment that is listed for it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from glmdeploy import source, workspace
from glmdeploy.bundle import MANIFEST
from glmdeploy.diagnostics import Diagnostic, ProfileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from glmdeploy.diagnostics import Span
    from glmdeploy.spec import Spec
    from glmdeploy.workspace import Deployment, Workspace


@dataclass(frozen=True)
class Use:
    """A profile in one environment of a workspace, or by itself."""

    profile: str
    environment: str = ""
    workspace: str | None = None  # else the nearest one, which does not list the profile

    @property
    def real(self) -> str:
        """The profile's file without links: what two names of one have in common."""
        return real_path(self.profile)


@dataclass
class Uses:
    """Each use once, and what is wrong with the workspaces' files."""

    uses: list[Use] = field(default_factory=list)
    problems: list[Diagnostic] = field(default_factory=list)
    bundles: list[str] = field(default_factory=list)  # those of the workspaces that are there
    _spaces: dict[str, Workspace | None] = field(default_factory=dict)
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def add(self, use: Use) -> None:
        """Note a use that is not there yet."""
        key = (use.real, use.environment)
        if key not in self._seen:
            self._seen.add(key)
            self.uses.append(use)

    def space(self, path: str) -> Workspace | None:
        """A workspace by its file, which is read once; None when it is none, which is said once."""
        real = real_path(path)
        if real not in self._spaces:
            try:
                self._spaces[real] = workspace.load(path)
            except ProfileError as error:
                self._spaces[real] = None
                self.problems += error.diagnostics
        return self._spaces[real]

    def whole(self, space: Workspace) -> None:
        """Everything that a workspace deploys."""
        for use in _deployed(space):
            self.add(use)
        folders = [space.path(entry.output) for entry in space.deployments]
        self.bundles += [folder for folder in folders if (Path(folder) / MANIFEST).is_file()]

    def profile(self, name: str) -> None:
        """As the nearest workspace deploys it; by itself where none does, and not at all where it is only extended."""
        near = workspace.find(name) if os.path.isfile(name) else None  # noqa: PTH113  False where permission is missing
        space = self.space(near) if near else None
        if near and space is None:
            return  # nothing can be said of it but what is wrong with the workspace
        deployed = [u for u in _deployed(space) if real_path(u.profile) == real_path(name)] if space else []
        for use in deployed:
            self.add(Use(name, use.environment, use.workspace))
        if not deployed and real_path(name) not in map(real_path, extended(space)):
            self.add(Use(name))


def deployed(space: Workspace, specs: Mapping[tuple[str, str], Spec]) -> Iterator[tuple[Deployment, Spec]]:
    """Each bundle of a workspace with what it is rendered from; ``specs`` are by profile and environment."""
    for entry in space.deployments:
        spec = specs.get((real_path(space.path(entry.profile)), entry.environment))
        if spec:
            yield entry, spec


def _deployed(space: Workspace | None) -> Iterator[Use]:
    if space:
        for entry in space.deployments:
            yield Use(space.path(entry.profile), entry.environment, space.source.path)


def extended(space: Workspace | None) -> Iterator[str]:
    """The profiles that those of a workspace extend; None has none."""
    yield from (base for use in _deployed(space) if (base := _base(use.profile)))


def _base(profile: str) -> str:
    """The profile that a profile extends, or an empty string."""
    try:
        name = source.read(Path(profile)).data.get("extends")
    except ProfileError:  # said where it is judged
        return ""
    return str(Path(profile).parent / name) if isinstance(name, str) else ""


def reached(name: str, *, environment: str = "", workspace_file: str | None = None) -> tuple[Use, ...]:
    """Every use that a change of a profile's file reaches: those listed for it, and for the profiles that extend it.

    ``environment`` narrows to one, listed or not. ProfileError when the workspace is none.
    """
    near = workspace_file or workspace.find(name)
    listed = list(_deployed(workspace.load(near))) if near else []
    real = real_path(name)
    own = [Use(name, u.environment, u.workspace) for u in listed if u.real == real]
    others = [u for u in listed if u.real != real and real_path(_base(u.profile)) == real]
    if environment:
        own = [Use(name, environment, near)]
        others = [u for u in others if u.environment == environment]
    return tuple(dict.fromkeys((*own, *others))) or (Use(name, workspace=near),)


def deployed_in(name: str, workspace_file: str | None = None) -> str:
    """The first environment that is listed for a profile's file, or an empty string; ProfileError as `reached`."""
    first = reached(name, workspace_file=workspace_file)[0]
    return first.environment if first.real == real_path(name) else ""


def joined(judged: Iterable[tuple[Use, Iterable[Diagnostic]]]) -> Iterator[Diagnostic]:
    """Each finding once; one that not every environment of its profile has says which of them do."""
    environments: dict[str, list[str]] = {}
    said: dict[tuple[Diagnostic, Span | None], list[Use]] = {}
    for use, found in judged:
        environments.setdefault(use.profile, []).append(use.environment)
        for d in found:
            said.setdefault((d, d.span), []).append(use)
    for (d, _), by in said.items():
        every = all(set(environments[use.profile]) <= {u.environment for u in by} for use in by)
        names = "" if every else ", ".join(dict.fromkeys(f"`{u.environment}`" for u in by if u.environment))
        yield replace(d, notes=(*d.notes, f"in environment {names}")) if names else d


def real_path(path: str) -> str:
    """A file's path without links."""
    return path if "\0" in path else os.path.realpath(path)
