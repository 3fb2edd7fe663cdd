"""Closed lists of the Kubernetes API, by type and field: GLM828. Those of custom resources stand in custom.json."""

from __future__ import annotations

VALUES: dict[tuple[str, str], frozenset[str]] = {
    ("Container", "imagePullPolicy"): frozenset(["Always", "IfNotPresent", "Never"]),
    ("Container", "terminationMessagePolicy"): frozenset(["File", "FallbackToLogsOnError"]),
    ("PodSpec", "restartPolicy"): frozenset(["Always", "Never", "OnFailure"]),
    ("PodSpec", "dnsPolicy"): frozenset(["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]),
    ("ServiceSpec", "type"): frozenset(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]),
    ("ServicePort", "protocol"): frozenset(["TCP", "UDP", "SCTP"]),
    ("ContainerPort", "protocol"): frozenset(["TCP", "UDP", "SCTP"]),
    ("DeploymentStrategy", "type"): frozenset(["Recreate", "RollingUpdate"]),
    ("StatefulSetSpec", "podManagementPolicy"): frozenset(["OrderedReady", "Parallel"]),
    ("CronJobSpec", "concurrencyPolicy"): frozenset(["Allow", "Forbid", "Replace"]),
    ("PersistentVolumeClaimSpec", "volumeMode"): frozenset(["Filesystem", "Block"]),
    ("Toleration", "operator"): frozenset(["Exists", "Equal", "Gt", "Lt"]),
    ("Toleration", "effect"): frozenset(["", "NoSchedule", "PreferNoSchedule", "NoExecute"]),
    ("SeccompProfile", "type"): frozenset(["RuntimeDefault", "Unconfined", "Localhost"]),
    ("TopologySpreadConstraint", "whenUnsatisfiable"): frozenset(["DoNotSchedule", "ScheduleAnyway"]),
    ("HTTPGetAction", "scheme"): frozenset(["HTTP", "HTTPS"]),
    ("LabelSelectorRequirement", "operator"): frozenset(["In", "NotIn", "Exists", "DoesNotExist"]),
    ("AppArmorProfile", "type"): frozenset(["RuntimeDefault", "Unconfined", "Localhost"]),
    ("DaemonSetUpdateStrategy", "type"): frozenset(["RollingUpdate", "OnDelete"]),
    ("HostPathVolumeSource", "type"): frozenset(
        ["DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"]
    ),
    ("ImageVolumeSource", "pullPolicy"): frozenset(["Always", "IfNotPresent", "Never"]),
    ("JobSpec", "completionMode"): frozenset(["NonIndexed", "Indexed"]),
    ("JobSpec", "podReplacementPolicy"): frozenset(["TerminatingOrFailed", "Failed"]),
    ("NetworkPolicyPort", "protocol"): frozenset(["TCP", "UDP", "SCTP"]),
    ("NodeSelectorRequirement", "operator"): frozenset(["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]),
    ("PersistentVolumeSpec", "persistentVolumeReclaimPolicy"): frozenset(["Retain", "Delete", "Recycle"]),
    ("PodDisruptionBudgetSpec", "unhealthyPodEvictionPolicy"): frozenset(["IfHealthyBudget", "AlwaysAllow"]),
    ("PodOS", "name"): frozenset(["linux", "windows"]),
    ("PodSecurityContext", "fsGroupChangePolicy"): frozenset(["OnRootMismatch", "Always"]),
    ("PodSecurityContext", "supplementalGroupsPolicy"): frozenset(["Merge", "Strict"]),
    ("PodSpec", "preemptionPolicy"): frozenset(["PreemptLowerPriority", "Never"]),
    ("SecurityContext", "procMount"): frozenset(["Default", "Unmasked"]),
    ("ServiceSpec", "externalTrafficPolicy"): frozenset(["Cluster", "Local"]),
    ("ServiceSpec", "internalTrafficPolicy"): frozenset(["Cluster", "Local"]),
    ("ServiceSpec", "ipFamilyPolicy"): frozenset(["SingleStack", "PreferDualStack", "RequireDualStack"]),
    ("ServiceSpec", "sessionAffinity"): frozenset(["None", "ClientIP"]),
    ("StatefulSetUpdateStrategy", "type"): frozenset(["RollingUpdate", "OnDelete"]),
    ("TopologySpreadConstraint", "nodeAffinityPolicy"): frozenset(["Honor", "Ignore"]),
    ("TopologySpreadConstraint", "nodeTaintsPolicy"): frozenset(["Honor", "Ignore"]),
    ("VolumeMount", "mountPropagation"): frozenset(["None", "HostToContainer", "Bidirectional"]),
    ("VolumeMount", "recursiveReadOnly"): frozenset(["Disabled", "IfPossible", "Enabled"]),
    ("HTTPIngressPath", "pathType"): frozenset(["Exact", "Prefix", "ImplementationSpecific"]),
    ("PodFailurePolicyRule", "action"): frozenset(["FailJob", "FailIndex", "Ignore", "Count"]),
    ("PodFailurePolicyOnExitCodesRequirement", "operator"): frozenset(["In", "NotIn"]),
    ("RoleRef", "kind"): frozenset(["Role", "ClusterRole"]),
    ("Subject", "kind"): frozenset(["User", "Group", "ServiceAccount"]),
    # of a LeaderWorkerSet, the definition takes any word, and the StatefulSet that is made of it does not
    **{
        (name, key): frozenset(["Retain", "Delete"])
        for name in (
            "StatefulSetPersistentVolumeClaimRetentionPolicy",
            "LeaderWorkerSetSpecLeaderWorkerTemplatePersistentVolumeClaimRetentionPolicy",
        )
        for key in ("whenDeleted", "whenScaled")
    },
}
