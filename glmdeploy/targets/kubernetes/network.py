"""Who may talk to the pods, and who watches them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glmdeploy.plan import Plan


def context(plan: Plan) -> dict[str, object]:
    """Namespaces of clients and of the monitoring."""
    site = plan.spec.kubernetes
    return {
        "clients": list(dict.fromkeys(site.clients or (plan.spec.namespace,))),
        "monitoring": [n for n in dict.fromkeys(site.monitoring) if n not in site.clients],
    }
