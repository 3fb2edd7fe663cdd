"""Every tensor that a checkpoint of the model must have: names, types and shapes.

Names: safetensors headers of zai-org/GLM-5.2-FP8, and a public listing of the BF16 checkpoint of GLM-5.1, whose modules are
the same but for the indexers (both read 2026-11-24); NVFP4's four tensors a projection: modelopt's export. The sums of
the sizes are the catalogue's bytes, to the byte (tests/test_stored.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.models import FP8_BLOCK
from glmdeploy.stored.header import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from glmdeploy.models import Checkpoint, Model

    Expected = Iterator[tuple[str, Tensor | None]]  # None: the module must be there, in whatever tensors


def _bf16(name: str, out: int, inner: int) -> Expected:
    yield f"{name}.weight", Tensor("BF16", (out, inner))


def _fp8_block(name: str, out: int, inner: int) -> Expected:
    yield f"{name}.weight", Tensor("F8_E4M3", (out, inner))
    yield f"{name}.weight_scale_inv", Tensor("F32", (-(-out // FP8_BLOCK), -(-inner // FP8_BLOCK)))


def _nvfp4(name: str, out: int, inner: int) -> Expected:
    yield f"{name}.weight", Tensor("U8", (out, inner // 2))
    yield f"{name}.weight_scale", Tensor("F8_E4M3", (out, inner // 16))
    yield f"{name}.weight_scale_2", Tensor("F32", ())
    yield f"{name}.input_scale", Tensor("F32", ())


def _unread(name: str, out: int, inner: int) -> Expected:
    """A format whose headers nobody has read: the module must be there."""
    del out, inner
    yield name, None


_FORMATS: dict[str, Callable[[str, int, int], Expected]] = {
    "bf16": _bf16,
    "fp8_block": _fp8_block,
    "nvfp4": _nvfp4,
    "mxfp4": _unread,
    "int4_group": _unread,
}


def expected(model: Model, checkpoint: Checkpoint) -> Expected:
    """All of them, the MTP layer's last."""
    yield "model.embed_tokens.weight", Tensor("BF16", (model.vocab, model.hidden))
    yield "lm_head.weight", Tensor("BF16", (model.vocab, model.hidden))
    yield "model.norm.weight", Tensor("BF16", (model.hidden,))
    for layer in range(model.layers):
        yield from _layer(model, layer, checkpoint.linear, checkpoint.experts)
    for layer in range(model.layers, model.layers + model.mtp_layers):
        yield from _layer(model, layer, checkpoint.mtp_linear, checkpoint.mtp_experts)
        yield from _draft(model, f"model.layers.{layer}")


def _layer(model: Model, layer: int, linear: str, experts: str) -> Expected:
    name = f"model.layers.{layer}"
    for norm in ("input_layernorm", "post_attention_layernorm"):
        yield f"{name}.{norm}.weight", Tensor("BF16", (model.hidden,))
    yield from _attention(model, f"{name}.self_attn", linear)
    if layer in model.full_indexer_layers or layer >= model.layers:
        yield from _indexer(model, f"{name}.self_attn.indexer", linear)
    if layer < model.dense_layers:
        yield from _mlp(f"{name}.mlp", model.hidden, model.dense_intermediate, linear)
        return
    yield f"{name}.mlp.gate.weight", Tensor("BF16", (model.experts, model.hidden))
    yield f"{name}.mlp.gate.e_score_correction_bias", Tensor("F32", (model.experts,))
    shared = model.expert_intermediate * model.shared_experts
    yield from _mlp(f"{name}.mlp.shared_experts", model.hidden, shared, linear)
    for expert in range(model.experts):
        yield from _mlp(f"{name}.mlp.experts.{expert}", model.hidden, model.expert_intermediate, experts)


def _attention(model: Model, name: str, fmt: str) -> Expected:
    linear = _FORMATS[fmt]
    yield f"{name}.q_a_layernorm.weight", Tensor("BF16", (model.q_lora,))
    yield f"{name}.kv_a_layernorm.weight", Tensor("BF16", (model.kv_lora,))
    yield from linear(f"{name}.q_a_proj", model.q_lora, model.hidden)
    yield from linear(f"{name}.q_b_proj", model.heads * (model.qk_nope + model.qk_rope), model.q_lora)
    yield from linear(f"{name}.kv_a_proj_with_mqa", model.latent, model.hidden)
    yield from linear(f"{name}.kv_b_proj", model.heads * (model.qk_nope + model.v_head), model.kv_lora)
    yield from linear(f"{name}.o_proj", model.hidden, model.heads * model.v_head)


def _indexer(model: Model, name: str, fmt: str) -> Expected:
    linear = _FORMATS[fmt]
    yield from linear(f"{name}.wq_b", model.index_heads * model.index_head, model.q_lora)
    yield from linear(f"{name}.wk", model.index_head, model.hidden)
    yield from _bf16(f"{name}.weights_proj", model.index_heads, model.hidden)
    for part in ("weight", "bias"):
        yield f"{name}.k_norm.{part}", Tensor("BF16", (model.index_head,))


def _mlp(name: str, hidden: int, width: int, fmt: str) -> Expected:
    linear = _FORMATS[fmt]
    yield from linear(f"{name}.gate_proj", width, hidden)
    yield from linear(f"{name}.up_proj", width, hidden)
    yield from linear(f"{name}.down_proj", hidden, width)


def _draft(model: Model, name: str) -> Expected:
    yield from _bf16(f"{name}.eh_proj", model.hidden, 2 * model.hidden)
    for norm in ("enorm", "hnorm", "shared_head.norm"):
        yield f"{name}.{norm}.weight", Tensor("BF16", (model.hidden,))
