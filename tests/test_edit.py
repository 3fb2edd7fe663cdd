"""Edits of a profile's text: the bytes outside the change are the bytes that were there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml as yaml11
from hypothesis import given, settings
from hypothesis import strategies as st

from glmdeploy import source
from glmdeploy.diagnostics import Drop, Insert, Put, Quote, Rekey, WriteError
from glmdeploy.edit.apply import apply, same
from glmdeploy.profile import KubernetesSection, Profile, is_map

if TYPE_CHECKING:
    from glmdeploy.diagnostics import Edit, KeyPath

BLOCK = """\
# prod: ask Anna first
apiVersion: glmdeploy/v1
name: 'cp'   # context parallel

cluster:
    gpu: h200
    gpus: 8

# the engine
framework:
    name: sglang
    version: 0.10   # pinned in July
    # image: me/sglang:1
serving:   # for the agents
    context: 64K

extra_args:
- --a  # Anna's idea
-   '--b'

# two halves
- --c=1
"""


@pytest.mark.parametrize(
    ("old", "edits", "new"),
    [
        pytest.param("a: 1\n", [Put(("a",), 2)], "a: 2\n", id="number"),
        pytest.param("a: 'x'  # c\n", [Put(("a",), "it's")], "a: 'it''s'  # c\n", id="single-quotes"),
        pytest.param('a: "x"\n', [Put(("a",), 'a "b" \\')], 'a: "a \\"b\\" \\\\"\n', id="double-quotes"),
        pytest.param("a: x\n", [Put(("a",), "yes")], 'a: "yes"\n', id="a-word-of-yaml-1.1"),
        pytest.param("a: x\n", [Put(("a",), "1:30")], 'a: "1:30"\n', id="sexagesimal"),
        pytest.param("a: x\n", [Put(("a",), "me/x:v1")], "a: me/x:v1\n", id="an-image-stays-plain"),
        pytest.param("{a: x}\n", [Put(("a",), "me/x:v1")], '{a: "me/x:v1"}\n', id="but-not-in-flow-style"),
        pytest.param("a: 64K\n", [Put(("a",), "1.5 GB/s")], "a: 1.5 GB/s\n", id="a-size-stays-plain"),
        pytest.param("a: x\n", [Put(("a",), "e\u0301\u2028")], 'a: "e\u0301\\U00002028"\n', id="unseen-characters"),
        pytest.param("a: true\n", [Put(("a",), None)], "a: null\n", id="null"),
        pytest.param("a: x\n", [Put(("a",), 1e18)], "a: 1.0e+18\n", id="a-float-of-yaml-1.1"),
        pytest.param("a:\nb: 1\n", [Put(("a",), 1)], "a: 1\nb: 1\n", id="nothing-was-written"),
        pytest.param("a:   # c\nb: 1\n", [Put(("a", "x"), 1)], "a:   # c\n  x: 1\nb: 1\n", id="section-of-nothing"),
        pytest.param("a: {}\n", [Put(("a", "x"), 1)], "a: {x: 1}\n", id="empty-flow-section"),
        pytest.param("a: {b, c: 1}\n", [Put(("a", "b"), 1)], "a: {b: 1, c: 1}\n", id="key-without-colon"),
        pytest.param("a: {b: 1}\n", [Put(("a", "b"), 1)], "a: {b: 1}\n", id="as-it-is"),
        pytest.param("a:\n  b: 1", [Put(("a", "c"), 2)], "a:\n  b: 1\n  c: 2", id="no-final-newline"),
        pytest.param("a:\r\n  b: 1\r\n", [Put(("a", "c"), 2)], "a:\r\n  b: 1\r\n  c: 2\r\n", id="crlf"),
        pytest.param("a: 1\r\nb:\n   c: 1\r\nd: 1\n", [Put(("b", "e"), 2)], "a: 1\r\nb:\n   c: 1\r\n   e: 2\r\nd: 1\n", id="mixed"),
        pytest.param("a: &x 1\nb: 2\n", [Put(("a",), 3)], "a: &x 3\nb: 2\n", id="an-anchor-nobody-uses-stays"),
        pytest.param("a: &x 1\nb: *x\n", [Put(("b",), 3)], "a: &x 1\nb: 3\n", id="an-alias-is-replaced"),
        pytest.param("a: &x {c: 1}\nb:\n  <<: *x\n", [Put(("b", "c"), 2)], "a: &x {c: 1}\nb:\n  <<: *x\n  c: 2\n", id="a-merged-key-is-overridden"),
        pytest.param("a: &x {c: 1}\nb: {<<: *x}\n", [Put(("b", "c"), 2)], "a: &x {c: 1}\nb: {<<: *x, c: 2}\n", id="in-flow-style"),
        pytest.param("a: [x, y]  # c\n", [Put(("a",), ["x", "z", "w"])], "a: [x, z, w]  # c\n", id="flow-list"),
        pytest.param("a:\n  - x # 1\n  # about y\n  - y\n", [Put(("a",), ["y"])], "a:\n  # 1\n  # about y\n  - y\n", id="block-list"),
        pytest.param("a:\n  - x # 1\n  - y\n", [Put(("a",), ["x", "n", "y"])], 'a:\n  - x # 1\n  - "n"\n  - y\n', id="an-item-between"),
        pytest.param("a:\n- x\n", [Insert(("a", 0), "w")], "a:\n- w\n- x\n", id="a-first-item"),
        pytest.param("a: []\n", [Put(("a",), ["x"])], "a: [x]\n", id="a-list-that-was-empty"),
        pytest.param("a: [x, # c\n  y]\n", [Drop(("a", 0))], "a: [ # c\n  y]\n", id="a-comment-in-a-flow-list"),
        pytest.param("a: # why\n- x # 1\n- y\nb: 1\n", [Put(("a",), [])], "a: [] # why\n# 1\nb: 1\n", id="all-items-go"),
        pytest.param("a:\n  b: 1\n  c: 2  # two\nd: 1\n", [Drop(("a", "c"))], "a:\n  b: 1\n  # two\nd: 1\n", id="a-key-goes"),
        pytest.param("a:\n  b: 1\nd: 1\n", [Drop(("a", "b"))], "a: {}\nd: 1\n", id="the-only-key-goes"),
        pytest.param("a: 1\nb:\n  # in b\n  c: '# no' # yes\n", [Drop(("b",))], "a: 1\n  # in b\n# yes\n".replace("  # in", "# in"), id="a-section-goes"),
        pytest.param("a: 1\nb: 2", [Drop(("b",))], "a: 1", id="the-last-line-goes"),
        pytest.param("a: 1\r\nb: 2", [Drop(("b",))], "a: 1", id="the-last-line-goes-with-crlf"),
        pytest.param("a: {x: 1, y: 2}\n", [Drop(("a", "y"))], "a: {x: 1}\n", id="a-flow-key-goes"),
        pytest.param("a: {x: 1}\n", [Drop(("a", "x"))], "a: {}\n", id="the-only-flow-key-goes"),
        pytest.param("'a' : 1 # c\n", [Rekey(("a",), "b")], "'b' : 1 # c\n", id="another-name"),
        pytest.param("a: 0.10 # c\n", [Quote(("a",))], 'a: "0.10" # c\n', id="quotes"),
        pytest.param("\ta: 1\n".lstrip(), [Put(("b",), {"c": {"d": [1, "x y"]}})], "a: 1\nb:\n  c:\n    d: [1, x y]\n", id="sections"),
        pytest.param("--- # doc\na: 1\n...\n", [Put(("b",), 1)], "--- # doc\na: 1\nb: 1\n...\n", id="document-marks"),
        pytest.param("\u00e9: 1\nb: \u00fc\u00fc # \u00e4\n", [Put(("b",), "x")], "\u00e9: 1\nb: x # \u00e4\n", id="not-ascii"),
    ],
)  # fmt: skip
def test_only_the_change_changes(old: str, edits: list[Edit], new: str) -> None:
    assert apply("p.yaml", old, edits) == new


@pytest.mark.parametrize(
    ("at", "value", "after", "added"),
    [
        (("layout", "tp"), 8, "    # image: me/sglang:1\n", "layout:\n    tp: 8\n"),
        (("cluster", "fabric"), "tcp", "    gpus: 8\n", "    fabric: tcp\n"),
        (("model", "checkpoint"), "fp8", "name: 'cp'   # context parallel\n", "model:\n    checkpoint: fp8\n"),
        (("serving", "port"), 8080, "    context: 64K\n", "    port: 8080\n"),
        (("framework", "image"), "me:1", "    version: 0.10   # pinned in July\n", '    image: "me:1"\n'),
        (("env", "A"), "8", "    context: 64K\n", '\nenv:\n    A: "8"\n'),
    ],
)
def test_a_new_key_goes_where_the_schema_has_it(at: KeyPath, value: Any, after: str, added: str) -> None:
    assert apply("p.yaml", BLOCK, [Put(at, value)]) == BLOCK.replace(after, after + added)


@pytest.mark.parametrize(
    ("text", "edit", "reason"),
    [
        ("a: &x 1\nb: *x\n", Put(("a",), 2), "an alias elsewhere takes its value from here"),
        ("a: &x {c: 1}\nb: *x\n", Put(("a", "c"), 2), "an alias elsewhere takes its value from here"),
        ("a: &x {c: &y 1}\nb: *x\n", Put(("b", "c"), 2), "`b` is an alias here, not a section of its own"),
        ("a: &x {c: 1}\nb:\n  <<: *x\n", Drop(("b", "c")), "`b.c` is not written here: an alias or a merge key brings it along"),
        ("a: &x {c: 1}\nb:\n  <<: *x\n", Rekey(("b", "c"), "d"), "`b.c` is not written here: an alias or a merge key brings it along"),
        ("a: &x 1\nb: *x\n", Drop(("a",)), "the result would be another document"),
        ("a: |-\n  x\n", Put(("a",), "y"), "`a` is written over several lines"),
        ("a: [x, # c\n y]\n", Put(("a",), 1), "`a` may hold a comment"),
        ("a: [x, # c\n y]\n", Drop(("a", 1)), "a comment stands before `a.1`"),
        ("a:\n- - x\n  - y\n", Drop(("a", 0, 0)), "`a.0.0` does not stand on a line of its own"),
        ("a: 1\nb: 2\n", Rekey(("a",), "b"), "`b` is there already"),
        ("a: [1]\n", Put(("a", "b"), 1), "`a` is a list here, not a section of its own"),
        ("a: 'x'\n", Quote(("a",)), "`a` is not a value without quotes"),
        ("? a\n: 1\n", Drop(("a",)), "`a` does not stand on a line of its own"),
        ("a:\n- x: 1\n", Rekey(("a", 0), "b"), "`a.0` is no key"),
        ("a: x\n", Insert(("a", 0), "y"), "`a` is not a list with items"),
    ],
)  # fmt: skip
def test_what_would_change_something_else_is_refused(text: str, edit: Edit, reason: str) -> None:
    with pytest.raises(WriteError) as caught:
        apply("p.yaml", text, [edit])
    assert [(d.code, d.label) for d in caught.value.diagnostics] == [("GLM511", reason)]


def test_types_are_part_of_a_value() -> None:
    assert not same({"a": 1}, {"a": True})
    assert not same([1], [1.0])
    assert same({"a": [1, None]}, {"a": [1, None]})


def test_sections_of_free_names_are_known() -> None:
    found = {
        (*at, name)
        for at, fields in (((), Profile.model_fields), (("kubernetes",), KubernetesSection.model_fields))
        for name, field in fields.items()
        if "dict" in str(field.annotation)
    }
    assert found == {("env",), ("kubernetes", "labels"), ("kubernetes", "node_labels")}
    assert all(map(is_map, found))


# A profile-shaped text in somebody's own style; a comment holds `c!`, which no value does.
_COMMENT = st.sampled_from(["", "  # c! why", " # c! 'b': [", " # \u00fcber c!"])
_GAP = st.sampled_from(["", "\n", "# c! a line\n", "\n# c! {two\n\n"])
_WORD = st.sampled_from(
    ["x", "--tp=8", "'it''s'", '"a # b"', "64K", "'0.10'", "a/b", "\u00e9", '""', "8", "true", "0.90", "~"]
)


@st.composite
def _texts(draw: st.DrawFn) -> str:
    """A document of sections, lists and scalars, in block and flow style, with comments and line ends of all kinds."""
    step, dash = draw(st.sampled_from([2, 3, 4])), draw(st.sampled_from(["- ", "  - ", "-   "]))
    lines = [draw(_GAP)]
    for name in draw(st.permutations(["name", "serving", "extra_args", "layout"])):
        lines.append(draw(_GAP))
        if name == "name":
            lines.append(f"name: {draw(_WORD)}{draw(_COMMENT)}\n")
        elif name == "extra_args":
            words = draw(st.lists(_WORD, min_size=1, max_size=3))
            block = "".join(
                f"{dash}{w}{draw(_COMMENT)}\n{draw(st.sampled_from(['', '  # c! in', '# c!']))}\n" for w in words
            )
            lines.append(
                draw(st.sampled_from([f"extra_args:{draw(_COMMENT)}\n{block}", f"extra_args: [{', '.join(words)}]\n"]))
            )
        else:
            keys = draw(st.lists(st.sampled_from(["context", "port", "tp"]), min_size=1, unique=True))
            inner = "".join(f"{' ' * step}{k}: {draw(_WORD)}{draw(_COMMENT)}\n{draw(_GAP)}" for k in keys)
            flow = "{" + ", ".join(f"{k}: {draw(_WORD)}" for k in keys) + "}"
            lines.append(draw(st.sampled_from([f"{name}:\n{inner}", f"{name}: {flow}{draw(_COMMENT)}\n"])))
    text = "".join(lines)
    ends = draw(st.sampled_from(["\n", "\r\n", "mixed"]))
    rows = text.splitlines()
    joined = "".join(row + (draw(st.sampled_from(["\n", "\r\n"])) if ends == "mixed" else ends) for row in rows)
    return joined if draw(st.booleans()) else joined.rstrip("\r\n")


_VALUES = st.one_of(
    st.text(st.characters(exclude_categories=("Cc", "Cs", "Co", "Cn")), max_size=12).filter(lambda t: not source.controls(t)),
    st.sampled_from(["yes", "on", "1e3", "0o7", "1:30", "null", "~", "=", "<<", "2026-11-24", "#", "- a", "a: b"]),
    st.integers(-(10**9), 10**9),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
)  # fmt: skip


def _common(one: str, other: str) -> tuple[str, str]:
    """What is left of two texts without their common beginning and end."""
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    end = 0
    while end < min(len(one), len(other)) - start and one[-1 - end] == other[-1 - end]:
        end += 1
    return one[start : len(one) - end], other[start : len(other) - end]


@settings(max_examples=150, deadline=None)
@given(
    text=_texts(),
    value=_VALUES,
    at=st.sampled_from([("name",), ("serving", "context"), ("layout", "tp"), ("serving", "port")]),
)
def test_a_value_is_put_and_no_other_byte_moves(text: str, value: Any, at: KeyPath) -> None:
    before = source.parse("p.yaml", text).data
    new = apply("p.yaml", text, [Put(at, value)])
    data: Any = source.parse("p.yaml", new).data
    for key in at:
        data = data[key]
    assert same(data, value)
    gone, come = _common(text, new)
    there = at[-1] in (before if len(at) == 1 else before.get(at[0], {}))
    if there:  # one scalar for another
        assert "\n" not in gone + come
    else:  # only additions
        assert gone == ""
        undone = apply("p.yaml", new, [Drop(at)])
        assert undone == text


@settings(max_examples=150, deadline=None)
@given(text=_texts(), data=st.data())
def test_what_goes_takes_no_comment_and_no_other_line_along(text: str, data: st.DataObject) -> None:
    before = source.parse("p.yaml", text).data
    places: list[KeyPath] = [(k,) for k in before]
    places += [(k, i) for k, v in before.items() if isinstance(v, dict) for i in v]
    places += [("extra_args", i) for i in range(len(before["extra_args"]))]
    at = data.draw(st.sampled_from(places))
    if len(before) == 1:
        return
    new = apply("p.yaml", text, [Drop(at)])
    assert _comments(new) == _comments(text)
    assert set(map(str.strip, new.splitlines())) - set(map(str.strip, text.splitlines())) <= _left(new)
    if text.endswith("\n"):
        assert new.endswith("\n")


def _comments(text: str) -> list[str]:
    return [m[0].strip() for m in re.finditer(r"#[^#\r\n]*c![^\r\n]*", text)]


def _left(new: str) -> set[str]:
    """Lines that may be new: a comment that stood behind what went, and the line of a flow collection or its emptied key."""
    return {line.strip() for line in new.splitlines() if line.strip().startswith("#") or "[" in line or "{" in line}


@settings(max_examples=150, deadline=None)
@given(text=_texts(), words=st.lists(st.sampled_from(["x", "--tp=8", "it's", "a # b", "64K", "no", "new"]), max_size=5))
def test_a_list_becomes_another_and_keeps_its_comments(text: str, words: list[str]) -> None:
    new = apply("p.yaml", text, [Put(("extra_args",), words)])
    assert source.parse("p.yaml", new).data["extra_args"] == words
    assert _comments(new) == _comments(text)


@settings(max_examples=200, deadline=None)
@given(
    value=_VALUES.filter(lambda v: isinstance(v, str)),
    old=st.sampled_from(["a: x\n", "a: 'x'\n", 'a: "x"\n', "{a: x}\n", "b: 1\n"]),
)
def test_both_versions_of_yaml_read_a_string_as_itself(value: str, old: str) -> None:
    new = apply("p.yaml", old, [Put(("a",), value)])
    assert yaml11.safe_load(new)["a"] == value == source.parse("p.yaml", new).data["a"]
