"""What a comparison says, before anybody decides how it looks: a sentence, and sections of rows in reading order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from glmdeploy.difference.change import ADDED, REMOVED
from glmdeploy.units import GIB, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glmdeploy.difference import Difference
    from glmdeploy.difference.change import Delta
    from glmdeploy.difference.files import FileDelta
    from glmdeploy.difference.objects import ThingDelta
    from glmdeploy.difference.plans import MemoryDelta

# Figures that the sentence names, where they differ: the first ones matter most.
_FIRST = (
    "verdict",
    "checkpoint",
    "framework",
    "version",
    "GPU",
    "GPUs",
    "layout",
    "context",
    "whole contexts at a time",
    "KV tokens",
)


@dataclass(frozen=True)
class Row:
    """One line: what it is about, both sides, and a note. ``head``: it is followed by ``fields`` of its own."""

    what: str
    change: str
    before: str = ""
    after: str = ""
    note: str = ""
    inner: bool = False  # a field of the row above that is not


@dataclass(frozen=True)
class Section:
    """Rows under a title; ``count`` is what the title counts, ``long`` when the rows are details."""

    title: str
    rows: tuple[Row, ...]
    count: int
    long: bool = False


def sections(d: Difference) -> tuple[Section, ...]:
    """The sections that hold anything, in the order of what matters."""
    flat = [
        ("plan", [_plain(x) for x in d.plan], False),
        ("memory of one GPU", [_memory(x) for x in d.memory], False),
        ("diagnostics", [_plain(x) for x in d.diagnostics], False),
        ("profile", [_plain(x) for x in d.keys], False),
        ("options", [_option(x) for x in d.argv], False),
        ("environment", [_plain(x) for x in d.env], False),
        ("ports", [_plain(x) for x in d.ports], False),
    ]
    found = [Section(title, tuple(rows), len(rows), long) for title, rows, long in flat]
    for title, things in (("Kubernetes", d.kubernetes), ("Compose", d.compose)):
        found.append(Section(title, tuple(row for thing in things for row in _thing(thing)), len(things), long=True))
    found.append(Section("files", tuple(_file(f) for f in d.files), len(d.files), long=True))
    return tuple(s for s in found if s.rows)


def _plain(delta: Delta) -> Row:
    by = f"{delta.by:+,}" if delta.by else ""
    return Row(delta.name, delta.change, delta.before, delta.after, _note(by, delta.where, delta.why))


def _option(delta: Delta) -> Row:
    """An option: where its name is the same on both sides, its values alone."""
    before, after = (_values(delta.name, side) for side in (delta.before, delta.after))
    return Row(delta.name, delta.change, before, after, _note(delta.where, delta.why))


def _values(name: str, written: str) -> str:
    return written.removeprefix(name).strip() if written.partition(" ")[0] == name else written


def _memory(delta: MemoryDelta) -> Row:
    before = "" if delta.change == ADDED else gib(delta.before)
    after = "" if delta.change == REMOVED else gib(delta.after)
    by = f"{(delta.after - delta.before) / GIB:+.2f} GiB"
    return Row(f"{delta.name}: {delta.part}", delta.change, before, after, by)


def gib(size: int) -> str:
    """A number of bytes in GiB."""
    return f"{size / GIB:.2f} GiB"


def _thing(delta: ThingDelta) -> Iterator[Row]:
    yield Row(delta.name, delta.change, note=delta.why)
    for field in delta.fields:
        yield Row(field.name, field.change, field.before, field.after, field.why, inner=True)


def _file(delta: FileDelta) -> Row:
    lines = f"+{delta.plus} -{delta.minus} lines" if delta.plus or delta.minus else ""
    return Row(delta.path, delta.change, note=_note(lines, delta.why))


def _note(*parts: str) -> str:
    return "; ".join(filter(None, parts))


def sentence(d: Difference) -> str:
    """What matters first, in one line."""
    if not d.different:
        return "No difference" + (f": {d.uncompared[0]}" if d.uncompared else "")
    parts = [*_fate(d), *_figures(d), *_applied(d.kubernetes), _counted(d)]
    text = "; ".join(filter(None, parts))
    return text[:1].upper() + text[1:]


def _fate(d: Difference) -> Iterator[str]:
    old, new = d.before, d.after
    if new.refused:
        first = new.errors[0]
        more = f" (and {plural(len(new.errors) - 1, 'error')} more)" if len(new.errors) > 1 else ""
        when = "refused, as before" if old.refused else "refused now"
        yield f"{when}: {first.code}, {first.message}{more}"
    elif old.refused:
        yield "accepted now, and was refused"


def _figures(d: Difference) -> Iterator[str]:
    found = {delta.name: delta for delta in d.plan}
    for name in _FIRST:
        delta = found.get(name)
        if delta and delta.before and delta.after:
            yield f"{name} {delta.before} -> {delta.after}{' tokens' if name == 'context' else ''}"


def _applied(things: Iterable[ThingDelta]) -> Iterator[str]:
    """What applying the objects does."""
    refused = [t.name for t in things if "refuses" in t.why]
    replaced = [t.name for t in things if "replaced" in t.why]
    if refused:
        yield f"the API server refuses a change of {', '.join(refused)}"
    if replaced:
        yield f"the pods of {', '.join(replaced)} are replaced"


def _counted(d: Difference) -> str:
    counts = [
        (len(d.argv), "option"),
        (len(d.env), "variable"),
        (len(d.keys), "profile key"),
        (len(d.diagnostics), "diagnostic"),
        (len(d.kubernetes), "Kubernetes object"),
        (len([t for t in d.compose if ": service " in t.name]), "Compose service"),
        (len(d.files), "file"),
    ]
    said = [plural(number, noun) for number, noun in counts if number]
    return f"{', '.join(said)} {'differs' if sum(n for n, _ in counts) == 1 else 'differ'}" if said else ""
