"""What `plan` prints: golden reports in every form, sums that add up, widths, colour, escapes."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from conftest import Result, plan_for
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from glmdeploy import report, resources
from glmdeploy.cli import main
from glmdeploy.layout import Layout, Shards
from glmdeploy.memory import weigher
from glmdeploy.report.arithmetic import UNEXPLAINED
from glmdeploy.report.bars import cells
from glmdeploy.report.markdown import escape
from glmdeploy.report.view import dimensions

if TYPE_CHECKING:
    from collections.abc import Callable

    from syrupy.assertion import SnapshotAssertion

    from glmdeploy.catalog import Catalog


def _set(*sizes: str) -> list[str]:
    return [word for size in sizes for word in ("--set", f"layout.{size}")]


CASES = {
    "tight": ("--framework", "sglang", "--gpus", "10xH100"),
    "fits": ("--framework", "vllm", "--gpus", "8xH200"),
    "below-floor": ("--framework", "sglang", "--gpus", "8xB200", "--checkpoint", "bf16"),
    "refused": ("--framework", "vllm", "--gpus", "16xL40S"),
    "floor-only": ("--framework", "sglang", "--gpus", "8xRTXPRO6000"),
    "not-enough": ("--framework", "vllm", "--gpus", "8xH200", "--context", "1M", "--tp", "8"),
    "wide": ("--framework", "sglang", "--gpus", "16xH200", "--strategy", "high-throughput"),
    "host-experts": ("--framework", "ktransformers", "--gpus", "8xL40S", "--host-memory", "1TiB"),
}
EXTENSIONS = {"text": "txt", "markdown": "md", "json": "json", "svg": "svg"}
# further plans whose sums must add up: MTP behind stages, every checkpoint, all figures above the GPU's
MORE = {
    "vllm-mtp-stages": (
        "--framework",
        "vllm",
        "--framework-version",
        "0.33.0",
        "--gpus",
        "24xH100",
        "--mtp",
        "--pp",
        "3",
    ),
    "bf16": ("--framework", "vllm", "--gpus", "24xH100", "--checkpoint", "bf16"),
    "nvfp4": ("--framework", "vllm", "--gpus", "8xB200", "--checkpoint", "nvfp4"),
    "mxfp4": ("--framework", "sglang", "--gpus", "8xMI355X", "--checkpoint", "mxfp4"),
    "w4afp8": ("--framework", "sglang", "--gpus", "8xH200", "--checkpoint", "w4afp8"),
    "too-small": ("--framework", "sglang", "--gpus", "4xH100"),
    "bf16-experts": (
        "--framework",
        "ktransformers",
        "--gpus",
        "8xH100",
        "--host-memory",
        "2TiB",
        "--checkpoint",
        "bf16",
    ),
    "replicas": ("--framework", "vllm", "--gpus", "32xB200", *_set("replicas=2", "dp=8", "ep=8")),
    "decode-context": ("--framework", "sglang", "--framework-version", "0.5.23", "--gpus", "8xB200", *_set("dcp=4")),
    "vllm-dcp": ("--framework", "vllm", "--gpus", "8xB200", *_set("dcp=8")),
    "prefill-context": ("--framework", "sglang", "--framework-version", "0.5.23", "--gpus", "8xH200", *_set("cp=4")),
    "balanced": ("--framework", "sglang", "--gpus", "8xB200", "--strategy", "balanced"),
    "many-stages": ("--framework", "sglang", "--gpus", "64xH100", "--tp", "2", "--pp", "32"),
    "no-memory": ("--framework", "transformers", "--gpus", "8xH100"),
}
ALL = CASES | MORE
SHIPPED = sorted(resources.shipped_profiles())
HOSTILE = "</text><script>alert(1)</script>|![x](https://e.example/x) @all #1 `a` <!-- *b* ~~c~~"


class _File(SingleFileSnapshotExtension):
    _write_mode = WriteMode.TEXT


def _snapshot(snapshot: SnapshotAssertion, form: str) -> SnapshotAssertion:
    return snapshot.use_extension(type("File", (_File,), {"file_extension": EXTENSIONS[form]}))


@pytest.mark.parametrize("form", list(EXTENSIONS))
@pytest.mark.parametrize("case", list(CASES))
def test_golden_report(case: str, form: str, run: Callable[..., Result], snapshot: SnapshotAssertion) -> None:
    out = run("plan", *CASES[case], "--format", form).out
    if form == "json":  # processes are in the golden bundles
        out = json.dumps({k: v for k, v in json.loads(out).items() if k != "processes"}, indent=1) + "\n"
    assert out == _snapshot(snapshot, form)


@pytest.mark.parametrize("form", ["text", "markdown"])
@pytest.mark.parametrize("case", ["tight", "fits", "wide", "below-floor", "refused", "host-experts"])
def test_golden_explanation(case: str, form: str, run: Callable[..., Result], snapshot: SnapshotAssertion) -> None:
    assert run("plan", *CASES[case], "--format", form, "--explain").out == _snapshot(snapshot, form)


# --- sums ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*SHIPPED, *CASES, *MORE])
def test_every_sum_adds_up_and_every_line_has_a_source(name: str, run: Callable[..., Result]) -> None:
    data = run("plan", *ALL.get(name, (name,)), "--format", "json").json
    for group in data["memory"].get("groups", ()):
        stage = data["memory"]["stages"][group["stages"][0]]
        totals = {s["title"]: s["total"]["value"] for s in group["arithmetic"]}
        for section in group["arithmetic"]:
            lines = section["lines"]
            assert all(x["label"] and x["source"] and x["unit"] in {"B", "B/token", "tokens"} for x in lines)
            assert UNEXPLAINED not in [x["label"] for x in lines]
            if section["summed"]:
                assert sum(x["value"] for x in lines) == section["total"]["value"], section["title"]
        bytes_ = stage["bytes"]
        assert totals == {
            "weights": bytes_["weights"],
            "overhead": bytes_["overhead"],
            "activations": bytes_["activations"],
            "KV cache of one token": stage["kv_bytes_per_token"],
            "KV pool": bytes_["kv_cache"],
            "tokens": data["memory"]["kv_tokens"],
            "headroom": bytes_["headroom"],
        }
        parts = ("weights", "kv_cache", "activations", "overhead", "headroom")
        assert sum(bytes_[part] for part in parts) == bytes_["capacity"]


@pytest.mark.parametrize(
    "shards",
    [*map(Shards.tensor, (1, 2, 8, 16)), Shards(1, 1, 1, 1, 1, 16, ep=16, spare=16), Shards(4, 16, 16, 2, 4, 16, ep=8)],
    ids=str,
)
@pytest.mark.parametrize("mtp", [True, False])
@pytest.mark.parametrize("shared", [True, False])
def test_parts_of_the_weights_are_the_weights(shards: Shards, mtp: bool, shared: bool, catalog: Catalog) -> None:
    model = catalog.model
    for checkpoint in model.checkpoints:
        scale = weigher(model, checkpoint, shards)
        for first, end in ((0, 78), (0, 3), (1, 40), (40, 78), (77, 78), (5, 6)):
            parts = scale.parts(first, end, mtp=mtp, shared_embedding=shared)
            assert sum(parts.values()) == scale.stage(first, end, mtp=mtp, shared_embedding=shared)
            assert all(size > 0 for size in parts.values())


def test_bf16_has_no_scales_and_fp8_has_one_a_block(catalog: Catalog) -> None:
    sizes = {c.id: catalog.model.layer_parts(c, 10, Shards.tensor(1)) for c in catalog.model.checkpoints}
    assert sizes["bf16"]["scales"] == 0
    assert sizes["bf16"]["routed experts"] == 2 * sizes["fp8"]["routed experts"] == 256 * 3 * 2048 * 6144 * 2
    assert sizes["fp8"]["scales"] > 256 * 3 * (2048 // 128) * (6144 // 128) * 4


def test_readme_shows_lines_of_the_real_explanation(run: Callable[..., Result]) -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    shown = readme.partition("```text\n")[2].partition("```")[0].splitlines()
    lines = run("plan", *CASES["tight"], "--explain").out.splitlines()
    assert [line for line in shown if line not in {*lines, "  ..."}] == []
    assert len(shown) > 30


# --- bars ---------------------------------------------------------------------------------------------


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=5), st.integers(5, 200))
def test_a_bar_is_always_as_wide_and_shows_every_part(sizes: list[int], width: int) -> None:
    found = cells(sizes, width)
    assert all((count > 0) == (size > 0) for count, size in zip(found, sizes, strict=True))
    assert sum(found) == (width if any(s > 0 for s in sizes) else 0)


def test_equal_stages_share_a_bar_wherever_they_are(run: Callable[..., Result]) -> None:
    data = run("plan", "--framework", "sglang", "--gpus", "64xH100", "--tp", "2", "--pp", "32", "--format", "json").json
    groups = data["memory"]["groups"]
    assert sorted(n for g in groups for n in g["stages"]) == list(range(32))
    assert len(groups) < 10
    for g in groups:
        assert len({str(data["memory"]["stages"][n]["bytes"]) for n in g["stages"]}) == 1


def test_equal_neighbours_share_a_bar(run: Callable[..., Result]) -> None:
    lines = run("plan", *CASES["tight"]).out.splitlines()
    assert [line.split("  ")[0] for line in lines if line.startswith("stage") and "." in line] == [
        "stage 0 *",
        "stages 1-3",
        "stage 4",
    ]
    assert sum(line.startswith("  █") for line in lines) == 3


# --- text ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*SHIPPED, *CASES, *MORE])
def test_text_is_80_columns_wide_and_plain_when_piped(name: str) -> None:
    for argv in ((), ("--explain",)):
        result = CliRunner(env={"TERM": "xterm"}).invoke(main, ["plan", *ALL.get(name, (name,)), *argv])
        assert max(map(len, result.stdout.splitlines())) <= 80
        assert "\x1b" not in result.stdout + result.stderr
        assert result.stdout.isprintable() or all(c.isprintable() or c == "\n" for c in result.stdout)


def test_the_verdict_is_the_first_word(run: Callable[..., Result]) -> None:
    for case, word in (
        ("fits", "Fits: "),
        ("tight", "Tight: "),
        ("floor-only", "Floor-only: "),
        ("below-floor", "Below-floor: "),
        ("refused", "Refused: "),
        ("not-enough", "Tight, but not enough: "),
    ):
        assert run("plan", *CASES[case]).out.startswith(word)


def test_an_error_beside_the_plan_is_in_the_sentence(run: Callable[..., Result]) -> None:
    result = run("plan", *CASES["fits"], "--set", "extra_args=[--no-such-option]")
    assert result.code == 1
    assert "1 error (GLM410) would stop a render" in " ".join(result.out.split())


def test_ascii_where_the_encoding_has_no_blocks() -> None:
    for charset, block in (("ascii", "#"), ("latin-1", "#"), ("utf-8", "█"), ("cp437", "█")):
        result = CliRunner(charset=charset).invoke(main, ["plan", *CASES["tight"]])
        out = result.stdout_bytes.decode(charset)
        assert f"  {block * 40}" in out
        assert block == "█" or out.isascii()


@pytest.mark.parametrize("form", list(EXTENSIONS))
def test_words_that_the_encoding_lacks_are_written_all_the_same(form: str, write_profile: Callable[..., Path]) -> None:
    path = write_profile(
        "apiVersion: glmdeploy/v1\nname: t\ncluster: {gpu: h200, gpus: 8}\nframework: {name: žluťoučký 🐎}\n"
    )
    result = CliRunner(charset="ascii").invoke(main, ["plan", str(path), "--format", form])
    assert result.exit_code == 1
    if form == "json":
        assert "žluťoučký 🐎" in json.loads(result.stdout)["sentence"]
    if form == "svg":
        assert "žluťoučký 🐎" in "".join(ET.fromstring(result.stdout).itertext())  # noqa: S314  our own text
    assert result.stdout.isascii()


@pytest.mark.parametrize(
    ("env", "coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colour_on_a_terminal_only(env: dict[str, str], coloured: bool) -> None:
    ours, theirs = pty.openpty()
    base = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "TERM"}}
    command = [sys.executable, "-m", "glmdeploy", "plan", *CASES["tight"]]
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, env=base | env) as process:
        os.close(theirs)
        out = b""
        while chunk := _chunk(ours):
            out += chunk
    os.close(ours)
    assert process.returncode == 0
    assert (b"\x1b[" in out) == coloured


def _chunk(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux: the other end is closed
        return b""


def test_colour_changes_no_letter() -> None:
    plan = plan_for("vllm", "8xh100")
    view = report.look(plan, (), ())
    coloured = report.FORMS["text"](view, report.Style(colour=True))
    plain = report.FORMS["text"](view, report.Style())
    assert coloured != plain
    parts = coloured.split("\x1b[")
    assert "".join([parts[0], *(p.partition("m")[2] for p in parts[1:])]) == plain


# --- where settings come from -------------------------------------------------------------------------


def test_origins_show_precedence(run: Callable[..., Result], write_profile: Callable[[str], Path]) -> None:
    path = write_profile(
        "apiVersion: glmdeploy/v1\nname: t\ncluster: {gpu: h200, gpus: 8}\nframework: {name: vllm}\n"
        "serving:\n  context: 64K\n  prefill_chunk: 4096\n  concurrency: auto\n"
    )
    data = run("plan", str(path), "--context", "32K", "--format", "json").json
    found = {o["setting"]: (o["value"], o["by"], o["why"]) for o in data["origins"]}
    assert found["context"] == ("32,768", "asked for", "--context 32K")
    assert found["prefill chunk"] == ("4,096", "asked for", "profile.yaml:7")
    assert found["running requests"][:2] == ("1,024", "framework's default")
    assert found["memory fraction"][:2] == ("0.92", "framework's default")
    assert found["tp"][:2] == ("8", "planner")
    assert found["checkpoint"] == ("fp8", "glmdeploy's default", "")


def test_what_gave_way_is_the_planners(run: Callable[..., Result]) -> None:
    origins = run("plan", *CASES["tight"], "--format", "json").json["origins"]
    by_planner = {o["setting"] for o in origins if o["by"] == "planner"}
    assert {"context", "memory fraction", "prefill chunk", "running requests", "MTP", "tp", "pp"} == by_planner


# --- json ---------------------------------------------------------------------------------------------

_BYTES = {
    "type": "object",
    "required": ["capacity", "budget", "weights", "kv_cache", "activations", "overhead", "headroom"],
    "additionalProperties": {"type": "integer"},
}
_LINE = {
    "type": "object",
    "required": ["label", "value", "unit", "source"],
    "properties": {"value": {"type": "integer"}, "unit": {"enum": ["B", "B/token", "tokens"]}},
}
_SECTION = {
    "type": "object",
    "required": ["title", "summed", "lines", "total"],
    "properties": {"lines": {"type": "array", "items": _LINE}, "total": _LINE},
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": [
        "format",
        "name",
        "verdict",
        "sentence",
        "model",
        "framework",
        "cluster",
        "layout",
        "placement",
        "settings",
        "origins",
        "memory",
        "mtp",
        "rejected",
        "processes",
        "diagnostics",
    ],
    "properties": {
        "format": {"const": "glmdeploy-plan/v1"},
        "verdict": {"enum": ["fits", "tight", "floor-only", "below-floor", "refused"]},
        "sentence": {"type": "string", "minLength": 8},
        "placement": {"type": "array", "items": {"required": ["rank", "host", "gpu_ids"]}},
        "origins": {"type": "array", "items": {"required": ["setting", "value", "by", "why"]}},
        "memory": {
            "type": "object",
            "properties": {
                "bytes": _BYTES,
                "stages": {"type": "array", "items": {"required": ["bytes", "terms"], "properties": {"bytes": _BYTES}}},
                "groups": {
                    "type": "array",
                    "items": {
                        "required": ["stages", "fullest", "arithmetic"],
                        "properties": {"arithmetic": {"type": "array", "items": _SECTION}},
                    },
                },
            },
        },
    },
}


@pytest.mark.parametrize("argv", [*CASES.values(), (*CASES["fits"], "--framework", "nonsense")], ids=str)
def test_json_has_its_shape_and_order(argv: tuple[str, ...], run: Callable[..., Result]) -> None:
    data = run("plan", *argv, "--format", "json").json
    Draft202012Validator(SCHEMA).validate(data)
    assert list(data) == SCHEMA["required"]


def test_a_dimension_that_is_not_there_yet_would_be_shown() -> None:
    layout = Layout(8, 2, replicas=2, partition=(39, 39))
    assert dict(dimensions(layout)) | {"replicas": 2, "tp": 8, "pp": 2} == dict(dimensions(layout))
    assert "nodes" not in dict(dimensions(layout))


# --- svg ----------------------------------------------------------------------------------------------

_SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", [*SHIPPED, *CASES])
def test_svg_is_xml_that_needs_nothing_and_is_the_same_again(name: str, run: Callable[..., Result]) -> None:
    argv = ("plan", *ALL.get(name, (name,)), "--format", "svg")
    out = run(*argv).out
    assert out == run(*argv).out
    root = ET.fromstring(out)  # noqa: S314  our own text
    tags = {e.tag.removeprefix(_SVG) for e in root.iter()}
    assert tags <= {"svg", "title", "desc", "style", "rect", "text", "line"}
    assert root.findtext(f"{_SVG}title")
    assert root.findtext(f"{_SVG}desc")
    assert "prefers-color-scheme: dark" in out
    assert not [w for w in ("href", "url(", "@import", "@font-face", "http:", "https:", "on") if f" {w}=" in out]
    assert out.count("http") == 1  # the namespace
    width = float(root.attrib["width"])
    height = float(root.attrib["height"])
    for rect in root.iter(f"{_SVG}rect"):
        assert 0 <= float(rect.attrib["x"]) <= float(rect.attrib["x"]) + float(rect.attrib["width"]) <= width
        assert 0 <= float(rect.attrib["y"]) <= float(rect.attrib["y"]) + float(rect.attrib["height"]) <= height


def test_svg_bars_have_the_lengths_of_their_bytes(run: Callable[..., Result]) -> None:
    root = ET.fromstring(run("plan", *CASES["fits"], "--format", "svg").out)  # noqa: S314  our own text
    bars = [r for r in root.iter(f"{_SVG}rect") if r.find(f"{_SVG}title") is not None]
    size = run("plan", *CASES["fits"], "--format", "json").json["memory"]["bytes"]
    assert float(bars[0].attrib["width"]) == pytest.approx(800 * size["weights"] / size["capacity"] - 1, abs=0.1)
    assert len(bars) == 5


# --- hostile words ------------------------------------------------------------------------------------


def test_hostile_profile_is_escaped_in_every_form(
    run: Callable[..., Result], write_profile: Callable[..., Path]
) -> None:
    path = write_profile(
        f"apiVersion: glmdeploy/v1\nname: t\ncluster: {{gpu: h200, gpus: 8}}\nframework: {{name: {json.dumps(HOSTILE)}}}\n"
    )
    svg, text, data = (run("plan", str(path), "--format", form) for form in ("svg", "markdown", "json"))
    assert {svg.code, text.code, data.code} == {1}
    assert "<script" not in svg.out + text.out
    root = ET.fromstring(svg.out)  # noqa: S314  the test is that it parses
    assert "<script>" in "".join(root.itertext())
    assert HOSTILE in data.json["sentence"]
    for live in (r"(?<!\\)[!\]\[|*]", "@all", "#1", "://", "<!--", "~~c"):
        assert not re.search(live, text.out.replace("**", "")), live


def test_hostile_file_names_are_escaped(run: Callable[..., Result], write_profile: Callable[..., Path]) -> None:
    path = write_profile(
        "apiVersion: glmdeploy/v1\nname: t\ncluster: {gpu: h200, gpus: 8}\nframework: {name: vllm}\n",
        "<img src=x>|@team\x1b[31m.yaml",
    )
    text = run("plan", str(path), "--format", "markdown").out
    assert "&lt;img src=x&gt;\\|@&#8288;team?\\[31m.yaml:3" in text
    assert "<img" not in text
    assert "\x1b" not in run("plan", str(path), "--explain").out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b", r"a\|b"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("two\nlines", "two lines"),
        ("*b* _c_ [d](e) `", r"\*b\* \_c\_ \[d\](e) \`"),
        ("`--code x` `a|b`", r"`--code x` \`a\|b\`"),
        ("x\\", "x\\\\"),
        ("@me #12 a://b", "@&#8288;me #&#8288;12 a:&#8288;//b"),
    ],
)
def test_markdown_escapes(text: str, expected: str) -> None:
    assert escape(text) == expected


def test_markdown_has_no_heading_and_folds_evenly(run: Callable[..., Result]) -> None:
    for argv in CASES.values():
        out = run("plan", *argv, "--format", "markdown", "--explain").out
        assert not [line for line in out.splitlines() if line.startswith("#")]
        assert out.count("<details>") == out.count("</details>") == out.count("<summary>")
        for table in out.split("\n\n"):
            if table.startswith("| "):
                assert len({row.replace("\\|", "").count("|") for row in table.splitlines()}) == 1
