"""GLM030 over a whole run: a comment is without use only when no use of its file, in no environment, needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy import ignores, rules
from glmdeploy.uses import reached, real_path

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.ignores import Settled
    from glmdeploy.pipeline import Outcome
    from glmdeploy.uses import Use

CODE = "GLM030"


def stale(
    seen: Sequence[tuple[Use, Outcome]], others: Sequence[Settled], workspaces: Collection[str]
) -> Iterator[Diagnostic]:
    """A warning for each comment that silences nothing in the outcomes of a run, nor in ``others``.

    ``workspaces`` were judged whole. Nothing is said of a file that this run judged in part: by a use that is not in it,
    or that rules could not judge.
    """
    shown = [*(d for _, o in seen for d in o.found), *(d for s in others for d in s.shown)]
    silenced = [*(s for _, o in seen for s in o.silenced), *(s for other in others for s in other.silenced)]
    settled = ignores.Settled(tuple(shown), tuple(silenced))
    comments = dict.fromkeys(i for _, o in seen for i in o.source.ignores)
    complete = {path: _complete(path, seen, workspaces) for path in {i.span.path for i in comments}}
    own = [i for i in comments if complete[i.span.path]]
    found = ignores.problems(own, settled, rules.pages(), whole=True)
    yield from (d for d in found if d.code == CODE)  # the others were said where the file was judged


def _complete(path: str, seen: Sequence[tuple[Use, Outcome]], workspaces: Collection[str]) -> bool:
    """Whether the rules judged everything that the comments of a file can speak of."""
    if any(o.plan is None for _, o in seen if path in {i.span.path for i in o.source.ignores}):
        return False
    if real_path(path) in map(real_path, workspaces):
        return True
    judged = {(real_path(o.source.path), use.environment) for use, o in seen}
    return all((use.real, use.environment) in judged for use in reached(path))
