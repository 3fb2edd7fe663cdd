"""What vLLM's configurations in JSON must hold.

The keys and words are those of 0.23.0, 0.28.0, 0.31.0 and 0.33.0 together: what none of them knows is refused.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from glmdeploy.rules.engine_checks.values import UnknownValueError
from glmdeploy.rules.engine_checks.vllm_names import (
    ATTENTION_BACKENDS,
    ATTENTION_KEYS,
    COMPILATION_KEYS,
    CUDAGRAPH_MODES,
    KV_ROLES,
    KV_TRANSFER_KEYS,
    METHODS,
    SPECULATIVE_KEYS,
)

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from glmdeploy.rules.engine_checks.values import Values

# Methods that draft with the model that they are given; the others know theirs.
_WITH_MODEL = frozenset(("draft_model", "eagle", "eagle3", "dflash"))
_BESIDE = ("--spec-method", "--spec-model", "--spec-tokens")  # they add to the speculative configuration


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _read(v: Values, option: str) -> Any:
    """The configuration: of `--option.key value` alone where any stands, else of the JSON; None when there is none.

    vLLM 0.33.0 utils/argparse_utils.py:440-500.
    """
    mentions = [g for g in v.line.given if option in g.option.names]
    if v.line.unknown or not all(g.known for g in mentions):
        raise UnknownValueError
    v.given += mentions
    dotted = [g for g in mentions if "." in g.written]
    if dotted:
        return {g.written.split(".")[1].rstrip("+"): _loaded(g.value) for g in dotted}
    text = mentions[-1].value if mentions else ""
    value = None if text in {"", "None"} else _loaded(text)
    return None if isinstance(value, str) and value == text else value  # GLM412 says that it is no JSON


def _strange(option: str, config: Any, known: AbstractSet[str]) -> str:
    """No object, or a key that no release knows."""
    if not isinstance(config, dict):
        return f"{option} is not a JSON object"
    key = next((key for key in config if key not in known), "")
    return f"{option} has no key `{key}`" if key else ""


def _unlike(option: str, key: str, config: dict[str, Any], known: AbstractSet[str]) -> str:
    word = config.get(key)
    return f"{option}: `{key}` is `{word}`" if isinstance(word, str) and word not in known else ""


def speculative(v: Values) -> str:
    """A speculative configuration says which drafter, and how many tokens."""
    option = "--speculative-config"
    config = _read(v, option)
    if config is None:
        return ""
    if (said := _strange(option, config, SPECULATIVE_KEYS)) or any(v.has(name) for name in _BESIDE):
        return said
    if not {"method", "model"} & set(config):
        return f"{option} names neither a method nor a model"
    return _unlike(option, "method", config, METHODS) or _draft(option, config)


def _draft(option: str, config: dict[str, Any]) -> str:
    """The number of tokens is there, and the model where the method has none."""
    tokens, method, model = config.get("num_speculative_tokens"), config.get("method"), config.get("model")
    if isinstance(tokens, int) and tokens < 1:
        return f"{option}: {tokens} speculative tokens"
    if tokens is None:
        lacks = method == "ngram" or (str(method).endswith("mtp") and not model)
        return f"{option} names no `num_speculative_tokens`" if lacks else ""
    return f"{option} names no `model` for `{method}`" if method in _WITH_MODEL and not model else ""


def compilation(v: Values) -> str:
    """Keys and modes of the compilation."""
    option = "--compilation-config"
    config = _read(v, option)
    if config is None:
        return ""
    if said := _strange(option, config, COMPILATION_KEYS):
        return said
    mode = config.get("cudagraph_mode")
    wrong = isinstance(mode, str) and mode.upper() not in CUDAGRAPH_MODES
    return f"{option}: `cudagraph_mode` is `{mode}`" if wrong else ""


def attention(v: Values) -> str:
    """Keys of the attention's configuration, and its backend in either place."""
    option = "--attention-config"
    config = _read(v, option)
    if config is not None and (said := _strange(option, config, ATTENTION_KEYS)):
        return said
    backend = (config or {}).get("backend")
    if isinstance(backend, str) and backend.upper() not in ATTENTION_BACKENDS:
        return f"{option}: `backend` is `{backend}`"
    word = v.text("--attention-backend")
    return (
        f"--attention-backend `{word}`" if word not in {"", "None"} and word.upper() not in ATTENTION_BACKENDS else ""
    )


def kv_transfer(v: Values) -> str:
    """A connector has a role."""
    option = "--kv-transfer-config"
    config = _read(v, option)
    if config is None:
        return ""
    if said := _strange(option, config, KV_TRANSFER_KEYS) or _unlike(option, "kv_role", config, KV_ROLES):
        return said
    return f"{option} names no `kv_role`" if config.get("kv_connector") and config.get("kv_role") is None else ""
