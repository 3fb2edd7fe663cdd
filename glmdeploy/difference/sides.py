"""What the user names, read: a profile, a bundle's folder, or either of them as it stood in a revision."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glmdeploy import images, pipeline, source
from glmdeploy.bundle import FORMAT, MANIFEST, inside
from glmdeploy.diagnostics import Diagnostic, ProfileError, Span
from glmdeploy.difference.files import Files
from glmdeploy.difference.plans import summarised
from glmdeploy.difference.revisions import Revision, split

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from glmdeploy.pipeline import Outcome

    Reader = Callable[[Sequence[str]], Mapping[str, bytes]]


def open_side(text: str) -> Outcome | Files:
    """The profile or the bundle that ``text`` names; ProfileError with a GLM0xx code when it cannot be read."""
    path, rev = split(text)
    if rev:
        return _revision(Revision(path, rev))
    if os.path.isdir(path):  # noqa: PTH112  False where permission is missing
        return _bundle(path, lambda names: _on_disk(Path(path), names))
    outcome = pipeline.judge(pipeline.open_profile(path))
    return replace(outcome, source=replace(outcome.source, path=path))  # a shipped profile by its name


def _revision(revision: Revision) -> Outcome | Files:
    found = revision.only()
    if found.kind == "tree":

        def reader(names: Sequence[str]) -> Mapping[str, bytes]:
            blobs = zip(names, revision.read(*names), strict=True)
            return {name: blob.data for name, blob in blobs if blob and blob.kind == "blob"}

        return _bundle(revision.name, reader)
    document = source.parse(revision.name, _text(revision.name, found.data))
    beside = revision.read(f"../{images.LOCK}")[0]
    lock = f"{Path(revision.path).parent / images.LOCK}@{revision.rev}"
    digests = images.parse(lock, _text(lock, beside.data)) if beside else {}
    return pipeline.judge(document, digests=digests)


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
