"""A real Slurm, from Debian packages, accepts and runs the rendered job with a stub for the engine.

One node with ten fake GPUs: what cannot be shown here is several nodes, and the GPUs themselves. It needs root, and
`slurmctld slurmd slurm-client munge`; without them it is skipped, or fails where GLMDEPLOY_REQUIRE_TOOLS names slurm.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import stat
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
import yaml

from glmdeploy import pipeline, report, source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.pipeline import Outcome

pytestmark = pytest.mark.external

PROGRAMS = ("munged", "mungekey", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue")
GPUS = 10
GOOD = "glm-5.2-fp8-10xh100-sglang-slurm"
ONE_NODE = ("--nodes=1", "--ntasks-per-node=5")  # all five ranks on the only node


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _skip(reason: str) -> NoReturn:
    reason = f"SLURM NOT RUN: {reason}"
    if {"1", "slurm"} & set(os.environ.get("GLMDEPLOY_REQUIRE_TOOLS", "").split()):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


CONF = """\
ClusterName=stub
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld}
SlurmdPort={slurmd}
AuthType=auth/munge
AuthInfo=socket={root}/munge.socket
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
GresTypes=gpu
ReturnToService=2
MpiDefault=none
NodeName={host} NodeAddr=127.0.0.1 CPUs=240 RealMemory=4096 Gres=gpu:{gpus} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES State=UP
"""


@contextmanager
def _daemons(commands: list[list[str]], env: dict[str, str], root: Path) -> Iterator[None]:
    started = []
    try:
        for command in commands:
            with (root / f"{Path(command[0]).name}.out").open("wb") as out:
                started.append(subprocess.Popen(command, env=env, stdout=out, stderr=out))
            time.sleep(1)
        yield
    finally:
        for daemon in reversed(started):
            daemon.terminate()
        for daemon in started:
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which Slurm's commands reach the cluster."""
    path = os.pathsep.join([os.defpath, "/usr/sbin", "/sbin"])
    missing = [name for name in PROGRAMS if not shutil.which(name, path=path)]
    if missing:
        _skip(f"{', '.join(missing)} not there: apt-get install slurmctld slurmd slurm-client munge")
    if os.geteuid():
        _skip("slurmd starts other users' tasks: run it as root")
    root = tmp_path_factory.mktemp("slurm")
    for folder in ("state", "spool"):
        (root / folder).mkdir()
    for number in range(GPUS):
        # a character device: for a plain file Slurm writes no CUDA_VISIBLE_DEVICES
        os.mknod(root / f"fakegpu{number}", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    host = socket.gethostname().partition(".")[0]
    conf = CONF.format(host=host, ctld=_port(), slurmd=_port(), root=root, gpus=GPUS)
    (root / "slurm.conf").write_text(conf)
    (root / "gres.conf").write_text(f"Name=gpu Count={GPUS} Flags=nvidia_gpu_env File={root}/fakegpu[0-{GPUS - 1}]\n")
    env = {"PATH": path, "HOME": str(root), "SLURM_CONF": str(root / "slurm.conf"), "LC_ALL": "C.UTF-8"}
    subprocess.run(["mungekey", "-c", "-k", str(root / "munge.key")], check=True, env=env)
    munged = ["munged", "--foreground", "--force", f"--key-file={root}/munge.key", f"--socket={root}/munge.socket"]
    munged += [f"--pid-file={root}/munge.pid", f"--seed-file={root}/munge.seed", f"--log-file={root}/munge.log"]
    with _daemons([munged, ["slurmctld", "-D", "-i"], ["slurmd", "-D"]], env, root):
        for _ in range(60):
            state = subprocess.run(
                ["sinfo", "-h", "-o", "%T"], env=env, capture_output=True, text=True, check=False
            ).stdout.strip()
            if state == "idle":
                break
            time.sleep(1)
        else:
            log = (root / "slurmctld.log").read_text()[-2000:] if (root / "slurmctld.log").exists() else "no log"
            pytest.fail(f"the node is {state or 'unknown'}:\n{log}", pytrace=False)
        yield env


def _outcome(**sections: object) -> Outcome:
    base = yaml.safe_load(Path(pipeline.open_profile(GOOD).path).read_text())
    return pipeline.judge(source.parse("p.yaml", yaml.safe_dump({**base, **sections})))


def _written(outcome: Outcome, folder: Path) -> Path:
    pipeline.render(outcome).write(folder)
    return folder


def _submit(env: dict[str, str], folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sbatch", *words], env=env, cwd=folder, capture_output=True, text=True, check=False)


def _stub(env: dict[str, str], folder: Path) -> dict[str, str]:
    """The environment in which the engine is a stub that writes down how it was started."""
    binaries, runs = folder / "bin", folder / "runs"
    binaries.mkdir()
    runs.mkdir()
    stub = binaries / "python3"
    stub.write_text(
        f'#!/bin/bash\nout={shlex.quote(str(runs))}/$SLURM_PROCID\nprintf "%s\\n" "$@" >"$out.argv"\nenv >"$out.env"\n'
    )
    stub.chmod(0o755)
    return {**env, "PATH": f"{binaries}{os.pathsep}{env['PATH']}", "GLM_SKIP_PREFLIGHT": "1"}


def _finished(env: dict[str, str], folder: Path, *words: str) -> str:
    """Submit, wait, and give the job's log."""
    submitted = _submit(env, folder, "--wait", *words)
    logs = "\n".join(p.read_text() for p in folder.glob("*.log"))
    assert submitted.returncode == 0, submitted.stderr + logs
    return logs


def test_slurm_would_start_the_job(cluster: dict[str, str], tmp_path: Path) -> None:
    folder = _written(_outcome(), tmp_path)
    answer = _submit(cluster, folder, "--test-only", *ONE_NODE, "slurm/job.sh")
    assert (answer.returncode, "to start at" in answer.stderr) == (0, True), answer.stderr


def test_slurm_refuses_what_no_node_has(cluster: dict[str, str], tmp_path: Path) -> None:
    folder = _written(_outcome(), tmp_path)
    answer = _submit(cluster, folder, "--test-only", "slurm/job.sh")  # two nodes, and there is one
    assert answer.returncode != 0


def test_ranks_of_one_node_get_their_own_gpus_and_ports(cluster: dict[str, str], tmp_path: Path) -> None:
    outcome = _outcome()
    folder = _written(outcome, tmp_path)
    _finished(_stub(cluster, folder), folder, *ONE_NODE, "slurm/job.sh")
    host = socket.gethostname().partition(".")[0]
    seen: set[str] = set()
    for process in outcome.processes:
        argv = (folder / f"runs/{process.rank}.argv").read_text().splitlines()
        assert argv == process.words(leader=host, port=str(30000 + process.rank))[1:]
        lines = (folder / f"runs/{process.rank}.env").read_text().splitlines()
        env = dict(line.split("=", 1) for line in lines if "=" in line)
        assert {k: env[k] for k, _ in process.env} == dict(process.env)
        gpus = env["CUDA_VISIBLE_DEVICES"].split(",")
        assert len(gpus) == 2
        assert not seen & set(gpus)
        seen |= set(gpus)
    assert len(seen) == GPUS


def test_a_job_of_one_rank_gets_every_gpu(cluster: dict[str, str], tmp_path: Path) -> None:
    outcome = _outcome(cluster={"gpu": "h200", "gpus": 8, "cpu_cores": 96})
    folder = _written(outcome, tmp_path)
    _finished(_stub(cluster, folder), folder, "slurm/job.sh")
    argv = (folder / "runs/0.argv").read_text().splitlines()
    assert argv == outcome.processes[0].words(leader="")[1:]


def test_print_writes_the_plans_commands_to_the_log(cluster: dict[str, str], tmp_path: Path) -> None:
    outcome = _outcome(cluster={"gpu": "h200", "gpus": 8, "cpu_cores": 96})
    folder = _written(outcome, tmp_path)
    log = _finished(cluster, folder, "slurm/job.sh", "--print")
    printed = [line for line in log.splitlines() if line.startswith("python3")]
    assert outcome.plan is not None
    assert [shlex.split(line) for line in printed] == [
        p["argv"] for p in yaml.safe_load(report.as_json(outcome.plan, outcome.processes, outcome.found))["processes"]
    ]


def test_a_rank_that_fails_ends_the_job(cluster: dict[str, str], tmp_path: Path) -> None:
    folder = _written(_outcome(), tmp_path)
    env = _stub(cluster, folder)
    stub = folder / "bin/python3"
    stub.write_text("#!/bin/bash\n[[ $SLURM_PROCID != 3 ]] || exit 7\nsleep 300\n")
    start = time.monotonic()
    assert _submit(env, folder, "--wait", *ONE_NODE, "slurm/job.sh").returncode != 0
    assert time.monotonic() - start < 120
