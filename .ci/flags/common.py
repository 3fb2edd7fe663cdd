"""Option tables of released frameworks: one normal form, and one compact file for all versions.

An extractor turns one unpacked wheel into `Option`s. `merge` folds the versions of a framework into
entries with ranges, which is what `glmdeploy/catalog/flags/<framework>.json` holds, one entry a line.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ROOT / "glmdeploy/catalog/flags"


@dataclass(frozen=True)
class Option:
    """One option of one version.

    ``names``: every spelling, the long canonical one first. ``kind``: int, float, str, json, flag (takes no value), or
    an int that may have a suffix: int-iec (k and M are decimal, Ki and Mi binary), int-case (k is decimal, K binary),
    int-case-auto (the same, or "auto").
    ``choices``: the accepted values as strings, empty when any. ``values``: how many values it takes, argparse's
    nargs: "" for one, "0" for none, or "+", "*", "?", "2" ... ``negative``: the `--no-x` spelling, or "".
    ``deprecated``: the reason in a few words of our own ("use --x"), "yes" when none is given, "" when it is not.
    ``repeatable``: whether each mention adds a value; of any other option the last mention counts.
    """

    names: tuple[str, ...]
    kind: str
    choices: tuple[str, ...] = ()
    values: str = ""
    negative: str = ""
    deprecated: str = ""
    repeatable: bool = False


@dataclass(frozen=True)
class Release:
    """One released wheel and how it was read: "parser" (the real one, imported) or "ast" (static)."""

    version: str
    wheel: str
    sha256: str
    read: str
    method: str


def download(package: str, version: str, folder: Path) -> Path:
    """The wheel of a release, from the configured package index, without dependencies."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--python-version", "3.11", "--dest", str(folder), f"{package}=={version}"]
    subprocess.run(command, check=True)  # noqa: S603  the arguments are ours
    return next(folder.glob("*.whl"))


def unpack(wheel: Path, folder: Path, suffixes: tuple[str, ...] = (".py",)) -> None:
    """The wheel's files with these suffixes."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith(suffixes):
                archive.extract(name, folder)


def release(wheel: Path, version: str, read: str, method: str) -> Release:
    """What identifies the wheel that was read."""
    return Release(version, wheel.name, hashlib.sha256(wheel.read_bytes()).hexdigest(), read, method)


def merge(releases: list[Release], tables: list[list[Option]]) -> str:
    """The catalogue file: releases in order, and each distinct option with the runs of releases that have it."""
    runs: dict[Option, list[int]] = {}
    for index, table in enumerate(tables):
        for option in table:
            runs.setdefault(option, []).append(index)
    lines = [json.dumps(_entry(option, ranges(indexes)), ensure_ascii=False) for option, indexes in runs.items()]
    heads = [json.dumps(asdict(r)) for r in releases]
    body = ",\n  ".join(sorted(lines))
    return '{\n "releases": [\n  ' + ",\n  ".join(heads) + '\n ],\n "options": [\n  ' + body + "\n ]\n}\n"


def _entry(option: Option, ranges: list[list[int]]) -> dict[str, object]:
    entry: dict[str, object] = {"names": list(option.names), "kind": option.kind, "in": ranges}
    for key in ("choices", "values", "negative", "deprecated", "repeatable"):
        value = getattr(option, key)
        if value:
            entry[key] = list(value) if isinstance(value, tuple) else value
    return entry


def ranges(indexes: list[int]) -> list[list[int]]:
    """Runs of consecutive release indexes, first and last."""
    ranges: list[list[int]] = []
    for index in indexes:
        if ranges and ranges[-1][1] == index - 1:
            ranges[-1][1] = index
        else:
            ranges.append([index, index])
    return ranges


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder for wheels that is removed afterwards."""
    return tempfile.TemporaryDirectory(prefix="glmdeploy-flags-")


def split(text: str) -> dict[str, tuple[Release, list[Option]]]:
    """What `merge` folded: the release and the options of each version."""
    content = json.loads(text)
    releases = [Release(**entry) for entry in content["releases"]]
    tables: list[list[Option]] = [[] for _ in releases]
    for entry in content["options"]:
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in entry.items() if key != "in"
        }
        for first, last in entry["in"]:
            for table in tables[first : last + 1]:
                table.append(Option(**fields))
    return {r.version: (r, table) for r, table in zip(releases, tables, strict=True)}


def committed(framework: str) -> dict[str, tuple[Release, list[Option]]]:
    """What the catalogue file of this framework says now; nothing when there is none."""
    path = FLAGS / f"{framework}.json"
    return split(path.read_text(encoding="utf-8")) if path.exists() else {}


def arguments(description: str) -> argparse.ArgumentParser:
    """The options that every extractor has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", nargs="+", help="these only; the others stay as the file has them")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the file says otherwise")
    parser.add_argument("--date", help="the day of reading, for wheels that the file does not know")
    return parser


def update(
    framework: str,
    versions: tuple[str, ...],
    extract: Callable[[Path], tuple[str, list[Option]]],
    asked: argparse.Namespace,
    package: str = "",
) -> int:
    """Read the asked versions from the package index, then write the catalogue file or compare with it.

    ``extract`` gives the method and the options of one wheel; ``package`` is the name on the package index where it
    is not the framework's. The exit status is returned.
    """
    if unlisted := [version for version in asked.version or () if version not in versions]:
        sys.exit(f"not among the versions of this extractor: {', '.join(unlisted)}")
    known = committed(framework)
    found = dict(known)
    for version in asked.version or versions:
        with scratch() as folder:
            wheel = download(package or framework, version, Path(folder))
            read = _day(wheel, known.get(version), asked)
            method, table = extract(wheel)
            found[version] = release(wheel, version, read, method), table
    if asked.check:
        return _report(known, found)
    rows = [found[version] for version in versions if version in found]
    FLAGS.mkdir(exist_ok=True)
    (FLAGS / f"{framework}.json").write_text(merge([r for r, _ in rows], [t for _, t in rows]), encoding="utf-8")
    return 0


def _day(wheel: Path, known: tuple[Release, list[Option]] | None, asked: argparse.Namespace) -> str:
    """When this wheel was read first."""
    if known and known[0].sha256 == hashlib.sha256(wheel.read_bytes()).hexdigest():
        return known[0].read
    if asked.check:
        sys.exit(f"{wheel.name} is not the wheel that the file names")
    if not asked.date:
        sys.exit(f"{wheel.name} is new to the file: say --date")
    return str(asked.date)


def _report(known: dict[str, tuple[Release, list[Option]]], found: dict[str, tuple[Release, list[Option]]]) -> int:
    """Print what differs, `-` for the file and `+` for the wheel."""
    status = 0
    for version, (head, table) in found.items():
        before, after = set(known[version][1]), set(table)
        for sign, options in (("-", before - after), ("+", after - before)):
            for option in sorted(options, key=lambda o: o.names):
                print(f"{version} ({head.method}) {sign} {option}")
                status = 1
    return status
