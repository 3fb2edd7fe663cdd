"""Words that vLLM's configurations know: those of 0.23.0, 0.28.0, 0.31.0 and 0.33.0 together."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# config/speculative.py SpeculativeConfig
SPECULATIVE_KEYS = _words(
    """
    attention_backend code_revision disable_eagle_block_drop disable_lookahead_block_hashes
    disable_padded_drafter_batch draft_lm_head_quantization draft_load_config draft_model_config
    draft_parallel_config draft_sample_method draft_tensor_parallel_size dspark_draft_topk
    enable_adaptive_verification enforce_eager fly_entropy_threshold fly_entropy_top_k fly_window_size
    index_share_for_mtp_iteration kv_cache_dtype max_model_len method model moe_backend num_speculative_tokens
    num_speculative_tokens_per_batch_size parallel_drafting prompt_lookup_max prompt_lookup_min quantization
    rejection_sample_method revision suffix_decoding_max_cached_requests suffix_decoding_max_spec_factor
    suffix_decoding_max_tree_depth suffix_decoding_min_token_prob synthetic_acceptance_length
    synthetic_acceptance_rates target_model_config target_parallel_config tensor_parallel_size
    use_heterogeneous_vocab use_local_argmax_reduction xpress_topc
    """
)

# config/compilation.py CompilationConfig
COMPILATION_KEYS = _words(
    """
    backend cache_dir compilation_time compile_cache_save_format compile_mm_encoder compile_ranges_endpoints
    compile_sizes cudagraph_capture_sizes cudagraph_copy_inputs cudagraph_decoder_replay cudagraph_mm_encoder
    cudagraph_mode cudagraph_num_of_warmups cudagraph_specialize_lora custom_ops debug_dump_path
    decoder_replay_cudagraph_capture_sizes decoder_replay_trim_threshold disabled_custom_ops
    dynamic_shapes_config enabled_custom_ops encoder_compilation_time encoder_cudagraph_max_frames_per_batch
    encoder_cudagraph_max_vision_items_per_batch encoder_cudagraph_token_budgets fast_moe_cold_start
    inductor_compile_config inductor_passes ir_enable_torch_wrap local_cache_dir max_cudagraph_capture_size mode
    pass_config splitting_ops static_all_moe_layers static_forward_context traced_files
    use_inductor_graph_partition
    """
)

# config/attention.py AttentionConfig
ATTENTION_KEYS = _words(
    """
    backend backend_per_kind disable_flashinfer_q_quantization flash_attn_max_num_splits_for_cuda_graph
    flash_attn_version flex_attn_block_m flex_attn_block_n flex_attn_kv_block_size flex_attn_q_block_size
    hisparse_config indexer_kv_dtype indexer_sparse_logits indexer_tp_shard_min_rows minimax_m3_indexer_cp
    minimax_m3_msa_decode_backend mla_prefill_backend sparse_mla_force_mqa sparse_mla_prefill_workspace_factor
    tokenspeed_mla_min_split_kv tq_max_kv_splits_for_cuda_graph trtllm_ragged_backend use_fp4_indexer_cache
    use_non_causal use_prefill_decode_attention use_prefill_query_quantization use_trtllm_attention
    """
)

# config/kv_transfer.py KVTransferConfig
KV_TRANSFER_KEYS = _words(
    """
    enable_permute_local_kv engine_id kv_buffer_device kv_buffer_size kv_connector kv_connector_extra_config
    kv_connector_module_path kv_ip kv_load_failure_policy kv_parallel_size kv_port kv_rank kv_role
    """
)

# config/speculative.py SpeculativeMethod
METHODS = _words(
    """
    [ngram] bailing_hybrid_mtp bailing_hybrid_v3_mtp custom_class deepseek_mtp dflash dots3_note_mtp draft_model
    dspark eagle eagle3 ernie_mtp exaone4_5_mtp exaone_moe_mtp extract_hidden_states gemma4_mtp
    glm4_moe_lite_mtp glm4_moe_mtp glm5_next_mtp glm_ocr_mtp hy_v3_mtp hy_v4_mtp inkling_mtp kimi_k3_mtp
    longcat_flash_mtp medusa mimo_mtp mimo_v2_mtp minimax_m3_mtp mlp_speculator mtp nemotron_h_mtp ngram
    ngram_gpu pangu_ultra_moe_mtp qwen3_5_mtp qwen3_next_mtp qwen4_exp_mtp step3p5_mtp step5_mtp suffix
    """
)

# config/compilation.py CUDAGraphMode
CUDAGRAPH_MODES = _words(
    """
    FULL FULL_AND_PIECEWISE FULL_DECODE_ONLY NONE PIECEWISE
    """
)

# v1/attention/backends/registry.py AttentionBackendEnum, and `auto`
ATTENTION_BACKENDS = _words(
    """
    AMX_MLA AUTO B12X CPU_ATTN CPU_MLA CUSTOM CUTLASS_MLA CUTLASS_MSA FLASHINFER FLASHINFER_MLA
    FLASHINFER_MLA_SPARSE FLASHINFER_MLA_SPARSE_DSV4 FLASHINFER_MLA_SPARSE_DSV41 FLASHINFER_MLA_SPARSE_SM120
    FLASHINFER_MLA_SPARSE_SM90 FLASHMLA FLASHMLA_MEGA_ATTN_DSV41 FLASHMLA_SPARSE FLASHMLA_SPARSE_DSV4
    FLASHMLA_SPARSE_DSV41 FLASH_ATTN FLASH_ATTN_DIFFKV FLASH_ATTN_MLA FLASH_ATTN_MLA_SPARSE
    FLASH_ATTN_MLA_SPARSE_FA4 FLEX_ATTENTION HPC_ATTN MINIMAX_M3_SPARSE NO_ATTENTION ROCM_AITER_FA
    ROCM_AITER_MLA ROCM_AITER_MLA_SPARSE ROCM_AITER_TRITON_MLA ROCM_AITER_UNIFIED_ATTN ROCM_ATTN
    ROCM_FLASHMLA_SPARSE_DSV4 ROCM_FLASHMLA_SPARSE_DSV41 ROCM_OCTAVE ROCM_SEGMENTED_ATTN STEP5_DSA
    TOKENSPEED_MLA TORCH_SDPA TRITON_ATTN TRITON_ATTN_DIFFKV TRITON_FLASHINFER TRITON_FLASH_ATTN TRITON_MLA
    TRITON_MSA TURBOQUANT ULTRAQUANT XPU_MLA_SPARSE
    """
)

# model_executor/layers/quantization/__init__.py QuantizationMethods
QUANTIZATIONS = _words(
    """
    auto_awq auto_gptq awq awq_marlin bitsandbytes compressed-tensors deepseek_v4_fp8 experts_int8 fbgemm_fp8
    fp8 fp8_per_block fp8_per_channel fp8_per_tensor fp_quant gguf gpt_oss_mxfp4 gptq gptq_marlin humming inc
    int8_per_channel_weight_only modelopt modelopt_fp4 modelopt_mixed modelopt_mxfp8 moe_wna16 mxfp4 mxfp8
    nvfp4_per_token online quark torchao
    """
)

# config/kv_transfer.py KVRole
KV_ROLES = _words(
    """
    kv_both kv_consumer kv_producer
    """
)
