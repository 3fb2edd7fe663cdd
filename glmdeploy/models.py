"""The model's architecture and what its tensors weigh on one rank.

Tensor groups and their replication were read from the engines' own classes, and tests/test_engine_weights.py
builds these on the meta device: whatever differs from the sums here is accounted for there to the byte. Shapes are (out features, in features).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from glmdeploy.hardware import Fact
    from glmdeploy.layout import Shards

BF16 = 2  # bytes
FP32 = 4  # bytes
VOCAB_PADDING = 64  # rows; DEFAULT_VOCAB_PADDING_SIZE of both engines
FP8_BLOCK = 128  # rows and columns that share one FP32 scale (quantization_config.weight_block_size)


def _ceil(value: int, block: int) -> int:
    return -(-value // block)


def _bf16(out: int, inner: int) -> int:
    return out * inner * BF16


def _fp8_block(out: int, inner: int) -> int:
    return out * inner + _ceil(out, FP8_BLOCK) * _ceil(inner, FP8_BLOCK) * FP32


def _nvfp4(out: int, inner: int) -> int:
    """4-bit values, one FP8 scale a group of 16, two FP32 scales a tensor (modelopt NVFP4)."""
    return out * inner // 2 + out * inner // 16 + 2 * FP32


def _mxfp4(out: int, inner: int) -> int:
    """4-bit values, one 8-bit exponent a group of 32 (OCP microscaling format)."""
    return out * inner // 2 + out * inner // 32


def _int4_group(out: int, inner: int) -> int:
    """4-bit values, one BF16 scale a group of 128 (W4AFP8)."""
    return out * inner // 2 + out * inner // 128 * BF16


def _fp8(out: int, inner: int) -> int:
    """The values of an 8-bit format, without scales."""
    return out * inner


def _four_bit(out: int, inner: int) -> int:
    """The values of a 4-bit format, without scales."""
    return out * inner // 2


FORMATS: Mapping[str, Callable[[int, int], int]] = {
    "bf16": _bf16,
    "fp8": _fp8,
    "four_bit": _four_bit,
    "fp8_block": _fp8_block,
    "nvfp4": _nvfp4,
    "mxfp4": _mxfp4,
    "int4_group": _int4_group,
}
# format -> the same without its scales
VALUES = {"fp8_block": "fp8", "nvfp4": "four_bit", "mxfp4": "four_bit", "int4_group": "four_bit"}


@dataclass(frozen=True, eq=False)  # one object an entry: identity is equality
class Checkpoint:
    """One published weight set. ``total_bytes`` are tensor bytes, ``floor_gb`` the published floor's GB.

    ``linear`` is the format of attention, dense MLP and shared experts, ``experts`` that of the routed
    experts, ``mtp_linear`` and ``mtp_experts`` the same for the MTP layer. ``compute`` lists the GPU
    generations whose kernels load it (empty: any that the framework supports).
    """

    id: str
    precision: str
    repo: str
    total_bytes: int
    floor_gb: int
    linear: str
    experts: str
    mtp_linear: str
    mtp_experts: str
    max_tp: int
    compute: tuple[str, ...]
    frameworks: tuple[str, ...]
    default: bool
    facts: Mapping[str, Fact]
    note: str
    shards: int = 0  # files of weights as published; 0 where nobody has counted them
    quant_method: str = ""  # of config.json: `none` without one, empty where nobody has read it


@dataclass(frozen=True, eq=False)  # one object an entry: identity is equality
class Model:
    """A mixture-of-experts model with MLA and sparse attention; sizes as in its config.json."""

    id: str
    name: str
    parameters: int
    layers: int
    dense_layers: int
    hidden: int
    dense_intermediate: int
    heads: int
    q_lora: int
    kv_lora: int
    qk_nope: int
    qk_rope: int
    v_head: int
    vocab: int
    experts: int
    experts_per_token: int
    shared_experts: int
    expert_intermediate: int
    index_heads: int
    index_head: int
    index_topk: int
    index_freq: int
    index_offset: int
    mtp_layers: int
    architecture: str
    max_context: int
    max_output: int
    license: str
    revision: str
    checkpoints: tuple[Checkpoint, ...]
    facts: Mapping[str, Fact]

    @cached_property
    def full_indexer_layers(self) -> frozenset[int]:
        """Layers with an indexer of their own; the others reuse the last one's top-k (IndexShare)."""
        return frozenset(i for i in range(self.layers) if max(i - self.index_offset + 1, 0) % self.index_freq == 0)

    @property
    def latent(self) -> int:
        """Elements of one MLA cache row: latent and rotary part."""
        return self.kv_lora + self.qk_rope

    def embedding_bytes(self, ways: int) -> int:
        """Token embedding (or lm_head: same shape) on one of ``ways`` GPUs, bytes.

        Both engines pad the vocabulary until it divides (layers/vocab_parallel_embedding.py).
        """
        block = 1 if self.vocab % ways == 0 else VOCAB_PADDING * ways
        return _ceil(self.vocab, block) * block // ways * self.hidden * BF16

    def layer_bytes(self, checkpoint: Checkpoint, layer: int, shards: Shards) -> int:
        """Parameter bytes of decoder layer ``layer`` on one GPU."""
        size = self._attention(checkpoint.linear, shards.attention)
        if layer < self.dense_layers:
            size += self._dense(checkpoint.linear, shards.dense)
        else:
            size += self._moe(checkpoint.linear, checkpoint.experts, shards)
        return size + (self._indexer(checkpoint.linear) if layer in self.full_indexer_layers else 0)

    def layer_parts(self, checkpoint: Checkpoint, layer: int, shards: Shards) -> dict[str, int]:
        """``layer_bytes`` by part; the scales of all parts are one part."""
        linear, experts = checkpoint.linear, checkpoint.experts
        values = self._layer_parts(VALUES.get(linear, linear), VALUES.get(experts, experts), layer, shards)
        scaled = self._layer_parts(linear, experts, layer, shards)
        return {**values, "scales": sum(scaled.values()) - sum(values.values())}

    def _layer_parts(self, linear: str, experts: str, layer: int, shards: Shards) -> dict[str, int]:
        moe = layer >= self.dense_layers
        routed = self.held_experts(shards) * self.expert_bytes(experts, shards.experts)
        shared = self.shared_experts * self._mlp(linear, self.expert_intermediate // shards.shared)
        return {
            "attention and norms": self._attention(linear, shards.attention),
            "indexer": self._indexer(linear) if layer in self.full_indexer_layers else 0,
            "dense MLP": 0 if moe else self._dense(linear, shards.dense),
            "routed experts": routed if moe else 0,
            "shared expert": shared if moe else 0,
            "router": self._moe(linear, experts, shards) - shared - routed if moe else 0,
        }

    def mtp_bytes(self, checkpoint: Checkpoint, shards: Shards) -> int:
        """Parameter bytes of the MTP layer on one GPU, without embedding and head."""
        size = (
            self._attention(checkpoint.mtp_linear, shards.attention)
            + self._moe(checkpoint.mtp_linear, checkpoint.mtp_experts, shards)
            + self._indexer(checkpoint.mtp_linear)
        )
        return size + _bf16(self.hidden, 2 * self.hidden) + 3 * self.hidden * BF16  # eh_proj, enorm, hnorm, norm

    def norm_bytes(self) -> int:
        """The last norm, bytes."""
        return self.hidden * BF16

    def expert_bytes(self, fmt: str, tp: int) -> int:
        """Gate, up and down projection of one routed expert on one rank, bytes."""
        return self._mlp(fmt, self.expert_intermediate // tp)

    def _attention(self, fmt: str, tp: int) -> int:
        """Down projections and norms are on every rank, up and output projections are sharded by head."""
        size = FORMATS[fmt]
        heads = self.heads // tp
        everywhere = size(self.q_lora, self.hidden) + size(self.latent, self.hidden)
        norms = (2 * self.hidden + self.q_lora + self.kv_lora) * BF16
        up = size(heads * (self.qk_nope + self.qk_rope), self.q_lora) + size(
            heads * (self.qk_nope + self.v_head), self.kv_lora
        )
        return everywhere + norms + up + size(self.hidden, heads * self.v_head)

    def _indexer(self, fmt: str) -> int:
        """On every rank; both engines hold wk and the head weights in BF16, the key norm in FP32."""
        query = FORMATS[fmt](self.index_heads * self.index_head, self.q_lora)
        return query + _bf16(self.index_head + self.index_heads, self.hidden) + 2 * self.index_head * FP32

    def _moe(self, fmt: str, experts: str, shards: Shards) -> int:
        """Router (on every GPU), shared experts, and the routed experts that this GPU holds."""
        router = _bf16(self.experts, self.hidden) + self.experts * FP32
        shared = self.shared_experts * self._mlp(fmt, self.expert_intermediate // shards.shared)
        return router + shared + self.held_experts(shards) * self.expert_bytes(experts, shards.experts)

    def held_experts(self, shards: Shards) -> int:
        """Routed experts of one layer on the fullest GPU."""
        return _ceil(self.experts + shards.spare, shards.ep)

    def _dense(self, fmt: str, tp: int) -> int:
        return self._mlp(fmt, self.dense_intermediate // tp)

    def _mlp(self, fmt: str, width: int) -> int:
        return 2 * FORMATS[fmt](width, self.hidden) + FORMATS[fmt](self.hidden, width)
