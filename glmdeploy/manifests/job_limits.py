"""What is refused of Jobs, CronJobs and LeaderWorkerSets: GLM828, GLM835, GLM836, GLM837.

Read against the validation of Kubernetes (pkg/apis/batch/validation, robfig/cron) and the webhook of LeaderWorkerSet,
which knows the numbers that a field of the definition cannot: those of two fields together.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from glmdeploy.manifests.constraint import FIELDS, FORM, RANGE, Fault, at_least, key, only_with, share
from glmdeploy.manifests.objects import number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.manifests.constraint import Check
    from glmdeploy.manifests.document import Node

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# The five fields of a schedule: name, lowest, highest, and what names count from the lowest.
_SCHEDULE: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 6, _DAYS),
)
_PART = re.compile(r"(?:[*?]|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>[0-9]+))?")
_FIELDS = 5


def _schedule(spec: Node) -> Iterator[Fault]:
    node = spec.get("schedule")
    words = node.text.split()
    if node.text.startswith("@") or len(words) != _FIELDS:  # `object_limits` judges the form
        return
    for word, (name, lowest, highest, names) in zip(words, _SCHEDULE, strict=True):
        for part in filter(None, word.split(",")):
            if not _fits(part, lowest, highest, names):
                known = f", or {names[0].upper()} to {names[-1].upper()}" if names else ""
                hint = f"{name}s are {lowest} to {highest}{known}; `*`, `1-5`, `*/15`, `1,3`"
                yield Fault(FORM, f"`schedule`: `{part}` is no {name}", node, hint)


def _fits(part: str, lowest: int, highest: int, names: tuple[str, ...]) -> bool:
    match = _PART.fullmatch(part)
    if not match:
        return False
    first = _value(match["first"], lowest, names)
    last = _value(match["last"], lowest, names) if match["last"] else first
    if match["first"] and (first is None or last is None or not lowest <= first <= last <= highest):
        return False
    return match["step"] is None or int(match["step"]) > 0


def _value(word: str | None, lowest: int, names: tuple[str, ...]) -> int | None:
    if word and word.lower() in names:
        return lowest + names.index(word.lower())
    return int(word) if word and word.isascii() and word.isdigit() else None


def _failures(spec: Node) -> Iterator[Fault]:
    policy, restarts = spec.get("podFailurePolicy"), spec.get("template", "spec", "restartPolicy")
    if policy and restarts.text == "OnFailure":
        message = "`podFailurePolicy` needs `restartPolicy: Never`"
        yield Fault(FIELDS, message, restarts, "a container that restarts in its pod is no failed pod")
    replaced = spec.get("podReplacementPolicy")
    if policy and replaced.text == "TerminatingOrFailed":
        yield Fault(FIELDS, "`podFailurePolicy` needs `podReplacementPolicy: Failed`", replaced)


def _codes(node: Node) -> Iterator[Fault]:
    for value in node.get("values").list:
        if node.get("operator").text == "In" and number(value) == 0:
            yield Fault(RANGE, "exit code 0 is no failure", value, "`operator: In` has none but others")


def _groups(template: Node) -> Iterator[Fault]:
    """Groups of ranks within a group: the webhook wants them to divide it, with the leader or without."""
    node = template.get("subGroupPolicy", "subGroupSize")
    size, part = number(template.get("size")), number(node)
    size = 1 if size is None else size
    if part is None or part < 1 or size < 1:
        return
    alone = template.get("subGroupPolicy", "subGroupPolicyType").text == "LeaderExcluded"
    fits = (size - 1) % part == 0 or (size % part == 0 and not alone)
    if part > size or not fits:
        what = f"size - 1 = {size - 1}" if alone else f"size = {size}, nor size - 1"
        yield Fault(RANGE, f"`subGroupSize` {part} does not divide {what}", node)


def _rollout(spec: Node) -> Iterator[Fault]:
    """At least one group must move: percentages are of the groups, rounded down for those that may be missing."""
    configuration = spec.get("rolloutStrategy", "rollingUpdateConfiguration")
    if not configuration:
        return
    replicas = number(spec.get("replicas"))
    groups = 1 if replicas is None else replicas
    missing = _scaled(configuration.get("maxUnavailable"), groups, 1, up=False)
    more = _scaled(configuration.get("maxSurge"), groups, 0, up=True)
    if groups > 0 and missing == 0 and more == 0:
        at = configuration.get("maxUnavailable") or configuration
        message = f"`maxSurge` and `maxUnavailable` are both 0 of {groups} replicas: nothing could be replaced"
        yield Fault(FIELDS, message, at, "`maxUnavailable: 1`")


def _scaled(node: Node, of: int, default: int, *, up: bool) -> int | None:
    if not node:
        return default
    if re.fullmatch(r"[0-9]+%", node.text):
        part = of * int(node.text[:-1]) / 100
        return math.ceil(part) if up else math.floor(part)
    return number(node)


def _without_group(root: Node) -> Iterator[Fault]:
    name = "leaderworkerset.sigs.k8s.io/subgroup-exclusive-topology"
    annotations = root.get("metadata", "annotations")
    if name in annotations.items and not root.get("spec", "leaderWorkerTemplate", "subGroupPolicy"):
        yield Fault(FIELDS, f"the annotation `{name}` needs `subGroupPolicy`", key(annotations, name))


LIMITS: dict[str, tuple[Check, ...]] = {
    "CronJobSpec": (_schedule,),
    "JobSpec": (
        *(only_with(f, "completionMode", "Indexed") for f in ("backoffLimitPerIndex", "maxFailedIndexes")),
        only_with("successPolicy", "completionMode", "Indexed"),
        at_least(0, "backoffLimitPerIndex", "maxFailedIndexes"),
        _failures,
    ),
    "LeaderWorkerSet": (_without_group,),
    "LeaderWorkerSetSpec": (_rollout,),
    "LeaderWorkerSetSpecLeaderWorkerTemplate": (_groups,),
    "LeaderWorkerSetSpecRolloutStrategyRollingUpdateConfiguration": (
        share("maxSurge", "maxUnavailable", most=100),
        at_least(0, "partition"),
    ),
    "PodFailurePolicyOnExitCodesRequirement": (_codes,),
}
