"""`glmdeploy.lock`: what the bundles were rendered from, so that a later run can say why they differ now.

Inputs are hashed as data, not as text: a comment changes no bundle. Tool, templates and catalogue are recorded as well,
but only the user's own inputs make a lock file out of date: a newer tool whose output is the same leaves it valid.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from glmdeploy import __version__, catalog, images, resources
from glmdeploy.diagnostics import Diagnostic, ProfileError, Span
from glmdeploy.forms.lock import DeploymentLock, LockForm

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from glmdeploy.plan import Plan
    from glmdeploy.source import Source
    from glmdeploy.workspace import Deployment

FILE = "glmdeploy.lock"


@dataclass(frozen=True)
class Inputs:
    """What one bundle is rendered from."""

    deployment: Deployment
    source: Source
    plan: Plan

    def entry(self) -> DeploymentLock:
        """Its part of the lock file."""
        spec = self.plan.spec
        image = images.pulled(spec)
        return {
            "output": self.deployment.output,
            "profile": self.deployment.profile,
            "environment": self.deployment.environment,
            "inputs": {name: _digest(layer.data) for name, layer in self.layers()},
            "catalogue": list(self.catalogue()),
            "images": {image: dict(spec.digests).get(image, "")} if image else {},
        }

    def layers(self) -> Iterable[tuple[str, Source]]:
        """Name and document of each layer, weakest first."""
        return self.source.layers or ((self.deployment.profile, self.source),)

    def catalogue(self) -> dict[str, str]:
        """Its files of the catalogue, with their checksums."""
        spec = self.plan.spec
        return catalog.files(spec.cluster.gpu.id, spec.model.id, spec.framework.id)


def _digest(data: Any) -> str:
    return sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()


def lock(inputs: Iterable[Inputs], old: LockForm | None = None, kept: Sequence[str] = ()) -> LockForm:
    """The lock of these bundles, and of those of ``old`` whose outputs are ``kept``."""
    rendered = tuple(inputs)
    entries = [d for d in old["deployments"] if d["output"] in kept] if old else []
    files = {name: old["catalogue"].get(name, "") for d in entries for name in d["catalogue"]} if old else {}
    for one in rendered:
        files |= one.catalogue()
    entries += [one.entry() for one in rendered]
    return {
        "format": "glmdeploy-lock/v1",
        "tool": __version__,
        "templates": _templates(),
        "catalogue": dict(sorted(files.items())),
        "deployments": sorted(entries, key=lambda d: d["output"]),
    }


def _templates() -> str:
    root = resources.folder("templates")
    total = sha256()
    for file in sorted(root.rglob("*.j2")):
        total.update(f"{file.relative_to(root).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    return total.hexdigest()


def text(locked: LockForm) -> str:
    """The lock as a file."""
    return json.dumps(locked, indent=2, ensure_ascii=False) + "\n"


def read(path: Path) -> LockForm | None:
    """The lock file at ``path``, or None where there is none; ProfileError with GLM023 when it is no lock file."""
    try:
        return TypeAdapter(LockForm).validate_json(path.read_bytes(), strict=True)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ProfileError([_problem(path, f"cannot read `{path}`: {error.strerror}")]) from None
    except (ValidationError, RecursionError):
        raise ProfileError([_problem(path, f"`{path}` is not a lock file of this version of glmdeploy")]) from None


def _problem(path: Path, message: str) -> Diagnostic:
    return Diagnostic("GLM023", message, span=Span(str(path)), hint="`glmdeploy render --all` writes it anew")


def outdated(old: LockForm, new: LockForm) -> bool:
    """Whether the user's own inputs are others than when ``old`` was written."""
    return old["deployments"] != new["deployments"]


def reasons(old: LockForm | None, new: LockForm, output: str) -> tuple[str, ...]:
    """Why the bundle at ``output`` may differ from when ``old`` was written; one sentence each."""
    if old is None:
        return ()
    before = next((d for d in old["deployments"] if d["output"] == output), None)
    after = next(d for d in new["deployments"] if d["output"] == output)
    if before is None:
        return (f"`{FILE}` does not know `{output}`",)
    return (*_own(before, after), *_ours(old, new, after))


def _own(before: DeploymentLock, after: DeploymentLock) -> Iterator[str]:
    if before["profile"] != after["profile"]:
        yield f"the profile was `{before['profile']}`"
    if before["environment"] != after["environment"]:
        yield f"the environment was `{before['environment'] or 'none'}`"
    for name in {**before["inputs"], **after["inputs"]}:
        if what := _changed(before["inputs"].get(name), after["inputs"].get(name)):
            yield f"`{name}` {what}"
    for name, digest in after["images"].items():
        was = before["images"].get(name)
        if was is None:
            yield f"the image is `{name}`, was {', '.join(f'`{n}`' for n in before['images']) or 'none'}"
        elif was != digest:
            yield f"the digest of `{name}` is {digest or 'unknown'}, was {was or 'unknown'}"


def _changed(before: str | None, after: str | None) -> str:
    if before == after:
        return ""
    return "is new" if before is None else "is gone" if after is None else "changed"


def _ours(old: LockForm, new: LockForm, after: DeploymentLock) -> Iterator[str]:
    if old["tool"] != new["tool"]:
        yield f"glmdeploy is {new['tool']}, was {old['tool']}"
    for name in after["catalogue"]:
        if what := _changed(old["catalogue"].get(name), new["catalogue"][name]):
            yield f"the catalogue's `{name}` {what}"
    if old["templates"] != new["templates"]:
        yield "the templates changed"
