"""A GitOps repository to start from: a workspace, one profile, its bundles, and the CI that checks them.

The files are what a person would write; the bundles are rendered from them as `render --all` would, and so pass `lint`
and `check` at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from glmdeploy import __version__, gitops, pipeline, resources, schemas, source, templating, workspace
from glmdeploy.bundle import write_file
from glmdeploy.diagnostics import Diagnostic, Level, ProfileError, Span, WriteError
from glmdeploy.workspace import API_VERSION, FILE

if TYPE_CHECKING:
    from pathlib import Path

    from glmdeploy.profile import Profile
    from glmdeploy.source import Source

CI = Literal["github", "gitlab", "none"]

REQUIREMENT = f"glmdeploy=={__version__}"  # as it stands in the CI templates
PROFILES = "profiles"
WORKSPACE_SCHEMA = "glmdeploy-workspace.schema.json"
WORKFLOWS: dict[CI, tuple[str, str]] = {
    "github": (".github/workflows/glmdeploy.yaml", "ci/github.yaml"),
    "gitlab": (".gitlab-ci.yml", "ci/glmdeploy.gitlab-ci.yml"),
}
_AT_THE_ROOT = (".pre-commit-config.yaml", *(file for file, _ in WORKFLOWS.values()))
_APPLIERS = {"argocd", "flux"}  # targets that name the bundle's folder in its repository


@dataclass(frozen=True)
class Answers:
    """What `init` asks for beside the profile."""

    environments: tuple[str, ...] = ("prod",)
    namespace: str = "llm"
    folder: str = "clusters"  # of the bundles
    ci: CI = "github"
    requirement: str = REQUIREMENT  # what pip installs in CI


@dataclass(frozen=True)
class Environment:
    """One environment: where its bundle goes, and what it changes; texts are empty where nothing is to be changed."""

    name: str
    output: str
    namespace: str
    git_path: str


@dataclass(frozen=True)
class Made:
    """What was written, and what is to be said: of the profile, and of files that were there and stay."""

    written: tuple[str, ...]
    found: tuple[Diagnostic, ...]


def environments(profile: Profile, answers: Answers, below: str = "") -> tuple[Environment, ...]:
    """Every environment of the answers; with several, each has a namespace of its own.

    ``below`` is the workspace's folder in its repository, ending in `/`: paths of Argo CD and Flux start at the root.
    """
    several = len(answers.environments) > 1
    made = []
    for name in answers.environments:
        output = f"{answers.folder}/{name}/{profile.name}"
        wanted = bool(_APPLIERS & set(profile.targets)) and profile.git.path is None
        namespace = f"{answers.namespace}-{name}" if several else ""
        made.append(Environment(name, output, namespace, f"{below}{output}/kubernetes" if wanted else ""))
    return tuple(made)


def make(folder: Path, document: Source, answers: Answers) -> Made:
    """Write the repository's files and bundles into ``folder``.

    ProfileError when the profile is refused in an environment, WriteError when a workspace is there already or something
    cannot be written. A file that is there stays, and is named in a note.
    """
    outcome = pipeline.judge(document)
    if outcome.profile is None or any(d.level is Level.ERROR and d.code != "GLM543" for d in outcome.found):
        raise ProfileError(outcome.found)  # an environment may still name the folder that GLM543 misses
    below = _below(folder)
    several = environments(outcome.profile, answers, below)
    files = _files(outcome.profile, pipeline.profile_text(outcome), several, answers, at_root=not below)
    said = _without_root_files(folder, files) if below else []
    _refuse_workspace(folder, files)
    _judge(f"{PROFILES}/{outcome.profile.name}.yaml", files, several)
    written, kept = _write(folder, files)
    space = workspace.load(str(folder / FILE))
    rendered = gitops.render(space)
    gitops.write(space, rendered)
    found = gitops.once(d for one in rendered for d in one.found)
    return Made((*written, *(one.output for one in several), gitops.lock.FILE), (*found, *kept, *said))


def _below(folder: Path) -> str:
    """The folder inside its Git repository, ending in `/`; empty at the root, and where there is no repository."""
    full = folder.absolute()
    root = next((p for p in (full, *full.parents) if (p / ".git").exists()), full)
    inside = full.relative_to(root).as_posix()
    return "" if inside == "." else f"{inside}/"


def _without_root_files(folder: Path, files: dict[str, str]) -> list[Diagnostic]:
    """Take out what is read at the root of a repository only, and say so."""
    names = [name for name in _AT_THE_ROOT if name in files]
    for name in names:
        del files[name]
    hint = "write them by hand at the root, with this folder as the working directory; or take the root for `init`"
    message = f"{', '.join(f'`{n}`' for n in names)} would count only at the root of the repository: not written"
    return [Diagnostic("GLM572", message, Level.WARNING, span=Span(str(folder)), hint=hint)]


def _judge(profile: str, files: dict[str, str], several: tuple[Environment, ...]) -> None:
    """ProfileError when the files would be refused in an environment; nothing is written yet."""
    reader = workspace.Reader(lambda path: source.parse(path, files[path]), lambda _: FILE)
    for one in several:
        document = workspace.document(profile, environment=one.name, reader=reader)
        pipeline.render(pipeline.judge(document))


def _files(
    profile: Profile, text: str, several: tuple[Environment, ...], answers: Answers, *, at_root: bool
) -> dict[str, str]:
    """Path -> text of everything but the bundles."""
    name = f"{PROFILES}/{profile.name}.yaml"
    workflow, template = WORKFLOWS.get(answers.ci, ("", ""))
    context = {
        "api_version": API_VERSION,
        "schema": f"{PROFILES}/{WORKSPACE_SCHEMA}",
        "profile": name,
        "environments": several,
        "namespace": answers.namespace,
        "kubernetes": "kubernetes" in profile.targets,
        "folder": answers.folder,
        "pattern": _pattern(answers.folder),
        "requirement": answers.requirement,
        "ci_file": workflow,
        "at_root": at_root,
    }
    files = {
        FILE: templating.render("scaffold/glmdeploy.yaml.j2", **context),
        name: text,
        f"{PROFILES}/{pipeline.SCHEMA_FILE}": schemas.text("profile"),
        f"{PROFILES}/{WORKSPACE_SCHEMA}": schemas.text("workspace"),
        ".gitattributes": templating.render("scaffold/gitattributes.j2", **context),
        ".pre-commit-config.yaml": templating.render("scaffold/pre-commit-config.yaml.j2", **context),
        "README.md": templating.render("scaffold/README.md.j2", **context),
    }
    if workflow:
        shipped = (resources.folder("templates") / template).read_text(encoding="utf-8")
        files[workflow] = shipped.replace(f'"{REQUIREMENT}"', templating.yaml(answers.requirement))
    return files


def _pattern(folder: str) -> str:
    """Everything below a folder, as `.gitattributes` takes it: quoted where it holds a space or a quote."""
    text = "/" + re.sub(r"([\\*?\[])", r"\\\1", folder) + "/**"
    return text if re.fullmatch(r"[!-~]+", text) and '"' not in text else templating.yaml(text)


def _refuse_workspace(folder: Path, files: dict[str, str]) -> None:
    """WriteError where another workspace or profile stands: the bundles would be rendered from that one."""
    for name in (FILE, next(n for n in files if n.startswith(PROFILES))):
        path = folder / name
        if path.exists() and not (path.is_file() and path.read_bytes() == files[name].encode()):
            hint = "edit it, and run `glmdeploy render --all`; or take another folder with -o"
            raise WriteError(
                [Diagnostic("GLM570", f"`{path}` is there already", span=Span(str(path)), hint=hint)], clobber=True
            )


def _write(folder: Path, files: dict[str, str]) -> tuple[list[str], list[Diagnostic]]:
    """The files that were written, and a note on each that was there with another text."""
    written, kept = [], []
    for name, text in files.items():
        path = folder / name
        if not path.exists():
            write_file(path, text)
            written.append(name)
        elif path.read_bytes() != text.encode():
            kept.append(_kept(path))
    return written, kept


def _kept(path: Path) -> Diagnostic:
    hint = "`glmdeploy init -o EMPTY-FOLDER` shows what it would hold"
    message = f"`{path}` was there and stays as it is"
    return Diagnostic("GLM571", message, Level.NOTE, span=Span(str(path)), hint=hint)
