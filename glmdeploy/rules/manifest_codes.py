"""Pages of the codes that the checker of manifests emits: `lint --bundle`, and every render before it writes."""

from __future__ import annotations

PAGES: dict[str, str] = {
    "GLM800": """Nothing to check

`lint --bundle DIR` looks for .yaml and .yml files below a folder. Finding none is an error: a check of nothing must not
be green.""",
    "GLM801": """Not a Kubernetes object

An object has `apiVersion`, `kind` and `metadata.name`.""",
    "GLM802": """Unknown field

An API server refuses it (`strict decoding error`), or drops it without a word where validation is not strict; Compose
and kustomize refuse it. The fields of the common built-in kinds are those of the newest Kubernetes API that was read;
of custom kinds, the published definitions of LeaderWorkerSet, ServiceMonitor, PodMonitor, ComputeDomain, Argo CD's
Application, and Flux's GitRepository and Kustomization were read. The fields of others are not judged (GLM834).""",
    "GLM803": """A value is of another type than the field

Kubernetes reads YAML 1.1: a plain `yes`, `on` or `off` is a bool, `012` is ten, and an environment variable must be a
string. What only some readers take for a number or a date (`1:30`, `2026-01-01`) is a warning. Write it in double
quotes.""",
    "GLM804": """A name that the API server refuses

Names are lowercase letters, digits and `-` (RFC 1123), for most kinds with dots; a Service and a LeaderWorkerSet begin
with a letter; names of containers, volumes and hosts have no dots. Names that a pod refers to are judged too: its
classes of priority and runtime, its service account.""",
    "GLM805": """A label or annotation that the API server refuses

A label's value has at most 63 characters: letters, digits, `-`, `_` and `.`, with a letter or digit at both ends. A
slash (`zai-org/GLM-5`) is refused, and so is a space, which no node's label has either. A key may have a domain in
front; an empty `topologyKey` is none. Selectors and affinities are judged as labels are.""",
    "GLM806": """Not a quantity, a size or a duration

Kubernetes counts in k, M, G, T (decimal) and Ki, Mi, Gi, Ti (binary), without a B: `256GB` is refused. Compose writes
sizes such as `32gb` and durations such as `90s`.""",
    "GLM807": """Requests and limits contradict each other

GPUs and other extended resources cannot be overcommitted: request and limit are equal whole numbers, and a limit must be
there. Of memory and CPU, the request is at most the limit.""",
    "GLM808": """Not a port, or not a port's name

Ports are 1 to 65535. A port's name has at most 15 characters: lowercase letters, digits and single `-`, with at least one
letter; a Service's targetPort too. With `hostNetwork`, hostPort equals containerPort.""",
    "GLM809": """A name stands twice in a list

Containers, volumes, ports, mount paths and environment variables are unique in their pod or container, ports of the
host too, and so is the spread over one key. A variable that stands twice is a warning: the last one wins. A key of a
ConfigMap is text or binary, and a kustomization names a resource once.""",
    "GLM810": """A mount names a volume that is not there

The pod has no volume, and its controller no claim template, of that name.""",
    "GLM811": """The selector does not match the template's labels

The controller would never find its own pods; the API server refuses it.""",
    "GLM812": """Recreate with rollingUpdate

`strategy.rollingUpdate` is forbidden beside `type: Recreate`. A patch that sets the type keeps an older rollingUpdate.""",
    "GLM813": """A disruption budget with both figures

`minAvailable` and `maxUnavailable` exclude each other.""",
    "GLM814": """A probe names a port that the container does not have

Every API server passes this; the kubelet then fails the probe for ever.""",
    "GLM815": """A Service, monitor or budget points at nothing

Every API server passes it: a selector that matches no pod of the folder, a targetPort that no container names, a port
to scrape that does not exist, a port's name in a NetworkPolicy that none of its pods has. A number that no container
declares is a warning: declaring is not compulsory.""",
    "GLM816": """A reference to an object that is not there

A claim, Secret, ConfigMap, ServiceAccount, resource claim or template of one that the pod needs is not in the folder,
or has no such key. The API server passes it, and the pod waits. A ComputeDomain makes the template that it names.
Objects that the profile names as existing (`secrets`, `model.source.claim`) are a note; `.glmdeploy.json` lists them
under `external`. In other folders, the annotation `glmdeploy/external: Secret/NAME, ...` says so. References with
`optional: true` are left alone. What a HorizontalPodAutoscaler scales, an Ingress routes to, a RoleBinding binds and
which Service a StatefulSet names is a warning, since another folder may hold it, and an error where a name here is
almost the same.""",
    "GLM817": """A field is missing

The API server refuses the object, or Compose the service, without it: a list that is empty is none, as `verbs: []` or
`nodeSelectorTerms: []`; a Secret of type `kubernetes.io/tls` has both keys; a limit of Compose has `soft` and `hard`.""",
    "GLM818": """An object stands twice

Two objects of one kind, namespace and name: the second would overwrite the first.""",
    "GLM819": """A kustomization and its folder differ

A resource, a patch or a file of a generator that is not there stops `kubectl kustomize`, and so does a patch without
`target` for an object that is not there. A manifest beside it that it does not name is a warning: it is never applied.""",
    "GLM820": """An image without a release

No tag means `latest`, and `latest` is another image tomorrow: on the next node, or after the next restart.""",
    "GLM821": """An image without a digest

A tag can be moved. A note, or as bad as the profile's `policy.image_digest` says: `.glmdeploy.json` keeps it. See
`glmdeploy explain GLM602`. Images that Compose builds itself have none.""",
    "GLM822": """Too little shared memory

NCCL and the engines' workers exchange through /dev/shm, which has 64 MB in a container unless something is mounted there:
with several GPUs the engine dies or hangs. With one GPU it is a warning.""",
    "GLM823": """A server without a probe

Without a startup probe, liveness kills the pod while 700 GB are loaded; without readiness, it gets requests before;
without liveness, a dead engine stays.""",
    "GLM824": """Flux would replace a variable

With `postBuild.substitute`, Flux replaces every `${...}` of a manifest, and what it does not know becomes empty. Write
`$NAME` without braces in shell, `$(NAME)` for the kubelet, or `$${...}`. A warning, since words of yours may hold it
and Flux may not be there. The annotation
`kustomize.toolkit.fluxcd.io/substitute: disabled` on the object switches it off.""",
    "GLM825": """A privileged container

It owns the host. GPUs need it nowhere: device plugins and device reservations hand them over. The API server refuses
`privileged: true` beside `allowPrivilegeEscalation: false`.""",
    "GLM826": """A probe without exactly one handler

One of `exec`, `httpGet`, `tcpSocket` and `grpc`; `successThreshold` of startup and liveness probes is 1.""",
    "GLM827": """A pod below its namespace's standard

The folder labels the namespace with Pod Security `restricted`; the pod is refused (`enforce`) or warned about (`warn`)
because it does not run as non-root, drop all capabilities, forbid escalation, set seccomp, or because it uses the host.""",
    "GLM828": """A value that the API does not know

The field takes one of a few words; the hint lists them. Compose has such lists too. `restartPolicy` is `Always` for a
Deployment and `OnFailure` or `Never` for a Job; the levels of Pod Security are `privileged`, `baseline` and
`restricted`; a health check's list begins with `CMD`, `CMD-SHELL` or `NONE`.""",
    "GLM830": """Compose would put nothing in place of a variable

`${NAME}` becomes an empty string where NAME is not set, with a warning that nobody reads. `${NAME:?message}` stops,
`${NAME:-default}` goes on; names in `.env` or `.env.example` beside the file are known. A dollar of the command's own is
doubled. A dollar that begins no variable stops Compose.""",
    "GLM831": """A Compose service without a health check

Nobody sees that it still loads, or that it hangs, and what waits for `service_healthy` fails unless the image has a
health check of its own. Services that run once (`restart: no`, profiles, or others wait for their completion) need
none.""",
    "GLM832": """A Compose service names something that is not there

A volume, network, secret, config or service that the file does not define: `network_mode: service:NAME`, `ipc`, `pid`,
`volumes_from` and `links` name services too.""",
    "GLM833": """A Compose device reservation that Docker refuses

`count` and `device_ids` exclude each other, and `capabilities` is compulsory.""",
    "GLM834": """A pair of apiVersion and kind that no server has, or that is not known

A version that Kubernetes removed is an error (a warning where a release that is still supported may serve it), and so
is a slip: a kind in another group than its own, or one letter off. A pair that neither Kubernetes nor the checker knows
is a warning, since its fields are not judged. The groups of common operators are known by name; a
CustomResourceDefinition in the folder, or the annotation `glmdeploy/external: CustomResourceDefinition/PLURAL.GROUP`,
makes others known.""",
    "GLM835": """A number outside of its limits

Of the right type, and refused all the same: negative replicas, a weight above 100, a `maxSkew` of 0, a file mode above
0777, a claim of 0 bytes, a deadline that is over before a pod counts as ready, a budget of 150%, a token for less than
ten minutes, four name servers, a ConfigMap of more than 1 MiB, a `subGroupSize` that does not divide its group.""",
    "GLM836": """Fields that exclude or need each other

`value` beside `valueFrom`, two sources of one volume, two handlers of one hook, `seccompProfile.type: Localhost`
without its file, `tolerationSeconds` without NoExecute, `operator: In` without values, probes of an init container,
`activeDeadlineSeconds` of pods that run for ever, `podFailurePolicy` with `restartPolicy: OnFailure`, fields of a load
balancer with another `type`, a PersistentVolume of two sources, a `container_name` for two containers. In a Compose
file, `networks` beside `network_mode`; `ports` beside `network_mode: host` is a warning, since they are left out.""",
    "GLM837": """A text that the API server refuses

A path with `..`, a `fieldPath` or a resource that does not exist, a CIDR block of 99 bits, a budget of `"50"` without
the percent sign, a key of a ConfigMap with a slash, a schedule of four fields or with minute 99, a Secret's value that
is not base64, a relative path of an Ingress, an address that a definition's pattern does not take (Flux wants
`ssh://git@HOST/PATH`, not `git@HOST:PATH`).""",
    "GLM838": """What the API server takes, and what fails later

A container that may not be root and has user 0 never starts, nor does one whose emptyDir has a `medium` that no kubelet
knows; a pod that wants more of a label than a word (`operator: Gt`) is never scheduled. Warnings: `$(NAME)` of a
variable that the container does not have, which stays as it stands; a volume in memory above the pod's memory limit; a
resource in the domain of Kubernetes; `startupPolicy: LeaderReady` where the leader's engine waits for its workers; a
ReadWriteOnce claim for several pods with GPUs; a Service that sends requests to a group's workers; a `preStop` that
sleeps for as long as the pod has to end.""",
    "GLM839": """Compose services that wait for each other

`depends_on` makes a circle, and so do `network_mode`, `ipc`, `pid` and `uts` of `service:NAME`, `volumes_from` and
`links`: each of them is a dependency. Compose refuses the file.""",
}
