"""YAML that survives every reader: what we write is the same to a YAML 1.1 and a YAML 1.2 reader."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
import yaml as yaml11
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from glmdeploy import source, templating
from glmdeploy.manifests import document

TRAPS = [
    *("y", "Y", "n", "N", "yes", "Yes", "YES", "no", "NO", "on", "On", "off", "OFF", "true", "TRUE", "false", "False"),
    *(
        "null",
        "Null",
        "~",
        "",
        "none",
        "=",
        "<<",
        "- a",
        "? a",
        "a: b",
        "a #b",
        "#a",
        "&a",
        "*a",
        "!a",
        "%a",
        "@a",
        "`a",
    ),
    *("1", "012", "0o12", "0x10", "0b1", "1_000", "1e3", "1E3", "1.", ".5", ".inf", "-.INF", ".nan", "+1", "1.0e+3"),
    *(
        "1:30",
        "22:22",
        "190:20:30",
        "1:30.5",
        "2026-11-24",
        "2026-11-24T10:00:00Z",
        "2026-1-1 1:1:1",
        "---",
        "...",
        "|",
    ),
    *(
        "'",
        '"',
        "\\",
        "\t",
        " a",
        "a ",
        "a\nb",
        "\r",
        "\x85",
        "\u2028",
        "\u2029",
        "\ufeff",
        "\x7f",
        "\x9f",
        "{a}",
        "[a]",
    ),
]
# What YAML can carry at all: no lone surrogates.
TEXT = st.one_of(st.sampled_from(TRAPS), st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
SCALAR = st.one_of(TEXT, st.booleans(), st.none(), st.integers(), st.floats(allow_nan=False, allow_infinity=False))
DATA = st.dictionaries(
    TEXT,
    st.recursive(SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)),
    max_size=4,
)


BUDGET = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def read12(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(StringIO(text))


@BUDGET
@given(TEXT)
def test_the_filter_for_values_writes_what_both_readers_read(text: str) -> None:
    written = f"a: {templating.yaml(text)}\n"
    assert yaml11.safe_load(written) == read12(written) == {"a": text}


@BUDGET
@given(st.lists(TEXT, max_size=5))
def test_the_filter_writes_lists_that_both_readers_read(words: list[str]) -> None:
    written = f"a: {templating.yaml(words)}\n"
    assert yaml11.safe_load(written) == read12(written) == {"a": words}


@BUDGET
@given(TEXT)
def test_the_filter_for_keys_writes_what_both_readers_read(text: str) -> None:
    written = f"{templating.key(text)}: 1\n"
    assert yaml11.safe_load(written) == read12(written) == {text: 1}


@BUDGET
@given(DATA)
def test_dumped_data_is_the_same_to_both_readers(data: dict[str, Any]) -> None:
    written = source.dump(data)
    assert yaml11.safe_load(written) == read12(written) == data


@pytest.mark.parametrize("text", TRAPS)
def test_a_trap_is_quoted(text: str) -> None:
    assert source.dump({"a": text}).startswith('a: "')


@pytest.mark.parametrize("text", ["llm", "zai-org/GLM-5.2-FP8", "low-latency", "/models/glm", "v0.31.0"])
def test_a_safe_word_is_not_quoted(text: str) -> None:
    assert source.dump({"a": text}) == f"a: {text}\n"


# What PyYAML, the YAML 1.1 reader of the tests, makes of a plain scalar; ours follows Kubernetes, which knows no
# sexagesimal numbers and no dates, but takes `y` and `n` for bools.
@pytest.mark.parametrize("text", [t for t in TRAPS if t.isalnum() and len(t) > 1])
def test_plain_scalars_are_read_as_a_1_1_reader_does(text: str) -> None:
    ours, _ = document.resolve(text)
    theirs = yaml11.safe_load(f"a: {text}")["a"]
    assert (ours == theirs and type(ours) is type(theirs)) or text in {"1e3", "1E3", "0o12"}
