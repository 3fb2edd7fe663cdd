"""One document of several layers: the later one wins, key by key, and every key keeps the place where it was written.

Mappings are merged; lists and single values are replaced whole.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from glmdeploy.source import Source

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from glmdeploy.diagnostics import KeyPath, Span

Layer = tuple[str, Source]


def part(document: Source, at: KeyPath) -> Source:
    """The mapping at ``at`` as a document of its own; empty where there is none."""
    node: Any = document.data
    for key in at:
        node = node.get(str(key), {})
    spans = {path[len(at) :]: span for path, span in document.spans.items() if path[: len(at)] == at and path != at}
    return replace(document, data=node, spans=spans)


def without(document: Source, keys: Collection[str]) -> Source:
    """The document without some of its top-level keys."""
    data = {key: value for key, value in document.data.items() if key not in keys}
    spans = {at: span for at, span in document.spans.items() if not (at and at[0] in keys)}
    return replace(document, data=data, spans=spans)


def merged(layers: Sequence[Layer], main: Source) -> Source:
    """The layers laid over each other, from the weakest to the strongest, as a document of ``main``'s name."""
    merge = _Merge()
    for _, layer in layers:
        merge.lay(layer.data, layer.spans)
    ignores = tuple(dict.fromkeys(i for _, layer in layers for i in layer.ignores))  # each speaks of its own file
    return replace(main, data=merge.data, spans=merge.spans, ignores=ignores, layers=tuple(layers))


class _Merge:
    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self.spans: dict[KeyPath, Span] = {}

    def lay(self, over: dict[str, Any], spans: Mapping[KeyPath, Span]) -> None:
        self._into(self.data, over, ())
        kept = {at: s for at, s in self.spans.items() if self._has(at)}
        self.spans = {**{at: s for at, s in kept.items() if not _hidden(at, over)}, **spans}

    def _into(self, under: dict[str, Any], over: dict[str, Any], at: KeyPath) -> None:
        for key, value in over.items():
            here = under.get(key)
            if isinstance(here, dict) and isinstance(value, dict):
                self._into(here, value, (*at, key))
            else:
                under[key] = _copy(value)

    def _has(self, at: KeyPath) -> bool:
        node: Any = self.data
        for key in at:
            try:
                node = node[key]
            except (KeyError, IndexError, TypeError):
                return False
        return True


def _hidden(at: KeyPath, over: dict[str, Any]) -> bool:
    """Whether ``over`` replaces what stood at ``at``, or something that it stood in."""
    node: Any = over
    for key in at:
        if not isinstance(node, dict):
            return True
        if key not in node:
            return False
        node = node[key]
    return True


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value
