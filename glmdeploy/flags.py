"""A framework as data: versions, images, and its flags with the versions that know them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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


@dataclass(frozen=True)
class Launch:
    """What starts the server: `COMMAND serve`, `python -m MODULE`, or an image whose entry point does."""

    commands: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    images: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parser:
    """How a framework's parser reads words, beyond its table of options.

    ``free_words``: how many it takes that belong to no option (the model); ``abbreviations``: any prefix that means
    one option; ``underscores``: `--tp_size` for `--tp-size`; ``dotted``: `--option.key value` for a JSON value;
    ``levels``: `-O3` for `--optimization-level 3`; ``serve_model``: versions (a PEP 440 specifier) whose
    `COMMAND serve` takes the model as its first word beside that; ``required``: options that must be there.
    """

    free_words: int
    abbreviations: bool = True
    underscores: bool = False
    dotted: bool = False
    levels: bool = False
    serve_model: str = ""
    required: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)  # one object an entry: identity is equality
class Framework:
    """A serving framework.

    ``kernels`` says per GPU generation: yes, unconfirmed, or no with the reason; ``weights_in`` whether the
    GPUs or the host's RAM hold the checkpoint. ``successors`` name what replaces a removed option,
    ``successor_values`` its values' new names, ``implied`` what its successor needs beside it, ``merged`` a switch, its partner, and the option that says both.
    ``cpu_methods`` says per method of running experts on the CPU and instruction set what ``kernels`` says per GPU.
    ``caches`` are the variables that say where compiled kernels are kept, with a folder name each.
    """

    id: str
    name: str
    floor: Version
    tested: tuple[Version, ...]
    default: Version
    port: int
    health: str
    launch: Launch
    parser: Parser
    images: tuple[Image, ...]
    base_image: str
    packages: tuple[str, ...]
    image_required: bool
    weights_in: str
    kernels: Mapping[str, str]
    flags: tuple[Flag, ...]
    successors: Mapping[str, str]
    successor_values: Mapping[str, Mapping[str, str]]
    implied: Mapping[str, str]
    merged: Mapping[str, tuple[str, str]]
    facts: Mapping[str, Fact]
    note: str
    recipes: tuple[Recipe, ...] = ()
    cpu_methods: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    caches: Mapping[str, str] = field(default_factory=dict)
    gone_before: Mapping[str, str] = field(default_factory=dict)  # removed before the floor -> what to use, or empty
    differs: tuple[str, ...] = ()  # where a plan does not do what the framework's own recipe says, and why

    def recipe(self, gpu: str, checkpoint: str, strategy: str) -> Recipe | None:
        """The recipe for a GPU, checkpoint and strategy."""
        return next((r for r in self.recipes if (r.gpu, r.checkpoint, r.strategy) == (gpu, checkpoint, strategy)), None)

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


@dataclass(frozen=True, eq=False)  # one object an entry: identity is equality
class Recipe:
    """What a framework's own recipe sets for one GPU, checkpoint and strategy; zero and empty: the engine's default.

    ``gpus`` is its tensor parallel size too; ``verified`` whether its authors ran it.
    """

    gpu: str
    gpus: int
    checkpoint: str
    strategy: str
    verified: bool
    memory_fraction: float
    mtp_steps: int
    attn_dp: int = 1
    ep: int = 1
    a2a: str = ""
    prefill_chunk: int = 0
    max_running: int = 0
    graph_batch: int = 0
    prefill_tokens: int = 0
    draft_attention: str = ""
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Option:
    """One option as a framework's own parser knows it, in some releases.

    ``kind`` is int, float, str, json, flag, or an int with suffixes (int-iec, int-case, int-case-auto); ``values`` is
    argparse's nargs ("" for one value, "0" for none); ``negative`` the `--no-x` spelling; ``deprecated`` a few words,
    or empty; ``repeatable`` whether each mention adds a value.
    """

    names: tuple[str, ...]
    kind: str
    choices: tuple[str, ...] = ()
    values: str = ""
    negative: str = ""
    deprecated: str = ""
    repeatable: bool = False

    @property
    def name(self) -> str:
        """The full spelling."""
        return self.names[0]

    @property
    def takes_value(self) -> bool:
        """Whether a word after it belongs to it."""
        return self.values != "0"


@dataclass(frozen=True)
class Release:
    """One released wheel that options were read from: how (parser or ast), and when."""

    version: Version
    wheel: str
    sha256: str
    read: str
    method: str


class OptionTable:
    """Every option of a framework in every release that was read."""

    def __init__(self, releases: Sequence[Release], entries: Sequence[tuple[Option, Sequence[Sequence[int]]]]) -> None:
        self.releases = tuple(releases)
        self._entries = tuple(entries)
        self._made: dict[int, dict[str, Option]] = {}

    @property
    def versions(self) -> tuple[Version, ...]:
        """The releases that were read, oldest first."""
        return tuple(r.version for r in self.releases)

    def nearest(self, version: Version) -> Version:
        """The newest release that was read and is not newer than ``version``, else the oldest."""
        return max((v for v in self.versions if v <= version), default=self.versions[0])

    def at(self, version: Version) -> Mapping[str, Option]:
        """Every spelling -> option of the nearest release."""
        index = self.versions.index(self.nearest(version))
        if index not in self._made:
            options = [o for o, runs in self._entries if any(first <= index <= last for first, last in runs)]
            spelled = {n: o for o in options for n in (*o.names, *filter(None, [o.negative]))}
            self._made[index] = spelled
        return self._made[index]

    def known_in(self, name: str) -> tuple[Version, ...]:
        """The releases whose parser knows this spelling."""
        return tuple(v for v in self.versions if name in self.at(v))


class VariableTable:
    """The environment variables that a framework reads under its own prefix, in every release that was read."""

    def __init__(self, versions: Sequence[Version], runs: Mapping[str, Sequence[Sequence[int]]]) -> None:
        self.versions = tuple(versions)
        self._runs = runs

    @property
    def prefixes(self) -> tuple[str, ...]:
        """What the names begin with, such as `VLLM_`."""
        return tuple(sorted({name.partition("_")[0] + "_" for name in self._runs}))

    def at(self, version: Version) -> frozenset[str]:
        """The variables of the newest release that was read and is not newer than ``version``, else of the oldest."""
        nearest = max((v for v in self.versions if v <= version), default=self.versions[0])
        return frozenset(name for name in self._runs if nearest in self.known_in(name))

    def reads(self, name: str, version: Version) -> bool:
        """Whether that release reads ``name``; a name of the table that ends in `_` stands for all that begin so."""
        return any(name == known or (known.endswith("_") and name.startswith(known)) for known in self.at(version))

    def known_in(self, name: str) -> tuple[Version, ...]:
        """The releases that have ``name`` itself."""
        return tuple(v for first, last in self._runs.get(name, ()) for v in self.versions[first : last + 1])
