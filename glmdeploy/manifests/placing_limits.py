"""What the API server refuses, or no scheduler does, of where a pod goes: GLM804, GLM805, GLM809, GLM817, GLM836, GLM838.

Read against the validation of Kubernetes (pkg/apis/core/validation). Of `matchFields` nothing is judged here: their
values are names of nodes, not of labels.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glmdeploy.manifests import names
from glmdeploy.manifests.constraint import FIELDS, LATER, Fault, filled, label_key, labels, named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.manifests.constraint import Check
    from glmdeploy.manifests.document import Node

_WHOLE = re.compile(r"-?[0-9]+")


def _required(selector: Node) -> Iterator[Fault]:
    """Values that nodes must have: preferred ones may be anything."""
    for term in selector.get("nodeSelectorTerms").list:
        for expression in term.get("matchExpressions").list:
            operator = expression.get("operator").text
            for value in expression.get("values").list:
                if operator in {"Gt", "Lt"} and value.text and not _WHOLE.fullmatch(value.text):
                    message = f"`operator: {operator}` compares whole numbers: no node ever has `{value.text}`"
                    yield Fault(LATER, message, value, 'such as "8"')
                else:
                    yield from (Fault("GLM805", *problem) for problem in names.value_problem(value))


def _keys(term: Node) -> Iterator[Fault]:
    for expression in term.get("matchExpressions").list:
        yield from label_key("key")(expression)


def _values(requirement: Node) -> Iterator[Fault]:
    for value in requirement.get("values").list:
        yield from (Fault("GLM805", *problem) for problem in names.value_problem(value))


def _merged(term: Node) -> Iterator[Fault]:
    """Keys whose values a pod's own labels give: the selector cannot name them too."""
    selector = term.get("labelSelector")
    mine = {*selector.get("matchLabels").items, *(e.get("key").text for e in selector.get("matchExpressions").list)}
    for field in ("matchLabelKeys", "mismatchLabelKeys"):
        keys = term.get(field).list
        if keys and not selector:
            yield Fault(FIELDS, f"`{field}` needs `labelSelector`", keys[0])
        for node in keys:
            if field == "matchLabelKeys" and node.text and node.text in mine:
                yield Fault(
                    FIELDS, f"`{node.text}` stands in `{field}` and in `labelSelector`", node, "keep one of them"
                )


def _twice(spec: Node) -> Iterator[Fault]:
    seen: set[tuple[str, str]] = set()
    for node in spec.get("topologySpreadConstraints").list:
        pair = (node.get("topologyKey").text, node.get("whenUnsatisfiable").text)
        if pair in seen and all(pair):
            yield Fault("GLM809", f"`{pair[0]}` with `{pair[1]}` stands twice", node.get("topologyKey"))
        seen.add(pair)


LIMITS: dict[str, tuple[Check, ...]] = {
    "LabelSelector": (labels("matchLabels"),),
    "LabelSelectorRequirement": (_values, label_key("key")),
    "NodeSelector": (filled("nodeSelectorTerms"), _required),
    "NodeSelectorTerm": (_keys,),
    "PodAffinityTerm": (label_key("topologyKey"), _merged),
    "PodSpec": (
        labels("nodeSelector"),
        named("hostname", "subdomain", dotted=False),
        named("nodeName", "priorityClassName", "runtimeClassName", "serviceAccountName"),
        _twice,
    ),
    "TopologySpreadConstraint": (label_key("topologyKey"), _merged),
}
