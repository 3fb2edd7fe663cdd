"""How each profile is judged: as its workspace deploys it, in every environment that is listed for it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from glmdeploy import source, workspace
from glmdeploy.bundle import MANIFEST
from glmdeploy.diagnostics import Diagnostic, ProfileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from glmdeploy.lint.search import Found
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
        return _real(self.profile)


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
        real = _real(path)
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
        deployed = [u for u in _deployed(space) if _real(u.profile) == _real(name)] if space else []
        for use in deployed:
            self.add(Use(name, use.environment, use.workspace))
        if not deployed and _real(name) not in map(_real, _extended(space)):
            self.add(Use(name))


def uses(found: Found) -> Uses:
    """The uses of everything that was found, those of the workspaces first."""
    made = Uses()
    for path in found.workspaces:
        if space := made.space(path):
            made.whole(space)
    for name in found.profiles:
        made.profile(name)
    return made


def mendable(found: Found) -> list[str]:
    """The files of all profiles that are judged, those that others extend too."""
    made = uses(found)
    extended = [name for path in found.workspaces for name in _extended(made.space(path))]
    return list({_real(name): name for name in (*(u.profile for u in made.uses), *extended, *found.profiles)}.values())


def deployed(space: Workspace, specs: Mapping[tuple[str, str], Spec]) -> Iterator[tuple[Deployment, Spec]]:
    """Each bundle of a workspace with what it is rendered from; ``specs`` are by profile and environment."""
    for entry in space.deployments:
        spec = specs.get((_real(space.path(entry.profile)), entry.environment))
        if spec:
            yield entry, spec


def _deployed(space: Workspace | None) -> Iterator[Use]:
    if space:
        for entry in space.deployments:
            yield Use(space.path(entry.profile), entry.environment, space.source.path)


def _extended(space: Workspace | None) -> Iterator[str]:
    """The profiles that those of a workspace extend."""
    for use in _deployed(space):
        try:
            name = source.read(Path(use.profile)).data.get("extends")
        except ProfileError:  # said where it is judged
            continue
        if isinstance(name, str):
            yield str(Path(use.profile).parent / name)


def _real(path: str) -> str:
    return path if "\0" in path else os.path.realpath(path)
