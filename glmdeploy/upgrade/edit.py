"""Put an upgrade into the profile's file: version and renamed words change, every other character stays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Diagnostic, Put, Span, WriteError
from glmdeploy.edit import files
from glmdeploy.edit.apply import apply, same
from glmdeploy.rules.renames import edits
from glmdeploy.workspace import retold

if TYPE_CHECKING:
    from glmdeploy.upgrade import Upgrade


def write(upgrade: Upgrade) -> bool:
    """Write the profile's file with the new version and the renamed words; whether anything was to be written.

    WriteError when it cannot be written or edited. Mode, links and everything else in the file stay.
    """
    file = files.read(Path(upgrade.before.source.path))
    new = edited(upgrade, file.text)
    if new != file.text:
        file.write(new)
    return new != file.text


def edited(upgrade: Upgrade, text: str) -> str:
    """The profile's text with the new version and the renamed words; WriteError where that needs a person."""
    before = upgrade.before.source
    name = before.path
    changes = [*edits(upgrade.renames), Put(("framework", "version"), upgrade.new)]
    if other := files.elsewhere(before, changes):
        raise WriteError([other])
    changed = apply(name, text, changes)
    if not same(retold(before, changed).data, upgrade.after.source.data):
        message, hint = "the file is not the profile that was judged", "nothing was written: run the command again"
        raise WriteError([Diagnostic("GLM051", message, span=Span(name), hint=hint)])
    return changed
