"""`glmdeploy detect`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from glmdeploy import catalog, detect, profile, source, spec
from glmdeploy.bundle import refuse_clobber, write_file
from glmdeploy.cli import talk
from glmdeploy.cli.options import count_and_gpu
from glmdeploy.detect import report
from glmdeploy.diagnostics import ProfileError, WriteError

if TYPE_CHECKING:
    from glmdeploy.detect import Report


@click.command(name="detect")
@click.option("-o", "--output", metavar="FILE", help="File to write, whole or not at all. Default: print.")
@click.option("--force", is_flag=True, help="Overwrite a file that differs.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["yaml", "json", "text"]),
    default="yaml",
    show_default=True,
    help="For a profile, for programs, or for people.",
)
@click.option("--profile", "name", metavar="NAME", help="Write a whole profile of this name; with --framework.")
@click.option("--framework", metavar="NAME", help="Its framework: sglang, vllm, transformers or ktransformers.")
@click.option("--gpus", metavar="NxGPU", help="GPUs of this host, where they cannot be read: 8xH200.")
@click.option("--hosts", type=click.IntRange(1, 1024), default=1, show_default=True, help="Hosts like this one.")
@click.option("--weights", metavar="DIR", type=click.Path(path_type=Path), help="Folder of the weights: say its disk.")
@click.option(
    "--root", metavar="DIR", type=click.Path(path_type=Path), default=Path("/"), help="A recorded /proc and /sys."
)
@click.option(
    "--nvidia-smi", metavar="FILE", type=click.Path(path_type=Path), help="A recorded `nvidia-smi -q -x`, or its CSV."
)
def command(
    output: str | None,
    *,
    force: bool,
    form: str,
    name: str | None,
    framework: str | None,
    gpus: str | None,
    hosts: int,
    weights: Path | None,
    root: Path,
    nvidia_smi: Path | None,
) -> None:
    """Read this host, and write the `cluster` section of a profile.

    GPUs through NVML (with the extra `detect`), nvidia-smi, or the AMD driver's
    files; cores, instructions, NUMA nodes, RAM, control groups and RDMA devices
    from /proc and /sys. What could not be read, and what a plan must not
    overlook (MIG, a lost GPU, an old driver), is said on stderr. No host name,
    serial number or address is written. It works without a GPU too.

    \b
    Examples:
      glmdeploy detect -o host.yaml
      glmdeploy detect --profile prod --framework vllm --hosts 2 -o prod.yaml
      glmdeploy detect --root recorded/ --nvidia-smi recorded/smi.xml
    """
    if bool(name) != bool(framework):
        raise click.UsageError("--profile and --framework go together")
    try:
        found = detect.read(detect.Sources(root, nvidia_smi, weights, hosts))
        found = _with_gpus(found, gpus, hosts) if gpus else found
        _check_names(found, name or "host", framework or "sglang")
        text = {"json": report.as_json, "text": report.for_people}.get(form, report.as_yaml)(found)
        if form == "yaml":
            text = report.as_yaml(found, name or "", framework or "")
        _put(text, output, force=force)
    except ProfileError as error:
        talk.stop(error.diagnostics)
    except WriteError as error:
        talk.stop(error.diagnostics, talk.CLOBBER if error.clobber else talk.REFUSED)
    sys.stdout.flush()
    if form != "json" or output:
        talk.say(found.found)


def _with_gpus(found: Report, gpus: str, hosts: int) -> Report:
    """The report with the GPUs that the option names in place of those that were read."""
    count, gpu = count_and_gpu(gpus)
    section = {"gpu": gpu, "gpus": count * hosts, "gpus_per_node": count}
    missing = tuple(d for d in found.found if d.code != "GLM941")
    return replace(
        found, cluster={**section, **{k: v for k, v in found.cluster.items() if k not in section}}, found=missing
    )


def _check_names(found: Report, name: str, framework: str) -> None:
    """ProfileError for a name that no profile may have, and for unknown GPUs and frameworks."""
    if "gpu" in found.cluster:
        document = source.from_options(report.document(found, name, framework), {})
        spec.resolve(profile.parse(document), catalog.load())


def _put(text: str, output: str | None, *, force: bool) -> None:
    if output is None or output == "-":
        talk.put(text, "backslashreplace")
        return
    refuse_clobber(Path(output), text, force=force)
    write_file(Path(output), text)
    click.echo(output)
