"""Kubernetes objects that a profile says exist: references to them are no mistake of the bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glmdeploy.spec import Spec


def external(spec: Spec) -> tuple[str, ...]:
    """`KIND/NAME` of each, sorted; nothing where no manifest is written."""
    if "kubernetes" not in spec.targets:
        return ()
    store = spec.store_secret if spec.weights.store else ""
    secrets = {name for name in (spec.api_key_secret, spec.hub_token_secret, store) if name} | {
        *spec.kubernetes.image_pull_secrets
    }
    claims = {spec.weights.claim} if spec.weights.claim else set()
    return tuple(sorted({f"Secret/{s}" for s in secrets} | {f"PersistentVolumeClaim/{c}" for c in claims}))
