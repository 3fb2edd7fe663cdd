"""Rendered Compose files really run: the real Compose over podman, with a stub image that listens on the engine's port.

It needs root, Debian's `podman runc netavark aardvark-dns iptables conmon catatonit busybox-static`, and the Compose
binary of `.ci/fetch-tools`; without them it is skipped, or fails where GLMDEPLOY_REQUIRE_TOOLS names podman. What it
cannot show: GPUs, and limits (memlock, stack) above those of this machine. podman ignores the device reservation, so that the file starts without any.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
import yaml
from conftest import BUNDLES, ranks

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.external

PATH = os.pathsep.join(filter(None, [os.environ.get("GLMDEPLOY_TOOLS"), os.defpath, "/usr/sbin", "/sbin"]))
PROGRAMS = ("podman", "runc", "conmon", "iptables", "busybox", "docker-compose")
CATATONIT = ("/usr/bin/catatonit", "/usr/libexec/podman/catatonit")

# The engine and the health check's python: one shell script over busybox. podman's API does not keep the check's words
# as they are (seen with 4.3.1): hence all arguments at once.
STUB = """\
#!/bin/sh
if [ "$1" = -c ]; then
  url=$(printf %s "$*" | sed -n "s/.*\\(http:[^', ]*\\).*/\\1/p")
  exec wget -q -O /dev/null "$url"
fi
# the check of the weights, and the download: what is whole is a file here
case "$0 $1" in
*/hf\\ *) mkdir -p "$HF_HUB_CACHE" && : >"$HF_HUB_CACHE/whole" && exit ;;
*/scripts/weights.py) grep -q safetensors "$1" && ls "$HF_HUB_CACHE/whole" && exit || exit 1 ;;
esac
mkdir -p /tmp/www
printf ok >/tmp/www/health
printf '%s\\n' "$0" "$@" >/tmp/www/argv
env >/tmp/www/env
ulimit -l >/tmp/www/memlock
df -Pk /dev/shm >/tmp/www/shm
grep -E 'Cap(Eff|Bnd)|NoNewPrivs' /proc/self/status >/tmp/www/status
while [ $# -gt 1 ] && [ "$1" != --port ]; do shift; done
trap 'exit 0' TERM
httpd -f -p "0.0.0.0:$2" -h /tmp/www &
wait $!
"""


def _limits() -> dict[str, int]:
    """Limits that this machine may set: podman's own defaults, and the file's, can be above its hard limits."""
    wanted = {"memlock": resource.RLIMIT_MEMLOCK, "stack": resource.RLIMIT_STACK}
    hard = {name: resource.getrlimit(kind)[1] for name, kind in wanted.items()}
    return {"nofile": 1024, "nproc": 1024, **{name: limit for name, limit in hard.items() if limit != -1}}


def _skip(reason: str) -> NoReturn:
    reason = f"CONTAINERS NOT RUN: {reason}"
    if {"1", "podman"} & set(os.environ.get("GLMDEPLOY_REQUIRE_TOOLS", "").split()):
        pytest.fail(reason, pytrace=False)
    # Only a machine with podman and root can start containers; .ci/run requires it where it installed it.
    pytest.skip(reason)


@dataclass(frozen=True)
class Engine:
    """A container engine of the test's own."""

    env: dict[str, str]
    root: Path

    def run(self, *words: str | Path, cwd: Path | None = None, **env: str) -> str:
        done = subprocess.run(
            words, env={**self.env, **env}, cwd=cwd or self.root, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def image(self, name: str) -> None:
        """Build the stub under the name of a real image: nothing is pulled."""
        folder = self.root / "image"
        if not folder.exists():
            binaries = folder / "root/bin"
            binaries.mkdir(parents=True)
            (folder / "root/tmp").mkdir()
            shutil.copy(shutil.which("busybox", path=PATH) or "", binaries / "busybox")
            for applet in ("sh", "sed", "wget", "mkdir", "env", "df", "grep", "httpd", "cat", "ls"):
                (binaries / applet).symlink_to("busybox")
            for program in ("hf", "python3", "vllm"):
                (binaries / program).write_text(STUB)
                (binaries / program).chmod(0o755)
            (folder / "Dockerfile").write_text("FROM scratch\nCOPY root /\nENV PATH=/bin\n")
        self.run("podman", "build", "-q", "-t", f"docker.io/{name}", folder)

    @contextmanager
    def up(self, file: Path, **env: str) -> Iterator[dict[str, str]]:
        """Start a Compose file; names of services and ids of their containers, all healthy."""
        names = ranks(yaml.safe_load(file.read_text())["services"])
        limits = self.root / "limits.yaml"
        limits.write_text(yaml.safe_dump({"services": {name: {"ulimits": _limits()} for name in names}}))
        compose = ("docker-compose", "-f", file, "-f", limits)
        try:
            early = subprocess.run([*compose, "up", "-d"], env={**self.env, **env}, capture_output=True, check=False)
            assert b"check-weights" in early.stderr
            assert early.returncode != 0
            self.run(*compose, "run", "--rm", "-T", "download", **env)
            self.run(*compose, "up", "-d", "--quiet-pull", **env)
            ids = {name: self.run(*compose, "ps", "-q", name, **env).strip() for name in names}
            for name, number in ids.items():
                self.healthy(name, number)
            yield ids
        finally:
            logs = self.run(*compose, "logs", "--no-color", **env)
            self.run(*compose, "down", "-v", **env)
            print(logs)  # noqa: T201  pytest shows it where a test fails
        assert self.run("podman", "ps", "-aq") == ""
        assert self.run("podman", "volume", "ls", "-q") == ""

    def healthy(self, name: str, number: str) -> None:
        """Run the file's health check as systemd's timers would, until it succeeds."""
        for _ in range(30):
            subprocess.run(["podman", "healthcheck", "run", number], env=self.env, capture_output=True, check=False)
            state = json.loads(self.run("podman", "inspect", number))[0]["State"]
            if (state.get("Healthcheck") or state.get("Health"))["Status"] == "healthy":
                return
            time.sleep(1)
        pytest.fail(f"{name} did not become healthy: {state}", pytrace=False)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    missing = [name for name in PROGRAMS if not shutil.which(name, path=PATH)]
    missing += [] if any(Path(p).exists() for p in CATATONIT) else ["catatonit"]
    if missing:
        _skip(f"{', '.join(missing)} not there: see the top of this file")
    if os.geteuid():
        _skip("containers with a network need root here")
    root = tmp_path_factory.mktemp("podman")
    (root / "docker").mkdir()
    (root / "docker/config.json").write_text("{}")
    (root / "containers.conf").write_text(
        '[containers]\ndefault_ulimits=["nofile=1024:1024","nproc=1024:1024"]\n'
        '[engine]\nruntime="runc"\ncgroup_manager="cgroupfs"\nevents_logger="file"\n'
        + (f'init_path="{CATATONIT[0]}"\n' if not Path(CATATONIT[1]).exists() else "")
    )
    (root / "storage.conf").write_text(f'[storage]\ndriver="vfs"\nrunroot="{root}/run"\ngraphroot="{root}/graph"\n')
    socket = root / "podman.sock"
    env = {
        "PATH": PATH,
        "HOME": str(root),
        "CONTAINERS_CONF": str(root / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(root / "storage.conf"),
        "DOCKER_HOST": f"unix://{socket}",
        "DOCKER_CONFIG": str(root / "docker"),
    }
    with (root / "service.log").open("wb") as log:
        service = subprocess.Popen(
            ["podman", "system", "service", "--time=0", f"unix://{socket}"], env=env, stdout=log, stderr=log
        )
    try:
        for _ in range(50):
            if socket.exists():
                break
            time.sleep(0.2)
        yield Engine(env, root)
    finally:
        service.terminate()
        service.wait(30)


def _get(url: str) -> str:
    for _ in range(20):
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  the test's own container
                return str(answer.read().decode())
        except OSError:
            time.sleep(0.5)
    return pytest.fail(f"{url} does not answer", pytrace=False)


def test_a_rendered_file_becomes_healthy_answers_and_goes_down(engine: Engine, tmp_path: Path) -> None:
    """The shipped file as it is, with an API key from a file."""
    file = BUNDLES / "glm-5.2-fp8-8xh200-vllm/compose/compose.yaml"
    service = yaml.safe_load(file.read_text())["services"]["server"]
    engine.image(service["image"])
    key = tmp_path / "key"
    key.write_text("topsecret\n")
    with engine.up(file, VLLM_API_KEY_FILE=str(key), GLM_PORT="18000"):
        assert _get("http://127.0.0.1:18000/health") == "ok"
        argv = _get("http://127.0.0.1:18000/argv").splitlines()
        assert argv[1:] == [w.replace("$$", "$") for w in service["command"]][1:]
        assert "VLLM_API_KEY=topsecret" in _get("http://127.0.0.1:18000/env")
        status = dict(line.split(":\t") for line in _get("http://127.0.0.1:18000/status").splitlines())
        assert {k: int(v, 16) for k, v in status.items()} == {"CapEff": 0, "CapBnd": 0, "NoNewPrivs": 1}
        assert _get("http://127.0.0.1:18000/shm").splitlines()[1].split()[1] == str(32 * 1024**2)


def test_ranks_of_one_host_run_side_by_side(engine: Engine) -> None:
    """Four ranks on the host's network: each on its own port."""
    file = BUNDLES / "glm-5.2-fp8-10xh100-sglang/compose/host-0/compose.yaml"
    services = yaml.safe_load(file.read_text())["services"]
    engine.image(services["leader"]["image"])
    with engine.up(file, GLM_LEADER_ADDRESS="127.0.0.1") as ids:
        assert set(ids) == {"leader", "worker-1", "worker-2", "worker-3"}
        for rank in range(4):
            argv = _get(f"http://127.0.0.1:{30000 + rank}/argv").splitlines()
            assert argv[argv.index("--node-rank") + 1] == str(rank)
            assert argv[argv.index("--dist-init-addr") + 1] == "127.0.0.1:20000"
