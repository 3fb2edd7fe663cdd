"""How each profile that was found is judged: as its workspace deploys it, in every environment listed for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.uses import Uses, extended, real_path

if TYPE_CHECKING:
    from glmdeploy.lint.search import Found


def uses(found: Found) -> Uses:
    """The uses of everything that was found, those of the workspaces first."""
    made = Uses()
    for path in found.workspaces:
        if space := made.space(path):
            made.whole(space)
    for name in found.profiles:
        made.profile(name)
    return made


def mendable(found: Found) -> list[str]:
    """The files of all profiles that are judged, those that others extend too."""
    made = uses(found)
    bases = [name for path in found.workspaces for name in extended(made.space(path))]
    return list({real_path(name): name for name in (*(u.profile for u in made.uses), *bases, *found.profiles)}.values())
