"""What a profile says of the server that is started from it. Imports the planner: only where a profile is given."""

from __future__ import annotations

from glmdeploy import pipeline
from glmdeploy.diagnostics import ProfileError
from glmdeploy.probe.session import Expected


def of_profile(name: str) -> Expected:
    """Name, context and framework of a profile; ProfileError with its diagnostics where no plan can be made."""
    outcome = pipeline.judge(pipeline.open_profile(name))
    if outcome.plan is None:
        raise ProfileError(outcome.found)
    spec = outcome.plan.spec
    named = any(flag.name == "served_name" for flag in spec.framework.flags)  # Transformers answers to its path alone
    return Expected(spec.served_names[0] if named else "", outcome.plan.settings.context, spec.framework.id)
