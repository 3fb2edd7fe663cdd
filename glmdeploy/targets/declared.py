"""What a bundle says of itself in `.glmdeploy.json`: objects that exist elsewhere, and the plan in a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.targets import common

if TYPE_CHECKING:
    from glmdeploy.forms.bundle import SummaryForm
    from glmdeploy.plan import Plan
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


def summary(plan: Plan) -> SummaryForm:
    """What two bundles are compared by: tokens are those of all KV caches, stages the layers of each."""
    spec = plan.spec
    return {
        "verdict": plan.verdict.value,
        "checkpoint": spec.checkpoint.id,
        "framework": spec.framework.id,
        "version": str(spec.version),
        "image": common.image(spec) if spec.container_targets else "",
        "gpu": spec.cluster.gpu.id,
        "gpus": spec.cluster.gpus,
        "layout": plan.layout.label,
        "stages": list(plan.layout.partition),
        "context": plan.settings.context,
        "kv_tokens": plan.kv_tokens,
    }
