"""A framework as data: versions, images, and its flags with the versions that know them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmdeploy.hardware import Fact


@dataclass(frozen=True)
class Flag:
    """One option: its full name in a range of versions (a PEP 440 specifier, empty for all)."""

    name: str
    option: str
    versions: str = ""

    def known(self, version: Version) -> bool:
        """Whether ``version`` has this option under this name."""
        return Version(version.base_version) in SpecifierSet(self.versions) or version in SpecifierSet(self.versions)


@dataclass(frozen=True)
class Image:
    """A container image that some source shows to exist; ``{version}`` in the tag is filled in."""

    reference: str
    versions: str
    compute: tuple[str, ...]
    driver: int
    fact: Fact

    def serves(self, version: Version, compute: str) -> bool:
        """Whether this image carries ``version`` for GPUs of ``compute``."""
        return compute in self.compute and version in SpecifierSet(self.versions)


@dataclass(frozen=True, eq=False)  # one object an entry: identity is equality
class Framework:
    """A serving framework.

    ``kernels`` says per GPU generation: yes, unconfirmed, or no with the reason; ``weights_in`` whether the
    GPUs or the host's RAM hold the checkpoint.
    """

    id: str
    name: str
    floor: Version
    tested: tuple[Version, ...]
    default: Version
    port: int
    health: str
    images: tuple[Image, ...]
    base_image: str
    packages: tuple[str, ...]
    image_required: bool
    weights_in: str
    kernels: Mapping[str, str]
    flags: tuple[Flag, ...]
    facts: Mapping[str, Fact]
    note: str

    def option(self, name: str, version: Version) -> str:
        """The full option name of neutral flag ``name``; KeyError when this version has none."""
        for flag in self.flags:
            if flag.name == name and flag.known(version):
                return flag.option
        raise KeyError(f"{self.id} {version} has no flag for {name}")

    def has(self, name: str, version: Version) -> bool:
        """Whether this version has neutral flag ``name``."""
        return any(flag.name == name and flag.known(version) for flag in self.flags)

    def image(self, version: Version, compute: str) -> Image | None:
        """The first documented image for this version and GPU generation."""
        return next((image for image in self.images if image.serves(version, compute)), None)

    def default_for(self, compute: str) -> Version:
        """The newest tested version with a documented image for this GPU generation, else the default."""
        with_image = [v for v in self.tested if self.image(v, compute)]
        return max(with_image, default=self.default)
