"""Every shipped profile renders what is committed under tests/bundles, byte for byte, wherever it runs."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import BUNDLES

from glmdeploy import pipeline, resources
from glmdeploy.bundle import MANIFEST

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

PROFILES = sorted(resources.shipped_profiles())


@pytest.mark.parametrize("profile", PROFILES)
def test_profile_renders_the_golden_bundle(profile: str, bundle_snapshot: SnapshotAssertion) -> None:
    bundle = pipeline.render(pipeline.judge(pipeline.open_profile(profile)))
    for artifact in (*bundle.artifacts, bundle.manifest()):
        assert artifact.text == bundle_snapshot(name=f"{profile}/{artifact.path}")


@pytest.mark.parametrize("profile", PROFILES)
def test_golden_bundle_holds_no_other_file(profile: str) -> None:
    folder = BUNDLES / profile
    files = json.loads((folder / MANIFEST).read_text())["files"]
    found = {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()
    }
    del found[MANIFEST]
    assert found == files


def test_every_golden_bundle_has_a_profile() -> None:
    assert sorted(p.name for p in BUNDLES.iterdir()) == PROFILES


def test_at_least_twelve_profiles_ship_and_each_framework_twice() -> None:
    frameworks = [pipeline.open_profile(p).data["framework"]["name"] for p in PROFILES]
    assert len(PROFILES) >= 12
    assert {f: frameworks.count(f) >= 2 for f in frameworks} == {
        "sglang": True,
        "vllm": True,
        "transformers": True,
        "ktransformers": True,
    }


@pytest.mark.parametrize("where", ["here", "elsewhere"])
@pytest.mark.parametrize("profile", ["glm-5.2-fp8-10xh100-sglang", "glm-5.2-fp8-8xh200-vllm"])
def test_render_is_byte_equal_under_another_hash_seed_locale_zone_and_folder(
    profile: str, where: str, tmp_path: Path
) -> None:
    env = {**os.environ, "PYTHONHASHSEED": "1" if where == "here" else "4242", "NO_COLOR": "1"}
    if where == "elsewhere":
        env |= {"LC_ALL": "C", "LANG": "C", "TZ": "Pacific/Kiritimati"}
    folder = tmp_path if where == "elsewhere" else Path.cwd()
    out = tmp_path / "out"
    command = [sys.executable, "-m", "glmdeploy", "render", profile, "-o", str(out)]
    subprocess.run(command, env=env, cwd=folder, check=True, capture_output=True)
    golden = {
        str(p.relative_to(BUNDLES / profile)): p.read_bytes() for p in (BUNDLES / profile).rglob("*") if p.is_file()
    }
    assert {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()} == golden
