"""What rclone is told, to bring weights from an object store: in a pod and on a host alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.bundle import Artifact
from glmdeploy.targets.common import header
from glmdeploy.templating import render as render_template

if TYPE_CHECKING:
    from glmdeploy.plan import Plan
    from glmdeploy.weights import Weights

_REMOTE = "STORE"  # rclone's name for the store, which exists in the environment alone
# variable -> key of the profile's secret; the AWS SDK and rclone read them
_CREDENTIALS = {
    "s3": {"AWS_ACCESS_KEY_ID": "access-key-id", "AWS_SECRET_ACCESS_KEY": "secret-access-key"},
    "gs": {f"RCLONE_CONFIG_{_REMOTE}_SERVICE_ACCOUNT_CREDENTIALS": "service-account"},
}


def words(weights: Weights) -> list[str]:
    """The command line: files that are there in full are kept, the others come under their names when they are whole."""
    source = f"{_REMOTE.lower()}:{weights.store.partition('://')[2]}"
    # no file of settings: an empty name keeps them in memory
    options = ["--config", "", "--transfers", "8", "--retries", "5", "--stats", "60s", "--stats-one-line", "--verbose"]
    return ["rclone", "copy", source, weights.path, *options]


def environment(weights: Weights) -> list[tuple[str, str]]:
    """The store, as rclone's variables. Credentials are what the environment or the machine's role gives."""
    if weights.scheme == "gs":
        found = {"TYPE": "google cloud storage"}
    else:
        found = {"TYPE": "s3", "PROVIDER": "Other" if weights.endpoint else "AWS"}
        found |= {k: v for k, v in (("ENDPOINT", weights.endpoint), ("REGION", weights.region)) if v}
    return sorted((f"RCLONE_CONFIG_{_REMOTE}_{key}", value) for key, value in {**found, "ENV_AUTH": "true"}.items())


def credentials(plan: Plan) -> list[tuple[str, str, str]]:
    """Variable, secret and key of each credential; none where the profile names no secret."""
    secret = plan.spec.store_secret
    return [(variable, secret, key) for variable, key in _CREDENTIALS[plan.spec.weights.scheme].items() if secret]


def script(plan: Plan, folder: str) -> Artifact:
    """``download.sh`` in a folder of the bundle."""
    weights = plan.spec.weights
    command = words(weights)
    text = render_template(
        "script/fetch.sh.j2",
        header=header(plan.spec),
        store=weights.store,
        source=command[2],
        folder=weights.path,
        options=command[4:],
        env=environment(weights),
        credentials=list(_CREDENTIALS[weights.scheme]),
        checkpoint_kib=-(-plan.spec.checkpoint.total_bytes // 1024),
    )
    return Artifact(f"{folder}/download.sh", text, executable=True)
