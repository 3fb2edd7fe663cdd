#!/usr/bin/env python3
"""Installs what `pytest -m engines` asks: the released parsers of all four frameworks, without a GPU.

    python .ci/engines/setup.py DIR [sglang|vllm|transformers]...        (default: all three)

Run it with the Python in which glmdeploy is installed, 3.11. DIR/sglang, DIR/vllm and DIR/transformers become
environments with the frameworks' dependencies, pinned in the .txt files beside this one; DIR/wheels holds the
releases, unpacked without their compiled parts: the oldest, the default and the newest of each framework, or every
supported one with GLMDEPLOY_ENGINE_VERSIONS=all. sglang-kt shares SGLang's environment. What is there already is
kept, so that a second run goes on where the first one stopped. Then: export GLMDEPLOY_ENGINES=DIR

Exit status: 0 all there; 77 something is not to be had here, each with a line "SKIPPED: WHAT because WHY"; 2 usage.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from glmdeploy import catalog

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = ("sglang", "vllm", "transformers")
# Package -> the framework that it is to us, and the environment with its dependencies.
PACKAGES = {
    "sglang": ("sglang", "sglang"),
    "sglang-kt": ("ktransformers", "sglang"),
    "vllm": ("vllm", "vllm"),
    "transformers": ("transformers", "transformers"),
}
COMPILED = (".so", ".a", ".cubin")
ROOM = 8_000_000_000  # bytes that the three environments and pip's temporary files need
LIMIT = 900  # seconds for one environment


# Releases that golden bundles use beside those.
OF_BUNDLES = {"vllm": {"0.28.0"}}


class NotHereError(Exception):
    """Something cannot be installed on this machine, for the reason given."""


def versions(framework: str) -> list[str]:
    """The releases that the lane asks: oldest, default and newest, or all."""
    entry = catalog.load().frameworks[framework]
    if os.environ.get("GLMDEPLOY_ENGINE_VERSIONS") == "all":
        return [str(v) for v in entry.tested]
    return sorted({*map(str, (min(entry.tested), entry.default, max(entry.tested))), *OF_BUNDLES.get(framework, ())})


def call(*command: str | Path) -> None:
    """Run a command in silence; NotHereError with the line that says most when it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise NotHereError(f"it took longer than {LIMIT} s") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise NotHereError(next((line for line in lines if line.startswith("ERROR")), lines[-1]))


def install(name: str, folder: Path) -> str:
    """One environment, unless it is there with the same requirements."""
    wanted = (HERE / f"{name}.txt").read_text(encoding="utf-8")
    mark = folder / name / "installed.txt"
    if mark.exists() and mark.read_text(encoding="utf-8") == wanted:
        return "already there"
    if shutil.disk_usage(folder).free < ROOM:
        raise NotHereError(f"{folder} has less than {ROOM // 10**9} GB free")
    call(sys.executable, "-m", "venv", "--clear", folder / name)
    pip = (folder / name / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "--no-cache-dir")
    # The frameworks' own requirements cannot be met without a GPU's libraries: torch brings what it needs, and
    # all others are listed completely.
    torch = [line for line in wanted.splitlines() if line.startswith("torch")]
    if torch:
        call(*pip, "--only-binary=:all:", *torch)
    call(*pip, "--no-deps", "-r", HERE / f"{name}.txt")
    mark.write_text(wanted, encoding="utf-8")
    return "installed"


def unpack(package: str, version: str, folder: Path) -> str:
    """One release below DIR/wheels, unless it is there."""
    target = folder / "wheels" / f"{package}-{version}"
    if target.exists():
        return "already there"
    with tempfile.TemporaryDirectory(prefix="glmdeploy-engines-", dir=folder) as scratch:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-cache-dir"]
        pip += ["--no-deps", "--only-binary=:all:", "--python-version", "3.11", "--dest", scratch]
        call(*pip, f"{package}=={version}")
        part = Path(scratch) / "unpacked"
        with zipfile.ZipFile(next(Path(scratch).glob("*.whl"))) as wheel:
            wheel.extractall(part, [name for name in wheel.namelist() if not name.endswith(COMPILED)])
        part.rename(target)
    return "unpacked"


def attempt(what: str, step: Callable[..., str], *rest: object) -> bool:
    """Do one step and say how it went."""
    try:
        print(f"{what}: {step(*rest)}", flush=True)
    except (NotHereError, OSError, zipfile.BadZipFile) as error:
        print(f"SKIPPED: {what} because {error}", flush=True)
        return False
    return True


def main() -> int:
    """Install what was named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="DIR", type=Path)
    parser.add_argument("names", metavar="ENVIRONMENT", nargs="*")
    given = parser.parse_args()
    if unknown := set(given.names) - set(ENVIRONMENTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    names = given.names or ENVIRONMENTS
    if sys.version_info[:2] != (3, 11):
        print(f"SKIPPED: {', '.join(names)} because the pinned packages are for Python 3.11")
        return 77
    folder = given.folder.resolve()
    (folder / "wheels").mkdir(parents=True, exist_ok=True)
    complete = True
    for name in names:
        complete &= attempt(name, install, name, folder)
        for package, (framework, environment) in PACKAGES.items():
            for version in versions(framework) if environment == name else ():
                complete &= attempt(f"{package} {version}", unpack, package, version, folder)
    return 0 if complete else 77


if __name__ == "__main__":
    sys.exit(main())
