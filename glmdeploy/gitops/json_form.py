"""A check as one JSON object; members are only ever added."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from glmdeploy.difference import json_form
from glmdeploy.gitops.headline import headline

if TYPE_CHECKING:
    from glmdeploy.forms.check import AgainstForm, CheckedForm, CheckForm
    from glmdeploy.gitops.against import Against
    from glmdeploy.gitops.check import Checked, Report


def render(report: Report) -> str:
    """The report for programs."""
    form: CheckForm = {
        "format": "glmdeploy-check/v1",
        "sentence": headline(report),
        "differs": report.differs,
        "bundles": [_bundle(c) for c in report.checked],
        "diagnostics": [d.as_json() for d in report.found],
        "refused": [d.as_json() for d in report.errors],
        "against": report.against.rev if report.against else "",
        "compared": [_against(a) for a in report.against.bundles] if report.against else [],
    }
    return json.dumps(form, indent=2, ensure_ascii=False) + "\n"


def _bundle(checked: Checked) -> CheckedForm:
    folder, deployment = checked.rendered.folder, checked.rendered.deployment
    return {
        "folder": str(folder),
        "profile": deployment.profile,
        "environment": deployment.environment,
        "changes": [
            {
                "path": str(folder / c.path),
                "kind": c.kind.value,
                "diff": c.diff(folder),
            }
            for c in checked.changes
        ],
        "reasons": list(checked.reasons),
    }


def _against(against: Against) -> AgainstForm:
    return {
        "folder": against.folder,
        "profile": against.deployment.profile,
        "environment": against.deployment.environment,
        "state": against.state.value,
        "why": against.why,
        "difference": json_form.form(against.difference) if against.difference else {},
    }
