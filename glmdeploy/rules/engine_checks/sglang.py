"""What SGLang's options must obey together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy.rules.engine_checks.values import pp, tp

if TYPE_CHECKING:
    from glmdeploy.rules.engine_checks.values import Values

_PAGE = 64
_CP_TP = 8
_COLUMNS = 128  # of an FP8 block
# Names that lead to object storage, and may hold a colon (0.5.23 utils/runai_utils.py SUPPORTED_SCHEMES).
_OBJECTS = ("s3://", "gs://", "az://")
# What the configuration refuses below: the least that it takes.
_MINIMUMS = {
    **dict.fromkeys(("--attn-dp-size", "--moe-dp-size", "--dcp-size"), 1),
    **dict.fromkeys(("--asr-max-buffer-seconds", "--asr-max-concurrent-sessions"), 1),
    **dict.fromkeys(("--cuda-graph-prefill-max-context", "--detokenizer-worker-num", "--gpu-id-step"), 1),
    **dict.fromkeys(("--grpc-port", "--grpc-response-timeout-secs", "--max-loras-per-batch"), 1),
    **dict.fromkeys(("--pp-max-micro-batch-size", "--sampling-mask-max-tokens", "--shared-experts-tp-size"), 1),
    **dict.fromkeys(("--max-ep-size", "--speculative-draft-window-size", "--tokenizer-worker-num"), 1),
    **dict.fromkeys(("--base-gpu-id", "--mamba-cache-philox-rounds", "--media-url-max-file-size-mb"), 0),
    **dict.fromkeys(("--mm-io-worker-num", "--mm-preprocess-cache-size-mb", "--mm-processor-worker-num"), 0),
    **dict.fromkeys(("--prefill-decode-interval", "--prefill-decode-interval-min-bs", "--swa-prefix-tails"), 0),
    "--speculative-draft-sink-size": 0,
}
# The configuration divides by these, and takes them below 0; it takes the others at 0 too.
_DIVISORS = ("--nnodes", "--ep-size", "--attn-cp-size")
_UNGUARDED = ("--tp-size", "--pp-size", "--dp-size")


def _attention_dp(v: Values) -> int:
    inside = v.size("--attn-dp-size")
    return inside if inside > 1 or not v.has("--enable-dp-attention") else v.size("--dp-size", "--data-parallel-size")


def _attention_cp(v: Values) -> int:
    return v.size("--attn-cp-size", "--attention-context-parallel-size")


def _prefill_cp(v: Values) -> bool:
    return v.has("--enable-prefill-cp", "--enable-dsa-prefill-context-parallel")


def expert_parallel(v: Values) -> int:
    """Expert parallelism; all of tensor parallelism where tokens go all to all, which zigzag context parallelism sets."""
    all_to_all = v.text("--moe-a2a-backend") not in {"", "none"} or (
        _prefill_cp(v) and v.text("--cp-strategy") == "zigzag"
    )
    return tp(v) if all_to_all else v.size("--ep-size", "--expert-parallel-size")


def minimums(v: Values) -> str:
    """Numbers that the configuration refuses below a minimum."""
    states = v.wrong(("--mamba-max-states-per-path",), lambda _, number: number == 0 or number < -1)
    return v.below(_MINIMUMS) or (f"{states} is neither above 0 nor -1" if states else "")


def divisors(v: Values) -> str:
    """Sizes that the configuration divides by."""
    said = v.wrong(_DIVISORS, lambda _, number: number == 0)
    return f"{said}: it divides by that" if said else ""


def sizes(v: Values) -> str:
    """Sizes that the configuration takes below 1, and of which no rank is made."""
    said = v.wrong((*_UNGUARDED, *_DIVISORS), lambda name, number: number < (0 if name in _DIVISORS else 1))
    return f"{said}: no rank is started" if said else ""


def rank_in_range(v: Values) -> str:
    """A rank's number is below the number of ranks."""
    rank, nodes = v.number("--node-rank", default=0), v.size("--nnodes")
    return "" if 0 <= rank < nodes else f"rank {rank} of {nodes} rank{'s' * (nodes > 1)}: they count from 0"


def stages_and_ranks(v: Values) -> str:
    """A rank has whole stages, or a stage whole ranks."""
    stages, nodes = pp(v), v.size("--nnodes")
    return (
        f"{stages} stages on {nodes} ranks: one must be a multiple of the other, or the last stage never starts"
        if stages % nodes and nodes % stages
        else ""
    )


def attention_groups(v: Values) -> str:
    """Attention's data and context parallelism divide the tensor parallel size."""
    width, shared = tp(v), _attention_dp(v) * _attention_cp(v)
    if width % shared:
        return f"tensor parallel size {width} is not a multiple of attention-DP x attention-CP = {shared}"
    return ""


def heads(v: Values) -> str:
    """The attention heads divide by what is left of tensor parallelism."""
    width, rest = divmod(tp(v), _attention_dp(v) * _attention_cp(v))
    return f"{v.model.heads} attention heads are not divisible by {width}" if not rest and v.model.heads % width else ""


def expert_groups(v: Values) -> str:
    """MoE data parallelism goes with attention context parallelism, and some runners with one or all ranks."""
    width, ep, moe_dp = tp(v), expert_parallel(v), v.size("--moe-dp-size")
    if moe_dp > 1 and pp(v) > 1:
        return f"MoE-DP {moe_dp} with {pp(v)} pipeline stages"
    if moe_dp > 1 and not _prefill_cp(v) and _attention_cp(v) != moe_dp:
        return f"MoE-DP {moe_dp} is not attention-CP {_attention_cp(v)}"
    runner = v.text("--moe-runner-backend")
    return (
        f"expert parallel size {ep} with {runner} is neither 1 nor the tensor parallel size {width}"
        if runner in {"flashinfer_cutlass", "flashinfer_cutedsl"} and ep not in {1, width}
        else ""
    )


def expert_product(v: Values) -> str:
    """Expert parallelism and MoE data parallelism make up the tensor parallel size."""
    width, ep, moe_dp = tp(v), expert_parallel(v), v.size("--moe-dp-size")
    wrong = width % (ep * moe_dp) or (min(ep, moe_dp) > 1 and ep * moe_dp != width)
    return (
        f"expert parallel size {ep} x MoE-DP {moe_dp} does not make up the tensor parallel size {width}"
        if wrong
        else ""
    )


def experts(v: Values) -> str:
    """Experts and an expert's columns divide."""
    ep, moe_dp, spare = expert_parallel(v), v.size("--moe-dp-size"), v.number("--ep-num-redundant-experts", default=0)
    width, rest = divmod(tp(v), ep * moe_dp)
    if tp(v) > v.model.experts:
        return f"tensor parallel size {tp(v)} is above the {v.model.experts} experts"
    if (v.model.experts + spare) % ep:
        return f"{v.model.experts} + {spare} experts are not divisible by expert parallel size {ep}"
    if rest:
        return ""  # `expert_product` says so, in releases that check it
    share, rest = divmod(v.model.expert_intermediate, width)
    if rest:
        return f"an expert's width {v.model.expert_intermediate} is not divisible by {tp(v)} / ({ep} x {moe_dp})"
    return (
        f"an FP8 expert's share of {share} columns is not a whole number of {_COLUMNS}-wide blocks"
        if v.fp8 and share % _COLUMNS
        else ""
    )


def dense(v: Values) -> str:
    """The dense layers have their own width or the whole one."""
    dense, width = v.number("--moe-dense-tp-size"), tp(v)
    return (
        f"--moe-dense-tp-size {dense} is neither 1 nor the tensor parallel size {width}"
        if dense not in {1, width}
        else ""
    )


def page(v: Values) -> str:
    """Sparse attention forces KV pages of 64 tokens, and a prefill chunk is whole pages; 0 and -1 mean no chunks."""
    chunk = v.number("--chunked-prefill-size", default=_PAGE)
    if chunk <= 0 or not chunk % _PAGE or v.text("--disaggregation-mode") == "decode":
        return ""
    return f"--chunked-prefill-size {chunk} is not a multiple of the KV page of {_PAGE}"


def context_parallel(v: Values) -> str:
    """Prefill and decode context parallelism."""
    dcp, prefill = _dcp(v), _prefill_cp(v)
    if dcp > 1 and (prefill or v.has("--enable-hierarchical-cache")):
        return "decode context parallel excludes prefill context parallel and the hierarchical cache"
    if prefill and tp(v) > _CP_TP:
        return f"prefill context parallel stays on one machine: tensor parallel size {tp(v)} is above {_CP_TP}"
    lacks = v.has("--enable-prefill-cp") and not v.text("--cp-strategy")
    return "--enable-prefill-cp needs --cp-strategy, interleave or zigzag" if lacks else ""


def dcp_divides(v: Values) -> str:
    """Decode context parallelism uses the GPUs of a tensor-parallel group."""
    return (
        f"tensor parallel size {tp(v)} is not a multiple of decode context parallel size {_dcp(v)}"
        if tp(v) % _dcp(v)
        else ""
    )


def _dcp(v: Values) -> int:
    return v.size("--dcp-size", "--decode-context-parallel-size")


def speculative_pipeline(v: Values) -> str:
    """Speculative decoding with several stages."""
    return (
        f"speculative decoding with {pp(v)} pipeline stages"
        if pp(v) > 1 and v.has("--speculative-algorithm") and v.text("--disaggregation-mode") != "prefill"
        else ""
    )


def replicas(v: Values) -> str:
    """Replicas stay on one rank and exclude attention data parallelism."""
    groups = v.size("--attn-dp-size")
    inside = groups == 1 and v.has("--enable-dp-attention")  # then `--dp-size` is the number of groups
    replicas = 1 if inside else v.size("--dp-size", "--data-parallel-size")
    if replicas > 1 and v.size("--nnodes") > 1:
        return f"{replicas} replicas on several ranks"
    return f"{replicas} replicas together with attention data parallelism" if replicas > 1 and groups > 1 else ""


def served_name(v: Values) -> str:
    """SGLang splits a served name at a colon."""
    name = v.text("--served-model-name")
    return f"a colon in the served name `{name}`" if ":" in name and not name.lower().startswith(_OBJECTS) else ""


def keys_and_workers(v: Values) -> str:
    """The key is checked by one tokenizer worker."""
    workers = v.size("--tokenizer-worker-num")
    return f"--api-key with {workers} tokenizer workers" if workers > 1 and v.has("--api-key") else ""


def tls(v: Values) -> str:
    """A certificate and its key come together."""
    pair = [v.has("--ssl-certfile"), v.has("--ssl-keyfile")]
    return "--ssl-certfile and --ssl-keyfile come together" if any(pair) and not all(pair) else ""
