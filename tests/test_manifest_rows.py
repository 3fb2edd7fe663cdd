"""More broken objects that schemas accept, by who refuses them; `test_manifest_limits.py` says what a row is.

Rows 20 to 24 are those of a second review. What is right and looks as if it were not stands in
`test_manifest_neighbours.py`.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from test_manifest_limits import DOCUMENTS, ENGINE, GONE, GROUP, POD, at, change, expected, judged, named, said

if TYPE_CHECKING:
    from collections.abc import Sequence

AFFINITY = f"{POD}.affinity"
NODES = f"{AFFINITY}.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"
TERM = f"{NODES}.nodeSelectorTerms.0.matchExpressions.0"
SPREAD = f"{POD}.topologySpreadConstraints"
BY_APP = {"matchLabels": {"app": "engine"}}


def near(**term: Any) -> dict[str, Any]:
    return {
        "requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone", "labelSelector": BY_APP, **term}]
    }


def spread(**more: Any) -> dict[str, Any]:
    return {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": BY_APP, **more}


# 20: where a pod goes.
PLACES: list[Sequence[Any]] = [
    (f"{AFFINITY}.podAffinity", near(topologyKey=""), "GLM805"),
    (f"{AFFINITY}.podAffinity", near(topologyKey="a b"), "GLM805"),
    (f"{SPREAD}.0.topologyKey", "", "GLM805"),
    (f"{NODES}.nodeSelectorTerms", [], "GLM817"),
    (TERM, {"key": "gpus", "operator": "Gt", "values": ["eight"]}, "GLM838"),
    (f"{TERM}.values", ["NVIDIA H200"], "GLM805"),
    (f"{TERM}.values", ["nvidia/h200"], "GLM805"),
    (f"{TERM}.key", "a/b/c", "GLM805"),
    (f"{POD}.nodeSelector", {"gpu": "NVIDIA H200"}, "GLM805"),
    (f"{AFFINITY}.podAffinity", near(labelSelector={"matchLabels": {"model": "zai-org/GLM"}}), "GLM805"),
    ("NetworkPolicy.spec.podSelector.matchExpressions", [{"key": "a", "operator": "In", "values": ["a/b"]}], "GLM805"),
    (f"{AFFINITY}.podAffinity", near(matchLabelKeys=["app"]), "GLM836"),
    (f"{SPREAD}.0.matchLabelKeys", ["app"], "GLM836"),
    (SPREAD, [{k: v for k, v in spread(matchLabelKeys=["a"]).items() if k != "labelSelector"}], "GLM836"),
    (SPREAD, [spread(), spread(maxSkew=2)], "GLM809"),
    (f"{POD}.hostname", "glm.example.com", "GLM804"),
    (f"{POD}.priorityClassName", "Urgent", "GLM804"),
    (f"{POD}.runtimeClassName", "nvidia_cdi", "GLM804"),
]

# 21: containers and what they share.
MOUNT = f"{ENGINE}.volumeMounts.3"
SPEC = DOCUMENTS[0]["spec"]["template"]["spec"]
FIRST = {**SPEC["containers"][0], "ports": [{"name": "http", "containerPort": 8000, "hostPort": 8000}]}
PORT = {"name": "other", "containerPort": 9001, "hostPort": 8000}
SECOND = {"name": "second", "image": "busybox:1.37.0", "ports": [PORT]}
LARGE = {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "900Gi"}}
TOKEN = {"serviceAccountToken": {"path": "token", "expirationSeconds": 60}}
CONTAINERS: list[Sequence[Any]] = [
    (f"{POD}.containers", [FIRST, SECOND], "GLM809"),
    (f"{MOUNT}.mountPropagation", "Bidirectional", "GLM836"),
    (f"{MOUNT}.recursiveReadOnly", "Enabled", "GLM836"),
    (
        MOUNT,
        {
            "name": "cache",
            "mountPath": "/c",
            "readOnly": True,
            "recursiveReadOnly": "IfPossible",
            "mountPropagation": "HostToContainer",
        },
        "GLM836",
    ),
    (f"{POD}.volumes.0.emptyDir.sizeLimit", "-1Gi", "GLM835"),
    (f"{POD}.volumes.2", {"name": "settings", "projected": {"sources": [TOKEN]}}, "GLM835"),
    (f"{ENGINE}.readinessProbe.terminationGracePeriodSeconds", 10, "GLM836"),
    (f"{POD}.activeDeadlineSeconds", 60, "GLM836"),
    ("StatefulSet.spec.template.spec.activeDeadlineSeconds", 60, "GLM836"),
    (f"{GROUP}.workerTemplate.spec.activeDeadlineSeconds", 60, "GLM836"),
    (f"{POD}.ephemeralContainers", [{"name": "debug", "image": "busybox:1.37.0"}], "GLM836"),
    (f"{ENGINE}.securityContext.capabilities", {"add": ["CAP_SYS_ADMIN"]}, "GLM836"),
    (POD, {**SPEC, "hostUsers": False, "hostNetwork": True}, "GLM836"),
    (POD, {**SPEC, "shareProcessNamespace": True, "hostPID": True}, "GLM836"),
    (f"{ENGINE}.resources", {"requests": {"nvidia.com/gpu": 2}}, "GLM807"),
    (f"{ENGINE}.resources", {"limits": {"requests.nvidia.com/gpu": 1}}, "GLM837"),
    (f"{ENGINE}.resources", {"limits": {"kubernetes.io/gpu": 1}}, "GLM838 warning"),
    (f"{POD}.dnsConfig", {"nameservers": ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]}, "GLM835"),
    (f"{POD}.dnsConfig", {"nameservers": ["dns.example.com"]}, "GLM837"),
]

# 22: groups and jobs.
ROLLOUT = "LeaderWorkerSet.spec.rolloutStrategy"
CODES = {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [0, 1]}}]}
JOBS: list[Sequence[Any]] = [
    ("LeaderWorkerSet.metadata.name", "5-glm", "GLM804"),
    (f"{GROUP}.subGroupPolicy", {"subGroupSize": 3}, "GLM835"),
    (
        GROUP,
        {
            **DOCUMENTS[1]["spec"]["leaderWorkerTemplate"],
            "size": 6,
            "subGroupPolicy": {"subGroupSize": 3, "subGroupPolicyType": "LeaderExcluded"},
        },
        "GLM835",
    ),
    (ROLLOUT, {"rollingUpdateConfiguration": {"maxSurge": 0, "maxUnavailable": 0}}, "GLM836"),
    (ROLLOUT, {"rollingUpdateConfiguration": {"maxUnavailable": "50%"}}, "GLM836"),
    (ROLLOUT, {"rollingUpdateConfiguration": {"maxSurge": "150%"}}, "GLM835"),
    (f"{GROUP}.persistentVolumeClaimRetentionPolicy", {"whenDeleted": "Keep"}, "GLM828"),
    ("StatefulSet.spec.persistentVolumeClaimRetentionPolicy", {"whenScaled": "Keep"}, "GLM828"),
    ("CronJob.spec.jobTemplate.spec.podFailurePolicy", {"rules": []}, "GLM836"),
    ("Job.spec.podFailurePolicy", CODES, "GLM835"),
    ("Job.spec.backoffLimitPerIndex", 1, "GLM836"),
    ("Job.spec.successPolicy", {"rules": [{"succeededCount": 1}]}, "GLM836"),
    ("CronJob.spec.schedule", "99 3 * * *", "GLM837"),
    ("CronJob.spec.schedule", "0 3 * * 7", "GLM837"),
    ("CronJob.spec.schedule", "0 5-3 * * *", "GLM837"),
    ("CronJob.spec.schedule", "*/0 3 * * *", "GLM837"),
]

# 23: other objects.
RULE = "Ingress.spec.rules.0.http.paths.0"
OTHERS: list[Sequence[Any]] = [
    ("Service.spec.externalTrafficPolicy", "Local", "GLM836"),
    ("Service.spec.loadBalancerSourceRanges", ["10.0.0.0/8"], "GLM836"),
    ("Service.spec.loadBalancerClass", "example.com/lb", "GLM836"),
    ("PodDisruptionBudget.spec.maxUnavailable", "150%", "GLM835"),
    ("Deployment.spec.strategy.rollingUpdate.maxUnavailable", "150%", "GLM835"),
    ("ConfigMap.data", {"run.sh": "x" * (2**20 + 1)}, "GLM835"),
    ("ConfigMap.binaryData", {"run.sh": "YQ=="}, "GLM809"),
    ("ConfigMap.binaryData", {"a": "not base64"}, "GLM837"),
    ("Secret.data", {"tls.crt": "not base64"}, "GLM837"),
    ("Secret.data", {}, "GLM817"),
    (f"{RULE}.path", "v1", "GLM837"),
    (f"{RULE}.path", "/v1/../admin", "GLM837"),
    (f"{RULE}.pathType", "Regex", "GLM828"),
    (f"{RULE}.backend.service.port", {"name": "http", "number": 80}, "GLM836"),
    (f"{RULE}.backend.resource", {"kind": "Bucket", "name": "a"}, "GLM836"),
    ("Ingress.spec", {}, "GLM817"),
    ("PersistentVolume.spec.local", GONE, "GLM836"),
    ("PersistentVolume.spec.nfs", {"server": "192.0.2.1", "path": "/"}, "GLM836"),
    ("PersistentVolume.spec.accessModes", GONE, "GLM817"),
    ("PersistentVolume.spec.accessModes", [], "GLM817"),
    ("PersistentVolume.spec.nodeAffinity", GONE, "GLM817"),
    ("PersistentVolume.spec.capacity", {"memory": "1Ti"}, "GLM817"),
    ("Role.rules.0.verbs", [], "GLM817"),
    ("Role.rules.0.resources", GONE, "GLM817"),
    ("ClusterRoleBinding.subjects.0.namespace", GONE, "GLM817"),
    ("RoleBinding.subjects.0.kind", "Serviceaccount", "GLM828"),
    ("Namespace.metadata.labels", {"pod-security.kubernetes.io/enforce": "strict"}, "GLM828"),
]

# 24: what a server takes, and what fails later.
LATER: list[Sequence[Any]] = [
    ("HorizontalPodAutoscaler.spec.scaleTargetRef.name", "engin", "GLM816"),
    ("HorizontalPodAutoscaler.spec.scaleTargetRef.kind", "ReplicaSet", "GLM816 warning"),
    (f"{RULE}.backend.service.name", "groups", "GLM816"),
    ("RoleBinding.roleRef.name", "writer", "GLM816 warning"),
    ("StatefulSet.spec.serviceName", "stores", "GLM816"),
    (POD, {**SPEC, "initContainers": [], "volumes": [LARGE, *SPEC["volumes"][1:]]}, "GLM838 warning"),
    (f"{GROUP}.workerTemplate.spec.containers.0.args", ["--port", "$(PROT)"], "GLM838 warning"),
    (
        f"{GROUP}.workerTemplate.spec.containers.0.env",
        [{"name": "A", "value": "$(B)"}, {"name": "B", "value": "b"}],
        "GLM838 warning",
    ),
]
ROWS = [*PLACES, *CONTAINERS, *JOBS, *OTHERS, *LATER]


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_one_place_that_is_wrong_is_named(row: Sequence[Any]) -> None:
    path, value, words = row
    documents = copy.deepcopy(DOCUMENTS)
    broken = next(d for d in documents if d["kind"] == path.partition(".")[0])
    change(broken, at(path), value)
    found = judged(documents)
    assert said(found) == expected(words)
    assert all(d.span and d.span.line > 0 and d.span.column > 0 for d in found)
