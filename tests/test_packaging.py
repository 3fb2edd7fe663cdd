"""The wheel, outside the checkout, renders the same bytes as the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from conftest import BUNDLES

ROOT = Path(__file__).parent.parent
PROFILE = "glm-5.2-fp8-10xh100-sglang"


def test_the_wheel_renders_what_the_checkout_renders(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    wheel = next(tmp_path.glob("*.whl"))
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
        assert not [n for n in archive.namelist() if n.startswith(("tests/", "templates/", "profiles/"))]
    env = {**os.environ, "PYTHONPATH": str(site)}
    where = "import glmdeploy; print(glmdeploy.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", where], env=env, cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert found.stdout.strip() == str(site / "glmdeploy/__init__.py")
    subprocess.run(
        [sys.executable, "-m", "glmdeploy", "render", PROFILE, "-o", "out"],
        env=env,
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    golden = {
        str(p.relative_to(BUNDLES / PROFILE)): p.read_bytes() for p in (BUNDLES / PROFILE).rglob("*") if p.is_file()
    }
    assert {
        str(p.relative_to(tmp_path / "out")): p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()
    } == golden
