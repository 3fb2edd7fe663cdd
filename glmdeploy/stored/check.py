"""Check a folder of weights: files, headers, names, and whether it is the checkpoint that was asked for."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from glmdeploy.diagnostics import Diagnostic, Level, Span, has_errors, printable
from glmdeploy.stored import config as configs
from glmdeploy.stored import folder as folders
from glmdeploy.stored import header, names
from glmdeploy.stored.fault import FaultError
from glmdeploy.stored.files import parse, read
from glmdeploy.stored.precision import Census
from glmdeploy.stored.words import BROKEN, REMOVE, WHAT, modules, shape, some
from glmdeploy.units import plural

if TYPE_CHECKING:
    from pathlib import Path

    from glmdeploy.models import Checkpoint, Model
    from glmdeploy.stored.folder import Index
    from glmdeploy.stored.header import Tensor

_TOKENIZER = ("tokenizer.json", "tokenizer_config.json")


@dataclass(frozen=True)
class Report:
    """What a folder holds. ``checkpoint`` is None where it is none of the catalogue's."""

    folder: Path
    asked: Checkpoint | None
    checkpoint: Checkpoint | None = None
    shards: int = 0
    whole: int = 0
    tensors: int = 0
    size: int = 0
    found: tuple[Diagnostic, ...] = field(default=())

    @property
    def usable(self) -> bool:
        """Whether a server may load it."""
        return not has_errors(self.found)


def check(given: Path, model: Model, asked: Checkpoint | None = None) -> Report:
    """Everything about the folder ``given``; it never raises for what lies there."""
    try:
        folder = folders.located(given)
    except FaultError as fault:
        return Report(given, asked, found=(_one(given, fault),))
    except OSError as error:
        return Report(given, asked, found=(_one(given, FaultError("GLM968", f"cannot be read: {error.strerror}")),))
    return _Checker(folder, model, asked).run()


def _one(path: Path, fault: FaultError) -> Diagnostic:
    return Diagnostic(fault.code, f"`{printable(str(path))}` {fault.what}", span=Span(str(path)))


class _Checker:
    def __init__(self, folder: Path, model: Model, asked: Checkpoint | None) -> None:
        self.folder, self.model, self.asked = folder, model, asked
        self.census = Census(model)
        self.held: Checkpoint | None = None
        self.present: dict[str, Tensor] = {}
        self.read = 0  # shards whose header can be used
        self.whole = 0
        self.found: list[Diagnostic] = []

    def run(self) -> Report:
        index = self._index()
        if index is not None:
            self._shards(index)
            self._leftovers(index)
        else:
            self._leftovers(folders.Index({}, (), 0))
        if index is not None:
            self._contents(index, whole=self.read == len(index.shards))
        self._config(self.held or self.asked)
        self._tokenizer()
        return Report(
            folder=self.folder,
            asked=self.asked,
            checkpoint=self.held,
            shards=len(index.shards) if index else 0,
            whole=self.whole,
            tensors=len(self.present),
            size=sum(t.size for t in self.present.values()),
            found=tuple(self.found),
        )

    # --- files ---

    def _index(self) -> Index | None:
        try:
            return folders.index(self.folder)
        except FaultError as fault:
            self._say(fault.code, f"`{folders.INDEX}` {fault.what}", hint=self._fetch())
            return None

    def _shards(self, index: Index) -> None:
        """Read every header, one after the other; faults of one kind are one diagnostic."""
        faults: dict[str, list[str]] = defaultdict(list)
        misplaced: list[str] = []
        for shard in index.shards:
            fault: FaultError | None
            try:
                read_ = header.read(self.folder / shard)
                fault, tensors = read_.fault, read_.tensors
                self.read += 1
            except FaultError as error:
                fault, tensors = error, {}
            if fault is None:
                self.whole += 1
            else:
                faults[fault.code].append(f"{shard} {fault.what}")
            self.census.count(tensors)
            misplaced += [f"{n} is in {shard}" for n in tensors if index.tensors.get(n, shard) != shard]
            self.present.update(tensors)
        self.held = self.census.checkpoint(self.model)
        for code, listed in sorted(faults.items()):
            count = f"{len(listed)} of {plural(len(index.shards), 'shard')}"
            hint = f"{REMOVE}{self._fetch()}" if code in BROKEN else self._fetch()
            self._say(code, f"{count} {WHAT[code]}", notes=some(listed), hint=hint)
        if misplaced:
            message = f"{plural(len(misplaced), 'tensor')} in another shard than the index says"
            self._say("GLM969", message, notes=some(misplaced), hint="index and shards are of different downloads")

    def _leftovers(self, index: Index) -> None:
        if names_ := folders.unfinished(self.folder):
            message = f"{plural(len(names_), 'file')} of an unfinished download"
            hint = "if no download is running, they may be removed"
            self._say("GLM964", message, Level.WARNING, notes=some(names_), hint=hint)
        if index.shards and (more := folders.others(self.folder, index.shards)):
            message = f"{plural(len(more), 'file')} of weights that the index does not name"
            hint = "engines that load every file would load them too: move them away"
            self._say("GLM983", message, Level.WARNING, notes=some(more), hint=hint)

    # --- contents ---

    def _contents(self, index: Index, *, whole: bool) -> None:
        """What the tensors are; whether all are there only once every header could be read."""
        if whole or self.held:
            self._which(self.held)
        if not whole:
            return
        lost = sorted(n for n in index.tensors if n not in self.present)
        if lost:
            message = f"{plural(len(lost), 'tensor')} of the index in no shard"
            self._say("GLM969", message, notes=some(lost), hint="index and shards are of different downloads")
        if against := self.held or self.asked:
            self._names(against)
        total = sum(t.size for t in self.present.values())
        if index.total not in {0, total}:
            message = f"the index says {index.total:,} bytes, and its shards hold {total:,}"
            self._say("GLM982", message, Level.NOTE)
        held = self.held
        if held and held.shards not in {0, len(index.shards)}:
            message = f"{plural(len(index.shards), 'shard')}, and {held.repo} has {held.shards}: it was split anew"
            self._say("GLM981", message, Level.NOTE)

    def _which(self, held: Checkpoint | None) -> None:
        if held is None:
            level = Level.ERROR if self.asked else Level.WARNING
            hint = f"`{self.asked.id}` is {self.asked.precision}" if self.asked else ""
            self._say("GLM972", "not a precision of the catalogue", level, notes=(self.census.shown,), hint=hint)
        elif self.asked is not None and held is not self.asked:
            message = f"these are the weights of `{held.id}` ({held.repo}), and `{self.asked.id}` was asked for"
            hint = f"set `model.checkpoint: {held.id}`, or fetch {self.asked.repo}"
            self._say("GLM971", message, notes=(self.census.shown,), hint=hint)

    def _names(self, checkpoint: Checkpoint) -> None:
        """Names, types and shapes against the model's."""
        rest = set(self.present)
        missing: list[str] = []
        shapes: list[str] = []
        parts = modules(rest)
        for name, wanted in names.expected(self.model, checkpoint):
            if wanted is None:
                rest -= parts.get(name, set())
                missing += [] if name in parts else [name]
                continue
            there = self.present.get(name)
            rest.discard(name)
            if there is None:
                missing.append(name)
            elif there != wanted:
                shapes.append(f"{name} is {shape(there)}, and should be {shape(wanted)}")
        self._missing(missing)
        if shapes:
            message = f"{plural(len(shapes), 'tensor')} of another type or shape than the model's"
            self._say("GLM977", message, notes=some(shapes))
        self._unknown(rest)

    def _missing(self, missing: list[str]) -> None:
        draft = tuple(f"model.layers.{n}." for n in range(self.model.layers, self.model.layers + self.model.mtp_layers))
        main = [n for n in missing if not n.startswith(draft)]
        if main:
            message = f"{plural(len(main), 'tensor')} of {self.model.name} missing"
            self._say("GLM970", message, notes=some(main), hint=self._fetch())
        if spare := [n for n in missing if n.startswith(draft)]:
            whole = not any(n.startswith(draft) for n in self.present)
            how = "the MTP layer is missing" if whole else f"{plural(len(spare), 'tensor')} of the MTP layer missing"
            level = Level.WARNING if whole else Level.ERROR
            self._say("GLM979", how, level, notes=some(spare), hint="without it: `serving.mtp: false`" if whole else "")

    def _unknown(self, rest: set[str]) -> None:
        if shared := [n for n in rest if ".self_attn.indexer." in n]:
            message = (
                f"{plural(len(shared), 'tensor')} of indexers in layers that share one: these are GLM-5's or GLM-5.1's"
            )
            self._say("GLM973", message, notes=some(sorted(shared)), hint=self._fetch())
        if more := sorted(rest.difference(shared)):
            message = f"{plural(len(more), 'tensor')} that the model does not have"
            self._say("GLM978", message, Level.WARNING, notes=some(more))

    # --- the small files ---

    def _json(self, name: str, code: str, *, optional: bool = False) -> dict[str, Any] | None:
        try:
            return parse(read(self.folder / name), code)
        except FaultError as fault:
            if optional and fault.code == "GLM962":
                return None
            code = code if fault.code in {"GLM961", "GLM962"} else fault.code
            self._say(code, f"`{name}` {fault.what}", hint=self._fetch())
            return None

    def _config(self, checkpoint: Checkpoint | None) -> None:
        config = self._json("config.json", "GLM973")
        if config is None:
            return
        if different := list(configs.differences(config, self.model)):
            self._say("GLM973", f"config.json is not {self.model.name}'s", notes=some(different))
        elif context := configs.other_context(config, self.model):
            hint = "engines take it for the longest context: undo it, unless it is on purpose"
            self._say("GLM974", context, Level.WARNING, hint=hint)
        if checkpoint and (how := configs.quantised(config, checkpoint)):
            self._say("GLM975", how, hint="config.json and weights are of different downloads")

    def _tokenizer(self) -> None:
        for name in _TOKENIZER:
            data = self._json(name, "GLM976")
            if name == _TOKENIZER[1] and data is not None and "chat_template" not in data:
                self._template()
        self._json("generation_config.json", "GLM976", optional=True)

    def _template(self) -> None:
        if not (self.folder / "chat_template.jinja").is_file():
            message = "no chat template: neither `chat_template.jinja` nor a key of `tokenizer_config.json`"
            self._say("GLM980", message, Level.WARNING, hint="chat requests fail without one")

    # --- words ---

    def _fetch(self) -> str:
        known = self.held or self.asked or next(c for c in self.model.checkpoints if c.default)
        return f"fetch {known.repo}: `hf download` keeps what is there, and brings the rest"

    def _say(
        self, code: str, message: str, level: Level = Level.ERROR, *, notes: tuple[str, ...] = (), hint: str = ""
    ) -> None:
        self.found.append(Diagnostic(code, message, level, span=Span(str(self.folder)), notes=notes, hint=hint))
