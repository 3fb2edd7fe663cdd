"""Images by digest: the lock file, and the reference that a bundle writes.

`images.lock.yaml` maps a reference to the digest that its tag had when it was looked up. It ships empty: no digest is
invented.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from glmdeploy import catalog, reference, source
from glmdeploy.catalog import tools
from glmdeploy.diagnostics import Diagnostic, ProfileError, Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from glmdeploy.forms.images import ImagesForm
    from glmdeploy.source import Source
    from glmdeploy.spec import Spec

LOCK = "images.lock.yaml"
FORMAT: Final = "glmdeploy-images/v1"
HEADER = """\
# Digests of container images, as `glmdeploy images lock` got them from the registries. Commit this file.
# A profile in the same folder uses it; elsewhere --images-lock names it.
"""


def read(path: Path) -> dict[str, str]:
    """Reference -> digest of a lock file; ProfileError with GLM610, or GLM0xx when it is not YAML."""
    return parse(str(path), source.text(path))


def parse(name: str, text: str) -> dict[str, str]:
    """Reference -> digest of a lock file's text that was read from ``name``; ProfileError as ``read``."""
    document = source.parse(name, text)
    found = document.place(_problems(document.data))
    if found:
        raise ProfileError(found)
    return dict(document.data["images"])


def _problems(data: dict[str, Any]) -> Iterator[Diagnostic]:
    images = data.get("images")
    if data.get("format") != FORMAT or set(data) - {"format", "images"} or not isinstance(images, dict):
        hint = f"it holds `format: {FORMAT}` and `images`, a mapping of references to digests"
        yield Diagnostic("GLM610", "this is not a file of image digests", at=("format",), hint=hint)
        return
    for name, digest in images.items():
        parsed = reference.parse(name)
        if parsed is None or parsed.digest:
            yield Diagnostic("GLM610", f"`{name}` is not an image with a tag", at=("images", name))
        elif not isinstance(digest, str) or not reference.DIGEST.match(digest):
            hint = "`sha256:` and 64 hexadecimal digits, lowercase"
            yield Diagnostic("GLM610", f"the digest of `{name}` is none", at=("images", name), hint=hint)


def dump(images: Mapping[str, str]) -> str:
    """A lock file's text, in the order of the names."""
    data: ImagesForm = {"format": FORMAT, "images": dict(sorted(images.items()))}
    return source.dump({**data}, HEADER)


def locked(document: Source, given: str | None) -> tuple[tuple[str, str], ...]:
    """The digests for a profile: of the file that was given, else of the one beside it or its workspace, else none."""
    if given is not None:
        if not Path(given).exists():
            raise ProfileError([Diagnostic("GLM001", f"cannot read `{given}`: no such file", span=Span(given))])
        return tuple(read(Path(given)).items())
    if not document.lines:
        return ()
    files = (document.path, *(layer.path for _, layer in reversed(document.layers)))
    beside = next((lock for f in files if (lock := Path(f).parent / LOCK).is_file()), None)
    return tuple(read(beside).items()) if beside else ()


def pinned(spec: Spec, name: str) -> str:
    """The reference with its digest, where the lock file knows it: the tag stays for people."""
    digest = dict(spec.digests).get(name)
    return f"{name}@{digest}" if digest and "@" not in name else name


def documented(spec: Spec) -> str:
    """The image that the profile or the catalogue names, before digests; empty where one must be built."""
    if spec.image:
        return spec.image
    found = spec.framework.image(spec.version, spec.cluster.gpu.compute)
    return found.reference.format(version=spec.version) if found else ""


def catalogued() -> tuple[str, ...]:
    """Every image that the catalogue documents for a tested version, and those that bundles build on; sorted."""
    names = set()
    for framework in catalog.load().frameworks.values():
        names.add(framework.base_image)
        for image in framework.images:
            versions = (v for v in framework.tested for c in image.compute if image.serves(v, c))
            names |= {image.reference.format(version=v) for v in versions}
    return tuple(sorted(n for n in {*names, tools.rclone().image} if n))


def pulled(spec: Spec) -> str:
    """The image that comes from a registry: the one to run, or the one to build on; empty where there is none."""
    return documented(spec) or (spec.framework.base_image if spec.cluster.gpu.vendor == "nvidia" else "")


def downloading(spec: Spec) -> str:
    """The image that fetches from an object store on Kubernetes, before digests."""
    return spec.kubernetes.download_image or tools.rclone().image


def all_pulled(spec: Spec) -> tuple[str, ...]:
    """Every image that a bundle of this spec takes from a registry: to run, to download with, with weights in it."""
    on_kubernetes = "kubernetes" in spec.targets
    names = [pulled(spec)]
    names += [downloading(spec)] if on_kubernetes and spec.weights.store else []
    names += [spec.weights.oci] if on_kubernetes else []
    return tuple(dict.fromkeys(n for n in names if n))
