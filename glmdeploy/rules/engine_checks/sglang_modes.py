"""What SGLang's modes and values must be: speculative decoding, caches, experts' balance, adapters, quantisation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from glmdeploy.rules.engine_checks.sglang import expert_parallel

if TYPE_CHECKING:
    from glmdeploy.rules.engine_checks.values import Values

# 0.5.23 speculative/spec_info.py:39-47 and the alias of spec_registry; in any case of letters.
_ALGORITHMS = frozenset(
    ("DFLASH", "UNO", "DSPARK", "EAGLE", "EAGLE3", "FROZEN_KV_MTP", "STANDALONE", "NGRAM", "NONE", "NEXTN")
)
_EAGLE = frozenset(("EAGLE", "EAGLE3", "NEXTN", "STANDALONE"))
# A checkpoint that says FP8 is refused with these by every release that was asked; others hang on the release.
_NOT_FP8 = frozenset(
    ("awq", "awq_marlin", "bitsandbytes", "compressed-tensors", "gguf", "gptq", "gptq_marlin", "modelopt", "w4afp8")
)


def speculative_name(v: Values) -> str:
    """SGLang's parser takes any word here."""
    name = v.text("--speculative-algorithm")
    return f"speculative algorithm `{name}`" if name and name.upper() not in _ALGORITHMS else ""


def speculative_numbers(v: Values) -> str:
    """Steps and branches of the draft come together; SGLang chooses all numbers or none."""
    if v.text("--speculative-algorithm").upper() not in _EAGLE or v.has("--speculative-adaptive"):
        return ""
    steps, branches = v.text("--speculative-num-steps"), v.text("--speculative-eagle-topk")
    if steps and not branches:
        return "--speculative-num-steps without --speculative-eagle-topk"
    tokens = v.text("--speculative-num-draft-tokens")
    if not steps and (branches or tokens):
        return f"--speculative-{'eagle-topk' if branches else 'num-draft-tokens'} without --speculative-num-steps"
    return ""


def caches(v: Values) -> str:
    """The hierarchical cache is one of the radix cache."""
    both = v.has("--enable-hierarchical-cache") and v.has("--disable-radix-cache")
    return "--enable-hierarchical-cache with --disable-radix-cache" if both else ""


def balance(v: Values) -> str:
    """Experts are balanced between the ranks of expert parallelism."""
    alone = v.has("--enable-eplb") and v.text("--ep-join-mode") != "scale" and expert_parallel(v) == 1
    return "--enable-eplb with expert parallel size 1" if alone else ""


def adapters(v: Values) -> str:
    """Without a first adapter, LoRA needs a rank and target modules."""
    if not v.has("--enable-lora") or v.text("--lora-paths"):
        return ""
    lacks = [name for name in ("--max-lora-rank", "--lora-target-modules") if not v.text(name)]
    return f"--enable-lora without --lora-paths or {' and '.join(lacks)}" if lacks else ""


def window_share(v: Values) -> str:
    """The share of the sliding window's tokens."""
    text = v.text("--swa-full-tokens-ratio")
    try:
        wrong = bool(text) and not 0 < float(text) <= 1
    except ValueError:
        return ""  # GLM412 says so
    return f"--swa-full-tokens-ratio {text} is not above 0 and at most 1" if wrong else ""


def overrides(v: Values) -> str:
    """The model's overrides are a JSON object."""
    option = "--json-model-override-args"
    if not v.has(option):
        return ""
    text = v.text(option)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return f"{option} `{text}` is not valid JSON"
    return f"{option} `{text}` is not a JSON object" if value and not isinstance(value, dict) else ""


def quantization(v: Values) -> str:
    """A checkpoint that is quantised runs as it is."""
    method, name = v.text("--quantization"), v.model_name.rstrip("/").rpartition("/")[2]
    wrong = method in _NOT_FP8 and name.lower() == "glm-5.2-fp8"
    return f"--quantization {method} for {name}, which is quantised to FP8" if wrong else ""
