"""Kustomizations and Compose files that the tools themselves refuse: each row is judged here, and by the tool.

The tests marked external give the same files to `kubectl kustomize` and to `docker compose config`, so that neither a
row nor a right neighbour is ours alone.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from conftest import TESTS
from test_external import run, tool
from test_manifest_limits import COMPOSE, change, judged

from glmdeploy import manifests
from glmdeploy.diagnostics import Level

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAP = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {}
data:
  a: "1"
"""
FILES = {
    "a.yaml": MAP.format("a"),
    "b.yaml": MAP.format("b"),
    "patch.yaml": MAP.format("a"),
    "lost.yaml": MAP.format("z"),
}
GOOD: dict[str, Any] = {
    "apiVersion": "kustomize.config.k8s.io/v1beta1",
    "kind": "Kustomization",
    "resources": ["a.yaml", "b.yaml"],
    "patches": [{"path": "patch.yaml"}],
    "configMapGenerator": [{"name": "made", "files": ["settings.txt"], "envs": ["some.env"]}],
}
SAYS = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made"}, "data": {"b": "2"}}
FIX = "- {op: add, path: /data/b, value: x}"

# What stands in a kustomization, and what is said; the other files are `FILES`.
REFUSED: list[Sequence[Any]] = [
    ("resource", ["a.yaml"], "GLM802"),
    ("configMapGenerator.0.file", ["settings.txt"], "GLM802"),
    ("images", [{"name": "a", "tag": "1"}], "GLM802"),
    ("patches.0.file", "patch.yaml", "GLM802"),
    ("resources", ["a.yaml", "b.yaml", "./a.yaml"], "GLM809"),
    ("configMapGenerator.0.files", ["run=nope.sh"], "GLM819"),
    ("configMapGenerator.0.envs", ["nope.env"], "GLM819"),
    ("secretGenerator", [{"name": "s", "env": "nope.env"}], "GLM819"),
    ("patches", [{"path": "patch.yaml"}, {"path": "lost.yaml"}], "GLM819"),
    ("patchesStrategicMerge", ["lost.yaml"], "GLM819"),
    ("patches.0", {"patch": MAP.format("z")}, "GLM819"),
]
TAKEN: list[Sequence[Any]] = [
    ("Images", [{"name": "a", "newtag": "1"}]),
    ("patches.0", {"path": "lost.yaml", "target": {"kind": "ConfigMap", "name": "nobody"}}),
    ("patches.0", {"patch": FIX, "target": {"kind": "ConfigMap", "name": "a"}}),
    ("patches.0", {"patch": yaml.safe_dump(SAYS)}),
    ("namePrefix", "glm-"),
    ("configMapGenerator.0.files", ["run=settings.txt", "a.yaml"]),
    ("secretGenerator", [{"name": "s", "type": "Opaque", "literals": ["a=b"]}]),
    ("generatorOptions", {"disableNameSuffixHash": True}),
]


def folder(path: str, value: Any) -> dict[str, str]:
    kustomization = copy.deepcopy(GOOD)
    change(kustomization, path, value)
    mentioned = yaml.safe_dump(kustomization)
    files = {name: text for name, text in FILES.items() if name in mentioned}
    return {**files, "kustomization.yaml": mentioned, "settings.txt": "x\n", "some.env": "A=b\n"}


def spoken(files: dict[str, str]) -> list[str]:
    return [d.code for d in manifests.check(files.items()) if d.level is Level.ERROR]


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: f"{row[2]}-{row[0]}")
def test_what_kustomize_refuses_is_named(row: Sequence[Any]) -> None:
    assert spoken(folder(*row[:2])) == [row[2]]


@pytest.mark.parametrize("row", TAKEN, ids=lambda row: row[0])
def test_what_kustomize_takes_is_not_refused(row: Sequence[Any]) -> None:
    assert spoken(folder(*row)) == []


def test_an_overlay_may_patch_by_the_name_that_its_base_gives() -> None:
    overlay = {"resources": ["../base"], "patches": [{"patch": MAP.format("glm-a")}]}
    base = {"resources": ["a.yaml"], "namePrefix": "glm-"}
    files = {"base/a.yaml": FILES["a.yaml"]}
    files |= {f"{k}/kustomization.yaml": yaml.safe_dump(v) for k, v in (("base", base), ("over", overlay))}
    assert spoken(files) == []
    assert spoken({**files, "base/kustomization.yaml": yaml.safe_dump({"resources": ["a.yaml"]})}) == ["GLM819"]


def test_what_comes_from_elsewhere_may_hold_anything() -> None:
    remote = {"resources": ["a.yaml", "https://example.com/b.yaml"], "patches": [{"patch": MAP.format("z")}]}
    binding = (TESTS / "limits" / "good.yaml").read_text().split("\n---\n")[-3].replace("name: reader", "name: other")
    assert "kind: RoleBinding" in binding
    files = {"a.yaml": binding, "kustomization.yaml": yaml.safe_dump(remote)}
    assert spoken(files) == []


@pytest.mark.external
@pytest.mark.parametrize("row", [*REFUSED, *TAKEN], ids=lambda row: f"{'refused' if row[2:] else 'taken'}-{row[0]}")
def test_kustomize_says_the_same(row: Sequence[Any], tmp_path: Path) -> None:
    for name, text in folder(*row[:2]).items():
        (tmp_path / name).write_text(text)
    assert bool(run(tmp_path, tool("kubectl"), "kustomize", tmp_path).returncode) == bool(row[2:])


SHARED = {"image": "nginx:1.29.0", "restart": "no"}
# What stands in the services of a Compose file, and what is said.
SERVICES: list[Sequence[Any]] = [
    ("proxy", {**SHARED, "network_mode": "service:nope"}, "GLM832"),
    ("server.ipc", "service:nope", "GLM832"),
    ("server.pid", "service:nope", "GLM832"),
    ("server.volumes_from", ["nope:ro"], "GLM832"),
    ("server.links", ["nope:db"], "GLM832"),
    ("server.networks", ["nope"], "GLM832"),
    ("server.networks", {"nope": None}, "GLM832"),
    ("server.healthcheck.test", ["curl", "-f", "http://127.0.0.1/"], "GLM828"),
    ("server.depends_on", ["proxy"], "GLM839"),
    ("server.depends_on", ["server"], "GLM839"),
    ("server.pid", "service:proxy", "GLM839"),
    ("server.ulimits", {"memlock": {"soft": -1}}, "GLM817"),
    ("server.volumes", [{"type": "bind", "target": "/models"}], "GLM817"),
    ("proxy", {**SHARED, "container_name": "proxy", "scale": 2}, "GLM836"),
    ("proxy", {**SHARED, "container_name": "proxy", "deploy": {"replicas": 2}}, "GLM836"),
]
FINE: list[Sequence[Any]] = [
    ("proxy.network_mode", "service:server"),
    ("proxy.ipc", "shareable"),
    ("proxy.volumes_from", ["server:ro", "container:other"]),
    ("proxy.links", ["server:engine"]),
    ("server.healthcheck.test", "curl -f http://127.0.0.1/"),
    ("server.healthcheck.test", ["CMD-SHELL", "true"]),
    ("server.ulimits", {"memlock": -1, "nofile": {"soft": 1, "hard": 2}}),
    ("server.volumes", [{"type": "volume", "target": "/models"}, {"type": "tmpfs", "target": "/tmp"}]),  # noqa: S108
    ("proxy.container_name", "proxy"),
    ("proxy", {**SHARED, "container_name": "proxy", "scale": 1}),
    ("proxy.scale", 2),
]


def composed(path: str, value: Any) -> dict[str, Any]:
    file = copy.deepcopy(COMPOSE)
    change(file["services"], path, value)
    return file


@pytest.mark.parametrize("row", SERVICES, ids=lambda row: f"{row[2]}-{row[0]}")
def test_what_compose_refuses_is_named(row: Sequence[Any]) -> None:
    assert [d.code for d in judged([composed(*row[:2])], "compose.yaml")] == [row[2]]


@pytest.mark.parametrize("row", FINE, ids=lambda row: row[0])
def test_what_compose_takes_is_not_refused(row: Sequence[Any]) -> None:
    assert judged([composed(*row)], "compose.yaml") == []


@pytest.mark.external
@pytest.mark.parametrize("row", [*SERVICES, *FINE], ids=lambda row: f"{'refused' if row[2:] else 'taken'}-{row[0]}")
def test_compose_says_the_same(row: Sequence[Any], tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(yaml.safe_dump(composed(*row[:2])))
    words = [tool("docker-compose"), "-f", tmp_path / "compose.yaml", "config", "--quiet"]
    assert bool(run(tmp_path, *words).returncode) == bool(row[2:])
