"""One difference, and how equal ones of several ranks become one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glmdeploy.forms.diff import DeltaForm
    from glmdeploy.forms.upgrade import ChangeForm

RENAMED, REMOVED, ADDED, CHANGED, DEFAULT, KEPT = "renamed", "removed", "added", "changed", "new default", "kept"


@dataclass(frozen=True)
class Change:
    """One difference. ``kind`` is plan, image, extra_args, argv, env or diagnostic; no ``ranks``: all of them.

    ``reason`` is renamed, removed, added, changed, new default, or kept (an image that the profile pins).
    """

    kind: str
    name: str
    before: str
    after: str
    reason: str
    why: str = ""
    ranks: tuple[int, ...] = ()

    def as_json(self) -> ChangeForm:
        """The members of the JSON form, in order."""
        return {
            "kind": self.kind,
            "name": self.name,
            "before": self.before,
            "after": self.after,
            "reason": self.reason,
            "why": self.why,
            "ranks": list(self.ranks),
        }


def of_ranks(changes: Sequence[Change], total: int) -> Iterator[Change]:
    """Equal changes of several ranks as one; in the order in which each is first seen."""
    order: dict[Change, None] = dict.fromkeys(replace(c, ranks=()) for c in changes)
    ranks = {change: tuple(c.ranks[0] for c in changes if replace(c, ranks=()) == change) for change in order}
    for change in order:
        yield change if len(ranks[change]) == total else replace(change, ranks=ranks[change])


@dataclass(frozen=True)
class Delta:
    """One line of a comparison: what was added, removed, renamed or changed, and where.

    ``where`` is a role, ranks or a key, empty for everywhere; ``by`` the signed difference of two numbers, 0 otherwise.
    """

    name: str
    before: str
    after: str
    change: str
    where: str = ""
    why: str = ""
    by: int = 0

    def as_json(self) -> DeltaForm:
        """The members of the JSON form, in order."""
        return {
            "name": self.name,
            "change": self.change,
            "before": self.before,
            "after": self.after,
            "by": self.by,
            "where": self.where,
            "why": self.why,
        }


def delta(name: str, before: str | None, after: str | None, *, where: str = "", why: str = "", by: int = 0) -> Delta:
    """The difference of two values, of which None is not there."""
    change = ADDED if before is None else REMOVED if after is None else CHANGED
    return Delta(name, before or "", after or "", change, where, why, by)
