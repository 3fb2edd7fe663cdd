"""The environment variables that each released framework reads under its own prefix.

    python .ci/flags/variables.py FRAMEWORK                      every release anew
    python .ci/flags/variables.py FRAMEWORK --version V          this release only, into the file
    python .ci/flags/variables.py FRAMEWORK --version V --check  this release against the file: exit status 1 on a
                                                                 difference

A name counts when some module of the wheel has it as a whole string or as the name of a class member (SGLang declares
its variables that way). A word inside a longer text does not count; a whole string that ends in `_` does, and stands
for the names that are made from it. The releases, their wheels and hashes are those of
`glmdeploy/catalog/flags/FRAMEWORK.json`: a wheel that is not the one named there stops the run.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from common import ROOT, committed, download, ranges, release, scratch, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = ROOT / "glmdeploy/catalog/variables"
# Framework -> the package on the index, and its own prefixes.
SOURCES = {
    "sglang": ("sglang", re.compile(r"(SGLANG|SGL)_[A-Z0-9_]+")),
    "ktransformers": ("sglang-kt", re.compile(r"(SGLANG|SGL)_[A-Z0-9_]+")),
    "vllm": ("vllm", re.compile(r"VLLM_[A-Z0-9_]+")),
}


def names(tree: ast.Module) -> Iterator[str]:
    """The whole strings and the class members of one module."""
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)):
                yield text
            case ast.ClassDef(body=body):
                yield from (
                    target.id
                    for statement in body
                    if isinstance(statement, ast.Assign)
                    for target in statement.targets
                    if isinstance(target, ast.Name)
                )


def variables(root: Path, prefix: re.Pattern[str]) -> set[str]:
    """The names with this prefix in every module below ``root``."""
    sources = (path.read_text(encoding="utf-8-sig") for path in root.rglob("*.py"))
    trees = (ast.parse(source) for source in sources if prefix.search(source))  # most modules name none
    return {name for tree in trees for name in names(tree) if prefix.fullmatch(name)}


def extract(framework: str, version: str) -> set[str]:
    """The variables of one release, from the wheel that the option table names."""
    package, prefix = SOURCES[framework]
    known, _ = committed(framework)[version]
    with scratch() as folder:
        wheel = download(package, version, Path(folder))
        if release(wheel, version, known.read, known.method) != known:
            sys.exit(f"{wheel.name} is not the wheel that flags/{framework}.json names")
        unpack(wheel, Path(folder) / "unpacked")
        return variables(Path(folder) / "unpacked", prefix)


def read(framework: str) -> dict[str, set[str]]:
    """What the file says now: version -> variables."""
    path = FOLDER / f"{framework}.json"
    if not path.exists():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    tables: dict[str, set[str]] = {version: set() for version in content["releases"]}
    for name, runs in content["variables"].items():
        for first, last in runs:
            for version in content["releases"][first : last + 1]:
                tables[version].add(name)
    return tables


def write(framework: str, tables: dict[str, set[str]]) -> None:
    """One variable a line, with the runs of releases that read it."""
    versions = [version for version in committed(framework) if version in tables]
    rows = []
    for name in sorted(set().union(*tables.values())):
        runs = ranges([index for index, version in enumerate(versions) if name in tables[version]])
        rows.append(f"  {json.dumps(name)}: {json.dumps(runs)}")
    body = ",\n".join(rows)
    FOLDER.mkdir(exist_ok=True)
    text = f'{{\n "releases": {json.dumps(versions)},\n "variables": {{\n{body}\n }}\n}}\n'
    (FOLDER / f"{framework}.json").write_text(text, encoding="utf-8")


def main() -> int:
    """The command line; exit status 1 if a comparison found a difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("framework", choices=SOURCES)
    parser.add_argument("--version", nargs="+", help="these only; the others stay as the file has them")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the file says otherwise")
    asked = parser.parse_args()
    known = read(asked.framework)
    found = {version: extract(asked.framework, version) for version in asked.version or committed(asked.framework)}
    if not asked.check:
        write(asked.framework, known | found)
        return 0
    differing = {v: table ^ known.get(v, set()) for v, table in found.items() if table != known.get(v, set())}
    for version, odd in differing.items():
        print(f"{version}: {', '.join(sorted(odd))}")
    return int(bool(differing))


if __name__ == "__main__":
    sys.exit(main())
