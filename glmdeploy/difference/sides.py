"""What the user names, read: a profile, a bundle's folder, or either of them as it stood in a revision."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glmdeploy import images, pipeline, source, workspace
from glmdeploy.bundle import FORMAT, MANIFEST, inside
from glmdeploy.diagnostics import Diagnostic, ProfileError, Span
from glmdeploy.difference.files import Files
from glmdeploy.difference.plans import summarised
from glmdeploy.difference.revisions import Revision, split

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from glmdeploy.bundle import Bundle
    from glmdeploy.pipeline import Outcome
    from glmdeploy.source import Source
    from glmdeploy.workspace import Workspace

    Reader = Callable[[Sequence[str]], Mapping[str, bytes]]


def open_side(text: str, *, environment: str = "", workspace_file: str | None = None) -> Outcome | Files:
    """The profile or the bundle that ``text`` names; ProfileError with a GLM0xx code when it cannot be read.

    A profile takes what the workspace adds: on disk, or as both stood in the revision.
    """
    path, rev = split(text)
    if rev:
        return _revision(Revision(path, rev), environment, workspace_file)
    if os.path.isdir(path):  # noqa: PTH112  False where permission is missing
        _alone(path, environment, workspace_file)
        return _bundle(path, lambda names: _on_disk(Path(path), names))
    outcome = pipeline.judge(pipeline.open_profile(path, environment=environment, workspace=workspace_file))
    return replace(outcome, source=replace(outcome.source, path=path))  # a shipped profile by its name


def _revision(revision: Revision, environment: str, workspace_file: str | None) -> Outcome | Files:
    found = revision.only()
    if found.kind == "tree":
        _alone(revision.name, environment, workspace_file)
        return _tree(revision)
    try:
        document = workspace.document(
            revision.path, environment=environment, workspace=workspace_file, reader=_reader(revision)
        )
        digests = _digests(revision, [revision.path, *(layer.path for _, layer in reversed(document.layers))])
    except ProfileError as error:
        raise ProfileError([replace(d, span=d.span and _named(d.span, revision)) for d in error.diagnostics]) from None
    spans = {at: _named(span, revision) for at, span in document.spans.items()}
    return pipeline.judge(replace(document, path=revision.name, spans=spans), digests=digests)


def _tree(revision: Revision) -> Files:
    def reader(names: Sequence[str]) -> Mapping[str, bytes]:
        blobs = zip(names, revision.read(*names), strict=True)
        return {name: blob.data for name, blob in blobs if blob and blob.kind == "blob"}

    return _bundle(revision.name, reader)


def bundle_at(folder: str, rev: str) -> Files | None:
    """The bundle that stood in a folder in a revision, None where there was none; ProfileError when it cannot be read."""
    revision = Revision(folder, rev)
    return _tree(revision) if revision.read(MANIFEST)[0] else None


def workspace_at(path: str, rev: str) -> Workspace | None:
    """A workspace as it stood in a revision, None where there was none; ProfileError when it cannot be read."""
    revision = Revision(path, rev)
    if revision.read("")[0] is None:
        return None
    try:
        return workspace.load(path, _reader(revision))
    except ProfileError as error:
        raise ProfileError([replace(d, span=d.span and _named(d.span, revision)) for d in error.diagnostics]) from None


def made(name: str, bundle: Bundle) -> Files:
    """A bundle in memory, as one that is read."""
    return Files(name, {a.path: a.text for a in bundle.artifacts}, figures=summarised({**(bundle.plan or {})}))


def _alone(name: str, environment: str, workspace_file: str | None) -> None:
    """Refuse what only profiles have."""
    if environment or workspace_file:
        message = f"`{name}` is a bundle: environments and workspaces belong to profiles"
        raise _refused("GLM021", message, name)


def _named(span: Span, revision: Revision) -> Span:
    """A place of a file as it stood in the revision."""
    return replace(span, path=f"{span.path}@{revision.rev}")


def _reader(revision: Revision) -> workspace.Reader:
    """Reads the files of a repository under the paths that they have on disk."""

    def read(path: str) -> Source:
        blob = revision.read(os.path.relpath(path, revision.path))[0]
        if blob is None or blob.kind != "blob":
            raise _refused("GLM001", f"cannot read `{path}`: it is not in revision `{revision.rev}`", path)
        return source.parse(path, _text(path, blob.data))

    def find(path: str) -> str | None:
        way = revision.above(workspace.FILE)
        return os.path.normpath(os.path.join(path, way)) if way else None  # noqa: PTH118  `..` of a file's own path

    return workspace.Reader(read, find)


def _digests(revision: Revision, files: Sequence[str]) -> Mapping[str, str]:
    """The image digests beside the first of these files that has some beside it."""
    locks = dict.fromkeys(str(Path(file).parent / images.LOCK) for file in files)
    for lock, blob in zip(locks, revision.read(*(os.path.relpath(k, revision.path) for k in locks)), strict=True):
        if blob and blob.kind == "blob":
            return images.parse(lock, _text(lock, blob.data))
    return {}


def _text(name: str, data: bytes) -> str:
    """Bytes as the text of a profile, as they would be read from a file."""
    if len(data) > source.MAX_BYTES:
        raise _refused("GLM006", f"the file is larger than {source.MAX_BYTES:,} bytes", name)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refused("GLM002", f"the file is not UTF-8 (byte {error.start})", name) from None


def _bundle(name: str, reader: Reader) -> Files:
    """The files that a bundle's own list names; what else stands in the folder is the user's, and is not looked at."""
    listed, summary = _manifest(name, reader([MANIFEST]).get(MANIFEST))
    texts: dict[str, str] = {}
    opaque: dict[str, str] = {}
    for path, data in reader(listed).items():
        try:
            texts[path] = _text(path, data)
        except ProfileError:
            opaque[path] = hashlib.sha256(data).hexdigest()
    return Files(name, texts, opaque, summarised(summary))


def _manifest(name: str, data: bytes | None) -> tuple[list[str], dict[str, Any]]:
    try:
        manifest = json.loads(data or b"")
        if manifest["format"] != FORMAT:
            raise _refused("GLM045", f"`{name}` is a bundle in a format that this version does not read", name)
        summary = manifest.get("plan", {})
        paths = sorted(path for path in manifest["files"] if inside(path) and not source.controls(path))
        return paths, summary if isinstance(summary, dict) else {}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        hint = f"`glmdeploy render -o DIR` writes one, with the list of its files in `{MANIFEST}`"
        raise _refused("GLM045", f"`{name}` is no bundle: it has no `{MANIFEST}` of ours", name, hint) from None


def _on_disk(folder: Path, names: Sequence[str]) -> Mapping[str, bytes]:
    """The files that are there; one behind a link is not: it may stand outside the folder."""
    found = {}
    for name in names:
        path = folder / name
        way = [p for p in (path, *path.parents) if folder in p.parents]
        try:
            if path.is_file() and not any(p.is_symlink() for p in way):
                found[name] = path.read_bytes()
        except OSError as error:
            message = f"cannot read `{path}`: {error.strerror or error}"
            raise _refused("GLM001", message, str(path)) from None
    return found


def _refused(code: str, message: str, place: str, hint: str = "") -> ProfileError:
    return ProfileError([Diagnostic(code, message, span=Span(place), hint=hint)])
