"""Put an upgrade into the profile's file: version and renamed words change, every other character stays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Diagnostic, Put, Span, WriteError
from glmdeploy.edit import files
from glmdeploy.edit.apply import apply, same
from glmdeploy.edit.judged import judge
from glmdeploy.rules.renames import edits
from glmdeploy.workspace import retold

if TYPE_CHECKING:
    from glmdeploy.upgrade import Upgrade

_VERSION = ("framework", "version")


def write(upgrade: Upgrade, *, environment: str = "", workspace: str | None = None) -> bool:
    """Write the profile's file with the new version and the renamed words; whether anything was to be written.

    WriteError when it cannot be written or edited, or brings an error to any use of the file: in ``environment``, or in
    all that its workspace lists. Mode, links and everything else in the file stay.
    """
    file = files.read(Path(upgrade.before.source.path), environment=environment, workspace=workspace)
    new = edited(upgrade, file.text)
    if refusals := judge(file, new, (_VERSION,)).refusals:
        raise WriteError(refusals)
    if new != file.text:
        file.write(new)
    return new != file.text


def edited(upgrade: Upgrade, text: str) -> str:
    """The profile's text with the new version and the renamed words; WriteError where that needs a person."""
    before = upgrade.before.source
    name = before.path
    changes = [*edits(upgrade.renames), Put(_VERSION, upgrade.new)]
    if other := files.elsewhere(before, changes):
        raise WriteError([other])
    changed = apply(name, text, changes)
    if not same(retold(before, changed).data, upgrade.after.source.data):
        message, hint = "the file is not the profile that was judged", "nothing was written: run the command again"
        raise WriteError([Diagnostic("GLM051", message, span=Span(name), hint=hint)])
    return changed
