"""Which words of `extra_args` a version renamed: by the option tables, and the successors of the catalogue.

A word is replaced only where the tables prove that the new one takes it. What has no successor stays as it is, and the
rules then say what is wrong with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from glmdeploy import catalog
from glmdeploy.commandline import read
from glmdeploy.diagnostics import Drop, Insert, Put

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from packaging.version import Version

    from glmdeploy.commandline import Given
    from glmdeploy.diagnostics import Edit
    from glmdeploy.flags import Framework, Option


@dataclass(frozen=True)
class Rename:
    """One option under its old and its new name, and the words that it replaces by their index.

    ``before`` and ``after`` hold no value that the profile chose: it may be a secret.
    """

    before: str
    after: str
    why: str
    words: Mapping[int, str | None]  # None: the word goes
    beside: str = ""  # a word that is new after the first one: what the old name implied


def rename(
    framework: Framework, old: Version, new: Version, words: Sequence[str], *, deprecated: bool = False
) -> tuple[Rename, ...]:
    """The renames from ``old`` to ``new``, in the order of the words.

    With ``deprecated``, also of options that ``new`` still takes and whose own table names the successor.
    """
    table = catalog.options(framework.id)
    options = table.at(new)
    heads = [word.partition("=")[0] for word in words]
    # a word that is gone from the old version already is read as the last release that had it does
    gone = {head: table.at(table.known_in(head)[-1])[head] for head in heads if table.known_in(head)}
    given = read(words, {**gone, **table.at(old)}, framework.parser, free_words=0).given
    taken = {name for head in heads if head in options for name in options[head].names}
    found: list[Rename] = []
    implied = [framework.implied.get(item.option.name, "") for item in given]
    for item, more in zip(given, implied, strict=True):
        left = _without(options, item) if deprecated else options
        renamed = _rename(framework, item, words[item.index], left)
        renamed = renamed or _merge(framework, item, given, words, left, deprecated=deprecated)
        if renamed and left is not options:
            renamed = _told(item, renamed)
        names = set(options[renamed.after.partition("=")[0].split()[0]].names) if renamed else set()
        if renamed and not names & taken:  # a second mention would win over the first one
            found.append(replace(renamed, beside=more))
            taken |= names
    return tuple(_unsaid(r, taken, options) for r in found)


def _without(options: Mapping[str, Option], given: Given) -> Mapping[str, Option]:
    """The options as if a deprecated one were gone."""
    if not given.option.deprecated:
        return options
    return {name: option for name, option in options.items() if option.name != given.option.name}


def _told(given: Given, renamed: Rename) -> Rename | None:
    """The rename, if the table's note on the deprecated option names the new one."""
    head = renamed.after.replace("=", " ").split()[0]
    if not re.search(rf"{re.escape(head)}(?![\w-])", given.option.deprecated):
        return None
    return replace(renamed, why=f"`{given.written}` is deprecated")


def edits(renames: Iterable[Rename]) -> Iterator[Edit]:
    """The edits of a profile that make the renames, from the last word on, so that no place moves."""
    renames = tuple(renames)
    words = {index: word for r in renames for index, word in r.words.items()}
    beside = {min(r.words): r.beside for r in renames if r.beside}
    for index in sorted(words, reverse=True):
        at, word = ("extra_args", index), words[index]
        if index in beside:
            yield Insert(("extra_args", index + 1), beside[index])
        yield Drop(at) if word is None else Put(at, word)


def _unsaid(renamed: Rename, taken: AbstractSet[str], options: Mapping[str, Option]) -> Rename:
    """The rename without a word beside it that the line says anyhow, or that the new version does not know."""
    option = options.get(renamed.beside.partition("=")[0])
    if option is None or taken & set(option.names):
        return replace(renamed, beside="")
    return replace(
        renamed, after=f"{renamed.after} {renamed.beside}", why=f"{renamed.why}; it implied `{renamed.beside}`"
    )


def _merge(
    framework: Framework,
    flag: Given,
    given: Sequence[Given],
    words: Sequence[str],
    options: Mapping[str, Option],
    *,
    deprecated: bool,
) -> Rename | None:
    """A switch and an option that became one option: the option's word is replaced, and the switch goes."""
    partner, into = framework.merged.get(flag.option.name, ("", ""))
    known = options.get(flag.option.name)
    other = next((g for g in given if partner in g.option.names and g.values), None)
    old = flag.option.deprecated and not deprecated  # it was so before: this version changes nothing
    if into not in options or other is None or old or (known and not known.deprecated):
        return None
    attached = f"={other.value}" if "=" in words[other.index] else ""
    why = f"`{flag.written}` is {'deprecated' if known else 'gone'}: `{into}` says both"
    edits: dict[int, str | None] = {flag.index: None, other.index: into + attached}
    return Rename(f"{flag.written} {other.written}", into, why, edits)


def _rename(framework: Framework, given: Given, word: str, options: Mapping[str, Option]) -> Rename | None:
    spellings = dict.fromkeys((given.written.replace("_", "-"), *given.option.names))
    if given.off or given.written.partition(".")[0] in options or given.option.name in options:
        return None
    alias = next((name for name in spellings if name in options), "")
    gone = next((name for name in spellings if name in framework.successors), "")
    head, fixed = _split(alias or framework.successors.get(gone, ""))
    target = options.get(head)
    if target is None or target.takes_value != (bool(fixed) or given.option.takes_value):
        return None
    translated = framework.successor_values.get(gone, {})
    values = [translated.get(v, v) for v in given.values]
    if (fixed and given.option.takes_value) or (target.choices and not set(values) <= set(target.choices)):
        return None
    attached = fixed or (f"={values[0]}" if "=" in word and values else "")
    edits: dict[int, str | None] = {given.index: head + attached}
    if "=" not in word:
        edits |= {given.index + 1 + i: v for i, v in enumerate(values) if v != given.values[i]}
    shown = [v for v in dict.fromkeys(given.values) if v in translated]  # the catalogue's words only
    before, after = " ".join([given.written, *shown]), " ".join([head + fixed, *(translated[v] for v in shown)])
    return Rename(before, after, last_with(framework, gone or given.written), edits)


def _split(successor: str) -> tuple[str, str]:
    """The option of a successor, and the value that belongs to it as `=value`."""
    head, _, value = successor.replace(" ", "=").partition("=")
    return head, f"={value}" if value else ""


def last_with(framework: Framework, option: str) -> str:
    """A sentence on the last release that knows ``option``."""
    versions = catalog.options(framework.id).known_in(option)
    return f"{framework.name} {versions[-1]} was the last with `{option}`" if versions else ""


def first_with(framework: Framework, option: str) -> str:
    """A sentence on the first release that knows ``option``."""
    versions = catalog.options(framework.id).known_in(option)
    return f"`{option}` came with {framework.name} {versions[0]}" if versions else ""
