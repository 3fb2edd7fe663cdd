"""`glmdeploy images list` and `glmdeploy images lock`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from glmdeploy import images, pipeline, registry
from glmdeploy.bundle import write_file
from glmdeploy.cli import talk
from glmdeploy.diagnostics import Diagnostic, ProfileError, WriteError

if TYPE_CHECKING:
    from glmdeploy.forms.images import ImageListForm

_FILE = click.option(
    "--file", "file", metavar="FILE", default=images.LOCK, show_default=True, help="The file of digests."
)


@click.group(name="images")
def command() -> None:
    """List container images, and look their digests up in the registries.

    A tag can be moved to another image; a digest cannot. `lock` asks the
    registries (no other command that writes files uses a network) and writes the
    answers to a file that you commit; a render then names tag and digest.

    \b
    Examples:
      glmdeploy images list
      glmdeploy images lock glm-5.2-fp8-8xh200-vllm
      glmdeploy images lock prod.yaml --file prod-images.yaml
      glmdeploy render prod.yaml --images-lock prod-images.yaml
    """


@command.command(name="list")
@_FILE
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="For whom."
)
def list_images(file: str, form: str) -> None:
    """Show the documented images and those of the file, with digests.

    The catalogue holds an image only where a source shows that it exists; it
    holds no digests. `-` means that the file knows none.
    """
    known = _known(file)
    rows = {name: known.get(name, "") for name in sorted({*known, *images.catalogued()})}
    if form == "json":
        data: ImageListForm = {
            "format": "glmdeploy-image-list/v1",
            "images": [{"image": n, "digest": d} for n, d in rows.items()],
        }
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
        return
    width = max(map(len, rows))
    for name, digest in rows.items():
        click.echo(f"{name:{width}}  {digest or '-'}")


@command.command(name="lock")
@click.argument("names", nargs=-1, metavar="[PROFILE|IMAGE...]")
@_FILE
@click.option("--update", is_flag=True, help="Ask again for those that the file knows.")
@click.option("--timeout", type=click.FloatRange(min=0.1, max=600), default=30, show_default=True, help="Seconds.")
def lock(names: tuple[str, ...], *, file: str, update: bool, timeout: float) -> None:
    """Ask the registries for digests, and write them to the file.

    PROFILE is a file or the name of a shipped profile (the engine's image, one
    with weights, one that downloads), IMAGE a reference with a tag; without any, all documented images are asked for. Anonymously, over
    https: private registries that want credentials are not asked twice. Those
    that answer are written, also when others do not (exit code 1).
    """
    known = _known(file)
    found: list[Diagnostic] = []
    wanted = _wanted(names, found)
    for name in wanted:
        if name in known and not update:
            continue
        try:
            known[name] = registry.digest(name, timeout=timeout)
        except ProfileError as error:
            found += error.diagnostics
            continue
        click.echo(f"{name}@{known[name]}")
    try:
        write_file(Path(file), images.dump(known))
    except WriteError as error:
        found += error.diagnostics
    talk.say(found)
    sys.exit(talk.REFUSED if found else talk.OK)


def _known(file: str) -> dict[str, str]:
    try:
        return images.read(Path(file)) if Path(file).exists() else {}
    except ProfileError as error:
        talk.stop(error.diagnostics)


def _wanted(names: tuple[str, ...], found: list[Diagnostic]) -> list[str]:
    wanted: list[str] = []
    for name in names:
        if ":" in name and not Path(name).exists():
            wanted.append(name)
            continue
        try:
            outcome = pipeline.judge(pipeline.open_profile(name))
        except ProfileError as error:
            found += error.diagnostics
            continue
        if outcome.plan is None:
            found += outcome.found
        else:
            wanted += images.all_pulled(outcome.plan.spec)
    return [name for name in dict.fromkeys(wanted or ([] if names else images.catalogued())) if "@" not in name]
