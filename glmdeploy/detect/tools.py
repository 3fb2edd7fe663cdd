"""The programs and libraries that know a live machine's GPUs, in the order in which they are asked."""

from __future__ import annotations

import shutil
import subprocess
from functools import partial
from typing import TYPE_CHECKING

from glmdeploy.detect import amd, nvidia
from glmdeploy.detect.seen import Devices, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from glmdeploy.detect.root import Root

_SECONDS = 60  # a driver that does not persist takes many seconds to wake eight GPUs
_ROCM = ("rocm-smi", "--showproductname", "--showmeminfo", "vram", "--json")


def sources(root: Root) -> Iterator[tuple[str, Callable[[], Devices]]]:
    """What to ask, by name; nothing on a recording. Each raises `nvidia.NotReadError` with its reason."""
    if not root.live:
        return
    yield "NVML", nvidia.from_nvml
    yield "nvidia-smi -q -x", partial(_xml)
    yield "nvidia-smi --query-gpu", partial(_table)
    yield "rocm-smi", partial(_rocm)


def _xml() -> Devices:
    return nvidia.from_xml(_run("nvidia-smi", "-q", "-x"))


def _table() -> Devices:
    output = _run("nvidia-smi", f"--query-gpu={','.join(nvidia.QUERY)}", "--format=csv,noheader,nounits")
    return nvidia.from_table(output.splitlines())


def _rocm() -> Devices:
    return amd.from_rocm_smi(_run(*_ROCM))


def _run(*argv: str) -> str:
    """What a program prints, also when it fails half way: a lost GPU makes nvidia-smi fail and the others are listed."""
    program = shutil.which(argv[0])
    if program is None:
        raise nvidia.NotReadError("not on PATH")
    try:
        done = subprocess.run(  # noqa: S603  our own words, no shell
            [program, *argv[1:]], capture_output=True, timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise nvidia.NotReadError(f"no answer after {_SECONDS} s") from None
    except OSError as error:
        raise nvidia.NotReadError(error.strerror or str(error)) from None
    text = done.stdout[: nvidia.MAX_BYTES].decode("utf-8", "replace")
    if done.returncode and not text.strip():
        raise nvidia.NotReadError(f"it failed: {plain(done.stderr.decode('utf-8', 'replace')) or done.returncode}")
    return text
