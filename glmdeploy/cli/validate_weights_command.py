"""`glmdeploy validate-weights`."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from glmdeploy import catalog, pipeline, profile, spec, stored
from glmdeploy.cli import talk
from glmdeploy.diagnostics import Diagnostic, ProfileError, Span
from glmdeploy.stored import report

if TYPE_CHECKING:
    from glmdeploy.models import Checkpoint


@click.command(name="validate-weights")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--checkpoint", metavar="ID", help="What it should be: fp8, bf16, nvfp4, mxfp4, w4afp8, or a repository.")
@click.option("--profile", "name", metavar="PROFILE", help="The profile whose checkpoint it should be.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or for programs.",
)
def command(folder: Path, *, checkpoint: str | None, name: str | None, form: str) -> None:
    """Check a folder of weights before a server loads them.

    From the index, the headers of the shards and the small files; tensor data
    is never read. Finds half downloads, holes, LFS pointers and damaged
    headers, missing tensors, another checkpoint or model, and a config.json or
    tokenizer that does not belong to it. DIR is the folder itself, or the
    model's folder in the hub's cache. Exit code 1 when it should not be loaded.

    \b
    Examples:
      glmdeploy validate-weights /models/GLM-5.2-FP8
      glmdeploy validate-weights ~/hub/models--zai-org--GLM-5.2-FP8
      glmdeploy validate-weights /models/glm --profile prod.yaml --format json
    """
    if checkpoint and name:
        raise click.UsageError("give --checkpoint or --profile, not both")
    try:
        asked = _named(checkpoint) if checkpoint else _of_profile(name) if name else None
    except ProfileError as error:
        talk.stop(error.diagnostics)
    found = stored.check(folder, catalog.load().model, asked)
    if form == "json":
        talk.put(report.as_json(found), "backslashreplace")
    else:
        talk.put(report.for_people(found), "backslashreplace")
        sys.stdout.flush()
        talk.say(found.found)
    sys.exit(talk.OK if found.usable else talk.REFUSED)


def _named(name: str) -> Checkpoint:
    """The catalogue's checkpoint by id or repository; ProfileError with GLM104 otherwise."""
    known = {key.lower(): c for c in catalog.load().model.checkpoints for key in (c.id, c.repo)}
    if found := known.get(name.lower()):
        return found
    near = difflib.get_close_matches(name.lower(), known, n=2)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(k for k in known if '/' not in k)}"
    raise ProfileError([Diagnostic("GLM104", f"unknown checkpoint {name!a}", span=Span("--checkpoint"), hint=hint)])


def _of_profile(name: str) -> Checkpoint:
    return spec.resolve(profile.parse(pipeline.open_profile(name)), catalog.load()).checkpoint
