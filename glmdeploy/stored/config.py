"""config.json against the model, and what it says of the precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.models import Checkpoint, Model

# attribute of our model -> key of config.json; tensors are shaped by these
_SHAPES = {
    "layers": "num_hidden_layers",
    "dense_layers": "first_k_dense_replace",
    "hidden": "hidden_size",
    "dense_intermediate": "intermediate_size",
    "heads": "num_attention_heads",
    "q_lora": "q_lora_rank",
    "kv_lora": "kv_lora_rank",
    "qk_nope": "qk_nope_head_dim",
    "qk_rope": "qk_rope_head_dim",
    "v_head": "v_head_dim",
    "vocab": "vocab_size",
    "experts": "n_routed_experts",
    "experts_per_token": "num_experts_per_tok",
    "shared_experts": "n_shared_experts",
    "expert_intermediate": "moe_intermediate_size",
    "index_heads": "index_n_heads",
    "index_head": "index_head_dim",
    "index_topk": "index_topk",
    "mtp_layers": "num_nextn_predict_layers",
}
# Sharing of indexers may be said by any of these; without them every layer has one of its own, as in GLM-5 and GLM-5.1.
_SHARING = ("indexer_types", "index_topk_pattern", "index_topk_freq")


def differences(config: dict[str, Any], model: Model) -> Iterator[str]:
    """What is another model's."""
    architectures = config.get("architectures")
    if architectures != [model.architecture]:
        yield f"`architectures` is {_shown(architectures)}, and {model.name} is `{model.architecture}`"
    for name, key in _SHAPES.items():
        found, wanted = config.get(key), getattr(model, name)
        if type(found) is not int or found != wanted:
            yield f"`{key}` is {_shown(found)}, and {model.name} has {wanted}"
    yield from _sharing(config, model)


def _sharing(config: dict[str, Any], model: Model) -> Iterator[str]:
    if all(config.get(key) is None for key in _SHARING):
        yield f"no key shares indexers between layers: that is GLM-5 or GLM-5.1, not {model.name}"
        return
    types = config.get("indexer_types")
    own = ["full" if i in model.full_indexer_layers else "shared" for i in range(model.layers)]
    if types is not None and types != own:
        yield "`indexer_types` names other layers with an indexer of their own"
    for key, wanted in (("index_topk_freq", model.index_freq), ("index_skip_topk_offset", model.index_offset)):
        if config.get(key, wanted) != wanted:
            yield f"`{key}` is {_shown(config[key])}, and {model.name} has {wanted}"


def other_context(config: dict[str, Any], model: Model) -> str:
    """What is said of a context that somebody changed; empty where it is the model's."""
    found = config.get("max_position_embeddings")
    if found == model.max_context:
        return ""
    return f"`max_position_embeddings` is {_shown(found)}, and {model.name} has {model.max_context}"


def quantised(config: dict[str, Any], checkpoint: Checkpoint) -> str:
    """How config.json and the checkpoint's precision disagree; empty where they do not, or nobody knows."""
    section = config.get("quantization_config")
    method = section.get("quant_method") if isinstance(section, dict) else None
    named = "none" if section is None else str(method)
    if checkpoint.quant_method in {"", named}:
        return ""
    if checkpoint.quant_method == "none":
        return f"config.json has a `quantization_config` ({_shown(method)}), and the weights are not quantised"
    if section is None:
        return f"config.json has no `quantization_config`, and the weights are `{checkpoint.id}`"
    return f"`quant_method` is {_shown(method)}, and `{checkpoint.id}` has `{checkpoint.quant_method}`"


def _shown(value: Any) -> str:
    """A value in a message, short: it may be anything."""
    if value is None:
        return "missing"
    text = f"{value!a}"
    return f"`{text if len(text) <= 40 else text[:37] + '...'}`"  # noqa: PLR2004  a line's worth
