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
refuses it. The fields of the built-in kinds are those of the newest Kubernetes API that was read, and of LeaderWorkerSet
v1; those of other custom kinds are not judged.""",
    "GLM803": """A value is of another type than the field

Kubernetes reads YAML 1.1: a plain `yes`, `on` or `off` is a bool, `012` is ten, and an environment variable must be a
string. What only some readers take for a number or a date (`1:30`, `2026-01-01`) is a warning. Write it in double
quotes.""",
    "GLM804": """A name that the API server refuses

Names are lowercase letters, digits and `-` (RFC 1123), for most kinds with dots; a Service begins with a letter; names
of containers and volumes have no dots.""",
    "GLM805": """A label or annotation that the API server refuses

A label's value has at most 63 characters: letters, digits, `-`, `_` and `.`, with a letter or digit at both ends. A slash
(`zai-org/GLM-5`) is refused. A key may have a domain in front.""",
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

Containers, volumes, ports, mount paths and environment variables are unique in their pod or container. A variable that
stands twice is a warning: the last one wins.""",
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

Every API server passes it: a selector that matches no pod of the folder, a targetPort that no container names, a port to
scrape that does not exist. A number that no container declares is a warning: declaring is not compulsory.""",
    "GLM816": """A reference to an object that is not there

A claim, Secret, ConfigMap or ServiceAccount that the pod needs is not in the folder. The API server passes it, and the
pod waits. Objects that the profile names as existing (`secrets`, `model.source.claim`) are a note; `.glmdeploy.json`
lists them under `external`. In other folders, the annotation `glmdeploy/external: Secret/NAME, ...` says so. References
with `optional: true` are left alone.""",
    "GLM817": """A field is missing

The API server refuses the object, or Compose the service, without it.""",
    "GLM818": """An object stands twice

Two objects of one kind, namespace and name: the second would overwrite the first.""",
    "GLM819": """A kustomization and its folder differ

A resource or patch that is not there stops `kubectl kustomize`. A manifest beside it that it does not name is a warning:
it is never applied.""",
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

The field takes one of a few words; the hint lists them. `restartPolicy` is `Always` for a Deployment and `OnFailure` or
`Never` for a Job.""",
    "GLM830": """Compose would put nothing in place of a variable

`${NAME}` becomes an empty string where NAME is not set, with a warning that nobody reads. `${NAME:?message}` stops,
`${NAME:-default}` goes on; names in `.env` or `.env.example` beside the file are known. A dollar of the command's own is
doubled. A dollar that begins no variable stops Compose.""",
    "GLM831": """A Compose service without a health check

Nobody sees that it still loads, or that it hangs. Services that run once (`restart: no`, profiles, or others wait for
their completion) need none.""",
    "GLM832": """A Compose service names something that is not there

A volume, network, secret, config or service that the file does not define.""",
    "GLM833": """A Compose device reservation that Docker refuses

`count` and `device_ids` exclude each other, and `capabilities` is compulsory.""",
}
