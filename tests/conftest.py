"""Fixtures: run the command line, write profiles, and keep golden bundles as plain files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from syrupy.data import Snapshot, SnapshotCollection
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from glmdeploy import catalog as catalogue
from glmdeploy.cli import main
from glmdeploy.frameworks import ENGINES
from glmdeploy.planner import make_plan
from glmdeploy.profile import Profile
from glmdeploy.spec import resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from syrupy.assertion import SnapshotAssertion
    from syrupy.location import PyTestLocation

    from glmdeploy.catalog import Catalog
    from glmdeploy.plan import Plan

TESTS = Path(__file__).parent
BUNDLES = TESTS / "bundles"
GOLDEN_TEST = "test_profile_renders_the_golden_bundle"


@dataclass(frozen=True)
class Result:
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


@pytest.fixture
def run() -> Callable[..., Result]:
    """Run ``glmdeploy ARGS...`` in this process."""

    def runner(*argv: str) -> Result:
        result = CliRunner(env={"NO_COLOR": "1"}).invoke(main, list(argv))
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Result(result.exit_code, result.stdout, result.stderr)

    return runner


@pytest.fixture
def write_profile(tmp_path: Path) -> Callable[[str], Path]:
    """Write a profile into a temporary folder."""

    def writer(text: str, name: str = "profile.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return writer


def ranks(services: dict[str, Any]) -> dict[str, Any]:
    """The services of a Compose file that serve, without those that run once."""
    return {name: service for name, service in services.items() if service["restart"] != "no"}


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """The shipped catalogue."""
    return catalogue.load()


def plan_for(framework: str, gpus: str, /, **sections: Any) -> Plan:
    """The plan for ``10xh100`` and a framework; sections as in a profile."""
    count, _, gpu = gpus.partition("x")
    document = {
        "apiVersion": "glmdeploy/v1",
        "name": "t",
        **sections,
        "cluster": {"gpu": gpu, "gpus": int(count), **sections.get("cluster", {})},
        "framework": {"name": framework, **sections.get("framework", {})},
    }
    spec = resolve(Profile.model_validate(document), catalogue.load())
    return make_plan(spec, ENGINES[framework])


class BundleExtension(SingleFileSnapshotExtension):
    """Snapshots at ``tests/bundles/<profile>/<path>``: the very files that a user gets."""

    _write_mode = WriteMode.TEXT
    file_extension = ""

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        del test_location
        return str(BUNDLES)

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: Any = 0) -> str:
        return f"{test_location.snapshot_name}/{index}"

    @classmethod
    def get_file_basename(cls, *, test_location: PyTestLocation, index: Any) -> str:
        del test_location
        return str(index)

    @classmethod
    def matches_test_location(cls, *, test_location: PyTestLocation, snapshot_location: str) -> bool:
        profile = Path(snapshot_location).relative_to(BUNDLES).parts[0]
        return f"[{profile}]" in test_location.snapshot_name_parametrized

    def is_snapshot_location(self, *, location: str) -> bool:
        return Path(location).is_relative_to(BUNDLES)

    def read_snapshot_collection(self, *, snapshot_location: str) -> SnapshotCollection:
        index = Path(snapshot_location).relative_to(BUNDLES)
        collection = SnapshotCollection(location=snapshot_location)
        collection.add(Snapshot(name=f"{GOLDEN_TEST}[{index.parts[0]}]/{index}"))
        return collection


@pytest.fixture
def bundle_snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Golden files under tests/bundles."""
    return snapshot.use_extension(BundleExtension)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the released parsers were asked (tests/test_engines.py), also when all went well."""
    reports = [r for kind in ("passed", "failed") for r in terminalreporter.getreports(kind)]
    properties = [item for report in reports for item in report.user_properties]
    summarise_weights(terminalreporter, properties)
    asked = [value for name, value in properties if name == "asked"]
    rules = [value for name, value in properties if name == "rules"]
    if not (asked or rules or any(name == "engines" for name, _ in properties)):
        return
    terminalreporter.section("the released parsers")
    for name, value in properties:
        if name == "engines":
            terminalreporter.write_line(str(value))
    for framework, version, count, refused, configured in asked:
        engine = f", {configured:,} through the engine's configuration" if configured else ""
        terminalreporter.write_line(f"sweep, {framework} {version}: {count:,} command lines, {refused} refused{engine}")
    if rules:
        confirmed, cited = (sum(column) for column in zip(*rules, strict=True))
        terminalreporter.write_line(
            f"engine rules: {confirmed} confirmed by the real parser or configuration,"
            f" {cited} checked by the engine only when it builds the model (cited)"
        )
    if not asked:
        return
    total, refused, configured = (sum(row[column] for row in asked) for column in (2, 3, 4))
    terminalreporter.write_line(
        f"sweep: {total:,} command lines over {len(asked)} releases, {refused} refused;"
        f" {configured:,} went through the engine's own configuration"
    )


def summarise_weights(terminalreporter: pytest.TerminalReporter, properties: list[tuple[str, Any]]) -> None:
    """Say how many ranks were weighed against the engines' own classes (tests/test_engine_weights.py)."""
    weighed = [value for name, value in properties if name == "weighed"]
    if not weighed:
        return
    terminalreporter.section("weights of the engines' own classes")
    for framework, version, layouts, stages, equal, largest, reasons in weighed:
        terminalreporter.write_line(
            f"{framework} {version}: {layouts} layouts, {stages} stages, {equal} equal to the byte,"
            f" the rest explained; the largest difference is {largest:.4%}"
        )
        for reason, count in reasons:
            terminalreporter.write_line(f"    {count:>3} x {reason}")
