"""The requests of `probe` and `compare`, held against the request classes of the released servers."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from servers import Engine, serving
from test_engines import ENGINES, SCRIPTS, installed, versions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Result

pytestmark = pytest.mark.engines
TASKS = "tasks:\n  - {id: a, prompt: One., thinking: high}\n  - {id: b, messages: [{role: user, content: Two.}]}\n"


@pytest.mark.parametrize("framework", ["sglang", "ktransformers", "vllm"])
def test_released_servers_take_every_request(framework: str, run: Callable[..., Result], tmp_path: Path) -> None:
    python, wheel = installed(framework, versions(framework)[-1])
    engine = Engine()
    (tmp_path / "tasks.yaml").write_text(TASKS)
    with serving(engine) as url:
        assert run("probe", url).code == 0
        assert run("compare", url, url, "--tasks", str(tmp_path / "tasks.yaml")).code == 0
    bodies = [(path, body) for _, path, body, _ in engine.asked if body is not None]
    env = {"PATH": os.defpath, "HOME": str(tmp_path), "PYTHONPATH": str(wheel), "PYTHONDONTWRITEBYTECODE": "1"}
    argv = [python, SCRIPTS / "bodies.py", ENGINES[framework][1]]
    done = subprocess.run(
        argv, input=json.dumps(bodies), env=env, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(bodies) > 10
    assert json.loads(done.stdout) == [""] * len(bodies)
