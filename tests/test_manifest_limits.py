"""Broken objects that schemas accept: each row changes one place of a folder that is right, and names what is said.

Rows 15 to 19 are those of a review that broke bundles in ways that nobody saw. A row is a kind, a place in it, what
stands there (`GONE`: nothing) and the code; a new limit needs a new row.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import kubernetes_validate
import pytest
import yaml
from conftest import TESTS
from kubernetes_validate.utils import all_versions
from test_external import run, tool

from glmdeploy import manifests
from glmdeploy.diagnostics import Level
from glmdeploy.manifests import fields, values

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from glmdeploy.diagnostics import Diagnostic

GONE = object()
POD = "Deployment.spec.template.spec"
ENGINE = f"{POD}.containers.0"
GROUP = "LeaderWorkerSet.spec.leaderWorkerTemplate"
POLICY = "NetworkPolicy.spec"
DOCUMENTS = list(yaml.safe_load_all((TESTS / "limits" / "good.yaml").read_text()))
COMPOSE = yaml.safe_load((TESTS / "limits" / "compose.yaml").read_text())

# 15: pairs of apiVersion and kind, and 16: fields of the custom resources that a render writes.
PAIRS_AND_CUSTOM: list[Sequence[Any]] = [
    ("Deployment.apiVersion", "apps/v1beta1", "GLM834"),
    ("Deployment.apiVersion", "apps/v2", "GLM834"),
    ("Deployment.apiVersion", "v1", "GLM834"),
    ("Deployment.apiVersion", "app/v1", "GLM834"),
    ("LeaderWorkerSet.apiVersion", "leaderworkersets.x-k8s.io/v1", "GLM834"),
    ("Deployment.kind", "Deploiment", "GLM834 GLM815 GLM816"),
    ("PodDisruptionBudget.apiVersion", "policy/v1beta1", "GLM834"),
    ("Role.rules.0.verb", ["get"], "GLM802"),
    ("LeaderWorkerSet.kind", "LeaderWorkerset", "GLM834 GLM815"),
    ("LeaderWorkerSet.apiVersion", "leaderworkerset.x-k8s.io/v2", "GLM834 warning"),
    ("Application.apiVersion", "example.com/v1", "GLM834 warning"),
    (f"{GROUP}.sise", 2, "GLM802"),
    (f"{GROUP}.restartPolicy", "Always", "GLM828"),
    (f"{GROUP}.size", "2", "GLM803"),
    ("LeaderWorkerSet.spec.replicas", -1, "GLM835"),
    ("ServiceMonitor.spec.endpoints.0.intervall", "30s", "GLM802"),
    ("ServiceMonitor.spec.endpoints.0.interval", 30, "GLM803"),
    ("ServiceMonitor.spec.endpoints.0.interval", "30sec", "GLM837"),
    ("ServiceMonitor.spec.endpoints.0.scheme", "ftp", "GLM828"),
    ("PodMonitor.spec.podMetricsEndpoints.0.targetport", 1, "GLM802"),
    ("PodMonitor.spec.selector", GONE, "GLM817"),
    ("ComputeDomain.spec.nodes", 2, "GLM802"),
    ("ComputeDomain.spec.numNodes", "2", "GLM803"),
    ("ComputeDomain.spec.channel.allocationMode", "Some", "GLM828"),
    ("Application.spec.project", GONE, "GLM817"),
    ("Application.spec.syncPolicy.automated", {"prun": True}, "GLM802"),
    ("Application.spec.destination.name", "in-cluster", "GLM836"),
    ("GitRepository.spec.interval", "5 minutes", "GLM837"),
    ("GitRepository.spec.url", "git@git.example.com:llm.git", "GLM837"),
    ("GitRepository.spec.ref", "main", "GLM803"),
    ("Kustomization.spec.prune", GONE, "GLM817"),
    ("Kustomization.spec.sourceRef.kind", "Git", "GLM828"),
    ("Kustomization.spec.targetNameSpace", "llm", "GLM802"),
]

# 17: what a server refuses in pods.
PODS: list[Sequence[Any]] = [
    (f"{POD}.volumes.1.emptyDir", {}, "GLM836"),
    (f"{ENGINE}.env.0.value", "1", "GLM836"),
    (f"{ENGINE}.env.0.valueFrom", {}, "GLM836"),
    (f"{ENGINE}.env.2.name", "A=B", "GLM837"),
    (f"{ENGINE}.env.2.name", "1A", "GLM837 warning"),
    (f"{ENGINE}.env.0.valueFrom.fieldRef.fieldPath", "metadata.nam", "GLM837"),
    (f"{ENGINE}.env.0.valueFrom.fieldRef.fieldPath", "metadata.labels", "GLM837"),
    (f"{ENGINE}.env.1.valueFrom.resourceFieldRef.resource", "limits.gpu", "GLM837"),
    (f"{ENGINE}.envFrom.0.secretRef", {"name": "settings", "optional": True}, "GLM836"),
    (f"{ENGINE}.volumeMounts.1.subPath", "../etc", "GLM837"),
    (f"{ENGINE}.volumeMounts.1.subPath", "/etc", "GLM837"),
    (f"{ENGINE}.volumeMounts.1.subPathExpr", "$(MODE)", "GLM836"),
    (f"{POD}.volumes.3.hostPath.path", "/var/../etc", "GLM837"),
    (f"{POD}.volumes.3.hostPath.type", "Folder", "GLM828"),
    (f"{POD}.volumes.2.configMap.defaultMode", 0o1000, "GLM835"),
    (f"{POD}.volumes.2.configMap.items.0.path", "../run.sh", "GLM837"),
    (f"{POD}.volumes.2", {"name": "settings", "projected": {"sources": [{}]}}, "GLM836"),
    (f"{POD}.volumes.2", {"name": "settings", "projected": {"defaultMode": -1, "sources": []}}, "GLM835"),
    (
        f"{POD}.volumes.2",
        {"name": "settings", "secret": {"secretName": "s", "optional": True, "defaultMode": 999}},
        "GLM835",
    ),
    (f"{POD}.volumes.2", {"name": "settings", "downwardAPI": {"defaultMode": 999}}, "GLM835"),
    (f"{POD}.volumes.2", {"name": "settings", "downwardAPI": {"items": [{"path": "a"}]}}, "GLM836"),
    (f"{POD}.initContainers.0.readinessProbe", {"tcpSocket": {"port": 1}}, "GLM836"),
    (f"{POD}.initContainers.0.lifecycle", {"preStop": {"sleep": {"seconds": 1}}}, "GLM836"),
    (f"{ENGINE}.lifecycle.preStop.sleep", {"seconds": 5}, "GLM836"),
    (f"{ENGINE}.lifecycle.preStop", {"sleep": {"seconds": 61}}, "GLM835"),
    (f"{ENGINE}.lifecycle.preStop", {"sleep": {"seconds": -1}}, "GLM835"),
    (f"{ENGINE}.livenessProbe.timeoutSeconds", -1, "GLM835"),
    (f"{ENGINE}.startupProbe.failureThreshold", -198, "GLM835"),
    (f"{ENGINE}.livenessProbe.terminationGracePeriodSeconds", 0, "GLM835"),
    (f"{POD}.terminationGracePeriodSeconds", -1, "GLM835 warning"),
    ("Job.spec.template.spec.activeDeadlineSeconds", 0, "GLM835"),
    (f"{ENGINE}.resources.claims.0.name", "chanel", "GLM810"),
    (f"{POD}.resourceClaims.0.resourceClaimName", "x", "GLM836 GLM816"),
    (f"{POD}.dnsPolicy", "None", "GLM836"),
    (f"{POD}.securityContext.seccompProfile.type", "Localhost", "GLM836"),
    (f"{POD}.securityContext.seccompProfile.localhostProfile", "a.json", "GLM836"),
    (f"{POD}.securityContext.appArmorProfile", {"type": "Localhost"}, "GLM836"),
    (f"{POD}.securityContext.fsGroupChangePolicy", "Never", "GLM828"),
    (f"{POD}.securityContext.fsGroup", -1, "GLM835"),
    (f"{ENGINE}.securityContext.runAsUser", -1, "GLM835"),
    (f"{ENGINE}.resources.limits.gpu", 2, "GLM837"),
    (f"{ENGINE}.resources", {"limits": {"hugepages-2Mi": "4Gi"}, "claims": [{"name": "channel"}]}, "GLM836"),
    (f"{POD}.tolerations.0.value", "present", "GLM836"),
    (f"{POD}.tolerations.0.tolerationSeconds", 30, "GLM836"),
    (f"{POD}.tolerations.0", {"value": "x"}, "GLM836"),
    (f"{POD}.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution.0.weight", 101, "GLM835"),
    (f"{POD}.topologySpreadConstraints.0.maxSkew", 0, "GLM835"),
]
TERM = (
    f"{POD}.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms.0.matchExpressions.0"
)
SOFT = {"weight": 0, "podAffinityTerm": {"topologyKey": "a"}}
PODS += [
    (f"{TERM}.values", [], "GLM836"),
    (f"{TERM}.operator", "Exists", "GLM836"),
    (f"{POD}.affinity.podAffinity", {"preferredDuringSchedulingIgnoredDuringExecution": [SOFT]}, "GLM835"),
    ("NetworkPolicy.spec.podSelector.matchExpressions", [{"key": "a", "operator": "In"}], "GLM836"),
]

# 17: what a server refuses elsewhere.
METRICS = {"name": "metrics", "port": 9000}
OBJECTS: list[Sequence[Any]] = [
    ("Deployment.spec.replicas", -1, "GLM835"),
    ("Deployment.spec.progressDeadlineSeconds", 10, "GLM835"),
    ("Deployment.spec.strategy.rollingUpdate.maxUnavailable", 0, "GLM836"),
    ("Deployment.spec.strategy.rollingUpdate.maxSurge", "25", "GLM837"),
    ("StatefulSet.spec.replicas", -1, "GLM835"),
    ("StatefulSet.spec.updateStrategy", {"rollingUpdate": {"partition": -1}}, "GLM835"),
    ("Job.spec.backoffLimit", -1, "GLM835"),
    ("Job.spec.selector", {"matchLabels": {"a": "b"}}, "GLM836"),
    ("Job.spec.completionMode", "Indexed", "GLM836"),
    ("CronJob.spec.schedule", "0 3 * *", "GLM837"),
    (f"{GROUP}.size", 0, "GLM835"),
    (f"{GROUP}.subGroupPolicy", {"subGroupSize": 0}, "GLM835"),
    ("PersistentVolumeClaim.spec.resources", {"limits": {"storage": "1Ti"}}, "GLM817"),
    ("PersistentVolumeClaim.spec.resources.requests.storage", "0", "GLM835"),
    ("PersistentVolumeClaim.spec.accessModes", ["ReadWriteOncePod", "ReadWriteMany"], "GLM836"),
    ("Service.spec.ports.1.port", 80, "GLM809"),
    ("Service.spec.ports.0.nodePort", 30080, "GLM836"),
    ("Service.spec", {"type": "NodePort", "ports": [METRICS | {"nodePort": 80}]}, "GLM808 warning"),
    ("Service.spec", {"type": "NodePort", "clusterIP": "None", "ports": [METRICS]}, "GLM836"),
    ("Service.spec", {"type": "ExternalName", "ports": [METRICS]}, "GLM836"),
    ("Service.spec.ports", GONE, "GLM817 GLM815"),
    (f"{POLICY}.ingress.0.from.1.podSelector", {}, "GLM836"),
    (f"{POLICY}.ingress.0.from.1", {}, "GLM836"),
    (f"{POLICY}.ingress.0.from.1.ipBlock.cidr", "10.0.0.0/99", "GLM837"),
    (f"{POLICY}.ingress.0.from.1.ipBlock.except", ["192.168.0.0/16"], "GLM837"),
    (f"{POLICY}.ingress.0.ports.0.endPort", 9010, "GLM836"),
    (f"{POLICY}.ingress.0.ports.1.endPort", 8999, "GLM835"),
    (f"{POLICY}.policyTypes", ["Ingress", "Outgress"], "GLM828"),
    ("PodDisruptionBudget.spec.maxUnavailable", "50", "GLM837"),
    ("PodDisruptionBudget.spec.maxUnavailable", -1, "GLM835"),
    ("HorizontalPodAutoscaler.spec.maxReplicas", 0, "GLM835"),
    ("HorizontalPodAutoscaler.spec.minReplicas", 5, "GLM835"),
    ("ConfigMap.data.etc/run", "x", "GLM837"),
]

# 18: what a server takes, and what fails later.
LATER: list[Sequence[Any]] = [
    ("LeaderWorkerSet.spec.startupPolicy", "LeaderReady", "GLM838 warning"),
    ("PersistentVolumeClaim.spec.accessModes", ["ReadWriteOnce"], "GLM838 warning"),
    ("Service.spec.selector", {"app": "group"}, "GLM838 warning"),
    (f"{POD}.securityContext.runAsUser", 0, "GLM838"),
    (f"{POD}.volumes.2.configMap.items.0.key", "start.sh", "GLM816"),
    (f"{POLICY}.ingress.0.ports.0.port", "grpc", "GLM815"),
    (f"{POD}.resourceClaims.0.resourceClaimTemplateName", "chanel", "GLM816"),
    (f"{POD}.volumes.0.emptyDir.medium", "memory", "GLM822 GLM838"),
    (f"{POD}.terminationGracePeriodSeconds", 15, "GLM838 warning"),
]

# 19: Compose.
SERVICES: list[Sequence[Any]] = [
    ("server.network_mode", "host", "GLM836 warning"),
    ("proxy", {"image": "nginx:1.29.0", "restart": "no", "network_mode": "none", "networks": ["default"]}, "GLM836"),
    ("server.healthcheck", {"disable": True}, "GLM831"),
    ("server.healthcheck", GONE, "GLM831 warning"),
    ("server.restart", "sometimes", "GLM828"),
    ("server.pull_policy", "often", "GLM828"),
    ("proxy.depends_on.server.condition", "healthy", "GLM828"),
]
BY_COMPOSE = ("proxy", "server.pull_policy", "proxy.depends_on.server.condition")
ROWS = [*PAIRS_AND_CUSTOM, *PODS, *OBJECTS, *LATER]


def change(tree: Any, path: str, value: Any) -> None:
    """Set what stands at a path, or take it away."""
    *way, last = (int(word) if word.isdigit() else word for word in path.split("."))
    for key in way:
        tree = tree[key]
    if value is GONE:
        del tree[last]
    else:
        tree[last] = value


def at(path: str) -> str:
    """The place of a row within its object: labels of domains have dots, and hold none of the rows."""
    return path.partition(".")[2]


def judged(documents: Iterable[Any], path: str = "folder.yaml") -> list[Diagnostic]:
    found = manifests.check([(path, yaml.safe_dump_all(documents, sort_keys=False))])
    return [d for d in found if d.level is not Level.NOTE]


def said(found: list[Diagnostic]) -> tuple[set[str], Level]:
    return {d.code for d in found}, max((d.level for d in found), key=[Level.NOTE, Level.WARNING, Level.ERROR].index)


def expected(words: str) -> tuple[set[str], Level]:
    codes = {w for w in words.split() if w.startswith("GLM")}
    return codes, Level.WARNING if "warning" in words else Level.ERROR


def named(row: Sequence[Any]) -> str:
    return f"{row[2].split()[0]}-{row[0]}"


def test_what_the_rows_break_is_right() -> None:
    assert judged(DOCUMENTS) == []
    assert judged([COMPOSE], "compose.yaml") == []
    known = {kind for kind in fields.table()["kinds"] if kind not in fields.table()["custom"]}
    for document in DOCUMENTS:
        if document["kind"] in known:
            kubernetes_validate.validate(document, all_versions()[-1], strict=True)


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_one_place_that_is_wrong_is_named(row: Sequence[Any]) -> None:
    path, value, words = row
    documents = copy.deepcopy(DOCUMENTS)
    broken = next(d for d in documents if d["kind"] == path.partition(".")[0])
    change(broken, at(path), value)
    found = judged(documents)
    assert said(found) == expected(words)
    assert all(d.span and d.span.line > 0 and d.span.column > 0 for d in found)


@pytest.mark.parametrize("row", SERVICES, ids=named)
def test_one_place_that_is_wrong_in_a_compose_file_is_named(row: Sequence[Any]) -> None:
    path, value, words = row
    broken = copy.deepcopy(COMPOSE)
    change(broken["services"], path, value)
    assert said(judged([broken], "compose.yaml")) == expected(words)


def test_every_type_with_limits_exists() -> None:
    types = fields.table()["types"]
    assert {name for name in fields.LIMITS if name not in types and name not in fields.table()["kinds"]} == set()
    places = [(name, key) for name, key in values.VALUES if key not in fields.table()["types"][name]["fields"]]
    assert places == []


@pytest.mark.external
@pytest.mark.parametrize("row", [r for r in SERVICES if r[0] in BY_COMPOSE], ids=named)
def test_compose_itself_refuses_these(row: Sequence[Any], tmp_path: Path) -> None:
    broken = copy.deepcopy(COMPOSE)
    words = [tool("docker-compose"), "-f", tmp_path / "compose.yaml", "config", "--quiet"]
    for path, value, status in (("server.restart", "no", 0), (*row[:2], 1)):
        change(broken["services"], path, value)
        (tmp_path / "compose.yaml").write_text(yaml.safe_dump(broken))
        assert min(run(tmp_path, *words).returncode, 1) == status
