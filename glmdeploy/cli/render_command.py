"""`glmdeploy render`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from glmdeploy import pipeline
from glmdeploy.bundle import refuse_clobber, write_file
from glmdeploy.cli import talk
from glmdeploy.cli.options import deployment, document, workspace_of
from glmdeploy.diagnostics import Level, ProfileError, WriteError

if TYPE_CHECKING:
    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.pipeline import Outcome


# `command` is long by its options and its help, which click reads from signature and docstring.
@click.command(name="render")
@deployment
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="NAME",
    help="script, compose, kubernetes, systemd, slurm, argocd or flux; repeatable. Default: the first three.",
)
@click.option(
    "--all", "everything", is_flag=True, help="Render every bundle that the workspace lists, and its lock file."
)
@click.option("-o", "--output", metavar="DIR", help="Folder to write; - prints. Default: ./NAME.")
@click.option("--force", is_flag=True, help="Overwrite files that glmdeploy did not write.")
@click.option(
    "--images-lock",
    metavar="FILE",
    help="Digests of images. Default: images.lock.yaml beside the profile, where there is one.",
)
@click.option(
    "--save-profile", metavar="FILE", help="Also write the profile that the options describe, and its schema."
)
def command(
    profile: str | None,
    *,
    everything: bool,
    output: str | None,
    force: bool,
    images_lock: str | None,
    save_profile: str | None,
    **given: Any,
) -> None:
    """Write launch scripts, Compose files, Kubernetes manifests, and files for systemd and Slurm.

    PROFILE is a file, or the name of a shipped profile; options override its
    keys, and do without one. A file that glmdeploy did not write, or that was
    edited since, is never overwritten without --force (exit code 3). All YAML
    passes `lint --bundle` before anything is written. --all renders what
    `glmdeploy.yaml` lists, or nothing when any of it is refused.

    \b
    Examples:
      glmdeploy render --framework sglang --gpus 10xH100
      glmdeploy render --framework vllm --gpus 8xB200 -o deploy/glm
      glmdeploy render profiles/prod.yaml -o - | less
      glmdeploy render --all
    """
    if everything:
        if profile or output or images_lock or save_profile:
            raise click.UsageError(
                "--all takes everything from the workspace: no PROFILE, -o, --images-lock, --save-profile"
            )
        _all(given, force=force)
        return
    if save_profile == "-":
        raise click.UsageError("--save-profile takes the name of a file")
    folder = Path()
    written: tuple[str, ...] = ()
    said: tuple[Diagnostic, ...] = ()
    try:
        outcome = pipeline.judge(document(profile, given), images_lock=images_lock)
        bundle = pipeline.render(outcome)
        folder = Path(output) if output else Path(_name(outcome))
        if save_profile:
            saved = pipeline.profile_text(outcome)
            refuse_clobber(Path(save_profile), saved, force=force)
            if output != "-":
                bundle.refuse_clobber(folder, force=force)
            write_file(Path(save_profile), saved)
            said = _schema(Path(save_profile), force=force)
        if output == "-":
            sys.stdout.write(bundle.text())
        else:
            written = bundle.write(folder, force=force)
    except ProfileError as error:
        talk.stop(error.diagnostics)
    except WriteError as error:
        talk.stop(error.diagnostics, talk.CLOBBER if error.clobber else talk.REFUSED)
    talk.say((*outcome.found, *bundle.found, *said))
    if output != "-":
        _report(outcome, folder, written)


def _all(given: dict[str, Any], *, force: bool) -> None:
    """Render a workspace: all of it, or nothing."""
    from glmdeploy import gitops  # noqa: PLC0415  one profile needs none of it

    try:
        space = workspace_of(given)
        rendered = gitops.render(space)
        gitops.write(space, rendered, force=force)
    except ProfileError as error:
        talk.stop(error.diagnostics)
    except WriteError as error:
        talk.stop(error.diagnostics, talk.CLOBBER if error.clobber else talk.REFUSED)
    said = (*gitops.shared(space, rendered), *gitops.forgotten(space, Level.WARNING))
    talk.say((*gitops.once(d for one in rendered for d in one.found), *said))
    for one in rendered:
        click.echo(one.folder)
    click.echo(space.folder / gitops.lock.FILE)


def _schema(profile: Path, *, force: bool) -> tuple[Diagnostic, ...]:
    """The schema that the profile's first line names, written beside it."""
    from glmdeploy import schemas  # noqa: PLC0415  only a saved profile needs it

    return schemas.save_beside(profile, force=force)


def _name(outcome: Outcome) -> str:
    return outcome.plan.spec.name if outcome.plan else ""


def _report(outcome: Outcome, folder: Path, written: tuple[str, ...]) -> None:
    plan = outcome.plan
    if plan is None:
        return
    click.echo(
        f"{plan.spec.name}: {plan.verdict.value}, {plan.layout.label}, context {plan.settings.context:,} tokens",
        err=True,
    )
    for path in written:
        click.echo(f"{folder / path}")
