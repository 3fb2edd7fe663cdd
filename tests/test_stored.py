"""Folders of weights: whole, half, hostile, and of another checkpoint; tensor data is never read."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import safetensors
from jsonschema import Draft202012Validator

from glmdeploy import catalog, resources, schemas, stored
from glmdeploy.stored import header, names
from glmdeploy.stored import report as stored_report
from glmdeploy.stored.fault import FaultError
from glmdeploy.stored.folder import INDEX
from glmdeploy.stored.header import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from conftest import Result

    from glmdeploy.models import Checkpoint, Model
    from glmdeploy.stored import Report

    Run = Callable[..., Result]
    Tensors = dict[str, Tensor]

MODEL = catalog.load().model
CHECKPOINTS = {c.id: c for c in MODEL.checkpoints}
# Small enough to write out, with a dense layer, shared indexers and an MTP layer; widths are multiples of the FP8 block.
TINY = replace(
    MODEL,
    layers=6,
    dense_layers=1,
    hidden=128,
    dense_intermediate=256,
    heads=2,
    q_lora=64,
    kv_lora=32,
    qk_nope=32,
    qk_rope=32,
    v_head=32,
    vocab=256,
    experts=2,
    expert_intermediate=128,
    index_heads=2,
    index_head=32,
)


def shard_bytes(tensors: Tensors, **metadata: str) -> bytes:
    """A shard by the format's description: length, header, data."""
    entries: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    here = 0
    for name, tensor in tensors.items():
        entries[name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [here, here + tensor.size],
        }
        here += tensor.size
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + b"\x01" * here


def raw(text: str | bytes, data: bytes = b"", length: int | None = None) -> bytes:
    text = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensors_of(model: Model, checkpoint: str) -> Tensors:
    made: Tensors = {}
    for name, tensor in names.expected(model, CHECKPOINTS[checkpoint]):
        if tensor is not None:
            made[name] = tensor
    return made


def split(tensors: Tensors, count: int) -> dict[str, Tensors]:
    items = list(tensors.items())
    size = -(-len(items) // count)
    return {f"model-{n + 1:05}-of-{count:05}.safetensors": dict(items[n * size : (n + 1) * size]) for n in range(count)}


def config_of(model: Model, checkpoint: str) -> dict[str, Any]:
    method = CHECKPOINTS[checkpoint].quant_method
    quantised = {} if method in {"", "none"} else {"quantization_config": {"quant_method": method}}
    return {
        "architectures": ["GlmMoeDsaForCausalLM"],
        "num_hidden_layers": model.layers,
        "first_k_dense_replace": model.dense_layers,
        "hidden_size": model.hidden,
        "intermediate_size": model.dense_intermediate,
        "num_attention_heads": model.heads,
        "q_lora_rank": model.q_lora,
        "kv_lora_rank": model.kv_lora,
        "qk_nope_head_dim": model.qk_nope,
        "qk_rope_head_dim": model.qk_rope,
        "v_head_dim": model.v_head,
        "vocab_size": model.vocab,
        "n_routed_experts": model.experts,
        "num_experts_per_tok": model.experts_per_token,
        "n_shared_experts": model.shared_experts,
        "moe_intermediate_size": model.expert_intermediate,
        "index_n_heads": model.index_heads,
        "index_head_dim": model.index_head,
        "index_topk": model.index_topk,
        "index_topk_freq": model.index_freq,
        "index_skip_topk_offset": model.index_offset,
        "num_nextn_predict_layers": model.mtp_layers,
        "max_position_embeddings": model.max_context,
        **quantised,
    }


def write(folder: Path, tensors: Tensors, checkpoint: str, model: Model = TINY, shards: int = 3) -> Path:
    """A checkpoint with everything that belongs to it."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = split(tensors, shards)
    for name, part in parts.items():
        (folder / name).write_bytes(shard_bytes(part, format="pt"))
    small(folder, parts, checkpoint, model)
    return folder


def small(folder: Path, parts: dict[str, Tensors], checkpoint: str, model: Model) -> None:
    total = sum(t.size for part in parts.values() for t in part.values())
    index = {"metadata": {"total_size": total}, "weight_map": {n: s for s, part in parts.items() for n in part}}
    (folder / INDEX).write_text(json.dumps(index))
    (folder / "config.json").write_text(json.dumps(config_of(model, checkpoint)))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')


@pytest.fixture
def fp8(tmp_path: Path) -> Path:
    return write(tmp_path / "glm", tensors_of(TINY, "fp8"), "fp8")


def check(folder: Path, asked: str = "") -> Report:
    return stored.check(folder, TINY, CHECKPOINTS[asked] if asked else None)


def codes(report: Report) -> list[str]:
    """All but the note on the number of shards, which are few here on purpose."""
    return [d.code for d in report.found if d.code != "GLM981"]


def said(report: Report, code: str) -> str:
    d = next(d for d in report.found if d.code == code)
    return "\n".join([d.message, *d.notes, d.hint])


SHARD = "model-00002-of-00003.safetensors"

# --- the table of names ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("checkpoint", "total"),
    [
        pytest.param("fp8", 755_617_140_416, id="fp8: headers of zai-org/GLM-5.2-FP8"),
        pytest.param("bf16", 1_506_659_919_872, id="bf16: total_size of the published index"),
        pytest.param("nvfp4", 464_795_267_072, id="nvfp4: headers of nvidia/GLM-5.2-NVFP4"),
    ],
)
def test_the_tensors_of_a_checkpoint_are_its_published_bytes(checkpoint: str, total: int) -> None:
    assert sum(t.size for t in tensors_of(MODEL, checkpoint).values()) == total


# Rows of a public listing of all weights of GLM-5.1 in BF16, whose names and shapes are the same.
LISTED = {
    "lm_head.weight": ("BF16", (154880, 6144)),
    "model.layers.0.mlp.down_proj.weight": ("BF16", (6144, 12288)),
    "model.layers.0.self_attn.indexer.k_norm.bias": ("BF16", (128,)),
    "model.layers.78.self_attn.indexer.weights_proj.weight": ("BF16", (32, 6144)),
    "model.layers.74.self_attn.indexer.wq_b.weight": ("BF16", (4096, 2048)),
    "model.layers.77.self_attn.kv_a_proj_with_mqa.weight": ("BF16", (576, 6144)),
    "model.layers.40.self_attn.kv_b_proj.weight": ("BF16", (28672, 512)),
    "model.layers.40.self_attn.o_proj.weight": ("BF16", (6144, 16384)),
    "model.layers.40.self_attn.q_b_proj.weight": ("BF16", (16384, 2048)),
    "model.layers.3.mlp.experts.255.down_proj.weight": ("BF16", (6144, 2048)),
    "model.layers.78.mlp.gate.e_score_correction_bias": ("F32", (256,)),
    "model.layers.78.mlp.shared_experts.up_proj.weight": ("BF16", (2048, 6144)),
    "model.layers.78.eh_proj.weight": ("BF16", (6144, 12288)),
    "model.layers.78.shared_head.norm.weight": ("BF16", (6144,)),
    "model.norm.weight": ("BF16", (6144,)),
}


def test_names_and_shapes_are_those_of_a_public_listing() -> None:
    made = tensors_of(MODEL, "bf16")
    assert {n: (made[n].dtype, made[n].shape) for n in LISTED} == LISTED
    # 59,870 there: 57 layers more have an indexer of five tensors
    assert len(made) == 59_870 - 57 * 5
    assert "model.layers.3.self_attn.indexer.wk.weight" not in made


# --- whole checkpoints -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("checkpoint", ["fp8", "bf16", "nvfp4"])
@pytest.mark.parametrize("asked", [True, False])
def test_a_whole_checkpoint_is_known_and_complete(checkpoint: str, asked: bool, tmp_path: Path) -> None:
    tensors = tensors_of(TINY, checkpoint)
    report = check(write(tmp_path, tensors, checkpoint), checkpoint if asked else "")
    assert codes(report) == []
    assert report.checkpoint is CHECKPOINTS[checkpoint]
    assert (report.shards, report.whole, report.tensors) == (3, 3, len(tensors))
    assert report.size == sum(t.size for t in tensors.values())


def unread(checkpoint: str) -> Tensors:
    """A checkpoint whose headers nobody has read, with the types that its loader asks for."""
    expert, scale = {
        "mxfp4": (Tensor("U8", (64, 64)), ("weight_scale", Tensor("U8", (64, 4)))),
        "w4afp8": (Tensor("I8", (64, 64)), ("weight_scale_inv", Tensor("BF16", (64, 1)))),
    }[checkpoint]
    made: Tensors = {}
    for name, tensor in names.expected(TINY, CHECKPOINTS[checkpoint]):
        made |= {name: tensor} if tensor else {f"{name}.weight": expert, f"{name}.{scale[0]}": scale[1]}
    return made


@pytest.mark.parametrize("checkpoint", ["mxfp4", "w4afp8"])
def test_formats_that_nobody_has_read_are_known_by_their_types_and_judged_by_module(
    checkpoint: str, tmp_path: Path
) -> None:
    report = check(write(tmp_path, unread(checkpoint), checkpoint), checkpoint)
    assert (codes(report), report.checkpoint) == ([], CHECKPOINTS[checkpoint])
    gone = {n: t for n, t in unread(checkpoint).items() if ".2.mlp.experts.1.up_proj" not in n}
    assert "model.layers.2.mlp.experts.1.up_proj" in said(check(write(tmp_path, gone, checkpoint)), "GLM970")


@pytest.mark.parametrize(("checkpoint", "shards"), [("fp8", 141), ("bf16", 282)])
def test_the_real_size_is_judged_in_seconds_and_little_memory(checkpoint: str, shards: int, tmp_path: Path) -> None:
    """All headers of the real checkpoint; the data are holes, and that is the one thing wrong."""
    parts = split(tensors_of(MODEL, checkpoint), shards)
    for name, part in parts.items():
        content = shard_bytes({n: replace(t, shape=(0,)) for n, t in part.items()})
        del content
        write_sparse(tmp_path / name, part)
    small(tmp_path, parts, checkpoint, MODEL)
    code = (
        "import resource, sys, time; from pathlib import Path; from glmdeploy import catalog, stored;"
        "start = time.monotonic(); r = stored.check(Path(sys.argv[1]), catalog.load().model);"
        "print(r.checkpoint.id, [d.code for d in r.found], r.found[0].message, time.monotonic() - start,"
        "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, sep='|')"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    found, listed, message, seconds, kib = done.stdout.split("|")
    assert (found, listed) == (checkpoint, "['GLM967']")
    assert message == f"{shards} of {shards} shards with holes where data should be"
    assert float(seconds) < 60
    assert int(kib) < 400_000


def write_sparse(path: Path, tensors: Tensors) -> None:
    here, entries = 0, {}
    for name, t in tensors.items():
        entries[name] = {"dtype": t.dtype, "shape": list(t.shape), "data_offsets": [here, here + t.size]}
        here += t.size
    text = json.dumps(entries).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + here)


# --- half downloads --------------------------------------------------------------------------------------------------


def cut(folder: Path, size: int) -> None:
    os.truncate(folder / SHARD, size)


def grow(folder: Path) -> None:
    with (folder / SHARD).open("ab") as file:
        file.write(b"x")


def zero(folder: Path) -> None:
    (folder / SHARD).write_bytes(bytes((folder / SHARD).stat().st_size))


def pointer(folder: Path) -> None:
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5362000000\n"
    (folder / SHARD).write_text(text)


def dangle(folder: Path) -> None:
    (folder / SHARD).unlink()
    (folder / SHARD).symlink_to("../../blobs/0123")


def loop(folder: Path) -> None:
    (folder / SHARD).unlink()
    (folder / SHARD).symlink_to(SHARD)


def pipe(folder: Path) -> None:
    (folder / SHARD).unlink()
    os.mkfifo(folder / SHARD)


def directory(folder: Path) -> None:
    (folder / SHARD).unlink()
    (folder / SHARD).mkdir()


HALF: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "missing": (lambda f: (f / SHARD).unlink(), "GLM962", "is missing"),
    "dangling link": (dangle, "GLM962", "is a link that leads nowhere"),
    "empty": (lambda f: cut(f, 0), "GLM963", "is empty"),
    "five bytes": (lambda f: cut(f, 5), "GLM963", "is cut off after 5 bytes"),
    "half a header": (lambda f: cut(f, 500), "GLM963", "is cut off inside its header: 500 of"),
    "half the data": (lambda f: cut(f, (f / SHARD).stat().st_size - 1), "GLM963", "of"),
    "too long": (grow, "GLM963", "more than its header says"),
    "LFS pointer": (pointer, "GLM965", "is a Git LFS pointer"),
    "zeros": (zero, "GLM966", "begins with zeros"),
    "loop": (loop, "GLM968", "cannot be read"),
    "pipe": (pipe, "GLM968", "is not a file"),
    "folder": (directory, "GLM968", "is not a file"),
}


@pytest.mark.parametrize("name", HALF)
def test_a_half_download_is_refused_with_the_shard_and_the_reason(name: str, fp8: Path) -> None:
    damage, code, reason = HALF[name]
    damage(fp8)
    report = check(fp8)
    assert codes(report) == [code]
    assert not report.usable
    assert report.found[0].message.startswith("1 of 3 shards")
    assert f"{SHARD} " in said(report, code)
    assert reason in said(report, code)


def test_faults_of_one_kind_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    write(tmp_path, tensors_of(TINY, "fp8"), "fp8", shards=20)
    for path in sorted(tmp_path.glob("*.safetensors"))[:9]:
        path.unlink()
    report = check(tmp_path)
    assert report.found[0].message == "9 of 20 shards missing"
    assert len(report.found[0].notes) == 6
    assert report.found[0].notes[-1] == "and 4 more"


def test_a_hole_in_a_shard_of_the_right_length_is_found(tmp_path: Path) -> None:
    tensors = {**tensors_of(TINY, "fp8"), "model.extra": Tensor("F32", (4 * 2**20,))}
    write(tmp_path, tensors, "fp8", shards=1)
    path = next(tmp_path.glob("*.safetensors"))
    whole, data = path.stat().st_size, path.read_bytes()
    assert codes(check(tmp_path)) == ["GLM978"]
    path.write_bytes(data[: whole - 8 * 2**20])
    os.truncate(path, whole)
    if path.stat().st_blocks * 512 >= whole:
        pytest.skip("this file system keeps no holes")
    assert "has holes of 8,3" in said(check(tmp_path), "GLM967")


@pytest.mark.parametrize(
    "name",
    [
        "model-00004-of-00004.safetensors.aria2",
        ".cache/huggingface/download/abc.incomplete",
        ".model-00001-of-00003.safetensors.Xy12Zw",
        "model.safetensors.part",
    ],
)
def test_what_a_download_leaves_behind_is_a_warning(name: str, fp8: Path) -> None:
    (fp8 / name).parent.mkdir(parents=True, exist_ok=True)
    (fp8 / name).touch()
    report = check(fp8)
    assert (codes(report), report.usable) == (["GLM964"], True)


def test_weights_beside_the_index_are_a_warning(fp8: Path) -> None:
    (fp8 / "consolidated.safetensors").touch()
    assert codes(check(fp8)) == ["GLM983"]


# --- hostile headers, against the reference implementation -----------------------------------------------------------

ENTRY = '"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}'
HOSTILE: dict[str, bytes] = {
    "a good one": raw("{" + ENTRY + "}", b"1234"),
    "no tensors": raw("{}"),
    "spaces behind": raw("{" + ENTRY + "}    ", b"1234"),
    "metadata": raw('{"__metadata__": {"format": "pt"}, ' + ENTRY + "}", b"1234"),
    "zero elements": raw('{"a": {"dtype": "F32", "shape": [0, 5], "data_offsets": [0, 0]}}'),
    "scalar": raw('{"a": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}}', b"1234"),
    "huge length": raw("{}", length=2**63),
    "length of everything": raw("{" + ENTRY + "}", b"1234", length=2**40),
    "length of nothing": raw("{" + ENTRY + "}", b"1234", length=0),
    "not JSON": raw("{not json}", b"1234"),
    "a list": raw("[1]"),
    "a number": raw("1"),
    "not UTF-8": raw(b'{"\xff": 1}'),
    "cut-off JSON": raw("{" + ENTRY, b"1234"),
    "deep": raw('{"a":' * 60_000 + "1" + "}" * 60_000),
    "overlap": raw("{" + ENTRY + ', "b": {"dtype": "U8", "shape": [4], "data_offsets": [2, 6]}}', b"123456"),
    "gap": raw("{" + ENTRY + ', "b": {"dtype": "U8", "shape": [4], "data_offsets": [6, 10]}}', b"0123456789"),
    "out of range": raw('{"a": {"dtype": "U8", "shape": [400], "data_offsets": [0, 400]}}', b"1234"),
    "backwards": raw('{"a": {"dtype": "U8", "shape": [4], "data_offsets": [4, 0]}}', b"1234"),
    "negative": raw('{"a": {"dtype": "U8", "shape": [-4], "data_offsets": [0, 4]}}', b"1234"),
    "wrong size": raw('{"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 4]}}', b"1234"),
    "overflow": raw('{"a": {"dtype": "U8", "shape": [4294967296, 4294967296], "data_offsets": [0, 0]}}'),
    "digits": raw('{"a": {"dtype": "U8", "shape": [' + "9" * 5000 + '], "data_offsets": [0, 4]}}', b"1234"),
    "fraction": raw('{"a": {"dtype": "U8", "shape": [4.0], "data_offsets": [0, 4]}}', b"1234"),
    "a word": raw('{"a": {"dtype": "U8", "shape": "four", "data_offsets": [0, 4]}}', b"1234"),
    "three offsets": raw('{"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4, 4]}}', b"1234"),
    "no type": raw('{"a": {"shape": [4], "data_offsets": [0, 4]}}', b"1234"),
    "unknown type": raw('{"a": {"dtype": "U9", "shape": [4], "data_offsets": [0, 4]}}', b"1234"),
    "null": raw('{"a": null}'),
    "behind": raw("{" + ENTRY + "}", b"12345"),
    "before": raw("{" + ENTRY + "}", b"123"),
    "nothing": b"",
    "text": b"<html>404 not found</html>",
}
# Where we differ on purpose: a name with a control character breaks every log, and two of the same key are never meant.
STRICTER = {
    "NUL in a name": raw('{"a\\u0000b": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}', b"1234"),
    "twice": raw("{" + ENTRY + ", " + ENTRY + "}", b"1234"),
}


def taken(path: Path) -> bool:
    try:
        fault = header.read(path).fault
    except FaultError as error:
        fault = error
    codes_ = {fault.code} if fault else set()
    assert codes_ <= {"GLM963", "GLM966"}
    return not codes_


def by_reference(data: bytes) -> bool:
    try:
        safetensors.deserialize(data)
    except safetensors.SafetensorError:
        return False
    return True


@pytest.mark.parametrize("name", HOSTILE)
def test_a_header_is_taken_where_the_reference_implementation_takes_it(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(HOSTILE[name])
    assert taken(path) == by_reference(HOSTILE[name])


@pytest.mark.parametrize("name", STRICTER)
def test_a_header_that_only_we_refuse(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(STRICTER[name])
    assert (taken(path), by_reference(STRICTER[name])) == (False, True)


def test_a_claimed_length_is_not_allocated(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(raw("{", length=50 * 2**20))
    os.truncate(path, 2**40)
    with pytest.raises(FaultError, match="not JSON"):
        header.read(path)
    path.write_bytes(raw("{", length=2**40))
    with pytest.raises(FaultError, match=r"claims a header of 1,099,511,627,776 bytes"):
        header.read(path)


def test_names_of_a_hostile_header_do_not_reach_a_terminal(fp8: Path, run: Run) -> None:
    entry = '{"\\u202e\\u009b": {"dtype": "U8", "shape": [4], "data_offsets": [0, 5]}}'
    (fp8 / SHARD).write_bytes(raw(entry, b"12345"))
    result = run("validate-weights", str(fp8))
    assert result.code == 1
    assert "\u202e" not in result.err
    assert "\x9b" not in result.err


# --- the index -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not JSON"),
        ('{"weight_map": {"a": "model.safe', "is not JSON"),
        ("[]", "is not an object"),
        ("{}", "has no `weight_map`"),
        ('{"weight_map": {}}', "has no `weight_map`"),
        ('{"weight_map": {"a": "../../etc/x.safetensors"}}', "is no file of this folder"),
        ('{"weight_map": {"a": "/x.safetensors"}}', "is no file of this folder"),
        ('{"weight_map": {"a": "x\\u0000.safetensors"}}', "is no file of this folder"),
        ('{"weight_map": {"a": 5}}', "is no file of this folder"),
        ('{"weight_map": {"a": "a.safetensors", "a": "b.safetensors"}}', "has the key 'a' twice"),
        ("[" * 100_000, "is nested too deeply"),
        ("version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
    ],
)
def test_an_index_that_cannot_be_used_is_refused(text: str, reason: str, fp8: Path) -> None:
    (fp8 / INDEX).write_text(text)
    report = check(fp8)
    assert report.found[0].code == ("GLM965" if "LFS" in reason else "GLM961")
    assert reason in report.found[0].message


def test_a_missing_or_absurdly_large_index_is_refused(fp8: Path) -> None:
    os.truncate(fp8 / INDEX, 2**40)
    assert "is larger than 64 MiB" in said(check(fp8), "GLM961")
    (fp8 / INDEX).unlink()
    assert "is missing" in said(check(fp8), "GLM961")


def edit(folder: Path, change: Callable[[dict[str, Any]], object], name: str = INDEX) -> None:
    data = json.loads((folder / name).read_text())
    change(data)
    (folder / name).write_text(json.dumps(data))


def test_an_index_of_another_download_is_refused(fp8: Path) -> None:
    edit(fp8, lambda d: d["weight_map"].update({"lm_head.weight": SHARD}))
    assert "lm_head.weight is in model-00001" in said(check(fp8), "GLM969")


def test_a_tensor_that_no_shard_has_is_refused(fp8: Path) -> None:
    edit(fp8, lambda d: d["weight_map"].update({"model.layers.0.more.weight": SHARD}))
    assert "1 tensor of the index in no shard" in said(check(fp8), "GLM969")


def test_a_wrong_sum_is_a_note(fp8: Path) -> None:
    edit(fp8, lambda d: d["metadata"].update(total_size=1))
    report = check(fp8)
    assert (codes(report), report.usable) == (["GLM982"], True)


def test_another_number_of_shards_is_a_note(fp8: Path) -> None:
    assert said(check(fp8), "GLM981").startswith("3 shards, and zai-org/GLM-5.2-FP8 has 141")


# --- another checkpoint, another model -------------------------------------------------------------------------------


@pytest.mark.parametrize("held", ["fp8", "bf16", "nvfp4"])
@pytest.mark.parametrize("asked", ["fp8", "bf16", "nvfp4"])
def test_a_wrong_checkpoint_is_named(held: str, asked: str, tmp_path: Path) -> None:
    report = check(write(tmp_path, tensors_of(TINY, held), held), asked)
    assert codes(report) == ([] if held == asked else ["GLM971"])
    if held != asked:
        assert f"these are the weights of `{held}` ({CHECKPOINTS[held].repo}), and `{asked}`" in said(report, "GLM971")


def test_a_wrong_checkpoint_is_named_before_all_of_it_is_there(tmp_path: Path) -> None:
    write(tmp_path, tensors_of(TINY, "nvfp4"), "nvfp4")
    (tmp_path / SHARD).unlink()
    report = check(tmp_path, "fp8")
    assert codes(report) == ["GLM962", "GLM971"]
    assert "fetch nvidia/GLM-5.2-NVFP4" in said(report, "GLM962")


def test_a_precision_of_somebody_elses_is_said_and_refused_where_another_was_asked_for(tmp_path: Path) -> None:
    tensors = {n: replace(t, dtype="F16") if t.dtype == "BF16" else t for n, t in tensors_of(TINY, "bf16").items()}
    write(tmp_path, tensors, "bf16")
    report = check(tmp_path)
    assert (codes(report), report.usable, report.checkpoint) == (["GLM972"], True, None)
    assert "experts: weight F16; attention: weight F16" in said(report, "GLM972")
    assert check(tmp_path, "bf16").found[0].code == "GLM972"
    assert not check(tmp_path, "bf16").usable


def without(part: str) -> Tensors:
    return {n: t for n, t in tensors_of(TINY, "fp8").items() if part not in n}


@pytest.mark.parametrize(
    ("part", "code", "message"),
    [
        ("layers.4.", "GLM970", "34 tensors of GLM-5.2 missing"),
        ("layers.5.mlp.experts.1.up_proj.weight_scale_inv", "GLM970", "1 tensor of GLM-5.2 missing"),
        ("lm_head", "GLM970", "lm_head.weight"),
        ("layers.6.", "GLM979", "the MTP layer is missing"),
        ("layers.6.eh_proj", "GLM979", "1 tensor of the MTP layer missing"),
    ],
)
def test_missing_tensors_are_named(part: str, code: str, message: str, tmp_path: Path) -> None:
    report = check(write(tmp_path, without(part), "fp8"))
    assert codes(report) == [code]
    assert message in said(report, code)
    assert report.usable == (message == "the MTP layer is missing")


def test_shapes_of_another_size_of_the_model_are_refused(tmp_path: Path) -> None:
    wider = replace(TINY, vocab=512)
    report = check(write(tmp_path, tensors_of(wider, "fp8"), "fp8"))
    assert codes(report) == ["GLM977"]
    assert "lm_head.weight is BF16 [512, 128], and should be BF16 [256, 128]" in said(report, "GLM977")


def test_tensors_that_the_model_does_not_have_are_a_warning(tmp_path: Path) -> None:
    tensors = {**tensors_of(TINY, "fp8"), "adapter.weight": Tensor("BF16", (2, 2))}
    report = check(write(tmp_path, tensors, "fp8"))
    assert (codes(report), report.usable) == (["GLM978"], True)


def test_weights_and_config_of_glm_5_1_are_told_from_5_2(tmp_path: Path) -> None:
    older = replace(TINY, index_freq=1)  # every layer has an indexer of its own
    write(tmp_path, tensors_of(older, "fp8"), "fp8")
    for key in ("index_topk_freq", "index_skip_topk_offset"):
        edit(tmp_path, lambda d, key=key: d.pop(key), "config.json")
    edit(tmp_path, lambda d: d.update(max_position_embeddings=202752), "config.json")
    report = check(tmp_path)
    assert codes(report) == ["GLM973", "GLM973"]
    assert "indexers in layers that share one" in report.found[0].message
    assert "that is GLM-5 or GLM-5.1, not GLM-5.2" in "".join(d for r in report.found for d in r.notes)


CONFIGS: list[tuple[dict[str, Any], str, str, bool]] = [
    ({"architectures": ["DeepseekV32ForCausalLM"]}, "GLM973", "DeepseekV32ForCausalLM", False),
    ({"architectures": None}, "GLM973", "`architectures` is missing", False),
    ({"num_hidden_layers": 92}, "GLM973", "`num_hidden_layers` is `92`, and GLM-5.2 has 6", False),
    ({"n_routed_experts": "2"}, "GLM973", "`n_routed_experts` is `'2'`", False),
    ({"first_k_dense_replace": True}, "GLM973", "`first_k_dense_replace` is `True`", False),
    ({"num_attention_heads": 96}, "GLM973", "`num_attention_heads`", False),
    ({"vocab_size": 151552}, "GLM973", "`vocab_size`", False),
    ({"index_topk_freq": 2}, "GLM973", "`index_topk_freq` is `2`", False),
    ({"indexer_types": ["full"] * 6}, "GLM973", "`indexer_types` names other layers", False),
    ({"max_position_embeddings": 131072}, "GLM974", "`max_position_embeddings` is `131072`", True),
    ({"quantization_config": None}, "GLM975", "has no `quantization_config`", False),
    ({"quantization_config": {"quant_method": "gptq"}}, "GLM975", "`quant_method` is `'gptq'`", False),
    ({"quantization_config": []}, "GLM975", "`quant_method` is missing", False),
    ({"vocab_size": "\u202e" + "9" * 500}, "GLM973", "...`", False),
]


@pytest.mark.parametrize(("change", "code", "part", "usable"), CONFIGS)
def test_a_config_of_another_model_or_precision_is_refused(
    change: dict[str, Any], code: str, part: str, usable: bool, fp8: Path
) -> None:
    edit(fp8, lambda d: d.update(change), "config.json")
    report = check(fp8)
    assert (codes(report), report.usable) == ([code], usable)
    assert part in said(report, code)
    assert "\u202e" not in said(report, code)


def test_a_config_that_says_how_indexers_are_shared_in_either_way_is_fine(fp8: Path) -> None:
    own = ["full" if i in TINY.full_indexer_layers else "shared" for i in range(TINY.layers)]
    edit(fp8, lambda d: d.update(indexer_types=own), "config.json")
    edit(fp8, lambda d: d.pop("index_topk_freq"), "config.json")
    assert codes(check(fp8)) == []


def test_a_quantisation_beside_bf16_weights_is_refused(tmp_path: Path) -> None:
    write(tmp_path, tensors_of(TINY, "bf16"), "bf16")
    edit(tmp_path, lambda d: d.update(quantization_config={"quant_method": "fp8"}), "config.json")
    assert "and the weights are not quantised" in said(check(tmp_path), "GLM975")


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("config.json", None, "GLM973"),
        ("config.json", "{", "GLM973"),
        ("tokenizer.json", None, "GLM976"),
        ("tokenizer.json", '{"model": ', "GLM976"),
        ("tokenizer_config.json", None, "GLM976"),
        ("tokenizer_config.json", "{}", "GLM980"),
        ("tokenizer.json", "version https://git-lfs.github.com/spec/v1\n", "GLM965"),
        ("generation_config.json", "[", "GLM976"),
    ],
)
def test_small_files_that_are_missing_or_broken_are_said(name: str, text: str | None, code: str, fp8: Path) -> None:
    (fp8 / name).unlink(missing_ok=True)
    if text is not None:
        (fp8 / name).write_text(text)
    assert codes(check(fp8)) == [code]


def test_a_template_in_a_file_of_its_own_is_one(fp8: Path) -> None:
    (fp8 / "tokenizer_config.json").write_text("{}")
    (fp8 / "chat_template.jinja").write_text("{{ messages }}")
    assert codes(check(fp8)) == []


# --- the hub's cache -------------------------------------------------------------------------------------------------


def cached(root: Path, whole: Path, commit: str = "ba978f7d") -> Path:
    """The hub's layout: blobs, and snapshots of links to them."""
    repository = root / "models--zai-org--GLM-5.2-FP8"
    blobs, snapshot = repository / "blobs", repository / "snapshots" / commit
    blobs.mkdir(parents=True, exist_ok=True)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / "main").write_text(commit)
    for number, path in enumerate(sorted(whole.iterdir())):
        blob = blobs / f"{commit}{number:060}"
        blob.write_bytes(path.read_bytes())
        (snapshot / path.name).symlink_to(os.path.relpath(blob, snapshot))
    return repository


def test_a_folder_of_the_hubs_cache_means_the_snapshot_of_its_main(fp8: Path, tmp_path: Path) -> None:
    repository = cached(tmp_path / "hub", fp8)
    report = check(repository)
    assert (codes(report), report.folder) == ([], repository / "snapshots" / "ba978f7d")
    assert codes(check(repository / "snapshots" / "ba978f7d")) == []


def test_a_pruned_cache_and_one_that_is_being_filled_are_said(fp8: Path, tmp_path: Path) -> None:
    repository = cached(tmp_path / "hub", fp8)
    (repository / "blobs" / "0123.incomplete").touch()
    (repository / "snapshots" / "ba978f7d" / SHARD).resolve().unlink()
    assert codes(check(repository)) == ["GLM962", "GLM964"]


def test_several_snapshots_without_a_main_must_be_named(fp8: Path, tmp_path: Path) -> None:
    repository = cached(tmp_path / "hub", fp8)
    cached(tmp_path / "hub", fp8, "cafe0000")
    (repository / "refs" / "main").unlink()
    assert "holds 2 snapshots" in said(check(repository), "GLM960")
    (repository / "refs" / "main").write_text("../../../etc")
    assert "holds 2 snapshots" in said(check(repository), "GLM960")


@pytest.mark.parametrize(("name", "reason"), [("nowhere", "does not exist"), ("file", "is not a folder")])
def test_what_is_no_folder_is_refused(name: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert reason in said(check(tmp_path / name), "GLM960")


@pytest.mark.parametrize("name", [SHARD, INDEX, "config.json", "."])
def test_what_may_not_be_read_is_said(name: str) -> None:
    with tempfile.TemporaryDirectory() as parent:  # pytest's own folders are closed to others
        Path(parent).chmod(0o755)
        folder = write(Path(parent) / "glm", tensors_of(TINY, "fp8"), "fp8")
        (folder / name).chmod(0)
        root = os.geteuid()
        if root == 0:
            os.seteuid(65534)
        try:
            report = check(folder)
        finally:
            os.seteuid(root)
            (folder / name).chmod(0o755)
    assert "GLM968" in codes(report)
    assert not report.usable


# --- the checkers of the bundles -------------------------------------------------------------------------------------


def by_bundles(folder: Path) -> tuple[bool, bool]:
    """What the two checkers that bundles carry say of a folder: the one for pods, and the one for scripts."""
    templates = resources.folder("templates")
    pod = subprocess.run(
        [sys.executable, templates / "kubernetes" / "weights.py.j2", "--folder", folder],
        capture_output=True,
        check=False,
    )
    source = (templates / "script" / "weights.sh.j2").read_text()
    script = subprocess.run(
        ["bash", "-c", f'set -euo pipefail\n{source}\nmissing_shard "$1"', "check", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    return pod.returncode == 0, script.returncode == 0 and not script.stdout


def test_the_checkers_of_the_bundles_take_what_is_whole(fp8: Path) -> None:
    assert (check(fp8).usable, *by_bundles(fp8)) == (True, True, True)


@pytest.mark.parametrize("name", [n for n in HALF if n != "pipe"])
def test_what_the_checkers_of_the_bundles_refuse_is_refused_here(name: str, fp8: Path) -> None:
    HALF[name][0](fp8)
    assert (check(fp8).usable, *by_bundles(fp8)) == (False, False, False)


# --- the command -----------------------------------------------------------------------------------------------------


def full_size(folder: Path) -> Path:
    """The small files of the real checkpoint and an index, without any shard."""
    folder.mkdir()
    small(folder, split(tensors_of(MODEL, "fp8"), 141), "fp8", MODEL)
    return folder


def test_the_command_refuses_with_code_1_and_says_why(tmp_path: Path, run: Run) -> None:
    result = run("validate-weights", str(full_size(tmp_path / "glm")), "--checkpoint", "zai-org/GLM-5.2-FP8")
    assert result.code == 1
    assert result.out == "0 of 141 shards whole: 1 error\n"
    assert result.err.startswith("error[GLM962]: 141 of 141 shards missing\n")
    assert "model-00001-of-00141.safetensors is missing" in result.err
    assert "and 136 more" in result.err


def test_people_get_a_sentence(fp8: Path, tmp_path: Path) -> None:
    start = "`fp8` (zai-org/GLM-5.2-FP8): 3 of 3 shards whole, "
    assert stored_report.for_people(check(fp8)).startswith(start)
    assert stored_report.for_people(check(fp8)).endswith(" bytes: complete\n")
    assert stored_report.for_people(check(tmp_path / "nowhere")) == "1 error: no weights that could be read\n"
    (fp8 / SHARD).unlink()
    assert stored_report.for_people(check(fp8)).endswith(" bytes: 1 error\n")


@pytest.mark.parametrize("name", ["full", "nowhere"])
def test_json_is_what_its_schema_says(name: str, tmp_path: Path, run: Run) -> None:
    full_size(tmp_path / "full")
    result = run("validate-weights", str(tmp_path / name), "--format", "json")
    assert result.code == 1
    Draft202012Validator(schemas.weights()).validate(result.json)
    assert (result.json["format"], result.json["usable"]) == ("glmdeploy-weights/v1", False)


def test_a_profile_says_what_it_should_be(tmp_path: Path, run: Run) -> None:
    folder = str(full_size(tmp_path / "glm"))
    found = run("validate-weights", folder, "--profile", "glm-5.2-nvfp4-8xb200-vllm", "--format", "json").json
    assert found["asked"] == "nvfp4"


@pytest.mark.parametrize(
    ("argv", "code", "part"),
    [
        (("--checkpoint", "fp9"), 1, "GLM104"),
        (("--profile", "nonsense"), 1, "GLM016"),
        (("--profile", "x", "--checkpoint", "fp8"), 2, "not both"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    argv: Iterable[str], code: int, part: str, tmp_path: Path, run: Run
) -> None:
    result = run("validate-weights", str(tmp_path), *argv)
    assert (result.code, result.out) == (code, "")
    assert part in result.err


def test_a_checkpoint_type_is_what_the_catalogue_says() -> None:
    published: dict[str, Checkpoint] = CHECKPOINTS
    assert {c.id: (c.shards, c.quant_method) for c in published.values()} == {
        "fp8": (141, "fp8"),
        "bf16": (282, "none"),
        "nvfp4": (47, "modelopt"),
        "mxfp4": (0, "quark"),
        "w4afp8": (0, ""),
    }
