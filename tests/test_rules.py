"""Each rule: a profile that it speaks about, one that it does not, and the whole text that a user reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import TESTS

from glmdeploy import pipeline, rules
from glmdeploy.diagnostics import render_text

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

CODES = sorted(p.name for p in (TESTS / "rules").iterdir())


@pytest.fixture(autouse=True)
def _relative(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(TESTS / "rules")


@pytest.mark.parametrize("code", CODES)
def test_rule_speaks_of_the_bad_profile(code: str, snapshot: SnapshotAssertion) -> None:
    found = [d for d in pipeline.lint(f"{code}/bad.yaml") if d.code == code]
    assert found
    assert render_text(found) == snapshot


@pytest.mark.parametrize("code", CODES)
def test_rule_is_silent_about_the_good_profile(code: str) -> None:
    assert [d.code for d in pipeline.lint(f"{code}/good.yaml") if d.code == code] == []


@pytest.mark.parametrize("code", [c for c in rules.RULES if c != "GLM390"])
def test_every_rule_has_both_profiles(code: str) -> None:
    assert {p.name for p in Path(code).iterdir()} == {"bad.yaml", "good.yaml"}


@pytest.mark.parametrize("code", CODES)
def test_diagnostics_name_file_line_and_column(code: str) -> None:
    found = [d for d in pipeline.lint(f"{code}/bad.yaml") if d.code == code]
    assert all(d.span and d.span.path == f"{code}/bad.yaml" and d.span.line >= 1 and d.span.column >= 1 for d in found)
