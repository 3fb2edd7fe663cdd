"""The rules of the engines: which function judges, where the engine checks the same, and when.

`config`: while it reads its arguments; the real engine's configuration confirms these. `build`: while it builds the
model, or not at all, which no parser sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from glmdeploy.rules.engine_checks import both, sglang, sglang_modes, vllm, vllm_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmdeploy.rules.engine_checks.values import Values


@dataclass(frozen=True)
class EngineRule:
    """One rule of one engine.

    ``since``: the first of its releases that checks it, where that is known to be above the oldest; forks are older.
    """

    code: str
    framework: str
    check: Callable[[Values], str]
    source: str
    when: Literal["config", "build"]
    hint: str = ""
    since: str = ""


_S, _V = "sglang 0.5.23 ", "vllm 0.33.0 "
ENGINE_RULES: tuple[EngineRule, ...] = (
    EngineRule("GLM320", "sglang", both.nodes_divide, _S + "arg_groups/validation_hook.py:179", "config"),
    EngineRule("GLM320", "vllm", both.nodes_divide, _V + "config/parallel.py", "config"),
    EngineRule(
        "GLM320", "sglang", sglang.rank_in_range, _S + "entrypoints/engine.py:2065-2075 (not guarded there)", "build"
    ),
    EngineRule("GLM320", "vllm", vllm.rank_in_range, _V + "engine/arg_utils.py:2414", "config"),
    EngineRule(
        "GLM321", "sglang", sglang.stages_and_ranks, _S + "entrypoints/engine.py:2062-2075 (not guarded there)", "build"
    ),
    EngineRule("GLM322", "sglang", sglang.attention_groups, _S + "arg_groups/parallel_hook.py:159-163, :326", "config"),
    EngineRule("GLM322", "sglang", sglang.heads, _S + "models/deepseek_v2.py:2057", "build"),
    EngineRule("GLM322", "vllm", vllm.heads, _V + "config/model.py verify_with_parallel_config", "config"),
    EngineRule(
        "GLM323",
        "sglang",
        sglang.expert_groups,
        _S + "arg_groups/parallel_hook.py:170-191; arg_groups/moe_hook.py:89, :102",
        "config",
    ),
    EngineRule(
        "GLM323",
        "sglang",
        sglang.expert_product,
        _S + "runtime_context.py:303-348; there is no such check in 0.5.20",
        "config",
        since="0.5.21",
    ),
    EngineRule(
        "GLM323",
        "sglang",
        sglang.experts,
        _S + "models/deepseek_v2.py:714; layers/moe/fused_moe_triton/layer.py:414-427; layers/quantization/fp8.py:1588",
        "build",
    ),
    EngineRule("GLM323", "sglang", sglang.dense, _S + "arg_groups/validation_hook.py:207", "config"),
    EngineRule(
        "GLM323",
        "vllm",
        vllm.blocks,
        _V + "model_executor/layers/quantization/utils/fp8_utils.py:1361 (linear layers :1339)",
        "build",
    ),
    EngineRule("GLM324", "sglang", sglang.page, _S + "arg_groups/validation_hook.py:243", "config"),
    EngineRule(
        "GLM325",
        "sglang",
        sglang.context_parallel,
        _S + "arg_groups/parallel_hook.py:151, :249; arg_groups/model_overrides/deepseek_v2.py:22, :124",
        "config",
        "the default before 0.5.20 was `--cp-strategy interleave` with sparse attention",
    ),
    EngineRule("GLM325", "sglang", sglang.dcp_divides, _S + "distributed/parallel_state.py:2665", "build"),
    EngineRule("GLM325", "vllm", vllm.dcp_divides, _V + "config/parallel.py", "config"),
    EngineRule("GLM326", "sglang", sglang.speculative_pipeline, _S + "arg_groups/validation_hook.py:122-171", "config"),
    EngineRule(
        "GLM326",
        "vllm",
        vllm.speculative_pipeline,
        "vllm 0.23.0 and 0.29.0: the draft class has no pipeline support",
        "config",
    ),
    EngineRule("GLM327", "sglang", sglang.replicas, _S + "arg_groups/parallel_hook.py", "config"),
    EngineRule("GLM328", "sglang", sglang.served_name, _S + "arg_groups/validation_hook.py:214", "config"),
    EngineRule("GLM328", "sglang", sglang.keys_and_workers, _S + "entrypoints/http_server.py:259", "build"),
    EngineRule("GLM328", "sglang", sglang.tls, _S + "arg_groups/serving_hook.py:47-70", "config"),
    EngineRule("GLM329", "sglang", both.context, "the model's max_position_embeddings", "config"),
    EngineRule("GLM329", "vllm", both.context, _V + "config/model.py max_model_len", "config"),
    EngineRule("GLM330", "vllm", vllm.ray, _V + "config/parallel.py", "config"),
    EngineRule("GLM330", "vllm", vllm.headless, _V + "entrypoints/cli/serve.py", "config"),
    EngineRule("GLM330", "vllm", vllm.load_balancers, _V + "config/parallel.py", "config"),
    EngineRule("GLM328", "vllm", vllm.tool_parser, _V + "entrypoints/common/cli_args.py:553", "config"),
    EngineRule(
        "GLM331",
        "sglang",
        sglang.minimums,
        _S + "arg_groups/validation_hook.py, arg_groups/serving_hook.py, arg_groups/parallel_hook.py:243, :285",
        "config",
    ),
    EngineRule(
        "GLM331",
        "sglang",
        sglang.divisors,
        _S + "arg_groups/validation_hook.py:179, arg_groups/parallel_hook.py, runtime_context.py:133",
        "config",
    ),
    EngineRule(
        "GLM331",
        "sglang",
        sglang.sizes,
        _S + "entrypoints/engine.py:2062-2075, managers/data_parallel_controller.py:241 (not guarded there)",
        "build",
    ),
    EngineRule("GLM331", "vllm", vllm.minimums, _V + "config/: the fields' `ge` and `gt`", "config"),
    EngineRule("GLM331", "vllm", vllm.kv_dtype, _V + "config/cache.py CacheDType", "config"),
    EngineRule("GLM331", "vllm", vllm.ranges, _V + "config/cache.py, config/scheduler.py", "config"),
    EngineRule(
        "GLM330",
        "vllm",
        vllm_json.speculative,
        _V + "config/speculative.py:413, :1252-1294, :1614; config/utils.py:71",
        "config",
    ),
    EngineRule(
        "GLM330", "vllm", vllm_json.kv_transfer, _V + "config/kv_transfer.py:112-124; config/utils.py:71", "config"
    ),
    EngineRule(
        "GLM331", "vllm", vllm_json.compilation, _V + "config/compilation.py:53, :878; config/utils.py:71", "config"
    ),
    EngineRule(
        "GLM331",
        "vllm",
        vllm_json.attention,
        _V + "v1/attention/backends/registry.py:24-34; config/utils.py:71",
        "config",
    ),
    EngineRule(
        "GLM331",
        "vllm",
        vllm.backends,
        _V + "config/parallel.py:167, v1/executor/abstract.py:92, config/model.py:1465",
        "config",
    ),
    EngineRule("GLM331", "vllm", vllm.offload, _V + "config/offload.py:23", "config"),
    EngineRule("GLM331", "vllm", vllm.logprobs, _V + "config/model.py:286; 0.23.0 takes it", "config", since="0.28.0"),
    EngineRule("GLM330", "vllm", vllm.microbatches, "vllm 0.31.0 config/vllm.py:2181-2194", "config"),
    EngineRule("GLM331", "vllm", vllm.data_parallel_rank, _V + "config/parallel.py:1017", "config"),
    EngineRule("GLM331", "vllm", vllm.whole_prompts, _V + "config/scheduler.py:318-329", "config"),
    EngineRule(
        "GLM328", "sglang", sglang_modes.speculative_numbers, _S + "arg_groups/speculative_hook.py:1159-1274", "config"
    ),
    EngineRule("GLM328", "sglang", sglang_modes.caches, _S + "arg_groups/kv_cache_hook.py:393", "config"),
    EngineRule("GLM328", "sglang", sglang_modes.balance, _S + "arg_groups/parallel_hook.py:790", "config"),
    EngineRule("GLM328", "sglang", sglang_modes.adapters, _S + "arg_groups/lora_hook.py:152", "config"),
    EngineRule(
        "GLM331",
        "sglang",
        sglang_modes.speculative_name,
        _S + "speculative/spec_info.py:65",
        "config",
        "a plug-in's own algorithm is not known here",
    ),
    EngineRule("GLM331", "sglang", sglang_modes.window_share, _S + "arg_groups/kv_cache_hook.py:427", "config"),
    EngineRule("GLM331", "sglang", sglang_modes.overrides, _S + "arg_groups/speculative_hook.py:394, :953", "config"),
    EngineRule("GLM331", "sglang", sglang_modes.quantization, _S + "configs/model_config.py:2145", "config"),
)
