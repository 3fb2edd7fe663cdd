"""What must hold for every entry: pages, sources, examples, README commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import plan_for

from glmdeploy import catalog, rules
from glmdeploy.cli.list_command import LISTS
from glmdeploy.frameworks import ENGINES, LAUNCH
from glmdeploy.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Result

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "glmdeploy").rglob("*.py"))
_NUMBERED = re.compile(r"^def test_(?:complaints_)?((?:\d\d_)+)", re.MULTILINE)


@pytest.mark.parametrize("code", sorted(rules.pages()))
def test_every_code_has_a_page_with_a_title_and_a_text(code: str) -> None:
    page = rules.pages()[code]
    assert re.fullmatch(r"GLM\d{3}", code)
    assert page.title
    assert not page.title.endswith(".")
    assert len(page.text) > len(page.title) + 20


def test_every_code_that_is_emitted_has_a_page() -> None:
    emitted = {code for file in SOURCES for code in re.findall(r'"(GLM\d{3})"', file.read_text())}
    assert emitted == set(rules.pages())


@pytest.mark.parametrize("gpu", sorted(catalog.load().gpus))
def test_every_gpu_is_cited_dated_and_found_by_each_of_its_names(gpu: str) -> None:
    found = catalog.load().gpus[gpu]
    labels = {"product_labels"} if found.product_labels else set()
    assert set(found.facts) == {"memory", "specification", "driver_names"} | labels
    assert found.driver_names
    assert all(f.source and re.fullmatch(r"2026-\d\d-\d\d", f.checked) for f in found.facts.values())
    for alias in (found.id, *found.aliases):
        assert found in catalog.load().find_gpus(alias.upper())


@pytest.mark.parametrize(
    "text", ["H100", "h200", "GB300", "MI300X", "RTX4090", "rtx 4090", "RTX-4090", "NVIDIA H100", "rtx_pro_6000"]
)
def test_names_that_people_type_mean_one_gpu(text: str) -> None:
    assert len(catalog.load().find_gpus(text)) == 1


def test_h100_is_the_sxm_board() -> None:
    assert [g.id for g in catalog.load().find_gpus("H100")] == ["h100-sxm-80gb"]


@pytest.mark.parametrize("framework", sorted(catalog.load().frameworks))
def test_every_framework_entry_is_whole(framework: str) -> None:
    entry = catalog.load().frameworks[framework]
    computes = {g.compute for g in catalog.load().gpus.values()}
    assert set(entry.kernels) == computes
    assert all(re.match(r"(yes\Z|unconfirmed: |no: )", status) for status in entry.kernels.values())
    assert entry.default in entry.tested
    assert entry.floor == min(entry.tested)
    assert all(f.option.startswith("--") for f in entry.flags)
    assert all(i.fact.source and i.fact.checked for i in entry.images)


@pytest.mark.parametrize("checkpoint", [c.id for c in catalog.load().model.checkpoints])
def test_every_checkpoint_is_cited(checkpoint: str) -> None:
    entry = next(c for c in catalog.load().model.checkpoints if c.id == checkpoint)
    assert {"total_bytes", "floor_gb", "max_tp"} <= set(entry.facts)
    assert not entry.compute or "compute" in entry.facts
    assert set(entry.frameworks) <= set(catalog.load().frameworks)


def test_tables_name_the_same_frameworks() -> None:
    assert set(ENGINES) == set(LAUNCH) == set(catalog.load().frameworks)


@pytest.mark.parametrize("target", sorted(TARGETS))
@pytest.mark.parametrize("framework", sorted(ENGINES))
def test_every_framework_renders_for_every_target(framework: str, target: str) -> None:
    sections = {
        "cluster": {"host_memory": "1 TiB", "cpu_cores": 96, "numa_nodes": 2},
        "framework": {"image": "registry.example.com/image:1"},
        "serving": {"expose_unauthenticated": True},
        "targets": [target],
    }
    plan = plan_for(framework, "8xh200", **sections)
    files = TARGETS[target](plan, LAUNCH[framework](plan))
    assert files
    assert all(f.text.endswith("\n") and f.path.startswith(f"{target}/") for f in files)


def test_lists_are_those_of_the_help(run: Callable[..., Result]) -> None:
    assert all(name in run("list", "--help").out for name in LISTS)


def _readme_commands() -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ glmdeploy ")]


def test_readme_shows_commands() -> None:
    assert len(_readme_commands()) >= 4


@pytest.mark.parametrize("command", _readme_commands())
def test_readme_output_is_what_the_command_prints(
    command: str, run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = (ROOT / "README.md").read_text()
    shown = readme.partition(f"$ {command}\n")[2].partition("```")[0].partition("\n$ ")[0].rstrip("\n")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.sh").write_text(readme.partition("```sh\n# run.sh\n")[2].partition("```")[0])
    for name in ("glm/budget.yaml", "later/pod.yaml"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(readme.partition(f"```yaml\n# {name}\n")[2].partition("```")[0])
    (tmp_path / "prod.yaml").write_text(readme.partition("```yaml\n# prod.yaml\n")[2].partition("```")[0])
    result = run(*shlex.split(command)[1:])
    printed = "\n".join(part.rstrip("\n") for part in (result.err, result.out) if part.strip())
    streams = {printed, "\n".join(part.rstrip("\n") for part in (result.out, result.err) if part.strip())}
    assert shown in {s.strip("\n") for s in streams} or shown in {result.out.strip("\n"), result.err.strip("\n")}


@pytest.mark.parametrize("number", range(42, 59))
def test_each_complaint_of_users_about_layouts_and_bundles_has_a_test_of_its_number(number: int) -> None:
    names = [n for file in sorted(Path(__file__).parent.glob("test_*.py")) for n in _NUMBERED.findall(file.read_text())]
    assert any(str(number) in name.split("_") for name in names)
